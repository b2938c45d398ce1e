package simulation

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// variationFlags play a scenario otherwise than it is written. What is verified must
// have been sent with the same.
type variationFlags struct {
	Cadence multiple `help:"With --scenario: so many times as long between a device's readings, such as x12: five minutes become an hour." placeholder:"xN"`
	Loss    share    `help:"With --scenario: this share of the messages never arrives." placeholder:"10%"`
}

// load reads a scenario and varies it.
func (f variationFlags) load(name string) (simulator.Scenario, error) {
	s, err := scenario.Load(name)
	if err != nil {
		return s, err
	}
	s = s.Varied(simulator.Variation{Cadence: int(f.Cadence), Loss: float64(f.Loss)})
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("play %s with%s: %w", name, f, err)
	}
	return s, nil
}

// String is how the flags are written, each after a space.
func (f variationFlags) String() (text string) {
	if f.Cadence > 1 {
		text += fmt.Sprintf(" --cadence x%d", f.Cadence)
	}
	if f.Loss > 0 {
		text += fmt.Sprintf(" --loss %g%%", 100*float64(f.Loss))
	}
	return text
}

// multiple is how many times as long something takes; 0 is 1.
type multiple int

// Decode implements kong.MapperValue.
func (m *multiple) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("multiple", &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.Trim(text, "x×"))
	if err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("it is %q: give how many times as long, from x1 to x1000", text)
	}
	*m = multiple(n)
	return nil
}

// share is a part of all: 10% or 0.1.
type share float64

// Decode implements kong.MapperValue.
func (s *share) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("share", &text); err != nil {
		return err
	}
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 0.9) {
		return fmt.Errorf("it is %q: give a share of the messages, from 0%% to 90%%", text)
	}
	*s = share(v)
	return nil
}
