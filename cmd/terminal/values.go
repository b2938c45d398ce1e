package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Size is a number of bytes, written like 512MiB.
type Size uint64

// Decode implements kong.MapperValue.
func (s *Size) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("size", &text); err != nil {
		return err
	}
	units := []struct {
		suffix string
		factor uint64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
		if err != nil || n > 1<<62/u.factor {
			break
		}
		*s = Size(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is not a size: write it like 512MiB or 10GiB", text)
}

// Duration is a time.Duration that also takes days, like 400d.
type Duration time.Duration

// Decode implements kong.MapperValue.
func (d *Duration) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write it like 90s, 12h or 400d", text)
	}
	*d = Duration(v)
	return nil
}

// Instant is a moment as people type it; see [ParseInstant].
type Instant time.Time

// Optional is nil where no time was given.
func (i Instant) Optional() *time.Time {
	if t := time.Time(i); !t.IsZero() {
		return &t
	}
	return nil
}

// Decode implements kong.MapperValue.
func (i *Instant) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	if text == "now" {
		*i = Instant(time.Now())
		return nil
	}
	t, err := ParseInstant(text)
	if err != nil {
		return fmt.Errorf("%w or now", err)
	}
	*i = Instant(t)
	return nil
}

// ParseInstant reads a moment as people type it. Without an offset from UTC it is
// Vietnam's, whatever the zone of this machine: who works for the city from
// elsewhere, or in a container, means the city's time.
func ParseInstant(text string) (time.Time, error) {
	for _, day := range []string{"2006-01-02 ", "2006-01-02T"} {
		for _, clock := range []string{"15:04", "15:04:05"} {
			for _, zone := range []string{"", "Z07:00", " Z07:00"} {
				if t, err := time.ParseInLocation(day+clock+zone, text, Vietnam()); err == nil {
					return t, nil
				}
			}
		}
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, Vietnam()); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write it like 2026-11-21 or \"2026-11-21 18:30\", which are Vietnam's (+07:00), or 2026-11-21T11:30:00Z", text)
}

// Moment is a time for people, to the minute: Vietnam's, and it says so.
func Moment(t time.Time) string { return t.In(Vietnam()).Format("2006-01-02 15:04 -07:00") }

// MomentSeconds is Moment to the second.
func MomentSeconds(t time.Time) string { return t.In(Vietnam()).Format("2006-01-02 15:04:05 -07:00") }

// Vietnam is Asia/Ho_Chi_Minh, without summer time since 1975.
func Vietnam() *time.Location { return time.FixedZone("Asia/Ho_Chi_Minh", 7*60*60) }
