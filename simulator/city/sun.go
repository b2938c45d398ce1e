package city

import "math"

const degree = math.Pi / 180

// sun is the sun's place in the sky of a place.
type sun struct {
	sine      float64 // of its elevation
	elevation float64 // degrees
}

// solar is the sun's declination (its sine and cosine) and the equation of time
// in hours, by the Astronomical Almanac's low-precision formulas: good to 0.01°.
func solar(ms int64) (sinD, cosD, equation float64) {
	d := float64(ms)/day - 10957.5 // days since J2000, 2000-01-01 12:00
	g := (357.529 + 0.98560028*d) * degree
	q := 280.459 + 0.98564736*d
	l := (q + 1.915*math.Sin(g) + 0.020*math.Sin(2*g)) * degree
	e := (23.439 - 0.00000036*d) * degree
	sinL, cosL := math.Sincos(l)
	sinD = math.Sin(e) * sinL
	ascension := math.Atan2(math.Cos(e)*sinL, cosL) / degree
	equation = math.Remainder(q-ascension, 360) / 15
	return sinD, math.Sqrt(1 - sinD*sinD), equation
}

func sunAt(ms int64, lat, lon float64) sun {
	sinD, cosD, equation := solar(ms)
	universal := float64(ms-floorDiv(ms, day)*day) / hour
	angle := (universal + lon/15 + equation - 12) * 15 * degree
	sinLat, cosLat := math.Sincos(lat * degree)
	s := sinLat*sinD + cosLat*cosD*math.Cos(angle)
	return sun{sine: s, elevation: math.Asin(within(s, -1, 1)) / degree}
}

// crossings are the local hours at which the sun passes an elevation in degrees,
// upwards and downwards, on a local day. In Khánh Hòa it does so every day.
func crossings(date int64, lat, lon, elevation float64) (up, down float64) {
	sinD, cosD, equation := solar(date*day - zone + 12*hour)
	sinLat, cosLat := math.Sincos(lat * degree)
	cos := (math.Sin(elevation*degree) - sinLat*sinD) / (cosLat * cosD)
	half := math.Acos(within(cos, -1, 1)) / degree / 15
	noon := 12 + 7 - lon/15 - equation
	return noon - half, noon + half
}

// clearSky is the radiation on the ground without clouds, in W/m² (Haurwitz 1945).
func (s sun) clearSky() float64 {
	if s.sine <= 0 {
		return 0
	}
	return 1098 * s.sine * math.Exp(-0.057/s.sine)
}

// uv is the UV index without clouds under 260 Dobson units of ozone, as usual in
// the tropics (Madronich 2007).
func (s sun) uv() float64 {
	if s.sine <= 0 {
		return 0
	}
	return 12.5 * math.Pow(s.sine, 2.42) * math.Pow(260.0/300, -1.23)
}

// twilight is the light of a cloudless sky besides the sun's radiation, in lux:
// some 400 at sunset, 3.4 at the end of civil twilight, then a night sky's.
func (s sun) twilight() float64 {
	if s.elevation >= 0 {
		return 400
	}
	return 400*math.Exp(0.79*s.elevation) + 0.002
}
