package city

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// City is the truth about a city under a seed and its events. It never changes
// once made and is safe for concurrent use.
type City struct {
	seed   uint64
	events []Event
}

// New makes the city of a seed in which the events happen. It panics if an event
// is one that [Event.Validate] refuses.
func New(seed uint64, events ...Event) *City {
	for _, e := range events {
		if err := e.Validate(); err != nil {
			panic(err)
		}
	}
	return &City{seed: seed, events: events}
}

// Station is where and how something is measured.
type Station struct {
	Place Place
	// Salt tells stations at one place apart.
	Salt uint64
	// Size scales what differs from street to street, from 0.6 to 1.4.
	Size float64
	// Every is what an Amount covers: it is that of (t-Every, t].
	Every time.Duration
}

// Channel is one metric at a station.
type Channel struct {
	Metric telemetry.Metric
	// Decimals is the usual resolution of instruments for it.
	Decimals int
	Signal   Signal
}

// Channels are the kind's own metrics at a station, in the catalogue's order:
// the physical truth, without an instrument's noise. A kind that is not measured
// but told, such as status, has none.
func (c *City) Channels(s Station, kind telemetry.Kind) []Channel {
	town := c.seed
	for _, b := range []byte(s.Place.Locality) {
		town = mix(town, uint64(b))
	}
	p := spot{town: town, own: mix(c.seed, s.Salt), size: s.Size, every: s.Every}
	switch kind {
	case telemetry.AirQuality:
		return airQuality(p)
	case telemetry.Weather:
		return weather(p)
	case telemetry.WaterLevel:
		return waterLevel(p)
	case telemetry.WaterQuality:
		return waterQuality(p)
	case telemetry.Noise:
		return noiseLevels(p)
	case telemetry.Traffic:
		return traffic(p)
	case telemetry.StreetLight:
		return streetLight(p)
	case telemetry.Energy:
		return energy(p)
	case telemetry.Waste:
		return waste(p)
	case telemetry.Parking:
		return parking(p)
	}
	return nil
}

// spot is a station as the signals see it.
type spot struct {
	town, own uint64
	size      float64
	every     time.Duration
}

func (p spot) salt(n uint64) uint64 { return mix(p.own, n) }
func (p spot) hours() float64       { return p.every.Hours() }
