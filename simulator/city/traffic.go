package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Courses of a day's traffic, 1 at the busiest hour of the kind.
func commuting() *profile { // to work and school before seven, home after five, and a siesta between
	return &profile{
		0.05, 0.03, 0.02, 0.03, 0.08, 0.28, 0.78, 1.00, 0.70, 0.55, 0.58, 0.72,
		0.52, 0.48, 0.52, 0.58, 0.80, 1.00, 0.88, 0.66, 0.55, 0.42, 0.25, 0.11,
	}
}

func goingOut() *profile { // of guests and on free days
	return &profile{
		0.14, 0.07, 0.04, 0.05, 0.20, 0.38, 0.42, 0.45, 0.52, 0.60, 0.62, 0.60,
		0.52, 0.45, 0.48, 0.58, 0.75, 0.92, 1.00, 1.00, 0.95, 0.80, 0.52, 0.28,
	}
}

func trading() *profile { // of markets, which begin before dawn
	return &profile{
		0.08, 0.10, 0.20, 0.45, 0.80, 1.00, 1.00, 0.95, 0.85, 0.75, 0.70, 0.60,
		0.42, 0.36, 0.42, 0.52, 0.66, 0.70, 0.52, 0.38, 0.26, 0.18, 0.12, 0.09,
	}
}

func travelling() *profile { // on national roads, at night coaches and trucks
	return &profile{
		0.30, 0.26, 0.25, 0.28, 0.38, 0.55, 0.72, 0.85, 0.90, 0.92, 0.90, 0.82,
		0.72, 0.75, 0.84, 0.92, 1.00, 1.00, 0.88, 0.74, 0.62, 0.52, 0.44, 0.36,
	}
}

// courses are the profiles that all stations share.
type courses struct{ commuting, goingOut, trading, travelling, throwing, beach, town *profile }

func newCourses() *courses {
	return &courses{commuting(), goingOut(), trading(), travelling(), throwing(), parkedAtBeach(), parkedInTown()}
}

// roadState is the expected traffic at a moment, without chance.
type roadState struct {
	mood mood
	flow [5]float64 // vehicles an hour: motorcycles, cars, buses, trucks, bicycles
	all  float64
	// load is the share of the road's capacity; speed in km/h.
	load, speed float64
	units       float64 // passenger car units an hour and lane
}

// units are how much road a motorcycle, car, bus, truck and bicycle take, in cars.
func units() [5]float64 { return [5]float64{0.3, 1, 2.2, 2.2, 0.25} }

func (s *station) moodAt(date int64) *mood {
	return s.moods[date&7].at(date, func(date int64) mood { return s.mood(date, s.Locality) })
}

// demand is how busy the place is: 1 on a working day at its busiest.
func (s *station) demand(m moment, d *mood) float64 {
	e, c := &s.exposure, s.courses
	if s.Setting == Highway {
		return (1-e.tourism)*d.travel*c.travelling.at(m.hour) + e.tourism*d.leisure*c.goingOut.at(m.hour)
	}
	local := 1 - e.tourism - e.market*0.7
	free := 0.5 * min(1.3, d.leisure)
	return local*(d.work*c.commuting.at(m.hour)+max(0, 1-d.work)*free*c.goingOut.at(m.hour)) +
		e.tourism*d.leisure*c.goingOut.at(m.hour) + e.market*0.7*d.trade*c.trading.at(m.hour)
}

func (s *station) roadAt(ms int64) (r roadState) {
	m := momentOf(ms)
	r.mood = *s.moodAt(m.date)
	h := m.hours()
	demand := s.demand(m, &r.mood) * (1 + 0.10*wander(s.salt(200), ms, 20*minute) + 0.06*wander(s.town(200), ms, 26*hour))
	rain := s.rain.rate(h)
	demand *= 1 - 0.3*(1-math.Exp(-rain/8))
	wild := 0.0
	for _, e := range s.storms {
		if h <= e.from || h >= e.to || !e.concerns(s.Locality) {
			continue
		}
		switch e.Kind {
		case Flood: // streets under water
			wild = max(wild, 0.45*min(1, e.Strength)*e.waxing(h))
		case Typhoon, Depression: // people are told to stay at home
			lat, lon := s.Lat, s.Lon
			x, y, _ := e.vortex(h, lat, lon)
			wild = max(wild, 0.9*ease((math.Hypot(x, y)-9)/16))
		}
	}
	demand *= 1 - wild
	total := s.exposure.vehicles * s.size * demand
	// Heavy vehicles keep to the day less than others, buses to the guests.
	shares := s.exposure.mix
	night := 1 - s.courses.commuting.at(m.hour)
	shares[3] *= 1 + 0.8*night
	shares[2] *= 0.8 + 0.2*r.mood.leisure
	shares[4] *= 1 - 0.6*night
	sum, weights := 0.0, units()
	for _, v := range shares {
		sum += v
	}
	for i, v := range shares {
		r.flow[i] = total * v / sum
		r.units += r.flow[i] * weights[i] / s.exposure.lanes
	}
	r.all = total
	r.load = r.units / s.capacity()
	// Travel time grows with the fourth power of the load (Bureau of Public
	// Roads 1964), here with a higher factor for mixed traffic; wet roads and spray slow down further.
	r.speed = s.exposure.freeSpeed * (1 - 0.2*(1-math.Exp(-rain/6))) * (1 - 0.5*wild) / (1 + 0.6*math.Pow(r.load, 4))
	return r
}

// capacity of a lane in car units an hour: in town signals share the hour.
func (s *station) capacity() float64 {
	if s.Setting == Highway {
		return 1300
	}
	return 720
}

// countState is what passed in an interval.
type countState struct {
	passed [5]float64
	all    float64
	road   roadState
}

func (s *station) counted(t time.Time) *countState { return s.counts.at(t.UnixMilli(), s.countAt) }

func (s *station) countAt(ms int64) (c countState) {
	c.road = *s.roads.at(ms-s.every/2, s.roadAt)
	for i, flow := range c.road.flow {
		c.passed[i] = count(s.salt(210+uint64(i)), ms, flow*s.hours())
		c.all += c.passed[i]
	}
	return c
}

func (s *station) traffic() []Channel {
	passed := func(i int) func(t time.Time) float64 {
		return func(t time.Time) float64 { return s.counted(t).passed[i] }
	}
	seconds := float64(s.every) / second
	return []Channel{
		s.channel(telemetry.Vehicles, 0, func(t time.Time) float64 { return s.counted(t).all }),
		s.channel(telemetry.Motorcycles, 0, passed(0)),
		s.channel(telemetry.Cars, 0, passed(1)),
		s.channel(telemetry.Buses, 0, passed(2)),
		s.channel(telemetry.Trucks, 0, passed(3)),
		s.channel(telemetry.Bicycles, 0, passed(4)),
		s.channel(telemetry.Speed, 1, func(t time.Time) float64 {
			return s.counted(t).road.speed * (1 + 0.04*normal(s.salt(220), t.UnixMilli())/math.Sqrt(1+seconds/60))
		}),
		s.channel(telemetry.Occupancy, 1, func(t time.Time) float64 {
			// Density times the length that a car and its loop cover, 6.5 m.
			r := &s.counted(t).road
			return r.units / r.speed * 0.65
		}),
		s.channel(telemetry.Headway, 1, func(t time.Time) float64 {
			return seconds / max(1, s.counted(t).all) // nobody came: at least the interval
		}),
		s.channel(telemetry.QueueLength, 0, func(t time.Time) float64 { return s.queue(&s.counted(t).road) }),
	}
}

// queue in m: who comes in 35 s of red, 6.5 m each, and what the green no longer
// lets through. A highway has one only where it is full.
func (s *station) queue(r *roadState) float64 {
	queue := 450 * max(0, r.load-0.85)
	if s.Setting != Highway {
		queue += r.units / 3600 * 35 * 6.5
	}
	return queue
}
