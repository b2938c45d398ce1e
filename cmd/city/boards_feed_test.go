package city

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// slice is a stretch of a shipped scenario.
type slice struct {
	scenario string
	// to is when it ends, counted from the scenario's start. A slice that begins
	// before that start begins in the same scenario, a whole length earlier.
	to, length time.Duration
	// kinds are those of the devices; none is all. each is how many of a kind there
	// are of a locality; gauges with alarm levels are always there.
	kinds []telemetry.Kind
	each  int
}

// sinceYesterday is a whole day, as days are in Vietnam, and the one at hand.
func sinceYesterday(scenario string, each int, end time.Time) slice {
	today := end.Sub(vnaqi.DayOf(end))
	return slice{scenario: scenario, to: today, length: 24*time.Hour + today, each: each}
}

// feed is what a slice's devices reported, and who they are. It is moved so that it
// ends at end. Every ninth device, if no gauge, fell silent three hours before.
type feed struct {
	slice
	end    time.Time
	fleet  []*simulator.Device
	silent map[telemetry.Device]bool
	points []telemetry.Point
	heard  map[telemetry.Device]time.Time
}

func newFeed(t testing.TB, s slice, end time.Time) *feed {
	t.Helper()
	plan, err := scenario.Load(s.scenario)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := simulator.NewScenarioFleet(plan)
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{slice: s, end: end, silent: map[telemetry.Device]bool{}, heard: map[telemetry.Device]time.Time{}}
	chosen := f.choose(whole)
	from := end.Add(-s.length)
	start := end.Add(-s.to)
	for start.After(from) {
		start = start.Add(-whole.End().Sub(whole.Start()))
	}
	for ; start.Before(end); start = start.Add(whole.End().Sub(whole.Start())) {
		f.play(whole.At(start), from, end, chosen)
	}
	return f
}

// play adds what the fleet's devices report within a time.
func (f *feed) play(fleet *simulator.Fleet, from, to time.Time, chosen []int) {
	cat := telemetry.NewCatalogue()
	for emissions := fleet.Plan(from, to, chosen...); ; {
		next, ok := emissions.Next()
		if !ok {
			return
		}
		e := emissions.Write(next)
		d := &fleet.Devices()[e.Device]
		byTime := map[time.Time]*telemetry.Point{}
		for _, p := range e.Points {
			if f.silent[d.ID] && p.Time.After(f.end.Add(-3*time.Hour)) {
				continue
			}
			if p.Time.After(f.heard[d.ID]) {
				f.heard[d.ID] = p.Time
			}
			if p.Kind == telemetry.Status {
				continue
			}
			if byTime[p.Time] == nil {
				byTime[p.Time] = &telemetry.Point{Series: telemetry.Series{Kind: p.Kind, Locality: d.Locality, Site: d.Site(), Device: d.ID}, Time: p.Time}
			}
			at := byTime[p.Time]
			at.Values = append(at.Values, telemetry.Value{Spec: cat.Kind(p.Kind).Metric([]byte(p.Metric)), Number: p.Value})
		}
		for _, at := range slices.SortedFunc(maps.Keys(byTime), time.Time.Compare) {
			f.points = append(f.points, *byTime[at])
		}
	}
}

// choose takes the slice's devices.
func (f *feed) choose(fleet *simulator.Fleet) (chosen []int) {
	type group struct {
		telemetry.Locality
		telemetry.Kind
	}
	count := map[group]int{}
	for i := range fleet.Devices() {
		d := &fleet.Devices()[i]
		g := group{d.Locality, d.Kind.Kind}
		if len(f.kinds) > 0 && !slices.Contains(f.kinds, g.Kind) {
			continue
		}
		gauge := g.Kind == telemetry.WaterLevel && slices.ContainsFunc(limits.Seed(), func(o limits.Own) bool { return o.Site == d.Site() })
		if count[g] < f.each || gauge {
			count[g]++
			f.silent[d.ID] = !gauge && len(chosen)%9 == 4
			chosen = append(chosen, i)
			f.fleet = append(f.fleet, d)
		}
	}
	return chosen
}

// registry is a real one, which knows the devices and when they were heard: as if
// the city had listened throughout and been started anew at the end.
func (f *feed) registry(t *testing.T) *registry {
	t.Helper()
	var open openLog
	t.Cleanup(func() {
		if err := open.close(); err != nil {
			t.Error(err)
		}
	})
	r, err := openRegistry(t.Context(), registryFlags{Admission: "registered", AdmitLimit: 1}, config.Default(), t.TempDir(), slog.New(slog.DiscardHandler), &open)
	if err != nil {
		t.Fatal(err)
	}
	known := map[telemetry.Site]bool{}
	all, _, err := r.Sites(t.Context(), devices.SiteFilter{Page: devices.Page{Limit: devices.MaxPage}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		known[s.ID] = true
	}
	from := f.end.Add(-f.length)
	var heard []devices.LastHeard
	for _, d := range f.fleet {
		lat, lon := d.Position()
		site := devices.Site{ID: d.Site(), Name: d.SiteName(), Locality: d.Locality, Ward: d.Place().Ward, Position: devices.Position{Lat: lat, Lon: lon}}
		if _, err := r.RegisterDevice(t.Context(), devices.By{Who: "test", Scope: devices.Everywhere()}, devices.Registration{Request: "r-" + string(d.ID), NewSite: !known[site.ID], Site: site,
			Device: devices.Device{ID: d.ID, Kinds: []telemetry.Kind{d.Kind.Kind}, Simulated: true}, From: from, Redundant: true, Cadence: d.Every}); err != nil {
			t.Fatal(err)
		}
		known[site.ID] = true
		heard = append(heard, devices.LastHeard{Device: d.ID, Event: f.heard[d.ID], Received: f.heard[d.ID], Gateway: string(d.Locality)})
	}
	r.silence.Restore([]devices.Period{{From: from, To: f.end}}, nil, heard)
	return r
}

// write brings a store to where a city has it that was fed with this: the readings
// through what notes their hours, then what Hải Đăng computes of them, how its sites
// stand, and how a running city does itself.
func (f *feed) write(t *testing.T, s store.Store, reader store.Reader, r *registry, metrics [][]*dto.MetricFamily) {
	t.Helper()
	now := f.end
	hours, err := figures.OpenHours(figures.Options{Store: s, Reader: reader, Dir: t.TempDir(), Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer hours.Close()
	into := figures.Noting{Store: s, Hours: hours}
	for part := range slices.Chunk(f.points, 5000) {
		if err := into.Write(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	now = figures.NextRun(f.end)
	if err := hours.Compute(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	var gathered []*dto.MetricFamily
	own := figures.NewPlatform(s, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return gathered, nil }), prometheus.NewRegistry())
	cfg := config.Default()
	own.Dir, own.Localities = t.TempDir(), gatewayLocalities(&cfg)
	stand := newStandings(r)
	stand.alarms = func() map[telemetry.Site]bool { return map[telemetry.Site]bool{f.fleet[0].Site(): true} }
	own.Sites = stand.now
	own.Alarms = func() []figures.Alarm {
		d := f.fleet[0]
		return []figures.Alarm{{Rule: "site-silent", Locality: d.Locality, Site: d.Site(), Severity: int(limits.Warning)}}
	}
	collect := func(at time.Time, families []*dto.MetricFamily) {
		gathered, own.Now = families, func() time.Time { return at }
		if err := own.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(metrics) == 0 {
		return
	}
	for before := 2 * time.Hour; before > 0; before -= 5 * time.Minute {
		collect(f.end.Add(-before), metrics[0])
	}
	for i := range metrics {
		collect(f.end.Add(-time.Duration(len(metrics)-1-i)*own.Every), metrics[i])
	}
}

// cityLines are command lines of a city and its boards.
type cityLines struct {
	Up         Up                `cmd:""`
	Dashboards boards.Dashboards `cmd:""`
}

// cityMetrics are what a real city with simulated devices says of itself, at
// moments between which it has stored something.
func cityMetrics(t *testing.T, moments int) (all [][]*dto.MetricFamily) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	said, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := terminal.Run(ctx, new(cityLines), []string{"up", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--simulate", "40"}, out, io.Discard)
		out.Close()
		ended <- code
	}()
	var url string
	for lines := bufio.NewScanner(said); url == "" && lines.Scan(); {
		if _, after, ok := strings.Cut(lines.Text(), "metrics: "); ok {
			url = strings.TrimSpace(after)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	defer func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("the city ended with %d", code)
		}
	}()
	if url == "" {
		t.Fatal("the city said nothing of its metrics")
	}
	stored := uint64(0)
	for until := time.Now().Add(time.Minute); len(all) < moments; time.Sleep(100 * time.Millisecond) {
		families, err := scrape(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "haidang_received_to_queryable_seconds" && f.Metric[0].GetHistogram().GetSampleCount() > stored {
				stored = f.Metric[0].GetHistogram().GetSampleCount()
				all = append(all, families)
			}
		}
		if time.Now().After(until) {
			t.Fatalf("the city has stored %d messages in a minute", stored)
		}
	}
	return all
}

func scrape(ctx context.Context, url string) (out []*dto.MetricFamily, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return slices.Collect(maps.Values(families)), nil
}
