package alarms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

type replay struct {
	terminal.ClientFlags
	From  terminal.Instant `required:"" help:"Beginning of the period, in Vietnam's time unless an offset is given." placeholder:"2025-11-16"`
	To    terminal.Instant `help:"End of the period, which is not in it; now if left out." placeholder:"2025-11-24"`
	Rules string           `help:"Prometheus rule file that is replayed; if left out, the rules that the city at --url has for each day." placeholder:"FILE"`
	Store string           `name:"store" help:"Store in PromQL that is asked, VictoriaMetrics or Prometheus; if left out, that of the city at --url." placeholder:"http://127.0.0.1:8428"`
	Only  []string         `help:"Replay only rules whose names begin so; several with commas." placeholder:"flood"`
	HTML  string           `help:"Write the report as one HTML page, too." placeholder:"FILE"`
	Lang  string           `enum:"vi,en" default:"vi" help:"Language of the page: vi or en." placeholder:"vi"`
}

// Help is kong's detailed help.
func (replay) Help() string {
	return `Evaluates the alert rules step by step over what is stored, as if each reading had come when it was measured, with the
limits that were in force on each day and the sites, uses and cadences of now. Nothing is raised, written or told to anybody.

A city whose store is VictoriaMetrics: give its address with --store, the rules still come from --url. A city whose store is
InfluxDB cannot be replayed: its rules are in InfluxQL and evaluated by Grafana, which keeps their history itself; load
its readings into a city with an embedded store (haidang tape convert, haidang replay) to replay them.

Examples:
  haidang alarms replay --from 2025-11-16 --to 2025-11-24
  haidang alarms replay --from 2025-11-16 --to 2025-11-24 --only flood --html flood.html --lang en
  haidang alarms replay --from "2026-11-20T06:00" --rules trial.yaml --json
  haidang alarms replay --from 2026-11-01 --to 2026-12-01 --store http://127.0.0.1:8428`
}

// Report is what came of a replay.
type Report struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Zone is that of times without an offset on the command line.
	Zone  string `json:"zone"`
	Rules string `json:"rules"`
	Store string `json:"store"`
	// Alarms are in the order in which they were raised; one without "cleared" is
	// active at the end.
	Alarms []ingest.Alarm `json:"alarms"`
}

// Run replays.
func (c *replay) Run(ctx context.Context, out *terminal.Output) error {
	r := Report{From: time.Time(c.From).UTC(), To: time.Time(c.To).UTC(), Zone: "Asia/Ho_Chi_Minh (+07:00)", Rules: terminal.Redact(c.URL), Store: terminal.Redact(c.URL)}
	if time.Time(c.To).IsZero() {
		r.To = time.Now().UTC().Truncate(time.Minute)
	}
	if !r.From.Before(r.To) {
		return fmt.Errorf("--from %s is not before --to %s", local(r.From), local(r.To))
	}
	run, err := c.prepare(&r)
	if err != nil {
		return err
	}
	has, err := run.Store.Has(ctx, r.From, r.To, computed())
	switch {
	case err != nil:
		return c.explain(err)
	case !has:
		return fmt.Errorf("nothing is stored from %s to %s (+07:00): give another --from and --to, or another --store", local(r.From), local(r.To))
	}
	p := terminal.NewProgress(out.Stderr)
	run.Progress = func(done, total int) { p.Say("%d %% of the rules' days", 100*done/total) }
	r.Alarms, err = run.Run(ctx)
	p.End()
	if err != nil {
		return c.explain(err)
	}
	if c.HTML != "" {
		err := terminal.WriteFile(c.HTML, 0o644, func(w io.Writer) error { return r.HTML(w, language(c.Lang)) })
		if err != nil {
			return fmt.Errorf("write --html: %w", err)
		}
		fmt.Fprintf(out.Stderr, "Wrote %s.\n", c.HTML)
	}
	if c.JSON {
		if r.Alarms == nil {
			r.Alarms = []ingest.Alarm{}
		}
		return terminal.PrintJSON(out.Stdout, r)
	}
	fmt.Fprintf(out.Stdout, "%s to %s, Vietnam's time (+07:00); rules of %s\n\n", local(r.From), local(r.To), r.Rules)
	if len(r.Alarms) == 0 {
		fmt.Fprintln(out.Stdout, "No alarm would have been raised.")
		return nil
	}
	printAlarms(out.Stdout, r.Alarms, r.To)
	fmt.Fprintf(out.Stdout, "\n%d alarms.\n", len(r.Alarms))
	return nil
}

// prepare makes the replay, with what is asked and told.
func (c *replay) prepare(r *Report) (*alarm.Replay, error) {
	run := &alarm.Replay{Rules: CityRules(c.ClientFlags), From: r.From, To: r.To, Store: &alarm.Remote{Client: &http.Client{}}}
	if c.Rules != "" {
		file, alerts, err := FileRules(c.Rules)
		if err != nil {
			return nil, err
		}
		if len(alerts) == 0 {
			return nil, fmt.Errorf("--rules %s has no alert: give a Prometheus rule file, as `haidang dashboards rules --prometheus` writes it", c.Rules)
		}
		run.Rules, r.Rules = file, c.Rules
	}
	if c.Store != "" {
		if u, err := url.Parse(c.Store); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("--store %q is no URL: give it like http://127.0.0.1:8428", terminal.Redact(c.Store))
		}
		run.Store.URL, r.Store = c.Store, terminal.Redact(c.Store)
	} else {
		client, err := c.Client()
		if err != nil {
			return nil, err
		}
		run.Store.URL = strings.TrimSuffix(c.URL, "/") + terminal.PrometheusPath
		run.Store.Client = &http.Client{Transport: authorized{c.ClientFlags, client.Transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if len(c.Only) > 0 {
		run.Only = func(rule string) bool {
			for _, begin := range c.Only {
				if strings.HasPrefix(rule, begin) {
					return true
				}
			}
			return false
		}
	}
	return run, nil
}

// explain adds to an error of the store what to do about it.
func (c *replay) explain(err error) error {
	var u *url.Error
	switch {
	case errors.As(err, &u) && c.Store != "":
		return fmt.Errorf("ask --store %s: %w: is VictoriaMetrics or Prometheus running there?", terminal.Redact(c.Store), u.Err)
	case errors.As(err, &u):
		return fmt.Errorf("ask --url %s: %w: %s", terminal.Redact(c.URL), u.Err, terminal.WhyUnreached(u.Err))
	case strings.Contains(err.Error(), "404") && c.Store == "":
		return fmt.Errorf("the city at --url %s has no store in PromQL of its own (--store influx): give the address of VictoriaMetrics with --store; "+
			"the alarms of an InfluxDB are evaluated by Grafana, which keeps their history: %w", terminal.Redact(c.URL), err)
	case strings.Contains(err.Error(), "404"):
		return fmt.Errorf("--store %s knows no Prometheus API: InfluxDB has none, and its alarms are evaluated by Grafana, which keeps their history: %w", terminal.Redact(c.Store), err)
	}
	return err
}

// computed is a regular expression of series that are there without any reading: what
// Hải Đăng tells of itself.
func computed() string {
	names := []string{"ALERTS.*"}
	for _, k := range []telemetry.Kind{telemetry.Platform, telemetry.SiteState, telemetry.ActiveAlarm} {
		names = append(names, string(k)+"_.*")
	}
	return strings.Join(names, "|")
}

// authorized shows the city's token with every request.
type authorized struct {
	flags terminal.ClientFlags
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if err := a.flags.Authorize(req); err != nil {
		return nil, err
	}
	if a.next == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	return a.next.RoundTrip(req)
}
