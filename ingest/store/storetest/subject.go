package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Sample is one stored number.
type Sample struct {
	Time   int64 // Unix milliseconds
	Metric telemetry.Metric
	Value  float64
}

// Subject is a store to be proven, and what the proof needs beside it.
type Subject struct {
	Store store.Store
	// Read returns every raw sample of the series as the engine holds it, in any
	// order. A sample that is stored twice must be returned twice.
	Read func(ctx context.Context, s telemetry.Series) ([]Sample, error)

	// Restart ends what keeps the data as abruptly as the test can, starts it
	// again and returns the store to go on with. Nil where that cannot be done.
	Restart func() store.Store
	// Outage stops the engine, calls during, and starts the engine again with
	// its data. Nil where the engine is part of the store.
	Outage func(during func())
	// Proxy stands between the store and its server. Nil where there is none.
	Proxy *Proxy
	// WithTimeout opens the same store with another time to wait for an answer.
	// It must be there if Proxy is.
	WithTimeout func(time.Duration) store.Store
	// Rounds says that the engine keeps numbers as decimals of some 15 digits,
	// so that very large and very small ones beside each other are not exact.
	Rounds bool
}

// visibleWithin is how long a written point may take to be returned by Read.
const visibleWithin = 20 * time.Second

// Run proves a store. open is called once for each case; the cases use series
// that differ, so they may share one engine.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *subject)
	}{
		{"points come back exactly", exactly},
		{"extreme numbers come back exactly", extremes},
		{"nothing to write is no error", nothing},
		{"series that differ in one tag stay apart", apart},
		{"order does not matter", order},
		{"late points are welcome", late},
		{"a point written again changes nothing", again},
		{"a rejected value is named and all else is written", rejectedValue},
		{"a rejected point is named and all else is written", rejectedPoint},
		{"a big batch", bigBatch},
		{"concurrent writers", concurrent},
		{"a cancelled context", cancelled},
		{"what was written survives a crash", crash},
		{"the server answers 500", answers500},
		{"the server writes and then answers 500", answerLost},
		{"the server does not answer", hangs},
		{"the connection breaks", breaks},
		{"the server is gone and returns", gone},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, &subject{Subject: open(t), t: t})
		})
	}
}

// subject is a Subject with a test's helpers.
type subject struct {
	Subject
	t *testing.T
}

// write writes and demands that nothing goes wrong.
func (s *subject) write(points ...telemetry.Point) {
	s.t.Helper()
	if err := s.Store.Write(s.t.Context(), points); err != nil {
		s.t.Fatalf("write %d points: %v", len(points), err)
	}
}

// wantRejected writes and demands exactly these rejections; their details are
// not compared, only that there are some.
func (s *subject) wantRejected(points []telemetry.Point, want ...store.Rejection) {
	s.t.Helper()
	WantRejected(s.t, s.Store.Write(s.t.Context(), points), want...)
}

// WantRejected demands that err is a *store.RejectedError with exactly the
// rejections, in any order. Details are not compared, but must be there.
func WantRejected(t *testing.T, err error, want ...store.Rejection) {
	t.Helper()
	var rejected *store.RejectedError
	if !errors.As(err, &rejected) {
		t.Fatalf("error is %v (%T), want a RejectedError", err, err)
	}
	have := slices.Clone(rejected.Rejections)
	for i := range have {
		if have[i].Detail == "" {
			t.Errorf("rejection of point %d, metric %q has no detail", have[i].Point, have[i].Metric)
		}
		have[i].Detail = ""
	}
	byPlace := func(a, b store.Rejection) int {
		return cmp.Or(cmp.Compare(a.Point, b.Point), cmp.Compare(a.Metric, b.Metric))
	}
	slices.SortFunc(have, byPlace)
	slices.SortFunc(want, byPlace)
	if diff := gocmp.Diff(want, have); diff != "" {
		t.Fatalf("rejections (-want +have):\n%s\nerror: %v", diff, err)
	}
}

// wantFailed writes and demands an error that is no rejection.
func (s *subject) wantFailed(ctx context.Context, points []telemetry.Point) error {
	s.t.Helper()
	err := s.Store.Write(ctx, points)
	if err == nil {
		s.t.Fatal("write succeeded, want an error")
	}
	var rejected *store.RejectedError
	if errors.As(err, &rejected) {
		s.t.Fatalf("write was rejected, want a plain error: %v", err)
	}
	return err
}

// wantStored demands that the series of the points hold exactly their samples,
// each once.
func (s *subject) wantStored(points ...telemetry.Point) {
	s.t.Helper()
	WantStored(s.t, s.Read, points...)
}

// WantStored demands that the series of the points hold exactly the points'
// samples, each once. It waits until they do, for engines take a moment.
func WantStored(t *testing.T, read func(context.Context, telemetry.Series) ([]Sample, error), points ...telemetry.Point) {
	t.Helper()
	want := map[telemetry.Series][]Sample{}
	for _, p := range points {
		for _, v := range p.Values {
			want[p.Series] = append(want[p.Series], Sample{p.Time.UnixMilli(), v.Spec.Name, v.Number})
		}
	}
	for series, samples := range want {
		sortSamples(samples)
		wantSamples(t, read, series, slices.Compact(samples))
	}
}

func sortSamples(samples []Sample) {
	slices.SortFunc(samples, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Value, b.Value))
	})
}

func wantSamples(t *testing.T, read func(context.Context, telemetry.Series) ([]Sample, error), series telemetry.Series, want []Sample) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), visibleWithin)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var have []Sample
	for {
		latest, err := read(ctx, series)
		if err == nil || ctx.Err() == nil {
			have = latest
			sortSamples(have)
			if err == nil && slices.Equal(want, have) {
				return
			}
		}
		select {
		case <-ctx.Done():
			diff := gocmp.Diff(want, have)
			if len(diff) > 4000 {
				diff = diff[:4000] + "…"
			}
			t.Fatalf("series %+v: %d samples, want %d; error %v (-want +have):\n%s", series, len(have), len(want), err, diff)
		case <-tick.C:
		}
	}
}

// Maker makes points of series that are the test's own.
type Maker struct {
	catalogue *telemetry.Catalogue
	prefix    string
}

// NewMaker returns a Maker whose series no other test has, though they may share
// an engine.
func NewMaker(t testing.TB) *Maker {
	return &Maker{catalogue: telemetry.NewCatalogue(), prefix: fmt.Sprintf("%s-%d", shortName(t.Name()), time.Now().UnixNano())}
}

// shortName makes a tag of a test's name: its last 32 letters and digits.
func shortName(name string) string {
	var b []byte
	for i := range len(name) {
		if c := name[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b = append(b, c)
		}
	}
	return string(b[max(0, len(b)-32):])
}

// Series is the maker's n-th series of a kind.
func (m *Maker) Series(kind telemetry.Kind, n int) telemetry.Series {
	return telemetry.Series{
		Kind:     kind,
		Locality: "nha-trang",
		Site:     telemetry.Site(fmt.Sprintf("%s-%d", m.prefix, n)),
		Device:   telemetry.Device(fmt.Sprintf("dev-%d", n)),
	}
}

// Spec finds a metric in the catalogue.
func (m *Maker) Spec(kind telemetry.Kind, metric telemetry.Metric) *telemetry.MetricSpec {
	return m.catalogue.Kind(kind).Metric([]byte(metric))
}

// Air makes a point of air quality in the n-th series, whose values are those of
// the kind's first metrics: PM1, PM2.5, PM10 and so on in the catalogue's order.
func (m *Maker) Air(n int, at time.Time, values ...float64) telemetry.Point {
	kind := m.catalogue.Kind(telemetry.AirQuality)
	p := telemetry.Point{Series: m.Series(telemetry.AirQuality, n), Time: at}
	for i, v := range values {
		p.Values = append(p.Values, telemetry.Value{Spec: &kind.Metrics[i], Number: v})
	}
	return p
}

// Now is the present to the millisecond, which is what stores keep.
func Now() time.Time { return time.Now().Truncate(time.Millisecond) }
