package city

import "math"

// knot is a level at a time of the flood of November 2025: hours since
// 15 November 00:00 local time, and m above the station's datum.
type knot struct{ at, level float64 }

// floodStations are the gauges with a course of that flood.
type floodStation int

const (
	noFlood floodStation = iota
	dongTrang
	dienPhu
	ninhHoaGauge
	ducMy
)

// floodLevels are the levels told by the press and by VNDMS (docs of the
// province; listed) and, between them, our assumption of the course [M].
func floodLevels(s floodStation) []knot {
	const day = 24
	switch s {
	case dongTrang:
		return []knot{
			{0, 3.9}, {1 * day, 4.9}, {1*day + 14, 8.3},
			{2*day + 9, 12.24}, // listed: 17 November; the hour is assumed
			{3*day + 4, 9.5}, {3*day + 12, 9.7},
			{4*day + 1, 11.09}, // listed
			{4*day + 9, 9.02},  // listed
			{5*day + 5, 13.14}, // listed: the peak
			{6*day + 7, 8.31},  // listed
			{8*day + 12, 5.43}, // listed: 23 November; the hour is assumed
			{11 * day, 4.75}, {15 * day, 4.3}, {18*day + 22, 4.35}, {19*day + 2, 4.75},
			{19*day + 2.25, 5.18}, {19*day + 2.5, 5.63}, {19*day + 2.75, 6.08},
			{19*day + 3, 6.52}, // listed: 4 December, the fastest rise, 1.77 m/h
			{19*day + 3.5, 7.34},
			{19*day + 4, 8.15}, // listed
			{19*day + 8, 8.9}, {20*day + 12, 6.3}, {22 * day, 4.7}, {24 * day, 4.0}, {27 * day, 3.46},
		}
	case dienPhu:
		return []knot{
			{0, 2.5}, {1 * day, 3.0}, {1*day + 18, 4.6}, {2*day + 15, 5.95}, {3*day + 12, 5.2},
			{4*day + 7, 5.67},  // listed: 19 November, in the morning's bulletin
			{4*day + 21, 6.60}, // listed
			{5*day + 9, 6.72}, {6*day + 12, 5.0}, {8*day + 12, 3.5}, {11 * day, 2.9},
			{18*day + 22, 2.6}, {19*day + 14, 4.6}, {21 * day, 3.3}, {24 * day, 2.6}, {27 * day, 2.33},
		}
	case ninhHoaGauge:
		return []knot{
			{0, 3.5}, {1 * day, 3.9}, {2 * day, 4.7}, {2*day + 20, 5.45}, {3*day + 14, 5.3},
			{4*day + 1, 5.66},  // listed
			{5*day + 14, 6.77}, // listed: the peak, above the record of 1986
			{7*day + 5, 5.97},  // listed
			{9 * day, 4.7}, {12 * day, 3.9}, {18*day + 22, 3.6}, {20 * day, 4.4}, {23 * day, 3.7}, {27 * day, 3.32},
		}
	case ducMy:
		return []knot{
			{0, 14.0}, {1 * day, 14.4}, {2*day + 6, 15.8}, {3*day + 6, 15.2},
			{4*day + 7, 16.02}, // listed: 19 November, in the morning's bulletin
			{5*day + 3, 17.1}, {6*day + 12, 15.6}, {9 * day, 14.5}, {12 * day, 14.1},
			{18*day + 22, 13.95}, {19*day + 8, 15.0}, {21 * day, 14.2}, {27 * day, 13.86},
		}
	}
	return nil
}

// floodLevel is a station's level so many hours after the flood's first, by
// monotone cubic interpolation (Fritsch and Carlson 1980): no peak between knots
// that they do not have.
func floodLevel(knots []knot, h float64) float64 {
	n := len(knots)
	if h <= knots[0].at {
		return knots[0].level
	}
	if h >= knots[n-1].at {
		return knots[n-1].level
	}
	i := 0
	for knots[i+1].at <= h {
		i++
	}
	width := knots[i+1].at - knots[i].at
	x := (h - knots[i].at) / width
	m0, m1 := slope(knots, i)*width, slope(knots, i+1)*width
	x2, x3 := x*x, x*x*x
	return (2*x3-3*x2+1)*knots[i].level + (x3-2*x2+x)*m0 + (3*x2-2*x3)*knots[i+1].level + (x3-x2)*m1
}

// slope at a knot: 0 at a peak or trough, else the harmonic mean of both sides'.
func slope(knots []knot, i int) float64 {
	if i == 0 || i == len(knots)-1 {
		return 0
	}
	rise := func(j int) float64 { return (knots[j+1].level - knots[j].level) / (knots[j+1].at - knots[j].at) }
	a, b := rise(i-1), rise(i)
	if a*b <= 0 {
		return 0
	}
	before, after := knots[i].at-knots[i-1].at, knots[i+1].at-knots[i].at
	wa, wb := 2*after+before, after+2*before
	return (wa + wb) / (wa/a + wb/b)
}

// floodHours is how long the levels of the flood are known.
const floodHours = 27 * 24

// floodRain is the rain that the catchments' own model needs for the flood's
// levels, and the localities' share of it. A linear reservoir's outflow obeys
// H + τ·H' = gain·rain, so the rain follows from the level, and none where the
// water falls faster than the reservoir would let it.
func floodRain(s *storm) (rain [regions]course) {
	back := func(station floodStation, g *gauge) []float64 {
		knots, level := floodLevels(station), make([]float64, floodHours)
		for i := range level {
			h := float64(i) + g.lag + g.fast
			head := floodLevel(knots, h) - g.wet
			rise := floodLevel(knots, h+0.5) - floodLevel(knots, h-0.5)
			level[i] = s.Strength * max(0, head+g.slow*rise) / g.gain
		}
		level[0], level[floodHours-1] = 0, 0
		return level
	}
	cai, dinh := gaugeOf("dong-trang", River), gaugeOf("trung-tam-ninh-hoa", River)
	above, north := back(dongTrang, &cai), back(ninhHoaGauge, &dinh)
	for r := range regions {
		from, factor := above, 1.0
		switch r {
		case dinhCatchment:
			from = north
		case ninhHoa:
			from, factor = north, 0.85
		case nhaTrang:
			factor = 0.75
		case camLam:
			factor = 0.6
		case camRanh:
			factor = 0.4
		}
		level := make([]float64, floodHours)
		for i := range level {
			// The event ends when it is told to; what it did to rivers goes on.
			level[i] = from[i] * factor * (1 - ease((s.from+float64(i)-s.to)/6))
			if r < caiCatchment { // a catchment's mean is even, a town's rain is not
				level[i] *= 0.1 + 0.9*unit(mix(s.salt, uint64(i/5))) + 0.9*unit(mix(s.salt+uint64(r), uint64(i)))
			}
		}
		rain[r] = newCourse(s.from, level)
	}
	return rain
}

// floodShare is how much of a level is the flood's: all during the event, less
// for two days after it.
func (s *storm) floodShare(h float64) float64 {
	return ease((h-s.from)/6) * (1 - ease((h-s.to)/48))
}

// flow above the usual by how far the water stands above its base: a rating
// curve with the exponent that is usual for wide channels.
func rated(factor, head float64) float64 { return factor * math.Pow(max(0, head), 1.7) }
