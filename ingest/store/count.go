package store

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// KindHour is an hour of a kind: from Hour, which is a full hour, until before the
// next.
type KindHour struct {
	Kind telemetry.Kind
	// Hour is in Unix seconds.
	Hour int64
}

// Counter counts what a store holds, by asking the store itself: what was written is
// to be found there, whoever says so.
type Counter interface {
	// Counts calls f with how many values of a kind's metrics the store holds in each
	// hour that has some, from the full hour from until before the full hour to. An
	// hour may be told in parts. After an error f may have been called for some.
	Counts(ctx context.Context, k telemetry.Kind, metrics []telemetry.Metric, from, to time.Time, f func(hour time.Time, values int64)) error
}

// hourCounts are values by kind and hour.
type hourCounts map[KindHour]int64

func kindHour(p *telemetry.Point) KindHour {
	return KindHour{p.Series.Kind, hourOf(p.Time.UnixMilli()) * int64(time.Hour/time.Second)}
}

// takeBack takes out what the store has refused. A value that was there before, and
// so was not counted, may be among them: then an hour has less than it could.
func (c hourCounts) takeBack(points []telemetry.Point, refused []Rejection) {
	for _, r := range refused {
		p, n := &points[r.Point], int64(1)
		if r.Metric == "" {
			n = int64(len(p.Values))
		}
		k := kindHour(p)
		if c[k] -= n; c[k] <= 0 {
			delete(c, k)
		}
	}
}

// settle ends a call. One whose fate is unknown is repeated, and then finds in the
// store what it has written itself: what it found to be new at first, counts.
func (g *Guard) settle(done bool) {
	for k, n := range g.fresh {
		g.failed[k] = max(g.failed[k], n)
	}
	if !done {
		return
	}
	for k, n := range g.failed {
		g.written[k] += n
	}
	clear(g.failed)
}

// Written gives how many values were written since it was called last that the store
// did not hold before, by the hour of their time. It never gives more than that: what
// a former process has written and not counted is no more new.
func (g *Guard) Written() map[KindHour]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.written) == 0 {
		return nil
	}
	out := g.written
	g.written = make(hourCounts, len(out))
	return out
}
