package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/ledger"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/tape"
)

type tapeConvert struct {
	In   string           `arg:"" help:"What to read: a tape, a table (CSV, TSV, also .gz and .zst), JSON lines, - for the standard input, or quarantine, journal or store of the running city."`
	Out  string           `arg:"" optional:"" help:"What to write: .tape, .csv or .jsonl; a file that exists is left alone. Without it, what a table would become is only shown."`
	From terminal.Instant `help:"Only what was received, or with store and tables measured, at this time or later. Needed for store." placeholder:"TIME"`
	To   terminal.Instant `help:"Only until this time." placeholder:"TIME"`
	tableFlags
	terminal.ClientFlags
	ledger.Filter
}

// Help is kong's detailed help.
func (tapeConvert) Help() string {
	return `Examples:
  haidang tape convert quarantine wrong.tape --reason unknown_metric    what could not be stored, to look at and to replay
  haidang tape convert journal backlog.tape                             what waits for the store
  haidang tape convert store day.tape --from 2026-11-20 --to 2026-11-21 readings as native messages
  haidang tape convert city.tape city.csv                               for a spreadsheet; and back again
  haidang tape convert city.tape city.jsonl                             for an import into VictoriaMetrics

  haidang tape convert air.csv                                          what would become of a table: only shown
  haidang tape convert air.csv air.tape --locality nha-trang --yes      as it was guessed
  haidang tape convert air.csv --save-mapping air.yaml                  to edit it, and then:
  haidang tape convert air.csv air.tape --mapping air.yaml
  zcat air-*.csv.gz | haidang tape convert - air.tape --mapping air.yaml --strict
  mosquitto_sub -t 'kh/#' -q 1 -F %j > day.jsonl; haidang tape convert day.jsonl day.tape

A .csv of messages has the columns time, topic, qos, retain, text and base64. A .jsonl file has a series a line, as
VictoriaMetrics exports and imports them: {"metric":{…},"values":[…],"timestamps":[…]}, or a message a line, as
mosquitto_sub -F %j writes them. mqtt_recorder's CSV is known too. Any other table needs a mapping; it is guessed,
shown, and used if nothing is doubtful or --yes says so. docs/tables.md says what a mapping can say.
Times without a zone are those of Vietnam. Device, gateway, reason and topic select from the quarantine, device also
from the store.`
}

// source yields messages in the order of a tape until io.EOF.
type source interface {
	Next() (tape.Message, error)
	Close() error
}

// sink takes messages. Close completes what was written, and leaves the file to
// whoever opened it.
type sink interface {
	Write(tape.Message) error
	Close() error
}

// Run converts.
func (c *tapeConvert) Run(ctx context.Context, out *terminal.Output) (err error) {
	if from, to := time.Time(c.From), time.Time(c.To); !to.IsZero() && to.Before(from) {
		return fmt.Errorf("--from %s is after --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	if err := c.checkFilter(); err != nil {
		return err
	}
	var in source
	switch {
	case c.isCity():
		in, err = c.openCity(ctx)
	case c.isTape():
		in, err = c.openTape()
	default:
		file, err := c.openInput()
		if err != nil {
			return err
		}
		defer file.close()
		if c.Mapping == "" {
			in, err = c.recordedForm(file)
		}
		if err != nil {
			return err
		}
		if in == nil {
			return c.convertTable(ctx, out, file)
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return c.convertMessages(ctx, out, in)
}

// checkFilter refuses what would select nothing.
func (c *tapeConvert) checkFilter() error {
	f := c.Filter
	if c.In == "store" {
		f.Device = ""
	}
	if c.In != "quarantine" && f != (ledger.Filter{}) {
		return fmt.Errorf("--device, --gateway, --reason and --topic select from the quarantine, --device also from the store, and not from %s", c.In)
	}
	return nil
}

// convertMessages writes what is messages already.
func (c *tapeConvert) convertMessages(ctx context.Context, out *terminal.Output, in source) error {
	if c.Out == "" {
		return errors.New("there is nothing to write to: name a .tape, .csv or .jsonl after what is read")
	}
	if c.SaveMapping != "" || c.Mapping != "" {
		return fmt.Errorf("--mapping and --save-mapping are about tables, and %s has messages", c.In)
	}
	f, err := terminal.CreateFile(c.Out, 0o640, false)
	if err != nil {
		return err
	}
	defer f.Discard()
	w, err := c.newSink(f)
	if err != nil {
		return err
	}
	n, skipped, err := copyMessages(ctx, w, in, time.Time(c.From), time.Time(c.To))
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	r, recorded := in.(*recording)
	if recorded && n == 0 && r.bad > 0 {
		return fmt.Errorf("read %s: none of its lines is a message: %w", c.In, r.firstBad)
	}
	if err := f.Commit(); err != nil {
		return err
	}
	if c.JSON {
		said := map[string]uint64{"messages": n, "skipped": skipped}
		if recorded {
			said["bad"] = r.bad
		}
		return terminal.PrintJSON(out.Stdout, said)
	}
	fmt.Fprintf(out.Stdout, "%s from %s to %s.\n", terminal.Messages(int64(n)), c.In, c.Out)
	if skipped > 0 {
		fmt.Fprintf(out.Stdout, "%s were left out: a series can only be made of native readings.\n", terminal.Grouped(int64(skipped)))
	}
	if recorded && r.bad > 0 {
		fmt.Fprintf(out.Stdout, "%s lines were left out, such as %s\n", terminal.Grouped(int64(r.bad)), terminal.Shown(r.firstBad.Error(), 300))
	}
	return nil
}

// errNotHere is a message that the sink has no form for.
var errNotHere = errors.New("this message has no form here")

// copyMessages copies what was received between the times.
func copyMessages(ctx context.Context, w sink, in source, from, to time.Time) (n, skipped uint64, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return n, skipped, err
		}
		m, err := in.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, tape.ErrCut):
			return n, skipped, nil
		case err != nil:
			return n, skipped, err
		case m.At.Before(from), !to.IsZero() && m.At.After(to):
			continue
		}
		switch err := w.Write(m); {
		case errors.Is(err, errNotHere):
			skipped++
		case err != nil:
			return n, skipped, err
		default:
			n++
		}
	}
}

// newSink writes what the name of --out stands for.
func (c *tapeConvert) newSink(f *terminal.File) (sink, error) {
	switch ext := strings.ToLower(filepath.Ext(c.Out)); ext {
	case ".tape":
		from := c.In
		if c.isCity() {
			from += " of " + terminal.Redact(c.URL)
		}
		return tape.NewWriter(uncommitted{f}, tape.Header{Made: time.Now(), Source: from, Program: "haidang " + terminal.Version})
	case ".csv":
		return newCSV(f)
	case ".jsonl":
		return newSeries(f), nil
	default:
		return nil, fmt.Errorf("cannot tell what to write from the name %q: let it end in .tape, .csv or .jsonl", c.Out)
	}
}

// uncommitted is a file that whoever fills it cannot end: it is synced once, when
// it is whole.
type uncommitted struct{ *terminal.File }

func (uncommitted) Sync() error { return nil }

func (uncommitted) Close() error { return nil }
