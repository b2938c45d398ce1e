package boards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/probe"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Check is `haidang dashboards check`: it asks a store everything that the
// boards ask, and fails where that is an error, empty, or of another unit.
type Check struct {
	placesFlags
	Prometheus   string           `help:"The store, asked in PromQL: http://127.0.0.1:8080/prometheus, or VictoriaMetrics." placeholder:"URL"`
	Influx       string           `help:"The store, asked in InfluxQL: InfluxDB." placeholder:"URL"`
	InfluxBucket string           `env:"INFLUX_BUCKET" help:"With --influx: the bucket; database or database/policy for InfluxDB 1.8." placeholder:"NAME"`
	Token        string           `env:"HAIDANG_STORE_TOKEN" help:"Token that may read there (for InfluxDB 1.8 it is USER:PASSWORD); better given in the environment." placeholder:"SECRET"`
	To           terminal.Instant `help:"When the boards' ranges end; without an offset it is Vietnam's time. Now if not given." placeholder:"TIME"`
	Board        []string         `help:"Only these boards, such as air and flood." placeholder:"ID"`
	All          bool             `help:"Print every query, not only what is wrong."`
	JSON         bool             `name:"json" help:"Print JSON instead of a table."`
}

// Help is kong's detailed help.
func (Check) Help() string {
	return `Runs every query of every panel and variable, of boards and walls, as Grafana would. It is a fault if a
query fails, if the answer is empty though the panel gives no reason why it may be, if the panel's unit is not
the catalogue's, or if nobody reports the metric. The exit code is 1 if there is a fault.

Examples:
  haidang dashboards check --prometheus http://127.0.0.1:8080/prometheus
  haidang dashboards check --influx http://127.0.0.1:8086 --influx-bucket city --to 2025-11-20T06:00:00+07:00
  haidang dashboards check --prometheus http://127.0.0.1:8428 --board air --board flood --all --json`
}

// Validate is called by kong: what is wrong here is the command line.
func (c *Check) Validate() error {
	if _, _, err := c.Store(); err != nil {
		return err
	}
	for _, f := range []struct{ flag, raw, like string }{
		{"--prometheus", c.Prometheus, "http://127.0.0.1:8080/prometheus"}, {"--influx", c.Influx, "http://127.0.0.1:8086"},
	} {
		if u, err := url.Parse(f.raw); f.raw != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return fmt.Errorf("%s should be like %s", f.flag, f.like)
		}
	}
	return nil
}

// Run asks.
func (c *Check) Run(ctx context.Context, out *terminal.Output) error {
	store, language, err := c.Store()
	if err != nil {
		return err
	}
	p, err := c.province(ctx)
	if err != nil {
		return err
	}
	to := time.Time(c.To)
	if to.IsZero() {
		to = time.Now()
	}
	questions, err := BoardQuestions(p, language, c.Board)
	if err != nil {
		return err
	}
	pr := probe.Probe{Store: store, To: to, Lang: dashboards.English}
	if err := pr.Greet(ctx); err != nil {
		return fmt.Errorf("%w\n  → %s", err, c.remedy(err))
	}
	show := terminal.NewCourse(out, false)
	if !c.JSON {
		pr.Progress = func(done, total int) {
			if done%20 == 0 {
				show.Line(nil, fmt.Sprintf("asked %d of %d queries", done, total))
			}
		}
	}
	findings, err := pr.Run(ctx, questions)
	show.Clear()
	if err != nil {
		return fmt.Errorf("stopped after %d of %d queries: %w", len(findings), len(questions), err)
	}
	faults, numbers := 0, 0
	for _, f := range findings {
		numbers += f.Numbers
		if f.Fault != "" {
			faults++
		}
	}
	if c.JSON {
		if err := terminal.PrintJSON(out.Stdout, map[string]any{"asked": len(findings), "faults": faults, "findings": c.shown(findings)}); err != nil {
			return err
		}
	} else {
		printFindings(out.Stdout, c.shown(findings), len(findings), faults)
		if numbers == 0 {
			fmt.Fprintln(out.Stdout, "Not one number came back: is this the store that Hải Đăng writes to, and --to a time that it has?")
		}
	}
	if faults > 0 {
		return terminal.ExitCode(1)
	}
	return nil
}

// remedy is what to do about a store that cannot be asked.
func (c *Check) remedy(err error) string {
	var refused *net.OpError
	switch {
	case errors.As(err, &refused):
		return "Is the store running there?"
	case strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "403"):
		return "Give a token that may read there in HAIDANG_STORE_TOKEN (--token)."
	case c.Influx != "":
		return "Is --influx the address of an InfluxDB, and --influx-bucket one of its buckets or databases? VictoriaMetrics is asked with --prometheus."
	}
	return "--prometheus is what comes before /api/v1/query: http://HOST:8080/prometheus for a city, http://HOST:8428 for VictoriaMetrics."
}

// shown are the findings that are printed.
func (c *Check) shown(fs []probe.Finding) []probe.Finding {
	out := []probe.Finding{}
	for _, f := range fs {
		if c.All || f.Fault != "" {
			out = append(out, f)
		}
	}
	return out
}

// Store is whom the flags name.
func (c *Check) Store() (probe.Store, dashboards.Language, error) {
	client := &http.Client{Timeout: time.Minute, Transport: storeToken{c.Token, c.Influx != "", http.DefaultTransport}}
	switch {
	case (c.Prometheus == "") == (c.Influx == ""):
		return nil, "", errors.New("name the store: --prometheus URL or --influx URL, one of them")
	case c.Prometheus != "":
		return &probe.Prometheus{URL: strings.TrimRight(c.Prometheus, "/"), Client: client, Offset: 7 * time.Hour}, dashboards.PromQL, nil
	case c.InfluxBucket == "":
		return nil, "", errors.New("--influx needs --influx-bucket NAME: the bucket or database with the readings")
	}
	database, policy, _ := strings.Cut(c.InfluxBucket, "/")
	return &probe.Influx{URL: strings.TrimRight(c.Influx, "/"), Database: database, Policy: policy, Client: client}, dashboards.InfluxQL, nil
}

// storeToken shows a token with every request.
type storeToken struct {
	token  string
	influx bool
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t storeToken) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.token != "" {
		r = r.Clone(r.Context())
		scheme := "Bearer "
		if t.influx {
			scheme = "Token "
		}
		r.Header.Set("Authorization", scheme+t.token)
	}
	return t.next.RoundTrip(r)
}

// BoardQuestions are what boards and their walls ask; ids choose boards, none all.
func BoardQuestions(p dashboards.Province, language dashboards.Language, ids []string) ([]dashboards.Question, error) {
	var out []dashboards.Question
	var known []string
	o := dashboards.Options{Lang: dashboards.English, DataSource: "haidang", Dialect: dashboards.Dialect{Language: language, Catalogue: telemetry.NewCatalogue()}}
	for _, b := range dashboards.Boards(p) {
		known = append(known, b.ID)
		if len(ids) > 0 && !slices.Contains(ids, b.ID) {
			continue
		}
		for _, o.Wall = range []bool{false, true} {
			qs, err := b.Questions(p, o)
			if err != nil {
				return nil, err
			}
			out = append(out, qs...)
		}
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("--board %s: there is none of that name; there are %s", id, strings.Join(known, ", "))
		}
	}
	return out, nil
}

func printFindings(w io.Writer, shown []probe.Finding, asked, faults int) {
	t := terminal.NewTable("BOARD", "PANEL", "QUERY", "SERIES", "NUMBERS", "FAULT", "WHY")
	for _, f := range shown {
		why := f.Detail
		if why == "" {
			why = f.Excused
		}
		t.Row(f.Board, terminal.CutTo(f.Panel, 40), f.Ref, strconv.Itoa(f.Series), strconv.Itoa(f.Numbers), string(f.Fault), why)
	}
	if len(shown) > 0 {
		t.Print(w)
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d queries asked, %d at fault\n", asked, faults)
}
