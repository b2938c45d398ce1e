package dashboards

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// influxql is the query in InfluxQL: for each device a statistic of its readings,
// and around it what brings the devices of a group together.
func (d Dialect) influxql(q Query) string {
	return d.influxJoined([]Query{q}, []string{"v"})
}

// influxJoined is one statement for several queries that differ in metric and
// statistic only (see [joinable]); the columns of its answer are named.
func (d Dialect) influxJoined(qs []Query, columns []string) string {
	first := qs[0]
	var inner, outer []string
	for i, q := range qs {
		v, per := fmt.Sprintf("v%d", i), fmt.Sprintf("p%d", i)
		inner = append(inner, d.influxOver(q, q.Metric, v))
		e := influxAcross(q.Across, v)
		if d.energeticAcross(q) {
			e = influxLevel
		}
		if q.Per != "" {
			inner = append(inner, d.influxOver(q, q.Per, per))
			e += " / " + influxAcross(q.Across, per)
		}
		if q.Times != 0 && q.Times != 1 {
			e = number(q.Times) + " * " + e
		}
		outer = append(outer, fmt.Sprintf("%s AS %q", e, columns[i]))
	}
	where := "WHERE " + influxTime(first, false)
	if first.AtLeast != nil {
		where += fmt.Sprintf(` AND "v0" >= %s`, number(*first.AtLeast))
	}
	if first.AtMost != nil {
		where += fmt.Sprintf(` AND "v0" <= %s`, number(*first.AtMost))
	}
	from := d.influxInner(first, inner)
	if d.energeticAcross(first) { // then it is the only one
		from = fmt.Sprintf("SELECT %s FROM (%s) %s", influxEnergy("v0"), from, where)
		where = "WHERE " + influxTime(first, false)
	}
	return strings.TrimSpace(fmt.Sprintf("SELECT %s FROM (%s) %s %s", strings.Join(outer, ", "),
		from, where, influxGroup(first, first.By.labels(), "null")))
}

// influxEnergy is what of levels is averaged, as "e", and influxLevel the level of
// such a mean; see [telemetry.Linear]. It is 10.0 because InfluxDB takes the power of
// a whole number to be whole too, and cuts it off.
func influxEnergy(field string) string { return fmt.Sprintf(`pow(10.0, %q / 10) AS "e"`, field) }

// influxSlope is how fast something rises, per hour: "d" are differences, "e" the
// seconds between readings.
const influxSlope = `3600 * sum("d") / sum("e")`

const influxLevel = `10 * log10(mean("e"))`

// influxInner gives a row for each device and step.
func (d Dialect) influxInner(q Query, fields []string) string {
	k, spec := q.spec(d.Catalogue)
	all := []string{"locality", "site", "device"}
	from := fmt.Sprintf("%q", string(q.Kind))
	where := "WHERE " + influxTime(q, true) + d.influxFilter(q)
	if kept, _ := d.hourly(q, q.Metric); kept != "" && q.Shape == Now {
		return fmt.Sprintf("SELECT %s FROM %q %s %s", strings.Join(fields, ", "), telemetry.HourlyKind(q.Kind), where, influxGroup(q, all, "none"))
	} else if kept != "" {
		// Of an hour's revisions the last counts.
		each := fmt.Sprintf(`SELECT last(%q) AS "h" FROM %q %s GROUP BY time(1h), "locality", "site", "device" fill(none)`, spec.HourlyName(kept), telemetry.HourlyKind(q.Kind), where)
		if d.energetic(q, q.Metric) {
			each = fmt.Sprintf("SELECT %s FROM (%s)", influxEnergy("h"), each)
		}
		return fmt.Sprintf("SELECT %s FROM (%s) WHERE %s %s", strings.Join(fields, ", "), each, influxTime(q, false), influxGroup(q, all, "none"))
	}
	if judged(k) {
		// A reading without this field was measured as usual; the comparison with it
		// is then false, and so is not left out.
		where += ` AND ("quality" > 0) = false`
	}
	switch stat := q.stat(spec); {
	case stat == Increase:
		// The steps between readings are added up, but for a counter that begins anew.
		each := fmt.Sprintf(`SELECT non_negative_difference("%s") AS "d" FROM %s %s GROUP BY "locality", "site", "device"`, q.Metric, from, where)
		return fmt.Sprintf("SELECT %s FROM (%s) WHERE %s %s", strings.Join(fields, ", "), each, influxTime(q, false), influxGroup(q, all, "none"))
	case stat == Rise:
		// What rose from reading to reading, by the time between them, however far apart
		// they are; of now the newest hour that has some.
		each := fmt.Sprintf(`SELECT difference(%q) AS "d", elapsed(%[1]q, 1s) AS "e" FROM %s %s GROUP BY "locality", "site", "device"`, string(q.Metric), from, where)
		if q.Shape == Now {
			each = fmt.Sprintf(`SELECT %s AS "d" FROM (%s) WHERE %s %s fill(none)`, influxSlope, each, influxTime(q, false), influxPieces(q, all))
		}
		return fmt.Sprintf("SELECT %s FROM (%s) WHERE %s %s", strings.Join(fields, ", "), each, influxTime(q, false), influxGroup(q, all, "none"))
	case d.falls(q):
		// Of the windows that end with the range, back from there, the newest that has
		// readings.
		var newest []string
		for _, f := range fields {
			_, name, _ := strings.Cut(f, " AS ")
			newest = append(newest, fmt.Sprintf("last(%s) AS %[1]s", name))
		}
		pieces := fmt.Sprintf("SELECT %s FROM %s %s %s fill(none)", strings.Join(fields, ", "), from, where, influxPieces(q, all))
		if d.energetic(q, q.Metric) {
			each := fmt.Sprintf("SELECT %s FROM %s %s", influxEnergy(string(q.Metric)), from, where)
			pieces = fmt.Sprintf("SELECT %s FROM (%s) WHERE %s %s fill(none)", strings.Join(fields, ", "), each, influxTime(q, false), influxPieces(q, all))
		}
		return fmt.Sprintf("SELECT %s FROM (%s) WHERE %s %s", strings.Join(newest, ", "), pieces, influxTime(q, false), influxGroup(q, all, "none"))
	case d.energetic(q, q.Metric):
		each := fmt.Sprintf("SELECT %s FROM %s %s", influxEnergy(string(q.Metric)), from, where)
		return fmt.Sprintf("SELECT %s FROM (%s) WHERE %s %s", strings.Join(fields, ", "), each, influxTime(q, false), influxGroup(q, all, "none"))
	}
	return fmt.Sprintf("SELECT %s FROM %s %s %s", strings.Join(fields, ", "), from, where, influxGroup(q, all, "none"))
}

// influxOver is a statistic of a device's readings, named.
func (d Dialect) influxOver(q Query, m telemetry.Metric, name string) string {
	_, spec := q.spec(d.Catalogue)
	stat, field := q.stat(spec), string(m)
	if kept, again := d.hourly(q, m); kept != "" {
		if q.Shape == Now {
			return fmt.Sprintf("last(%q) AS %q", spec.HourlyName(kept), name)
		}
		if d.energetic(q, m) {
			return fmt.Sprintf("%s AS %q", influxLevel, name)
		}
		return fmt.Sprintf("%s(%q) AS %q", influxFunction(again), "h", name)
	}
	switch stat {
	case Increase:
		return fmt.Sprintf(`sum("d") AS %q`, name)
	case Rise:
		if q.Shape == Now {
			return fmt.Sprintf(`last("d") AS %q`, name)
		}
		return fmt.Sprintf("%s AS %q", influxSlope, name)
	}
	if d.energetic(q, m) {
		return fmt.Sprintf("%s AS %q", influxLevel, name)
	}
	return fmt.Sprintf("%s(%q) AS %q", influxFunction(stat), field, name)
}

func influxFunction(s Stat) string {
	return map[Stat]string{Mean: "mean", Min: "min", Max: "max", Last: "last", Sum: "sum"}[s]
}

func influxAcross(a Across, field string) string {
	return fmt.Sprintf("%s(%q)", [...]string{Average: "mean", Total: "sum", Largest: "max", Smallest: "min", Median: "median", Number: "count"}[a], field)
}

// influxTime bounds the time. readings says that it is for the readings, of which
// a rise needs those before its window too.
func influxTime(q Query, readings bool) string {
	if q.Shape != Now {
		return "$timeFilter"
	}
	window := q.lookback()
	if q.Stat == Rise {
		windows := riseWindows()
		if window = windows[len(windows)-1]; readings {
			window *= 2
		}
	}
	after := ">"
	if !readings {
		after = ">=" // of a subquery that has a row right at the beginning InfluxDB would give nothing at all
	}
	return fmt.Sprintf("time %s ${__to}ms - %s AND time <= ${__to}ms", after, short(window))
}

// influxPieces groups by windows that end with the range, with a reading at its very
// end: the milliseconds, and a nanosecond more.
func influxPieces(q Query, tags []string) string {
	out := fmt.Sprintf("GROUP BY time(%s, ${__to}000001ns)", short(q.Window))
	for _, t := range tags {
		out += fmt.Sprintf(", %q", t)
	}
	return out
}

// influxGroup groups by steps of time and tags.
func influxGroup(q Query, tags []string, fill string) string {
	var by []string
	switch {
	case q.Shape == Now:
	case q.Window == 0 || q.Shape == Series:
		by = append(by, "time($__interval)")
	case q.Window%(24*time.Hour) == 0:
		by = append(by, fmt.Sprintf("time(%s, -7h)", short(q.Window))) // days begin at midnight in Vietnam
	default:
		by = append(by, fmt.Sprintf("time(%s)", short(q.Window)))
	}
	for _, t := range tags {
		by = append(by, fmt.Sprintf("%q", t))
	}
	if len(by) == 0 {
		return ""
	}
	out := "GROUP BY " + strings.Join(by, ", ")
	if q.Shape != Now {
		out += " fill(" + fill + ")"
	}
	return out
}

// influxFilter narrows to what variables and the query say.
func (d Dialect) influxFilter(q Query) string {
	var out strings.Builder
	for _, v := range q.Variables {
		if v.Filter != "" {
			fmt.Fprintf(&out, ` AND "%s" =~ /^(%s)$/`, v.Filter, v.reference())
		}
	}
	quote := func(s string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), "/", `\/`) }
	if len(q.Sites) > 0 {
		fmt.Fprintf(&out, ` AND "site" =~ /^(%s)$/`, alternatives(q.Sites, quote))
	}
	if len(q.Except) > 0 {
		fmt.Fprintf(&out, ` AND "site" !~ /^(%s)$/`, alternatives(q.Except, quote))
	}
	return out.String()
}

// joinable reports whether two queries can be one InfluxQL statement.
func (d Dialect) joinable(a, b Query) bool {
	_, ma := a.spec(d.Catalogue)
	_, mb := b.spec(d.Catalogue)
	plain := func(q Query, m *telemetry.MetricSpec) bool {
		s := q.stat(m)
		kept, _ := d.hourly(q, q.Metric)
		return kept == "" && s != Increase && s != Rise && q.AtLeast == nil && q.AtMost == nil && !telemetry.Energetic(q.Metric)
	}
	same := func(x, y []telemetry.Site) bool {
		return alternatives(x, regexp.QuoteMeta) == alternatives(y, regexp.QuoteMeta)
	}
	return plain(a, ma) && plain(b, mb) && a.Kind == b.Kind && a.Window == b.Window && a.Reach == b.Reach && d.falls(a) == d.falls(b) && a.By == b.By && a.Shape == b.Shape &&
		same(a.Sites, b.Sites) && same(a.Except, b.Except)
}
