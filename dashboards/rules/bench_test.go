package rules_test

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"golang.org/x/sys/unix"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// fleet is how many sites of a large city measure what: 10,000 altogether.
func fleet() map[telemetry.Kind]int {
	return map[telemetry.Kind]int{telemetry.AirQuality: 1500, telemetry.Weather: 1000, telemetry.WaterLevel: 1000, telemetry.Noise: 1500, telemetry.WaterQuality: 1000,
		telemetry.StreetLight: 2500, telemetry.Traffic: 1500}
}

// BenchmarkRound evaluates all rules once over the embedded store of a city of
// 10,000 sites, a reading every cadence of the catalogue, 1 in 50 devices flagged
// now and then; half of the noise sites are ordinary areas, a third of the water's
// farms. The most expensive rules are named; cpu-ms/minute is what all cost, each as
// often as it is evaluated.
func BenchmarkRound(b *testing.B) {
	now := morning()
	s, all := largeCity(b, now)
	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 20_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: p})
	defer engine.Close()
	took := map[string]time.Duration{}
	rounds := 0
	for b.Loop() {
		rounds++
		for _, r := range all {
			began := processorTime(b)
			q, err := engine.NewInstantQuery(b.Context(), s, nil, r.PromQL(), now)
			if err != nil {
				b.Fatal(err)
			}
			if res := q.Exec(b.Context()); res.Err != nil {
				b.Fatalf("%s: %v", r.ID, res.Err)
			}
			q.Close()
			took[r.ID] += processorTime(b) - began
		}
	}
	slices.SortFunc(all, func(x, y rules.Rule) int { return cmp.Compare(took[y.ID], took[x.ID]) })
	minute := 0.0
	for i, r := range all {
		mean := took[r.ID] / time.Duration(rounds)
		if i < 10 {
			b.Logf("%8.1f ms of processor time, every %v: %s", float64(mean.Microseconds())/1000, r.Every, r.ID)
		}
		minute += mean.Seconds() * 1000 * time.Minute.Seconds() / r.Every.Seconds()
	}
	b.ReportMetric(minute, "cpu-ms/minute")
	b.ReportMetric(float64(len(all)), "rules")
}

// processorTime is what the process has used: wall time on a busy machine says
// little.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// largeCity is its store with what the rules look back at, and its rules.
func largeCity(b *testing.B, now time.Time) (*embedded.Store, []rules.Rule) {
	b.Helper()
	s, err := embedded.Open(b.Context(), embedded.Options{Dir: filepath.Join(b.TempDir(), "store"), Retention: 400 * 24 * time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	areas := map[limits.Area][]telemetry.Site{}
	for i := range 1500 {
		site := telemetry.Site(fmt.Sprintf("noise-%d", i))
		areas[[]limits.Area{limits.AreaOrdinary, limits.AreaSpecial}[i%2]] = append(areas[[]limits.Area{limits.AreaOrdinary, limits.AreaSpecial}[i%2]], site)
	}
	for i := range 1000 {
		area := []limits.Area{limits.AreaAquaculture, limits.AreaRiver, limits.AreaBathing}[i%3]
		areas[area] = append(areas[area], telemetry.Site(fmt.Sprintf("water_quality-%d", i)))
	}
	all := rules.All(rules.Options{At: now, Areas: areas})
	reach, metrics := map[telemetry.Kind]time.Duration{}, map[telemetry.Kind]map[telemetry.Metric]bool{}
	for _, r := range all {
		k := r.Compared.Kind
		reach[k] = max(reach[k], r.Compared.Window+15*time.Minute)
		if metrics[k] == nil {
			metrics[k] = map[telemetry.Metric]bool{}
		}
		metrics[k][r.Compared.Metric], metrics[k][r.Compared.Of] = true, true
	}
	samples := 0
	cat := telemetry.NewCatalogue()
	write := func(k *telemetry.KindSpec, site string, flagged bool) {
		var points []telemetry.Point
		series := telemetry.Series{Kind: k.Kind, Locality: "nha-trang", Site: telemetry.Site(site), Device: telemetry.Device(site)}
		for at, n := now.Add(-reach[k.Kind]), 0; at.Before(now); at, n = at.Add(k.Cadence), n+1 {
			p := telemetry.Point{Series: series, Time: at}
			for i := range k.Metrics {
				if m := &k.Metrics[i]; metrics[k.Kind][m.Name] {
					p.Values = append(p.Values, telemetry.Value{Spec: m, Number: m.Min + (m.Max-m.Min)/20 + float64(n%3)/10})
				}
			}
			if flagged && n%40 == 0 {
				p.Values = append(p.Values, telemetry.Value{Spec: k.Metric([]byte(telemetry.QualityCode)), Number: 1})
			}
			samples += len(p.Values)
			points = append(points, p)
		}
		if err := s.Write(b.Context(), points); err != nil {
			b.Fatal(err)
		}
	}
	for k, n := range fleet() {
		for i := range n {
			site := fmt.Sprintf("%s-%d", k, i)
			if reach[k] > 0 {
				write(cat.Kind(k), site, i%50 == 0)
			}
			write(cat.Kind(telemetry.SiteState), site, false)
			if k == telemetry.AirQuality {
				write(cat.Kind(telemetry.AirQualityIndex), site, false)
			}
		}
	}
	write(cat.Kind(telemetry.Platform), string(telemetry.PlatformSite), false)
	b.Logf("%d samples", samples)
	return s, all
}
