package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// waterBody is what the water of a setting is like in dry, calm weather, and how
// it answers. All are assumptions of the usual order [M].
type waterBody struct {
	// ocean is the log-odds of the share of sea water at mean tide; byTide and
	// byRain change it per m of tide and per unit of runoff.
	ocean, byTide, byRain float64
	turbidity, mud        float64 // NTU, and how much runoff adds to it, times itself
	ph, oxygen            float64 // oxygen: % of saturation on average
	breath                float64 // % of saturation that algae add and take over a day
	algae                 float64 // chlorophyll, µg/L
	ammonium, nitrate     float64
	phosphate, bod        float64
	diurnal               float64 // °C between night and afternoon
	sea                   float64 // how much its warmth is the sea's
}

func (s Setting) waterBody() waterBody {
	switch s {
	case Estuary:
		return waterBody{0.9, 2.6, 1.1, 16, 3.5, 7.7, 88, 7, 5, 0.15, 0.5, 0.05, 3.2, 1.2, 0.4}
	case Lagoon:
		return waterBody{2.3, 0.8, 0.7, 9, 2, 8.0, 97, 16, 7, 0.08, 0.15, 0.035, 2.6, 2.0, 0.6}
	case Reservoir:
		return waterBody{-7, 0, 0, 5, 2.2, 7.5, 95, 9, 6, 0.04, 0.25, 0.02, 1.8, 1.6, 0}
	case Sea, Beach:
		return waterBody{4.6, 0.3, 0.4, 1.8, 1.3, 8.13, 101, 4, 1.2, 0.02, 0.03, 0.01, 0.9, 0.6, 1}
	case Port, Airport:
		return waterBody{3.8, 0.4, 0.5, 5, 1.6, 8.05, 93, 5, 3, 0.09, 0.1, 0.03, 2.2, 0.8, 0.9}
	case Aquaculture:
		return waterBody{2.9, 0.5, 0.45, 13, 1.3, 8.05, 96, 22, 14, 0.16, 0.12, 0.07, 4.2, 2.6, 0.5}
	case Industrial:
		return waterBody{-5.2, 0, 0.3, 28, 1.5, 7.3, 70, 6, 8, 1.1, 2.2, 0.35, 11, 2.2, 0}
	case Landfill:
		return waterBody{-4.2, 0, 0.4, 55, 1.6, 7.8, 45, 6, 9, 8, 4, 0.9, 32, 2.5, 0}
	default: // River, and streams elsewhere
		return waterBody{-6.2, 0, 0.2, 11, 5, 7.2, 92, 7, 4, 0.09, 0.6, 0.05, 2.4, 1.6, 0}
	}
}

// runoffGauge is how rain reaches the water at a place: quickly in rivers, late
// and long at sea. Its head is that of Đồng Trăng, 2 m of which is 1 of runoff.
func runoffGauge(s Setting, r region) gauge {
	g := gauge{gain: 0.8, lag: 3, fast: 4, slow: 24, catchment: caiCatchment, flood: dongTrang, floodScale: 1, dry: 2.7, wet: 3.46}
	if r == ninhHoa {
		g.catchment = dinhCatchment
	}
	switch s {
	case Sea, Beach, Port, Airport:
		g.lag, g.fast, g.slow = 12, 12, 60
	case Lagoon, Aquaculture, Estuary:
		g.lag, g.fast, g.slow = 6, 8, 48
	case Reservoir:
		g.lag, g.fast, g.slow = 4, 12, 96
	}
	return g
}

// qualityState is what the metrics of water quality have in common.
type qualityState struct {
	m                      moment
	temperature, salinity  float64
	runoff, turbidity      float64
	saturation, oxygen, ph float64
	algae                  float64
	organic                float64 // how much the load is above the usual
}

func (s *station) quality(t time.Time) *qualityState {
	return s.qualities.at(t.UnixMilli(), s.qualityAt)
}

// waterTemperature is that of a state alone, without the rest.
func (s *station) waterTemperature(t time.Time) float64 {
	return s.waterWarmth(momentOf(t.UnixMilli()))
}

func (s *station) waterWarmth(m moment) float64 {
	b := &s.body
	season := m.season()
	air := (s.climate.low.at(season) + s.climate.high.at(season)) / 2
	warm := b.sea*s.climate.sea.at(season) + (1-b.sea)*(air+0.3-0.004*(s.exposure.height-5))
	warm += b.diurnal * (warmth(math.Mod(m.hour+22, 24)) - 0.5)
	warm += (0.3 + 0.5*(1-b.sea)) * wander(s.province(1), m.ms-8*hour, 80*hour)
	warm += 0.5 * s.strength(Heat, m.hours(), s.Locality)
	h := m.hours()
	return warm - (1-0.7*b.sea)*1.2*(1-math.Exp(-s.rain.between(h-6, h)/25)) + 0.1*wander(s.salt(900), m.ms, hour)
}

func (s *station) qualityAt(ms int64) qualityState {
	q := qualityState{m: momentOf(ms)}
	b, m := &s.body, q.m
	h := m.hours()
	q.temperature = s.waterWarmth(m)
	tide := s.water.sea(ms)
	q.runoff = max(0, s.runoff.above(m)) / 2
	r := q.runoff
	// In the dry season the sea comes further up.
	dry := 1 - s.climate.soak.at(m.season())
	odds := b.ocean + b.byTide*tide - b.byRain*r + 0.5*dry*ease((b.ocean+3)/3) + 0.15*wander(s.salt(901), ms, 3*hour)
	shower := s.rain.between(h-3, h)
	q.salinity = 34 / (1 + math.Exp(-odds)) * (1 - 0.04*(1-math.Exp(-shower/20)))
	// Mud comes with runoff, and a running tide stirs it up.
	stir := math.Abs(s.water.sea(ms+20*minute) - s.water.sea(ms-20*minute))
	q.turbidity = b.turbidity * math.Exp(0.3*wander(s.salt(902), ms, 5*hour)) * (1 + b.mud*math.Pow(r, 1.4) + 1.5*stir + 0.15*math.Sqrt(shower))
	q.organic = math.Exp(0.25*wander(s.salt(903), ms, 20*hour)) * (1 + 0.5*r/(1+0.4*r) + 0.06*math.Sqrt(shower))
	q.algae = b.algae * math.Exp(0.5*wander(s.town(904), ms, 140*hour)+0.2*wander(s.salt(904), ms, 9*hour)) / (1 + 0.8*r) * (1 + 0.03*(q.temperature-27))
	// Algae breathe out by the sun of the last hours and in at night; mud takes
	// their light.
	sun := sunAt(ms-100*minute, s.Lat, s.Lon)
	cloud := within(s.climate.cloud.at(m.season())+0.4*wander(s.province(6), ms, 14*hour), 0, 1)
	light := sun.clearSky() / 1000 * (1 - 0.6*cloud*cloud) / (1 + 0.25*r)
	night := -0.35 * bell(math.Mod(m.hour+12, 24), 17, 3.5) // lowest towards dawn
	q.saturation = b.oxygen + b.breath*(q.algae/b.algae)*(1.5*light+night-0.3) - 6*math.Log1p(r) - 4*(q.organic-1) + 1.2*wander(s.salt(905), ms, 4*hour)
	q.saturation = 4 + 8*math.Log1p(math.Exp((q.saturation-4)/8))
	q.oxygen = q.saturation / 100 * saturated(q.temperature, q.salinity)
	q.ph = b.ph + 0.012*(q.saturation-b.oxygen) - 0.12*math.Log1p(r) + 0.04*wander(s.salt(906), ms, 11*hour)
	if b.ocean > 0 { // between the river's pH and the sea's
		q.ph -= 0.35 * (1 - q.salinity/34)
	}
	return q
}

// saturated is how much oxygen water holds in balance with the air, in mg/L: the
// usual polynomial for fresh water, less some 0.5 % for each PSU.
func saturated(t, salinity float64) float64 {
	return (14.652 - 0.41022*t + 0.007991*t*t - 0.000077774*t*t*t) * (1 - 0.0052*salinity)
}

func (s *station) waterQuality() []Channel {
	b := &s.body
	of := func(m telemetry.Metric, decimals int, value func(q *qualityState) float64) Channel {
		return s.channel(m, decimals, func(t time.Time) float64 { return value(s.quality(t)) })
	}
	spread := func(n uint64, q *qualityState) float64 { return math.Exp(0.18 * wander(s.salt(n), q.m.ms, 7*hour)) }
	// Where river and sea meet, nutrients are thinned by clean sea water.
	fresh := func(q *qualityState) float64 {
		if b.ocean < 0 {
			return 1
		}
		return 0.6 + 1.6*(1-q.salinity/34)
	}
	return []Channel{
		of(telemetry.Temperature, 1, func(q *qualityState) float64 { return q.temperature }),
		of(telemetry.PH, 2, func(q *qualityState) float64 { return q.ph }),
		of(telemetry.DissolvedOxygen, 2, func(q *qualityState) float64 { return q.oxygen }),
		of(telemetry.OxygenSaturation, 1, func(q *qualityState) float64 { return q.saturation }),
		// At 25 °C; sea water of 35 PSU has 53 mS/cm.
		of(telemetry.Conductivity, 0, func(q *qualityState) float64 { return 1930 * math.Pow(q.salinity, 0.932) }),
		of(telemetry.Salinity, 2, func(q *qualityState) float64 { return q.salinity }),
		of(telemetry.Turbidity, 1, func(q *qualityState) float64 { return q.turbidity }),
		of(telemetry.ORP, 0, func(q *qualityState) float64 {
			return 120 + 1.5*q.saturation - 25*(q.organic-1) - 20*(q.ph-7.5) + 15*wander(s.salt(910), q.m.ms, 6*hour)
		}),
		of(telemetry.SuspendedSolids, 1, func(q *qualityState) float64 { return 1.5 * q.turbidity * spread(911, q) }),
		of(telemetry.AmmoniumNitrogen, 3, func(q *qualityState) float64 { return b.ammonium * q.organic * spread(912, q) * fresh(q) }),
		// Nitrite is on its way from ammonium to nitrate: a few hundredths of the latter.
		of(telemetry.NitriteNitrogen, 4, func(q *qualityState) float64 { return 0.02 * b.nitrate * q.organic * spread(915, q) * fresh(q) }),
		of(telemetry.NitrateNitrogen, 3, func(q *qualityState) float64 { return b.nitrate * q.organic * spread(913, q) * fresh(q) }),
		of(telemetry.PhosphatePhosphor, 3, func(q *qualityState) float64 { return b.phosphate * q.organic * spread(914, q) * fresh(q) }),
		of(telemetry.Chlorophyll, 1, func(q *qualityState) float64 { return q.algae }),
		of(telemetry.BOD5, 1, func(q *qualityState) float64 { return b.bod * q.organic }),
		of(telemetry.COD, 1, func(q *qualityState) float64 {
			return b.bod * q.organic * (2.4 + 0.3*wander(s.salt(915), q.m.ms, 30*hour))
		}),
	}
}
