package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sky is what the weather is at a place: what most other signals depend on.
type sky struct {
	m                     moment
	sun                   sun
	cloud                 float64 // 0 to 1
	radiation             float64 // W/m² on the ground
	rainRate              float64 // mm/h
	wet                   float64 // mm in the last three hours
	temperature, humidity float64
	pressure, seaPressure float64 // hPa at the place, and as if at sea level
	wind, gust, from      float64 // m/s, m/s, degrees
}

// warmth is how far the day has come from its lowest temperature, just before
// sunrise, to its highest, when the sea breeze has held the sun's rise: 0 to 1.
func warmth(h float64) float64 {
	const lowest, highest = 5.6, 13.2
	if h >= lowest && h < highest {
		return (1 - math.Cos(math.Pi*(h-lowest)/(highest-lowest))) / 2
	}
	since := h - highest
	if since < 0 {
		since += 24
	}
	// Fast in the afternoon, slow through the night.
	x := since / (24 - highest + lowest)
	return (1 + math.Cos(math.Pi*math.Pow(x, 0.75))) / 2
}

func (s *station) sky(t time.Time) *sky { return s.skies.at(t.UnixMilli(), s.weatherAt) }

func (s *station) weatherAt(ms int64) sky {
	k := sky{m: momentOf(ms), sun: sunAt(ms, s.Lat, s.Lon)}
	h, season := k.m.hours(), k.m.season()
	k.rainRate = s.rain.rate(h)
	k.wet = s.rain.between(h-3, h)
	east, north, dip := 0.0, 0.0, 0.0
	for _, e := range s.storms {
		if (e.Kind == Typhoon || e.Kind == Depression) && h > e.from && h < e.to {
			x, y, d := e.vortex(h, s.Lat, s.Lon)
			east, north, dip = east+x, north+y, dip+d
		}
	}
	s.clouds(&k, season, dip)
	s.heat(&k, season)
	k.seaPressure = 1010 + 3.6*math.Cos(2*math.Pi*(float64(k.m.date)-15)/365.2425) +
		1.3*math.Cos(4*math.Pi*(k.m.hour-10)/24) + 0.4*math.Cos(2*math.Pi*(k.m.hour-7)/24) +
		2.2*wander(s.province(7), ms, 72*hour) - dip
	k.pressure = k.seaPressure * math.Exp(-s.exposure.height/8550)
	s.winds(&k, season, east, north)
	return k
}

// clouds come with the season, wander, and are there when it rains.
func (s *station) clouds(k *sky, season season, dip float64) {
	raining := 1 - math.Exp(-(k.wet/2 + k.rainRate/1.5))
	normal := s.climate.cloud.at(season)
	cloud := within(normal-0.05+0.45*wander(s.province(6), k.m.ms, 14*hour)+0.25*wander(s.town(6), k.m.ms, 2*hour), 0.02, 0.98)
	cloud = max(cloud, min(0.95, dip/8))
	k.cloud = cloud + (0.97-cloud)*raining
	c2 := k.cloud * k.cloud
	k.radiation = 0.93 * k.sun.clearSky() * (1 - 0.75*c2*k.cloud*math.Sqrt(math.Sqrt(k.cloud))) * (1 - 0.25*raining)
}

// heat is temperature and humidity. Highs and lows follow the normals of the
// month; weather lasts days; clouds and rain cool the afternoon and warm the
// night, by as much on average as the normals already hold.
func (s *station) heat(k *sky, season season) {
	e := &s.exposure
	low, high := s.climate.low.at(season)-0.18, s.climate.high.at(season)-0.33
	normal := s.climate.cloud.at(season)
	w := warmth(k.m.hour)
	mean, swing := (low+high)/2, (high-low)*e.diurnal
	spell := 1.2*wander(s.province(1), k.m.ms, 80*hour) + 0.5*wander(s.province(2), k.m.ms, 26*hour)
	shade := k.cloud - normal - 0.04
	air := mean + swing*(w-0.5)*(1-0.35*shade) + spell - 1.2*shade*w
	air -= 1.6 * (1 - math.Exp(-k.rainRate/4))
	air += e.nightWarmth*(1-w) - 0.0062*(e.height-5)
	air += 0.25 * wander(s.town(1), k.m.ms, 50*minute)
	if hot := s.strength(Heat, k.m.hours(), s.Locality); hot > 0 {
		air += hot * (0.6 + 0.4*w)
	}
	k.temperature = air
	// The air's water changes slowly, so it is drier by day.
	usual := (low + high) / 2
	rh := s.climate.humidity.at(season) - 1.2 - 2.5*(air+0.0062*(e.height-5)-usual) + 5*wander(s.province(3), k.m.ms, 40*hour) + 2*wander(s.town(3), k.m.ms, 5*hour)
	rh += (97 - rh) * 0.75 * (1 - math.Exp(-k.wet/3-k.rainRate/2))
	if e.height > 500 {
		rh += 10
	}
	// Nothing piles up at the ends: what is beyond 92 is pressed below 100.
	if rh > 92 {
		rh = 92 + 7.5*(1-math.Exp(-(rh-92)/7.5))
	}
	k.humidity = within(rh, 25, 100)
}

// winds are the monsoon, the breeze from sea to land by day and back by night,
// gusts, and a cyclone's.
func (s *station) winds(k *sky, season season, east, north float64) {
	ms := k.m.ms
	vigour := 1 + 0.6*wander(s.province(4), ms, 60*hour) + 0.25*wander(s.town(4), ms, 3*hour)
	u := s.climate.windEast.at(season) * vigour
	v := s.climate.windNorth.at(season) * vigour
	// From the sea, which lies to the east-south-east, strongest at 14 h.
	breeze := 0.0
	if h := k.m.hour; h > 8.5 && h < 20.5 {
		x := (h - 8.5) / 12
		breeze = 2.9 * math.Sin(math.Pi*math.Pow(x, 0.885)) * (1.2 - 0.7*k.cloud)
	} else {
		breeze = -0.9 * math.Sin(math.Pi*fraction((h+3.5)/12))
	}
	cyclone := math.Hypot(east, north)
	breeze /= 1 + cyclone/5
	u, v = u-0.94*breeze, v+0.34*breeze
	u += 0.9*wander(s.town(8), ms, 2*hour) + east
	v += 0.9*wander(s.town(9), ms, 2*hour) + north
	u += 0.35 * wander(s.salt(100), ms, 11*minute)
	v += 0.35 * wander(s.salt(101), ms, 13*minute)
	k.wind = s.exposure.wind * math.Hypot(u, v)
	k.from = math.Mod(math.Atan2(-u, -v)/degree+360, 360)
	k.gust = k.wind*(1.42+0.12*wander(s.salt(102), ms, 7*minute)) + 0.5 + min(10, 0.15*k.rainRate)
}

func (s *station) weather() []Channel {
	return []Channel{
		s.channel(telemetry.Temperature, 1, func(t time.Time) float64 { return s.sky(t).temperature }),
		s.channel(telemetry.Humidity, 1, func(t time.Time) float64 { return s.sky(t).humidity }),
		s.channel(telemetry.Pressure, 1, func(t time.Time) float64 { return s.sky(t).pressure }),
		s.channel(telemetry.WindSpeed, 1, func(t time.Time) float64 { return s.sky(t).wind }),
		s.channel(telemetry.WindGust, 1, func(t time.Time) float64 { return s.sky(t).gust }),
		s.channel(telemetry.WindDirection, 0, func(t time.Time) float64 { return s.sky(t).from }),
		s.channel(telemetry.Rain, 2, func(t time.Time) float64 {
			h := s.sky(t).m.hours()
			return s.rain.between(h-s.hours(), h)
		}),
		s.channel(telemetry.RainRate, 1, func(t time.Time) float64 { return s.sky(t).rainRate }),
		s.channel(telemetry.SolarRadiation, 0, func(t time.Time) float64 { return s.sky(t).radiation }),
		s.channel(telemetry.UVIndex, 1, func(t time.Time) float64 {
			k := s.sky(t)
			return k.sun.uv() * (1 - 0.7*k.cloud*k.cloud*k.cloud)
		}),
		s.channel(telemetry.Illuminance, 0, func(t time.Time) float64 { return s.sky(t).light() }),
	}
}

// light is the illuminance of open ground in lux: some 115 to a W/m² of sun, and
// twilight under clouds.
func (k *sky) light() float64 { return 115*k.radiation + k.sun.twilight()*(1-0.6*k.cloud) }
