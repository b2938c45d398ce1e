package simulator

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// place is where a device stands, as far as its signals depend on it.
type place struct {
	// town is the same for all devices of a locality, so that they have one
	// weather; own is the device's.
	town, own uint64
	// size scales what differs from street to street, from 0.6 to 1.4.
	size float64
	// every is the time from one reading to the next: what an Amount covers.
	every time.Duration
}

// channel is one metric of a device: its truth and how finely it is told.
type channel struct {
	metric telemetry.Metric
	// decimals is the instrument's resolution.
	decimals int
	signal   Signal
}

// salt makes the device's noises independent of each other.
func (p place) salt(n uint64) uint64 { return mix(p.own, n) }

// hours is the device's interval in hours.
func (p place) hours() float64 { return p.every.Hours() }

// channels are a kind's own metrics at a place, and those every device knows.
// A kind without a model here has only the latter.
func channels(kind telemetry.Kind, p place) []channel {
	var own []channel
	mains := false
	switch kind {
	case telemetry.AirQuality:
		own = airQuality(p)
	case telemetry.Weather:
		own = weather(p)
	case telemetry.WaterLevel:
		own = waterLevel(p)
	case telemetry.WaterQuality:
		own = waterQuality(p)
	case telemetry.Noise:
		own = noiseLevels(p)
	case telemetry.Traffic:
		own, mains = traffic(p), true
	case telemetry.StreetLight:
		own, mains = streetLight(p), true
	case telemetry.Energy:
		own, mains = energy(p), true
	case telemetry.Waste:
		own = waste(p)
	case telemetry.Parking:
		own = parking(p)
	}
	return append(own, device(p, mains)...)
}

// device is what an instrument knows of itself. What hangs on the mains has no
// battery to report.
func device(p place, mains bool) []channel {
	rssi := channel{telemetry.RSSI, 0, signalFunc(func(t time.Time) float64 {
		return math.Round(-92 + 16*(p.size-1) + 3*noise(p.salt(91), t, 6*time.Hour) + 4*jitter(p.salt(92), t))
	})}
	if mains {
		return []channel{rssi}
	}
	return []channel{
		{telemetry.Battery, 2, signalFunc(func(t time.Time) float64 {
			return 3.65 + 0.12*noise(p.salt(93), t, 30*24*time.Hour) + 0.03*daily(t, 14) + 0.01*jitter(p.salt(94), t)
		})},
		rssi,
	}
}
