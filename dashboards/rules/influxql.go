package rules

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// InfluxQL selects what is compared, by site, over the rule's window; Grafana puts
// its time range in place of $timeFilter and does the comparing. Where a site has
// several devices they count as one.
func (r Rule) InfluxQL() string {
	c := r.Compared
	by := `"locality", "site"`
	if c.Computed {
		by += `, "device"`
	}
	where := "$timeFilter"
	if !c.Computed {
		// A missing quality compares as false, and so is a good one.
		where += fmt.Sprintf(` AND (%q > 0) = false`, telemetry.QualityCode)
	}
	if len(c.Sites) > 0 {
		sites := make([]string, len(c.Sites))
		for i, s := range c.Sites {
			sites[i] = fmt.Sprintf(`"site" = '%s'`, s)
		}
		where += " AND (" + strings.Join(sites, " OR ") + ")"
	}
	if c.Device != "" {
		where += fmt.Sprintf(` AND "device" = '%s'`, c.Device)
	}
	if c.Statistic == limits.Mean && telemetry.Energetic(c.Metric) {
		return fmt.Sprintf(`SELECT 10 * log10(mean("e")) FROM (SELECT exp("b") AS "e" FROM (SELECT %q * %v AS "b" FROM %q WHERE %s)) WHERE $timeFilter GROUP BY %s`,
			c.Metric, math.Ln10/10, c.Kind, where, by)
	}
	return fmt.Sprintf(`SELECT %s FROM %q WHERE %s GROUP BY %s`, c.influxStatistic(), c.Kind, where, by)
}

func (c Compared) influxStatistic() string {
	if c.Of != "" {
		return fmt.Sprintf(`last(%q) / last(%q)`, c.Metric, c.Of)
	}
	switch c.Statistic {
	case limits.Mean:
		return fmt.Sprintf(`mean(%q)`, c.Metric)
	case limits.Sum:
		return fmt.Sprintf(`sum(%q)`, c.Metric)
	case limits.Rise:
		return fmt.Sprintf(`last(%q) - first(%q)`, c.Metric, c.Metric)
	}
	return fmt.Sprintf(`last(%q)`, c.Metric)
}

// clockFresh is how old the newest time of day may be that a rule goes by. The
// platform writes one every 15 s; while it writes none, no rule with hours fires.
const clockFresh = 5 * time.Minute

// influxClock selects what time of day it is, in hours; Hải Đăng writes it.
func influxClock() string {
	return fmt.Sprintf(`SELECT last(%q) FROM %q WHERE $timeFilter`, telemetry.TimeOfDay, telemetry.Platform)
}

// clock is between which hours of the day the whole window lies within the limit's
// hours; false if it holds all day. From is after to where midnight is between.
func (c Compared) clock() (from, to float64, some bool) {
	if c.From == c.To {
		return 0, 0, false
	}
	return math.Mod(float64(c.From)+c.Window.Hours(), 24), float64(c.To), true
}
