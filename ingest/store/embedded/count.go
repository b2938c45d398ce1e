package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

var _ store.Counter = (*Store)(nil)

// Counts implements [store.Counter]. A chunk that lies within one hour knows how many
// samples it has; only those that reach over its end are read.
func (s *Store) Counts(ctx context.Context, k telemetry.Kind, metrics []telemetry.Metric, from, to time.Time, f func(time.Time, int64)) (err error) {
	ctx, done := s.untilRetired(ctx)
	defer done()
	c := hourly{from: from.UnixMilli(), to: to.UnixMilli() - 1, counts: map[int64]int64{}}
	querier, err := s.ChunkQuerier(c.from, c.to)
	if err != nil {
		return fmt.Errorf("count samples: %w", err)
	}
	defer func() { err = errors.Join(err, querier.Close()) }()
	for _, m := range metrics {
		found := querier.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metricName(k, m)))
		if err := c.count(ctx, found); err != nil {
			return fmt.Errorf("count samples: %w", err)
		}
	}
	for hour, n := range c.counts {
		f(time.UnixMilli(hour).UTC(), n)
	}
	return nil
}

// hourly are samples by hour, from a moment to another, both included.
type hourly struct {
	from, to int64
	counts   map[int64]int64
	samples  chunkenc.Iterator
}

func (c *hourly) count(ctx context.Context, found storage.ChunkSeriesSet) error {
	var each chunks.Iterator
	for found.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		for each = found.At().Iterator(each); each.Next(); {
			if err := c.add(each.At()); err != nil {
				return err
			}
		}
		if err := each.Err(); err != nil {
			return err
		}
	}
	return found.Err()
}

func (c *hourly) add(m chunks.Meta) error {
	first := hourOf(m.MinTime)
	if m.MinTime >= c.from && m.MaxTime <= c.to && first == hourOf(m.MaxTime) {
		c.counts[first] += int64(m.Chunk.NumSamples())
		return nil
	}
	c.samples = m.Chunk.Iterator(c.samples)
	for c.samples.Next() != chunkenc.ValNone {
		if t := c.samples.AtT(); t >= c.from && t <= c.to {
			c.counts[hourOf(t)]++
		}
	}
	return c.samples.Err()
}

// hourOf is the full hour of a moment, both in Unix milliseconds, before 1970 too.
func hourOf(t int64) int64 { return time.UnixMilli(t).Truncate(time.Hour).UnixMilli() }
