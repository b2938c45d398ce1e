package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// measurements is what to select from: all kinds but one.
func (q *InfluxQL) measurements(but telemetry.Kind) (string, error) {
	var names []string
	for _, k := range q.Catalogue.Kinds() {
		if k.Kind != but {
			names = append(names, string(k.Kind))
		}
	}
	names, err := quoted('"', names...)
	return strings.Join(names, ", "), err
}

// metric finds a column's metric; false if it is none of the kind's.
func (q *InfluxQL) metric(kind telemetry.Kind, column string) (telemetry.Metric, bool) {
	k := q.Catalogue.Kind(kind)
	return telemetry.Metric(column), column == string(telemetry.QualityCode) || k != nil && k.Metric([]byte(column)) != nil
}

// collect adds the samples of a result to the groups.
func (q *InfluxQL) collect(groups grouping, site telemetry.Site, r influxResult) error {
	for _, s := range r.Series {
		kind, device := telemetry.Kind(s.Name), telemetry.Device(s.Tags["device"])
		if err := s.samples(func(at time.Time, column string, v float64) {
			if m, ok := q.metric(kind, column); ok {
				groups.add(site, device, kind, m, sample{at, v})
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// Latest implements [Readings]: what came within a day. The first question finds
// each kind's and device's newest row, the second what else it told about then.
func (q *InfluxQL) Latest(ctx context.Context, site telemetry.Site) ([]Reading, error) {
	now := q.Now()
	from, err1 := q.measurements("")
	tags, err2 := quoted('\'', string(site))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	found, err := q.ask(ctx, fmt.Sprintf(`SELECT * FROM %s WHERE "site" = %s AND time > %s AND time <= %s GROUP BY * ORDER BY time DESC LIMIT 1`,
		from, tags[0], influxTime(now.Add(-latestWithin)), influxTime(now)))
	if err != nil {
		return nil, err
	}
	groups := grouping{}
	if err := q.collect(groups, site, found[0]); err != nil {
		return nil, err
	}
	var statements []string
	for k, one := range groups {
		names, err1 := quoted('"', string(k.kind))
		device, err2 := quoted('\'', string(k.device))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		newest := one.newest()
		statements = append(statements, fmt.Sprintf(`SELECT * FROM %s WHERE "site" = %s AND "device" = %s AND time >= %s AND time <= %s GROUP BY *`,
			names[0], tags[0], device[0], influxTime(newest.Add(-together)), influxTime(newest)))
	}
	if len(statements) == 0 {
		return groups.newest(), nil
	}
	if found, err = q.ask(ctx, statements...); err != nil {
		return nil, err
	}
	for _, r := range found {
		if err := q.collect(groups, site, r); err != nil {
			return nil, err
		}
	}
	return groups.newest(), nil
}

// First implements [Readings]. It looks at the first day.
func (q *InfluxQL) First(ctx context.Context, device telemetry.Device, site telemetry.Site, from time.Time) (Reading, bool, error) {
	end := from.Add(firstWithin)
	if now := q.Now(); end.After(now) {
		end = now
	}
	if !end.After(from) {
		return Reading{}, false, nil
	}
	kinds, err1 := q.measurements(telemetry.Status)
	tags, err2 := quoted('\'', string(site), string(device))
	if err := errors.Join(err1, err2); err != nil {
		return Reading{}, false, err
	}
	found, err := q.ask(ctx, fmt.Sprintf(`SELECT * FROM %s WHERE "site" = %s AND "device" = %s AND time >= %s AND time <= %s GROUP BY * ORDER BY time ASC LIMIT 1`,
		kinds, tags[0], tags[1], influxTime(from), influxTime(end)))
	if err != nil {
		return Reading{}, false, err
	}
	groups := grouping{}
	if err := q.collect(groups, site, found[0]); err != nil {
		return Reading{}, false, err
	}
	r, ok := groups.first()
	return r, ok, nil
}

// Series implements [Readings].
func (q *InfluxQL) Series(ctx context.Context, s SeriesQuery) ([]DeviceSeries, error) {
	names, err1 := quoted('"', string(s.Metric), string(s.Kind))
	tags, err2 := quoted('\'', string(s.Site))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	// InfluxDB's steps have their beginning and not their end, and begin at whole
	// steps since 1970: they are moved by where ours begin, and by the nanosecond
	// that puts a reading at a border into the step that ends there.
	offset := time.Duration(((s.From.UnixMilli()%s.Step.Milliseconds())+s.Step.Milliseconds())%s.Step.Milliseconds())*time.Millisecond + 1
	end := s.From.Add(s.To.Sub(s.From).Truncate(s.Step))
	within := fmt.Sprintf("time > %s AND time <= %s", influxTime(s.From), influxTime(end))
	from := fmt.Sprintf(`%s WHERE "site" = %s AND %s`, names[1], tags[0], within)
	what := fmt.Sprintf(`min(%[1]s) AS "min", mean(%[1]s) AS "mean", max(%[1]s) AS "max"`, names[0])
	if telemetry.Energetic(s.Metric) {
		// 10.0 and not 10: of a whole number InfluxDB takes the power to be whole too.
		from = fmt.Sprintf(`(SELECT %s AS "v", pow(10.0, %[1]s / 10) AS "e" FROM %s) WHERE %s`, names[0], from, within)
		what = `min("v") AS "min", 10 * log10(mean("e")) AS "mean", max("v") AS "max"`
	}
	found, err := q.ask(ctx, fmt.Sprintf(`SELECT %s FROM %s GROUP BY "device", time(%dms, %dns) fill(none)`,
		what, from, s.Step.Milliseconds(), offset.Nanoseconds()))
	if err != nil {
		return nil, err
	}
	var out []DeviceSeries
	for _, table := range found[0].Series {
		d := DeviceSeries{Device: telemetry.Device(table.Tags["device"])}
		if err := table.samples(func(begin time.Time, column string, v float64) {
			at := begin.Add(s.Step)
			if n := len(d.Points); n == 0 || !d.Points[n-1].Time.Equal(at) {
				d.Points = append(d.Points, SeriesPoint{Time: at})
			}
			p := &d.Points[len(d.Points)-1]
			switch column {
			case "min":
				p.Min = v
			case "mean":
				p.Mean = v
			case "max":
				p.Max = v
			}
		}); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b DeviceSeries) int { return cmp.Compare(a.Device, b.Device) })
	return out, nil
}

// Samples implements [Readings].
func (q *InfluxQL) Samples(ctx context.Context, s SeriesQuery) ([]DeviceSamples, error) {
	names, err1 := quoted('"', string(s.Metric), string(telemetry.QualityCode), string(s.Kind))
	tags, err2 := quoted('\'', string(s.Site))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	found, err := q.ask(ctx, fmt.Sprintf(`SELECT %s, %s FROM %s WHERE "site" = %s AND time > %s AND time <= %s GROUP BY "device"`,
		names[0], names[1], names[2], tags[0], influxTime(s.From), influxTime(s.To)))
	if err != nil {
		return nil, err
	}
	in := sampling{}
	for _, table := range found[0].Series {
		d := telemetry.Device(table.Tags["device"])
		if err := table.samples(func(at time.Time, column string, v float64) {
			in.add(d, s, telemetry.Metric(column), sample{at, v})
		}); err != nil {
			return nil, err
		}
	}
	return in.sorted(), nil
}

// influxTime is a moment in a statement.
func influxTime(t time.Time) string { return fmt.Sprintf("%dms", t.UnixMilli()) }
