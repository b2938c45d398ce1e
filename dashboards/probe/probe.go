package probe

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Store answers what boards ask.
type Store interface {
	// Ask gives the number of series and of numbers in the answer. A range has its
	// end and not its beginning.
	Ask(ctx context.Context, q Query) (Answer, error)
	// Reports tells whether anybody has reported a metric in a range.
	Reports(ctx context.Context, k telemetry.Kind, m telemetry.Metric, from, to time.Time) (bool, error)
}

// Query is a question with everything filled in.
type Query struct {
	dashboards.Question
	Text     string
	From, To time.Time
	Step     time.Duration
}

// Answer is how much came back, and between which numbers it lies.
type Answer struct {
	Series, Numbers int
	Least, Most     float64
}

// add adds a number.
func (a *Answer) add(v float64) {
	if a.Numbers == 0 {
		a.Least, a.Most = v, v
	}
	a.Numbers++
	a.Least, a.Most = min(a.Least, v), max(a.Most, v)
}

// Fault is what is wrong with a question's answer.
type Fault string

// The faults.
const (
	Failed     Fault = "error"      // the store refused or could not answer
	Empty      Fault = "empty"      // nothing, and the panel gives no reason for it
	WrongUnit  Fault = "unit"       // not what the catalogue has
	Unreported Fault = "unreported" // nobody reports the metric
)

// Finding is a question with what came of it.
type Finding struct {
	Board   string `json:"board"`
	Panel   string `json:"panel"`
	Ref     string `json:"ref,omitempty"`
	Query   string `json:"query"`
	Series  int    `json:"series"`
	Numbers int    `json:"numbers"`
	// Least and Most bound the numbers.
	Least    float64 `json:"least"`
	Most     float64 `json:"most"`
	Fault    Fault   `json:"fault,omitempty"`
	Detail   string  `json:"detail,omitempty"`
	Excused  string  `json:"excused,omitempty"` // why it may be empty
	Duration string  `json:"duration"`
}

// Probe asks a store.
type Probe struct {
	Store Store
	// To is the end of the boards' range: now, or when the data ends.
	To time.Time
	// Lang is the language in which reasons are told.
	Lang dashboards.Lang
	// Progress, if set, is told how many questions have been asked.
	Progress func(done, total int)

	reported map[string]bool
}

// Run asks everything. The error is that of the context; what is wrong with an
// answer is in its finding.
func (p *Probe) Run(ctx context.Context, questions []dashboards.Question) ([]Finding, error) {
	p.reported = map[string]bool{}
	out := make([]Finding, 0, len(questions))
	for i, q := range questions {
		out = append(out, p.ask(ctx, q))
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if p.Progress != nil {
			p.Progress(i+1, len(questions))
		}
	}
	return out, nil
}

// Greet asks the store one thing, to tell a store that cannot be asked at all from
// one that some panels find wanting.
func (p *Probe) Greet(ctx context.Context) error {
	_, err := p.Store.Reports(ctx, telemetry.Platform, telemetry.Uptime, p.To.Add(-time.Hour), p.To)
	return err
}

// ask asks one question.
func (p *Probe) ask(ctx context.Context, q dashboards.Question) Finding {
	from := p.To.Add(-q.Span)
	filled := Query{Question: q, From: from, To: p.To, Step: step(q)}
	filled.Text = fill(q.Text, filled)
	f := Finding{Board: q.Board, Panel: q.Panel, Ref: q.Ref, Query: filled.Text}
	started := time.Now()
	a, err := p.Store.Ask(ctx, filled)
	f.Duration = time.Since(started).Round(time.Millisecond / 10).String()
	f.Series, f.Numbers, f.Least, f.Most = a.Series, a.Numbers, a.Least, a.Most
	switch {
	case err != nil:
		f.Fault, f.Detail = Failed, err.Error()
	case q.Unit != q.Want && !q.Values:
		f.Fault, f.Detail = WrongUnit, fmt.Sprintf("it is shown in %q; the catalogue's unit is %q there", q.Unit, q.Want)
	case a.Numbers == 0 && (q.MayBeEmpty.IsZero() || q.Selected && !onlyAtTimes(q.Kind)):
		return p.empty(ctx, f, q)
	case a.Numbers == 0:
		f.Excused = q.MayBeEmpty.In(p.Lang)
	}
	return f
}

// empty finds out why nothing came.
func (p *Probe) empty(ctx context.Context, f Finding, q dashboards.Question) Finding {
	name := string(q.Kind) + "_" + string(q.Metric)
	known, ok := p.reported[name]
	if !ok {
		var err error
		if known, err = p.Store.Reports(ctx, q.Kind, q.Metric, p.To.Add(-q.Span), p.To); err != nil {
			f.Fault, f.Detail = Failed, err.Error()
			return f
		}
		p.reported[name] = known
	}
	switch {
	case !known:
		f.Fault, f.Detail = Unreported, fmt.Sprintf("nobody has reported %s in the %s until %s", name, inWords(q.Span), p.To.In(vietnam()).Format(time.RFC3339))
	case !q.MayBeEmpty.IsZero():
		f.Excused = q.MayBeEmpty.In(p.Lang)
	default:
		f.Fault, f.Detail = Empty, fmt.Sprintf("%s is reported, but the answer holds no number", name)
	}
	return f
}

// onlyAtTimes reports whether a kind is in the store only while there is something
// to tell: alarms are not there where nothing has alarmed.
func onlyAtTimes(k telemetry.Kind) bool { return k == telemetry.ActiveAlarm }

// inWords is a board's range, which is whole hours or days.
func inWords(d time.Duration) string {
	if d%(24*time.Hour) == 0 && d > 24*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%v hours", d.Hours())
}

// vietnam is Asia/Ho_Chi_Minh, without summer time since 1975.
func vietnam() *time.Location { return time.FixedZone("Asia/Ho_Chi_Minh", 7*3600) }

// step is $__interval: as Grafana chooses it for a panel that draws so many steps.
func step(q dashboards.Question) time.Duration {
	least := q.Span / time.Duration(max(q.Most, 1))
	for _, s := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 12 * time.Hour} {
		if s >= least {
			return max(s, q.Step)
		}
	}
	return max(24*time.Hour, q.Step)
}

// fill puts values for Grafana's variables: everything for those that readers
// choose.
func fill(text string, q Query) string {
	ms := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	return strings.NewReplacer(
		"$__interval", fmt.Sprintf("%dms", q.Step.Milliseconds()),
		"$timeFilter", "time > "+ms(q.From)+"ms AND time <= "+ms(q.To)+"ms", "${__to}", ms(q.To), "${__from}", ms(q.From),
		"${ward:raw}", ".+", "$locality", ".+", "$ward", ".+", "$site", ".+").Replace(text)
}
