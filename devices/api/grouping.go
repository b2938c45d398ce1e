package api

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sample is one number of a series.
type sample struct {
	time  time.Time
	value float64
}

const (
	// latestWithin is how far back the newest reading is looked for: a daily one is
	// found, with an hour to spare.
	latestWithin = 25 * time.Hour
	// firstWithin is how far ahead the first reading is looked for.
	firstWithin = 25 * time.Hour
)

// grouping brings samples together to readings.
type grouping map[groupKey]*group

// group is what is known of a kind and device: each metric's newest sample, and
// what the instrument said of itself at each moment.
type group struct {
	values map[telemetry.Metric]sample
	flags  map[int64]float64 // quality by Unix milliseconds
}

type groupKey struct {
	site   telemetry.Site
	device telemetry.Device
	kind   telemetry.Kind
}

func (g grouping) add(site telemetry.Site, device telemetry.Device, kind telemetry.Kind, metric telemetry.Metric, s sample) {
	k := groupKey{site, device, kind}
	if g[k] == nil {
		g[k] = &group{map[telemetry.Metric]sample{}, map[int64]float64{}}
	}
	if metric == telemetry.QualityCode {
		g[k].flags[s.time.UnixMilli()] = s.value
	}
	if old, ok := g[k].values[metric]; !ok || s.time.After(old.time) {
		g[k].values[metric] = s
	}
}

// has reports whether a metric was found.
func (g *group) has(metric telemetry.Metric) bool {
	if g == nil {
		return false
	}
	_, ok := g.values[metric]
	return ok
}

// newest is the time of the newest sample; zero if there is none.
func (g *group) newest() (t time.Time) {
	if g == nil {
		return t
	}
	for _, s := range g.values {
		if s.time.After(t) {
			t = s.time
		}
	}
	return t
}

// newest is each group's newest values, those of about the same time.
func (g grouping) newest() (out []Reading) {
	for k, one := range g {
		out = append(out, one.reading(k))
	}
	return newer(out, nil)
}

// reading is the newest values. Its quality is the worst that was said of one of
// them, at its own moment: a flag that came with other values, before or after,
// says nothing of these.
func (g *group) reading(k groupKey) Reading {
	r := Reading{Site: k.site, Device: k.device, Kind: k.kind, Time: g.newest(), Values: map[telemetry.Metric]float64{}}
	worst, said := g.flags[r.Time.UnixMilli()], false
	for m, s := range g.values {
		switch {
		case r.Time.Sub(s.time) > together:
		case m == telemetry.QualityCode:
			said = true
		default:
			r.Values[m] = s.value
			worst = max(worst, g.flags[s.time.UnixMilli()])
		}
	}
	if said || worst > 0 {
		r.Values[telemetry.QualityCode] = worst
	}
	return r
}

// first is the first reading of all, with the values of exactly that moment.
func (g grouping) first() (r Reading, ok bool) {
	for k, one := range g {
		for _, s := range one.values {
			if !ok || s.time.Before(r.Time) {
				r, ok = Reading{Site: k.site, Device: k.device, Kind: k.kind, Time: s.time}, true
			}
		}
	}
	r.Values = map[telemetry.Metric]float64{}
	if !ok {
		return r, false
	}
	for m, s := range g[groupKey{r.Site, r.Device, r.Kind}].values {
		if s.time.Equal(r.Time) {
			r.Values[m] = s.value
		}
	}
	return r, ok
}
