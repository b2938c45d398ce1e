package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Late points are read back in whole hours of their sites, so that a question asks
// for many of them: a site's hours that are near each other in one run, the sites
// that have the same run together.
const (
	hour = int64(time.Hour / time.Millisecond)
	// nearHours are at most between two hours of one run.
	nearHours = 24
	// siteHours bounds a question, by sites times hours: at a reading each second
	// that is 604,800 samples of a metric and device, some 20 MB as JSON.
	siteHours = 7 * 24
)

// run is hours since 1970, with both ends.
type run struct{ first, last int64 }

// read gives what the store holds where found is to be written. Series that have
// been read up to the floor are settled.
func (g *Guard) read(ctx context.Context, points []telemetry.Point, found []late) (map[spot][]float64, error) {
	held := make(map[spot][]float64, len(found))
	settling := map[*latest]int64{}
	asked := g.questions(points, found, held, settling)
	if g.Visible > 0 {
		places := map[*known]bool{}
		for _, l := range found {
			places[l.place] = true
		}
		g.recent.find(g.Now().Add(-2*g.Visible), places, held)
	}
	var last telemetry.Series
	var place *known
	for _, q := range asked {
		if err := g.Reader.Samples(ctx, q, func(s Sample) {
			if place == nil || s.Series != last {
				last = s.Series
				if place = g.places[s.Series]; place == nil {
					place = g.older[s.Series]
				}
			}
			if place == nil {
				return // a series that is not asked about
			}
			t := s.Time.UnixMilli()
			at := spot{place, s.Metric, t}
			if values, late := held[at]; late {
				held[at] = append(values, s.Number)
			}
			for i := range place.cells {
				if c := &place.cells[i]; c.metric == s.Metric {
					if newest, ok := settling[c]; ok {
						settling[c] = max(newest, t)
					}
				}
			}
		}); err != nil {
			return nil, err
		}
	}
	for c, newest := range settling {
		c.newest, c.settled = newest, true
	}
	return held, nil
}

// questions are what to ask for the late values; held gets a place for each, and
// settling the cells that the answers settle with the newest time in the call.
func (g *Guard) questions(points []telemetry.Point, found []late, held map[spot][]float64, settling map[*latest]int64) []Query {
	kinds := map[telemetry.Kind]*asking{}
	for _, l := range found {
		p, v := &points[l.point], &points[l.point].Values[l.value]
		a := kinds[p.Series.Kind]
		if a == nil {
			a = &asking{metrics: map[telemetry.Metric]bool{}, hours: map[telemetry.Site]map[int64]bool{}}
			kinds[p.Series.Kind] = a
		}
		t := p.Time.UnixMilli()
		held[spot{l.place, v.Spec.Name, t}] = nil
		a.metrics[v.Spec.Name] = true
		until := hourOf(t)
		if c := l.place.cell(v.Spec, g.floor); c != nil && !c.settled && t > g.floor-settleWithin.Milliseconds() {
			settling[c] = max(settling[c], t)
			until = hourOf(g.floor)
		}
		hours := a.hours[p.Series.Site]
		if hours == nil {
			hours = map[int64]bool{}
			a.hours[p.Series.Site] = hours
		}
		for h := hourOf(t); h <= until; h++ {
			hours[h] = true
		}
	}
	var out []Query
	for kind, a := range kinds {
		out = a.questions(kind, out)
	}
	return out
}

// asking is what is to be asked of one kind.
type asking struct {
	metrics map[telemetry.Metric]bool
	hours   map[telemetry.Site]map[int64]bool
}

func (a *asking) questions(kind telemetry.Kind, out []Query) []Query {
	metrics := slices.Sorted(maps.Keys(a.metrics))
	runs := map[run][]telemetry.Site{}
	for site, hours := range a.hours {
		for _, r := range runsOf(slices.Sorted(maps.Keys(hours))) {
			runs[r] = append(runs[r], site)
		}
	}
	byTime := func(a, b run) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last)) }
	for _, r := range slices.SortedFunc(maps.Keys(runs), byTime) {
		sites := runs[r]
		slices.Sort(sites)
		for some := range slices.Chunk(sites, max(1, int(siteHours/(r.last-r.first+1)))) {
			out = append(out, Query{Kind: kind, Metrics: metrics, Sites: some,
				From: time.UnixMilli(r.first*hour - 1), To: time.UnixMilli((r.last+1)*hour - 1)})
		}
	}
	return out
}

// runsOf brings sorted hours together.
func runsOf(hours []int64) []run {
	var out []run
	for _, h := range hours {
		if n := len(out); n > 0 && h-out[n-1].last <= nearHours && h-out[n-1].first < siteHours {
			out[n-1].last = h
			continue
		}
		out = append(out, run{h, h})
	}
	return out
}

// hourOf is the hour of a time in Unix milliseconds, before 1970 too.
func hourOf(t int64) int64 {
	h := t / hour
	if t%hour < 0 {
		h--
	}
	return h
}

// traces are what was written a moment ago, oldest first.
type traces struct {
	batches []traceBatch
	values  int
}

type traceBatch struct {
	at     time.Time
	points []trace
}

// trace is a point that was written, with a copy of its values.
type trace struct {
	place  *known
	time   int64
	values []telemetry.Value
}

// maxTraces bounds how many values are remembered, at some 20 bytes each.
const maxTraces = 2_000_000

// trace remembers points that are about to be written, if the store is slow to
// show them: whether they were is not known before they are written again.
func (g *Guard) trace(points []telemetry.Point) {
	if g.Visible <= 0 {
		return
	}
	n := 0
	for i := range points {
		n += len(points[i].Values)
	}
	values := make([]telemetry.Value, 0, n)
	b := traceBatch{at: g.Now(), points: make([]trace, len(points))}
	for i := range points {
		p, begin := &points[i], len(values)
		values = append(values, p.Values...)
		b.points[i] = trace{g.place(p.Series), p.Time.UnixMilli(), values[begin:]}
	}
	r := &g.recent
	r.batches, r.values = append(r.batches, b), r.values+n
	for len(r.batches) > 1 && (r.values > maxTraces || r.batches[0].at.Before(b.at.Add(-2*g.Visible))) {
		for _, t := range r.batches[0].points {
			r.values -= len(t.values)
		}
		r.batches[0] = traceBatch{}
		r.batches = r.batches[1:]
	}
}

// forget takes back what was remembered of the last points and then refused.
func (g *Guard) forget(points []telemetry.Point, refused []Rejection) {
	if g.Visible <= 0 {
		return
	}
	last := g.recent.batches[len(g.recent.batches)-1].points
	for _, r := range refused {
		t := &last[r.Point]
		g.recent.values -= len(t.values)
		t.values = slices.DeleteFunc(slices.Clone(t.values), func(v telemetry.Value) bool {
			return r.Metric == "" || v.Spec != nil && v.Spec.Name == r.Metric
		})
		g.recent.values += len(t.values)
	}
}

// find adds what was written since then to the places in held; places are theirs.
func (r *traces) find(since time.Time, places map[*known]bool, held map[spot][]float64) {
	for _, b := range r.batches {
		if b.at.Before(since) {
			continue
		}
		for _, t := range b.points {
			if !places[t.place] {
				continue
			}
			for _, v := range t.values {
				if v.Spec == nil || !finite(v.Number) {
					continue
				}
				at := spot{t.place, v.Spec.Name, t.time}
				if values, late := held[at]; late {
					held[at] = append(values, v.Number)
				}
			}
		}
	}
}
