package api

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// presenceAge is how old the states of devices may be in an answer: judging a
// hundred thousand takes a good part of a second.
const presenceAge = 2 * time.Second

// board knows, for lists and maps, what stands at each site now and how it is
// heard. It is made anew when somebody asks after a change.
type board struct {
	api   *API
	stale atomic.Bool

	mu     sync.Mutex
	bySite map[telemetry.Site][]devices.Expectation
	judged time.Time
	states devices.Silences
	byID   map[telemetry.Device]devices.DeviceSilence
}

func newBoard(a *API) *board {
	b := &board{api: a}
	b.stale.Store(true)
	a.Registry.Subscribe(func(devices.Event) { b.stale.Store(true) })
	return b
}

// at is what stands at every site. The caller must not change it.
func (b *board) at() map[telemetry.Site][]devices.Expectation {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stale.Swap(false) || b.bySite == nil {
		m := map[telemetry.Site][]devices.Expectation{}
		for _, e := range b.api.Registry.Snapshot().Expectations() {
			m[e.Site] = append(m[e.Site], e)
		}
		b.bySite = m
	}
	return b.bySite
}

// silences is how all devices stand, at most presenceAge ago. The caller must not
// change it.
func (b *board) silences() (devices.Silences, map[telemetry.Device]devices.DeviceSilence) {
	if b.api.Presences == nil {
		return devices.Silences{At: b.api.Now().UTC()}, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.api.Now(); b.byID == nil || now.Sub(b.judged).Abs() >= presenceAge {
		b.states, b.judged = b.api.Presences(), now
		b.byID = make(map[telemetry.Device]devices.DeviceSilence, len(b.states.Devices))
		for _, d := range b.states.Devices {
			b.byID[d.Device] = d
		}
	}
	return b.states, b.byID
}

// furnish adds to a site what stands there.
func (b *board) furnish(s *Site) {
	here := b.at()[s.ID]
	_, states := b.silences()
	for _, e := range here {
		state := states[e.Device]
		d := AtSite{Device: e.Device, Kinds: e.Kinds, Presence: state.State, Online: state.Online, LastReading: moment(state.LastEvent),
			Cadences: cadencesOf(state.Cadences), Units: unitsOf(state.Units), Since: moment(e.Since)}
		if states != nil && d.Presence == "" {
			d.Presence = devices.Waiting // installed since the devices were judged
		}
		s.Devices = append(s.Devices, d)
		s.Kinds = append(s.Kinds, e.Kinds...)
		s.Presence = worse(s.Presence, d.Presence)
	}
	slices.Sort(s.Kinds)
	s.Kinds = slices.Compact(s.Kinds)
}

// describe adds to a device how it is heard, if that is known.
func (b *board) describe(d *Device) {
	_, states := b.silences()
	if s, ok := states[d.ID]; ok {
		d.Presence, d.Online, d.LastReading, d.LastContact, d.Cadences = s.State, s.Online, moment(s.LastEvent), moment(s.LastContact), cadencesOf(s.Cadences)
	}
}

// worse is the worse of two presences.
func worse(a, b devices.Presence) devices.Presence {
	rank := func(p devices.Presence) int {
		return slices.Index([]devices.Presence{devices.Muted, devices.Fresh, devices.Waiting, devices.Late, devices.Silent}, p)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}
