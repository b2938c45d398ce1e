package embedded_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(runAsChild(dir, os.Getenv(childMode)))
	}
	goleak.VerifyTestMain(m)
}

const year = 365 * 24 * time.Hour

// open opens a store that the test's end closes.
func open(t testing.TB, o embedded.Options) *embedded.Store {
	t.Helper()
	if o.Retention == 0 {
		o.Retention = year
	}
	s, err := embedded.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// read returns the raw samples of a series, as often as the TSDB has them.
func read(s *embedded.Store) func(context.Context, telemetry.Series) ([]storetest.Sample, error) {
	return func(ctx context.Context, series telemetry.Series) ([]storetest.Sample, error) {
		q, err := s.Querier(0, 1<<50)
		if err != nil {
			return nil, err
		}
		defer q.Close()
		set := q.Select(ctx, false, nil,
			labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, string(series.Kind)+"_.*"),
			labels.MustNewMatcher(labels.MatchEqual, "locality", string(series.Locality)),
			labels.MustNewMatcher(labels.MatchEqual, "site", string(series.Site)),
			labels.MustNewMatcher(labels.MatchEqual, "device", string(series.Device)),
		)
		var samples []storetest.Sample
		for set.Next() {
			metric := strings.TrimPrefix(set.At().Labels().Get(model.MetricNameLabel), string(series.Kind)+"_")
			it := set.At().Iterator(nil)
			for it.Next() == chunkenc.ValFloat {
				ms, v := it.At()
				samples = append(samples, storetest.Sample{Time: ms, Metric: telemetry.Metric(metric), Value: v})
			}
			if err := it.Err(); err != nil {
				return nil, err
			}
		}
		return samples, set.Err()
	}
}

func TestConformance(t *testing.T) {
	for name, synced := range map[string]bool{"process": false, "power": true} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				dir := t.TempDir()
				current := open(t, embedded.Options{Dir: dir, SyncWrites: synced})
				return storetest.Subject{
					Store: current,
					Read: func(ctx context.Context, series telemetry.Series) ([]storetest.Sample, error) {
						return read(current)(ctx, series)
					},
					Restart: func() store.Store {
						// A copy of the folder is what a crash leaves: nothing is
						// flushed, nothing closed.
						copied := filepath.Join(t.TempDir(), "copy")
						if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
							t.Fatal(err)
						}
						dir = copied
						current = open(t, embedded.Options{Dir: dir, SyncWrites: synced})
						return current
					},
				}
			})
		})
	}
}

func TestConflicts(t *testing.T) {
	storetest.RunConflicts(t, func(t *testing.T) storetest.Guarded {
		dir := t.TempDir()
		current := open(t, embedded.Options{Dir: dir})
		return storetest.Guarded{
			Store: current, Reader: current, Counter: current,
			Reopen: func() (store.Store, store.Reader, store.Counter) {
				copied := filepath.Join(t.TempDir(), "copy") // what a crash leaves
				if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				dir = copied
				current = open(t, embedded.Options{Dir: dir})
				return current, current, current
			},
			Compact: func() {
				if err := current.CompactAll(t.Context()); err != nil {
					t.Fatal(err)
				}
				if current.Blocks() == 0 {
					t.Log("nothing was compacted")
				}
			},
		}
	})
}

func TestRejectsWhatItWillNeverTake(t *testing.T) {
	s := open(t, embedded.Options{Dir: t.TempDir(), Retention: 48 * time.Hour})
	m, now := storetest.NewMaker(t), storetest.Now()
	points := []telemetry.Point{
		m.Air(1, now, 1),
		m.Air(1, now.Add(-49*time.Hour), 2),
		m.Air(1, now.Add(48*time.Hour), 3),
		m.Air(1, time.UnixMilli(0), 4),
		m.Air(1, now.Add(-47*time.Hour), 5),
		m.Air(2, now, 6, 7),
		m.Air(1, time.Time{}, 8),
	}
	storetest.WantRejected(t, s.Write(t.Context(), points),
		store.Rejection{Point: 1}, store.Rejection{Point: 2}, store.Rejection{Point: 3},
		store.Rejection{Point: 6})
	storetest.WantStored(t, read(s), points[0], points[4], points[5])

	// The TSDB itself knows the newest value of a series and refuses others.
	storetest.WantRejected(t, s.Write(t.Context(), []telemetry.Point{m.Air(1, now, 9)}),
		store.Rejection{Point: 0, Metric: telemetry.PM1})
}

func TestMetricsWithoutACatalogueStayApart(t *testing.T) {
	s := open(t, embedded.Options{Dir: t.TempDir()})
	m, now := storetest.NewMaker(t), storetest.Now()
	p := m.Air(1, now)
	for i, name := range []telemetry.Metric{"one", "two", "three"} {
		// All have index 0.
		p.Values = append(p.Values, telemetry.Value{Spec: &telemetry.MetricSpec{Name: name}, Number: float64(i)})
	}
	for range 2 {
		if err := s.Write(t.Context(), []telemetry.Point{p}); err != nil {
			t.Fatal(err)
		}
	}
	storetest.WantStored(t, read(s), p)
}

func TestCacheMayBeTooSmall(t *testing.T) {
	s := open(t, embedded.Options{Dir: t.TempDir(), SeriesCache: 8})
	m, now := storetest.NewMaker(t), storetest.Now()
	var all []telemetry.Point
	for round := range 3 {
		var points []telemetry.Point
		for i := range 50 {
			points = append(points, m.Air(i, now.Add(time.Duration(round)*time.Second), float64(i), float64(round)))
		}
		if err := s.Write(t.Context(), points); err != nil {
			t.Fatal(err)
		}
		all = append(all, points...)
	}
	storetest.WantStored(t, read(s), all...)
}

func TestReferencesSurviveTruncation(t *testing.T) {
	s := open(t, embedded.Options{Dir: t.TempDir()})
	m, now := storetest.NewMaker(t), storetest.Now()
	var all []telemetry.Point
	// Hours pass; series 1 falls silent and leaves the head, then speaks again.
	for h := range 12 {
		points := []telemetry.Point{m.Air(0, now.Add(time.Duration(h)*time.Hour), float64(h))}
		if h == 0 || h == 11 {
			points = append(points, m.Air(1, now.Add(time.Duration(h)*time.Hour), float64(h)), m.Air(1, now.Add(time.Duration(h-50)*time.Hour), float64(h)))
		}
		if err := s.Write(t.Context(), points); err != nil {
			t.Fatal(err)
		}
		all = append(all, points...)
		if err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	storetest.WantStored(t, read(s), all...)
	if s.Blocks() == 0 {
		t.Error("nothing was compacted, so nothing was proven")
	}
}

func TestFirstPointMayBeMonthsLate(t *testing.T) {
	s := open(t, embedded.Options{Dir: t.TempDir()})
	m, now := storetest.NewMaker(t), storetest.Now()
	points := []telemetry.Point{m.Air(1, now.Add(-300*24*time.Hour), 1), m.Air(1, now, 2), m.Air(1, now.Add(4*time.Hour), 3)}
	for _, p := range points {
		if err := s.Write(t.Context(), []telemetry.Point{p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Blocks(); n > 4 {
		t.Errorf("%d blocks for three points", n)
	}
	storetest.WantStored(t, read(s), points...)
}

func TestLockedFolder(t *testing.T) {
	dir := t.TempDir()
	open(t, embedded.Options{Dir: dir})
	_, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Retention: year})
	wantError(t, err, dir, "another process", "--data")
}

func TestUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(file, "data"), Retention: year})
	wantError(t, err, file, "--data")
	_, err = embedded.Open(t.Context(), embedded.Options{Dir: t.TempDir(), Retention: time.Minute})
	wantError(t, err, "retention")
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not mention %q", err, w)
		}
	}
}

func TestClosed(t *testing.T) {
	registry := prometheus.NewRegistry()
	dir := t.TempDir()
	for range 2 { // metrics are registered and taken back each time
		s := open(t, embedded.Options{Dir: dir, SyncWrites: true, Registerer: registry})
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		m := storetest.NewMaker(t)
		if err := s.Write(t.Context(), []telemetry.Point{m.Air(1, storetest.Now(), 1)}); err == nil {
			t.Error("a closed store writes")
		}
		if _, err := s.Querier(0, 1); err == nil {
			t.Error("a closed store is queried")
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) > 0 {
		t.Errorf("%d metrics remain registered, the first %s", len(families), families[0].GetName())
	}
}
