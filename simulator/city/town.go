package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// rushHours is how busy the streets are, from 0 to 1: to work and school before
// seven, home after five, and a siesta between.
func rushHours() *profile {
	return &profile{
		0.05, 0.03, 0.03, 0.04, 0.10, 0.30, 0.75, 1.00, 0.70, 0.55, 0.55, 0.65,
		0.50, 0.45, 0.50, 0.55, 0.75, 1.00, 0.90, 0.70, 0.60, 0.45, 0.25, 0.12,
	}
}

// loadCurve is a town's electric load: the day's work, then the evening's lights
// and air conditioners.
func loadCurve() *profile {
	return &profile{
		0.52, 0.48, 0.46, 0.45, 0.48, 0.55, 0.62, 0.70, 0.80, 0.86, 0.90, 0.88,
		0.78, 0.82, 0.88, 0.87, 0.84, 0.86, 0.97, 1.00, 0.95, 0.85, 0.70, 0.60,
	}
}

// parked is how full a car park by the beach is.
func parked() *profile {
	return &profile{
		0.18, 0.16, 0.15, 0.15, 0.22, 0.38, 0.45, 0.48, 0.52, 0.55, 0.55, 0.52,
		0.48, 0.46, 0.48, 0.55, 0.66, 0.78, 0.86, 0.88, 0.80, 0.62, 0.42, 0.26,
	}
}

func traffic(p spot) []Channel {
	rush := rushHours()
	// Vehicles a minute at the busiest; motorcycles are most of them here.
	class := func(perMinute float64, n uint64) func(time.Time) float64 {
		return func(t time.Time) float64 {
			expected := perMinute * p.size * rush.at(t) * p.every.Minutes() * (1 + 0.2*noise(p.salt(n), t, 15*time.Minute))
			return count(p.salt(n+10), t, expected)
		}
	}
	motorcycles, cars, buses, trucks, bicycles := class(24, 1), class(7, 2), class(0.5, 3), class(1.1, 4), class(0.8, 5)
	return []Channel{
		{telemetry.Vehicles, 0, signalFunc(func(t time.Time) float64 {
			return motorcycles(t) + cars(t) + buses(t) + trucks(t) + bicycles(t)
		})},
		{telemetry.Motorcycles, 0, signalFunc(motorcycles)},
		{telemetry.Cars, 0, signalFunc(cars)},
		{telemetry.Buses, 0, signalFunc(buses)},
		{telemetry.Trucks, 0, signalFunc(trucks)},
		{telemetry.Bicycles, 0, signalFunc(bicycles)},
		{telemetry.Speed, 1, signalFunc(func(t time.Time) float64 { return 43 - 15*rush.at(t)*p.size + 2.5*jitter(p.salt(20), t) })},
		{telemetry.Occupancy, 1, signalFunc(func(t time.Time) float64 {
			return within(2+30*rush.at(t)*p.size+2*jitter(p.salt(21), t), 0, 100)
		})},
		{telemetry.Headway, 1, signalFunc(func(t time.Time) float64 {
			return min(120, 60/(33.4*p.size*rush.at(t))) * (1 + 0.1*jitter(p.salt(22), t))
		})},
		{telemetry.QueueLength, 0, signalFunc(func(t time.Time) float64 { return 120 * max(0, rush.at(t)*p.size-0.7) })},
	}
}

func noiseLevels(p spot) []Channel {
	rush := rushHours()
	eq := func(t time.Time) float64 {
		nightLife := 4 * math.Exp(-math.Pow(hourOfDay(t)-21, 2)/3)
		return 50 + 15*math.Sqrt(rush.at(t)) + nightLife + 6*(p.size-1) + 1.5*noise(p.salt(1), t, 10*time.Minute) + 0.8*jitter(p.salt(2), t)
	}
	about := func(offset, spread float64, n uint64) Signal {
		return signalFunc(func(t time.Time) float64 { return eq(t) + offset + spread*jitter(p.salt(n), t) })
	}
	return []Channel{
		{telemetry.LAeq, 1, signalFunc(eq)},
		{telemetry.LAmax, 1, about(14, 4, 3)},
		{telemetry.LAmin, 1, about(-10, 1.5, 4)},
		{telemetry.LA10, 1, about(3.2, 0.4, 5)},
		{telemetry.LA50, 1, about(-1.6, 0.4, 6)},
		{telemetry.LA90, 1, about(-6, 0.6, 7)},
	}
}

func streetLight(p spot) []Channel {
	// Full from dusk, dimmed when the streets are empty.
	shine := func(t time.Time) float64 {
		switch h := hourOfDay(t); {
		case h >= 17.75 && h < 23, h >= 4.5 && h < 5.75:
			return 100
		case h >= 23, h < 4.5:
			return 60
		}
		return 0
	}
	// The meters' day, hour by hour: the same light, its edges straightened so
	// that it has an exact integral.
	burning := &profile{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}
	load := &profile{.6, .6, .6, .6, .7, .9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, .7}
	rated := math.Round(100 * p.size)
	power := func(t time.Time) float64 { return 0.8 + rated*shine(t)/100*(1+0.02*noise(p.salt(1), t, time.Hour)) }
	volts := func(t time.Time) float64 { return 228 + 4*noise(p.salt(2), t, time.Hour) + 0.5*jitter(p.salt(2), t) }
	return []Channel{
		{telemetry.On, 0, signalFunc(func(t time.Time) float64 { return min(1, shine(t)) })},
		{telemetry.Dimming, 0, signalFunc(shine)},
		{telemetry.Power, 1, signalFunc(power)},
		{telemetry.Voltage, 1, signalFunc(volts)},
		{telemetry.Current, 3, signalFunc(func(t time.Time) float64 { return power(t) / volts(t) / 0.95 })},
		{telemetry.EnergyTotal, 3, signalFunc(func(t time.Time) float64 { return rated / 1000 * load.hours(t) })},
		{telemetry.BurningHours, 2, signalFunc(burning.hours)},
		{telemetry.Illuminance, 1, signalFunc(func(t time.Time) float64 {
			return p.sun(t)*118 + 0.24*shine(t)*p.size + 0.3*(1+jitter(p.salt(3), t))
		})},
		{telemetry.Fault, 0, signalFunc(func(time.Time) float64 { return 0 })},
	}
}

func energy(p spot) []Channel {
	load := loadCurve()
	rated := 160_000 * p.size // watts: a street's transformer
	power := func(t time.Time) float64 { return rated * load.at(t) * (1 + 0.03*noise(p.salt(1), t, 20*time.Minute)) }
	factor := func(t time.Time) float64 { return 0.93 + 0.03*noise(p.salt(2), t, 2*time.Hour) }
	volts := func(t time.Time) float64 { return 400 - 6*load.at(t) + 4*noise(p.salt(3), t, 30*time.Minute) }
	return []Channel{
		{telemetry.Power, 0, signalFunc(power)},
		{telemetry.ReactivePower, 0, signalFunc(func(t time.Time) float64 { return power(t) * math.Tan(math.Acos(factor(t))) })},
		{telemetry.PowerFactor, 3, signalFunc(factor)},
		{telemetry.EnergyTotal, 2, signalFunc(func(t time.Time) float64 { return rated / 1000 * load.hours(t) })},
		{telemetry.Voltage, 1, signalFunc(volts)},
		{telemetry.Current, 2, signalFunc(func(t time.Time) float64 { return power(t) / (math.Sqrt(3) * volts(t) * factor(t)) })},
		{telemetry.Frequency, 3, signalFunc(func(t time.Time) float64 { return 50 + 0.06*noise(mix(p.town, 51), t, 10*time.Minute) })},
	}
}

func waste(p spot) []Channel {
	// Emptied before dawn, every day or every second.
	days := 1 + math.Floor(2*unit(p.salt(1)))
	fill := func(t time.Time) float64 {
		since := math.Mod(localSeconds(t)/secondsPerDay-5.0/24, days)
		return 6 + 76*min(1, p.size)*since/days + 0.5*jitter(p.salt(2), t)
	}
	return []Channel{
		{telemetry.FillLevel, 0, signalFunc(fill)},
		{telemetry.Weight, 1, signalFunc(func(t time.Time) float64 { return fill(t) * 0.9 })},
		{telemetry.Temperature, 1, signalFunc(func(t time.Time) float64 { return p.airTemperature(t) + 4*daylight(t) })},
		{telemetry.Tilt, 0, signalFunc(func(t time.Time) float64 { return math.Round(2 + jitter(p.salt(3), t)) })},
		{telemetry.LidOpen, 0, signalFunc(func(t time.Time) float64 { return math.Floor(0.03 + (jitter(p.salt(4), t)+1)/2) })},
		{telemetry.Fire, 0, signalFunc(func(time.Time) float64 { return 0 })},
	}
}

func parking(p spot) []Channel {
	full := parked()
	capacity := math.Round(90 * p.size)
	occupied := func(t time.Time) float64 {
		return math.Round(capacity * within(full.at(t)+0.08*noise(p.salt(1), t, time.Hour), 0, 1))
	}
	// Who came and who left since the reading before must explain the change;
	// some cars do both between two readings.
	change := func(t time.Time) float64 { return occupied(t) - occupied(t.Add(-p.every)) }
	passing := func(t time.Time) float64 { return count(p.salt(2), t, 0.3*capacity*full.at(t)*p.hours()) }
	return []Channel{
		{telemetry.Occupied, 0, signalFunc(occupied)},
		{telemetry.Capacity, 0, signalFunc(func(time.Time) float64 { return capacity })},
		{telemetry.Entries, 0, signalFunc(func(t time.Time) float64 { return passing(t) + max(0, change(t)) })},
		{telemetry.Exits, 0, signalFunc(func(t time.Time) float64 { return passing(t) + max(0, -change(t)) })},
	}
}
