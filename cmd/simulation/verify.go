package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/score"
)

// Verify is `haidang verify`: a store compared with a scenario's truth.
type Verify struct {
	terminal.ClientFlags
	Scenario     string            `required:"" help:"A shipped scenario's name, or a scenario's file." placeholder:"NAME"`
	From         string            `help:"Start of what is verified, by the time of sending; the scenario's start if left out." placeholder:"TIME"`
	To           string            `help:"Its end; the scenario's end if left out." placeholder:"TIME"`
	At           string            `help:"Where the time line was moved to when it was sent: a time, as with simulate --at." placeholder:"TIME"`
	Sent         string            `help:"When it was sent: due, each message when it was due, or a time at which sending it began. Without it, messages whose fate hangs on that are undecided." placeholder:"due"`
	Speed        string            `default:"max" help:"With --sent TIME: how fast it was sent, such as 60x, or max." placeholder:"60x"`
	Prometheus   string            `env:"HAIDANG_VERIFY_PROMETHEUS" help:"Store that answers PromQL, such as http://127.0.0.1:8428; the city's own if left out." placeholder:"URL"`
	Influx       string            `help:"Store that answers InfluxQL, such as http://127.0.0.1:8086." placeholder:"URL"`
	InfluxBucket string            `env:"INFLUX_BUCKET" help:"With --influx: the bucket; database or database/policy for InfluxDB 1.8." placeholder:"NAME"`
	InfluxToken  string            `env:"INFLUX_TOKEN" help:"With --influx or --prometheus: the token, or user:password for InfluxDB 1.8; better given in the environment." placeholder:"SECRET"`
	Retention    terminal.Duration `help:"How long the pipeline keeps readings; what the store says, or 400d, if left out." placeholder:"400d"`
	Quarantine   string            `enum:"auto,yes,no" default:"auto" help:"Compare what waits in the city's quarantine: yes, no, or auto: where --url is the city whose store is read." placeholder:"auto"`
	Follow       bool              `help:"Watch the store while the scenario is sent, and tell how long readings take to be readable."`
	Every        terminal.Duration `default:"1s" help:"With --follow: how often the store is asked; the resolution of the delay." placeholder:"1s"`
	Crossings    string            `type:"path" help:"Write the thresholds that the physical truth crossed to this JSON file." placeholder:"FILE"`
	alarmScoring
	variationFlags
	HTML string `name:"html" type:"path" help:"Write a report with charts to this file." placeholder:"FILE"`
	Lang string `enum:"vi,en" default:"en" help:"Language of table and report: vi or en." placeholder:"vi"`
	// fleet is the scenario's, once it is known.
	fleet  *simulator.Fleet
	now    func() time.Time
	limits []limits.Limit // those that are scored
	look   time.Duration  // how often a city that catches up is asked; 0 is queueLook
}

// Help is kong's detailed help.
func (Verify) Help() string {
	return `Recomputes from scenario and seed what must be in the store, and compares it with what is there: lost,
duplicated, wrong value, wrong series, wrong time, by kind, locality and class of fault; and says in words
what seems to be wrong. Gaps that the scenario explains are no losses. A city that is still storing what it has
received is waited for.

Times are 2026-03-11 07:30 (in Vietnam) or RFC 3339. The exit code is 0 if all is right, 1 if anything is
wrong or could not be verified, 2 if the command line is wrong.

Examples:
  haidang verify --scenario rush-hour
  haidang verify --scenario ordinary-day --from '2026-03-11 06:00' --to '2026-03-11 07:00' --html report.html
  haidang verify --scenario november-flood --crossings flood.json --prometheus http://127.0.0.1:8428
  INFLUX_TOKEN=… haidang verify --scenario broken-fleet --influx http://127.0.0.1:8086 --influx-bucket city --sent due
  haidang verify --scenario rush-hour --at '2026-11-22 08:00' --follow
  haidang verify --scenario november-flood --alarms                        by the rules of the city at --url
  haidang verify --scenario november-flood --alarms --rules my.rules.yaml  would these have raised what they should?
  haidang verify --scenario my.yaml --sent due --alarms                    as the city raised them
  haidang verify --scenario november-flood --cadence x12 --loss 10% --alarms    what was sent with the same two

An alarm is demanded where the physical truth is over a limit for twenty minutes by more than instruments may be off.
Alarms of silence and of the platform itself are not scored.`
}

// Validate is called by kong: what is wrong here is the command line.
func (c *Verify) Validate() error {
	var errs []error
	for _, t := range []struct{ flag, text string }{{"--from", c.From}, {"--to", c.To}, {"--at", c.At}} {
		if t.text != "" {
			if _, err := terminal.ParseInstant(t.text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", t.flag, err))
			}
		}
	}
	if errs == nil && c.From != "" && c.To != "" {
		from, _ := terminal.ParseInstant(c.From)
		if to, _ := terminal.ParseInstant(c.To); !to.After(from) {
			errs = append(errs, fmt.Errorf("--to is %s, not after --from %s", c.To, c.From))
		}
	}
	if c.Prometheus != "" && c.Influx != "" {
		errs = append(errs, errors.New("--prometheus and --influx are both given: the readings are in one store"))
	}
	if c.Influx != "" && c.InfluxBucket == "" {
		errs = append(errs, errors.New("--influx needs --influx-bucket, the bucket or the database of InfluxDB 1.8"))
	}
	for flag, raw := range map[string]string{"--prometheus": c.Prometheus, "--influx": c.Influx} {
		if u, err := url.Parse(raw); raw != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			errs = append(errs, fmt.Errorf("%s should be like http://127.0.0.1:8428", flag))
		}
	}
	if _, err := c.received(time.Time{}); err != nil {
		errs = append(errs, err)
	}
	if c.Follow && time.Duration(c.Every) < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("--every is %v: give at least 100ms", time.Duration(c.Every)))
	}
	return errors.Join(errs...)
}

// received makes of --sent and --speed when a message was received; nil is
// unknown.
func (c *Verify) received(from time.Time) (func(time.Time) time.Time, error) {
	switch c.Sent {
	case "":
		return nil, nil
	case "due":
		return func(due time.Time) time.Time { return due }, nil
	}
	start, err := terminal.ParseInstant(c.Sent)
	if err != nil {
		return nil, fmt.Errorf("--sent is neither due nor a time: %w", err)
	}
	if c.Speed == "max" {
		return func(time.Time) time.Time { return start }, nil
	}
	speed, err := strconv.ParseFloat(strings.TrimSuffix(c.Speed, "x"), 64)
	if err != nil || !(speed >= 0.01 && speed <= 1e6) {
		return nil, fmt.Errorf("--speed is %q: write it like 60x, or max", c.Speed)
	}
	return func(due time.Time) time.Time { return start.Add(time.Duration(float64(due.Sub(from)) / speed)) }, nil
}

// Run verifies.
func (c *Verify) Run(ctx context.Context, out *terminal.Output) error {
	s, err := c.scorer(ctx, out)
	if err != nil {
		return err
	}
	if own := c.Prometheus == "" && c.Influx == ""; (own || c.Quarantine == "yes") && !c.Follow {
		if err := c.catchUp(ctx, out); err != nil {
			return err
		}
	}
	r, err := s.Run(ctx)
	if err == nil && (c.Crossings != "" || c.HTML != "" || c.Alarms != "") {
		r.Crossings, err = s.FindCrossings(ctx)
	}
	if err == nil && c.Alarms != "" {
		r.Alarms, err = c.scoreAlarms(ctx, r.Crossings, out)
	}
	terminal.NewCourse(out, c.JSON).Clear()
	if err != nil {
		return err
	}
	if c.Crossings != "" {
		if err := terminal.WriteFile(c.Crossings, 0o644, func(w io.Writer) error { return terminal.PrintJSON(w, r.Crossings) }); err != nil {
			return err
		}
	}
	lang := score.Language(c.Lang)
	if c.HTML != "" {
		if err := terminal.WriteFile(c.HTML, 0o644, func(w io.Writer) error { return r.HTML(w, lang) }); err != nil {
			return err
		}
	}
	if c.JSON {
		if err := terminal.PrintJSON(out.Stdout, r); err != nil {
			return err
		}
	} else {
		r.Text(out.Stdout, lang)
	}
	if !r.Perfect || r.Alarms != nil && !r.Alarms.Perfect() {
		return terminal.ExitCode(1)
	}
	return nil
}

// scorer makes one of the flags.
func (c *Verify) scorer(ctx context.Context, out *terminal.Output) (*score.Scorer, error) {
	played, err := c.load(c.Scenario)
	if err != nil {
		return nil, err
	}
	o := score.Options{Scenario: played, Retention: time.Duration(c.Retention), Now: c.now}
	for _, t := range []struct {
		text string
		to   *time.Time
	}{{c.From, &o.From}, {c.To, &o.To}, {c.At, &o.At}} {
		if t.text != "" {
			if *t.to, err = terminal.ParseInstant(t.text); err != nil {
				return nil, err
			}
		}
	}
	from := o.From
	if from.IsZero() {
		if from = played.Start; !o.At.IsZero() {
			from = o.At
		}
	}
	if o.Received, err = c.received(from); err != nil {
		return nil, err
	}
	if err := errors.Join(c.settleAlarms(from), c.checkRules(out.Stderr)); err != nil {
		return nil, err
	}
	if o.Uses, o.Limits, err = c.uses(ctx); err != nil {
		return nil, err
	}
	c.limits = o.Limits
	if c.Follow {
		o.Follow = time.Duration(c.Every)
	}
	if o.Store, err = c.store(); err != nil {
		return nil, err
	}
	own := c.Prometheus == "" && c.Influx == ""
	if c.Quarantine == "yes" || c.Quarantine == "auto" && own {
		o.Quarantine = c.waiting
	}
	if c.fleet, err = simulator.NewScenarioFleet(played); err != nil {
		return nil, err
	}
	o.Progress = c.progress(out)
	return score.New(o)
}

// progress shows how far a part of the work has come.
func (c *Verify) progress(out *terminal.Output) func(done, total int, what string) {
	show := terminal.NewCourse(out, false)
	return func(done, total int, what string) {
		if !c.JSON && total > 20 && done%20 == 0 && done < total {
			show.Line(nil, fmt.Sprintf("%s %d %%", what, 100*done/total))
		}
	}
}

// store is what is read.
func (c *Verify) store() (score.Store, error) {
	token := ""
	if c.InfluxToken != "" {
		token = "Token " + c.InfluxToken
	}
	switch {
	case c.Influx != "":
		return &score.Influx{URL: c.Influx, Bucket: c.InfluxBucket, Client: score.NewClient(token, nil)}, nil
	case c.Prometheus != "":
		return &score.Prometheus{URL: c.Prometheus, Client: score.NewClient(token, nil)}, nil
	}
	at := strings.TrimSuffix(c.URL, "/") + terminal.PrometheusPath
	req, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		return nil, fmt.Errorf("--url %s: %w", terminal.Redact(c.URL), err)
	}
	if err := c.Authorize(req); err != nil {
		return nil, err
	}
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	return &score.Prometheus{URL: at, Client: score.NewClient(req.Header.Get("Authorization"), client.Transport)}, nil
}

// maxWaiting is up to how many messages the quarantine is gone through one by
// one; beyond it the counts of all devices have to do.
const maxWaiting = 100_000

// waiting counts what waits in the city's quarantine of the fleet's devices.
func (c *Verify) waiting(ctx context.Context, ours func(topic string) bool) (score.Waiting, error) {
	type key struct {
		reason  telemetry.Reason
		partial bool
	}
	counts := map[key]int64{}
	var w score.Waiting
	for after, first := int64(0), true; ; first = false {
		var page api.QuarantinePage
		if err := c.Call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/quarantine?limit=200&after=%d", after), nil, &page); err != nil {
			return w, err
		}
		var total int64
		for _, r := range page.Reasons {
			total += r.Count
		}
		if first && total > maxWaiting {
			w.All = true
			for _, r := range page.Reasons {
				counts[key{telemetry.Reason(r.Reason), r.Partial}] += r.Count
			}
			break
		}
		for _, m := range page.Messages {
			if len(m.Problems) > 0 && ours(m.Topic) {
				counts[key{m.Problems[0].Reason, m.Partial}]++
			}
		}
		if after = page.Next; after == 0 {
			break
		}
	}
	for k, n := range counts {
		w.Reasons = append(w.Reasons, score.WaitingReason{Reason: k.reason, Partial: k.partial, Count: n})
	}
	return w, nil
}
