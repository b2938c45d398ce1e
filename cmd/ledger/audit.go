// Package ledger is what became of messages, from the terminal: the audit and the
// quarantine.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/api"
)

// Audit is `haidang audit`: the ledger, and whether it balances.
type Audit struct {
	terminal.ClientFlags
	History terminal.Duration `help:"Print what became of the messages within this time instead, in steps." placeholder:"24h"`
	Step    string            `help:"With --history: the step, 1m, 5m, 15m, 1h, 6h or 1d; a fitting one if not given." placeholder:"1h"`
	Gateway string            `help:"With --history: only this gateway." placeholder:"NAME"`
	Store   bool              `help:"Print each hour of the store's own count, not only those that lack something."`
	From    terminal.Instant  `help:"Hold the store against the ledger from this hour on; two days before --to if not given." placeholder:"2026-11-01"`
	To      terminal.Instant  `help:"Until this hour; now if not given." placeholder:"2026-11-08"`
}

// Help is kong's detailed help.
func (Audit) Help() string {
	return `For every gateway, at any moment and after any crash:

  received = stored + duplicate + quarantined + discarded + canary + queued

Canaries are the city's own: once a minute one goes through everything, by the door for each locality and by each gateway of
another broker. The door is a gateway too, named door. A gateway numbers what it receives; the loader counts what became of it. Where the two do not agree, messages are missing, and the exit code is 1.
A gateway counts anew from 0 in each epoch of its journal. Where a journal or a ledger was deleted, damaged or put back
from a copy, the epoch that this concerns is listed below: what came again with numbers that had been given before, and
what only a newer ledger knew of.

Below the gateways stands what became of the messages of each locality, by their topics. (none) is what belongs to no locality
that there is: haidang quarantine list --reason unknown_locality, or bad_topic; (earlier) was counted before these rows were
kept. The rows of a gateway add up to its outcomes; where they do not, the exit code is 1.

Before that, each side has counted for itself, and none of these counts is made of another one:

  acknowledged   what was acknowledged (PUBACK) to who published it, counted where that is written
  waiting        how many of these are not taken yet
  taken          what the gateway took, counted in a file of its own before the journal was asked; "again" is what the
                 broker sent once more, because somebody was killed before it was confirmed
  confirmed      how many of these the journal has confirmed to the gateway
  numbered       how many the journal has numbered by its own count

What is acknowledged, no longer waits and was not taken is lost, and so is what was confirmed and has no number. The city
looks once a minute; a loss is an alarm, and until somebody acknowledges it the exit code is 1. What was missing then is
settled: it stays counted, and "settled" below says how much, by whom and why; what is lost after it is a loss again. A broker that is another
program does not tell what it has acknowledged: then that is not known. What came before a count began is not in it.

What such a broker throws away before a gateway can take it is in none of these counts. Each gateway asks it once a minute:
"dropped by the broker" is what Mosquitto or EMQX says to have dropped, since it was asked first, for all its clients and not
only for the gateways. If it grows, or if the broker has forgotten a gateway's session, that is an alarm and a loss until it
is acknowledged. Other brokers do not tell: see docs/brokers.md for how to set them up and how to prove it.

And the store itself is asked how many values it has of each hour, of the last two days or from --from to --to (31 days
at most). It must have as many as the ledger says were newly written, and as it had itself when it was asked before; else
the exit code is 1, until the alarm store-loss is acknowledged, as after a deliberate deletion. It may have more: those that were written and not yet counted when a process was killed.

Examples:
  haidang audit
  haidang audit --url http://127.0.0.1:9090 --json
  haidang audit --store                              what the store has of each of the last 48 hours
  haidang audit --from 2026-11-01 --to 2026-11-08
  haidang audit --history 24h                        what happened when, in steps of 5 minutes
  haidang audit --history 30d --step 1d --gateway nha-trang`
}

// Run prints the ledger.
func (c *Audit) Run(ctx context.Context, out *terminal.Output) error {
	if c.History > 0 {
		return c.history(ctx, out)
	}
	if c.Step != "" || c.Gateway != "" {
		return errors.New("--step and --gateway are for --history: add, say, --history 24h")
	}
	var r ingest.Report
	if err := c.Call(ctx, http.MethodGet, "/api/v1/ledger", nil, &r); err != nil {
		return err
	}
	stored, err := c.compareStore(ctx)
	if err != nil { // what the ledger says is told all the same
		stored.Problem = err.Error()
	}
	r.Store = &stored
	if c.JSON {
		if err := terminal.PrintJSON(out.Stdout, r); err != nil {
			return err
		}
	} else {
		printLedger(out.Stdout, r)
		printSides(out.Stdout, r)
		printSettled(out.Stdout, r)
		fmt.Fprintln(out.Stdout, "\n"+verdict(r))
		printStore(out.Stdout, stored)
	}
	if !r.Balanced || stored.Unsettled > 0 || stored.Problem != "" {
		return terminal.ExitCode(1)
	}
	return nil
}

// history prints the ledger's history.
func (c *Audit) history(ctx context.Context, out *terminal.Output) error {
	to := time.Now().UTC()
	q := url.Values{"from": {to.Add(-time.Duration(c.History)).Format(time.RFC3339)}, "to": {to.Format(time.RFC3339Nano)}}
	if c.Step != "" {
		q.Set("step", c.Step)
	}
	if c.Gateway != "" {
		q.Set("gateway", c.Gateway)
	}
	var h api.History
	if err := c.Call(ctx, http.MethodGet, "/api/v1/ledger/history?"+q.Encode(), nil, &h); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, h)
	}
	printHistory(out.Stdout, h)
	return nil
}

// printHistory leaves out steps in which nothing happened and nothing waited.
func printHistory(w io.Writer, h api.History) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "until\tgateway\treceived\tstored\t(partial)\tduplicate\tquarantined\tdiscarded\tcanary\tqueued\tmissing\t")
	rows := 0
	for _, g := range h.Gateways {
		for _, p := range g.Points {
			if p.Received == p.Canary && p.Stored == 0 && p.Partial == 0 && p.Duplicate == 0 && p.Quarantined == 0 && p.Discarded == 0 && p.Queued == 0 && p.Missing == 0 {
				continue
			}
			rows++
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", terminal.Moment(p.Time), g.Gateway, terminal.Grouped(p.Received), terminal.Grouped(p.Stored),
				terminal.Grouped(p.Partial), terminal.Grouped(p.Duplicate), terminal.Grouped(p.Quarantined), terminal.Grouped(p.Discarded), terminal.Grouped(p.Canary), terminal.Grouped(int64(p.Queued)), terminal.Grouped(p.Missing))
		}
	}
	t.Flush()
	if rows == 0 {
		fmt.Fprintln(w, "\nNothing was received in this time.")
		return
	}
	fmt.Fprintf(w, "\nIn steps of %v. Queued and missing are as at the step's end; below 0 is what a re-drive or a discarding took out.\n", time.Duration(h.StepSeconds)*time.Second)
}

// printEpochs lists the accounts in which journal and ledger do not agree of themselves:
// one of them was damaged or exchanged.
func printEpochs(w io.Writer, r ingest.Report) {
	for _, b := range r.Epochs {
		if b.Missing == 0 && b.Forgotten == 0 && b.Behind == 0 && b.Again == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s received, %s missing", b.Sequence(), terminal.Grouped(int64(b.Received)), terminal.Grouped(b.Missing))
		if b.Settled != 0 {
			fmt.Fprintf(w, " (%s of them settled)", terminal.Grouped(b.Settled))
		}
		if b.Again > 0 {
			fmt.Fprintf(w, "; %s more came with numbers that had been given before, and are among the outcomes", terminal.Grouped(int64(b.Again)))
		}
		if b.Forgotten > 0 {
			fmt.Fprintf(w, "; of %s a newer ledger knew what became of them", terminal.Grouped(int64(b.Forgotten)))
		}
		if b.Behind > 0 {
			fmt.Fprintf(w, "; the journal is %s behind", terminal.Grouped(int64(b.Behind)))
		}
		fmt.Fprintln(w)
	}
}

// printRows prints what became of the messages of each locality, where a gateway has more
// than one.
func printRows(w io.Writer, r ingest.Report) {
	for _, d := range r.Differences {
		fmt.Fprintf(w, "\nThe rows of %s do not add up to its account: they have %s, it has %s\n", ingest.Sequence{Gateway: d.Gateway, Epoch: d.Epoch}, outcomes(d.Rows), outcomes(d.Account))
	}
	if len(r.Localities) <= len(r.Gateways) {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "gateway\tlocality\tstored\t(partial)\tduplicate\tquarantined\tdiscarded\tcanary\t")
	for _, b := range r.Localities {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", b.Gateway, b.Locality, terminal.Grouped(int64(b.Stored)), terminal.Grouped(int64(b.Partial)), terminal.Grouped(int64(b.Duplicate)),
			terminal.Grouped(int64(b.Quarantined)), terminal.Grouped(int64(b.Discarded)), terminal.Grouped(int64(b.Canary)))
	}
	t.Flush()
}

func outcomes(o ingest.Outcomes) string {
	return fmt.Sprintf("%d stored (%d in part), %d duplicate, %d quarantined, %d discarded, %d canary", o.Stored, o.Partial, o.Duplicate, o.Quarantined, o.Discarded, o.Canary)
}

func printLedger(w io.Writer, r ingest.Report) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "gateway\treceived\tstored\t(partial)\tduplicate\tquarantined\tdiscarded\tcanary\tqueued\tmissing\t")
	total := ingest.Balance{Account: ingest.Account{Gateway: "all"}}
	row := func(b ingest.Balance) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", b.Gateway, terminal.Grouped(int64(b.Received)), terminal.Grouped(int64(b.Stored)), terminal.Grouped(int64(b.Partial)),
			terminal.Grouped(int64(b.Duplicate)), terminal.Grouped(int64(b.Quarantined)), terminal.Grouped(int64(b.Discarded)), terminal.Grouped(int64(b.Canary)), terminal.Grouped(int64(b.Queued)), terminal.Grouped(b.Missing))
	}
	for _, b := range r.Gateways {
		row(b)
		total.Received += b.Received
		total.Stored += b.Stored
		total.Partial += b.Partial
		total.Duplicate += b.Duplicate
		total.Quarantined += b.Quarantined
		total.Discarded += b.Discarded
		total.Canary += b.Canary
		total.Queued += b.Queued
		total.Missing += b.Missing
	}
	row(total)
	t.Flush()
	printRows(w, r)
	printEpochs(w, r)
	if r.Conflicts > 0 {
		fmt.Fprintf(w, "\nOf these, %s wait in quarantine with another value than is stored for the same time: haidang quarantine list --reason conflict\n", terminal.Grouped(r.Conflicts))
	}
}
