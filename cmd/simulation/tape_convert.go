package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/ledger"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/tape"
)

type tapeConvert struct {
	In   string           `arg:"" help:"What to read: a tape, a .csv or .jsonl file, or quarantine, journal or store of the running city."`
	Out  string           `arg:"" help:"What to write: .tape, .csv or .jsonl; a file that exists is left alone."`
	From terminal.Instant `help:"Only what was received, or with store measured, at this time or later. Needed for store." placeholder:"TIME"`
	To   terminal.Instant `help:"Only until this time." placeholder:"TIME"`
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

A .csv has the columns time, topic, qos, retain, text and base64. A .jsonl file has a series a line, as
VictoriaMetrics exports and imports them: {"metric":{…},"values":[…],"timestamps":[…]}. Times without a zone are
those of Vietnam. Device, gateway, reason and topic select from the quarantine, device also from the store.`
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
	in, err := c.openSource(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
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
	if err := f.Commit(); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, map[string]uint64{"messages": n, "skipped": skipped})
	}
	fmt.Fprintf(out.Stdout, "%s messages from %s to %s.\n", terminal.Grouped(int64(n)), c.In, c.Out)
	if skipped > 0 {
		fmt.Fprintf(out.Stdout, "%s were left out: a series can only be made of native readings.\n", terminal.Grouped(int64(skipped)))
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

func (c *tapeConvert) openSource(ctx context.Context) (source, error) {
	switch c.In {
	case "quarantine":
		return newPages(ctx, c.quarantinePage()), nil
	case "journal":
		return newPages(ctx, c.journalPage()), nil
	case "store":
		return c.openStore(ctx)
	}
	switch ext := filepath.Ext(c.In); ext {
	case ".csv":
		return openCSV(c.In)
	case ".jsonl":
		return openSeries(c.In)
	default:
		r, err := tape.Open(c.In)
		if err != nil {
			if errors.Is(err, os.ErrNotExist) {
				err = fmt.Errorf("%w: give a file, or one of quarantine, journal and store", err)
			}
			return nil, err
		}
		r.From(time.Time(c.From))
		return r, nil
	}
}

// newSink writes what the name of --out stands for.
func (c *tapeConvert) newSink(f *terminal.File) (sink, error) {
	switch ext := strings.ToLower(filepath.Ext(c.Out)); ext {
	case ".tape":
		from := c.In
		if c.In == "quarantine" || c.In == "journal" || c.In == "store" {
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
