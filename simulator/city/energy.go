package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// consumer is a class of consumers with a load curve of its own.
type consumer int

const (
	homes consumer = iota
	offices
	hotels
	works
	consumers
)

// curve is a class's load over a day, 1 at a usual day's peak.
func (c consumer) curve() profile {
	switch c {
	case homes:
		return profile{
			0.58, 0.54, 0.51, 0.49, 0.50, 0.55, 0.58, 0.55, 0.54, 0.56, 0.60, 0.68,
			0.70, 0.66, 0.60, 0.58, 0.60, 0.72, 0.92, 1.00, 0.98, 0.90, 0.77, 0.66,
		}
	case offices:
		return profile{
			0.30, 0.28, 0.27, 0.27, 0.28, 0.34, 0.50, 0.78, 0.94, 1.00, 1.00, 0.92,
			0.70, 0.86, 0.98, 0.98, 0.92, 0.72, 0.62, 0.60, 0.54, 0.46, 0.38, 0.33,
		}
	case hotels:
		return profile{
			0.60, 0.54, 0.51, 0.50, 0.54, 0.62, 0.70, 0.74, 0.72, 0.70, 0.70, 0.74,
			0.78, 0.78, 0.76, 0.76, 0.80, 0.88, 0.97, 1.00, 0.98, 0.92, 0.82, 0.70,
		}
	default:
		return profile{
			0.60, 0.58, 0.57, 0.57, 0.60, 0.68, 0.85, 0.98, 1.00, 1.00, 0.98, 0.88,
			0.86, 0.97, 1.00, 0.99, 0.95, 0.84, 0.76, 0.74, 0.72, 0.70, 0.66, 0.62,
		}
	}
}

// consumerOf is a setting's class, and the rated load of a transformer there in W.
func consumerOf(s Setting) (consumer, float64) {
	switch s {
	case Centre, Road:
		return offices, 320e3
	case Market:
		return offices, 200e3
	case Beach, Sea:
		return hotels, 400e3
	case Airport:
		return hotels, 900e3
	case Industrial, Port, Landfill, Aquaculture:
		return works, 800e3
	default:
		return homes, 160e3
	}
}

// loads is the electric load of each class and locality day by day, with the
// energy that came together before each day, so that a meter can be asked for at
// any time. The table repeats outside its years.
type loads struct {
	curves [consumers]profile
	// factor is a class's load at the beginning of each day of the table: between
	// two it changes evenly.
	factor [consumers][]float64
	before [consumers][]float64 // hours at full load
}

const (
	loadsFrom = year2000 + 15*365 // late in 2014
	loadsDays = 40 * 365
)

func newLoads(c *City) *loads {
	l := &loads{}
	for k := range consumers {
		l.curves[k] = k.curve()
		l.factor[k] = make([]float64, loadsDays+1)
		l.before[k] = make([]float64, loadsDays+1)
	}
	for i := range loadsDays {
		for k, f := range c.dayLoads(loadsFrom + int64(i)) {
			l.factor[k][i] = f
		}
	}
	for k := range consumers {
		l.factor[k][loadsDays] = l.factor[k][0]
		for i := range loadsDays {
			l.before[k][i+1] = l.before[k][i] + l.within(k, int64(i), 24)
		}
	}
	return l
}

// dayLoads are the classes' loads on a day: air conditioners follow the warmth,
// offices and factories the working week, hotels the guests.
func (c *City) dayLoads(date int64) [consumers]float64 {
	m := c.mood(date, "")
	noon := date*day - zone + 12*hour
	season := momentOf(noon).season()
	warm := (c.climate.low.at(season)+c.climate.high.at(season))/2 + 1.2*wander(c.province(1), noon, 80*hour) - 26.5
	warm += c.strength(Heat, float64(date)*24+12, "")
	cooling := math.Max(0.75, 1+0.028*warm)
	atHome := 1 + 0.12*(1-m.work)
	if m.closed || m.work < 0.2 {
		atHome = 0.9 // many are with their families elsewhere
	}
	for _, s := range c.storms {
		if h := float64(date)*24 + 12; s.Kind == Typhoon && h > s.from && h < s.to {
			m.load *= 0.6
			atHome *= 0.85
		}
	}
	return [consumers]float64{
		homes:   0.92 * cooling * atHome,
		offices: 0.92 * (0.4*cooling + 0.6) * m.load,
		hotels:  0.70 * cooling * (0.65 + 0.35*min(2, m.leisure)),
		works:   0.90 * (0.25 + 0.75*m.load),
	}
}

// at is the load at an hour of a day of the table.
func (l *loads) at(k consumer, i int64, h float64) float64 {
	a, b := l.factor[k][i], l.factor[k][i+1]
	return l.curves[k].at(h) * (a + (b-a)*h/24)
}

// within is the hours at full load from midnight to an hour of a day of the
// table. Within an hour the load is a parabola, so Simpson's rule is exact.
func (l *loads) within(k consumer, i int64, until float64) (sum float64) {
	for h := 0.0; h < until; h++ {
		end := min(h+1, until)
		sum += (end - h) / 6 * (l.at(k, i, h) + 4*l.at(k, i, (h+end)/2) + l.at(k, i, end))
	}
	return sum
}

// place of a day in the table.
func (l *loads) place(date int64) (i int64, cycles float64) {
	c := floorDiv(date-loadsFrom, loadsDays)
	return date - loadsFrom - c*loadsDays, float64(c)
}

// load at a moment, and the hours at full load from the table's begin until then.
func (l *loads) load(k consumer, m moment) float64 {
	i, _ := l.place(m.date)
	return l.at(k, i, m.hour)
}

func (l *loads) hours(k consumer, m moment) float64 {
	i, cycles := l.place(m.date)
	return cycles*l.before[k][loadsDays] + l.before[k][i] + l.within(k, i, m.hour)
}

func (s *station) energy() []Channel {
	class, watts := consumerOf(s.Setting)
	watts *= s.size
	// Lifts and compressors come and go: sines, for their integral is exact.
	type ripple struct{ share, perHour, phase float64 }
	var ripples [3]ripple
	for i := range ripples {
		u := func(n uint64) float64 { return unit(mix(s.salt(600+n), uint64(i))) }
		period := [...]float64{0.31, 1.13, 4.7}[i] * (0.8 + 0.4*u(1)) // hours
		ripples[i] = ripple{[...]float64{0.006, 0.009, 0.012}[i], 2 * math.Pi / period, 2 * math.Pi * u(2)}
	}
	since := func(t time.Time) float64 { return float64(t.UnixMilli())/hour - loadsFrom*24 }
	power := func(t time.Time) float64 {
		p, h := s.loads.load(class, momentOf(t.UnixMilli())), since(t)
		for _, r := range ripples {
			p += r.share * math.Cos(r.perHour*h+r.phase)
		}
		return watts * p
	}
	began := momentOf(dateOf(2017, 1, 1)*day + int64(unit(s.salt(601))*1000)*day)
	total := func(m moment) float64 {
		e, h := s.loads.hours(class, m), float64(m.ms)/hour-loadsFrom*24
		for _, r := range ripples {
			e += r.share / r.perHour * math.Sin(r.perHour*h+r.phase)
		}
		return e * watts / 1000
	}
	first := total(began)
	factor := func(t time.Time) float64 {
		base := [...]float64{0.95, 0.93, 0.94, 0.89}[class]
		return base + 0.02*wander(s.salt(602), t.UnixMilli(), 2*hour)
	}
	volts := func(t time.Time) float64 { return s.volts(t.UnixMilli(), 398, 8) }
	return []Channel{
		s.channel(telemetry.Power, 0, power),
		s.channel(telemetry.ReactivePower, 0, func(t time.Time) float64 {
			f := factor(t)
			return power(t) * math.Sqrt(1-f*f) / f
		}),
		s.channel(telemetry.PowerFactor, 3, factor),
		s.channel(telemetry.EnergyTotal, 2, func(t time.Time) float64 {
			return max(0, total(momentOf(t.UnixMilli()))-first) // the meter is not older
		}),
		s.channel(telemetry.Voltage, 1, volts),
		s.channel(telemetry.Current, 2, func(t time.Time) float64 { return power(t) / (math.Sqrt(3) * volts(t) * factor(t)) }),
		s.channel(telemetry.Frequency, 3, func(t time.Time) float64 {
			ms := t.UnixMilli()
			return 50 + 0.04*wander(s.province(603), ms, 7*minute) + 0.02*wander(s.province(604), ms, 40*second)
		}),
	}
}
