package city

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/probe"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

var benchSites = flag.Int("sites", 1000, "with BenchmarkBoardsMonth: how many sites there are")

// BenchmarkBoardsMonth asks every query of every panel over 30 days, where the panel
// has no range of its own, of an embedded store with 1,000 sites: a hundred of each
// kind, which report every five minutes or as seldom as their kind does. It names
// the most expensive, and says how many take more than a second of processor time.
func BenchmarkBoardsMonth(b *testing.B) {
	const month = 30 * 24 * time.Hour
	end := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	questions := monthly(b, end, month)
	clock := end.Add(-month)
	s, err := embedded.Open(b.Context(), embedded.Options{Dir: filepath.Join(b.TempDir(), "store"), Retention: 400 * 24 * time.Hour, Now: func() time.Time { return clock }})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	samples := writeMonth(b, s, questions, end, month, &clock)
	b.Logf("%d samples written in %v", samples, time.Since(began).Round(time.Second))
	server := httptest.NewServer(s.Handler(terminal.PrometheusPath))
	defer server.Close()
	asked, _, err := (&boards.Check{Prometheus: server.URL + terminal.PrometheusPath}).Store()
	if err != nil {
		b.Fatal(err)
	}
	type answered struct {
		probe.Finding
		took time.Duration // of the processor, the collector of garbage included
	}
	var all []answered
	for b.Loop() {
		all = all[:0]
		for _, q := range questions {
			pr := probe.Probe{Store: asked, To: end, Lang: dashboards.English}
			before := processorTime(b)
			found, err := pr.Run(b.Context(), []dashboards.Question{q})
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, answered{found[0], processorTime(b) - before})
		}
	}
	slices.SortFunc(all, func(x, y answered) int { return cmp.Compare(y.took, x.took) })
	slow := 0
	for i, f := range all {
		if f.took > time.Second {
			slow++
		}
		if i < 10 || f.Fault == probe.Failed {
			b.Logf("%8v (%s on the clock)  %s, %s %s: %d numbers %s %s\n\t%s", f.took.Round(time.Millisecond), f.Duration, f.Board, f.Panel, f.Ref, f.Numbers, f.Fault, f.Detail, f.Query)
		}
	}
	b.ReportMetric(float64(len(all)), "queries")
	b.ReportMetric(float64(slow), "over-1s")
	b.ReportMetric(float64(all[0].took.Milliseconds()), "slowest-cpu-ms")
}

// processorTime is what the process has used: on a busy machine the clock says
// little.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// monthly are the boards' questions over a span, but where a panel has its own.
func monthly(b *testing.B, end time.Time, span time.Duration) (out []dashboards.Question) {
	b.Helper()
	p := seeded(end)
	o := dashboards.Options{Lang: dashboards.English, DataSource: "haidang", Dialect: dashboards.Dialect{Language: dashboards.PromQL, Catalogue: telemetry.NewCatalogue()}}
	for _, board := range dashboards.Boards(p) {
		all, err := board.Questions(p, o)
		if err != nil {
			b.Fatal(err)
		}
		for _, q := range all {
			if q.Span == board.Span && !q.Values {
				q.Span = span
			}
			if board.ID == "site" { // a reader has chosen one
				q.Text = strings.ReplaceAll(q.Text, "$site", "noise-0")
			}
			out = append(out, q)
		}
	}
	return out
}

// writeMonth writes, in order of time, the readings and hours that the questions are
// about.
func writeMonth(b *testing.B, s *embedded.Store, questions []dashboards.Question, end time.Time, span time.Duration, clock *time.Time) (samples int) {
	b.Helper()
	var texts strings.Builder
	for _, q := range questions {
		texts.WriteString(q.Text + "\n")
	}
	asked := texts.String()
	random := rand.New(rand.NewPCG(1, 2))
	cat := telemetry.NewCatalogue()
	type source struct {
		every time.Duration
		point telemetry.Point
	}
	var sources []source
	add := func(every time.Duration, series telemetry.Series, specs []telemetry.MetricSpec) {
		p := telemetry.Point{Series: series}
		for i := range specs {
			name := string(series.Kind) + "_" + string(specs[i].Name)
			if strings.Contains(asked, name) {
				p.Values = append(p.Values, telemetry.Value{Spec: &specs[i]})
			}
		}
		if len(p.Values) > 0 {
			sources = append(sources, source{every, p})
		}
	}
	localities := []telemetry.Locality{"nha-trang", "cam-ranh", "ninh-hoa", "cam-lam"}
	for _, k := range cat.Kinds() {
		if k.Kind == telemetry.Status {
			continue
		}
		var hourly []telemetry.MetricSpec
		for i := range k.Metrics {
			for _, h := range k.Metrics[i].Hourly() {
				hourly = append(hourly, telemetry.MetricSpec{Name: k.Metrics[i].HourlyName(h)})
			}
		}
		for i := range *benchSites / 10 {
			site := telemetry.Site(fmt.Sprintf("%s-%d", k.Kind, i))
			series := telemetry.Series{Kind: k.Kind, Locality: localities[i%4], Site: site, Device: telemetry.Device(site)}
			add(max(k.Cadence, 5*time.Minute), series, k.Metrics)
			series.Device = telemetry.ComputedBy
			series.Kind = telemetry.HourlyKind(k.Kind)
			add(time.Hour, series, hourly)
			series.Kind = telemetry.SiteState
			add(5*time.Minute, series, cat.Kind(telemetry.SiteState).Metrics)
			if k.Kind == telemetry.AirQuality {
				series.Kind = telemetry.AirQualityIndex
				add(time.Hour, series, cat.Kind(telemetry.AirQualityIndex).Metrics)
			}
		}
	}
	for _, l := range append(localities, telemetry.Locality(telemetry.PlatformSite)) {
		add(time.Minute, telemetry.Series{Kind: telemetry.Platform, Locality: l, Site: telemetry.PlatformSite, Device: telemetry.Device(l)}, cat.Kind(telemetry.Platform).Metrics)
	}
	for at := end.Add(-span); !at.After(end); at = at.Add(time.Minute) {
		*clock = at
		var due []telemetry.Point
		for _, src := range sources {
			if at.Sub(end)%src.every != 0 {
				continue
			}
			p := src.point
			p.Time = at
			p.Values = slices.Clone(p.Values)
			for i := range p.Values {
				p.Values[i].Number = 10 + float64(random.IntN(100))/10
				if p.Values[i].Spec.Name == telemetry.QualityCode {
					p.Values[i].Number = 0
				}
			}
			samples += len(p.Values)
			due = append(due, p)
		}
		for part := range slices.Chunk(due, 5000) {
			if err := s.Write(b.Context(), part); err != nil {
				b.Fatal(err)
			}
		}
	}
	return samples
}
