package embedded

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

var _ store.Reader = (*Store)(nil)

// Samples implements [store.Reader]. It holds no more than a series at a time, so
// the bounds of queries do not concern it.
func (s *Store) Samples(ctx context.Context, q store.Query, f func(store.Sample)) (err error) {
	ctx, done := s.untilRetired(ctx)
	defer done()
	from, to := q.From.UnixMilli()+1, q.To.UnixMilli()
	querier, err := s.Querier(from, to)
	if err != nil {
		return fmt.Errorf("read samples: %w", err)
	}
	defer func() { err = errors.Join(err, querier.Close()) }()
	for _, m := range q.Metrics {
		matchers := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metricName(q.Kind, m))}
		if len(q.Sites) > 0 {
			sites, err := labels.NewMatcher(labels.MatchRegexp, "site", anyOf(q.Sites))
			if err != nil {
				return fmt.Errorf("read samples: %w", err)
			}
			matchers = append(matchers, sites)
		}
		found := querier.Select(ctx, false, nil, matchers...)
		var it chunkenc.Iterator
		for found.Next() {
			one := found.At()
			it = one.Iterator(it)
			if err := eachSample(it, sampleOf(q.Kind, m, one.Labels()), from, to, f); err != nil {
				return fmt.Errorf("read samples: %w", err)
			}
		}
		if err := found.Err(); err != nil {
			return fmt.Errorf("read samples: %w", err)
		}
	}
	return nil
}

// sampleOf is a sample of a series that lacks its time and number.
func sampleOf(k telemetry.Kind, m telemetry.Metric, l labels.Labels) store.Sample {
	return store.Sample{Metric: m, Series: telemetry.Series{Kind: k, Locality: telemetry.Locality(l.Get("locality")),
		Site: telemetry.Site(l.Get("site")), Device: telemetry.Device(l.Get("device"))}}
}

// eachSample calls f for the numbers of a series in a time, both ends included.
func eachSample(it chunkenc.Iterator, s store.Sample, from, to int64, f func(store.Sample)) error {
	for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
		if typ != chunkenc.ValFloat {
			continue
		}
		t, v := it.At()
		if t < from || t > to {
			continue
		}
		s.Time, s.Number = time.UnixMilli(t).UTC(), v
		f(s)
	}
	return it.Err()
}

// anyOf is a regular expression of sites.
func anyOf(sites []telemetry.Site) string {
	quoted := make([]string, len(sites))
	for i, s := range sites {
		quoted[i] = regexp.QuoteMeta(string(s))
	}
	return strings.Join(quoted, "|")
}
