package city

import (
	"math"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// City is the truth about a city under a seed and its events. It never changes
// once made and is safe for concurrent use.
type City struct {
	seed, rainSalt uint64
	climate        *climate
	rainScale      monthly
	tides          []constituent
	storms         []*storm
	calendar       *calendar
	nights         *nights
	loads          *loads
	courses        *courses
	ranges         *telemetry.Catalogue
}

// New makes the city of a seed in which the events happen. It panics if an event
// is one that [Event.Validate] refuses.
func New(seed uint64, events ...Event) *City {
	c := &City{
		seed: seed, rainSalt: text(seed, "rain"), climate: normals(), tides: constituents(),
		calendar: newCalendar(), courses: newCourses(), ranges: telemetry.NewCatalogue(),
	}
	for i, e := range events {
		if err := e.Validate(); err != nil {
			panic(err)
		}
		e.Localities = slices.Clone(e.Localities)
		c.storms = append(c.storms, newStorm(seed, i, e))
	}
	c.scaleRain()
	c.nights = newNights()
	c.loads = newLoads(c)
	return c
}

// Station is where and how something is measured.
type Station struct {
	Place Place
	// Salt tells stations at one place apart.
	Salt uint64
	// Size scales what differs from street to street, from 0.6 to 1.4; 0 is 1.
	Size float64
	// Every is what an Amount covers: it is that of (t-Every, t]. 0 is the
	// cadence that is usual for the kind.
	Every time.Duration
}

// Channel is one metric at a station.
type Channel struct {
	Metric telemetry.Metric
	// Decimals is the usual resolution of instruments for it.
	Decimals int
	// Signal is always within the catalogue's range of the metric.
	Signal Signal
}

// Channels are the kind's own metrics at a station, in the catalogue's order: the
// physical truth, without an instrument's noise. What does not exist at a place
// is left out (the open sea has no discharge). A kind that is not measured but
// told, such as status, has none.
//
// The signals of one call share what they have in common at a moment (the
// weather, the traffic), so asking all of them for one time and then for the next
// is much cheaper than one after the other for all times.
func (c *City) Channels(at Station, kind telemetry.Kind) []Channel {
	spec := c.ranges.Kind(kind)
	if spec == nil {
		return nil
	}
	s := c.station(at, spec)
	switch kind {
	case telemetry.AirQuality:
		return s.airQuality()
	case telemetry.Weather:
		return s.weather()
	case telemetry.WaterLevel:
		return s.waterLevel()
	case telemetry.WaterQuality:
		return s.waterQuality()
	case telemetry.Noise:
		return s.noise()
	case telemetry.Traffic:
		return s.traffic()
	case telemetry.StreetLight:
		return s.streetLight()
	case telemetry.Energy:
		return s.energy()
	case telemetry.Waste:
		return s.waste()
	case telemetry.Parking:
		return s.parking()
	}
	return nil
}

// station is a station as the signals see it.
type station struct {
	*City
	Place
	own           uint64
	size          float64
	every         int64 // ms
	spec          *telemetry.KindSpec
	exposure      exposure
	square        square
	body          waterBody
	spaces        float64 // of a car park
	rain          rainfall
	water, runoff *water

	skies     memo[sky]
	waters    memo[waterState]
	roads     memo[roadState]
	airs      memo[airState]
	noises    memo[noiseState]
	qualities memo[qualityState]
	counts    memo[countState]
	moods     [8]memo[mood]
	lots      memo[lotState]
	fills     memo[float64]
}

func (c *City) station(at Station, spec *telemetry.KindSpec) *station {
	s := &station{City: c, Place: at.Place, size: at.Size, every: at.Every.Milliseconds(), spec: spec}
	if s.size == 0 {
		s.size = 1
	}
	s.size = within(s.size, 0.1, 10)
	if s.every <= 0 {
		s.every = spec.Cadence.Milliseconds()
	}
	s.own = mix(text(text(c.seed, string(at.Place.Site)), string(spec.Kind)), at.Salt)
	s.exposure = s.Setting.exposure()
	factor := s.exposure.rain
	s.square = squareOf(s.Lat, s.Lon, factor)
	s.rain = rainfall{city: c, at: s.square, region: regionOf(s.Locality)}
	if spec.Kind == telemetry.WaterLevel || spec.Kind == telemetry.WaterQuality {
		s.body = s.Setting.waterBody()
		s.water = newWater(c, &s.Place, gaugeOf(s.Site, s.Setting))
	}
	if spec.Kind == telemetry.WaterQuality {
		s.runoff = newWater(c, &s.Place, runoffGauge(s.Setting, s.rain.region))
	}
	s.spaces = math.Round(s.exposure.spaces * s.size)
	return s
}

// salt makes the station's chances independent of each other; town are those
// that a locality has in common, and province those that all have.
func (s *station) salt(n uint64) uint64 { return mix(s.own, n) }

func (s *station) town(n uint64) uint64 { return mix(text(s.seed, string(s.Locality)), n) }

func (c *City) province(n uint64) uint64 { return mix(c.seed^0x6b68616e68686f61, n) }

// hours is the station's interval in hours.
func (s *station) hours() float64 { return float64(s.every) / hour }

// wet is the state of the water.
func (s *station) wet(t time.Time) *waterState { return s.waters.at(t.UnixMilli(), s.water.state) }

// truth is a function of time, held to the range of its metric.
type truth struct {
	of       func(t time.Time) float64
	min, max float64
}

// At implements Signal.
func (t truth) At(at time.Time) float64 {
	v := t.of(at)
	if math.IsNaN(v) {
		return t.min
	}
	return within(v, t.min, t.max)
}

// channel makes a channel of the station's kind.
func (s *station) channel(m telemetry.Metric, decimals int, of func(t time.Time) float64) Channel {
	spec := s.spec.Metric([]byte(m))
	return Channel{Metric: m, Decimals: decimals, Signal: truth{of, spec.Min, spec.Max}}
}
