package figures

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sys/unix"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// writeWithin bounds one attempt to write the platform's own figures: what a
	// store that is away does not take is of no use later.
	writeWithin = 5 * time.Second
	// sitesEvery is how often the state of all sites is written; what has changed
	// is written at once.
	sitesEvery = time.Minute
)

// Platform writes the platform's own figures, and the state of sites, to the store
// that the city's readings go to, so that a board of them needs no second server.
// They are those of the process's metrics, brought to a form that every store can
// show. It writes beside the loader and never holds it up; what cannot be written
// is skipped and counted.
type Platform struct {
	Store    store.Store
	Gatherer prometheus.Gatherer
	// Localities are those of the gateways, by name.
	Localities map[string]telemetry.Locality
	// Dir is the data folder, whose disk is watched.
	Dir string
	// Sites says how all sites stand; nil writes no state.
	Sites func(context.Context) ([]Standing, error)
	// Alarms are those that are active; nil writes none.
	Alarms func() []Alarm
	// Every is how often figures are written: 15 s.
	Every time.Duration

	Now    func() time.Time
	Logger *slog.Logger

	kind, state, alarm *telemetry.KindSpec
	skipped            prometheus.Counter

	before   map[string]*dto.MetricFamily // of the last collection
	beforeAt time.Time
	written  map[telemetry.Site]Standing
	ringing  map[telemetry.Series]int // alarms as they were written
	sitesAt  time.Time                // when all were written
}

// NewPlatform makes a collector that writes every 15 s; its own metric is
// registered with reg.
func NewPlatform(s store.Store, g prometheus.Gatherer, reg prometheus.Registerer) *Platform {
	cat := telemetry.NewCatalogue()
	p := &Platform{Store: s, Gatherer: g, Every: 15 * time.Second, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		kind: cat.Kind(telemetry.Platform), state: cat.Kind(telemetry.SiteState), alarm: cat.Kind(telemetry.ActiveAlarm), written: map[telemetry.Site]Standing{},
		skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_figures_skipped_total", Help: "Collections of the platform's own figures that the store did not take; they are not repeated."})}
	reg.MustRegister(p.skipped)
	return p
}

// Run collects until ctx ends.
func (p *Platform) Run(ctx context.Context) error {
	for failed := false; ; {
		now := p.Now()
		if !sleep(ctx, now.Truncate(p.Every).Add(p.Every).Sub(now)) {
			return nil
		}
		err := p.Collect(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			p.Logger.Warn("cannot write the platform's own figures; those of this time are skipped", "error", err)
		}
		failed = err != nil
	}
}

// Collect writes the figures of now.
func (p *Platform) Collect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	now := p.Now().Truncate(time.Millisecond)
	// What can be gathered is, whatever cannot.
	families, err := p.Gatherer.Gather()
	points := p.points(now, families)
	standings, all, sitesErr := p.standings(ctx, now)
	if err == nil {
		err = sitesErr
	}
	for _, s := range standings {
		points = append(points, p.pointOf(s, now))
	}
	active := p.alarmSeries()
	points = append(points, p.alarmPoints(active, all, now)...)
	if writeErr := p.Store.Write(ctx, points); writeErr != nil {
		p.skipped.Inc()
		return writeErr
	}
	for _, s := range standings {
		p.written[s.Site] = s
	}
	p.ringing = active
	if all {
		p.sitesAt = now
	}
	if err != nil {
		return fmt.Errorf("collect the platform's figures: %w", err)
	}
	return nil
}

// collection is the points of one moment, by series.
type collection struct {
	kind   *telemetry.KindSpec
	at     time.Time
	points map[telemetry.Series]*telemetry.Point
}

// set sets a metric of a gateway or of the process. An empty locality is the
// platform itself.
func (c *collection) set(l telemetry.Locality, d telemetry.Device, m telemetry.Metric, v float64) {
	spec := c.kind.Metric([]byte(m))
	if spec == nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	if l == "" {
		l = telemetry.Locality(telemetry.PlatformSite)
	}
	s := telemetry.Series{Kind: c.kind.Kind, Locality: l, Site: telemetry.PlatformSite, Device: d}
	p := c.points[s]
	if p == nil {
		p = &telemetry.Point{Series: s, Time: c.at}
		c.points[s] = p
	}
	p.Values = append(p.Values, telemetry.Value{Spec: spec, Number: v})
}

// own sets a metric of the process.
func (c *collection) own(m telemetry.Metric, v float64) { c.set("", telemetry.ComputedBy, m, v) }

// points are the figures that the families hold.
func (p *Platform) points(now time.Time, families []*dto.MetricFamily) []telemetry.Point {
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, f := range families {
		byName[f.GetName()] = f
	}
	c := &collection{kind: p.kind, at: now, points: map[telemetry.Series]*telemetry.Point{}}
	p.gateways(c, byName)
	p.delays(c, byName)
	p.presences(c, byName)
	p.process(c, byName, now)
	p.before, p.beforeAt = byName, now
	out := make([]telemetry.Point, 0, len(c.points))
	for _, point := range c.points {
		out = append(out, *point)
	}
	return out
}

// gateways are the ledger and the links of each gateway.
func (p *Platform) gateways(c *collection, all map[string]*dto.MetricFamily) {
	each := func(name string, f func(gateway string, m *dto.Metric)) {
		for _, m := range all[name].GetMetric() {
			f(label(m, "gateway"), m)
		}
	}
	set := func(gateway string, metric telemetry.Metric, v float64) {
		if gateway != "" {
			c.set(p.Localities[gateway], telemetry.Device(gateway), metric, v)
		}
	}
	outcomes := map[string]telemetry.Metric{"stored": telemetry.MessagesStored, "duplicate": telemetry.MessagesDuplicate,
		"quarantined": telemetry.MessagesQuarantined, "canary": telemetry.MessagesCanary, "queued": telemetry.MessagesQueued}
	localities := map[string]telemetry.Metric{"stored": telemetry.LocalityStored, "duplicate": telemetry.LocalityDuplicate,
		"quarantined": telemetry.LocalityQuarantined, "discarded": telemetry.LocalityDiscarded}
	each("haidang_locality_messages", func(g string, m *dto.Metric) {
		c.set(telemetry.Locality(label(m, "locality")), telemetry.Device(g), localities[label(m, "outcome")], number(m))
	})
	waiting := 0.0
	each("haidang_messages", func(g string, m *dto.Metric) {
		outcome := outcomes[label(m, "outcome")]
		set(g, outcome, number(m))
		if outcome == telemetry.MessagesQuarantined {
			waiting += number(m)
		}
	})
	each("haidang_messages_received_total", func(g string, m *dto.Metric) { set(g, telemetry.MessagesReceived, number(m)) })
	each("haidang_messages_missing", func(g string, m *dto.Metric) { set(g, telemetry.MessagesMissing, number(m)) })
	each("haidang_messages_partial", func(g string, m *dto.Metric) {
		set(g, telemetry.MessagesPartial, number(m))
		waiting += number(m)
	})
	if all["haidang_messages"] != nil {
		c.own(telemetry.QuarantineSize, waiting)
	}
	gateways, connected := 0.0, 0.0
	each("haidang_gateway_connected", func(g string, m *dto.Metric) {
		set(g, telemetry.GatewayConnected, number(m))
		gateways, connected = gateways+1, connected+number(m)
	})
	if gateways > 0 { // in a loader by itself they are not known
		c.own(telemetry.Gateways, gateways)
		c.own(telemetry.GatewaysConnected, connected)
	}
}

// delays are the percentiles of what was stored since the last collection, read
// from the histograms: within a bucket they are interpolated, as PromQL does.
func (p *Platform) delays(c *collection, all map[string]*dto.MetricFamily) {
	for _, d := range []struct {
		family        string
		p50, p95, p99 telemetry.Metric
	}{
		{"haidang_event_to_queryable_seconds", telemetry.EventDelay50, telemetry.EventDelay95, telemetry.EventDelay99},
		{"haidang_received_to_queryable_seconds", telemetry.StoreDelay50, telemetry.StoreDelay95, telemetry.StoreDelay99},
	} {
		if p.before == nil {
			continue // since the start of the process is no moment's delay
		}
		buckets := since(histogram(p.before[d.family]), histogram(all[d.family]))
		c.own(d.p50, quantile(0.50, buckets))
		c.own(d.p95, quantile(0.95, buckets))
		c.own(d.p99, quantile(0.99, buckets))
	}
}

// presences are the devices of each locality by how they are heard.
func (p *Platform) presences(c *collection, all map[string]*dto.MetricFamily) {
	states := map[string]telemetry.Metric{"fresh": telemetry.DevicesFresh, "waiting": telemetry.DevicesWaiting,
		"late": telemetry.DevicesLate, "silent": telemetry.DevicesSilent, "muted": telemetry.DevicesMuted}
	total := map[telemetry.Locality]float64{}
	for _, m := range all["haidang_devices"].GetMetric() {
		l := telemetry.Locality(label(m, "locality"))
		c.set(l, telemetry.ComputedBy, states[label(m, "presence")], number(m))
		total[l] += number(m)
	}
	for l, n := range total {
		c.set(l, telemetry.ComputedBy, telemetry.DeviceCount, n)
	}
}

// process are the journal, the store, and what the process takes of the machine.
func (p *Platform) process(c *collection, all map[string]*dto.MetricFamily, now time.Time) {
	for name, metric := range map[string]telemetry.Metric{
		"haidang_journal_records":            telemetry.JournalRecords,
		"haidang_journal_bytes":              telemetry.JournalBytes,
		"haidang_journal_max_bytes":          telemetry.JournalMaxBytes,
		"haidang_journal_oldest_age_seconds": telemetry.JournalAge,
		"haidang_store_up":                   telemetry.StoreUp,
		"haidang_store_write_errors_total":   telemetry.StoreErrors,
		"haidang_store_values_total":         telemetry.ValuesStored,
		"haidang_alarms_firing":              telemetry.AlarmsFiring,
		"process_resident_memory_bytes":      telemetry.Memory,
	} {
		if v, ok := sum(all[name]); ok {
			c.own(metric, v)
		}
	}
	if started, ok := sum(all["process_start_time_seconds"]); ok {
		c.own(telemetry.Uptime, float64(now.UnixMilli())/1000-started)
	}
	local := now.UTC().Add(7 * time.Hour) // Asia/Ho_Chi_Minh has no summer time
	c.own(telemetry.TimeOfDay, local.Sub(local.Truncate(24*time.Hour)).Hours())
	const cpu = "process_cpu_seconds_total"
	used, ok := sum(all[cpu])
	if before, had := sum(p.before[cpu]); ok && had && now.After(p.beforeAt) {
		c.own(telemetry.CPU, 100*(used-before)/now.Sub(p.beforeAt).Seconds())
	}
	left := math.Inf(1)
	for _, m := range all["haidang_tls_certificate_expiry_timestamp_seconds"].GetMetric() {
		left = min(left, (number(m)-float64(now.Unix()))/(24*3600))
	}
	c.own(telemetry.CertificateLeft, left)
	var disk unix.Statfs_t
	if err := unix.Statfs(p.Dir, &disk); err == nil {
		c.own(telemetry.DiskFree, float64(disk.Bavail)*float64(disk.Bsize))
		c.own(telemetry.DiskSize, float64(disk.Blocks)*float64(disk.Bsize))
	}
}

// label is a label's value; "" if there is none.
func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// number is a gauge's or counter's.
func number(m *dto.Metric) float64 {
	if c := m.GetCounter(); c != nil {
		return c.GetValue()
	}
	return m.GetGauge().GetValue()
}

// sum is of all metrics of a family.
func sum(f *dto.MetricFamily) (v float64, ok bool) {
	for _, m := range f.GetMetric() {
		v, ok = v+number(m), true
	}
	return v, ok
}
