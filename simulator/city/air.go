package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// airState is what is in the air at a place, in µg/m³.
type airState struct {
	fine, coarse, giant float64 // PM2.5; between it and PM10; between that and TSP
	no2, so2, o3, co    float64
	sky                 sky
}

func (s *station) air(t time.Time) *airState { return s.airs.at(t.UnixMilli(), s.airAt) }

// exhaust is what the traffic gives off: 1 is a main street at a usual hour.
func (r *roadState) exhaust() float64 {
	return (r.flow[0] + 1.2*r.flow[1] + 10*r.flow[2] + 12*r.flow[3]) / 2500 * (1 + 0.4*ease((r.load-0.6)/0.5))
}

// airAt brings the sources together: what the season's wind brings, traffic,
// industry, the landfill, kitchens, haze; thinned by wind, kept low by a clear
// calm night, washed out by rain.
func (s *station) airAt(ms int64) airState {
	a := airState{sky: s.weatherAt(ms)}
	k, e, r := &a.sky, &s.exposure, s.roadAt(ms)
	season := k.m.season()
	night := 1 - ease((k.sun.elevation+2)/22)
	inversion := night * (1 - 0.7*k.cloud) * (1 - ease(k.wind/4))
	thin := (1 + 1.1*inversion) / (0.4 + 0.3*k.wind)
	washed := math.Exp(-0.22 * math.Sqrt(k.wet))
	exhaust := r.exhaust() * thin
	kitchens := (bell(k.m.hour, 6.3, 0.8) + bell(k.m.hour, 11.2, 0.8) + bell(k.m.hour, 18, 1.2)) * e.people * thin
	works := e.industry * thin * (0.75 + 0.25*bell(k.m.hour, 14, 5)) * (0.4 + 0.6*r.mood.load)
	dump := e.landfill * thin
	haze := s.strength(Haze, k.m.hours(), s.Locality)
	region := s.climate.dust.at(season) * math.Exp(0.55*wander(s.province(300), ms, 70*hour)+0.2*wander(s.town(300), ms, 9*hour))
	if e.height > 500 {
		region *= 0.55
	}
	own := math.Exp(0.25 * wander(s.salt(301), ms, 3*hour))
	a.fine = 1 + washed*(region+own*(3.9*exhaust+1.2*kitchens+4.5*works+7.5*dump))
	a.fine += haze * 90 * (0.95 + 0.15*wander(s.province(302), ms, 18*hour)) * (0.6 + 0.4*washed) * (1 + 0.1*night)
	dry := 1 - 0.85*(1-math.Exp(-k.wet))
	salt := 0
	if s.Setting == Beach || s.Setting == Sea || s.Setting == Port {
		salt = 1
	}
	a.coarse = 0.28*a.fine + washed*own*(5+dry*(5*r.exhaust()+6*works+18*dump)+(0.6+1.6*float64(salt))*k.wind)
	a.giant = 0.2*a.fine + 0.9*a.coarse + 4*dry*(1+e.landfill*4+0.12*k.wind*k.wind/4)
	a.no2 = own * (4 + 0.12*haze*60 + 17*exhaust + 9*works)
	a.co = own * (190 + 330*exhaust + 60*kitchens + 90*works + 160*dump + 900*haze)
	a.so2 = own * (3 + 2.5*exhaust + 14*works + 2*dump + 6*haze)
	// Sunlight makes ozone of nitrogen dioxide over an hour or so; fresh exhaust
	// eats it, most where there is no sun to make it anew.
	earlier := sunAt(ms-70*minute, s.Lat, s.Lon)
	light := earlier.clearSky() / 1000 * (1 - 0.65*k.cloud*k.cloud)
	a.o3 = 34 + 8*wander(s.province(303), ms, 60*hour) + light*(52+9*math.Sqrt(a.no2)) + 12*haze - 11*math.Log1p(a.no2/9)*(1.25-0.6*light)
	a.o3 = 3 + 4*math.Log1p(math.Exp((a.o3-3)/4)) // never below what instruments see
	return a
}

func (s *station) airQuality() []Channel {
	return []Channel{
		s.channel(telemetry.PM1, 1, func(t time.Time) float64 {
			a := s.air(t)
			return a.fine * (0.66 + 0.05*wander(s.salt(310), t.UnixMilli(), 4*hour))
		}),
		s.channel(telemetry.PM25, 1, func(t time.Time) float64 { return s.air(t).fine }),
		s.channel(telemetry.PM10, 1, func(t time.Time) float64 { a := s.air(t); return a.fine + a.coarse }),
		s.channel(telemetry.TSP, 1, func(t time.Time) float64 { a := s.air(t); return a.fine + a.coarse + a.giant }),
		s.channel(telemetry.NO2, 1, func(t time.Time) float64 { return s.air(t).no2 }),
		s.channel(telemetry.SO2, 1, func(t time.Time) float64 { return s.air(t).so2 }),
		s.channel(telemetry.O3, 1, func(t time.Time) float64 { return s.air(t).o3 }),
		s.channel(telemetry.CO, 0, func(t time.Time) float64 { return s.air(t).co }),
		s.channel(telemetry.Temperature, 1, func(t time.Time) float64 { return s.air(t).sky.temperature }),
		s.channel(telemetry.Humidity, 1, func(t time.Time) float64 { return s.air(t).sky.humidity }),
	}
}
