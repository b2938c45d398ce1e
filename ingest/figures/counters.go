package figures

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/counter"
)

// reaches are how far before and after hours a counter's neighbouring readings are
// looked for, one after the other: most are found in the first, and only devices
// that have too few there are looked for further. What grew in a gap that is longer
// than the last is in no hour.
func reaches() []time.Duration { return []time.Duration{4 * time.Hour, 48 * time.Hour, catchUp} }

// neighbours reads the counters' readings before and after a batch's hours that
// decide what those within count as: counter.Reach of each, if there are so many.
func (h *Hours) neighbours(ctx context.Context, b batch, r *readings) error {
	t := h.tables[b.kind]
	from, to := b.span()
	before, after := b.query(nil, from, to).Sites, b.query(nil, from, to).Sites // nil is all
	var done time.Duration
	for i, reach := range reaches() {
		if i > 0 {
			before, after = r.thin(t, from, to, true), r.thin(t, from, to, false)
		}
		if i == 0 || len(before) > 0 {
			if err := h.read(ctx, t, before, from.Add(-reach), from.Add(-done), r); err != nil {
				return err
			}
		}
		begin, end := to.Add(done), to.Add(reach)
		if now := h.Now(); end.After(now) {
			end = now
		}
		if (i == 0 || len(after) > 0) && end.After(begin) {
			if err := h.read(ctx, t, after, begin, end, r); err != nil {
				return err
			}
		}
		done = reach
	}
	return nil
}

// read reads the counters of a kind, of some sites or of all.
func (h *Hours) read(ctx context.Context, t *table, sites []telemetry.Site, from, to time.Time, r *readings) error {
	q := store.Query{Kind: t.kind.Kind, Metrics: append(slices.Clone(t.counters), telemetry.QualityCode), From: from, To: to}
	if len(sites) == 0 {
		return h.Reader.Samples(ctx, q, r.add)
	}
	for part := range slices.Chunk(sites, fewSites) {
		q.Sites = part
		if err := h.Reader.Samples(ctx, q, r.add); err != nil {
			return err
		}
	}
	return nil
}

// thin are the sites of devices with a counter's reading after from and until to,
// and too few before or after.
func (r *readings) thin(t *table, from, to time.Time, before bool) []telemetry.Site {
	r.judge(t)
	sites := map[telemetry.Site]bool{}
	for d, metrics := range r.steps {
		for _, s := range metrics {
			first, next := bounds(s, from.UnixMilli(), to.UnixMilli())
			there := first
			if !before {
				there = len(s) - next
			}
			if next > first && there < counter.Reach {
				sites[d.site] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(sites))
}

// bounds are the indices of the first reading after from and of the first after to.
func bounds(s []counter.Step, from, to int64) (first, next int) {
	first = sort.Search(len(s), func(i int) bool { return s[i].At > from })
	return first, first + sort.Search(len(s)-first, func(i int) bool { return s[first+i].At > to })
}

// judge finds out what the readings of the counters that are known count as.
func (r *readings) judge(t *table) {
	r.steps = map[device]map[telemetry.Metric][]counter.Step{}
	for d, metrics := range r.samples {
		for _, m := range t.counters {
			all := metrics[m]
			if len(all) == 0 {
				continue
			}
			slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.at, b.at) })
			good := make([]counter.Reading, 0, len(all))
			for _, s := range all {
				if !r.flagged[d][s.at] {
					good = append(good, counter.Reading{At: s.at, Value: s.value})
				}
			}
			if r.steps[d] == nil {
				r.steps[d] = map[telemetry.Metric][]counter.Step{}
			}
			r.steps[d][m] = counter.Steps(good)
		}
	}
}

// undone are the notes of hours before a batch's whose readings those of the batch
// show to be out of line: they were taken for a reset, or for growth.
func (r *readings) undone(b batch) (out []note) {
	ends := b.ends()
	in := func(end int64, site telemetry.Site) bool {
		sites, known := ends[end]
		return known && (sites == nil || sites[site])
	}
	for d, metrics := range r.steps {
		for _, steps := range metrics {
			for _, s := range steps {
				if s.Verdict != counter.Odd {
					continue
				}
				was, closed := hourEnd(time.UnixMilli(s.At)).Unix(), hourEnd(time.UnixMilli(s.Closed)).Unix()
				if was != closed && in(closed, d.site) && !in(was, d.site) {
					out = append(out, note{b.kind, hourOf, was, d.site})
				}
			}
		}
	}
	return out
}

// around notes the hours that a late reading of a counter changes besides its own:
// those of the readings before and after it, however far away.
func (h *Hours) around(ctx context.Context, due, began time.Time) error {
	waiting := slices.DeleteFunc(h.notes.due(began.Add(-h.Visible)), func(n noted) bool { return n.what != aroundOf || h.tables[n.kind] == nil })
	over := due.Add(-runAfter).Truncate(time.Hour).Unix()
	// A reading of the hour that has just ended is hardly late: no hour after it is
	// over, and what it shows of those before is found with its own.
	newest := func(n noted) bool { return n.end == over }
	h.notes.settle(slices.DeleteFunc(slices.Clone(waiting), func(n noted) bool { return !newest(n) }))
	waiting = slices.DeleteFunc(waiting, newest)
	for _, b := range batches(waiting, false) {
		if h.Now().Sub(began) > budget {
			return nil
		}
		t, r := h.tables[b.kind], newReadings()
		from, to := b.span()
		err := h.read(ctx, t, b.query(nil, from, to).Sites, from, to, r)
		if err == nil {
			err = h.neighbours(ctx, b, r)
		}
		if err != nil {
			return fmt.Errorf("find the hours around late readings of %s: %w", b.kind, err)
		}
		r.judge(t)
		var all []note
		for end, sites := range b.ends() {
			all = append(all, r.beside(b.kind, end, sites, over)...)
		}
		if err := h.notes.add(began.Add(-h.Visible), all...); err != nil {
			return err
		}
		h.notes.settle(b.notes)
	}
	return nil
}

// beside are notes of the hours of the readings next to an hour; sites are those
// that are looked at, nil is all.
func (r *readings) beside(k telemetry.Kind, end int64, sites map[telemetry.Site]bool, over int64) (out []note) {
	seen := map[note]bool{}
	for d, metrics := range r.steps {
		if sites != nil && !sites[d.site] {
			continue
		}
		for _, s := range metrics {
			first, next := bounds(s, (end-3600)*1000, end*1000)
			for _, s := range s[max(0, first-counter.Reach):min(len(s), next+counter.Reach)] {
				n := note{k, hourOf, hourEnd(time.UnixMilli(s.At)).Unix(), d.site}
				if n.end != end && n.end <= over && !seen[n] {
					seen[n] = true
					out = append(out, n)
				}
			}
		}
	}
	return out
}
