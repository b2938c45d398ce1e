package figures

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// indexSpecs are what an index is written as and read from.
type indexSpecs struct {
	hour, day, dominant *telemetry.MetricSpec
	sub                 [vnaqi.CO + 1]*telemetry.MetricSpec
	// means are the fields that hold the pollutants' hourly means.
	means map[telemetry.Metric]vnaqi.Pollutant
	names []telemetry.Metric
}

func newIndexSpecs(cat *telemetry.Catalogue) indexSpecs {
	k, air := cat.Kind(telemetry.AirQualityIndex), cat.Kind(telemetry.AirQuality)
	of := func(m telemetry.Metric) *telemetry.MetricSpec { return k.Metric([]byte(m)) }
	s := indexSpecs{hour: of(telemetry.VNAQI), day: of(telemetry.VNAQIDay), dominant: of(telemetry.Dominant), means: map[telemetry.Metric]vnaqi.Pollutant{}}
	for _, p := range []struct {
		pollutant   vnaqi.Pollutant
		metric, sub telemetry.Metric
	}{
		{vnaqi.PM25, telemetry.PM25, telemetry.PM25Index}, {vnaqi.PM10, telemetry.PM10, telemetry.PM10Index},
		{vnaqi.O3, telemetry.O3, telemetry.O3Index}, {vnaqi.NO2, telemetry.NO2, telemetry.NO2Index},
		{vnaqi.SO2, telemetry.SO2, telemetry.SO2Index}, {vnaqi.CO, telemetry.CO, telemetry.COIndex},
	} {
		s.sub[p.pollutant] = of(p.sub)
		name := air.Metric([]byte(p.metric)).HourlyName(telemetry.Mean1h)
		s.means[name] = p.pollutant
		s.names = append(s.names, name)
	}
	return s
}

// noteIndices notes the indices that the batch's hours of air have changed: of the
// hour itself and the eleven after it, for NowCast; of its day, and of the next
// one, whose first mean of ozone reaches back seven hours. Those that are not over
// yet are noted in their time by the hour that ends them.
func (h *Hours) noteIndices(b batch, due time.Time) error {
	over := due.Add(-runAfter).Truncate(time.Hour)
	var all []note
	for _, n := range b.notes {
		for i := range vnaqi.NowCastHours {
			end := n.endTime().Add(time.Duration(i) * time.Hour)
			if end.After(over) {
				break
			}
			all = append(all, note{telemetry.AirQualityIndex, hourOf, end.Unix(), n.site})
		}
		for _, reach := range []time.Duration{0, vnaqi.OzoneBefore * time.Hour} {
			end := vnaqi.DayOf(n.endTime().Add(reach)).Add(24 * time.Hour)
			if !end.After(over) {
				all = append(all, note{telemetry.AirQualityIndex, dayOf, end.Unix(), n.site})
			}
		}
	}
	return h.notes.add(h.Now(), all...)
}

// indices computes what is due of VN_AQI.
func (h *Hours) indices(ctx context.Context, due time.Time) error {
	isIndex := func(n note) bool { return n.kind == telemetry.AirQualityIndex }
	began := h.Now()
	for _, b := range batches(h.notes.due(began), isIndex) {
		if h.Now().Sub(began) > budget {
			return nil
		}
		if err := h.indicesOf(ctx, b, due); err != nil {
			return fmt.Errorf("compute VN_AQI: %w", err)
		}
	}
	return nil
}

func (h *Hours) indicesOf(ctx context.Context, b batch, due time.Time) error {
	from, to := b.span()
	reach := (vnaqi.NowCastHours - 1) * time.Hour
	if b.what == dayOf {
		reach = (23 + vnaqi.OzoneBefore) * time.Hour
	}
	q := b.query(h.index.names, from.Add(-reach), to)
	q.Kind = telemetry.HourlyKind(telemetry.AirQuality)
	means := meansByPlace{}
	if err := h.Reader.Samples(ctx, q, func(s store.Sample) { means.add(s, h.index.means[s.Metric]) }); err != nil {
		return err
	}
	for end, sites := range b.ends() {
		at := time.Unix(end, 0).UTC()
		var points []telemetry.Point
		for p, m := range means {
			if sites != nil && !sites[p.site] {
				continue
			}
			values := h.index.valuesOfHour(m, end)
			if b.what == dayOf {
				values = h.index.valuesOfDay(m, end)
			}
			if len(values) == 0 {
				continue
			}
			points = append(points, telemetry.Point{Time: telemetry.Stamp(at, due), Values: values,
				Series: telemetry.Series{Kind: telemetry.AirQualityIndex, Locality: p.locality, Site: p.site, Device: telemetry.ComputedBy}})
		}
		if err := h.write(ctx, string(telemetry.AirQualityIndex), points); err != nil {
			return err
		}
	}
	h.notes.settle(b.notes)
	return nil
}

// means are hourly means of pollutants, by the end of the hour in Unix seconds.
type means [vnaqi.CO + 1]map[int64]sample

type meansByPlace map[place]*means

// add takes a mean over, unless a later revision is known.
func (all meansByPlace) add(s store.Sample, p vnaqi.Pollutant) {
	at := place{s.Series.Locality, s.Series.Site}
	m := all[at]
	if m == nil {
		m = &means{}
		all[at] = m
	}
	if m[p] == nil {
		m[p] = map[int64]sample{}
	}
	end, stamp := hourEnd(s.Time).Unix(), s.Time.UnixMilli()
	if old, known := m[p][end]; !known || stamp > old.at {
		m[p][end] = sample{stamp, s.Number}
	}
}

// of is a pollutant's mean of the hour that ended hours before a moment; NaN if
// there is none.
func (m *means) of(p vnaqi.Pollutant, end int64, before int) float64 {
	if s, ok := m[p][end-int64(before)*3600]; ok {
		return s.value
	}
	return math.NaN()
}

// valuesOfHour are the index of the hour that ends at a moment and what it is made
// of; nothing if there is none.
func (x *indexSpecs) valuesOfHour(m *means, end int64) []telemetry.Value {
	in := vnaqi.Hour{O3: m.of(vnaqi.O3, end, 0), NO2: m.of(vnaqi.NO2, end, 0), SO2: m.of(vnaqi.SO2, end, 0), CO: m.of(vnaqi.CO, end, 0)}
	for i := range vnaqi.NowCastHours {
		in.PM25 = append(in.PM25, m.of(vnaqi.PM25, end, i))
		in.PM10 = append(in.PM10, m.of(vnaqi.PM10, end, i))
	}
	index, ok := vnaqi.Hourly(in)
	if !ok {
		return nil
	}
	out := []telemetry.Value{{Spec: x.hour, Number: float64(index.Value)}, {Spec: x.dominant, Number: float64(index.Dominant)}}
	for _, p := range vnaqi.Pollutants() {
		if !math.IsNaN(index.Sub[p]) {
			out = append(out, telemetry.Value{Spec: x.sub[p], Number: index.Sub[p]})
		}
	}
	return out
}

// valuesOfDay is the index of the day that ends at a midnight in Vietnam; nothing
// if there is none.
func (x *indexSpecs) valuesOfDay(m *means, end int64) []telemetry.Value {
	var in vnaqi.Day
	for i := range 24 {
		before := 23 - i
		in.PM25[i], in.PM10[i] = m.of(vnaqi.PM25, end, before), m.of(vnaqi.PM10, end, before)
		in.NO2[i], in.SO2[i], in.CO[i] = m.of(vnaqi.NO2, end, before), m.of(vnaqi.SO2, end, before), m.of(vnaqi.CO, end, before)
	}
	for i := range in.O3 {
		in.O3[i] = m.of(vnaqi.O3, end, len(in.O3)-1-i)
	}
	index, ok := vnaqi.Daily(in)
	if !ok {
		return nil
	}
	return []telemetry.Value{{Spec: x.day, Number: float64(index.Value)}}
}
