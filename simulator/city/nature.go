package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// airTemperature, airHumidity, windSpeed and rainRate are the weather of a town,
// shared by every kind that feels it. Means are near Nha Trang's normals.
func (p spot) airTemperature(t time.Time) float64 {
	return 27 + 2*yearly(t, 175) + 3.2*daily(t, 13.5) + 1.1*noise(mix(p.town, 1), t, 6*time.Hour)
}

func (p spot) airHumidity(t time.Time) float64 {
	return within(80-11*daily(t, 13.5)+5*noise(mix(p.town, 2), t, 8*time.Hour), 30, 99)
}

func (p spot) windSpeed(t time.Time) float64 {
	return max(0.1, 2.8+1.6*daily(t, 14)+1.1*noise(mix(p.town, 3), t, 3*time.Hour))
}

func (p spot) rainRate(t time.Time) float64 {
	wet := 0.25*yearly(t, 305) + 0.6*noise(mix(p.town, 4), t, 36*time.Hour) + 0.5*noise(mix(p.town, 5), t, 90*time.Minute)
	return 45 * max(0, wet-0.75)
}

// sun is what reaches the ground through the clouds, in W/m².
func (p spot) sun(t time.Time) float64 {
	return 980 * daylight(t) * (0.75 + 0.25*noise(mix(p.town, 6), t, 2*time.Hour))
}

// tide is between about -1 and 1 and mainly diurnal, as on this coast.
func (p spot) tide(t time.Time) float64 {
	const k1, o1, m2 = 86164 * time.Second, 92950 * time.Second, 44714 * time.Second
	return 0.42*swing(t, k1, 0.53) + 0.36*swing(t, o1, 0.42) + 0.22*swing(t, m2, 0.24)
}

func weather(p spot) []Channel {
	gust := func(t time.Time) float64 { return p.windSpeed(t)*1.5 + 0.8*(1+jitter(p.salt(1), t)) }
	return []Channel{
		{telemetry.Temperature, 1, signalFunc(func(t time.Time) float64 { return p.airTemperature(t) + 0.1*jitter(p.salt(2), t) })},
		{telemetry.Humidity, 1, signalFunc(func(t time.Time) float64 { return p.airHumidity(t) + 0.5*jitter(p.salt(3), t) })},
		{telemetry.Pressure, 1, signalFunc(func(t time.Time) float64 {
			return 1010 + 3.5*yearly(t, 15) + 1.4*swing(t, 12*time.Hour, 10.0/12) + 2*noise(mix(p.town, 7), t, 48*time.Hour)
		})},
		{telemetry.WindSpeed, 1, signalFunc(p.windSpeed)},
		{telemetry.WindGust, 1, signalFunc(gust)},
		{telemetry.WindDirection, 0, signalFunc(func(t time.Time) float64 {
			d := 80 + 70*noise(mix(p.town, 8), t, 12*time.Hour) + 25*jitter(p.salt(4), t)
			return math.Mod(d+360, 360)
		})},
		{telemetry.Rain, 2, signalFunc(func(t time.Time) float64 { return p.rainRate(t) * p.hours() })},
		{telemetry.RainRate, 1, signalFunc(p.rainRate)},
		{telemetry.SolarRadiation, 0, signalFunc(p.sun)},
		{telemetry.UVIndex, 1, signalFunc(func(t time.Time) float64 { return p.sun(t) / 82 })},
		{telemetry.Illuminance, 0, signalFunc(func(t time.Time) float64 { return p.sun(t) * 118 })},
	}
}

func airQuality(p spot) []Channel {
	rush := rushHours()
	pm25 := func(t time.Time) float64 {
		v := 13 + 9*rush.at(t)*p.size - 1.6*p.windSpeed(t) + 5*noise(mix(p.town, 11), t, 18*time.Hour) + 2*noise(p.salt(1), t, time.Hour)
		return max(2, v*p.size+3)
	}
	gas := func(base, byTraffic, bySun float64, n uint64) Signal {
		return signalFunc(func(t time.Time) float64 {
			v := base + byTraffic*rush.at(t)*p.size + bySun*daylight(t)
			return max(0, v*(1+0.15*noise(p.salt(n), t, 2*time.Hour)+0.03*jitter(p.salt(n), t)))
		})
	}
	dust := func(factor, more float64, n uint64) Signal {
		return signalFunc(func(t time.Time) float64 { return pm25(t)*factor + more + 0.4*jitter(p.salt(n), t) })
	}
	return []Channel{
		{telemetry.PM1, 1, dust(0.62, 0, 2)},
		{telemetry.PM25, 1, dust(1, 0.5, 3)},
		{telemetry.PM10, 1, dust(1.6, 5, 4)},
		{telemetry.TSP, 1, dust(2.3, 12, 5)},
		{telemetry.NO2, 1, gas(9, 26, 0, 6)},
		{telemetry.SO2, 1, gas(5, 5, 0, 7)},
		{telemetry.O3, 1, gas(28, -6, 55, 8)},
		{telemetry.CO, 0, gas(350, 620, 0, 9)},
		{telemetry.Temperature, 1, signalFunc(func(t time.Time) float64 { return p.airTemperature(t) + 0.3 + 0.2*jitter(p.salt(10), t) })},
		{telemetry.Humidity, 1, signalFunc(func(t time.Time) float64 { return p.airHumidity(t) - 1 + 0.6*jitter(p.salt(11), t) })},
	}
}

func waterLevel(p spot) []Channel {
	swell := func(t time.Time) float64 { return 0.25*yearly(t, 320) + 0.15*noise(mix(p.town, 21), t, 48*time.Hour) }
	return []Channel{
		{telemetry.Level, 3, signalFunc(func(t time.Time) float64 {
			return 1.1 + 0.7*p.tide(t)*p.size + swell(t) + 0.01*jitter(p.salt(1), t)
		})},
		{telemetry.Flow, 1, signalFunc(func(t time.Time) float64 {
			return p.size * (38 + 60*swell(t) + 4*noise(p.salt(2), t, time.Hour))
		})},
		{telemetry.Temperature, 1, signalFunc(func(t time.Time) float64 {
			return 27 + 1.8*yearly(t, 190) + 0.6*daily(t, 15) + 0.05*jitter(p.salt(3), t)
		})},
	}
}

func waterQuality(p spot) []Channel {
	at := func(base, bySun, byTide, wander float64, n uint64) func(time.Time) float64 {
		return func(t time.Time) float64 {
			return base + bySun*daily(t, 15) + byTide*p.tide(t) + wander*(noise(p.salt(n), t, 9*time.Hour)+0.1*jitter(p.salt(n), t))
		}
	}
	oxygen, salt, mud := at(6.1, 0.9, 0.2, 0.5, 1), at(22, 0, 7, 1.5, 2), at(14, 0, -3, 6, 3)
	return []Channel{
		{telemetry.Temperature, 1, signalFunc(func(t time.Time) float64 { return 27.5 + 1.8*yearly(t, 190) + 0.8*daily(t, 15) })},
		{telemetry.PH, 2, signalFunc(at(7.7, 0.15, 0.15, 0.1, 4))},
		{telemetry.DissolvedOxygen, 2, signalFunc(oxygen)},
		{telemetry.OxygenSaturation, 1, signalFunc(func(t time.Time) float64 { return oxygen(t) / 7.1 * 100 })},
		{telemetry.Conductivity, 0, signalFunc(func(t time.Time) float64 { return salt(t) * 1560 })},
		{telemetry.Salinity, 2, signalFunc(salt)},
		{telemetry.Turbidity, 1, signalFunc(mud)},
		{telemetry.ORP, 0, signalFunc(at(230, 10, 15, 30, 5))},
		{telemetry.SuspendedSolids, 1, signalFunc(func(t time.Time) float64 { return mud(t) * 1.7 })},
		{telemetry.AmmoniumNitrogen, 3, signalFunc(at(0.22, 0, -0.06, 0.08, 6))},
		{telemetry.NitrateNitrogen, 3, signalFunc(at(0.8, 0, -0.2, 0.25, 7))},
		{telemetry.PhosphatePhosphor, 3, signalFunc(at(0.06, 0, -0.015, 0.02, 8))},
		{telemetry.Chlorophyll, 1, signalFunc(at(4.5, 0.8, 0, 1.8, 9))},
		{telemetry.BOD5, 1, signalFunc(at(3.2, 0, -0.6, 0.9, 10))},
		{telemetry.COD, 1, signalFunc(at(9.5, 0, -1.5, 2.5, 11))},
	}
}
