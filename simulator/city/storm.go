package city

import (
	"math"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// region is an area that has one course of rain in a storm: the localities, and
// the catchments above the river gauges.
type region int

const (
	nhaTrang region = iota
	camRanh
	camLam
	ninhHoa
	caiCatchment  // Sông Cái Nha Trang above Đồng Trăng
	dinhCatchment // Sông Dinh above Ninh Hòa
	regions
)

func regionOf(l telemetry.Locality) region {
	switch l {
	case "cam-ranh":
		return camRanh
	case "cam-lam":
		return camLam
	case "ninh-hoa":
		return ninhHoa
	}
	return nhaTrang
}

// locality whose events concern the region.
func (r region) locality() telemetry.Locality {
	return [...]telemetry.Locality{"nha-trang", "cam-ranh", "cam-lam", "ninh-hoa", "nha-trang", "ninh-hoa"}[r]
}

// centre is where a region's rain is reckoned.
func (r region) centre() (lat, lon float64) {
	p := [...][2]float64{{12.24, 109.19}, {11.92, 109.16}, {12.07, 109.13}, {12.49, 109.15}, {12.28, 108.85}, {12.57, 108.95}}[r]
	return p[0], p[1]
}

// orography is how much more rain falls there in a storm than on the coast.
func (r region) orography() float64 { return [...]float64{1, 0.85, 0.95, 1, 1.25, 1.15}[r] }

// storm is an event with the rain it brings to each region.
type storm struct {
	Event
	salt     uint64
	from, to float64 // local hours
	fromMS   int64
	toMS     int64
	rain     [regions]course
}

func localHours(ms int64) float64 { return float64(ms+zone) / hour }

// newStorm reckons an event's rain for each full hour of its time.
func newStorm(seed uint64, number int, e Event) *storm {
	s := &storm{Event: e, salt: mix(text(seed, string(e.Kind)), uint64(number)), fromMS: e.From.UnixMilli(), toMS: e.To.UnixMilli()}
	s.from, s.to = localHours(s.fromMS), localHours(s.toMS)
	if e.Kind == Flood {
		s.rain = floodRain(s)
		return s
	}
	n := int(math.Ceil(s.to-s.from)) + 1
	for r := range regions {
		if !s.concerns(r.locality()) {
			continue
		}
		level := make([]float64, n)
		for i := 1; i < n-1; i++ {
			h := s.from + float64(i)
			switch e.Kind {
			case RainSpell:
				third := uint64(i / 3)
				level[i] = e.Strength / 24 * (0.3 + 1.4*unit(mix(s.salt, third)))
			case Typhoon, Depression:
				lat, lon := r.centre()
				d := s.distance(h, lat, lon)
				core := math.Exp(-d * d / (150 * 150))
				level[i] = (2.2*(e.Strength-4)*core + 2.5*math.Exp(-d/250)) * r.orography() * (0.6 + 0.8*unit(mix(s.salt, uint64(i)))) * s.waxing(h)
			}
		}
		s.rain[r] = newCourse(s.from, level)
	}
	return s
}

// concerns reports whether the event happens to a locality.
func (s *storm) concerns(l telemetry.Locality) bool {
	for _, at := range s.Localities {
		if at == l {
			return true
		}
	}
	return len(s.Localities) == 0
}

// share is how much of its region's rain a place gets.
func (s *storm) share(at *square) float64 {
	if s.Kind == Flood {
		return 1
	}
	return 0.75 + 0.5*at.of(s.salt)
}

// waxing rises from 0 to 1 in the first six hours of an event and falls in the
// last, or in the halves of a short one.
func (s *storm) waxing(h float64) float64 {
	edge := min(6, (s.to-s.from)/2)
	return ease((h-s.from)/edge) * ease((s.to-h)/edge)
}

// A cyclone comes from the east-south-east at the usual pace of such storms.
const (
	cyclonePace   = 18.0 // km/h
	cycloneCourse = 285 * degree
)

// offset is where a place lies from the cyclone's centre: km east and north.
func (s *storm) offset(h, lat, lon float64) (east, north float64) {
	landLat, landLon := s.Lat, s.Lon
	if landLat == 0 && landLon == 0 {
		landLat, landLon = 12.24, 109.20
	}
	run := (h - (s.from+s.to)/2) * cyclonePace
	const km = 111.2
	east = (lon-landLon)*km*math.Cos(landLat*degree) - run*math.Sin(cycloneCourse)
	north = (lat-landLat)*km - run*math.Cos(cycloneCourse)
	return east, north
}

func (s *storm) distance(h, lat, lon float64) float64 { return math.Hypot(s.offset(h, lat, lon)) }

// beaufort is the speed in m/s at the middle of a Beaufort number's range.
func beaufort(number float64) float64 { return 0.836 * math.Pow(number, 1.5) }

// vortex is a cyclone's wind at a place, towards east and north in m/s, and by
// how many hPa it lowers the pressure there.
func (s *storm) vortex(h, lat, lon float64) (east, north, dip float64) {
	x, y := s.offset(h, lat, lon)
	d := math.Hypot(x, y)
	if d > 900 {
		return 0, 0, 0
	}
	const radius = 40.0 // km, of the strongest wind
	strongest := beaufort(s.Strength) * s.waxing(h)
	if after := h - (s.from+s.to)/2; after > 0 {
		strongest *= math.Exp(-after / 14) // over land it fills up
	}
	v := strongest * d / radius * math.Exp(1-d/radius)
	if d > radius {
		v = strongest * math.Pow(radius/d, 0.6) * math.Exp(-(d-radius)/500)
	}
	// Anticlockwise, and 20° inwards by friction.
	sin, cos := math.Sincos(20 * degree)
	if d > 0.1 {
		tx, ty := -y/d, x/d
		east, north = v*(tx*cos-x/d*sin), v*(ty*cos-y/d*sin)
	}
	return east, north, 0.035 * strongest * strongest * math.Exp(-d/110)
}

// strength is how much of an event is felt in a locality at a time: its Strength,
// coming and going within six hours.
func (c *City) strength(kind EventKind, h float64, l telemetry.Locality) (sum float64) {
	for _, s := range c.storms {
		if s.Kind == kind && h > s.from && h < s.to && s.concerns(l) {
			sum += s.Strength * s.waxing(h)
		}
	}
	return sum
}

// flooded reports whether the day's rain is that of a flood, which replaces the
// season's.
func (c *City) flooded(date int64) bool {
	for _, s := range c.storms {
		if s.Kind == Flood && float64(date+1)*24 > s.from && float64(date)*24 < s.to {
			return true
		}
	}
	return false
}
