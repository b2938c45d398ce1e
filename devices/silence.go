package devices

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Presence is whether a device is heard as often as is expected.
type Presence string

// The presences, the worst last.
const (
	Muted   Presence = "muted"   // in maintenance: nothing is expected
	Fresh   Presence = "fresh"   // heard in time
	Waiting Presence = "waiting" // never heard yet, and not overdue
	Late    Presence = "late"    // missing for LateAfter cadences
	Silent  Presence = "silent"  // missing for SilentAfter cadences
)

// Silence judges from last-seen times which devices have fallen silent. It has no
// clock and does no I/O: it is told of readings and asked at a moment. Its
// methods may be called by many goroutines; Observe is made for the loader's path.
type Silence struct {
	// LateAfter and SilentAfter are in cadences: 3 and 10.
	LateAfter, SilentAfter float64
	// A gateway behind which at least IncidentDevices are silent, and at least
	// IncidentShare of all that are expected, is one incident: 3 and 0.5.
	IncidentDevices int
	IncidentShare   float64
	// Started is since when this process listens.
	Started time.Time

	// before are the times, in order, in which earlier processes listened. A device
	// misses its cadences only while somebody listens: else all would seem silent
	// after we were away.
	before []Period

	mu   sync.RWMutex
	seen map[telemetry.Device]*lastSeen
}

// lastSeen is in milliseconds; 0 is never.
type lastSeen struct {
	received, event atomic.Int64
	gateway         atomic.Pointer[string]
	saved           atomic.Int64 // the received that is written down
}

// Period is from a moment to another.
type Period struct{ From, To time.Time }

// LastHeard is when a device was last heard: as [Silence.Observe] is told.
type LastHeard struct {
	Device          telemetry.Device
	Event, Received time.Time
	Gateway         string
}

// NewSilence judges with the usual bounds, listening since a moment.
func NewSilence(started time.Time) *Silence {
	return &Silence{LateAfter: 3, SilentAfter: 10, IncidentDevices: 3, IncidentShare: 0.5, Started: stamp(started),
		seen: map[telemetry.Device]*lastSeen{}}
}

// Restore tells, before anything else, what earlier processes wrote down: when
// they listened, in order, and when devices were last heard. Without it, nothing
// is missing before Started.
func (s *Silence) Restore(before []Period, heard []LastHeard) {
	s.before = before
	for _, h := range heard {
		s.Observe(h.Device, h.Event, h.Received, h.Gateway)
	}
	s.Saved(heard)
}

// Unsaved is what was heard and is not written down yet. [Silence.Saved] is to be
// told of what then is.
func (s *Silence) Unsaved() (out []LastHeard) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for d, l := range s.seen {
		received := l.received.Load()
		if received == l.saved.Load() {
			continue
		}
		h := LastHeard{Device: d, Event: time.UnixMilli(l.event.Load()).UTC(), Received: time.UnixMilli(received).UTC()}
		if g := l.gateway.Load(); g != nil {
			h.Gateway = *g
		}
		out = append(out, h)
	}
	return out
}

// Saved tells that this is written down.
func (s *Silence) Saved(heard []LastHeard) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range heard {
		if l := s.seen[h.Device]; l != nil {
			l.saved.Store(h.Received.UnixMilli())
		}
	}
}

// listening is the first moment of which is known that somebody listened.
func (s *Silence) listening() time.Time {
	if len(s.before) > 0 && s.before[0].From.Before(s.Started) {
		return s.before[0].From
	}
	return s.Started
}

// listened is for how long, from a moment until now, somebody listened.
func (s *Silence) listened(from, now time.Time) time.Duration {
	d := max(now.Sub(later(from, s.Started)), 0)
	for i := len(s.before) - 1; i >= 0 && s.before[i].To.After(from); i-- {
		to := s.before[i].To
		if to.After(s.Started) { // the clock was put back between
			to = s.Started
		}
		d += max(to.Sub(later(from, s.before[i].From)), 0)
	}
	return d
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Observe tells of a reading of an admitted device: its event time, when it was
// received, and through which gateway ("" if not known). Older news than is known
// changes nothing, so what comes again or late does no harm.
func (s *Silence) Observe(device telemetry.Device, event, received time.Time, gateway string) {
	s.mu.RLock()
	l := s.seen[device]
	s.mu.RUnlock()
	if l == nil {
		s.mu.Lock()
		if l = s.seen[device]; l == nil {
			l = &lastSeen{}
			s.seen[telemetry.Device(strings.Clone(string(device)))] = l
		}
		s.mu.Unlock()
	}
	raise(&l.event, event.UnixMilli())
	if raise(&l.received, received.UnixMilli()) && gateway != "" {
		if g := l.gateway.Load(); g == nil || *g != gateway {
			gateway = strings.Clone(gateway)
			l.gateway.Store(&gateway)
		}
	}
}

// raise sets a to v if v is greater.
func raise(a *atomic.Int64, v int64) bool {
	for {
		old := a.Load()
		if v <= old {
			return false
		}
		if a.CompareAndSwap(old, v) {
			return true
		}
	}
}

// DeviceSilence is how a device stands.
type DeviceSilence struct {
	Device   telemetry.Device   `json:"device"`
	Site     telemetry.Site     `json:"site"`
	Locality telemetry.Locality `json:"locality"`
	Gateway  string             `json:"gateway,omitempty"`
	State    Presence           `json:"state"`
	Cadence  time.Duration      `json:"cadence"`
	// LastReceived is when it was last heard, LastEvent the newest time that it
	// measured; zero if never, as far as is known. A device whose LastEvent is far
	// behind LastReceived is sending what it had stored.
	LastReceived time.Time `json:"lastReceived,omitzero"`
	LastEvent    time.Time `json:"lastEvent,omitzero"`
	// Missing is for how long it has not been heard. Its state goes by how much of
	// that somebody listened.
	Missing time.Duration `json:"missing"`
	// Incident names the gateway of the incident that it is part of.
	Incident string `json:"incident,omitempty"`
}

// Incident is many silent devices behind one gateway: most likely one fault.
type Incident struct {
	Gateway string             `json:"gateway"`
	Since   time.Time          `json:"since"` // the last that was heard through it
	Devices []telemetry.Device `json:"devices"`
	// Expected is how many devices are behind the gateway.
	Expected int `json:"expected"`
}

// Silences is the state of all devices at a moment.
type Silences struct {
	At time.Time `json:"at"`
	// Devices are the worst first: silent, late, waiting, fresh, muted, and in
	// each the longest missing first.
	Devices   []DeviceSilence `json:"devices"`
	Incidents []Incident      `json:"incidents"`
	// Counts are of devices by state.
	Counts map[Presence]int `json:"counts"`
}

// At judges those who are expected ([Snapshot.Expectations]) at a moment, and
// forgets devices that are not.
func (s *Silence) At(now time.Time, expected []Expectation) Silences {
	out := Silences{At: stamp(now), Devices: make([]DeviceSilence, 0, len(expected)), Counts: map[Presence]int{}}
	s.mu.RLock()
	for _, e := range expected {
		out.Devices = append(out.Devices, s.judge(e, s.seen[e.Device], now))
	}
	s.mu.RUnlock()
	s.forget(expected)
	out.Incidents = s.incidents(out.Devices)
	slices.SortStableFunc(out.Devices, func(a, b DeviceSilence) int {
		return cmp.Or(cmp.Compare(b.State.rank(), a.State.rank()), cmp.Compare(b.Missing, a.Missing), cmp.Compare(a.Device, b.Device))
	})
	for i := range out.Devices {
		out.Counts[out.Devices[i].State]++
	}
	return out
}

// judge says how one device stands. A device counts as heard when it was
// received: one that sends what it had stored is not silent.
func (s *Silence) judge(e Expectation, l *lastSeen, now time.Time) DeviceSilence {
	d := DeviceSilence{Device: e.Device, Site: e.Site, Locality: e.Locality, Gateway: e.Gateway, Cadence: e.Cadence}
	// Before it stood there and before we listened, nothing can be missing.
	base := later(s.listening(), e.Since)
	if l != nil {
		if g := l.gateway.Load(); g != nil {
			d.Gateway = *g
		}
		d.LastReceived, d.LastEvent = time.UnixMilli(l.received.Load()).UTC(), time.UnixMilli(l.event.Load()).UTC()
		if heard := !d.LastReceived.Before(e.Since); heard {
			base = d.LastReceived
		} else { // at another site
			d.LastReceived, d.LastEvent = time.Time{}, time.Time{}
		}
	}
	d.Missing = max(now.Sub(base), 0)
	missed := 0.0
	if e.Cadence > 0 {
		missed = float64(s.listened(base, now)) / float64(e.Cadence)
	}
	switch {
	case e.Muted:
		d.State = Muted
	case missed > s.SilentAfter:
		d.State = Silent
	case missed > s.LateAfter:
		d.State = Late
	case d.LastReceived.IsZero():
		d.State = Waiting
	default:
		d.State = Fresh
	}
	return d
}

// incidents finds the gateways behind which many are silent, and marks those.
func (s *Silence) incidents(all []DeviceSilence) (out []Incident) {
	type behind struct {
		expected int
		silent   []int
	}
	gateways := map[string]*behind{}
	for i := range all {
		d := &all[i]
		if d.Gateway == "" || d.State == Muted {
			continue
		}
		g := gateways[d.Gateway]
		if g == nil {
			g = &behind{}
			gateways[d.Gateway] = g
		}
		g.expected++
		if d.State == Silent {
			g.silent = append(g.silent, i)
		}
	}
	for name, g := range gateways {
		if len(g.silent) < max(s.IncidentDevices, 1) || float64(len(g.silent)) < s.IncidentShare*float64(g.expected) {
			continue
		}
		in := Incident{Gateway: name, Expected: g.expected}
		for _, i := range g.silent {
			all[i].Incident = name
			in.Devices = append(in.Devices, all[i].Device)
			if all[i].LastReceived.After(in.Since) {
				in.Since = all[i].LastReceived
			}
		}
		slices.Sort(in.Devices)
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b Incident) int { return cmp.Compare(a.Gateway, b.Gateway) })
	return out
}

// forget lets go of devices that stand nowhere any more.
func (s *Silence) forget(expected []Expectation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) <= len(expected) {
		return
	}
	keep := make(map[telemetry.Device]*lastSeen, len(expected))
	for _, e := range expected {
		if l := s.seen[e.Device]; l != nil {
			keep[e.Device] = l
		}
	}
	s.seen = keep
}

// rank orders presences, the worst highest.
func (p Presence) rank() int {
	return slices.Index([]Presence{Muted, Fresh, Waiting, Late, Silent}, p)
}
