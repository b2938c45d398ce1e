package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Guard holds any store to one rule of conflicts: of two different values of one
// series, time and metric the first that was stored stays, and the other one is a
// [Rejection] that says Conflict and names both. The engines themselves differ
// (the first, the last or the largest of them wins, the loser is gone without a
// word), so a Guard asks the store what it holds before it writes what could be
// in conflict.
//
//	points ─► sort ─► new: later than all of its series and metric ──────────────► Store
//	               └► late ─► compare with Reader, what was just written,   equal ─┘
//	                          and what stands before it in the call ──► different: rejected
//
// So a point in order costs a look-up in memory, and only late ones a read. What
// a former process wrote is not known here: until a series and metric has been
// read up to the present, or is past the guard's beginning, its points are late.
//
// All writers of a series must go through the same Guard.
type Guard struct {
	// Store is written to and Reader reads it back.
	Store  Store
	Reader Reader
	// Visible is how long the store may take to show what it has accepted; what
	// was written within it is remembered here. 0 is a store that shows at once.
	Visible time.Duration
	// Now is the clock.
	Now func() time.Time

	mu     sync.Mutex // one write at a time: what is compared must not change
	floor  int64      // no process has stored a point after it that a place does not know of; Unix milliseconds
	places map[telemetry.Series]*known
	older  map[telemetry.Series]*known
	limit  int // of each of the two
	recent traces
	// fresh are what the call at work has found not to be in the store; failed those
	// of a call whose fate is unknown, which is being repeated; written those of all
	// calls that were done since [Guard.Written].
	fresh, failed, written hourCounts
}

const (
	// clockAhead is how far ahead of the clock a stored point may be: the loader
	// takes ten minutes.
	clockAhead = 15 * time.Minute
	// knownSeries bounds how many series are known, at some 500 bytes each;
	// beyond it more points are compared, nothing else.
	knownSeries = 200_000
	// settleWithin is how far before the floor a late point may be for its series
	// to be read up to the floor, which ends its being late.
	settleWithin = 36 * time.Hour
	// sameWithin is the relative difference below which two numbers are one:
	// VictoriaMetrics keeps decimals, and returns 97.6666666666 for 97⅔.
	sameWithin = 1e-9
)

// NewGuard makes a guard for a store that shows at once what it has accepted.
func NewGuard(s Store, r Reader, now func() time.Time) *Guard {
	return &Guard{Store: s, Reader: r, Now: now, places: map[telemetry.Series]*known{}, limit: knownSeries / 2,
		floor: now().Add(clockAhead).UnixMilli(), fresh: hourCounts{}, failed: hourCounts{}, written: hourCounts{}}
}

// known is what a guard knows of one series.
type known struct {
	// cells are indexed as the kind's metrics are.
	cells []latest
}

// latest is one metric's newest time, Unix milliseconds: what is later is new.
type latest struct {
	metric telemetry.Metric
	newest int64
	// settled says that newest is that of the store, and not the guard's floor.
	settled bool
}

// maxMetrics bounds how many cells a series may grow to.
const maxMetrics = 255

// late is a value that may be in conflict.
type late struct {
	point, value int
	place        *known
}

// spot is where a value is stored.
type spot struct {
	place  *known
	metric telemetry.Metric
	time   int64
}

// Write implements [Store].
func (g *Guard) Write(ctx context.Context, points []telemetry.Point) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.fresh)
	found := g.sort(points)
	var conflicts []Rejection
	if len(found) > 0 {
		held, err := g.read(ctx, points, found)
		if err != nil {
			return fmt.Errorf("compare with what is stored for the same times: %w", err)
		}
		conflicts = g.compare(points, found, held)
	}
	kept, origin := without(points, conflicts)
	g.trace(kept)
	err := g.Store.Write(ctx, kept)
	var refused *RejectedError
	if errors.As(err, &refused) {
		g.forget(kept, refused.Rejections)
		g.fresh.takeBack(kept, refused.Rejections)
	}
	g.settle(err == nil || refused != nil)
	if len(conflicts) == 0 || err != nil && refused == nil {
		return err
	}
	if refused != nil {
		for _, r := range refused.Rejections {
			r.Point = origin[r.Point]
			conflicts = append(conflicts, r)
		}
	}
	return &RejectedError{Rejections: conflicts}
}

// sort finds the late values and notes the times of the new ones. A time is noted
// whatever becomes of the write: at worst its value is compared next time.
func (g *Guard) sort(points []telemetry.Point) []late {
	var found []late
	for i := range points {
		p := &points[i]
		if len(p.Values) == 0 {
			continue
		}
		place, t, fresh := g.place(p.Series), p.Time.UnixMilli(), int64(0)
		for j := range p.Values {
			spec := p.Values[j].Spec
			if spec == nil || !finite(p.Values[j].Number) {
				continue // the store refuses it
			}
			if c := place.cell(spec, g.floor); c != nil && t > c.newest {
				c.newest, c.settled = t, true
				fresh++
				continue
			}
			found = append(found, late{i, j, place})
		}
		if fresh > 0 {
			g.fresh[kindHour(p)] += fresh
		}
	}
	return found
}

// place finds what is known of a series, or makes it.
func (g *Guard) place(s telemetry.Series) *known {
	if p := g.places[s]; p != nil {
		return p
	}
	p := g.older[s]
	if p == nil {
		p, s = &known{}, s.Clone()
	}
	if len(g.places) >= g.limit {
		g.older, g.places = g.places, make(map[telemetry.Series]*known, g.limit/4)
		// Who is forgotten and comes again may have been written until now.
		g.floor = max(g.floor, g.Now().Add(clockAhead).UnixMilli())
	}
	g.places[s] = p
	return p
}

// cell is the metric's; nil where the catalogue has no place of its own for it.
func (k *known) cell(m *telemetry.MetricSpec, floor int64) *latest {
	if uint(m.Index) < uint(len(k.cells)) {
		c := &k.cells[m.Index]
		switch c.metric {
		case m.Name:
			return c
		case "":
			*c = latest{metric: m.Name, newest: floor}
			return c
		}
		return nil
	}
	if m.Index < 0 || m.Index > maxMetrics {
		return nil
	}
	cells := make([]latest, m.Index+1)
	copy(cells, k.cells)
	k.cells = cells
	return k.cell(m, floor)
}

// compare finds the late values that differ from what is held, or from what stands
// before them in the call.
func (g *Guard) compare(points []telemetry.Point, found []late, held map[spot][]float64) []Rejection {
	before := make(map[spot]float64, len(found))
	asked := make(map[telemetry.Series]bool, len(found))
	for _, l := range found {
		asked[points[l.point].Series] = true
	}
	var conflicts []Rejection
	next := 0 // the first of found that is not passed
	for i := range points {
		p := &points[i]
		if !asked[p.Series] {
			continue
		}
		place, t := g.place(p.Series), p.Time.UnixMilli()
		for j := range p.Values {
			v := &p.Values[j]
			if v.Spec == nil || !finite(v.Number) {
				continue
			}
			isLate := next < len(found) && found[next].point == i && found[next].value == j
			if isLate {
				next++
			}
			at := spot{place, v.Spec.Name, t}
			first, where := v.Number, ""
			if values := held[at]; len(values) > 0 {
				first, where = nearest(values, v.Number), "is stored"
			} else if value, again := before[at]; again {
				first, where = value, "came before"
			} else {
				before[at] = v.Number
				if isLate { // who is not has been counted
					g.fresh[kindHour(p)]++
				}
			}
			if !same(first, v.Number) {
				conflicts = append(conflicts, Rejection{Point: i, Metric: v.Spec.Name, Conflict: true, Detail: conflictDetail(p.Time, first, v.Number, where)})
			}
		}
	}
	return conflicts
}

// nearest is the first of the values, or v if it is among them: a store may hold
// several that others wrote.
func nearest(values []float64, v float64) float64 {
	for _, h := range values {
		if same(h, v) {
			return v
		}
	}
	return values[0]
}

func conflictDetail(at time.Time, first, second float64, where string) string {
	return fmt.Sprintf("%v is another value for %s, where %v %s; the first value stays: if it is wrong, mark its time as in error and send the right value a millisecond later",
		second, at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), first, where)
}

// same says whether two numbers are one value. 0 and -0 are.
func same(a, b float64) bool {
	return a == b || math.Abs(a-b) <= sameWithin*max(math.Abs(a), math.Abs(b))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// without gives the points without what is in conflict, and the place of each in
// points. It changes nothing of them.
func without(points []telemetry.Point, conflicts []Rejection) (kept []telemetry.Point, origin []int) {
	if len(conflicts) == 0 {
		return points, nil
	}
	kept, origin = make([]telemetry.Point, 0, len(points)), make([]int, 0, len(points))
	next := 0
	for i, p := range points {
		if next < len(conflicts) && conflicts[next].Point == i {
			values := make([]telemetry.Value, 0, len(p.Values))
			for _, v := range p.Values {
				if next < len(conflicts) && conflicts[next].Point == i && v.Spec != nil && conflicts[next].Metric == v.Spec.Name && finite(v.Number) {
					next++
					continue
				}
				values = append(values, v)
			}
			p.Values = values
		}
		if len(p.Values) > 0 {
			kept, origin = append(kept, p), append(origin, i)
		}
	}
	return kept, origin
}
