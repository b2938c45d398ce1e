package devices

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// futureTolerance is how far ahead of ours a clock may be.
const futureTolerance = 10 * time.Minute

// Registry is the rules about who may be where, over a [Store]. Its methods may
// be called by many goroutines.
type Registry struct {
	Store     Store
	Catalogue *telemetry.Catalogue
	// Province bounds the coordinates that need no reason.
	Province Box
	Now      func() time.Time
	Logger   *slog.Logger

	// mu lets one change through at a time, from its first read to its place in
	// the snapshot. seq is the last change that the snapshot has, with all before.
	mu  sync.Mutex
	seq int64

	// publish guards the making of snapshots; it is never held during I/O.
	publish  sync.Mutex
	snapshot atomic.Pointer[Snapshot]

	subMu       sync.Mutex
	subscribers map[int]func(Event)
	nextSub     int
	// unwritten tell what was heard of a device and is not in the store yet.
	unwritten []func(telemetry.Device) (Heard, bool)
}

// NewRegistry makes a registry over a store. [Registry.Open] comes next.
func NewRegistry(s Store) *Registry {
	r := &Registry{Store: s, Catalogue: telemetry.NewCatalogue(), Province: DefaultProvince(), Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), subscribers: map[int]func(Event){}}
	r.snapshot.Store(newSnapshot())
	return r
}

// Open brings the snapshot into memory. Before it nothing is admitted.
func (r *Registry) Open(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reload(ctx)
}

// reload makes the snapshot anew; r.mu is held.
func (r *Registry) reload(ctx context.Context) error {
	s := newSnapshot()
	var seq int64
	err := r.Store.Read(ctx, func(rd Reader) (err error) {
		if seq, err = rd.LastChange(ctx); err != nil {
			return err
		}
		localities, err := rd.Localities(ctx)
		if err != nil {
			return err
		}
		s.setLocalities(localities)
		return rd.Standings(ctx, nil, func(st Standing) error {
			s.set(newStanding(r.Catalogue, st))
			return nil
		})
	})
	if err != nil {
		return wrapped("read registry into memory", err)
	}
	r.seq = seq
	r.publish.Lock()
	defer r.publish.Unlock()
	r.snapshot.Store(s)
	return nil
}

// Snapshot is the registry as admission sees it at this moment.
func (r *Registry) Snapshot() *Snapshot { return r.snapshot.Load() }

// Event tells what a committed change was.
type Event struct {
	// Changes are the journal's entries, in order, without the entities before and
	// after.
	Changes []Change
	// Devices are those whose readings may be admitted differently now: what
	// waits of theirs in quarantine is to be driven through again.
	Devices []telemetry.Device
}

// Subscribe has f called after every committed change, when the snapshot has it,
// in order and by one goroutine at a time. f must not call the registry's
// changing operations and must return soon: changes wait for it. The returned
// function ends the subscription.
func (r *Registry) Subscribe(f func(Event)) (cancel func()) {
	r.subMu.Lock()
	defer r.subMu.Unlock()
	id := r.nextSub
	r.nextSub++
	r.subscribers[id] = f
	return func() {
		r.subMu.Lock()
		defer r.subMu.Unlock()
		delete(r.subscribers, id)
	}
}

// tell calls the subscribers; r.mu is held, which keeps the order.
func (r *Registry) tell(e Event) {
	r.subMu.Lock()
	fs := make([]func(Event), 0, len(r.subscribers))
	for i := range r.nextSub {
		if f, ok := r.subscribers[i]; ok {
			fs = append(fs, f)
		}
	}
	r.subMu.Unlock()
	for _, f := range fs {
		f(e)
	}
}

// Batch runs f as one act: all that its operations did is committed together, or
// nothing if f returns an error. An operation of [Batch] that fails has done
// nothing, and f may go on to the next: that is how a file of rows is imported
// with its bad rows left out, and, with f returning an error at the end, how it
// is tried without importing.
//
// by says also where: an operation on what belongs to a place outside by.Scope, before
// or after it, is Forbidden (ReasonOtherLocality, ReasonCityWide, ReasonInStock).
func (r *Registry) Batch(ctx context.Context, by By, f func(*Batch) error) error {
	by.Who, by.Why = clip(by.Who, maxName), clip(by.Why, maxNotes)
	switch {
	case by.Who == "":
		return invalid("who", ReasonRequired)
	case by.Scope.Nowhere():
		return Outside("", "", nil, by.Scope, nil)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var b *Batch
	var after aftermath
	err := r.Store.Write(ctx, func(tx Tx) error {
		b = &Batch{tx: tx, by: by, r: r, now: stamp(r.Now())}
		if !by.Scope.All {
			b.guard = &guarded{Reader: tx, tx: tx, scope: by.Scope, names: b.localityNames(ctx)}
			b.tx = b.guard
		}
		if err := f(b); err != nil {
			return err
		}
		if b.guard != nil { // what was done outside any operation
			if err := b.guard.judge(ctx); err != nil {
				return err
			}
		}
		var err error
		after, err = b.aftermath(ctx)
		return err
	})
	if err != nil {
		return wrapped("change registry", err)
	}
	r.follow(b.changes, after)
	return nil
}

// aftermath is what the snapshot must take over from a committed batch.
type aftermath struct {
	standings  []*standing
	localities []Locality // nil if unchanged
}

// follow brings the snapshot up to committed changes and tells the subscribers;
// r.mu is held.
func (r *Registry) follow(changes []Change, a aftermath) {
	// Another process may have committed in between; then Follow reads from where
	// the snapshot was complete, and these once more.
	if len(changes) > 0 && changes[0].Seq == r.seq+1 {
		r.seq = changes[len(changes)-1].Seq
	}
	e := Event{Changes: changes}
	r.publish.Lock()
	s := r.snapshot.Load().edit()
	if a.localities != nil {
		s.setLocalities(a.localities)
	}
	for _, st := range a.standings {
		s.set(st)
		e.Devices = append(e.Devices, st.device)
	}
	r.snapshot.Store(s.done())
	r.publish.Unlock()
	if len(changes) > 0 || len(e.Devices) > 0 {
		r.tell(e)
	}
}

// Follow takes over, until ctx ends, what other processes change in the same
// store, looking every so often. A registry that is alone need not run it.
func (r *Registry) Follow(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.CatchUp(ctx); err != nil && ctx.Err() == nil {
			r.Logger.Warn("cannot read changes of the registry; trying again", "error", err)
		}
	}
}

// CatchUp takes over once what other processes have changed.
func (r *Registry) CatchUp(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var changes []Change
	var after aftermath
	err := r.Store.Read(ctx, func(rd Reader) (err error) {
		changes, err = rd.Changes(ctx, ChangeFilter{After: r.seq, Limit: MaxPage})
		if err != nil || len(changes) == 0 || len(changes) == MaxPage {
			return err
		}
		after, err = r.read(ctx, rd, changes)
		return err
	})
	switch {
	case err != nil:
		return wrapped("read changes", err)
	case len(changes) == MaxPage: // so many that all is sooner read than each
		if err := r.reload(ctx); err != nil {
			return err
		}
		r.tell(Event{Devices: r.Snapshot().devices()})
		return nil
	case len(changes) == 0:
		return nil
	}
	slices.Reverse(changes) // the oldest first
	r.follow(changes, after)
	return nil
}

// read reads what the snapshot must take over from changes.
func (r *Registry) read(ctx context.Context, rd Reader, changes []Change) (a aftermath, err error) {
	var touched []telemetry.Device
	for _, c := range changes {
		switch {
		case c.Entity == EntityLocality:
			if a.localities, err = rd.Localities(ctx); err != nil {
				return a, err
			}
		case c.Entity == EntitySite && c.Action == Updated:
			here, err := placedAt(ctx, rd, c.Site)
			if err != nil {
				return a, err
			}
			touched = append(touched, here...)
		case c.Device != "":
			touched = append(touched, c.Device)
		}
	}
	a.standings, err = standings(ctx, rd, r.Catalogue, touched)
	return a, err
}

// placedAt lists every device that stands or stood at a site.
func placedAt(ctx context.Context, rd Reader, site telemetry.Site) (out []telemetry.Device, err error) {
	installations, err := rd.Installations(ctx, InstallationFilter{Site: site})
	for _, i := range installations {
		out = append(out, i.Device)
	}
	return out, err
}

// standings reads the devices that were touched.
func standings(ctx context.Context, rd Reader, cat *telemetry.Catalogue, touched []telemetry.Device) (out []*standing, err error) {
	if len(touched) == 0 {
		return nil, nil
	}
	slices.Sort(touched)
	err = rd.Standings(ctx, slices.Compact(touched), func(s Standing) error {
		out = append(out, newStanding(cat, s))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read standings: %w", err)
	}
	return out, nil
}

// stamp is a time as it is kept: UTC, to the millisecond.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
