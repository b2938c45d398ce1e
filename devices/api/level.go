package api

import (
	"fmt"
	"time"
)

// The mean of a sound level is that of its energy ([telemetry.Energetic]). No
// function of PromQL maps each reading of a step, so a step is looked at in slots,
// and each slot counts with its last reading.
const (
	// mostSlots is in how many slots a period is looked at: of two seconds in a day,
	// of 15 in a week, of a minute in a month, of ten minutes in a year.
	mostSlots = 60_000
	// slotsAtOnce is for how many a server is asked in one question. VictoriaMetrics
	// refuses more than 100,000 (-search.maxPointsSubqueryPerTimeseries), and before
	// there was that, more than 30,000.
	slotsAtOnce = 25_000
)

// slot is how long the slots are. They fill steps without a rest.
func (q SeriesQuery) slot() time.Duration {
	for _, s := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800} {
		if s *= time.Second; q.To.Sub(q.From)/s <= mostSlots && q.Step/s <= slotsAtOnce {
			return min(s, q.Step)
		}
	}
	return min(time.Hour, q.Step)
}

// parts are the query's steps, as many at a time as one question may be about.
func (q SeriesQuery) parts() (out []SeriesQuery) {
	length := max(1, slotsAtOnce*q.slot()/q.Step) * q.Step
	for from := q.From; from.Before(q.To); from = from.Add(length) {
		part := q
		part.From, part.To = from, from.Add(min(length, q.To.Sub(from)))
		out = append(out, part)
	}
	return out
}

// promLevel asks for the level of the mean energy of each step of a series.
func (q SeriesQuery) promLevel(series, offset string) string {
	return fmt.Sprintf("10 * log10(avg_over_time((10 ^ (last_over_time(%[1]s[%[2]dms]) / 10))[%[3]dms:%[2]dms]%[4]s))",
		series, q.slot().Milliseconds(), q.Step.Milliseconds(), offset)
}
