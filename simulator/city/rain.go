package city

import "math"

// burst is one shower at a place: its rate is a parabola over its time, so that
// what falls between any two moments has a closed form. Hours are local.
type burst struct {
	from, length, mm float64
}

// fallen is what fell until the hour.
func (b *burst) fallen(h float64) float64 { return b.mm * ease((h-b.from)/b.length) }

// rate in mm/h.
func (b *burst) rate(h float64) float64 {
	x := (h - b.from) / b.length
	if x <= 0 || x >= 1 {
		return 0
	}
	return b.mm / b.length * 6 * x * (1 - x)
}

// shower bounds: a day begins so many, and none lasts longer.
const maxBursts = 5

// spell is the ordinary rain that begins on one day.
type spell struct {
	n      int
	bursts [maxBursts]burst
}

// square is where a place lies among the corners of a grid that lets showers
// differ from place to place.
type square struct {
	x, y   uint64
	fx, fy float64
	// factor is how much more or less than in Nha Trang it rains there.
	factor float64
}

// squareOf lays a grid of 0.08°, some 9 km.
func squareOf(lat, lon, factor float64) square {
	const size = 0.08
	x, y := lon/size, lat/size
	return square{uint64(int64(math.Floor(x))), uint64(int64(math.Floor(y))), fraction(x), fraction(y), factor}
}

// of is a number from 0 to 1 that varies smoothly from place to place.
func (s *square) of(salt uint64) float64 {
	at := func(x, y uint64) float64 { return unit(mix(mix(salt, x), y)) }
	a := at(s.x, s.y)*(1-s.fx) + at(s.x+1, s.y)*s.fx
	b := at(s.x, s.y+1)*(1-s.fx) + at(s.x+1, s.y+1)*s.fx
	return a*(1-s.fy) + b*s.fy
}

// fall is the ordinary rain that begins on a local day, in mm, where it rains as in
// Nha Trang.
//
// Whether it rains and how much is one draw: below the month's share of wet days
// it is wet, and the further below the more rain, by a Weibull law, whose
// tail is near the gamma law's that is customary for daily rain. Four
// days have most of the draw in common, so that wet days come together. From one
// four to the next and from year to year it goes round the unit interval evenly (a
// Kronecker sequence); how wet a month is in a year is drawn on top of it.
func (c *City) fall(date int64, d civil) float64 {
	const goldenRatio, root = 0.6180339887498949, 0.41421356237309515
	month := mix(c.rainSalt, uint64(d.month))
	draw := fraction(unit(month) + goldenRatio*float64(d.dom/4) + root*float64(d.year) + 0.3*unit(mix(c.rainSalt+1, uint64(date))))
	wet := c.climate.wetDays[d.month-1]
	share := wet / d.days()
	if draw >= share {
		return 0
	}
	shape, most := 1.05, 5.0 // showers
	if d.month >= 9 {
		shape, most = 1.3, 9 // rains
	}
	wetness := 0.4 + 1.2*fraction(unit(month+1)+goldenRatio*float64(d.year))
	return c.climate.rain[d.month-1] / wet * wetness * min(most, math.Pow(-math.Log(max(draw/share, 1e-9)), shape)) * c.rainScale[d.month-1]
}

// scaleRain takes a seed's chance out of the normals: over the 30 years from 2001,
// as long as meteorologists reckon normals, each month has its own.
func (c *City) scaleRain() {
	var sums monthly
	for i := range c.rainScale {
		c.rainScale[i] = 1
	}
	first, end := dateOf(2001, 1, 1), dateOf(2031, 1, 1)
	for date := first; date < end; date++ {
		d := civilOf(date)
		sums[d.month-1] += c.fall(date, d) / 30
	}
	for i := range c.rainScale {
		c.rainScale[i] = c.climate.rain[i] / sums[i]
	}
}

// spell is the ordinary rain that begins at a place on a local day, shower by
// shower.
func (c *City) spell(date int64, at *square) (s spell) {
	d := civilOf(date)
	total := c.fall(date, d) * at.factor
	if total == 0 || c.flooded(date) {
		return s
	}
	salt := mix(c.rainSalt+2, uint64(date))
	showery := d.month >= 4 && d.month <= 8 // afternoon showers; else rain at any hour
	s.n = 2 + int(unit(mix(salt, 1))*4)
	if showery {
		s.n = 1 + int(unit(mix(salt, 1))*3)
	}
	weights := 0.0
	for i := range s.n {
		weights += 0.3 + unit(mix(salt, uint64(10+i)))
	}
	for i := range s.n {
		h := mix(salt, uint64(20+i))
		mm := total * (0.3 + unit(mix(salt, uint64(10+i)))) / weights * (0.25 + 1.5*at.of(h))
		start, length := 24*unit(mix(h, 1)), 1.5+4*unit(mix(h, 2))
		if showery {
			start, length = 12.5+7*unit(mix(h, 1)), 0.5+unit(mix(h, 2))
		}
		start += 1.5 * (at.of(mix(h, 3)) - 0.5) // it comes to other places sooner or later
		s.bursts[i] = burst{from: float64(date)*24 + start, length: min(8, length*(1+mm/30)), mm: mm}
	}
	return s
}

// rainfall is the rain at one place.
type rainfall struct {
	city   *City
	at     square
	region region
	days   [4]memo[spell] // the last few days, by their number
}

func (r *rainfall) spell(date int64) *spell {
	return r.days[date&3].at(date, func(date int64) spell { return r.city.spell(date, &r.at) })
}

// between is the rain from one local hour to another, in mm.
func (r *rainfall) between(from, to float64) (mm float64) {
	for date := int64(math.Floor(from/24)) - 1; date <= int64(math.Floor((to+1)/24)); date++ {
		s := r.spell(date)
		for i := range s.n {
			b := &s.bursts[i]
			if b.from < to && b.from+b.length > from {
				mm += b.fallen(to) - b.fallen(from)
			}
		}
	}
	for _, e := range r.city.storms {
		mm += e.rain[r.region].between(from, to) * e.share(&r.at)
	}
	return max(0, mm)
}

// rate is the rain at a local hour, in mm/h.
func (r *rainfall) rate(h float64) (rate float64) {
	today := int64(math.Floor((h + 1) / 24))
	for date := int64(math.Floor(h/24)) - 1; date <= today; date++ {
		s := r.spell(date)
		for i := range s.n {
			rate += s.bursts[i].rate(h)
		}
	}
	for _, e := range r.city.storms {
		rate += e.rain[r.region].at(h) * e.share(&r.at)
	}
	return rate
}

// course is a quantity known at each full hour from some hour on, straight
// between them and 0 elsewhere, and its sum.
type course struct {
	from  float64
	level []float64
	sums  []float64
}

func newCourse(from float64, level []float64) course {
	c := course{from: from, level: level, sums: make([]float64, len(level))}
	for i := 1; i < len(level); i++ {
		c.sums[i] = c.sums[i-1] + (level[i-1]+level[i])/2
	}
	return c
}

func (c *course) at(h float64) float64 {
	x := h - c.from
	if x < 0 || x >= float64(len(c.level)-1) {
		return 0
	}
	i := int(x)
	return c.level[i] + (c.level[i+1]-c.level[i])*(x-float64(i))
}

// until is the integral up to the hour.
func (c *course) until(h float64) float64 {
	x := h - c.from
	if x <= 0 || len(c.level) == 0 {
		return 0
	}
	if x >= float64(len(c.level)-1) {
		return c.sums[len(c.sums)-1]
	}
	i := int(x)
	f := x - float64(i)
	return c.sums[i] + f*c.level[i] + f*f/2*(c.level[i+1]-c.level[i])
}

func (c *course) between(from, to float64) float64 { return c.until(to) - c.until(from) }
