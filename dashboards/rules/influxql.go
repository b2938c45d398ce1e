package rules

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// question is what Grafana asks InfluxDB about a cohort's devices: a query, and how far
// back its time range reaches.
type question struct {
	query string
	reach time.Duration
	// hours are those that the whole reach must be in; some is false if there are none.
	from, to float64
	some     bool
}

// influxQL selects what is compared, by site: of several devices the worst that has
// enough readings to be judged. Grafana puts its time range in place of $timeFilter
// and does the comparing.
func (r Rule) influxQL(o cohort) question {
	c, worst := r.Compared, "max"
	if r.Below {
		worst = "min"
	}
	if c.Computed {
		value := fmt.Sprintf(`last(%q)`, c.Metric)
		if c.Of != "" {
			value = fmt.Sprintf(`last(%q) / last(%q)`, c.Metric, c.Of)
		}
		return question{query: fmt.Sprintf(`SELECT %s FROM %q WHERE $timeFilter GROUP BY "locality", "site", "device"`, value, c.Kind), reach: c.Window}
	}
	s := c.span(o.every)
	q := question{reach: c.reach(s, o.every)}
	if c.From != c.To {
		q.from, q.to, q.some = math.Mod(float64(c.From)+q.reach.Hours(), 24), float64(c.To), true
		q.reach = s.window * time.Duration(s.windows)
	}
	q.query = fmt.Sprintf(`SELECT %s("v") FROM (%s) GROUP BY "locality", "site"`, worst, c.influxDevice(o, s))
	return q
}

const influxDevice = `"locality", "site", "device"`

// influxDevice is the statistic of each device.
func (c Compared) influxDevice(o cohort, s span) string {
	where := c.influxWhere(o)
	by := "GROUP BY " + influxDevice
	switch s.statistic {
	case limits.Mean:
		if s.windows > 1 {
			by = fmt.Sprintf("GROUP BY time(%s, now()), %s", promDuration(s.window), influxDevice)
		}
		told := fmt.Sprintf(`SELECT mean(%q) AS "v", count(%q) AS "n" FROM %q WHERE %s %s`, c.Metric, c.Metric, c.Kind, where, by)
		if telemetry.Energetic(c.Metric) {
			told = fmt.Sprintf(`SELECT 10 * log10("e") AS "v", "n" FROM (SELECT mean("e") AS "e", count("e") AS "n" FROM (SELECT exp("b") AS "e" FROM (SELECT %q * %v AS "b" FROM %q WHERE %s)) WHERE $timeFilter %s)`,
				c.Metric, math.Ln10/10, c.Kind, where, by)
		}
		judged := fmt.Sprintf(`SELECT "v" FROM (%s) WHERE "n" >= %d GROUP BY %s`, told, s.enough, influxDevice)
		if s.windows > 1 {
			return fmt.Sprintf(`SELECT last("v") AS "v" FROM (%s) GROUP BY %s`, judged, influxDevice)
		}
		return judged
	case limits.Sum:
		value := fmt.Sprintf(`sum(%q)`, c.Metric)
		if s.share > 1 {
			value += fmt.Sprintf(" / %d", s.share)
		}
		return fmt.Sprintf(`SELECT %s AS "v" FROM %q WHERE %s %s`, value, c.Kind, where, by)
	case limits.Rise:
		// A difference belongs to the later of its readings: of a window they add up to
		// its newest reading less the newest before it.
		told := fmt.Sprintf(`SELECT sum("d") / sum("e") * 3600 AS "v" FROM (SELECT difference(%q) AS "d", elapsed(%q, 1s) AS "e" FROM %q WHERE %s %s) WHERE $timeFilter GROUP BY time(%s, now()), %s fill(none)`,
			c.Metric, c.Metric, c.Kind, where, by, promDuration(s.window), influxDevice)
		return fmt.Sprintf(`SELECT last("v") AS "v" FROM (%s) GROUP BY %s`, told, influxDevice)
	}
	return fmt.Sprintf(`SELECT last(%q) AS "v" FROM %q WHERE %s %s`, c.Metric, c.Kind, where, by)
}

// influxWhere picks the good readings of a cohort's devices at the sites.
func (c Compared) influxWhere(o cohort) string {
	// A missing quality compares as false, and so is a good one.
	where := fmt.Sprintf(`$timeFilter AND (%q > 0) = false`, telemetry.QualityCode)
	if len(c.Sites) > 0 {
		sites := make([]string, len(c.Sites))
		for i, s := range c.Sites {
			sites[i] = fmt.Sprintf(`"site" = '%s'`, s)
		}
		where += " AND (" + strings.Join(sites, " OR ") + ")"
	}
	if c.Device != "" {
		return where + fmt.Sprintf(` AND "device" = '%s'`, c.Device)
	}
	switch {
	case len(o.devices) == 0:
	case o.rest:
		where += fmt.Sprintf(` AND "device" !~ /^(%s)$/`, alternatives(o.devices))
	default:
		where += fmt.Sprintf(` AND "device" =~ /^(%s)$/`, alternatives(o.devices))
	}
	return where
}

// clockFresh is how old the newest time of day may be that a rule goes by. The
// platform writes one every 15 s; while it writes none, no rule with hours fires.
const clockFresh = 5 * time.Minute

// influxClock selects what time of day it is, in hours; Hải Đăng writes it.
func influxClock() string {
	return fmt.Sprintf(`SELECT last(%q) FROM %q WHERE $timeFilter`, telemetry.TimeOfDay, telemetry.Platform)
}
