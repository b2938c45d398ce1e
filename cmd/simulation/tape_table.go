package simulation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/table"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// tableFlags say how a table is read.
type tableFlags struct {
	Mapping     string `type:"existingfile" help:"What a table's columns become; guessed without it." placeholder:"FILE"`
	SaveMapping string `name:"save-mapping" help:"Write the mapping that was guessed, to edit it or for the next file." placeholder:"FILE"`
	Locality    string `help:"Locality of a table that does not say it." placeholder:"ID"`
	As          string `help:"Device of a table that does not say it." placeholder:"ID"`
	Zone        string `help:"Zone of a table's times that do not say theirs, such as UTC or +07:00; --zone=-05:00 with a sign." placeholder:"ZONE"`
	Yes         bool   `short:"y" help:"Use the mapping that was guessed, doubts and all."`
	Strict      bool   `help:"Stop at the first value that cannot be taken, and write nothing."`
}

// convertTable makes readings of a table.
func (c *tapeConvert) convertTable(ctx context.Context, out *terminal.Output, in *input) error {
	cat := telemetry.NewCatalogue()
	t := table.FromText(in.text, filepath.Base(c.In))
	m, guessed, err := c.mapping(t, cat)
	if err != nil {
		return err
	}
	if c.SaveMapping != "" {
		if err := saveMapping(c.SaveMapping, m, filepath.Base(c.In)); err != nil {
			return err
		}
	}
	show := out.Stdout
	if c.JSON {
		show = out.Stderr
	}
	if guessed != nil && len(m.Check(cat)) > 0 {
		return fmt.Errorf("read %s: it is not known what its columns mean: %s\n  → --save-mapping FILE writes what was understood: add the rest, and give it with --mapping FILE; docs/tables.md says how", c.In, strings.Join(guessed.Doubts, "; "))
	}
	if guessed != nil || c.Out == "" {
		d, err := t.Describe(ctx, m, cat)
		if err != nil {
			return c.aboutTable(err)
		}
		showMapping(show, filepath.Base(c.In), m, guessed, d)
	}
	if c.SaveMapping != "" {
		fmt.Fprintf(show, "\nThe mapping is in %s: edit it, and give it with --mapping.\n", c.SaveMapping)
	}
	if c.Out == "" {
		return nil
	}
	if err := c.agreed(guessed, out.Stderr); err != nil {
		return err
	}
	return c.writeTable(ctx, out, in, t, m, cat)
}

// mapping is the one that was given, or a guess.
func (c *tapeConvert) mapping(t *table.Table, cat *telemetry.Catalogue) (*table.Mapping, *table.Guessed, error) {
	if c.Mapping == "" {
		g, err := t.Guess(cat, table.Given{Locality: c.Locality, Device: c.As, Zone: c.Zone})
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", c.In, err)
		}
		return &g.Mapping, g, nil
	}
	f, err := os.Open(c.Mapping)
	if err != nil {
		return nil, nil, fmt.Errorf("read --mapping: %w", err)
	}
	defer f.Close()
	m, err := table.ReadMapping(c.Mapping, f, cat)
	if err != nil {
		return nil, nil, err
	}
	for _, given := range []struct {
		value string
		to    *string
	}{{c.Locality, &m.Locality}, {c.As, &m.Device}, {c.Zone, &m.Time.Zone}} {
		if given.value != "" {
			*given.to = given.value
		}
	}
	return m, nil, nil
}

// saveMapping writes a mapping for people.
func saveMapping(name string, m *table.Mapping, of string) error {
	text, err := m.Encode()
	if err != nil {
		return err
	}
	f, err := terminal.CreateFile(name, 0o644, false)
	if err != nil {
		return fmt.Errorf("--save-mapping: %w", err)
	}
	defer f.Discard()
	if _, err := fmt.Fprintf(f, "# What the columns of %s become; docs/tables.md says what may stand here.\n# haidang tape convert FILE OUT.tape --mapping %s\n%s", of, filepath.Base(name), text); err != nil {
		return fmt.Errorf("--save-mapping: %w", err)
	}
	return f.Commit()
}

// aboutTable is an error of a table, with the file's name.
func (c *tapeConvert) aboutTable(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: nothing was written to %s", c.Out)
	}
	if c.Mapping != "" {
		return fmt.Errorf("read %s by %s: %w", c.In, c.Mapping, err)
	}
	return fmt.Errorf("read %s: %w", c.In, err)
}

// agreed asks whether a guess may be used, where somebody is there to be asked.
func (c *tapeConvert) agreed(g *table.Guessed, stderr io.Writer) error {
	if g == nil || c.Yes {
		return nil
	}
	if c.In != "-" && terminal.IsTerminal(os.Stdin) && terminal.IsTerminal(stderr) {
		fmt.Fprint(stderr, "\nConvert so? [y/N] ")
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is no
		if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" || a == "c" || a == "có" {
			return nil
		}
		return errors.New("nothing was written: --save-mapping FILE writes this mapping, to edit it and give it with --mapping FILE")
	}
	if n := len(g.Doubts); n > 0 {
		return fmt.Errorf("this mapping was guessed, and doubtful: %s\n  → If it is right, add --yes. Else --save-mapping FILE writes it, to edit it and give it with --mapping FILE", strings.Join(g.Doubts, "; "))
	}
	return nil
}

// showMapping says what a table would become.
func showMapping(w io.Writer, file string, m *table.Mapping, g *table.Guessed, d table.Description) {
	form := "a table"
	if g != nil && g.Form != "" {
		form = g.Form
	}
	fmt.Fprintf(w, "%s is read as: %s\n", file, terminal.Shown(form, 100))
	t := terminal.NewTable("  COLUMN", "FIRST CELL", "BECOMES")
	var ignored []string
	for _, u := range d.Uses {
		if u.Becomes != "" {
			t.Row("  "+u.Column, u.Sample, u.Becomes)
		} else if u.Column != "" {
			ignored = append(ignored, u.Column)
		}
	}
	t.Print(w)
	if len(ignored) > 0 {
		fmt.Fprintf(w, "Ignored: %s\n", terminal.OnScreen(strings.Join(ignored, ", ")))
	}
	fmt.Fprintf(w, "Locality %s, device %s, kind %s\n", terminal.Shown(m.Locality, 80), terminal.Shown(m.Device, 80), terminal.Shown(m.Kind, 80))
	fmt.Fprintln(w, "The first readings would be stored as:")
	for _, r := range d.Readings {
		fmt.Fprintf(w, "  %s\n", readingText(r))
	}
	if len(d.Readings) == 0 {
		fmt.Fprintln(w, "  none: see what is doubtful")
	}
	if g == nil {
		return
	}
	for _, n := range g.Notes {
		fmt.Fprintf(w, "Note: %s\n", terminal.Shown(n, 300))
	}
	for _, n := range g.Doubts {
		fmt.Fprintf(w, "Doubtful: %s\n", terminal.Shown(n, 300))
	}
}

// readingText is a reading for people, at Vietnam's time.
func readingText(r table.Reading) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (+07:00)  kh/%s/%s/%s ", r.Time.In(terminal.Vietnam()).Format("2006-01-02 15:04:05"), r.Locality, r.Kind, r.Device)
	for _, v := range r.Values {
		fmt.Fprintf(&b, " %s=%v", v.Metric, v.Number)
	}
	return b.String()
}

// nativeMessage is a reading as a device would have sent it when it was measured.
func nativeMessage(r table.Reading) tape.Message {
	b := strconv.AppendInt([]byte(`{"ts":`), r.Time.UnixMilli(), 10)
	for _, v := range r.Values {
		b = append(b, `,"`+string(v.Metric)+`":`...)
		b = strconv.AppendFloat(b, v.Number, 'f', -1, 64)
	}
	return tape.Message{At: r.Time, Topic: fmt.Sprintf("%s/%s/%s/%s", codec.Root, r.Locality, r.Kind, r.Device), QoS: 1, Payload: append(b, '}')}
}

// writeTable converts the whole table into the file.
func (c *tapeConvert) writeTable(ctx context.Context, out *terminal.Output, in *input, t *table.Table, m *table.Mapping, cat *telemetry.Catalogue) error {
	f, err := terminal.CreateFile(c.Out, 0o640, false)
	if err != nil {
		return err
	}
	defer f.Discard()
	w, err := c.newSink(f)
	if err != nil {
		return err
	}
	progress := terminal.NewProgress(out.Stderr)
	defer progress.End()
	native, written := codec.NewNative(cat, codec.DefaultMaxPayload), uint64(0)
	report, err := t.Convert(ctx, m, cat, table.Options{Strict: c.Strict, Dir: filepath.Dir(c.Out),
		Progress: func(rows uint64) { progress.Say("%s, %s rows", in.progress(), terminal.Grouped(int64(rows))) }},
		func(r table.Reading) error {
			if r.Time.Before(time.Time(c.From)) || !time.Time(c.To).IsZero() && r.Time.After(time.Time(c.To)) {
				return nil
			}
			written++
			if written%4096 == 0 {
				progress.Say("%s readings written", terminal.Grouped(int64(written)))
			}
			return writeReading(w, native, r)
		})
	progress.End()
	if err := errors.Join(err, w.Close()); err != nil {
		return c.aboutTable(err)
	}
	if written == 0 || report.Twice > report.Values {
		why := fmt.Sprintf("no reading came of its %s rows", terminal.Grouped(int64(report.Rows)))
		if written > 0 {
			why = "most values fall on another of the same device and time, so a column that tells devices apart is missing in device"
		}
		var more bytes.Buffer
		tellReport(&more, report)
		return fmt.Errorf("read %s: %s; nothing was written\n%s", c.In, why, strings.TrimRight(more.String(), "\n"))
	}
	if err := f.Commit(); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, struct {
			Messages uint64       `json:"messages"`
			Report   table.Report `json:"report"`
		}{written, report})
	}
	local := func(at time.Time) string { return at.In(terminal.Vietnam()).Format("2006-01-02 15:04") }
	devices := "1 device"
	if report.Devices != 1 {
		devices = terminal.Grouped(int64(report.Devices)) + " devices"
	}
	fmt.Fprintf(out.Stdout, "\n%s readings of %s, %s values, from %s to %s (Asia/Ho_Chi_Minh), are in %s.\n", terminal.Grouped(int64(written)), devices,
		terminal.Grouped(int64(report.Values)), local(report.First), local(report.Last), c.Out)
	tellReport(out.Stdout, report)
	tellNext(out.Stdout, c.Out, report)
	return nil
}

// writeReading proves a reading with the codec that will take it, and writes it.
func writeReading(w sink, native *codec.Native, r table.Reading) error {
	m := nativeMessage(r)
	decoded, err := native.Decode(codec.Message{Topic: m.Topic, Payload: m.Payload, Received: m.At})
	if err == nil && len(decoded.Problems) > 0 {
		err = decoded.Problems[0]
	}
	if err != nil {
		return fmt.Errorf("line %d: a city would not take %s: %w", r.Values[0].Line, m.Payload, err)
	}
	return w.Write(m)
}

// maxTold bounds how many causes are told.
const maxTold = 20

// tellReport says what was left out.
func tellReport(w io.Writer, r table.Report) {
	for i, f := range r.Faults {
		if i == maxTold {
			fmt.Fprintf(w, "  … and %d more causes; --json lists all\n", len(r.Faults)-maxTold)
			break
		}
		what := "values"
		if f.Row {
			what = "rows"
		}
		fmt.Fprintf(w, "  %s %s: %s\n", terminal.Grouped(int64(f.Count)), what, terminal.Shown(f.Error(), 400))
	}
	for _, more := range []struct {
		n    uint64
		text string
	}{{r.Outside, "values are outside the catalogue's range and left out (above)"}, {r.Empty, "rows have no value"}, {r.Filtered, "rows are not among those that only names"}} {
		if more.n > 0 {
			fmt.Fprintf(w, "  %s %s.\n", terminal.Grouped(int64(more.n)), more.text)
		}
	}
	if len(r.Ignored) > 0 {
		var all []string
		for name, n := range r.Ignored {
			all = append(all, fmt.Sprintf("%s (%s)", terminal.Shown(name, 40), terminal.Grouped(int64(n))))
		}
		slices.Sort(all)
		fmt.Fprintf(w, "  Parameters that the mapping does not name, by rows: %s.\n", strings.Join(all[:min(len(all), maxTold)], ", "))
	}
	if r.Sorted {
		fmt.Fprintln(w, "  Rows were not in order of time; they are now.")
	}
}

// keptFor is how long a city keeps readings if it is not told otherwise.
const keptFor = 400 * 24 * time.Hour

// tellNext says how to get what was converted into a city.
func tellNext(w io.Writer, name string, r table.Report) {
	if filepath.Ext(name) != ".tape" {
		return
	}
	if time.Since(r.Last) > keptFor || time.Since(r.First) > keptFor {
		fmt.Fprintf(w, "Next: haidang replay %s --speed max --shift-to-now   (a city takes nothing older than it keeps, 400 days if not told otherwise)\n", name)
		return
	}
	fmt.Fprintf(w, "Next: haidang replay %s --speed max\n", name)
}
