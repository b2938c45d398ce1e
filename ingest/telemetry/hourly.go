package telemetry

import (
	"slices"
	"time"
)

// Hourly names what is kept of a site's metric for each hour, so that long
// ranges need not read every reading: the series site:<kind>_<metric>:<hourly>,
// measurement [HourlyKind] and field [MetricSpec.HourlyName].
//
// # When
//
// What is computed of an hour or a day that ends at T is stamped within its last
// two minutes: T less 120 s, and milliseconds more for each later revision,
// because a store may keep the first of two values at one moment ([Stamp]). So
// (T-1h, T] of PromQL and [T-1h, T) of InfluxQL both hold all revisions, and the
// last is the one to take: last_over_time(x[1h]) or last(x), never a mean.
type Hourly string

// What is kept of an hour.
const (
	Mean1h     Hourly = "mean1h"     // of a gauge; of a flag the share of time; of LAeq its energy's, see [Energetic]; of directions as vectors
	Max1h      Hourly = "max1h"      // the largest single reading
	Min1h      Hourly = "min1h"      // the smallest single reading
	Sum1h      Hourly = "sum1h"      // of an amount
	Increase1h Hourly = "increase1h" // of a counter
)

// Hourly lists what is kept of the metric. Of what devices tell of themselves
// (battery, signal) nothing is: it is not the site's.
func (m *MetricSpec) Hourly() []Hourly {
	own := []Metric{Battery, RSSI, Sequence, QualityCode}
	switch {
	case slices.Contains(own, m.Name):
		return nil
	case m.Name == WindDirection:
		return []Hourly{Mean1h}
	}
	switch m.Form {
	case Amount:
		return []Hourly{Sum1h}
	case Counter:
		return []Hourly{Increase1h}
	case Flag:
		return []Hourly{Mean1h, Max1h}
	default:
		return []Hourly{Mean1h, Max1h, Min1h}
	}
}

// HourlyKind is the measurement of a kind's hours.
func HourlyKind(k Kind) Kind { return "site:" + k }

// HourlyName is the field of a metric's hours.
func (m *MetricSpec) HourlyName(h Hourly) Metric { return m.Name + ":" + Metric(h) }

const (
	// RevisionEvery is how often what was computed may be computed anew.
	RevisionEvery = 5 * time.Minute
	// stampedFor is how long before the end of an hour the stamps begin: a
	// millisecond for each revision of more than a year.
	stampedFor = 2 * time.Minute
)

// Stamp is the time of a value of the hour or day that ends at a moment, computed
// by the run that was due at another: later runs stamp later, for 416 days.
func Stamp(end, run time.Time) time.Time {
	revision := min(max(run.Sub(end)/RevisionEvery, 0), stampedFor/time.Millisecond-1)
	return end.Add(-stampedFor + revision*time.Millisecond)
}
