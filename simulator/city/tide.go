package city

import "math"

// constituent is a harmonic of the tide: amplitude in m and Greenwich phase lag
// in degrees, its Doodson numbers for the mean longitudes of moon, sun and lunar
// perigee and for the hour, and the constant of its argument in degrees.
type constituent struct {
	name            string
	amplitude, lag  float64
	hour            float64 // multiples of 15° an hour
	moon, sun, peri float64
	constant        float64
	node            nodal
}

// nodal says which correction for the moon's node (18.6 years) applies.
type nodal int

const (
	unmodulated nodal = iota
	likeM2
	likeK1
	likeO1
	likeK2
)

// constituents of Quy Nhơn, the nearest gauge with published ones (TICON-4 from
// UHSLC 2007–2025, CC-BY-4.0). Arguments are Schureman's (1958).
func constituents() []constituent {
	return []constituent{
		{"K1", 0.328, 192.9, 1, 0, 1, 0, 90, likeK1},
		{"O1", 0.278, 153.0, 1, -2, 1, 0, -90, likeO1},
		{"P1", 0.101, 189.3, 1, 0, -1, 0, -90, unmodulated},
		{"Q1", 0.054, 135.1, 1, -3, 1, 1, -90, likeO1},
		{"M2", 0.172, 86.2, 2, -2, 2, 0, 0, likeM2},
		{"S2", 0.070, 119.7, 2, 0, 0, 0, 0, unmodulated},
		{"N2", 0.036, 72.5, 2, -3, 2, 1, 0, likeM2},
		{"K2", 0.021, 114.1, 2, 0, 2, 0, 0, likeK2},
		{"SA", 0.149, 247.6, 0, 0, 1, 0, 0, unmodulated},
		{"SSA", 0.062, 89.3, 0, 0, 2, 0, 0, unmodulated},
	}
}

// meanSeaLevel is the height of mean sea level above the lowest astronomical
// tide, which coastal gauges here have as their zero, in m.
const meanSeaLevel = 1.17

// longitudes are mean longitudes in degrees (Meeus 1998).
type longitudes struct{ moon, sun, perigee, node float64 }

func longitudesAt(ms int64) longitudes {
	t := (float64(ms)/day - 10957.5) / 36525 // Julian centuries since J2000
	return longitudes{
		moon:    218.3164477 + 481267.88123421*t,
		sun:     280.46646 + 36000.76983*t,
		perigee: 83.3532465 + 4069.0137287*t,
		node:    125.04452 - 1934.136261*t,
	}
}

// argument is V0+u in degrees, and f, by which the amplitude is modulated.
func (c *constituent) argument(ms int64, l *longitudes, sinN, cosN float64) (degrees, factor float64) {
	universal := float64(ms-floorDiv(ms, day)*day) / hour
	v := 15*universal*c.hour + c.moon*l.moon + c.sun*l.sun + c.peri*l.perigee + c.constant
	switch c.node {
	case likeM2:
		return v - 2.1*sinN, 1 - 0.037*cosN
	case likeK1:
		return v - 8.9*sinN, 1.006 + 0.115*cosN
	case likeO1:
		return v + 10.8*sinN, 1.009 + 0.187*cosN
	case likeK2:
		return v - 17.7*sinN, 1.024 + 0.286*cosN
	}
	return v, 1
}

// tide is the sea's height above its mean level at a Unix time in milliseconds,
// in m, without the weather.
func (c *City) tide(ms int64) (height float64) {
	l := longitudesAt(ms)
	sinN, cosN := math.Sincos(l.node * degree)
	for i := range c.tides {
		k := &c.tides[i]
		v, f := k.argument(ms, &l, sinN, cosN)
		height += f * k.amplitude * math.Cos((v-k.lag)*degree)
	}
	return height
}
