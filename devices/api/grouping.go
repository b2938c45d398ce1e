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
type grouping map[groupKey]map[telemetry.Metric]sample

type groupKey struct {
	site   telemetry.Site
	device telemetry.Device
	kind   telemetry.Kind
}

func (g grouping) add(site telemetry.Site, device telemetry.Device, kind telemetry.Kind, metric telemetry.Metric, s sample) {
	k := groupKey{site, device, kind}
	if g[k] == nil {
		g[k] = map[telemetry.Metric]sample{}
	}
	if old, ok := g[k][metric]; !ok || s.time.After(old.time) {
		g[k][metric] = s
	}
}

// newestOf is the time of a group's newest sample; zero if it has none.
func newestOf(group map[telemetry.Metric]sample) (t time.Time) {
	for _, s := range group {
		if s.time.After(t) {
			t = s.time
		}
	}
	return t
}

// newest is each group's newest values, those of about the same time.
func (g grouping) newest() (out []Reading) {
	for k, values := range g {
		r := Reading{Site: k.site, Device: k.device, Kind: k.kind, Time: newestOf(values), Values: map[telemetry.Metric]float64{}}
		for m, s := range values {
			if r.Time.Sub(s.time) <= together {
				r.Values[m] = s.value
			}
		}
		out = append(out, r)
	}
	return newer(out, nil)
}

// first is the first reading of all, with the values of exactly that moment.
func (g grouping) first() (r Reading, ok bool) {
	for k, values := range g {
		for _, s := range values {
			if !ok || s.time.Before(r.Time) {
				r, ok = Reading{Site: k.site, Device: k.device, Kind: k.kind, Time: s.time}, true
			}
		}
	}
	r.Values = map[telemetry.Metric]float64{}
	for m, s := range g[groupKey{r.Site, r.Device, r.Kind}] {
		if s.time.Equal(r.Time) {
			r.Values[m] = s.value
		}
	}
	return r, ok
}
