package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// CountQuery selects values to be counted: of a kind's metrics, from the full hour
// From until before the full hour To.
type CountQuery struct {
	Kind     telemetry.Kind
	Metrics  []telemetry.Metric
	From, To time.Time
}

// countHours bounds one question: a store reads all samples to count them.
const countHours = 24

// Counts calls f with how many values the store counts in each hour that has some. An
// hour is told in parts.
func (e *External) Counts(ctx context.Context, q CountQuery, f func(hour time.Time, values int64)) error {
	r, err := e.readings(ctx)
	if err != nil {
		return err
	}
	one := e.influx.counts
	if r == Readings(e.prom) {
		one = e.prom.counts
	}
	for from := q.From; from.Before(q.To); from = from.Add(countHours * time.Hour) {
		part := q
		part.From = from
		if end := from.Add(countHours * time.Hour); end.Before(q.To) {
			part.To = end
		}
		if err := one(ctx, part, f); err != nil {
			return fmt.Errorf("count values of %s from %s: %w", q.Kind, from.UTC().Format(time.RFC3339), err)
		}
	}
	return nil
}

// counts asks at the end of each hour. A window has its end and not its beginning, an
// hour its beginning and not its end: a millisecond before.
func (p *Prometheus) counts(ctx context.Context, q CountQuery, f func(time.Time, int64)) error {
	names := make([]string, len(q.Metrics))
	for i, m := range q.Metrics {
		names[i] = string(q.Kind) + "_" + string(m)
	}
	found, err := p.ask(ctx, "query_range", url.Values{
		"query": {fmt.Sprintf("sum(count_over_time({__name__=~%q}[1h] offset 1ms))", strings.Join(names, "|"))},
		"start": {stampOf(q.From.Add(time.Hour))}, "end": {stampOf(q.To)}, "step": {"3600"}})
	if err != nil {
		return err
	}
	for _, s := range found {
		for _, v := range s.Values {
			f(v.time.Add(-time.Hour), int64(v.value))
		}
	}
	return nil
}

func (q *InfluxQL) counts(ctx context.Context, in CountQuery, f func(time.Time, int64)) error {
	names := make([]string, len(in.Metrics))
	for i, m := range in.Metrics {
		names[i] = string(m)
	}
	names, err1 := quoted('"', names...)
	kinds, err2 := quoted('"', string(in.Kind))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	results, err := q.ask(ctx, fmt.Sprintf(`SELECT count(%s) FROM %s WHERE time >= %s AND time < %s GROUP BY time(1h) fill(none)`,
		strings.Join(names, "), count("), kinds[0], influxTime(in.From), influxTime(in.To)))
	if err != nil {
		return err
	}
	for _, s := range results[0].Series {
		if err := s.samples(func(at time.Time, _ string, n float64) { f(at, int64(n)) }); err != nil {
			return err
		}
	}
	return nil
}
