package ledger

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/api"
)

// Quarantine is `haidang quarantine`: a field for each command below it.
type Quarantine struct {
	List    quarantineList    `cmd:"" help:"List messages that could not be stored."`
	Show    quarantineShow    `cmd:"" help:"Show one of them whole."`
	Redrive quarantineRedrive `cmd:"" help:"Drive them through again, after the cause was mended."`
	Discard quarantineDiscard `cmd:"" help:"Let some of them go for good, by id or filter."`
	Purge   quarantinePurge   `cmd:"" help:"Let all go that are old, or of a device, or have a reason."`
}

// Filter selects messages.
type Filter struct {
	Gateway string `help:"Only those of this gateway." placeholder:"NAME"`
	Reason  string `help:"Only those with this reason, such as unknown_metric." placeholder:"WORD"`
	Device  string `help:"Only those of this device." placeholder:"ID"`
	Topic   string `help:"Only those of this topic, or with a trailing * all that begin so." placeholder:"TOPIC"`
}

type quarantineList struct {
	terminal.ClientFlags
	Filter
	After int64 `help:"Only ids greater than this: the last of the list before." placeholder:"ID"`
	Limit int   `default:"50" help:"How many at most, up to 1000." placeholder:"50"`
}

// Help is kong's detailed help.
func (quarantineList) Help() string {
	return `Examples:
  haidang quarantine list
  haidang quarantine list --reason out_of_range --topic 'kh/nha-trang/*'`
}

// Run lists.
func (c *quarantineList) Run(ctx context.Context, out *terminal.Output) error {
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	for name, value := range map[string]string{"gateway": c.Gateway, "reason": c.Reason, "device": c.Device, "topic": c.Topic} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if c.After > 0 {
		q.Set("after", strconv.FormatInt(c.After, 10))
	}
	var page api.QuarantinePage
	if err := c.Call(ctx, http.MethodGet, "/api/v1/quarantine?"+q.Encode(), nil, &page); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, page)
	}
	printQuarantine(out.Stdout, page)
	return nil
}

func printQuarantine(w io.Writer, page api.QuarantinePage) {
	if len(page.Reasons) == 0 {
		fmt.Fprintln(w, "The quarantine is empty.")
		printGone(w, page.Use)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tAT\tTOPIC\tREASON\tWHAT IS WRONG")
	for _, m := range page.Messages {
		reason, what := "", ""
		if len(m.Problems) > 0 {
			p := m.Problems[0]
			reason, what = string(p.Reason), p.Detail
			if !strings.Contains(p.Detail, p.Field) {
				what = p.Field + ": " + p.Detail
			}
		}
		if n := len(m.Problems); n > 1 {
			what += fmt.Sprintf(" (and %d more)", n-1)
		}
		if m.Partial {
			reason += " (partial)"
		}
		if m.Cut {
			reason += " (cut)"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", m.ID, terminal.MomentSeconds(m.At), terminal.Shown(m.Topic, 60), reason, terminal.Shown(what, 100))
	}
	t.Flush()
	fmt.Fprintln(w)
	var total int64
	for _, r := range page.Reasons {
		partial := ""
		if r.Partial {
			partial = ", in part"
		}
		fmt.Fprintf(w, "%8s  %s %s%s\n", terminal.Grouped(r.Count), r.Gateway, r.Reason, partial)
		total += r.Count
	}
	fmt.Fprintf(w, "%8s  in all; they take %s of %s, the oldest waits since %s\n", terminal.Grouped(total), terminal.BytesText(page.Use.Bytes), terminal.BytesText(page.Use.Budget), terminal.Moment(page.Use.Oldest))
	printGone(w, page.Use)
	if page.Next > 0 {
		fmt.Fprintf(w, "More: --after %d\n", page.Next)
	}
}

type quarantineShow struct {
	terminal.ClientFlags
	ID int64 `arg:"" help:"The message's id, from the list."`
}

// Run shows one message.
func (c *quarantineShow) Run(ctx context.Context, out *terminal.Output) error {
	var m api.Message
	if err := c.Call(ctx, http.MethodGet, "/api/v1/quarantine/"+strconv.FormatInt(c.ID, 10), nil, &m); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, m)
	}
	w := out.Stdout
	state := "not stored"
	if m.Partial {
		state = "stored in part"
	}
	fmt.Fprintf(w, "message %d of gateway %s: %s\n", m.ID, m.Gateway, state)
	fmt.Fprintf(w, "topic     %s\nreceived  %s, QoS %d, redelivered %t, retained %t\n", terminal.Shown(m.Topic, 1000), m.Received.In(terminal.Vietnam()).Format("2006-01-02 15:04:05.000 -07:00"), m.QoS, m.Redelivered, m.Retained)
	fmt.Fprintf(w, "here      since %s, driven through again %d times\n", terminal.MomentSeconds(m.At), m.Tries)
	for _, p := range m.Problems {
		fmt.Fprintf(w, "problem   %s %s\n          %s\n", p.Reason, p.Field, terminal.Shown(p.Detail, 1000))
	}
	fmt.Fprintf(w, "payload   %d bytes\n", m.Size)
	if m.Cut {
		sum := m.SHA256
		if sum == "" {
			sum = "not known"
		}
		fmt.Fprintf(w, "cut       only the beginning is kept; it cannot be driven through again\nSHA-256   %s\n", sum)
	}
	if m.Binary != nil {
		fmt.Fprintf(w, "%q\n", m.Binary[:min(len(m.Binary), 4096)])
		return nil
	}
	fmt.Fprintln(w, terminal.Shown(m.Payload, 4096))
	return nil
}

type quarantineRedrive struct {
	terminal.ClientFlags
	Filter
	ID  []int64 `help:"Only these." placeholder:"ID"`
	All bool    `help:"All that wait."`
}

// Help is kong's detailed help.
func (quarantineRedrive) Help() string {
	return `Examples:
  haidang quarantine redrive --id 17
  haidang quarantine redrive --reason unregistered --topic 'kh/cam-ranh/*'
  haidang quarantine redrive --all`
}

// Run drives messages through again, page by page.
func (c *quarantineRedrive) Run(ctx context.Context, out *terminal.Output) error {
	if !c.All && len(c.ID) == 0 && c.Filter == (Filter{}) {
		return fmt.Errorf("say which messages: --id, --gateway, --reason, --device, --topic, or --all")
	}
	var total ingest.RedriveResult
	body := map[string]any{"gateway": c.Gateway, "reason": c.Reason, "device": c.Device, "topic": c.Topic, "ids": c.ID}
	for {
		var r ingest.RedriveResult
		if err := c.Call(ctx, http.MethodPost, "/api/v1/quarantine/redrive", body, &r); err != nil {
			return err
		}
		total.Tried += r.Tried
		total.Stored += r.Stored
		total.Duplicate += r.Duplicate
		total.Partial += r.Partial
		total.Waiting += r.Waiting
		total.Cut += r.Cut
		if r.Next == 0 {
			break
		}
		body["after"] = r.Next
		fmt.Fprintf(out.Stderr, "\r%s driven through, %s stored", terminal.Grouped(int64(total.Tried)), terminal.Grouped(int64(total.Stored)))
	}
	if total.Tried > 500 {
		fmt.Fprintln(out.Stderr)
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, total)
	}
	fmt.Fprintf(out.Stdout, "driven through again: %s\n  stored     %s\n  duplicate  %s\n  in part    %s\n  waiting    %s\n",
		terminal.Grouped(int64(total.Tried)), terminal.Grouped(int64(total.Stored)), terminal.Grouped(int64(total.Duplicate)), terminal.Grouped(int64(total.Partial)), terminal.Grouped(int64(total.Waiting)))
	if total.Cut > 0 {
		fmt.Fprintf(out.Stdout, "not tried: %s of which only the beginning is kept: have the devices send them anew, or discard them\n", terminal.Grouped(int64(total.Cut)))
	}
	return nil
}
