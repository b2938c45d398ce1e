package figures

import (
	"context"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Noting is a store that notes which hours that are over its points belong to: what
// was computed of them must be computed again.
type Noting struct {
	store.Store
	Hours *Hours
}

// Write implements [store.Store]. The note is made before the points are written,
// lest a crash lose it, and again after, lest a run in between took it for settled.
func (n Noting) Write(ctx context.Context, points []telemetry.Point) error {
	late := n.Hours.late(points)
	if len(late) == 0 {
		return n.Store.Write(ctx, points)
	}
	if err := n.Hours.notes.add(n.Hours.Now(), late...); err != nil {
		return err
	}
	err := n.Store.Write(ctx, points)
	if again := n.Hours.notes.add(n.Hours.Now(), late...); again != nil && err == nil {
		return again
	}
	return err
}

// late are the notes of what the points change. The points of one batch are mostly
// of the hour at hand, and this costs them a comparison.
func (h *Hours) late(points []telemetry.Point) (out []note) {
	over := h.Now().Truncate(time.Hour)
	seen := map[note]bool{}
	for i := range points {
		p := &points[i]
		if p.Time.After(over) || !h.computed(p.Series.Kind) {
			continue
		}
		k := note{p.Series.Kind, hourOf, hourEnd(p.Time).Unix(), p.Series.Site}
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
		// What a counter grew by is told by its readings of other hours, too.
		if k.what = aroundOf; !seen[k] && h.tables[k.kind].counts(p) {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// hourEnd is the end of the hour that a reading belongs to: an hour has its end
// and not its beginning.
func hourEnd(t time.Time) time.Time {
	return t.Add(time.Hour - time.Nanosecond).Truncate(time.Hour)
}

// counts reports whether a point changes what a counter has grown by.
func (t *table) counts(p *telemetry.Point) bool {
	return len(t.counters) > 0 && slices.ContainsFunc(p.Values, func(v telemetry.Value) bool {
		return v.Spec.Name == telemetry.QualityCode || slices.Contains(t.counters, v.Spec.Name)
	})
}
