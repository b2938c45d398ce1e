package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Guarded is a store with what reads it back, to be proven to keep the rule of
// conflicts behind a [store.Guard].
type Guarded struct {
	Store  store.Store
	Reader store.Reader
	// Counter has the store count what it holds.
	Counter store.Counter
	// Visible is that of the Guard.
	Visible time.Duration
	// Settle returns once all that was written can be read; nil where it can at once.
	Settle func()
	// Reopen gives the store, its reader and its counter anew after the process, or the server,
	// has been killed; nil where that cannot be done.
	Reopen func() (store.Store, store.Reader, store.Counter)
	// Compact has the engine write its files anew; nil where nothing does.
	Compact func()
}

// RunConflicts proves that the first value of a series, time and metric stays and
// that every other one is named.
func RunConflicts(t *testing.T, open func(t *testing.T) Guarded) {
	for _, c := range []struct {
		name string
		run  func(g *guarded)
	}{
		{"an old point twice corrected, each minute", func(g *guarded) { g.corrections(time.Minute) }},
		{"an old point twice corrected, each 6 hours", func(g *guarded) { g.corrections(6 * time.Hour) }},
		{"the newest point", (*guarded).newest},
		{"in one call", (*guarded).oneCall},
		{"a moment ago, out of order", (*guarded).momentAgo},
		{"another metric of the same time", (*guarded).otherMetric},
		{"equal values in other spellings", (*guarded).equal},
		{"the same again, in any order", (*guarded).harmless},
		{"months of corrections at once", (*guarded).months},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &guarded{Guarded: open(t), t: t, written: map[store.KindHour]int64{}, values: map[value]bool{}}
			g.begin()
			c.run(g)
		})
	}
}

type guarded struct {
	Guarded
	t     *testing.T
	guard *store.Guard
	// written is what guards have said was newly written, values what was.
	written map[store.KindHour]int64
	values  map[value]bool
}

// value is where a value is stored; time is in Unix milliseconds.
type value struct {
	series telemetry.Series
	metric telemetry.Metric
	time   int64
}

// tell notes what the guard says was newly written.
func (g *guarded) tell() {
	for k, n := range g.guard.Written() {
		g.written[k] += n
	}
}

// begin makes the guard, as a process does when it starts.
func (g *guarded) begin() {
	g.guard = store.NewGuard(g.Store, g.Reader, time.Now)
	g.guard.Visible = g.Visible
}

func (g *guarded) write(points ...telemetry.Point) {
	g.t.Helper()
	if err := g.guard.Write(g.t.Context(), points); err != nil {
		g.t.Fatalf("write %d points: %v", len(points), err)
	}
}

// refused demands that all values of a point are in conflict, and that each
// detail names the value and that which stays.
func (g *guarded) refused(p telemetry.Point, stays ...float64) {
	g.t.Helper()
	var want []store.Rejection
	for _, v := range p.Values {
		want = append(want, store.Rejection{Metric: v.Spec.Name, Conflict: true})
	}
	err := g.guard.Write(g.t.Context(), []telemetry.Point{p})
	WantRejected(g.t, err, want...)
	var rejected *store.RejectedError
	errors.As(err, &rejected)
	for i, r := range rejected.Rejections {
		for _, n := range []float64{p.Values[i].Number, stays[i]} {
			if !strings.Contains(r.Detail, fmt.Sprint(n)) {
				g.t.Errorf("detail %q does not name %v", r.Detail, n)
			}
		}
	}
}

// stored demands that the store holds exactly the points' values.
func (g *guarded) stored(points ...telemetry.Point) {
	g.t.Helper()
	if g.Settle != nil {
		g.Settle()
	}
	WantStored(g.t, ReadWith(g.Reader), points...)
	g.counted(points)
}

// counted demands that the store counts the points' values in their hours, and that
// the guard has said of just as many that they were new.
func (g *guarded) counted(points []telemetry.Point) {
	g.t.Helper()
	g.tell()
	for _, p := range points {
		for _, v := range p.Values {
			g.values[value{p.Series, v.Spec.Name, p.Time.UnixMilli()}] = true
		}
	}
	want := map[store.KindHour]int64{}
	for v := range g.values {
		want[store.KindHour{Kind: v.series.Kind, Hour: time.UnixMilli(v.time).Truncate(time.Hour).Unix()}]++
	}
	for k := range want {
		if g.written[k] != want[k] {
			g.t.Errorf("in the hour from %v the guard has said of %d values of %s that they were new, and there are %d", time.Unix(k.Hour, 0).UTC(), g.written[k], k.Kind, want[k])
		}
	}
	g.countsLikeItReads(slices.Collect(maps.Keys(want)))
}

// countsLikeItReads demands that the store counts in an hour what can be read of it, of
// whomever that is.
func (g *guarded) countsLikeItReads(hours []store.KindHour) {
	g.t.Helper()
	const most = 10 // a store has many questions to answer
	for _, k := range hours[:min(len(hours), most)] {
		from, metrics := time.Unix(k.Hour, 0), telemetry.NewCatalogue().Kind(k.Kind).Names()
		var counted, read int64
		err := g.Counter.Counts(g.t.Context(), k.Kind, metrics, from, from.Add(time.Hour), func(hour time.Time, n int64) {
			if hour.Unix() != k.Hour {
				g.t.Errorf("asked for the hour from %v, the store counts that from %v", from.UTC(), hour.UTC())
			}
			counted += n
		})
		if err == nil {
			q := store.Query{Kind: k.Kind, Metrics: metrics, From: from.Add(-time.Millisecond), To: from.Add(time.Hour - time.Millisecond)}
			err = g.Reader.Samples(g.t.Context(), q, func(store.Sample) { read++ })
		}
		if err != nil {
			g.t.Fatal(err)
		}
		if counted != read || read == 0 {
			g.t.Errorf("in the hour from %v the store counts %d values of %s, and %d can be read", from.UTC(), counted, k.Kind, read)
		}
	}
}

// ReadWith reads a series' raw samples of the last 400 days.
func ReadWith(r store.Reader) func(context.Context, telemetry.Series) ([]Sample, error) {
	return func(ctx context.Context, s telemetry.Series) (out []Sample, err error) {
		q := store.Query{Kind: s.Kind, Metrics: telemetry.NewCatalogue().Kind(s.Kind).Names(), Sites: []telemetry.Site{s.Site}, From: time.Now().Add(-400 * 24 * time.Hour), To: time.Now().Add(time.Hour)}
		err = r.Samples(ctx, q, func(one store.Sample) {
			if one.Series == s {
				out = append(out, Sample{one.Time.UnixMilli(), one.Metric, one.Number})
			}
		})
		return out, err
	}
}

// disturb does to the store what happens between a reading and its correction.
func (g *guarded) disturb(what string) {
	g.t.Helper()
	switch what {
	case "restart":
		g.tell()
		if g.Reopen != nil {
			g.Store, g.Reader, g.Counter = g.Reopen()
		}
		g.begin()
	case "compaction":
		if g.Compact != nil {
			g.Compact()
		}
	}
	if g.Settle != nil && what != "" {
		g.Settle()
	}
}

func (g *guarded) corrections(cadence time.Duration) {
	m, now := NewMaker(g.t), Now()
	var all []telemetry.Point
	for i := range 40 {
		all = append(all, m.Air(1, now.Add(-time.Duration(i)*cadence), float64(i), float64(300+i)))
	}
	slices.Reverse(all)
	g.write(all...)
	for _, between := range []string{"", "restart", "compaction", "restart"} {
		g.disturb(between)
		for _, i := range []int{3, 20, 38} { // of which the last is nearly the newest
			age := time.Duration(39-i) * cadence
			first := all[i]
			g.refused(m.Air(1, now.Add(-age), 30, 30.5), first.Values[0].Number, first.Values[1].Number)
			g.refused(m.Air(1, now.Add(-age), 28, 28.5), first.Values[0].Number, first.Values[1].Number)
			g.write(first)
		}
		// What comes late for the first time is welcome, and stays too.
		fresh := m.Air(1, now.Add(-20*cadence-time.Duration(len(all))*time.Second), 7)
		g.write(fresh)
		all = append(all, fresh)
		g.refused(m.Air(1, fresh.Time, 8), 7)
		next := m.Air(1, now.Add(time.Duration(len(all))*time.Second), 1)
		g.write(next)
		all = append(all, next)
	}
	g.stored(all...)
}

func (g *guarded) newest() {
	m, now := NewMaker(g.t), Now()
	p := m.Air(1, now, 12.5)
	g.write(p)
	for _, between := range []string{"", "restart", "compaction"} {
		g.disturb(between)
		g.refused(m.Air(1, now, 13), 12.5)
		g.write(p)
	}
	g.stored(p)
}

func (g *guarded) oneCall() {
	m, now := NewMaker(g.t), Now()
	for _, age := range []time.Duration{0, 40 * time.Hour} {
		at := now.Add(-age)
		points := []telemetry.Point{m.Air(1, at, 1, 2), m.Air(2, at, 1), m.Air(1, at, 1, 3), m.Air(1, at, 4, 2), m.Air(1, at, 1, 2)}
		WantRejected(g.t, g.guard.Write(g.t.Context(), points),
			store.Rejection{Point: 2, Metric: telemetry.PM25, Conflict: true}, store.Rejection{Point: 3, Metric: telemetry.PM1, Conflict: true})
		g.stored(points[0], points[1])
		m = NewMaker(g.t)
	}
	// With values that the store refuses for themselves, each is named once.
	points := []telemetry.Point{m.Air(1, now, 1), m.Air(1, now, 2), m.Air(1, now, 1, 5), m.Air(3, now, 1)}
	points[3].Series.Site = ""
	WantRejected(g.t, g.guard.Write(g.t.Context(), points), store.Rejection{Point: 1, Metric: telemetry.PM1, Conflict: true}, store.Rejection{Point: 3})
	g.stored(points[0], points[2])
}

// momentAgo has a point contradicted before the store shows it.
func (g *guarded) momentAgo() {
	m, now := NewMaker(g.t), Now()
	old := m.Air(1, now.Add(-time.Hour), 300)
	g.write(m.Air(1, now, 1))
	g.write(old)
	g.refused(m.Air(1, old.Time, 30), 300)
	g.refused(m.Air(1, now, 2), 1)
	g.stored(old, m.Air(1, now, 1))
}

func (g *guarded) otherMetric() {
	m, now := NewMaker(g.t), Now()
	at := now.Add(-26 * time.Hour)
	whole := m.Air(1, at, 1, 2, 3)
	g.write(m.Air(1, now, 9), whole)
	more := m.Air(1, at, 1, 2, 3, 4)
	g.write(more)
	part := m.Air(1, at, 1, 5, 3)
	WantRejected(g.t, g.guard.Write(g.t.Context(), []telemetry.Point{part}), store.Rejection{Metric: telemetry.PM25, Conflict: true})
	// Another device, another site: no conflict.
	other := m.Air(1, at, 77)
	other.Series.Device = "other"
	elsewhere := m.Air(2, at, 78)
	g.write(other, elsewhere)
	g.stored(m.Air(1, now, 9), more, other, elsewhere)
}

func (g *guarded) equal() {
	m, now := NewMaker(g.t), Now()
	negative, sum := 0.0, 0.1
	negative *= -1
	sum += 0.2 // one digit off 0.3
	p := m.Air(1, now.Add(-30*time.Hour), 0, 0.3, 50003.123456789, 1e-3, 200.0/3)
	g.write(m.Air(1, now, 1), p)
	for _, between := range []string{"", "restart"} {
		g.disturb(between)
		g.write(m.Air(1, p.Time, negative, sum, 50003.123456789, 0.001, 200.0/3))
		g.refused(m.Air(1, p.Time, 1e-6, 0.300001, 50003.1234, 0.0011), 0, 0.3, 50003.123456789, 0.001)
	}
}

// harmless drives what is stored through again, as a redelivery, a re-drive or a
// tape that is played once more does.
func (g *guarded) harmless() {
	m, now := NewMaker(g.t), Now()
	var all []telemetry.Point
	for i := range 300 {
		all = append(all, m.Air(i%5, now.Add(-time.Duration(i)*11*time.Minute), float64(i)+0.1, float64(i)/4))
	}
	shuffle(all)
	g.write(all...)
	for _, between := range []string{"", "restart", "compaction"} {
		g.disturb(between)
		g.write(all...)
		shuffle(all)
		g.write(all[:100]...)
	}
	g.stored(all...)
}

// months has what was written over half a year contradicted in one call.
func (g *guarded) months() {
	m, now := NewMaker(g.t), Now().Truncate(time.Hour)
	var all, wrong []telemetry.Point
	var want []store.Rejection
	for i := range 600 {
		at := now.Add(-time.Duration(i) * 7 * time.Hour)
		all = append(all, m.Air(i%3, at, float64(i)))
		wrong = append(wrong, m.Air(i%3, at, float64(i)+1))
		want = append(want, store.Rejection{Point: i, Metric: telemetry.PM1, Conflict: true})
	}
	g.write(all...)
	g.disturb("restart")
	WantRejected(g.t, g.guard.Write(g.t.Context(), wrong), want...)
	g.stored(all...)
}
