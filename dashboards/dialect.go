package dashboards

import (
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Language is what a store is asked in.
type Language string

// The languages: the embedded store, VictoriaMetrics and Prometheus are asked in
// PromQL, InfluxDB (1.8, 2 and 3) in InfluxQL.
const (
	PromQL   Language = "promql"
	InfluxQL Language = "influxql"
)

// Dialect is how queries are written down.
type Dialect struct {
	Language Language
	// Hourly says that the hourly aggregates are kept, so that long ranges read
	// them: by the recording rules in PromQL, in the retention policy of that name
	// in InfluxQL. Without them long ranges read readings.
	Hourly    bool
	Policy    string
	Catalogue *telemetry.Catalogue
}

// labels are what a group of series keeps.
func (g Group) labels() []string {
	switch g {
	case ByLocality:
		return []string{"locality"}
	case BySite:
		return []string{"locality", "site"}
	case ByDevice:
		return []string{"locality", "site", "device"}
	}
	return nil
}

// label is what tells the series of a group apart.
func (g Group) label() string {
	if l := g.labels(); len(l) > 0 {
		return l[len(l)-1]
	}
	return ""
}

// slot is the length of the pieces in which PromQL leaves out what an instrument
// does not stand for, in windows of more than an hour.
func (q Query) slot(c *telemetry.Catalogue) time.Duration {
	k, _ := q.spec(c)
	return max(10*time.Minute, 2*k.Cadence)
}

// hourly reports whether the query reads aggregates of hours in this dialect.
// There are none of what is computed, nor of what is no gauge and no amount.
func (d Dialect) hourly(q Query) bool {
	_, m := q.spec(d.Catalogue)
	s := q.stat(m)
	return q.Hourly && d.Hourly && !computed(q.Kind) && q.Window >= time.Hour && s >= Mean && s <= Sum && s != Last
}

// expression is the query as the store is asked.
func (d Dialect) expression(q Query) string {
	if d.Language == InfluxQL {
		return d.influxql(q)
	}
	return d.promql(q)
}

// short writes a duration as both languages read it.
func short(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}

// alternatives is a regular expression of exactly these sites.
func alternatives(sites []telemetry.Site, quote func(string) string) string {
	out := make([]string, len(sites))
	for i, s := range sites {
		out[i] = quote(string(s))
	}
	return strings.Join(out, "|")
}
