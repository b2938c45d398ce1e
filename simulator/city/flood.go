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

// floodLevels are the levels told by the press and, from 19 November 01:00 to
// 4 December 09:00, by the national feed of river stations (VNDMS), whose hours
// are local; before and after, and where nothing is marked as listed, the course
// is our assumption [M]. Of the feed's levels at Đồng Trăng and Ninh Hòa those are
// here that the others lie between, to 0.12 and 0.05 m.
func floodLevels(s floodStation) []knot {
	const day = 24
	switch s {
	case dongTrang:
		return []knot{
			{0, 3.9}, {1 * day, 4.9}, {1*day + 14, 8.3},
			{2*day + 9, 12.24}, // listed: 17 November; the hour is assumed
			{3*day + 4, 9.5}, {3*day + 12, 9.7},
			// Listed from here to 4 December 09:00.
			{4*day + 1, 11.09}, {4*day + 2, 11.03}, {4*day + 3, 10.71}, {4*day + 4, 10.22}, {4*day + 5, 9.46},
			{4*day + 7, 8.52}, {4*day + 8, 8.52}, {4*day + 9, 9.02}, {4*day + 10, 9.86}, {4*day + 11, 10.32},
			{4*day + 13, 10.71}, {4*day + 16, 12.00}, {4*day + 20, 12.48}, {5*day + 1, 12.68},
			{5*day + 5, 13.14}, {5*day + 6, 13.14}, // the peak: 20 November 05:00
			{5*day + 7, 13.12}, {5*day + 9, 12.83}, {5*day + 14, 11.65}, {5*day + 18, 9.96}, {5*day + 22, 8.82},
			{6*day + 1, 8.55}, {6*day + 3, 8.76}, {6*day + 5, 8.70}, {6*day + 7, 8.31}, {6*day + 11, 7.59}, {6*day + 21, 7.62},
			{7*day + 1, 6.99}, {7*day + 10, 6.18}, {8*day + 7, 5.43}, {9*day + 7, 4.86}, {9*day + 19, 4.80}, {10*day + 7, 5.00},
			{14*day + 7, 3.86}, {18*day + 7, 3.39}, {19*day + 1, 3.25},
			{19*day + 6, 4.75}, // 4 December; to 07:00 the fastest rise, 1.77 m/h, as evenly as can be
			{19*day + 6.25, 5.18}, {19*day + 6.5, 5.63}, {19*day + 6.75, 6.08},
			{19*day + 7, 6.52}, {19*day + 7.5, 7.34}, {19*day + 8, 8.15}, {19*day + 9, 8.75},
			{19*day + 12, 8.9}, {20*day + 12, 6.3}, {22 * day, 4.7}, {24 * day, 4.0}, {27 * day, 3.46},
		}
	case dienPhu:
		return []knot{
			{0, 2.5}, {1 * day, 3.0}, {1*day + 18, 4.6}, {2*day + 15, 5.95}, {3*day + 12, 5.2},
			{4*day + 7, 5.67},  // listed: 19 November, in the morning's bulletin
			{4*day + 21, 6.60}, // listed
			{5*day + 9, 6.72}, {6*day + 12, 5.0}, {8*day + 12, 3.5}, {11 * day, 2.9},
			{19*day + 4, 2.4}, {19*day + 17, 4.6}, {21 * day, 3.3}, {24 * day, 2.6}, {27 * day, 2.33},
		}
	case ninhHoaGauge:
		return []knot{
			{0, 3.5}, {1 * day, 3.9}, {2 * day, 4.7}, {2*day + 20, 5.45}, {3*day + 14, 5.3},
			// Listed from here to 4 December 09:00.
			{4*day + 1, 5.66}, {4*day + 6, 5.71}, {4*day + 9, 5.87}, {4*day + 13, 6.29}, {4*day + 17, 6.48}, {5*day + 1, 6.62},
			{5*day + 14, 6.77}, {5*day + 15, 6.77}, // the peak, above the record of 1986: 20 November 14:00
			{5*day + 18, 6.70}, {5*day + 21, 6.52}, {6*day + 6, 6.28}, {7*day + 5, 5.97}, {7*day + 9, 5.72}, {7*day + 22, 5.40},
			{8*day + 3, 5.19}, {8*day + 9, 4.75}, {8*day + 17, 4.57}, {9*day + 7, 3.94}, {9*day + 10, 3.88}, {9*day + 16, 3.85},
			{10*day + 4, 4.06}, {11*day + 7, 4.17}, {11*day + 19, 3.90}, {12*day + 1, 4.03}, {12*day + 4, 3.98}, {12*day + 19, 3.48},
			{13*day + 13, 3.18}, {15*day + 1, 3.38}, {16*day + 13, 3.43}, {17*day + 19, 3.32},
			{19*day + 1, 3.43}, {19*day + 4, 3.53}, {19*day + 7, 3.80}, {19*day + 8, 3.975}, {19*day + 9, 4.15},
			{19*day + 12, 4.55}, {20 * day, 4.9}, {23 * day, 3.7}, {27 * day, 3.32},
		}
	case ducMy:
		return []knot{
			{0, 14.0}, {1 * day, 14.4}, {2*day + 6, 15.8}, {3*day + 6, 15.2},
			{4*day + 7, 16.02}, // listed: 19 November, in the morning's bulletin
			{5*day + 3, 17.1}, {6*day + 12, 15.6}, {9 * day, 14.5}, {12 * day, 14.1},
			{19*day + 1, 13.95}, {19*day + 11, 15.0}, {21 * day, 14.2}, {27 * day, 13.86},
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
