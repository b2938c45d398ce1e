package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

// Appender implements [storage.Appendable] for what rules compute: the series
// ALERTS and ALERTS_FOR_STATE. Samples are gathered and written by Commit, in
// turn with the readings; what the TSDB refuses of them is left out. Readings go
// through [Store.Write], which tells what it refuses.
func (s *Store) Appender(ctx context.Context) storage.Appender {
	return &computed{store: s, ctx: ctx}
}

var _ storage.Appendable = (*Store)(nil)

// computed is one transaction of a rule.
type computed struct {
	store   *Store
	ctx     context.Context // of the evaluation that it lives in
	samples []computedSample
}

type computedSample struct {
	labels labels.Labels
	time   int64
	value  float64
}

func (c *computed) Append(_ storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	c.samples = append(c.samples, computedSample{l, t, v})
	return 0, nil
}

func (c *computed) Rollback() error {
	c.samples = nil
	return nil
}

func (c *computed) Commit() error {
	if len(c.samples) == 0 {
		return nil
	}
	defer c.Rollback()
	select {
	case c.store.turn <- struct{}{}:
	case <-c.ctx.Done():
		return fmt.Errorf("wait for writes: %w", c.ctx.Err())
	}
	number, err := c.store.writeComputed(c.ctx, c.samples)
	<-c.store.turn
	if err == nil {
		err = c.store.sync(number)
	}
	if err != nil {
		return fmt.Errorf("write computed samples: %w", err)
	}
	return nil
}

// writeComputed hands the samples to the TSDB. The caller has the turn.
func (s *Store) writeComputed(ctx context.Context, samples []computedSample) (uint64, error) {
	if s.closed {
		return 0, ErrClosed
	}
	if s.broken.Load() != nil {
		if err := s.mend(); err != nil {
			return 0, err
		}
	}
	g := s.current
	a := g.db.Appender(ctx)
	for _, sample := range samples {
		if _, err := a.Append(0, sample.labels, sample.time, sample.value); err != nil && !isRefusal(err) {
			if rollback := a.Rollback(); rollback != nil {
				return 0, fmt.Errorf("append %s: %w (and %w)", sample.labels, err, rollback)
			}
			return 0, fmt.Errorf("append %s: %w", sample.labels, err)
		}
	}
	return s.commit(g, a)
}

// The rest of an appender rules have no use for.

func (*computed) SetOptions(*storage.AppendOptions) {}

func (*computed) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, errNoHistograms
}

func (*computed) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, errNoHistograms
}

func (*computed) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, errNoHistograms
}

func (*computed) AppendSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64) (storage.SeriesRef, error) {
	return 0, errNoHistograms
}

func (*computed) UpdateMetadata(storage.SeriesRef, labels.Labels, metadata.Metadata) (storage.SeriesRef, error) {
	return 0, nil
}

var errNoHistograms = errors.New("rules of this store compute plain samples only")
