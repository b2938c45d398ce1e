// Package vnaqi computes VN_AQI, the Vietnamese air quality index, as Decision
// 1459/QĐ-TCMT of 12 November 2019 has it. It is arithmetic only: no clock, no
// store. All concentrations are in µg/m³, carbon monoxide included, and NaN is a
// value that is not there.
//
// # What goes in
//
// Hourly means of what instruments measured. What they sent while calibrating or
// in error must be left out before.
//
// # Where the decision is silent
//
// It states no share of a day's hours that must be there. That a day needs
// [MinDayHours] of particles, and an eight-hour mean of ozone [MinOzoneHours], is
// this project's policy and not law. The decision's own example of NO₂ 118.7
// prints 60 where its formula gives 59.35; this package follows the formula.
package vnaqi

import (
	"math"
	"time"
)

const (
	// NowCastHours is how many hourly means NowCast looks at.
	NowCastHours = 12
	// MinDayHours is how many of a day's 24 hourly means of a particle must be
	// there: three quarters. Project policy, see the package's comment.
	MinDayHours = 18
	// MinOzoneHours is how many of eight hourly means make an eight-hour mean of
	// ozone: three quarters. Project policy.
	MinOzoneHours = 6
	// OzoneBefore is how many hours before a day its first eight-hour mean
	// reaches back.
	OzoneBefore = 7

	// Max is the highest index; more is not told apart.
	Max = 500

	// ozone8Limit is the eight-hour mean above which only the one-hour mean
	// counts.
	ozone8Limit = 400
)

// Pollutant is one of those that the index is made of. Its number is what the
// store keeps for the dominant one, so it never changes.
type Pollutant uint8

// The pollutants. None is what dominates where there is no index.
const (
	None Pollutant = iota
	PM25
	PM10
	O3
	NO2
	SO2
	CO
)

// Pollutants lists them in their order.
func Pollutants() []Pollutant { return []Pollutant{PM25, PM10, O3, NO2, SO2, CO} }

// String is the pollutant as people write it.
func (p Pollutant) String() string {
	if names := [...]string{"", "PM2.5", "PM10", "O₃", "NO₂", "SO₂", "CO"}; int(p) < len(names) {
		return names[p]
	}
	return ""
}

// Index is one station's index for an hour or a day.
type Index struct {
	// Value is the index, 0 to 500.
	Value int
	// Dominant is the pollutant whose index is the largest.
	Dominant Pollutant
	// Sub are the pollutants' own indices by Pollutant, not rounded; NaN where
	// there was nothing to compute one from.
	Sub [CO + 1]float64
}

// Hour is what the index of an hour is made of.
type Hour struct {
	// PM25 and PM10 are the hourly means of the last twelve hours, the newest
	// first. Fewer means that the older ones are not there.
	PM25, PM10 []float64
	// O3, NO2, SO2 and CO are the hour's means.
	O3, NO2, SO2, CO float64
}

// Hourly is an hour's index; false if there is none, because neither PM2.5 nor
// PM10 can be told.
func Hourly(h Hour) (Index, bool) {
	var sub [CO + 1]float64
	sub[None] = math.NaN()
	sub[PM25] = interpolate(PM25, NowCast(h.PM25))
	sub[PM10] = interpolate(PM10, NowCast(h.PM10))
	sub[O3] = interpolate(O3, h.O3)
	sub[NO2] = interpolate(NO2, h.NO2)
	sub[SO2] = interpolate(SO2, h.SO2)
	sub[CO] = interpolate(CO, h.CO)
	return join(sub)
}

// Day is what the index of a day is made of. The hourly means are those that end
// at 01:00, 02:00 … 00:00 of the following midnight, 24 in this order.
type Day struct {
	PM25, PM10, NO2, SO2, CO [24]float64
	// O3 has the last seven hours of the day before too, in front: the first
	// eight-hour mean ends at 01:00.
	O3 [OzoneBefore + 24]float64
}

// Daily is a day's index; false if there is none, because neither PM2.5 nor PM10
// has enough hours.
func Daily(d Day) (Index, bool) {
	var sub [CO + 1]float64
	sub[None] = math.NaN()
	sub[PM25] = interpolate(PM25, mean(d.PM25[:], MinDayHours))
	sub[PM10] = interpolate(PM10, mean(d.PM10[:], MinDayHours))
	sub[NO2] = interpolate(NO2, largest(d.NO2[:]))
	sub[SO2] = interpolate(SO2, largest(d.SO2[:]))
	sub[CO] = interpolate(CO, largest(d.CO[:]))
	sub[O3] = interpolate(O3, largest(d.O3[OzoneBefore:]))
	if eight := Ozone8(d.O3); eight <= ozone8Limit { // not where it is NaN
		sub[O3] = larger(sub[O3], along(ozone8(), eight))
	}
	return join(sub)
}

// Ozone8 is the largest of a day's 24 running eight-hour means.
func Ozone8(hours [OzoneBefore + 24]float64) float64 {
	max := math.NaN()
	for end := OzoneBefore; end < len(hours); end++ {
		max = larger(max, mean(hours[end-OzoneBefore:end+1], MinOzoneHours))
	}
	return max
}

// NowCast is the weighted mean of up to twelve hourly means, the newest first:
// the more they differ, the less the older ones count. It is NaN unless two of
// the newest three are there.
func NowCast(hours []float64) float64 {
	hours = hours[:min(len(hours), NowCastHours)]
	recent := 0
	least, most := math.Inf(1), math.Inf(-1)
	for i, c := range hours {
		if math.IsNaN(c) {
			continue
		}
		if i < 3 {
			recent++
		}
		least, most = min(least, c), max(most, c)
	}
	if recent < 2 {
		return math.NaN()
	}
	w := 1.0
	if most > 0 {
		w = max(least/most, 0.5)
	}
	var sum, weights float64
	weight := 1.0
	for _, c := range hours {
		if !math.IsNaN(c) {
			sum += weight * c
			weights += weight
		}
		weight *= w
	}
	return sum / weights
}

// join makes the index of its parts: the largest counts, and a particle must be
// among them.
func join(sub [CO + 1]float64) (Index, bool) {
	out := Index{Sub: sub}
	if math.IsNaN(sub[PM25]) && math.IsNaN(sub[PM10]) {
		return out, false
	}
	top := math.Inf(-1)
	for _, p := range Pollutants() {
		if sub[p] > top { // never for NaN
			top, out.Dominant = sub[p], p
		}
	}
	out.Value = int(math.Round(top))
	return out, true
}

// step is a row of the decision's table: the index at a concentration.
type step struct{ c, index float64 }

// table is a pollutant's column: one-hour means for gases, NowCast or the day's
// mean for particles.
func table(p Pollutant) []step {
	switch p {
	case PM25:
		return []step{{0, 0}, {25, 50}, {50, 100}, {80, 150}, {150, 200}, {250, 300}, {350, 400}, {500, 500}}
	case PM10:
		return []step{{0, 0}, {50, 50}, {150, 100}, {250, 150}, {350, 200}, {420, 300}, {500, 400}, {600, 500}}
	case O3:
		return []step{{0, 0}, {160, 50}, {200, 100}, {300, 150}, {400, 200}, {800, 300}, {1000, 400}, {1200, 500}}
	case NO2:
		return []step{{0, 0}, {100, 50}, {200, 100}, {700, 150}, {1200, 200}, {2350, 300}, {3100, 400}, {3850, 500}}
	case SO2:
		return []step{{0, 0}, {125, 50}, {350, 100}, {550, 150}, {800, 200}, {1600, 300}, {2100, 400}, {2630, 500}}
	case CO:
		return []step{{0, 0}, {10_000, 50}, {30_000, 100}, {45_000, 150}, {60_000, 200}, {90_000, 300}, {120_000, 400}, {150_000, 500}}
	default:
		return nil
	}
}

// ozone8 is the column of ozone's eight-hour mean, which ends at 400 µg/m³.
func ozone8() []step {
	return []step{{0, 0}, {100, 50}, {120, 100}, {170, 150}, {210, 200}, {400, 300}}
}

// interpolate is the pollutant's own index at a concentration.
func interpolate(p Pollutant, c float64) float64 { return along(table(p), c) }

// along goes straight between the steps; beyond the last it stays there.
func along(steps []step, c float64) float64 {
	if math.IsNaN(c) || len(steps) == 0 {
		return math.NaN()
	}
	c = max(c, 0) // an instrument's zero may drift below it
	for i := 1; i < len(steps); i++ {
		if a, b := steps[i-1], steps[i]; c <= b.c {
			return a.index + (b.index-a.index)/(b.c-a.c)*(c-a.c)
		}
	}
	return steps[len(steps)-1].index
}

// mean of what is there; NaN if that is less than enough.
func mean(values []float64, enough int) float64 {
	var sum float64
	n := 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n < enough {
		return math.NaN()
	}
	return sum / float64(n)
}

// largest of what is there, NaN if there is nothing.
func largest(values []float64) float64 {
	out := math.NaN()
	for _, v := range values {
		out = larger(out, v)
	}
	return out
}

// larger of two; one that is NaN does not count.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

// DayOf is the day, by its midnight in Vietnam, that an hourly mean ending at t
// counts towards: midnight itself ends the day before.
func DayOf(t time.Time) time.Time {
	const zone = 7 * time.Hour // no summer time since 1975
	local := t.Add(zone - time.Nanosecond).UTC()
	return time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC).Add(-zone)
}
