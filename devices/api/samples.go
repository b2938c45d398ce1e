package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// SampleQuery selects samples as they were written, of all devices: after From and
// until To.
type SampleQuery struct {
	Kind    telemetry.Kind
	Metrics []telemetry.Metric
	// Sites are those that are wanted; none is all.
	Sites    []telemetry.Site
	From, To time.Time
}

// RawSample is one number of a series.
type RawSample struct {
	Series telemetry.Series
	Metric telemetry.Metric
	Time   time.Time
	Number float64
}

// RawSamples calls f for each sample, those of one series in order of time. The store
// is asked for one metric at a time, which bounds an answer: a city of 20,000 sites
// has 7 MB of a metric in an hour.
func (e *External) RawSamples(ctx context.Context, q SampleQuery, f func(RawSample)) error {
	r, err := e.readings(ctx)
	if err != nil {
		return err
	}
	one := e.influx.rawSamples
	if r == Readings(e.prom) {
		one = e.prom.rawSamples
	}
	for _, m := range q.Metrics {
		if err := one(ctx, q, m, func(s RawSample) {
			if s.Time.After(q.From) && !s.Time.After(q.To) {
				f(s)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Prometheus) rawSamples(ctx context.Context, q SampleQuery, m telemetry.Metric, f func(RawSample)) error {
	selector := fmt.Sprintf("__name__=%q", string(q.Kind)+"_"+string(m))
	if len(q.Sites) > 0 {
		sites := make([]string, len(q.Sites))
		for i, s := range q.Sites {
			sites[i] = regexp.QuoteMeta(string(s))
		}
		selector += fmt.Sprintf(",site=~%q", strings.Join(sites, "|"))
	}
	found, err := p.samples(ctx, "{"+selector+"}", q.To.Sub(q.From), q.To)
	if err != nil {
		return err
	}
	for _, s := range found {
		series := telemetry.Series{Kind: q.Kind, Locality: telemetry.Locality(s.Metric["locality"]), Site: telemetry.Site(s.Metric["site"]), Device: telemetry.Device(s.Metric["device"])}
		for _, v := range s.Values {
			f(RawSample{series, m, v.time, v.value})
		}
	}
	return nil
}

func (q *InfluxQL) rawSamples(ctx context.Context, in SampleQuery, m telemetry.Metric, f func(RawSample)) error {
	names, err1 := quoted('"', string(m), string(in.Kind))
	sites := make([]string, len(in.Sites))
	for i, s := range in.Sites {
		sites[i] = string(s)
	}
	sites, err2 := quoted('\'', sites...)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	where := fmt.Sprintf("time > %s AND time <= %s", influxTime(in.From), influxTime(in.To))
	if len(sites) > 0 {
		where += ` AND ("site" = ` + strings.Join(sites, ` OR "site" = `) + ")"
	}
	results, err := q.ask(ctx, fmt.Sprintf(`SELECT %s FROM %s WHERE %s GROUP BY "locality", "site", "device"`, names[0], names[1], where))
	if err != nil {
		return err
	}
	for _, s := range results[0].Series {
		series := telemetry.Series{Kind: in.Kind, Locality: telemetry.Locality(s.Tags["locality"]), Site: telemetry.Site(s.Tags["site"]), Device: telemetry.Device(s.Tags["device"])}
		if err := s.samples(func(at time.Time, _ string, v float64) { f(RawSample{series, m, at, v}) }); err != nil {
			return err
		}
	}
	return nil
}
