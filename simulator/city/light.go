package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// nights is when the province's lamps burn: from 2° under the horizon to 2° under
// it, by the controllers' astronomical clocks, which are set for Nha Trang. Their
// clocks repeat every four years, so hours since any day are a sum of whole cycles
// and a table.
type nights struct {
	on, off   []float64 // local hours, for each day of the cycle
	full, dim []float64 // hours that came together before the day
}

const (
	year2000 = 10957 // the local day 2000-01-01
	cycle    = 4*365 + 1
	// Lamps are dimmed while the streets are empty.
	dimFrom, dimTo = 23.0, 4.5
	dimmed         = 0.6
)

func newNights() *nights {
	n := &nights{full: make([]float64, cycle+1), dim: make([]float64, cycle+1)}
	for i := range cycle {
		off, on := crossings(year2000+int64(i), 12.2389, 109.1967, -2)
		n.on, n.off = append(n.on, on), append(n.off, off)
		n.full[i+1] = n.full[i] + (off - dimTo) + (dimFrom - on)
		n.dim[i+1] = n.dim[i] + dimTo + 24 - dimFrom
	}
	return n
}

// place in the cycle: which day of it, after how many whole ones.
func (n *nights) place(date int64) (i int64, cycles float64) {
	c := floorDiv(date-year2000, cycle)
	return date - year2000 - c*cycle, float64(c)
}

// shine is how bright a lamp is, 0 to 1, that switches so many hours late.
func (n *nights) shine(m moment, late float64) float64 {
	i, _ := n.place(m.date)
	switch h := m.hour; {
	case h < dimTo, h >= dimFrom:
		return dimmed
	case h < n.off[i]+late, h >= n.on[i]+late:
		return 1
	}
	return 0
}

// burned is the hours at full and at dimmed light from 2000 until the moment.
func (n *nights) burned(m moment, late float64) (full, dim float64) {
	i, cycles := n.place(m.date)
	full = cycles*n.full[cycle] + n.full[i]
	dim = cycles*n.dim[cycle] + n.dim[i]
	dim += min(m.hour, dimTo) + max(0, m.hour-dimFrom)
	full += max(0, min(m.hour, n.off[i]+late)-dimTo) + max(0, min(m.hour, dimFrom)-n.on[i]-late)
	return full, dim
}

func (s *station) streetLight() []Channel {
	const standby = 0.8                       // W that the controller takes
	lamp := 20 * math.Round(s.lampWatts()/20) // W
	late := 0.1 * (2*unit(s.salt(500)) - 1)   // h; no two lamps switch at once
	began := momentOf(dateOf(2017, 1, 1)*day + int64(unit(s.salt(501))*1000)*day)
	beganFull, beganDim := s.nights.burned(began, late)
	shine := func(t time.Time) float64 { return s.nights.shine(momentOf(t.UnixMilli()), late) }
	power := func(t time.Time) float64 { return standby + lamp*shine(t) }
	volts := func(t time.Time) float64 { return s.volts(t.UnixMilli(), 229, 5) }
	burned := func(t time.Time) (full, dim float64) {
		full, dim = s.nights.burned(momentOf(t.UnixMilli()), late)
		return max(0, full-beganFull), max(0, dim-beganDim)
	}
	return []Channel{
		s.channel(telemetry.On, 0, func(t time.Time) float64 { return math.Ceil(shine(t)) }),
		s.channel(telemetry.Dimming, 0, func(t time.Time) float64 { return 100 * shine(t) }),
		s.channel(telemetry.Power, 1, power),
		s.channel(telemetry.Voltage, 1, volts),
		s.channel(telemetry.Current, 3, func(t time.Time) float64 { return power(t) / volts(t) / 0.95 }),
		s.channel(telemetry.EnergyTotal, 3, func(t time.Time) float64 {
			full, dim := burned(t)
			on := max(0, float64(t.UnixMilli()-began.ms)) / hour
			return (lamp*(full+dimmed*dim) + standby*on) / 1000
		}),
		s.channel(telemetry.BurningHours, 2, func(t time.Time) float64 {
			full, dim := burned(t)
			return full + dim
		}),
		s.channel(telemetry.Illuminance, 1, func(t time.Time) float64 {
			// Under the lamp: daylight, and some 0.2 lx for each watt.
			return s.sky(t).light()*0.9 + 0.2*lamp*shine(t)
		}),
		s.channel(telemetry.Fault, 0, func(time.Time) float64 { return 0 }),
	}
}

// lampWatts is an LED lantern's rated power by the road that it lights.
func (s *station) lampWatts() float64 {
	w := 80.0
	switch s.Setting {
	case Centre, Road, Market, Beach:
		w = 120
	case Highway, Port, Airport, Industrial:
		w = 160
	}
	return w * s.size
}

// volts of a grid that sags when the load is high.
func (s *station) volts(ms int64, nominal, sag float64) float64 {
	h := momentOf(ms).hour
	return nominal - sag*bell(h, 19, 2.5) - 0.6*sag*bell(h, 10.5, 3) + 0.008*nominal*wander(s.town(510), ms, 50*minute) + 0.003*nominal*wander(s.salt(511), ms, 3*minute)
}
