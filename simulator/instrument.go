package simulator

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

// Power is what a device lives on.
type Power string

// The ways to live.
const (
	Mains Power = "mains"
	// Solar is a panel with a lithium-ion cell: it sags when days are dark.
	Solar Power = "solar"
	// Cell is a primary lithium cell: it sags with age and cold.
	Cell Power = "cell"
)

// Powers lists them.
func Powers() []Power { return []Power{Mains, Solar, Cell} }

// Radio is how a device reaches its broker.
type Radio string

// The ways to reach it. Only LoRa loses messages by itself.
const (
	LoRa  Radio = "lora"
	NBIoT Radio = "nb-iot"
	WiFi  Radio = "wifi"
	Wired Radio = "wired"
)

// Radios lists them.
func Radios() []Radio { return []Radio{LoRa, NBIoT, WiFi, Wired} }

// station is what is true where a device stands, and how finely it is told.
// Devices that stand at one spot share it: in a fleet of 100,000 that is what
// keeps the signals in memory.
type station struct {
	channels []channel
}

// channel is one metric of a station.
type channel struct {
	spec   *telemetry.MetricSpec
	signal city.Signal
	scale  float64 // 10 to the power of its decimals
	error  precision
}

// precision is how far an instrument may be off: an absolute and a relative
// standard deviation. Metrics of one group come from one sensor and are off
// together, so that PM10 is never below PM2.5. The zero value is exact.
type precision struct {
	abs, rel float64
	group    uint64
}

// ownError is the part of an instrument's error that it always has, in its standard
// deviations; no mean takes it away.
const ownError = 0.7

// off is how far the mean of n readings of a value may be off: three standard
// deviations of what an instrument always has and of what changes by reading.
func (p precision) off(v float64, n int) float64 {
	if p.group == 0 {
		return 0
	}
	return 3 * (p.abs + math.Abs(v)*p.rel) * math.Sqrt(ownError*ownError+1/float64(max(1, n)))
}

// precisionOf a metric: what field instruments of the better sort state. What
// counts (vehicles, cars in a car park, meters) is exact, and so adds up.
func precisionOf(m telemetry.Metric) precision {
	const (
		dust = iota + 1
		loudness
		wind
		electricity
		water
		road
		single // and above: on its own
	)
	switch m {
	case telemetry.PM1, telemetry.PM25, telemetry.PM10, telemetry.TSP:
		return precision{0, 0.04, dust}
	case telemetry.NO2:
		return precision{0.5, 0.03, single}
	case telemetry.SO2:
		return precision{0.3, 0.03, single + 1}
	case telemetry.O3:
		return precision{0.8, 0.03, single + 2}
	case telemetry.CO:
		return precision{8, 0.03, single + 3}
	case telemetry.Temperature:
		return precision{0.1, 0, single + 4}
	case telemetry.Humidity:
		return precision{0.8, 0, single + 5}
	case telemetry.Pressure:
		return precision{0.1, 0, single + 6}
	case telemetry.WindSpeed, telemetry.WindGust:
		return precision{0, 0.03, wind}
	case telemetry.WindDirection:
		return precision{2, 0, single + 7}
	case telemetry.SolarRadiation, telemetry.Illuminance, telemetry.UVIndex:
		return precision{0, 0.02, single + 8}
	case telemetry.Level:
		return precision{0.005, 0, single + 9}
	case telemetry.Flow:
		return precision{0, 0.02, single + 10}
	case telemetry.LAeq, telemetry.LAmax, telemetry.LAmin, telemetry.LA10, telemetry.LA50, telemetry.LA90:
		return precision{0.3, 0, loudness}
	case telemetry.PH, telemetry.DissolvedOxygen:
		return precision{0.03, 0, single + 11}
	case telemetry.Conductivity, telemetry.Salinity:
		return precision{0, 0.01, water}
	case telemetry.Turbidity, telemetry.SuspendedSolids:
		return precision{0, 0.03, single + 12}
	case telemetry.AmmoniumNitrogen, telemetry.NitriteNitrogen, telemetry.NitrateNitrogen, telemetry.PhosphatePhosphor, telemetry.Chlorophyll, telemetry.BOD5, telemetry.COD:
		return precision{0, 0.04, single + 13}
	case telemetry.ORP:
		return precision{3, 0, single + 14}
	case telemetry.Power, telemetry.ReactivePower, telemetry.Current:
		return precision{0, 0.005, electricity}
	case telemetry.Voltage:
		return precision{0, 0.002, single + 15}
	case telemetry.Frequency:
		return precision{0.002, 0, single + 16}
	case telemetry.Speed, telemetry.Headway:
		return precision{0, 0.02, road}
	case telemetry.FillLevel, telemetry.Weight:
		return precision{0, 0.01, single + 17}
	}
	return precision{}
}

const (
	// warmUp is how long a sensor takes to settle, and warmUpFlag how long it
	// says so itself.
	warmUp     = 30 * time.Minute
	warmUpFlag = 10 * time.Minute
	// cutOff is the voltage below which a battery device is silent, and sagBefore
	// how long before a flat battery its voltage begins to sag.
	cutOff    = 2.9
	sagBefore = 12 * time.Hour
)

// warmsUp reports whether instruments of a kind need time to settle.
func warmsUp(k telemetry.Kind) bool { return k == telemetry.AirQuality || k == telemetry.WaterQuality }

// read is what the instrument shows: the truth at a moment with its error, and
// with what is wrong with it.
func (d *Device) read(c *channel, at time.Time, flaws *flaws) float64 {
	v := c.signal.At(at)
	if e := c.error; e.group != 0 {
		own := mix(d.salt, 300+e.group)
		n := normal(mix(own, uint64(at.UnixMilli()))) + ownError*normal(own)
		v += e.abs*n + v*e.rel*n
		v *= flaws.gain(c.spec.Name)
	}
	if v != v {
		v = 0
	}
	return round(min(max(v, c.spec.Min), c.spec.Max), c.scale)
}

// flaws are what makes an instrument show something else than the truth.
type flaws struct {
	settling float64 // what is left of the warm-up, from 1 to 0
	drift    *Fault
	days     float64 // since the drift began
	spike    *Fault
}

// gain is what the value is multiplied by.
func (f *flaws) gain(m telemetry.Metric) float64 {
	g := 1 + 0.35*f.settling
	if f.drift != nil && in(f.drift.Metrics, m) {
		g *= 1 + f.drift.Size*f.days
	}
	if f.spike != nil && in(f.spike.Metrics, m) {
		g *= f.spike.Size
	}
	return g
}

// strength is the received signal strength of a message, in dBm; ok is false for
// what has no radio.
func (d *Device) strength(at time.Time) (dBm float64, ok bool) {
	h := unit(mix(d.salt, 41))
	fade := normal(mix(mix(d.salt, 42), uint64(at.UnixMilli())))
	switch d.Radio {
	case LoRa: // most devices are near a gateway, few at the edge of its reach
		return math.Round(-84 - 34*h*h + 4*fade), true
	case NBIoT:
		return math.Round(-82 - 22*h + 3*fade), true
	case WiFi:
		return math.Round(-54 - 22*h + 2*fade), true
	}
	return 0, false
}

// unheard reports whether no gateway heard a LoRa uplink: nearly all near the
// sensitivity of SF10 (-132 dBm less what fades), and 3 in 1,000 that collide.
func (d *Device) unheard(at time.Time) bool {
	if d.Radio != LoRa {
		return false
	}
	rssi, _ := d.strength(at)
	lost := 0.003 + 1/(1+math.Exp((rssi+124)/2))
	return unit(mix(mix(d.salt, 43), uint64(at.UnixMilli()))) < lost
}

// voltage is the battery's; ok is false on the mains. until is how long it is
// until the battery is flat.
func (f *Fleet) voltage(d *Device, at time.Time, until time.Duration) (volts float64, ok bool) {
	switch d.Power {
	case Solar:
		volts = 3.5 + 0.62*f.charge(d, at) + 0.05*math.Cos(2*math.Pi*(hourOfDay(at)-15)/24)
	case Cell:
		age := 6*unit(mix(d.salt, 51)) + at.Sub(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).Hours()/8766
		cold := max(0, 28-f.sky(d).temperature.At(at))
		volts = 3.66 - 0.012*age - 0.006*cold
	default:
		return 0, false
	}
	volts += 0.004 * normal(mix(mix(d.salt, 52), uint64(at.UnixMilli())))
	if until < sagBefore {
		gone := 1 - until.Hours()/sagBefore.Hours()
		volts = max(cutOff, volts-0.7*gone*gone)
	}
	return round(volts, 100), true
}

// charge is how full a solar device's battery is, from 0 to 1, after the noons of
// the two days before.
func (f *Fleet) charge(d *Device, at time.Time) float64 {
	shade := 0.7 + 0.3*unit(mix(d.salt, 53))
	return min(max((f.sky(d).noons(at)*shade-60)/450, 0), 1)
}

// hourOfDay is the local hour with its fraction.
func hourOfDay(at time.Time) float64 {
	return float64((at.UnixMilli()+7*3600_000)%86400_000) / 3600_000
}

// sky is the weather over a place that batteries feel.
type sky struct {
	radiation, temperature city.Signal
	// last is the answer of the last day asked for: nearly every message asks for
	// the same. Whoever finds another day computes anew, so it changes no answer.
	last atomic.Pointer[noons]
}

type noons struct {
	date int64 // of the local day, since 1970
	mean float64
}

// noons is the mean radiation of the noons of yesterday and the day before.
func (s *sky) noons(at time.Time) float64 {
	const zone, date = 7 * 3600, 86400
	today := (at.Unix() + zone) / date
	if n := s.last.Load(); n != nil && n.date == today {
		return n.mean
	}
	noon := time.Unix(today*date-zone-date/2, 0)
	n := &noons{date: today, mean: (s.radiation.At(noon) + s.radiation.At(noon.Add(-day))) / 2}
	s.last.Store(n)
	return n.mean
}

func (f *Fleet) sky(d *Device) *sky { return f.skies[d.place.Site] }
