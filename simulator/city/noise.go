package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// noiseState is the sound of an interval in dBA, by the usual model of normally
// distributed levels: LAeq lies 0.115 σ² above the median.
type noiseState struct {
	eq, median, spread float64
	loudest            float64
}

func (s *station) sound(t time.Time) *noiseState { return s.noises.at(t.UnixMilli(), s.noiseAt) }

// noiseAt adds the energies of traffic, evenings, markets, surf, rain, wind, works
// and aeroplanes over the quiet of the place.
func (s *station) noiseAt(ms int64) noiseState {
	m := momentOf(ms)
	e, r, h := &s.exposure, s.roadAt(ms), m.hours()
	rain := s.rain.rate(h)
	energy := func(db float64) float64 { return math.Pow(10, db/10) }
	vehicles := 0.8*r.flow[0] + r.flow[1] + 6*r.flow[2] + 8*r.flow[3]
	traffic := energy(35.5) * vehicles * (0.5 + 0.5*math.Pow(r.speed/45, 2)) * (1 + 0.25*min(1, rain/3))
	sum := energy(e.quiet-4) + traffic
	sum += energy(68) * e.nightLife * min(2, r.mood.leisure) * (bell(m.hour, 20.8, 1.5) + 0.25*bell(fraction(m.hour/24+0.5)*24, 12.3, 1)) * math.Exp(-rain/10)
	sum += energy(70) * max(0, e.market-0.1) * r.mood.trade * s.courses.trading.at(m.hour)
	if rain > 0.1 {
		sum += energy(44 + 9*math.Log10(rain+1))
	}
	if s.Setting == Beach || s.Setting == Sea || s.Setting == Port {
		sum += energy(50 + 4*wander(s.town(400), ms, 30*hour))
	}
	sum += energy(58) * e.industry * (0.6 + 0.4*r.mood.load)
	for _, k := range s.storms {
		if (k.Kind == Typhoon || k.Kind == Depression) && h > k.from && h < k.to {
			x, y, _ := k.vortex(h, s.Lat, s.Lon)
			sum += energy(30 + 1.4*min(32, math.Hypot(x, y)*s.exposure.wind))
		}
	}
	aeroplane := 0.0
	if s.Setting == Airport { // one in about ten minutes by day, each heard for one
		slot := floorDiv(ms, minute)
		if unit(mix(s.salt(401), uint64(slot))) < 0.1*s.courses.goingOut.at(m.hour)+0.02 {
			aeroplane = 74 + 8*unit(mix(s.salt(402), uint64(slot)))
			sum += energy(aeroplane)
		}
	}
	n := noiseState{eq: 10*math.Log10(sum) + 3*(s.size-1) + 0.9*wander(s.salt(403), ms, 8*minute) + 0.5*jitter(s.salt(404), ms)}
	n.spread = 2.2 + 4.8*math.Exp(-r.all/350) + aeroplane/40
	if rain > 1 {
		n.spread *= 0.8 // steady rain evens it out
	}
	n.median = n.eq - 0.115*n.spread*n.spread
	n.loudest = max(n.median+n.spread*(2.5+0.8*unit(mix(s.salt(405), uint64(ms)))), n.eq+3, aeroplane+3)
	return n
}

func (s *station) noise() []Channel {
	at := func(spreads float64) func(t time.Time) float64 {
		return func(t time.Time) float64 { n := s.sound(t); return n.median + spreads*n.spread }
	}
	return []Channel{
		s.channel(telemetry.LAeq, 1, func(t time.Time) float64 { return s.sound(t).eq }),
		s.channel(telemetry.LAmax, 1, func(t time.Time) float64 { return s.sound(t).loudest }),
		s.channel(telemetry.LAmin, 1, func(t time.Time) float64 {
			n := s.sound(t)
			return n.median - n.spread*(1.9+0.4*unit(mix(s.salt(406), uint64(t.UnixMilli()))))
		}),
		s.channel(telemetry.LA10, 1, at(1.28)),
		s.channel(telemetry.LA50, 1, at(0)),
		s.channel(telemetry.LA90, 1, at(-1.28)),
	}
}
