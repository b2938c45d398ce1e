package figures

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/counter"
)

// table is what is kept of a kind's hours.
type table struct {
	kind    *telemetry.KindSpec
	metrics []telemetry.Metric // with those that are read: the quality flag too
	fields  map[telemetry.Metric][]field
	// counters are those of the metrics: what they grew by depends on readings before
	// the hour, and after it.
	counters []telemetry.Metric
}

// field is one value that is kept of a metric's hour.
type field struct {
	hourly telemetry.Hourly
	spec   *telemetry.MetricSpec // of what is written
}

func newTable(k *telemetry.KindSpec) *table {
	t := &table{kind: k, fields: map[telemetry.Metric][]field{}}
	index := 0
	for i := range k.Metrics {
		m := &k.Metrics[i]
		for _, h := range m.Hourly() {
			t.fields[m.Name] = append(t.fields[m.Name], field{h, &telemetry.MetricSpec{Name: m.HourlyName(h), Unit: m.Unit, Index: index}})
			index++
		}
		if len(m.Hourly()) > 0 {
			t.metrics = append(t.metrics, m.Name)
			if m.Form == telemetry.Counter {
				t.counters = append(t.counters, m.Name)
			}
		}
	}
	if len(t.metrics) > 0 {
		t.metrics = append(t.metrics, telemetry.QualityCode)
	}
	return t
}

// place is where something is measured.
type place struct {
	locality telemetry.Locality
	site     telemetry.Site
}

// device is a device at a place.
type device struct {
	place
	device telemetry.Device
}

// readings are the samples of a kind, by device and metric in order of time, and
// which times a device flagged.
type readings struct {
	samples map[device]map[telemetry.Metric][]sample
	flagged map[device]map[int64]bool
	// steps are what the counters' readings count as, once they are judged.
	steps map[device]map[telemetry.Metric][]counter.Step
}

type sample struct {
	at    int64 // Unix milliseconds
	value float64
}

func newReadings() *readings {
	return &readings{samples: map[device]map[telemetry.Metric][]sample{}, flagged: map[device]map[int64]bool{}}
}

func (r *readings) add(s store.Sample) {
	d := device{place{s.Series.Locality, s.Series.Site}, s.Series.Device}
	at := s.Time.UnixMilli()
	if s.Metric == telemetry.QualityCode {
		if telemetry.Quality(s.Number) != telemetry.Measuring {
			if r.flagged[d] == nil {
				r.flagged[d] = map[int64]bool{}
			}
			r.flagged[d][at] = true
		}
		return
	}
	if r.samples[d] == nil {
		r.samples[d] = map[telemetry.Metric][]sample{}
	}
	r.samples[d][s.Metric] = append(r.samples[d][s.Metric], sample{at, s.Number})
}

// hour is what is kept of the hour that ends at a moment, by place.
func (r *readings) hour(t *table, end time.Time) map[place][]telemetry.Value {
	from, to := end.Add(-time.Hour).UnixMilli(), end.UnixMilli()
	if r.steps == nil {
		r.judge(t)
	}
	parts := map[place]map[telemetry.Metric][]part{}
	for d, metrics := range r.samples {
		for m, all := range metrics {
			p, ok := partOf(m, all, r.flagged[d], from, to)
			if !ok {
				continue
			}
			if steps := r.steps[d][m]; steps != nil {
				p.increase, p.grew = counter.Increase(steps, from, to)
			}
			if parts[d.place] == nil {
				parts[d.place] = map[telemetry.Metric][]part{}
			}
			parts[d.place][m] = append(parts[d.place][m], p)
		}
	}
	out := make(map[place][]telemetry.Value, len(parts))
	for at, metrics := range parts {
		for _, m := range t.metrics {
			for _, f := range t.fields[m] {
				if v, ok := join(m, f.hourly, metrics[m]); ok {
					out[at] = append(out[at], telemetry.Value{Spec: f.spec, Number: v})
				}
			}
		}
	}
	return out
}

// part is what one device contributes to an hour.
type part struct {
	mean, least, most, sum float64
	east, north            float64 // of directions, as vectors
	increase               float64
	grew                   bool // there was a reading before to grow from
}

// partOf brings the samples of one device's metric together, after from and until
// to. What lies in the hour before is only where a counter's increase begins.
func partOf(m telemetry.Metric, all []sample, flagged map[int64]bool, from, to int64) (p part, ok bool) {
	p.least, p.most = math.Inf(1), math.Inf(-1)
	first := sort.Search(len(all), func(i int) bool { return all[i].at > from })
	n := 0
	for _, s := range all[first:] {
		if s.at > to {
			break
		}
		if flagged[s.at] {
			continue
		}
		n++
		p.sum += telemetry.Linear(m, s.value)
		p.least, p.most = min(p.least, s.value), max(p.most, s.value)
		sin, cos := math.Sincos(s.value * math.Pi / 180)
		p.east, p.north = p.east+sin, p.north+cos
	}
	if n == 0 {
		return part{}, false
	}
	p.mean = p.sum / float64(n)
	p.east, p.north = p.east/float64(n), p.north/float64(n)
	return p, true
}

// join brings the devices of a place together: each has the same weight in a mean,
// amounts and increases add up. Rain is a depth, so two gauges do not make it more.
func join(m telemetry.Metric, h telemetry.Hourly, parts []part) (float64, bool) {
	if h == telemetry.Increase1h {
		parts = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !p.grew })
	}
	if len(parts) == 0 {
		return 0, false
	}
	var mean, sum, increase, east, north float64
	least, most := math.Inf(1), math.Inf(-1)
	for _, p := range parts {
		mean, sum, increase = mean+p.mean, sum+p.sum, increase+p.increase
		east, north = east+p.east, north+p.north
		least, most = min(least, p.least), max(most, p.most)
	}
	n := float64(len(parts))
	switch h {
	case telemetry.Max1h:
		return most, true
	case telemetry.Min1h:
		return least, true
	case telemetry.Increase1h:
		return increase, true
	case telemetry.Sum1h:
		if m == telemetry.Rain {
			return sum / n, true
		}
		return sum, true
	}
	if m == telemetry.WindDirection {
		if math.Hypot(east, north)/n < 0.01 { // from everywhere alike
			return 0, false
		}
		return math.Mod(math.Atan2(east, north)*180/math.Pi+360, 360), true
	}
	return telemetry.FromLinear(m, mean/n), true
}
