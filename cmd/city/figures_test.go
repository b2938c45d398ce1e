package city

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// settledReader reads a store once it shows all that was written.
type settledReader struct {
	store.Reader
	settle func()
}

func (s settledReader) Samples(ctx context.Context, q store.Query, f func(store.Sample)) error {
	s.settle()
	return s.Reader.Samples(ctx, q, f)
}

// reader reads back what is stored, as the figures do.
func (r readable) reader() store.Reader {
	if s, ok := r.store.(store.Reader); ok {
		return s
	}
	return externalReader{r.readings.(*api.External)}
}

// counter has the store count what it holds.
func (r readable) counter() store.Counter {
	return r.reader().(store.Counter)
}

// What is computed, on every store: two days of air, flagged readings, and a late
// one that changes an hour, its indices and its day.
func TestFiguresOnEveryStore(t *testing.T) {
	for name, open := range readables() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			testFigures(t, r.store, settledReader{r.reader(), r.settle})
		})
	}
}

func testFigures(t *testing.T, s store.Store, r store.Reader) {
	end := vnaqi.DayOf(time.Now().Add(-time.Hour)) // last midnight in Vietnam, or the one before
	clock := end
	cat := telemetry.NewCatalogue()
	h, err := figures.OpenHours(figures.Options{Store: s, Reader: r, Dir: t.TempDir(), Now: func() time.Time { return clock }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	air := cat.Kind(telemetry.AirQuality)
	point := func(site, device string, at time.Time, values map[telemetry.Metric]float64) telemetry.Point {
		p := telemetry.Point{Time: at, Series: telemetry.Series{Kind: telemetry.AirQuality, Locality: "nha-trang", Site: telemetry.Site(site), Device: telemetry.Device(device)}}
		for m, v := range values {
			p.Values = append(p.Values, telemetry.Value{Spec: air.Metric([]byte(m)), Number: v})
		}
		return p
	}
	var points []telemetry.Point
	for i := range 48 {
		at := end.Add(-time.Duration(i) * time.Hour)
		points = append(points,
			point("a", "aq-1", at, map[telemetry.Metric]float64{telemetry.PM25: 20, telemetry.O3: 80}), // the hour's last moment
			point("a", "aq-1", at.Add(-30*time.Minute), map[telemetry.Metric]float64{telemetry.PM25: 500, telemetry.QualityCode: 1}),
			point("b.1", "aq-2", at.Add(-59*time.Minute), map[telemetry.Metric]float64{telemetry.PM25: 40}))
	}
	write := func(points ...telemetry.Point) {
		t.Helper()
		if err := (figures.Noting{Store: s, Hours: h}).Write(t.Context(), points); err != nil {
			t.Fatal(err)
		}
	}
	run := func() {
		t.Helper()
		clock = figures.NextRun(clock)
		if err := h.Compute(t.Context(), clock); err != nil {
			t.Fatal(err)
		}
	}
	// last is the last revision of an hour's or day's value.
	last := func(kind telemetry.Kind, m telemetry.Metric, site telemetry.Site, end time.Time) (v float64) {
		t.Helper()
		v = math.NaN()
		if err := r.Samples(t.Context(), store.Query{Kind: kind, Metrics: []telemetry.Metric{m}, Sites: []telemetry.Site{site}, From: end.Add(-time.Hour), To: end}, func(s store.Sample) {
			if want := (telemetry.Series{Kind: kind, Locality: "nha-trang", Site: site, Device: telemetry.ComputedBy}); s.Series != want {
				t.Errorf("series %+v, want %+v", s.Series, want)
			}
			v = s.Number
		}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	hours, index := telemetry.HourlyKind(telemetry.AirQuality), telemetry.AirQualityIndex
	type values map[string]float64
	have := func() values {
		out := values{}
		for _, site := range []telemetry.Site{"a", "b.1"} {
			for _, before := range []int{0, 5} {
				at := end.Add(-time.Duration(before) * time.Hour)
				out[fmt.Sprintf("mean of %s, %d h before", site, before)] = last(hours, "pm25:mean1h", site, at)
				out[fmt.Sprintf("index of %s, %d h before", site, before)] = last(index, telemetry.VNAQI, site, at)
			}
			out[fmt.Sprintf("day of %s", site)] = last(index, telemetry.VNAQIDay, site, end)
		}
		out["ozone of a"] = last(hours, "o3:max1h", "a", end)
		out["dominant of a"] = last(index, telemetry.Dominant, "a", end)
		return out
	}
	want := values{"mean of a, 0 h before": 20, "mean of a, 5 h before": 20, "index of a, 0 h before": 40, "index of a, 5 h before": 40, "day of a": 40,
		"mean of b.1, 0 h before": 40, "mean of b.1, 5 h before": 40, "index of b.1, 0 h before": 80, "index of b.1, 5 h before": 80, "day of b.1": 80,
		"ozone of a": 80, "dominant of a": 1}
	write(points...)
	run()
	if diff := cmp.Diff(want, have()); diff != "" {
		t.Errorf("computed (- want, + have):\n%s", diff)
	}
	// Late, six hours before: the mean of that hour is (20+164)/2 = 92, the day's
	// mean (23·20+92)/24 = 23.
	write(point("a", "aq-1", end.Add(-5*time.Hour).Add(-10*time.Minute), map[telemetry.Metric]float64{telemetry.PM25: 164}))
	run()
	want["mean of a, 5 h before"] = 92
	// NowCast weighs by half: (92 + 20·(1/2 + … + 1/2^11)) / (1 + … + 1/2^11).
	weights := 2 - math.Pow(2, -11)
	c := (92 + 20*(weights-1)) / weights
	want["index of a, 5 h before"] = math.Round(100 + 50.0/30*(c-50))
	c = (20*(weights-1.0/32) + 92.0/32) / weights
	want["index of a, 0 h before"] = math.Round(2 * c)
	want["day of a"] = 46
	if diff := cmp.Diff(want, have()); diff != "" {
		t.Errorf("computed after late data (- want, + have):\n%s", diff)
	}
}

func TestStandingOf(t *testing.T) {
	of := func(alarm bool, states ...devices.Presence) figures.Standing {
		var all []devices.DeviceSilence
		for _, p := range states {
			all = append(all, devices.DeviceSilence{Site: "a", Locality: "nha-trang", State: p})
		}
		return standingOf(all, devices.Position{Lat: 12, Lon: 109}, alarm)
	}
	for _, c := range []struct {
		alarm  bool
		states []devices.Presence
		want   int
	}{
		{false, []devices.Presence{devices.Fresh, devices.Waiting}, telemetry.SiteOK},
		{false, []devices.Presence{devices.Fresh, devices.Late}, telemetry.SiteLate},
		{false, []devices.Presence{devices.Silent, devices.Late}, telemetry.SiteSilent},
		{true, []devices.Presence{devices.Silent, devices.Late}, telemetry.SiteAlarm},
		{false, []devices.Presence{devices.Muted, devices.Muted}, telemetry.SiteMaintenance},
		{false, []devices.Presence{devices.Muted, devices.Fresh}, telemetry.SiteOK},
	} {
		if have := of(c.alarm, c.states...); have.State != c.want || have.Devices != 2 || have.Latitude != 12 {
			t.Errorf("%v: have %+v, want state %d", c.states, have, c.want)
		}
	}
	if have := of(false, devices.Silent, devices.Silent).Silent; have != 2 {
		t.Errorf("%d silent", have)
	}
}

func TestGatewayLocalities(t *testing.T) {
	c := config.Default()
	c.Gateways = append(c.Gateways,
		config.GatewayConfig{Name: "all", Subscriptions: []config.SubscriptionConfig{{Filter: "kh/+/weather/#"}}},
		config.GatewayConfig{Name: "two", Subscriptions: []config.SubscriptionConfig{{Filter: "kh/nha-trang/#"}, {Filter: "kh/cam-ranh/#"}}})
	want := map[string]telemetry.Locality{"nha-trang": "nha-trang", "cam-ranh": "cam-ranh", "ninh-hoa": "ninh-hoa", "cam-lam": "cam-lam"}
	if diff := cmp.Diff(want, gatewayLocalities(&c)); diff != "" {
		t.Error(diff)
	}
}

// Samples are read as they were written, on every store: after a moment and until
// another, of some sites, whatever these are called.
func TestSamplesOnEveryStore(t *testing.T) {
	for name, open := range readables() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			reader := r.reader()
			h := newHistory()
			to := h.now.Add(-time.Hour)
			from := to.Add(-time.Hour)
			sites := append(hostile(), "plain")
			h.points = nil
			for i, site := range sites {
				for j, at := range []time.Time{from, from.Add(time.Millisecond), to, to.Add(time.Millisecond)} {
					h.add(site, "d", telemetry.Noise, at, telemetry.LAeq, float64(40+i)+float64(j)/10)
				}
			}
			if err := r.store.Write(t.Context(), h.points); err != nil {
				t.Fatal(err)
			}
			r.settle()
			read := func(sites ...telemetry.Site) (n map[telemetry.Site][]float64) {
				n = map[telemetry.Site][]float64{}
				q := store.Query{Kind: telemetry.Noise, Metrics: []telemetry.Metric{telemetry.LAmax, telemetry.LAeq}, Sites: sites, From: from, To: to}
				if err := reader.Samples(t.Context(), q, func(s store.Sample) { n[s.Series.Site] = append(n[s.Series.Site], s.Number) }); err != nil {
					t.Fatal(err)
				}
				return n
			}
			all := read()
			for i, site := range sites {
				want := []float64{float64(40+i) + 0.1, float64(40+i) + 0.2}
				if diff := cmp.Diff(want, all[telemetry.Site(site)]); diff != "" {
					t.Errorf("%q among all: %s", site, diff)
				}
				if diff := cmp.Diff(map[telemetry.Site][]float64{telemetry.Site(site): want}, read(telemetry.Site(site))); diff != "" {
					t.Errorf("%q alone: %s", site, diff)
				}
			}
			if two := read("plain", ".*"); len(two) != 2 {
				t.Errorf("two sites: %v", two)
			}
			if len(all) != len(sites) {
				t.Errorf("%d sites", len(all))
			}
		})
	}
}
