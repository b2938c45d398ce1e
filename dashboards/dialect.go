package dashboards

import (
	"fmt"
	"slices"
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
	Language  Language
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
	case ByRule:
		return []string{"device"}
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

// hourly is what of the hours the query reads instead of readings, and how that is
// brought together over longer than an hour; empty where it reads readings.
func (d Dialect) hourly(q Query, m telemetry.Metric) (kept telemetry.Hourly, again Stat) {
	k, _ := q.spec(d.Catalogue)
	spec := k.Metric([]byte(m))
	switch q.stat(spec) {
	case Mean:
		kept, again = telemetry.Mean1h, Mean
	case Max:
		kept, again = telemetry.Max1h, Max
	case Min:
		kept, again = telemetry.Min1h, Min
	case Sum:
		kept, again = telemetry.Sum1h, Sum
	case Increase:
		kept, again = telemetry.Increase1h, Sum
	case Last: // the newest hour's mean
		kept, again = telemetry.Mean1h, Last
	}
	// What a counter grew by is told by its hours only: the stores' own functions take
	// a dip for a reset.
	if !q.Hourly && kept != telemetry.Increase1h || k.Computed || q.Shape != Buckets && (q.Shape != Now || again != Last) || q.By == ByDevice || !slices.Contains(spec.Hourly(), kept) {
		return "", again
	}
	return kept, again
}

// energetic reports whether several values over time are brought together by their
// energy. What is kept of an hour is one.
func (d Dialect) energetic(q Query, m telemetry.Metric) bool {
	k, _ := q.spec(d.Catalogue)
	kept, _ := d.hourly(q, m)
	return telemetry.Energetic(m) && q.stat(k.Metric([]byte(m))) == Mean && (kept == "" || q.Window > time.Hour)
}

// energeticAcross reports whether several series of a group are. What is kept of hours
// is one for each site.
func (d Dialect) energeticAcross(q Query) bool {
	kept, _ := d.hourly(q, q.Metric)
	return telemetry.Energetic(q.Metric) && q.Across == Average && (kept == "" || q.By != BySite)
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
