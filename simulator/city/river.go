package city

import (
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// gauge is how the water at a place answers to rain and tide. Levels are in m
// above the station's own datum; those of different stations do not compare.
type gauge struct {
	// dry and wet are the level without recent rain in February–August and in
	// November.
	dry, wet float64
	// gain is m per mm/h of lasting rain on wet ground; lag hours pass before it
	// comes, then two reservoirs let it through, with time constants in hours.
	gain, lag, fast, slow float64
	catchment             region
	// tidal is the share of the sea's tide, late by delay hours.
	tidal, delay float64
	// flood names the station whose recorded flood this one follows, by scale.
	flood      floodStation
	floodScale float64
	// rating turns head into flow; baseFlow in m³/s when dry; surface in km² is
	// what the tide fills through here.
	rating, baseFlow, surface float64
	noFlow                    bool
}

// gaugeOf is the gauge of a site, or what is usual in its setting. Alarm levels
// and wet bases of the four river stations are listed facts; gains, time
// constants and all others are assumptions [M].
func gaugeOf(site telemetry.Site, setting Setting) gauge {
	cai := gauge{gain: 0.80, lag: 2, fast: 3, slow: 24, catchment: caiCatchment, floodScale: 1}
	dinh := gauge{gain: 0.36, lag: 4, fast: 8, slow: 48, catchment: dinhCatchment, floodScale: 1}
	switch site {
	case "dong-trang":
		cai.dry, cai.wet, cai.flood, cai.rating, cai.baseFlow = 2.7, 3.46, dongTrang, 60, 12
		return cai
	case "dien-phu":
		cai.dry, cai.wet, cai.flood, cai.rating, cai.baseFlow = 1.5, 2.33, dienPhu, 210, 14
		cai.gain, cai.lag, cai.fast, cai.slow = 0.38, 5, 5, 30
		return cai
	case "vinh-phuong":
		cai.dry, cai.wet, cai.flood, cai.floodScale, cai.rating, cai.baseFlow = 1.15, 1.4, dienPhu, 0.45, 800, 15
		cai.gain, cai.lag, cai.fast, cai.slow, cai.tidal, cai.delay, cai.surface = 0.17, 7, 6, 30, 0.45, 1.2, 0.6
		return cai
	case "cau-tran-phu", "binh-tan":
		cai.dry, cai.wet, cai.flood, cai.floodScale, cai.rating, cai.baseFlow = meanSeaLevel+0.03, meanSeaLevel+0.08, dienPhu, 0.12, 7500, 15
		cai.gain, cai.lag, cai.fast, cai.slow, cai.tidal, cai.delay, cai.surface = 0.045, 8, 6, 30, 0.95, 0.3, 1.5
		return cai
	case "trung-tam-ninh-hoa":
		dinh.dry, dinh.wet, dinh.flood, dinh.rating, dinh.baseFlow = 2.6, 3.32, ninhHoaGauge, 145, 6
		return dinh
	case "duc-my":
		dinh.dry, dinh.wet, dinh.flood, dinh.rating, dinh.baseFlow = 13.3, 13.86, ducMy, 95, 5
		dinh.gain, dinh.lag, dinh.fast, dinh.slow = 0.34, 1.5, 3, 26
		return dinh
	case "cua-song-dinh":
		dinh.dry, dinh.wet, dinh.flood, dinh.floodScale, dinh.rating, dinh.baseFlow = meanSeaLevel+0.03, meanSeaLevel+0.08, ninhHoaGauge, 0.13, 4200, 7
		dinh.gain, dinh.lag, dinh.tidal, dinh.delay, dinh.surface = 0.04, 7, 0.92, 0.5, 2
		return dinh
	case "dam-nha-phu":
		return lagoonGauge(0.8, 0.7, 45)
	case "dam-thuy-trieu":
		return lagoonGauge(0.45, 2.5, 22)
	case "cau-long-ho":
		return lagoonGauge(0.55, 1.8, 18)
	case "ho-suoi-dau":
		return reservoirGauge(36.5, 42.3, 0.25)
	case "ho-cam-ranh":
		return reservoirGauge(27.5, 32.5, 0.2)
	case "ho-da-ban":
		return reservoirGauge(57, 64.5, 0.3)
	}
	switch setting {
	case Lagoon:
		return lagoonGauge(0.6, 1.5, 15)
	case Reservoir:
		return reservoirGauge(30, 35, 0.2)
	case Estuary:
		return gaugeOf("cua-song-dinh", setting)
	case Sea, Port, Beach, Airport:
		return gauge{dry: meanSeaLevel, wet: meanSeaLevel, tidal: 1, noFlow: true}
	case Aquaculture:
		return gauge{dry: meanSeaLevel, wet: meanSeaLevel + 0.03, tidal: 0.85, delay: 0.6, noFlow: true}
	}
	// A stream or a drain in town, quick and small.
	return gauge{dry: 0.4, wet: 0.7, gain: 0.12, lag: 0.5, fast: 0.7, slow: 7, flood: dienPhu, floodScale: 0.3, rating: 9, baseFlow: 0.8}
}

// lagoonGauge is a lagoon behind a narrow mouth: its tide is smaller and later,
// and rivers raise it a little.
func lagoonGauge(tidal, delay, surface float64) gauge {
	return gauge{
		dry: meanSeaLevel + 0.02, wet: meanSeaLevel + 0.1, gain: 0.03, lag: 6, fast: 6, slow: 30, catchment: dinhCatchment,
		tidal: tidal, delay: delay, flood: ninhHoaGauge, floodScale: 0.12, rating: 0, surface: surface,
	}
}

// reservoirGauge is a lake that is drawn down until August and filled by November.
func reservoirGauge(low, full, gain float64) gauge {
	return gauge{dry: low, wet: full, gain: gain / 4, lag: 2, fast: 6, slow: 90, catchment: caiCatchment, flood: ninhHoaGauge, floodScale: 0.28, rating: 60, baseFlow: 1.5}
}

// water is a gauge in a city: level, flow and what rain does to the water.
type water struct {
	city   *City
	gauge  gauge
	rain   square
	heads  []course // of events other than floods
	knots  []knot
	hourly memo[[2]float64]
	days   [32]memo[spell]
	// filling is a reservoir's yearly course, others' that of their base.
	filling monthly
}

func newWater(c *City, p *Place, g gauge) *water {
	lat, lon := g.catchment.centre()
	factor := 1.1
	if g.slow > 0 && g.slow < 20 { // a stream: its catchment is around it
		lat, lon, g.catchment, factor = p.Lat, p.Lon, regionOf(p.Locality), 1
	}
	w := &water{city: c, gauge: g, rain: squareOf(lat, lon, factor), knots: floodLevels(g.flood)}
	w.filling = monthly{0.75, 0.45, 0.25, 0.12, 0.05, 0, 0, 0.05, 0.25, 0.7, 1, 0.95}
	if p.Setting == Reservoir {
		w.filling = monthly{0.95, 0.85, 0.72, 0.55, 0.4, 0.25, 0.1, 0, 0.12, 0.5, 0.92, 1}
	}
	for _, s := range c.storms {
		if s.Kind != Flood && len(s.rain[g.catchment].level) > 0 {
			w.heads = append(w.heads, w.routed(&s.rain[g.catchment]))
		}
	}
	return w
}

// step is the answer of the two reservoirs to rain that began x hours ago: from 0
// to 1.
func (g *gauge) step(x float64) float64 {
	x -= g.lag
	if x <= 0 {
		return 0
	}
	return 1 - (g.slow*math.Exp(-x/g.slow)-g.fast*math.Exp(-x/g.fast))/(g.slow-g.fast)
}

// routed is the head that a course of rain on wet ground makes, in m, for each
// hour until it has run off.
func (w *water) routed(rain *course) course {
	g := &w.gauge
	n := len(rain.level) + int(6*g.slow+g.lag) + 2
	level := make([]float64, n)
	var upper, lower float64
	a, b := 1-math.Exp(-1/g.fast), 1-math.Exp(-1/g.slow)
	for i := range n {
		h := rain.from + float64(i) - g.lag
		upper += a * (rain.between(h-1, h) - upper)
		lower += b * (upper - lower)
		level[i] = g.gain * lower
	}
	level[0] = 0
	return newCourse(rain.from, level)
}

// head is how far the rain of the last days lifts the water at a full local
// hour, in m, without floods: the sum over showers of the unit hydrograph.
func (w *water) head(n int64) (head float64) {
	g := &w.gauge
	if g.gain == 0 {
		return 0
	}
	h := float64(n)
	for date, first := floorDiv(n, 24), floorDiv(n-int64(5*g.slow+g.lag), 24)-1; date >= first; date-- {
		s := w.days[date&31].at(date, func(date int64) spell { return w.city.spell(date, &w.rain) })
		soak := 0.0
		for i := range s.n {
			if i == 0 {
				soak = w.city.climate.soak[civilOf(date).month-1]
			}
			b := &s.bursts[i]
			head += soak * b.mm / b.length * (g.step(h-b.from) - g.step(h-b.from-b.length))
		}
	}
	head *= g.gain
	for i := range w.heads {
		head += w.heads[i].at(h)
	}
	return head
}

// above is the head at any time, floods included.
func (w *water) above(m moment) float64 {
	h := m.hours()
	n := int64(math.Floor(h))
	pair := w.hourly.at(n, func(n int64) [2]float64 { return [2]float64{w.head(n), w.head(n + 1)} })
	f := h - float64(n)
	head := pair[0] + (pair[1]-pair[0])*f
	if w.gauge.flood == noFlood {
		return head
	}
	for _, s := range w.city.storms {
		if s.Kind != Flood || h < s.from || h > s.to+48 {
			continue
		}
		share := s.floodShare(h)
		flood := s.Strength * w.gauge.floodScale * (floodLevel(w.knots, h-s.from) - floodWet(w.gauge.flood))
		head += share * (flood + w.gauge.wet - w.base(m) - head)
	}
	return head
}

// floodWet is the wet season's base of a station with a recorded flood.
func floodWet(s floodStation) float64 {
	return [...]float64{noFlood: 0, dongTrang: 3.46, dienPhu: 2.33, ninhHoaGauge: 3.32, ducMy: 13.86}[s]
}

// base is the level without recent rain and tide.
func (w *water) base(m moment) float64 {
	return w.gauge.dry + (w.gauge.wet-w.gauge.dry)*w.filling.at(m.season())
}

// sea is the tide at the place, with what wind and pressure add.
func (w *water) sea(ms int64) float64 {
	if w.gauge.tidal == 0 {
		return 0
	}
	return w.gauge.tidal * w.city.tide(ms-int64(w.gauge.delay*hour))
}

// waterState is what the signals of water at a place have in common.
type waterState struct {
	m           moment
	head        float64 // m above the base, from rain
	level, flow float64
	tide        float64 // m above mean sea level, at the place
}

func (w *water) state(ms int64) waterState {
	s := waterState{m: momentOf(ms)}
	s.head = w.above(s.m)
	s.tide = w.sea(ms)
	s.level = w.base(s.m) + s.head + s.tide
	g := &w.gauge
	s.flow = g.baseFlow*(0.4+1.8*w.filling.at(s.m.season())) + rated(g.rating, s.head)
	if g.surface > 0 { // ebb runs out, flood in
		rise := w.sea(ms+15*minute) - w.sea(ms-15*minute)
		s.flow -= g.surface * 1e6 * rise / 1800
	}
	return s
}

func (s *station) waterLevel() []Channel {
	surge := func(t time.Time) float64 {
		if s.water.gauge.tidal == 0 {
			return 0
		}
		k := s.sky(t)
		// A hPa less lifts the sea a cm; strong wind on the coast some more.
		return s.water.gauge.tidal * (0.01*(1010-k.seaPressure) + 0.0009*k.wind*k.wind)
	}
	channels := []Channel{
		s.channel(telemetry.Level, 2, func(t time.Time) float64 {
			return s.wet(t).level + surge(t) + 0.004*wander(s.salt(1), t.UnixMilli(), 10*minute)
		}),
	}
	if !s.water.gauge.noFlow {
		channels = append(channels, s.channel(telemetry.Flow, 1, func(t time.Time) float64 { return s.wet(t).flow }))
	}
	return append(channels, s.channel(telemetry.Temperature, 1, s.waterTemperature))
}
