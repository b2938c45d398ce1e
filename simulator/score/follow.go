package score

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Bounds of following: how many devices are looked at, and for how long after the
// last message.
const (
	followed    = 500
	followGrace = 30 * time.Second
	// followNear is how far a clock may be wrong for its message to be looked for.
	followNear = 10 * time.Minute
)

// awaited is a message that is not readable yet.
type awaited struct {
	due time.Time
	at  int64
}

// follower looks for messages while they are sent.
type follower struct {
	*Scorer
	devices []int
	next    map[int]func() (simulator.Emission, bool)
	ahead   map[int]*awaited // the next of a device that is not due yet
	waiting map[telemetry.Device][]awaited
	delays  []time.Duration
	unseen  int64
}

// follow polls the store until the period is over, by the times at which its
// messages are to be sent.
func (s *Scorer) follow(ctx context.Context) (*Delay, error) {
	f := &follower{Scorer: s, next: map[int]func() (simulator.Emission, bool){}, ahead: map[int]*awaited{}, waiting: map[telemetry.Device][]awaited{}}
	all := s.fleet.Devices()
	step := max(1, len(all)/followed)
	for i := 0; i < len(all); i += step {
		if all[i].Format() != simulator.Native {
			continue
		}
		next, stop := iter.Pull(s.fleet.Feed(i, s.o.From, s.o.To))
		defer stop()
		f.devices, f.next[i] = append(f.devices, i), next
	}
	end := s.sent(s.o.To)
	if now := s.o.Now(); end.Before(now) {
		return nil, fmt.Errorf("follow %s: all of it was to be sent by %s, and it is %s: the delay can only be measured meanwhile; leave --follow out, or say with --at and --sent when it is sent",
			s.o.Scenario.Name, shown(end), shown(now))
	}
	tick := time.NewTicker(s.o.Follow)
	defer tick.Stop()
	for {
		now := s.o.Now()
		if err := f.look(ctx, now); err != nil {
			return nil, err
		}
		if over := now.After(end); over && len(f.waiting) == 0 || now.After(end.Add(followGrace)) {
			return f.delay(), nil
		}
		from := s.sent(s.o.From)
		s.o.Progress(int(min(max(now.Sub(from), 0), end.Sub(from)).Seconds()), int(end.Sub(from).Seconds()), "follow")
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// sent is when a message that is due at a time is sent.
func (s *Scorer) sent(due time.Time) time.Time {
	if s.o.Received == nil {
		return due
	}
	return s.o.Received(due)
}

// look adds what has become due, and asks for all that is not readable yet.
func (f *follower) look(ctx context.Context, now time.Time) error {
	for _, i := range f.devices {
		f.advance(i, now)
		f.giveUp(f.fleet.Devices()[i].ID, now)
	}
	type window struct {
		devices  []telemetry.Device
		from, to int64
	}
	byKind := map[telemetry.Kind]*window{}
	for _, i := range f.devices {
		d := &f.fleet.Devices()[i]
		w := byKind[d.Kind.Kind]
		for _, a := range f.waiting[d.ID] {
			if w == nil {
				w = &window{from: math.MaxInt64}
				byKind[d.Kind.Kind] = w
			}
			w.from, w.to = min(w.from, a.at), max(w.to, a.at+1)
		}
		if len(f.waiting[d.ID]) > 0 && !slices.Contains(w.devices, d.ID) {
			w.devices = append(w.devices, d.ID)
		}
	}
	for kind, w := range byKind {
		for part := range slices.Chunk(w.devices, batchDevices) {
			have := map[telemetry.Device][]sample{}
			if err := f.readInto(ctx, have, Query{Kind: kind, Devices: part, Metric: telemetry.Sequence, From: w.from, To: w.to}); err != nil {
				return err
			}
			f.resolve(have, f.o.Now())
		}
	}
	return nil
}

// advance takes what a device has to send by now.
func (f *follower) advance(i int, now time.Time) {
	for {
		if a := f.ahead[i]; a != nil {
			if a.due.After(now) {
				return
			}
			id := f.fleet.Devices()[i].ID
			f.waiting[id] = append(f.waiting[id], *a)
			f.ahead[i] = nil
		}
		e, ok := f.next[i]()
		if !ok {
			return
		}
		t, undecided := f.truth(&e)
		if near := e.Stamp.Sub(e.Due).Abs() < followNear; near && !undecided && len(t.Points) > 0 {
			f.ahead[i] = &awaited{f.sent(e.Due), t.Points[0].Time.UnixMilli()}
		}
	}
}

// giveUp stops looking for what should have been there long ago.
func (f *follower) giveUp(id telemetry.Device, now time.Time) {
	if len(f.waiting[id]) == 0 {
		return
	}
	f.waiting[id] = slices.DeleteFunc(f.waiting[id], func(a awaited) bool {
		old := now.Sub(a.due) > followGrace
		if old {
			f.unseen++
		}
		return old
	})
	if len(f.waiting[id]) == 0 {
		delete(f.waiting, id)
	}
}

// resolve takes what is readable now off the list.
func (f *follower) resolve(have map[telemetry.Device][]sample, now time.Time) {
	for id, samples := range have {
		there := make(map[int64]bool, len(samples))
		for _, s := range samples {
			there[s.at] = true
		}
		f.waiting[id] = slices.DeleteFunc(f.waiting[id], func(a awaited) bool {
			if there[a.at] {
				f.delays = append(f.delays, max(0, now.Sub(a.due)))
			}
			return there[a.at]
		})
		if len(f.waiting[id]) == 0 {
			delete(f.waiting, id)
		}
	}
}

func (f *follower) delay() *Delay {
	d := &Delay{Resolution: f.o.Follow, Messages: int64(len(f.delays)), Sampled: len(f.devices), Unseen: f.unseen}
	for _, w := range f.waiting {
		d.Unseen += int64(len(w))
	}
	slices.Sort(f.delays)
	if n := len(f.delays); n > 0 {
		at := func(share float64) time.Duration { return f.delays[min(n-1, int(share*float64(n)))] }
		d.P50, d.P90, d.P99, d.Max = at(0.5), at(0.9), at(0.99), f.delays[n-1]
	}
	return d
}
