package devices

import (
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// firstDayLong is for how long a device's readings are gathered before their units
	// are asked about, firstDayReadings how many it takes: a device that measures each
	// six hours has as many in a day. Both are the project's own.
	firstDayLong     = 24 * time.Hour
	firstDayReadings = 4
)

// firstDay gathers what a device measures in its first day, one reading of an hour,
// and asks about the unit of each metric whose median is far from what is usual. While
// a question stands it looks at the next day too: the unit may be corrected.
type firstDay struct {
	// Start is the time of the first reading, in milliseconds.
	Start   int64                        `json:"start,omitempty"`
	Metrics map[telemetry.Metric]*hourly `json:"metrics,omitempty"`
	// Hints are the questions of the last whole day.
	Hints []telemetry.UnitHint `json:"hints,omitempty"`
	// Done says that a whole day left no question.
	Done bool `json:"done,omitempty"`
}

// hourly are readings of a metric, the first of each hour, and the last such hour.
type hourly struct {
	Hour   int64     `json:"hour"`
	Values []float64 `json:"values"`
}

// add tells of a measurement.
func (f *firstDay) add(p telemetry.Point) {
	if f.Done {
		return
	}
	at := p.Time.UnixMilli()
	if f.Start == 0 {
		f.Start = at
	}
	if at < f.Start { // late: the day has enough of others
		return
	}
	if at-f.Start >= firstDayLong.Milliseconds() && f.readings() >= firstDayReadings {
		hints := f.ask(p)
		*f = firstDay{Start: at, Hints: hints, Done: len(hints) == 0}
		if f.Done {
			f.Start = 0
			return
		}
	}
	hour := (at - f.Start) / time.Hour.Milliseconds()
	taken := false
	for _, v := range p.Values {
		h := f.Metrics[v.Spec.Name]
		switch {
		case telemetry.OfDevice(v.Spec.Name):
		case h == nil:
			if f.Metrics == nil {
				f.Metrics = map[telemetry.Metric]*hourly{}
			}
			f.Metrics[telemetry.Metric(strings.Clone(string(v.Spec.Name)))] = &hourly{hour, []float64{v.Number}}
		case hour > h.Hour:
			h.Hour, h.Values, taken = hour, append(h.Values, v.Number), true
		}
	}
	// A day that is not over is asked about as soon as it has enough.
	if taken && f.Hints == nil && f.readings() >= firstDayReadings {
		f.Hints = f.ask(p)
	}
}

// readings is how many were taken of the metric with the most.
func (f *firstDay) readings() (n int) {
	for _, h := range f.Metrics {
		n = max(n, len(h.Values))
	}
	return n
}

// ask asks about the medians of the metrics that a point has, and keeps what was asked
// of the others: a device may send its metrics in messages of their own.
func (f *firstDay) ask(p telemetry.Point) (hints []telemetry.UnitHint) {
	for _, old := range f.Hints {
		if !slices.ContainsFunc(p.Values, func(v telemetry.Value) bool { return v.Spec.Name == old.Metric }) {
			hints = append(hints, old)
		}
	}
	for _, v := range p.Values {
		h := f.Metrics[v.Spec.Name]
		if h == nil || len(h.Values) < firstDayReadings {
			continue
		}
		sorted := slices.Sorted(slices.Values(h.Values))
		if hint, odd := telemetry.HintUnit(p.Series.Kind, v.Spec, sorted[(len(sorted)-1)/2]); odd {
			hints = append(hints, hint)
		}
	}
	return hints
}
