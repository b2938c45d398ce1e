package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"

	"github.com/haidang-iot/haidang/ingest"
)

type auditCommand struct{ clientFlags }

// Help is kong's detailed help.
func (auditCommand) Help() string {
	return `For every gateway, at any moment and after any crash:

  received = stored + duplicate + quarantined + queued

The gateway numbers what it receives; the loader counts what became of it. Where the two do not
agree, messages are missing, and the exit code is 1.

Examples:
  haidang audit
  haidang audit --url http://127.0.0.1:9090 --json`
}

// Run prints the ledger.
func (c *auditCommand) Run(ctx context.Context, out *output) error {
	var r ingest.Report
	if err := c.call(ctx, http.MethodGet, "/api/v1/ledger", nil, &r); err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(out.stdout, r); err != nil {
			return err
		}
	} else {
		printLedger(out.stdout, r)
	}
	if !r.Balanced {
		return exitCode(1)
	}
	return nil
}

func printLedger(w io.Writer, r ingest.Report) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "gateway\treceived\tstored\t(partial)\tduplicate\tquarantined\tqueued\tmissing\t")
	total := ingest.Balance{Account: ingest.Account{Gateway: "all"}}
	row := func(b ingest.Balance) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", b.Gateway, grouped(int64(b.Received)), grouped(int64(b.Stored)), grouped(int64(b.Partial)),
			grouped(int64(b.Duplicate)), grouped(int64(b.Quarantined)), grouped(int64(b.Queued)), grouped(b.Missing))
	}
	for _, b := range r.Gateways {
		row(b)
		total.Received += b.Received
		total.Stored += b.Stored
		total.Partial += b.Partial
		total.Duplicate += b.Duplicate
		total.Quarantined += b.Quarantined
		total.Queued += b.Queued
		total.Missing += b.Missing
	}
	row(total)
	t.Flush()
	switch {
	case len(r.Gateways) == 0:
		fmt.Fprintln(w, "\nNo gateway has received anything yet.")
	case r.Balanced:
		fmt.Fprintln(w, "\nBalanced: every message received is accounted for.")
	default:
		fmt.Fprintln(w, "\nNOT BALANCED: messages are missing (or, below 0, counted twice). See the loader's log for which.")
	}
}

// grouped writes a number with a space between thousands, which no language
// takes for a decimal mark.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
