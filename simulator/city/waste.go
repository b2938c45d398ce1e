package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// throwing is the course of what is thrown away: after markets, meals and evenings.
func throwing() *profile {
	return &profile{
		0.15, 0.08, 0.05, 0.10, 0.25, 0.55, 0.80, 0.85, 0.80, 0.75, 0.80, 0.95,
		0.85, 0.60, 0.55, 0.60, 0.75, 0.95, 1.00, 0.95, 0.85, 0.65, 0.40, 0.25,
	}
}

// round is how a bin is collected: every so many days, at an hour.
type round struct {
	every, phase int64
	hour         float64
}

// collection of a bin: daily before dawn or in the evening where many people are,
// elsewhere every second day.
func (s *station) collection() round {
	r := round{every: 2, hour: 4 + unit(s.salt(701))}
	if s.exposure.people >= 1.05 {
		r.every = 1
	}
	if s.Setting == Market || s.Setting == Centre {
		r.hour = 19.5 + 2*unit(s.salt(701)) // after closing time
	}
	r.phase = int64(unit(s.salt(702)) * float64(r.every))
	return r
}

// emptied reports whether a bin is collected on a day. On the first of Tết none
// is, nor in a typhoon.
func (s *station) emptied(r round, date int64) bool {
	if (date+r.phase)%r.every != 0 || s.moodAt(date).closed {
		return false
	}
	h := float64(date)*24 + r.hour
	for _, e := range s.storms {
		if e.Kind == Typhoon && h > e.from && h < e.to && e.concerns(s.Locality) {
			return false
		}
	}
	return true
}

// filled is how full a bin is, 0 to 1.
func (s *station) filled(m moment, r round, course *profile) float64 {
	whole := course.until(24)
	rate := func(date int64) float64 {
		d := s.moodAt(date)
		e := &s.exposure
		return (1-e.market-e.tourism*0.5)*d.waste + e.market*d.trade + e.tourism*0.5*d.leisure
	}
	// Back to the last collection, at most six days.
	sum, until := 0.0, m.hour
	for date := m.date; date > m.date-6; date-- {
		from := 0.0
		done := s.emptied(r, date) && r.hour <= until
		if done {
			from = r.hour
		}
		sum += rate(date) * (course.until(until) - course.until(from)) / whole
		if done {
			break
		}
		until = 24
	}
	// A day's waste of a usual bin; what no longer fits lies beside it.
	share := sum * (0.25 + 0.3*min(1.5, s.exposure.people)) * s.size
	if share > 0.8 {
		share = 0.8 + 0.2*(1-math.Exp(-(share-0.8)/0.2))
	}
	return 0.02 + 0.98*share
}

func (s *station) waste() []Channel {
	r, course := s.collection(), s.courses.throwing
	kilos := 660 * (0.13 + 0.07*unit(s.salt(703))) // a bin of 660 l
	lean := 2 * unit(s.salt(704))
	filled := func(t time.Time) float64 {
		return *s.fills.at(t.UnixMilli(), func(ms int64) float64 { return s.filled(momentOf(ms), r, course) })
	}
	return []Channel{
		s.channel(telemetry.FillLevel, 0, func(t time.Time) float64 { return 100 * filled(t) }),
		s.channel(telemetry.Weight, 1, func(t time.Time) float64 {
			h := localHours(t.UnixMilli())
			soaked := 1 - math.Exp(-s.rain.between(h-12, h)/40)
			return kilos * filled(t) * (1 + 0.15*soaked)
		}),
		s.channel(telemetry.Temperature, 1, func(t time.Time) float64 {
			k := s.sky(t)
			// The sun on the lid, and what rots inside.
			return k.temperature + 0.009*k.radiation + 2.5*filled(t)
		}),
		s.channel(telemetry.Tilt, 0, func(t time.Time) float64 {
			if gust := s.sky(t).gust; gust > 24+12*unit(s.salt(705)) {
				return 82 + 6*unit(s.salt(706)) // blown over
			}
			return lean
		}),
		s.channel(telemetry.LidOpen, 0, func(t time.Time) float64 {
			m := momentOf(t.UnixMilli())
			if unit(mix(s.salt(707), uint64(m.ms))) < 0.05*course.at(m.hour) || filled(t) > 0.97 {
				return 1
			}
			return 0
		}),
		s.channel(telemetry.Fire, 0, func(time.Time) float64 { return 0 }),
	}
}
