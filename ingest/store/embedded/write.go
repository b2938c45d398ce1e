package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Write implements [store.Store]. Writes take turns.
func (s *Store) Write(ctx context.Context, points []telemetry.Point) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write points: %w", err)
	}
	if s.options.Room != nil {
		if err := s.options.Room(); err != nil {
			return fmt.Errorf("write points: %w", err)
		}
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for other writes: %w", ctx.Err())
	}
	rejections, number, err := s.writeInTurn(ctx, points)
	<-s.turn
	if err == nil {
		err = s.sync(number)
	}
	if err != nil {
		return fmt.Errorf("write points: %w", err)
	}
	if len(rejections) > 0 {
		return &store.RejectedError{Rejections: rejections}
	}
	return nil
}

// writeInTurn hands the points to the TSDB and returns the number of the write.
func (s *Store) writeInTurn(ctx context.Context, points []telemetry.Point) ([]store.Rejection, uint64, error) {
	if s.closed {
		return nil, 0, ErrClosed
	}
	if s.broken.Load() != nil {
		if err := s.mend(); err != nil {
			return nil, 0, err
		}
	}
	g := s.current
	b := batch{cache: g.cache, points: points, appender: g.db.Appender(ctx)}
	now := s.options.Now()
	b.oldest, b.latest = now.Add(-s.options.Retention), now.Add(maxAhead)
	if err := b.append(); err != nil {
		return nil, 0, errors.Join(err, b.appender.Rollback())
	}
	number, err := s.commit(g, b.appender)
	return b.rejections, number, err
}

// commit commits, and breaks the store if it may have torn a log.
func (s *Store) commit(g *generation, a storage.Appender) (uint64, error) {
	if err := a.Commit(); err != nil {
		return 0, s.tear(fmt.Errorf("commit: %w", err))
	}
	g.compaction.allow(g.db, s.options.Now())
	failed, err := g.registrar.failedLateWrites()
	if err != nil {
		return 0, s.tear(fmt.Errorf("read metric: %w", err))
	}
	// It begins at 0 with each generation, and one failure ends the generation.
	if failed > 0 {
		return 0, s.tear(errors.New("commit: late samples could not be logged; the disk may be full, the log has the cause"))
	}
	return s.committed.Add(1), nil
}

// tear notes that nothing may be written any more and returns the error.
func (s *Store) tear(err error) error {
	s.options.Logger.Error("store cannot write", "err", err)
	s.broken.CompareAndSwap(nil, &err)
	return err
}

// sync returns when the write with the number is on disk, if it has to be. One
// sync serves all writes committed before it.
func (s *Store) sync(number uint64) error {
	if !s.options.SyncWrites {
		return nil
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.synced >= number {
		return nil
	}
	// A disk that has failed to sync once may say yes the next time, without
	// the data.
	if err := s.broken.Load(); err != nil {
		return *err
	}
	s.mu.Lock()
	g := s.current
	s.mu.Unlock()
	if g == nil {
		return ErrClosed
	}
	upTo := s.committed.Load()
	if err := g.sync(); err != nil {
		return s.tear(err)
	}
	s.synced = upTo
	return nil
}

// batch is one write while it is appended.
type batch struct {
	cache          *seriesCache
	appender       storage.Appender
	points         []telemetry.Point
	oldest, latest time.Time
	rejections     []store.Rejection
}

// append appends all points; what the TSDB will never take, it rejects.
func (b *batch) append() error {
	for i := range b.points {
		p := &b.points[i]
		at, detail := b.place(p)
		if detail != "" {
			b.reject(i, "", detail)
			continue
		}
		for j := range p.Values {
			if err := b.appendValue(i, at, p.Time.UnixMilli(), &p.Values[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// place finds the point's place, or says why the point cannot be stored.
func (b *batch) place(p *telemetry.Point) (at *place, detail string) {
	at = b.cache.find(p.Series)
	if at == nil {
		if err := store.CheckSeries(p.Series); err != nil {
			return nil, err.Error()
		}
		at = b.cache.make(p.Series)
	}
	if p.Time.Before(b.oldest) {
		return at, fmt.Sprintf("its time %s is beyond the retention, which begins at %s",
			p.Time.UTC().Format(time.RFC3339), b.oldest.UTC().Format(time.RFC3339))
	}
	if p.Time.After(b.latest) {
		return at, fmt.Sprintf("its time %s is in the future", p.Time.UTC().Format(time.RFC3339))
	}
	return at, ""
}

// appendValue appends one sample. An error is none of the sample's fault.
func (b *batch) appendValue(point int, at *place, t int64, v *telemetry.Value) error {
	if v.Spec == nil {
		b.reject(point, "", "a value has no metric")
		return nil
	}
	if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
		b.reject(point, v.Spec.Name, "the value is not a finite number")
		return nil
	}
	known := at.ref(v.Spec)
	ref := known
	var err error
	if known != 0 {
		ref, err = b.appender.Append(known, labels.EmptyLabels(), t, v.Number)
	}
	// Without a reference, or where the TSDB has let the series go since, it
	// needs the labels.
	if known == 0 || (err != nil && !isRefusal(err)) {
		ref, err = b.appender.Append(0, at.labels(v.Spec.Name), t, v.Number)
	}
	switch {
	case err == nil:
		if ref != known {
			at.remember(v.Spec, ref)
		}
		return nil
	case isRefusal(err):
		b.reject(point, v.Spec.Name, explainRefusal(err))
		return nil
	default:
		return fmt.Errorf("append %s: %w", at.labels(v.Spec.Name), err)
	}
}

// isRefusal reports whether the TSDB will never take the sample.
func isRefusal(err error) bool {
	return errors.Is(err, storage.ErrTooOldSample) ||
		errors.Is(err, storage.ErrOutOfBounds) ||
		errors.Is(err, storage.ErrOutOfOrderSample) ||
		errors.Is(err, storage.ErrDuplicateSampleForTimestamp)
}

func explainRefusal(err error) string {
	if errors.Is(err, storage.ErrDuplicateSampleForTimestamp) {
		return "another value is stored for the same time: " + err.Error()
	}
	return "its time is older than the store keeps: " + err.Error()
}

func (b *batch) reject(point int, metric telemetry.Metric, detail string) {
	b.rejections = append(b.rejections, store.Rejection{Point: point, Metric: metric, Detail: detail})
}
