package ledger

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
)

// compareStore has the city hold its store against its ledger.
func (c *Audit) compareStore(ctx context.Context) (r ingest.StoreReport, err error) {
	q := url.Values{}
	for name, at := range map[string]terminal.Instant{"from": c.From, "to": c.To} {
		if t := time.Time(at); !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	if c.Store {
		q.Set("all", "true")
	}
	err = c.Call(ctx, http.MethodGet, "/api/v1/ledger/store?"+q.Encode(), nil, &r)
	return r, err
}

// printStore prints what the store's own count says, and the hours in the report.
func printStore(w io.Writer, r ingest.StoreReport) {
	if len(r.Hours) > 0 {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "hour from\tkind\twritten\tseen before\tin the store\tmissing\t(settled)\t")
		for _, h := range r.Hours {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", terminal.Moment(h.Hour), h.Kind, terminal.Grouped(h.Written), terminal.Grouped(h.Seen), terminal.Grouped(h.Counted),
				terminal.Grouped(h.Missing), terminal.Grouped(h.Settled))
		}
		t.Flush()
	}
	span := fmt.Sprintf("%s to %s", terminal.Moment(r.From), terminal.Moment(r.To))
	switch {
	case r.Problem != "":
		fmt.Fprintf(w, "\nTHE STORE WAS NOT COMPARED: %s\n", r.Problem)
	case r.Unsettled > 0:
		fmt.Fprintf(w, "\nTHE STORE LACKS %s values: of %s it must have from %s, it counts these fewer.\n", terminal.Grouped(r.Unsettled), terminal.Grouped(r.Expected-r.Settled), span)
	case r.Expected == 0:
		fmt.Fprintf(w, "\nStore: the ledger knows of nothing newly written from %s, so nothing was compared.\n", span)
	case r.Settled > 0:
		fmt.Fprintf(w, "\nStore: it counts %s values from %s; it must have %s at least, but for %s whose loss is settled.\n", terminal.Grouped(r.Counted), span, terminal.Grouped(r.Expected), terminal.Grouped(r.Settled))
	default:
		fmt.Fprintf(w, "\nStore: it counts %s values from %s, and must have %s at least.\n", terminal.Grouped(r.Counted), span, terminal.Grouped(r.Expected))
	}
}
