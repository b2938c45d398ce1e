package figures_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// kept is a store that keeps the last value of each series, by kind, metric and
// tags; err is what it answers.
type kept struct {
	err    error
	values map[string]float64
	points int
}

func (k *kept) Write(_ context.Context, points []telemetry.Point) error {
	if k.err != nil {
		return k.err
	}
	k.values = map[string]float64{}
	k.points = len(points)
	for _, p := range points {
		for _, v := range p.Values {
			k.values[string(p.Series.Kind)+"_"+string(v.Spec.Name)+" "+string(p.Series.Locality)+" "+string(p.Series.Site)+" "+string(p.Series.Device)] = v.Number
		}
	}
	return nil
}

func (k *kept) want(t *testing.T, series string, want float64) {
	t.Helper()
	if have, ok := k.values[series]; !ok && !math.IsNaN(want) || ok && !(math.Abs(have-want) < 1e-9) {
		t.Errorf("%s: have %v (%v), want %v", series, have, ok, want)
	}
}

func TestPlatform(t *testing.T) {
	reg := prometheus.NewRegistry()
	gauge := func(name string, labels prometheus.Labels, v float64) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "h", ConstLabels: labels})
		g.Set(v)
		reg.MustRegister(g)
		return g
	}
	for outcome, v := range map[string]float64{"stored": 90, "duplicate": 4, "quarantined": 5, "queued": 1} {
		gauge("haidang_messages", prometheus.Labels{"gateway": "nha-trang", "outcome": outcome}, v)
	}
	gauge("haidang_locality_messages", prometheus.Labels{"gateway": "door", "locality": "cam-ranh", "outcome": "stored"}, 7)
	gauge("haidang_locality_messages", prometheus.Labels{"gateway": "door", "locality": "(none)", "outcome": "quarantined"}, 3)
	gauge("haidang_messages_received_total", prometheus.Labels{"gateway": "nha-trang"}, 100)
	gauge("haidang_messages_partial", prometheus.Labels{"gateway": "nha-trang"}, 2)
	gauge("haidang_gateway_connected", prometheus.Labels{"gateway": "nha-trang"}, 1)
	gauge("haidang_gateway_connected", prometheus.Labels{"gateway": "elsewhere"}, 0)
	gauge("haidang_devices", prometheus.Labels{"locality": "cam-ranh", "presence": "silent"}, 3)
	gauge("haidang_devices", prometheus.Labels{"locality": "cam-ranh", "presence": "fresh"}, 7)
	gauge("haidang_alarms_firing", prometheus.Labels{"severity": "warning"}, 2)
	gauge("haidang_alarms_firing", prometheus.Labels{"severity": "critical"}, 1)
	gauge("haidang_journal_bytes", nil, 1234)
	gauge("process_start_time_seconds", nil, float64(midnight.Unix()))
	cpu := gauge("process_cpu_seconds_total", nil, 10)
	gauge("haidang_tls_certificate_expiry_timestamp_seconds", prometheus.Labels{"listener": "http"}, float64(midnight.Add(48*time.Hour).Unix()))
	delay := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_received_to_queryable_seconds", Help: "h", Buckets: []float64{1, 2, 4}})
	reg.MustRegister(delay)
	delay.Observe(100) // of a time before

	s := &kept{}
	p := figures.NewPlatform(s, reg, reg)
	now := midnight
	p.Now, p.Dir = func() time.Time { return now }, t.TempDir()
	p.Localities = map[string]telemetry.Locality{"nha-trang": "nha-trang"}
	if err := p.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.want(t, "platform_store_delay_p50 platform platform haidang", math.NaN())
	now = now.Add(10 * time.Second)
	cpu.Set(15)
	for range 10 {
		delay.Observe(1.5)
	}
	if err := p.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for series, want := range map[string]float64{
		"platform_received nha-trang platform nha-trang":        100,
		"platform_stored nha-trang platform nha-trang":          90,
		"platform_quarantined nha-trang platform nha-trang":     5,
		"platform_connected nha-trang platform nha-trang":       1,
		"platform_connected platform platform elsewhere":        0,
		"platform_gateways_connected platform platform haidang": 1,
		"platform_quarantine_size platform platform haidang":    7,
		"platform_locality_stored cam-ranh platform door":       7,
		"platform_locality_quarantined (none) platform door":    3,
		"platform_devices cam-ranh platform haidang":            10,
		"platform_devices_silent cam-ranh platform haidang":     3,
		"platform_alarms_firing platform platform haidang":      3,
		"platform_journal_bytes platform platform haidang":      1234,
		"platform_cpu platform platform haidang":                50,
		"platform_uptime platform platform haidang":             10,
		"platform_time_of_day platform platform haidang":        10.0 / 3600,
		"platform_certificate_left platform platform haidang":   2 - 10.0/86400,
		"platform_store_delay_p50 platform platform haidang":    1.5,
		"platform_store_delay_p95 platform platform haidang":    1.95,
		"platform_event_delay_p50 platform platform haidang":    math.NaN(),
		"site_state_state nha-trang cho-dam haidang":            math.NaN(),
	} {
		s.want(t, series, want)
	}
	if s.values["platform_disk_free platform platform haidang"] <= 0 {
		t.Error("no disk")
	}
	s.err = errors.New("away")
	if err := p.Collect(t.Context()); err == nil {
		t.Error("a store that is away was not told of")
	}
	if n, err := testutil.GatherAndCount(reg, "haidang_figures_skipped_total"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// A site's state is written when it changes, and once a minute.
func TestStateOfSites(t *testing.T) {
	s := &kept{}
	reg := prometheus.NewRegistry()
	p := figures.NewPlatform(s, reg, reg)
	now := midnight
	all := []figures.Standing{
		{Site: "a", Locality: "nha-trang", Latitude: 12.2, Longitude: 109.2, State: telemetry.SiteOK, Devices: 2},
		{Site: "b", Locality: "nha-trang", State: telemetry.SiteOK, Devices: 1},
	}
	var err error
	p.Now, p.Dir, p.Sites = func() time.Time { return now }, "/nowhere", func(context.Context) ([]figures.Standing, error) { return all, err }
	collect := func() {
		t.Helper()
		if have := p.Collect(t.Context()); !errors.Is(have, err) {
			t.Fatal(have)
		}
	}
	count := func() (n int) {
		for _, site := range []string{"a", "b"} {
			if _, ok := s.values["site_state_state nha-trang "+site+" haidang"]; ok {
				n++
			}
		}
		return n
	}
	collect()
	s.want(t, "site_state_latitude nha-trang a haidang", 12.2)
	s.want(t, "site_state_latitude nha-trang b haidang", math.NaN()) // its place is not known
	if count() != 2 {
		t.Error("not all are written at first")
	}
	now = now.Add(15 * time.Second)
	collect()
	if count() != 0 {
		t.Error("what has not changed is written within the minute")
	}
	all[1].State, all[1].Silent = telemetry.SiteSilent, 1
	s.err = errors.New("away")
	if p.Collect(t.Context()) == nil {
		t.Error("a store that is away was not told of")
	}
	s.err = nil
	collect() // what the store did not take is still to be written
	s.want(t, "site_state_state nha-trang b haidang", telemetry.SiteSilent)
	s.want(t, "site_state_silent nha-trang b haidang", 1)
	if count() != 1 {
		t.Error("what has changed is not written alone")
	}
	now = now.Add(time.Minute)
	collect()
	if count() != 2 {
		t.Error("not all are written after a minute")
	}
	// The registry away: the platform's figures are written all the same.
	err = errors.New("no registry")
	collect()
	if s.points != 1 || count() != 0 {
		t.Errorf("%d points without a metric or a site, want the platform's own alone", s.points)
	}
}

// An active alarm is written when it comes and once a minute, and its end once.
func TestActiveAlarms(t *testing.T) {
	s := &kept{}
	reg := prometheus.NewRegistry()
	p := figures.NewPlatform(s, reg, reg)
	now := midnight
	flood := figures.Alarm{Rule: "flood-bd3-dong-trang", Locality: "nha-trang", Site: "dong-trang", Severity: 3}
	all := []figures.Alarm{flood, {Rule: "gateway-down", Severity: 3}, {Rule: "gateway-down", Severity: 2}}
	p.Now, p.Dir, p.Alarms = func() time.Time { return now }, "/nowhere", func() []figures.Alarm { return all }
	const river, gateway = "alarm_severity nha-trang dong-trang flood-bd3-dong-trang", "alarm_severity platform platform gateway-down"
	for i, step := range []struct {
		after          time.Duration
		alarms         []figures.Alarm
		away           bool
		river, gateway float64
	}{
		{0, all, false, 3, 3},
		{15 * time.Second, all, false, math.NaN(), math.NaN()},
		{time.Minute, all, false, 3, 3},
		{15 * time.Second, all[1:], true, math.NaN(), math.NaN()},
		{15 * time.Second, all[1:], false, 0, math.NaN()}, // its end is told although the store was away
		{15 * time.Second, nil, false, math.NaN(), 0},
		{15 * time.Second, []figures.Alarm{flood}, false, 3, math.NaN()},
	} {
		now, all, s.err = now.Add(step.after), step.alarms, nil
		if step.away {
			s.err = errors.New("away")
		}
		if err := p.Collect(t.Context()); !errors.Is(err, s.err) {
			t.Fatal(err)
		}
		if step.away {
			continue
		}
		t.Logf("step %d", i)
		s.want(t, river, step.river)
		s.want(t, gateway, step.gateway)
	}
}
