package city

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// readable is a store with what reads it, wired as `haidang up` wires them.
type readable struct {
	store    store.Store
	readings api.Readings
	// handler is the embedded store's Prometheus API; nil if the store is external.
	handler http.Handler
	// settle returns once all that was written can be read.
	settle func()
}

// openReadable opens the store that flags choose.
func openReadable(t testing.TB, f storeFlags) readable {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c := &city{data: t.TempDir(), log: log, library: log, reg: prometheus.NewRegistry()}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	f.Retention = terminal.Duration(400 * 24 * time.Hour)
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	s, built, err := c.openStore(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	r := readable{s, c.openReadings(f, built, telemetry.NewCatalogue()), nil, func() {}}
	if built != nil {
		r.handler = built.Handler(terminal.PrometheusPath)
	}
	return r
}

func external(url, token string) storeFlags {
	return storeFlags{Store: "influx", InfluxURL: url, InfluxOrg: realserver.Influx2Org, InfluxBucket: realserver.Database, InfluxToken: token, Query: "auto"}
}

// readables are all stores, by their names.
func readables() map[string]func(testing.TB) readable {
	return map[string]func(testing.TB) readable{
		"embedded": func(t testing.TB) readable { return openReadable(t, storeFlags{Store: "embedded"}) },
		"VictoriaMetrics": func(t testing.TB) readable {
			server := realserver.VictoriaMetricsCaching(t)
			r := openReadable(t, external(server.URL, ""))
			r.settle = func() {
				if err := server.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return r
		},
		"InfluxDB 1.8": func(t testing.TB) readable {
			return openReadable(t, external(realserver.InfluxDBWithAuth(t).URL, realserver.InfluxAdmin+":"+realserver.InfluxPassword))
		},
		"InfluxDB 1.8 with policy": func(t testing.TB) readable {
			f := external(realserver.InfluxDB(t).URL, "")
			f.InfluxBucket += "/autogen"
			return openReadable(t, f)
		},
		"InfluxDB 2": func(t testing.TB) readable {
			return openReadable(t, external(realserver.InfluxDB2(t).URL, realserver.Influx2Token))
		},
	}
}

// history is what is written; what the stores answer is compared with what follows
// from it.
type history struct {
	cat    *telemetry.Catalogue
	now    time.Time
	points []telemetry.Point
}

// add adds a reading; values are metric and number in turn.
func (h *history) add(site, device string, kind telemetry.Kind, at time.Time, metric telemetry.Metric, v float64) {
	h.points = append(h.points, telemetry.Point{
		Series: telemetry.Series{Kind: kind, Locality: "nha-trang", Site: telemetry.Site(site), Device: telemetry.Device(device)},
		Time:   at, Values: []telemetry.Value{{Spec: h.cat.Kind(kind).Metric([]byte(metric)), Number: v}}})
}

// hostile are tag values that stores take and that mean something to a query.
func hostile() []string {
	return []string{`x' OR '1'='1`, `a"b`, `a';DROP DATABASE haidang;--`, `.*`, `a|b`, `{}`, `$x`, `%s%d`, `--`, `/* a */`, `a,b=c d`, "Trần Phú 日本", `'`, `"`, `''`}
}

func newHistory() *history {
	h := &history{cat: telemetry.NewCatalogue(), now: time.Now().UTC().Truncate(time.Millisecond)}
	ago := func(d time.Duration) time.Time { return h.now.Add(-d) }
	// A percentile, whose mean is the plain one, so that it can be compared however
	// close readings are. Forty days in an uneven rhythm, one device after another, and a gap.
	for i, at := 0, ago(40*24*time.Hour); at.Before(h.now); i, at = i+1, at.Add(17*time.Minute+time.Duration(i%7)*1_234*time.Millisecond) {
		if d := h.now.Sub(at); d > 5*24*time.Hour && d < 8*24*time.Hour {
			continue
		}
		device := "old"
		if h.now.Sub(at) < 20*24*time.Hour {
			device = "new"
		}
		h.add("history", device, telemetry.Noise, at, telemetry.LA50, 55+20*math.Sin(float64(i)/9))
	}
	// The last hour closely, and around the borders of steps.
	for i := range 400 {
		h.add("history", "new", telemetry.Noise, ago(time.Duration(i)*7*time.Second+time.Second), telemetry.LA50, 40+float64(i%30))
	}
	for border := range 60 {
		at := h.now.Truncate(time.Minute).Add(-time.Duration(border+1) * time.Minute)
		for _, beside := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
			h.add("borders", "d", telemetry.Noise, at.Add(beside), telemetry.LA50, float64(border)+float64(beside/time.Millisecond)/4+1)
		}
	}
	// The newest: two devices of one kind, one of them long silent; a metric told in
	// a message of its own, one told too long before; a kind told once a day.
	h.add("latest", "d1", telemetry.AirQuality, ago(time.Minute), telemetry.PM25, 12.5)
	h.add("latest", "d1", telemetry.AirQuality, ago(2*time.Minute), telemetry.PM25, 99)
	h.add("latest", "d1", telemetry.AirQuality, ago(7*time.Minute), telemetry.PM10, 30.25)
	h.add("latest", "d1", telemetry.AirQuality, ago(30*time.Minute), telemetry.PM1, 1)
	h.add("latest", "d1", telemetry.AirQuality, ago(time.Minute), telemetry.QualityCode, 1)
	h.add("latest", "d2", telemetry.AirQuality, ago(3*time.Hour), telemetry.PM25, 7)
	h.add("latest", "d2", telemetry.AirQuality, ago(3*time.Hour+5*time.Minute), telemetry.PM10, 8)
	h.add("latest", "d3", telemetry.AirQuality, ago(5*time.Minute), telemetry.PM25, 5)
	h.add("latest", "d3", telemetry.AirQuality, ago(13*time.Minute), telemetry.PM10, 6)
	h.add("latest", "d1", telemetry.WaterLevel, ago(20*time.Hour), telemetry.Level, 1.5)
	h.add("latest", "gone", telemetry.Noise, ago(26*time.Hour), telemetry.LAeq, 60)
	h.add("latest", "clock", telemetry.Noise, ago(-time.Hour), telemetry.LAeq, 61)
	h.addFlagged()
	h.addLevels()
	for i, name := range hostile() {
		h.add(name, "d", telemetry.Noise, ago(time.Minute), telemetry.LAeq, float64(50+i))
		h.add("hostile", name, telemetry.Noise, ago(time.Minute), telemetry.LAeq, float64(70+i))
	}
	return h
}

// series is what a query's answer must be.
func (h *history) series(q api.SeriesQuery) []api.DeviceSeries {
	type bucket struct {
		values []float64
	}
	found := map[telemetry.Device]map[int64]*bucket{}
	for _, p := range h.points {
		if p.Series.Site != q.Site || p.Series.Kind != q.Kind || p.Values[0].Spec.Name != q.Metric || !p.Time.After(q.From) || p.Time.After(q.To) {
			continue
		}
		steps := int64((p.Time.Sub(q.From) + q.Step - 1) / q.Step) // the step that ends here is this one's
		if q.From.Add(time.Duration(steps) * q.Step).After(q.To) {
			continue
		}
		d := found[p.Series.Device]
		if d == nil {
			d = map[int64]*bucket{}
			found[p.Series.Device] = d
		}
		if d[steps] == nil {
			d[steps] = &bucket{}
		}
		d[steps].values = append(d[steps].values, p.Values[0].Number)
	}
	var out []api.DeviceSeries
	for device, buckets := range found {
		s := api.DeviceSeries{Device: device}
		for n, b := range buckets {
			sum := 0.0
			for _, v := range b.values {
				sum += telemetry.Linear(q.Metric, v)
			}
			s.Points = append(s.Points, api.SeriesPoint{Time: q.From.Add(time.Duration(n) * q.Step).UTC(), Min: slices.Min(b.values), Mean: telemetry.FromLinear(q.Metric, sum/float64(len(b.values))), Max: slices.Max(b.values)})
		}
		slices.SortFunc(s.Points, func(a, b api.SeriesPoint) int { return a.Time.Compare(b.Time) })
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b api.DeviceSeries) int { return strings.Compare(string(a.Device), string(b.Device)) })
	return out
}

// window is a query as the REST interface makes it of the newest span.
func (h *history) window(m telemetry.Metric, site telemetry.Site, span, step time.Duration) api.SeriesQuery {
	vietnam := time.FixedZone("+07", 7*60*60)
	_, offset := h.now.In(vietnam).Zone()
	align := func(t time.Time) time.Time {
		ahead := time.Duration(offset) * time.Second
		return t.UTC().Add(ahead).Truncate(step).Add(-ahead)
	}
	return api.SeriesQuery{Site: site, Kind: telemetry.Noise, Metric: m, From: align(h.now.Add(-span)), To: align(h.now).Add(step), Step: step}
}

// TestReadings holds every store to the same answers.
func TestReadings(t *testing.T) {
	for name, open := range readables() {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			h := newHistory()
			if err := r.store.Write(t.Context(), h.points); err != nil {
				t.Fatal(err)
			}
			r.settle()
			t.Run("series", func(t *testing.T) { testSeries(t, r.readings, h) })
			t.Run("levels", func(t *testing.T) { testLevels(t, r.readings, h) })
			t.Run("chart", func(t *testing.T) { testChart(t, r.readings, h) })
			t.Run("flags", func(t *testing.T) { testFlags(t, r.readings, h) })
			t.Run("latest", func(t *testing.T) { testLatest(t, r.readings, h) })
			t.Run("first", func(t *testing.T) { testFirst(t, r.readings, h) })
			t.Run("hostile", func(t *testing.T) { testHostile(t, r.readings, h) })
		})
	}
}

func testSeries(t *testing.T, r api.Readings, h *history) {
	const hour, day = time.Hour, 24 * time.Hour
	for name, q := range map[string]api.SeriesQuery{
		"hour": h.window(telemetry.LA50, "history", hour, 15*time.Second), "day": h.window(telemetry.LA50, "history", day, 5*time.Minute), "week": h.window(telemetry.LA50, "history", 7*day, hour),
		"month": h.window(telemetry.LA50, "history", 30*day, 3*hour), "days": h.window(telemetry.LA50, "history", 35*day, day), "weeks": h.window(telemetry.LA50, "history", 35*day, 7*day),
		"borders": h.window(telemetry.LA50, "borders", hour, time.Minute), "nowhere": h.window(telemetry.LA50, "none", day, hour),
		"before": {Site: "history", Kind: telemetry.Noise, Metric: telemetry.LA50, From: h.now.Add(-90 * day), To: h.now.Add(-80 * day), Step: day},
		"uneven": {Site: "history", Kind: telemetry.Noise, Metric: telemetry.LA50, From: h.now.Add(-3*hour - 7*time.Second).Truncate(time.Second), To: h.now.Add(-time.Hour).Truncate(time.Second), Step: 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := r.Series(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			want := h.series(q)
			if diff := cmp.Diff(want, have, cmpopts.EquateApprox(1e-9, 0), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("from %v to %v by %v (-want +have):\n%.3000s", q.From, q.To, q.Step, diff)
			}
			if name != "nowhere" && name != "before" && len(want) == 0 {
				t.Error("nothing was to be found: this proves nothing")
			}
		})
	}
}

func testLatest(t *testing.T, r api.Readings, h *history) {
	have, err := r.Latest(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	reading := func(device telemetry.Device, kind telemetry.Kind, ago time.Duration, values map[telemetry.Metric]float64) api.Reading {
		return api.Reading{Site: "latest", Device: device, Kind: kind, Time: h.now.Add(-ago), Values: values}
	}
	want := []api.Reading{
		reading("d1", telemetry.AirQuality, time.Minute, map[telemetry.Metric]float64{telemetry.PM25: 12.5, telemetry.PM10: 30.25, telemetry.QualityCode: 1}),
		reading("d2", telemetry.AirQuality, 3*time.Hour, map[telemetry.Metric]float64{telemetry.PM25: 7, telemetry.PM10: 8}),
		reading("d3", telemetry.AirQuality, 5*time.Minute, map[telemetry.Metric]float64{telemetry.PM25: 5, telemetry.PM10: 6}),
		reading("d1", telemetry.WaterLevel, 20*time.Hour, map[telemetry.Metric]float64{telemetry.Level: 1.5}),
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
	if have, err = r.Latest(t.Context(), "none"); err != nil || len(have) > 0 {
		t.Errorf("a site that is not there: %v, %v", have, err)
	}
}

func testFirst(t *testing.T, r api.Readings, h *history) {
	at := func(ago time.Duration) time.Time { return h.now.Add(-ago) }
	for name, c := range map[string]struct {
		device telemetry.Device
		from   time.Time
		want   time.Time // zero is none
		values map[telemetry.Metric]float64
	}{
		"at that moment":     {"d2", at(3 * time.Hour), at(3 * time.Hour), map[telemetry.Metric]float64{telemetry.PM25: 7}},
		"soon after":         {"d2", at(3*time.Hour + 10*time.Minute), at(3*time.Hour + 5*time.Minute), map[telemetry.Metric]float64{telemetry.PM10: 8}},
		"hours after":        {"d2", at(20 * time.Hour), at(3*time.Hour + 5*time.Minute), map[telemetry.Metric]float64{telemetry.PM10: 8}},
		"of another kind":    {"d1", at(24 * time.Hour), at(20 * time.Hour), map[telemetry.Metric]float64{telemetry.Level: 1.5}},
		"days after":         {"d2", at(72 * time.Hour), time.Time{}, nil},
		"nothing since":      {"d2", at(time.Hour), time.Time{}, nil},
		"its clock is ahead": {"clock", at(time.Hour), time.Time{}, nil},
		"not yet":            {"d2", at(-time.Hour), time.Time{}, nil},
		"another device":     {"none", at(20 * time.Hour), time.Time{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			have, ok, err := r.First(t.Context(), c.device, "latest", c.from)
			if err != nil {
				t.Fatal(err)
			}
			if ok != !c.want.IsZero() || !have.Time.Equal(c.want) {
				t.Errorf("have %v %+v, want %v", ok, have, c.want)
			}
			if diff := cmp.Diff(c.values, have.Values, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +have:\n%s", diff)
			}
		})
	}
}

func testHostile(t *testing.T, r api.Readings, h *history) {
	for i, name := range hostile() {
		have, err := r.Latest(t.Context(), telemetry.Site(name))
		if err != nil || len(have) != 1 || have[0].Values[telemetry.LAeq] != float64(50+i) {
			t.Errorf("latest of %q: %+v, %v", name, have, err)
		}
		series, err := r.Series(t.Context(), h.window(telemetry.LAeq, telemetry.Site(name), time.Hour, time.Hour))
		if err != nil || len(series) != 1 || len(series[0].Points) != 1 || series[0].Points[0].Max != float64(50+i) {
			t.Errorf("series of %q: %+v, %v", name, series, err)
		}
		first, ok, err := r.First(t.Context(), telemetry.Device(name), "hostile", h.now.Add(-time.Hour))
		if err != nil || !ok || first.Values[telemetry.LAeq] != float64(70+i) {
			t.Errorf("first of %q: %+v, %v, %v", name, first, ok, err)
		}
	}
	have, err := r.Latest(t.Context(), "hostile")
	if err != nil || len(have) != len(hostile()) {
		t.Errorf("%d of %d, %v", len(have), len(hostile()), err)
	}
}

// A store that is away when the city starts is read once it is there.
func TestReadingsOfAStoreThatComesLater(t *testing.T) {
	server := realserver.InfluxDB(t)
	server.Stop()
	r := openReadable(t, external(server.URL, ""))
	if _, err := r.readings.Latest(t.Context(), "s"); err == nil {
		t.Error("no error while the store is away")
	}
	server.Start()
	if _, err := r.readings.Latest(t.Context(), "s"); err != nil {
		t.Error(err)
	}
}

// A store that does not know what is asked says what to do.
func TestReadingsNameTheRemedy(t *testing.T) {
	influx := realserver.InfluxDBWithAuth(t)
	for name, c := range map[string]struct {
		flags storeFlags
		want  string
	}{
		"no token": {external(influx.URL, ""), "--influx-token"},
		"no database": {func() storeFlags {
			f := external(influx.URL, realserver.InfluxAdmin+":"+realserver.InfluxPassword)
			f.InfluxBucket = "other"
			return f
		}(), "--influx-bucket"},
		"no store": {external(httptest.NewServer(nil).URL, ""), "--query-url"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openReadable(t, c.flags).readings.Latest(t.Context(), "s")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), realserver.InfluxPassword) {
				t.Errorf("error %v, want one with %s and without the password", err, c.want)
			}
		})
	}
}

// BenchmarkReadingsMonth asks for a month of one site's metric, written once a
// minute, in the steps of a chart.
func BenchmarkReadingsMonth(b *testing.B) {
	for name, open := range readables() {
		b.Run(name, func(b *testing.B) {
			r := open(b)
			h := &history{cat: telemetry.NewCatalogue(), now: time.Now().UTC().Truncate(time.Millisecond)}
			for i := range 30 * 24 * 60 {
				h.add("s", "d", telemetry.Noise, h.now.Add(-time.Duration(i)*time.Minute), telemetry.LAeq, 50+float64(i%400)/10)
			}
			for part := range slices.Chunk(h.points, 5000) {
				if err := r.store.Write(b.Context(), part); err != nil {
					b.Fatal(err)
				}
			}
			r.settle()
			q := h.window(telemetry.LAeq, "s", 30*24*time.Hour, 3*time.Hour)
			for b.Loop() {
				found, err := r.readings.Series(b.Context(), q)
				if err != nil || len(found) != 1 || len(found[0].Points) < 240 {
					b.Fatal(fmt.Sprintf("%d series", len(found)), err)
				}
			}
		})
	}
}
