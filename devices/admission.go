package devices

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Mode says what becomes of a device that nobody registered.
type Mode string

const (
	// Closed ("registered") has its readings wait until it is registered.
	Closed Mode = "registered"
	// Open registers it provisionally, its site named after it, up to a cap.
	Open Mode = "open"
)

// DefaultCap is how many provisional devices open admission lets in: each makes
// series, and series cost memory for as long as the store keeps them.
const DefaultCap = 10000

// Admission answers the loader, for every reading, whether and for which site it
// is stored. It has the shape of ingest's interface of that name.
type Admission struct {
	Registry *Registry
	Mode     Mode
	// Cap bounds the provisional devices, those of former runs included.
	Cap int
	// FlushEvery is how often what was heard and who was let in are written down.
	FlushEvery time.Duration
	Now        func() time.Time
	Logger     *slog.Logger

	hearing hearing

	mu     sync.Mutex
	guests map[telemetry.Device]guest // let in, not yet written down
}

// guest is a device to be registered provisionally.
type guest struct {
	device   telemetry.Device
	locality telemetry.Locality
	kinds    []telemetry.Kind
	since    time.Time
}

// NewAdmission makes an admission over an opened registry. [Admission.Run] writes
// down what it hears. It is subscribed to the registry for as long as that lives.
func NewAdmission(r *Registry, mode Mode) *Admission {
	a := &Admission{Registry: r, Mode: mode, Cap: DefaultCap, FlushEvery: time.Second, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), guests: map[telemetry.Device]guest{},
		hearing: hearing{heard: map[telemetry.Device]*Heard{}}}
	r.Subscribe(func(e Event) { a.hearing.forget(e.Devices) })
	r.subMu.Lock()
	defer r.subMu.Unlock()
	r.unwritten = append(r.unwritten, a.hearing.of)
	return a
}

// Admit gives the site that a reading belongs to, or a [telemetry.Problem]
// (Unregistered, UnknownLocality) where it must wait. It does no I/O; where the
// reading is admitted it neither locks nor allocates. The strings may share a
// message's memory: what is kept of them is copied.
func (a *Admission) Admit(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time) (telemetry.Site, error) {
	site, refusal := a.Registry.Snapshot().Lookup(locality, kind, device, at)
	if refusal == "" {
		return site, nil
	}
	if a.Mode == Open && (refusal == NoDevice || refusal == WrongKind) {
		if site, refusal = a.welcome(locality, kind, device, at, refusal); refusal == "" {
			a.hear(locality, kind, device, at, "", true)
			return site, nil
		}
	}
	a.hear(locality, kind, device, at, refusal, false)
	return "", a.explain(locality, kind, device, at, refusal)
}

// Locality is nil if the registry has a locality, else a [telemetry.Problem] that says
// which there are. It does no I/O.
func (a *Admission) Locality(l telemetry.Locality) error {
	if s := a.Registry.Snapshot(); !s.knows(l) {
		return s.noLocality(l)
	}
	return nil
}

// Localities are those of the registry.
func (a *Admission) Localities() []telemetry.Locality { return a.Registry.Snapshot().Localities() }

// Stands is the locality of a device's newest site, and the first kind that it measures.
func (a *Admission) Stands(d telemetry.Device) (telemetry.Locality, telemetry.Kind) {
	return a.Registry.Snapshot().stands(d)
}

// hear notes what was asked for.
func (a *Admission) hear(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time, why Refusal, guest bool) {
	now := stamp(a.Now())
	a.hearing.note(Heard{Device: device, Locality: locality, Kind: kind, Reason: why, Provisional: guest,
		First: now, Last: now, Earliest: stamp(at), Count: 1}, func(h *Heard) {
		h.Device = telemetry.Device(strings.Clone(string(h.Device)))
		h.Locality = telemetry.Locality(strings.Clone(string(h.Locality)))
		h.Kind = telemetry.Kind(strings.Clone(string(h.Kind)))
	})
}

// Describe adds to what is known of a heard device: the topic, gateway and
// payload of one of its messages. It does not count; Admit has.
func (a *Admission) Describe(device telemetry.Device, topic, gateway string, payload []byte) {
	if telemetry.CheckID(string(device)) != nil {
		return
	}
	now := stamp(a.Now())
	a.hearing.note(Heard{Device: device, Topic: topic, Gateway: gateway, Sample: payload[:min(len(payload), maxSample)], First: now, Last: now},
		func(h *Heard) {
			h.Device = telemetry.Device(strings.Clone(string(h.Device)))
			h.Topic, h.Gateway, h.Sample = clip(h.Topic, 256), clip(h.Gateway, 64), slices.Clone(h.Sample)
		})
}

// Dropped is how many readings of unknown devices were not noted as heard, because
// too many different ones came between two flushes.
func (a *Admission) Dropped() int64 { return a.hearing.lost() }

// welcome lets a device in under open admission: at once in the snapshot, and
// soon in the store.
func (a *Admission) welcome(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time, why Refusal) (telemetry.Site, Refusal) {
	r := a.Registry
	r.publish.Lock()
	defer r.publish.Unlock()
	s := r.snapshot.Load()
	// Another goroutine may have been quicker.
	if site, refusal := s.Lookup(locality, kind, device, at); refusal == "" || refusal != why {
		return site, refusal
	}
	st, spec := s.find(device), r.Catalogue.Kind(kind)
	switch {
	case kind == telemetry.Status || spec == nil || spec.Computed:
		return "", why // a device is let in by what it measures
	case st == nil && s.guests >= a.Cap:
		return "", CapReached
	case st != nil && !st.provisional:
		return "", why // a person has said what it measures
	case st == nil && telemetry.CheckID(string(device)) != nil:
		return "", why
	}
	g := guest{device: telemetry.Device(strings.Clone(string(device))), locality: telemetry.Locality(strings.Clone(string(locality))),
		since: stamp(a.Now())}
	if st != nil {
		g.kinds = st.kinds
	}
	g.kinds = append(slices.Clone(g.kinds), r.Catalogue.Kind(kind).Kind)
	slices.Sort(g.kinds)
	s = s.edit()
	s.set(g.standing(r.Catalogue, st))
	r.snapshot.Store(s.done())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.guests[g.device] = g
	return s.Lookup(locality, kind, device, at)
}

// standing is the guest as admission sees it until the store says the same.
func (g guest) standing(cat *telemetry.Catalogue, known *standing) *standing {
	if known != nil {
		st := *known
		st.measure(cat, g.kinds)
		return &st
	}
	i := Installation{Device: g.device, Site: telemetry.Site(g.device), From: g.since, Provisional: true}
	return newStanding(cat, Standing{Device: g.device, Kinds: g.kinds, State: Active, Provisional: true,
		Installations: []Placing{{Installation: i, Locality: g.locality}}})
}

// explain makes a refusal a problem that says what to do.
func (a *Admission) explain(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time, why Refusal) error {
	p := telemetry.Problem{Reason: telemetry.Unregistered}
	s := a.Registry.Snapshot()
	switch why {
	case NoLocality:
		return s.noLocality(locality)
	case WrongLocality:
		p.Detail = fmt.Sprintf("device %q stands at a site of another locality than %q: correct its topic or move it in the registry", device, locality)
	case WrongKind:
		p.Detail = fmt.Sprintf("device %q is not registered for %s: add the kind to the device", device, kind)
	case NotStanding:
		p.Detail = fmt.Sprintf("device %q stood nowhere at %s: install it, or correct since when it stands (haidang devices since)", device, at.In(time.FixedZone("", 7*60*60)).Format("2006-01-02 15:04:05 -07:00")) // Asia/Ho_Chi_Minh has no summer time
	case CapReached:
		p.Detail = fmt.Sprintf("device %q is new and %d provisional devices are admitted already: register it, or raise --admit-limit and re-drive", device, a.Cap)
	default:
		p.Detail = fmt.Sprintf("device %q is not registered: it waits under Heard", device)
	}
	return p
}

// Run writes down, until ctx ends and then once more, what was heard and who was
// let in. What cannot be written is kept for the next time.
func (a *Admission) Run(ctx context.Context) error {
	tick := time.NewTicker(a.FlushEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return a.Flush(last)
		case <-tick.C:
		}
		err := a.Flush(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			a.Logger.Error("cannot write down what was heard; trying again", "error", err)
		}
		failed = err != nil
	}
}

// Flush writes down at once what was heard and who was let in.
func (a *Admission) Flush(ctx context.Context) error {
	heard := a.hearing.take()
	err := a.flushGuests(ctx)
	if err == nil {
		err = a.Registry.mergeHeard(ctx, heard)
	}
	if err != nil {
		a.hearing.putBack(heard)
		return wrapped("write down heard devices", err)
	}
	return nil
}

// mergeHeard writes down what was heard, but for devices that were registered
// since: those are not waiting any more.
func (r *Registry) mergeHeard(ctx context.Context, heard []Heard) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.Snapshot()
	heard = slices.DeleteFunc(slices.Clone(heard), func(h Heard) bool {
		st := s.find(h.Device)
		return h.Reason == NoDevice && st != nil && !st.provisional && len(st.spans) > 0
	})
	if len(heard) == 0 {
		return nil
	}
	slices.SortFunc(heard, func(x, y Heard) int { return strings.Compare(string(x.Device), string(y.Device)) })
	return r.Store.Write(ctx, func(tx Tx) error { return tx.MergeHeard(ctx, heard, maxHeard) })
}

// flushGuests registers provisionally those that were let in.
func (a *Admission) flushGuests(ctx context.Context) error {
	a.mu.Lock()
	guests := make([]guest, 0, len(a.guests))
	for _, g := range a.guests {
		guests = append(guests, g)
	}
	a.mu.Unlock()
	if len(guests) == 0 {
		return nil
	}
	slices.SortFunc(guests, func(x, y guest) int { return strings.Compare(string(x.device), string(y.device)) })
	err := a.Registry.Batch(ctx, By{Who: "admission", Why: "open admission", Scope: Everywhere()}, func(b *Batch) error {
		for _, g := range guests {
			if err := b.admit(ctx, g); err != nil {
				if CodeOf(err) == Internal {
					return err
				}
				a.Logger.Warn("a device that was admitted cannot be registered provisionally", "device", g.device, "error", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range guests {
		if len(a.guests[g.device].kinds) == len(g.kinds) { // no further kind meanwhile
			delete(a.guests, g.device)
		}
	}
	return nil
}

// admit registers a guest, or adds to its kinds if it is known as one.
func (b *Batch) admit(ctx context.Context, g guest) error {
	return b.do(ctx, func() error {
		old, err := b.tx.Device(ctx, g.device)
		b.touched = append(b.touched, g.device) // whatever the store has is right
		switch {
		case err == nil && !old.Provisional:
			return nil // a person registered it meanwhile
		case err == nil:
			d := old
			d.Kinds = append(slices.Clone(d.Kinds), g.kinds...)
			_, err := b.UpdateDevice(ctx, d)
			return err
		case CodeOf(err) != NotFound:
			return err
		}
		site := telemetry.Site(g.device)
		s := Site{ID: site, Name: string(site), Locality: g.locality, Provisional: true, State: Planned}
		if _, err := b.CreateSite(ctx, s); err != nil {
			return err
		}
		if _, err := b.CreateDevice(ctx, Device{ID: g.device, Kinds: g.kinds, Provisional: true}); err != nil {
			return err
		}
		_, err = b.install(ctx, Installation{Device: g.device, Site: site, From: g.since, Provisional: true})
		return err
	})
}
