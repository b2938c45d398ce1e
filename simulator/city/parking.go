package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Courses of a car park's occupancy, as a share of its spaces.
func parkedAtBeach() *profile { // early swimmers, and the evening
	return &profile{
		0.12, 0.09, 0.08, 0.10, 0.28, 0.50, 0.48, 0.36, 0.34, 0.36, 0.36, 0.34,
		0.30, 0.28, 0.32, 0.46, 0.64, 0.78, 0.84, 0.82, 0.72, 0.52, 0.32, 0.18,
	}
}

func parkedInTown() *profile { // errands and offices
	return &profile{
		0.14, 0.13, 0.13, 0.13, 0.14, 0.18, 0.32, 0.58, 0.76, 0.84, 0.86, 0.74,
		0.58, 0.64, 0.78, 0.82, 0.76, 0.62, 0.60, 0.58, 0.50, 0.38, 0.24, 0.17,
	}
}

// lotState is a car park at a reading and at the one before.
type lotState struct{ occupied, before, through float64 }

func (s *station) lot(t time.Time) *lotState { return s.lots.at(t.UnixMilli(), s.lotAt) }

// occupiedAt is how many spaces are taken: whole cars.
func (s *station) occupiedAt(ms int64) float64 {
	m := momentOf(ms)
	d, e, h := s.moodAt(m.date), &s.exposure, m.hours()
	// Yesterday's mood lasts until people go home, some hours after midnight.
	y := s.moodAt(m.date - 1)
	blend := ease(m.hour / 5)
	leisure, work := y.leisure+(d.leisure-y.leisure)*blend, y.work+(d.work-y.work)*blend
	guests := s.courses.beach.at(m.hour) * leisure * math.Exp(-s.rain.between(h-1.5, h)/6)
	errands := s.courses.town.at(m.hour) * (0.45 + 0.55*work)
	share := e.tourism*guests + (1-e.tourism)*errands
	share = share*(1+0.08*wander(s.salt(800), ms, 70*minute)+0.08*wander(s.town(800), ms, 30*hour)) + 0.02*wander(s.salt(801), ms, 20*minute)
	if share > 0.85 { // the last spaces fill slowly
		share = 0.85 + 0.15*(1-math.Exp(-(share-0.85)/0.15))
	}
	return math.Round(s.spaces * within(share, 0, 1))
}

func (s *station) lotAt(ms int64) lotState {
	l := lotState{occupied: s.occupiedAt(ms), before: s.occupiedAt(ms - s.every)}
	// Who came and went between two readings, some 25 minutes to a visit by the
	// beach and in errands, is not seen in the occupancy.
	l.through = count(s.salt(802), ms, 0.5*l.occupied*s.hours())
	return l
}

func (s *station) parking() []Channel {
	return []Channel{
		s.channel(telemetry.Occupied, 0, func(t time.Time) float64 { return s.lot(t).occupied }),
		s.channel(telemetry.Capacity, 0, func(time.Time) float64 { return s.spaces }),
		s.channel(telemetry.Entries, 0, func(t time.Time) float64 {
			l := s.lot(t)
			return l.through + max(0, l.occupied-l.before)
		}),
		s.channel(telemetry.Exits, 0, func(t time.Time) float64 {
			l := s.lot(t)
			return l.through + max(0, l.before-l.occupied)
		}),
	}
}
