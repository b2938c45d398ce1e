// Package alarms is the city's alarms from the terminal: those that are active, and
// those that rules would have raised over what is stored.
package alarms

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/api"
)

// Alarms is `haidang alarms`.
type Alarms struct {
	List        list        `cmd:"" help:"List the active alarms, or those that have ended."`
	Acknowledge acknowledge `cmd:"" help:"Say that one has seen to an alarm; of a loss, that it is settled."`
	Replay      replay      `cmd:"" help:"What would have been raised, and when, over what is stored."`
}

// Help is kong's detailed help.
func (Alarms) Help() string {
	return `Examples:
  haidang alarms list
  haidang alarms acknowledge 17 --note 'disk exchanged'
  haidang alarms replay --from 2025-11-16 --to 2025-11-24`
}

type list struct {
	terminal.ClientFlags
	State    string           `enum:"active,recent,all" default:"active" help:"active, recent (those that have ended) or all." placeholder:"active"`
	Site     string           `help:"Only those of this site." placeholder:"ID"`
	Locality string           `help:"Only those of this locality." placeholder:"ID"`
	Rule     string           `help:"Only those of this rule, such as flood-bd1-dong-trang." placeholder:"ID"`
	Severity string           `enum:",watch,warning,danger,extreme" default:"" help:"Only those of this severity: watch, warning, danger or extreme." placeholder:"WORD"`
	From     terminal.Instant `help:"With recent or all: those that were active at any time since." placeholder:"TIME"`
	Limit    int              `default:"100" help:"How many at most, the newest first; up to 1000." placeholder:"100"`
}

// Help is kong's detailed help.
func (list) Help() string {
	return `Times are Vietnam's (+07:00).

Examples:
  haidang alarms list
  haidang alarms list --severity danger --json
  haidang alarms list --state all --from 2026-11-20 --site dong-trang`
}

// Run lists.
func (c *list) Run(ctx context.Context, out *terminal.Output) error {
	if c.Limit < 1 || c.Limit > 1000 {
		return fmt.Errorf("--limit is %d: give 1 to 1000", c.Limit)
	}
	q := url.Values{"state": {c.State}, "limit": {strconv.Itoa(c.Limit)}}
	for name, value := range map[string]string{"site": c.Site, "locality": c.Locality, "rule": c.Rule, "severity": c.Severity} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if from := time.Time(c.From); !from.IsZero() {
		q.Set("from", from.UTC().Format(time.RFC3339))
	}
	var page api.AlarmPage
	if err := c.Call(ctx, http.MethodGet, "/api/v1/alarms?"+q.Encode(), nil, &page); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, page)
	}
	if len(page.Alarms) == 0 {
		fmt.Fprintln(out.Stdout, "No alarm is like that.")
	} else {
		printAlarms(out.Stdout, page.Alarms, time.Time{})
		fmt.Fprintf(out.Stdout, "\n%d shown, %d active. Times are Vietnam's (+07:00).\n", len(page.Alarms), page.Active)
	}
	if page.Evaluated != "here" {
		fmt.Fprintln(out.Stdout, "Alarms of this city's readings are evaluated by Grafana, and are found there; here are those of the platform itself.")
	}
	return nil
}

type acknowledge struct {
	terminal.ClientFlags
	Note string `help:"What is being done about it; with a loss, why it is settled." placeholder:"TEXT"`
	ID   int64  `arg:"" help:"The alarm's id, from the list."`
}

// Help is kong's detailed help.
func (acknowledge) Help() string {
	return `An alarm of a state stays active until its cause has ended. One of a loss (messages-lost, journal-behind, store-loss, …) ends, and
what is missing by then is settled: haidang audit shows it with who and why, and speaks of what is lost after it only.

Examples:
  haidang alarms list
  haidang alarms acknowledge 17 --note 'disk exchanged; the loggers have sent again what they had'`
}

// Run acknowledges.
func (c *acknowledge) Run(ctx context.Context, out *terminal.Output) error {
	var a ingest.Alarm
	if err := c.Call(ctx, http.MethodPost, fmt.Sprintf("/api/v1/alarms/%d/acknowledge", c.ID), map[string]string{"note": c.Note}, &a); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, a)
	}
	fmt.Fprintf(out.Stdout, "acknowledged by %s: %s\n", a.AcknowledgedBy, a.SummaryEN)
	return nil
}

// printAlarms prints a table; end is when those that are active were last looked at,
// zero is now.
func printAlarms(w io.Writer, all []ingest.Alarm, end time.Time) {
	if end.IsZero() {
		end = time.Now()
	}
	t := terminal.NewTable("ID", "RAISED", "CLEARED", "FOR", "SEVERITY", "RULE", "SITE", "WORST", "LIMIT", "SEEN TO BY")
	for _, a := range all {
		cleared, until := "active", end
		if !a.Active() {
			cleared, until = local(a.Cleared), a.Cleared
		} else if !a.Stale.IsZero() {
			cleared = "active, no reading since " + local(a.Stale)
		}
		place := string(a.Site)
		if place == "" || a.Device != "" {
			place = strings.TrimPrefix(place+"/"+string(a.Device), "/")
		}
		id := strconv.FormatInt(a.ID, 10)
		if a.ID == 0 { // of a replay
			id = ""
		}
		t.Row(id, local(a.Raised), cleared, terminal.SpanOf(until.Sub(a.Raised)), a.Severity, a.Rule, place, valueText(a.Worst, a.Unit), a.Threshold, a.AcknowledgedBy)
	}
	t.Print(w)
}

func local(at time.Time) string { return at.In(terminal.Vietnam()).Format("2006-01-02 15:04") }

func valueText(v float64, unit string) string {
	return strings.TrimSpace(strconv.FormatFloat(v, 'f', 2, 64) + " " + unit)
}

// CityRules are the rules that a city has in force on each day.
func CityRules(f terminal.ClientFlags) func(context.Context, time.Time) ([]byte, error) {
	return func(ctx context.Context, at time.Time) (text []byte, err error) {
		q := url.Values{"at": {at.UTC().Format(time.RFC3339)}}
		return text, f.Call(ctx, http.MethodGet, "/api/v1/alarms/rules?"+q.Encode(), nil, &text)
	}
}

// FileRules are the rules of a Prometheus rule file, and the names of its alerts.
func FileRules(path string) (file func(context.Context, time.Time) ([]byte, error), alerts []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read --rules: %w", err)
	}
	if alerts, err = alarm.CheckRules(text); err != nil {
		return nil, nil, fmt.Errorf("--rules %s: %w", path, err)
	}
	return func(context.Context, time.Time) ([]byte, error) { return text, nil }, alerts, nil
}
