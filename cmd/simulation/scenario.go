package simulation

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// scenarioFlags say which scenario is simulated, and where on the clock its time
// line is.
type scenarioFlags struct {
	Scenario string `help:"A shipped scenario's name, or a scenario's file." placeholder:"NAME"`
	AsFast   bool   `name:"as-fast-as-possible" xor:"speed" help:"With --scenario: nothing waits for its time, only for acknowledgements."`
	At       string `help:"With --scenario: move its time line to start at this time, or, for now, to end when the replay does." placeholder:"TIME"`
	From     string `help:"With --scenario: start of what is sent." placeholder:"TIME"`
	To       string `help:"With --scenario: its end." placeholder:"TIME"`
	Again    bool   `help:"With --scenario: send even if the city already holds readings of these devices and times."`
	List     bool   `xor:"look" help:"List the shipped scenarios and send nothing."`
	Check    bool   `xor:"look" help:"Only check the scenario: the exit code is 1 if something is wrong with it."`
	Describe bool   `xor:"look" help:"Only say what the scenario is."`
	Print    bool   `xor:"look" help:"Only print a shipped scenario's file, to start your own from."`
	variationFlags
}

// looking reports whether nothing is to be sent.
func (f *scenarioFlags) looking() bool { return f.List || f.Check || f.Describe || f.Print }

// check finds what does not go together.
func (f *scenarioFlags) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if f.Scenario == "" {
		for _, o := range []struct {
			flag  string
			given bool
		}{{"--check", f.Check}, {"--describe", f.Describe}, {"--print", f.Print}, {"--as-fast-as-possible", f.AsFast}, {"--at", f.At != ""},
			{"--from", f.From != ""}, {"--to", f.To != ""}, {"--again", f.Again}, {"--cadence", f.Cadence > 1}, {"--loss", f.Loss > 0}} {
			if o.given {
				bad("%s is given, but no scenario: add --scenario NAME; --list says which there are", o.flag)
			}
		}
	}
	if f.At != "" && f.At != "now" {
		if _, err := lineTime(f.At, time.Time{}); err != nil {
			bad("--at: %w, or now", err)
		}
	}
	for _, t := range []struct{ flag, text string }{{"--from", f.From}, {"--to", f.To}} {
		if t.text == "" {
			continue
		}
		if _, err := lineTime(t.text, time.Unix(0, 0)); err != nil {
			bad("%s: %w", t.flag, err)
		} else if f.At == "now" && !strings.HasPrefix(t.text, "+") {
			bad("%s is %s, but with --at now the time line has no fixed place: write it like +2h, after its start", t.flag, t.text)
		}
	}
	return errors.Join(errs...)
}

// lineTime reads a time in Vietnam or RFC 3339, or, where there is a start, +2h
// after it.
func lineTime(text string, start time.Time) (time.Time, error) {
	if after, ok := strings.CutPrefix(text, "+"); ok && !start.IsZero() {
		if d, err := time.ParseDuration(after); err == nil && d >= 0 {
			return start.Add(d), nil
		}
	}
	t, err := terminal.ParseInstant(text)
	if err != nil {
		return t, fmt.Errorf("%w or, after the start, +2h", err)
	}
	return t, nil
}

// look answers --list, --check, --describe and --print.
func (f *scenarioFlags) look(out *terminal.Output, asJSON bool) error {
	if f.List {
		all, err := scenario.List()
		if err != nil {
			return err
		}
		return printScenarios(out, asJSON, all)
	}
	if f.Print {
		text, err := scenario.Text(f.Scenario)
		if err == nil {
			_, err = out.Stdout.Write(text)
		}
		return err
	}
	s, err := f.load(f.Scenario)
	if err != nil {
		return err
	}
	d := scenario.Describe(s)
	if f.Check && !asJSON {
		fmt.Fprintf(out.Stdout, "%s is right: %s devices, %s, %.1f messages a second.\n", d.Name, terminal.Grouped(int64(d.Devices)), terminal.SpanOf(d.Length), d.MessagesPerSecond)
		return nil
	}
	if asJSON {
		return terminal.PrintJSON(out.Stdout, d)
	}
	terminal.PrintFields(out.Stdout, "name", d.Name, "title", cmp.Or(d.TitleVI, d.TitleEN), "", d.TitleEN, "start", d.Start.In(terminal.Vietnam()).Format("2006-01-02 15:04"),
		"length", terminal.SpanOf(d.Length), "devices", terminal.Grouped(int64(d.Devices)), "messages", fmt.Sprintf("%.1f a second", d.MessagesPerSecond),
		"events", fmt.Sprint(d.Events), "faults", fmt.Sprint(d.Faults))
	return nil
}

func printScenarios(out *terminal.Output, asJSON bool, all []scenario.Description) error {
	if asJSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	t := terminal.NewTable("NAME", "START", "LENGTH", "DEVICES", "MESSAGES/S", "WHAT")
	for _, d := range all {
		t.Row(d.Name, d.Start.In(terminal.Vietnam()).Format("2006-01-02 15:04"), terminal.SpanOf(d.Length), terminal.Grouped(int64(d.Devices)), fmt.Sprintf("%.1f", d.MessagesPerSecond), d.TitleEN)
	}
	t.Print(out.Stdout)
	return nil
}

// fleet makes the scenario's fleet.
func (f *scenarioFlags) fleet() (*simulator.Fleet, error) {
	s, err := f.load(f.Scenario)
	if err != nil {
		return nil, err
	}
	return simulator.NewScenarioFleet(s)
}

// place moves the time line to where it is to be if sending begins now, and sets
// the part of it that is sent.
func (f *scenarioFlags) place(o *simulator.Options, now time.Time) error {
	if f.At != "" && f.At != "now" {
		at, err := lineTime(f.At, time.Time{})
		if err != nil {
			return err
		}
		o.Fleet = o.Fleet.At(at)
	}
	if err := f.part(o); err != nil || f.At != "now" {
		return err
	}
	length := o.To.Sub(o.From)
	start := now
	switch {
	case o.Unpaced: // nobody knows how long it takes: it is over when it begins
		start = now.Add(-length)
	case o.Speed > 1: // else what is measured at the end would be in the future
		start = now.Add(time.Duration(float64(length)/o.Speed) - length)
	}
	o.Fleet = o.Fleet.At(start.Add(o.Fleet.Start().Sub(o.From)).Truncate(time.Second))
	return f.part(o)
}

// part sets From and To.
func (f *scenarioFlags) part(o *simulator.Options) (err error) {
	start := o.Fleet.Start()
	o.From, o.To = start, o.Fleet.End()
	if f.From != "" {
		if o.From, err = lineTime(f.From, start); err != nil {
			return err
		}
	}
	if f.To != "" {
		if o.To, err = lineTime(f.To, start); err != nil {
			return err
		}
	}
	if !o.To.After(o.From) || o.From.Before(start) || o.To.After(o.Fleet.End()) {
		at := func(t time.Time) string { return t.In(terminal.Vietnam()).Format("2006-01-02 15:04") }
		return fmt.Errorf("--from %s and --to %s are no part of the time line, which goes from %s to %s", at(o.From), at(o.To), at(start), at(o.Fleet.End()))
	}
	return nil
}

// verification is how what was sent is scored.
func (f *scenarioFlags) verification(o simulator.Options, began time.Time) string {
	s := "Score it: haidang verify --scenario " + f.Scenario + f.variationFlags.String()
	add := func(flag string, t time.Time) { s += " " + flag + " " + t.UTC().Format(time.RFC3339) }
	if f.At != "" {
		add("--at", o.Fleet.Start())
	}
	if f.From != "" {
		add("--from", o.From)
	}
	if f.To != "" {
		add("--to", o.To)
	}
	add("--sent", began)
	if o.Unpaced {
		return s + " --speed max"
	}
	return s + fmt.Sprintf(" --speed %gx", o.Speed)
}
