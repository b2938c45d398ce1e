package devices

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Sign is that something came of a device.
type Sign struct {
	// Received is when; Gateway is through which gateway, "" if that is not known.
	Received time.Time
	Gateway  string
	// Retained says that a broker had kept it: nobody knows since when.
	Retained bool
}

// LastHeard is what is known of a device's signs, as it is written down.
type LastHeard struct {
	Device telemetry.Device
	// Event is the newest time that it measured, Received when that was received.
	Event, Received time.Time
	Gateway         string
	// Memory is what is known besides, its cadences for one. Nobody else reads it.
	Memory string

	version uint64
}

// sighting is what is known of a device. Times are in milliseconds; 0 is never.
type sighting struct {
	mu              sync.Mutex
	received, event int64
	gateway         string
	memory

	// version counts changes, saved is the one that is written down.
	version, saved uint64
}

// memory is what is remembered of a device besides its last reading.
type memory struct {
	Contact int64 `json:"contact,omitempty"`
	// Status is what was last told of its connection.
	Status string `json:"status,omitempty"`
	// Faulty says that it flags its readings as errors.
	Faulty bool `json:"faulty,omitempty"`
	// Known is since when readings are expected of it, as far as the registry told:
	// since it was seen to stand at Site, or since its maintenance ended.
	Known int64          `json:"known,omitempty"`
	Site  telemetry.Site `json:"site,omitempty"`
	Muted bool           `json:"muted,omitempty"`

	Kinds map[telemetry.Kind]*habit `json:"kinds,omitempty"`
}

// habit is how often a device sends readings of a kind.
type habit struct {
	// Measured is by the times of the readings, Sent by when they were received.
	Measured rhythm        `json:"measured,omitzero"`
	Sent     transmissions `json:"sent,omitzero"`
	Day      firstDay      `json:"day,omitzero"`
}

// every is how often something is to come, where the cadence is this; 0 is not known.
func (h *habit) every(cadence time.Duration) time.Duration {
	if cadence == 0 {
		cadence = h.Measured.Every
	}
	if cadence == 0 {
		return 0
	}
	return max(cadence, h.Sent.every())
}

const (
	statusOnline  = "online"
	statusOffline = "offline"
)

// fromMilli is a time of milliseconds; zero of 0.
func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// sighting is a device's; it is made if there is none.
func (s *Silence) sighting(device telemetry.Device) *sighting {
	s.mu.RLock()
	l := s.seen[device]
	s.mu.RUnlock()
	if l != nil {
		return l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l = s.seen[device]; l == nil {
		l = &sighting{}
		s.seen[telemetry.Device(strings.Clone(string(device)))] = l
	}
	return l
}

// Observe tells of a point of an admitted device that is stored.
func (s *Silence) Observe(p telemetry.Point, sign Sign) {
	l := s.sighting(p.Series.Device)
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Series.Kind == telemetry.Status {
		l.status(p, sign)
		return
	}
	l.contact(sign)
	measured, flag := false, telemetry.Measuring
	for _, v := range p.Values {
		if v.Spec.Name == telemetry.QualityCode {
			flag = telemetry.Quality(v.Number)
		}
		measured = measured || !telemetry.OfDevice(v.Spec.Name)
	}
	if !measured {
		return
	}
	l.learn(p, sign)
	if flag == telemetry.Measuring {
		l.Kinds[p.Series.Kind].Day.add(p)
	}
	l.Faulty = flag >= telemetry.InstrumentError
	if at := p.Time.UnixMilli(); !l.Faulty && at > l.event {
		l.event = at
		if received := sign.Received.UnixMilli(); !sign.Retained {
			l.received = max(l.received, received)
		} else {
			l.received = max(l.received, min(received, at))
		}
	}
}

// Learned is how often a device's readings of a kind are measured, as their times
// tell; 0 is not known.
func (s *Silence) Learned(d telemetry.Device, k telemetry.Kind) time.Duration {
	s.mu.RLock()
	l := s.seen[d]
	s.mu.RUnlock()
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.Kinds[k]; h != nil {
		return h.Measured.Every
	}
	return 0
}

// Contact tells that a message came of a device that brought nothing to store.
// Devices that stand nowhere are not noted: anybody may name any number of them.
func (s *Silence) Contact(device telemetry.Device, sign Sign) {
	s.mu.RLock()
	l := s.seen[device]
	s.mu.RUnlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.contact(sign)
}

// status takes what was told of the connection. That a device is offline the broker
// says, and a retained word the broker remembers: neither is a sign of life.
func (l *sighting) status(p telemetry.Point, sign Sign) {
	for _, v := range p.Values {
		switch {
		case v.Spec.Name != telemetry.Online:
		case v.Number == 0:
			l.Status = statusOffline
			l.version++
		default:
			l.Status = statusOnline
			l.contact(sign)
		}
	}
}

// contact notes a sign of life.
func (l *sighting) contact(sign Sign) {
	l.version++
	if sign.Retained {
		return
	}
	received := sign.Received.UnixMilli()
	if received >= l.Contact && sign.Gateway != "" && sign.Gateway != l.gateway {
		l.gateway = strings.Clone(sign.Gateway)
	}
	l.Contact = max(l.Contact, received)
}

// learn learns cadences from a measurement.
func (l *sighting) learn(p telemetry.Point, sign Sign) {
	h := l.Kinds[p.Series.Kind]
	if h == nil {
		if l.Kinds == nil {
			l.Kinds = map[telemetry.Kind]*habit{}
		}
		h = &habit{}
		l.Kinds[telemetry.Kind(strings.Clone(string(p.Series.Kind)))] = h
	}
	if h.Measured.add(p.Time) && !sign.Retained {
		h.Sent.add(sign.Received, h.Measured.Every)
	}
}

// expect notes since when a device is expected.
func (l *sighting) expect(e Expectation, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ms := now.UnixMilli()
	known := l.Known
	switch {
	case l.Known == 0 && l.received > 0 && l.Site == "": // written down by a program that did not note it
		known = min(l.received, ms)
	case l.Known == 0, l.Site != e.Site, l.Muted && !e.Muted:
		known = ms
	}
	if l.Site != "" && l.Site != e.Site {
		for _, h := range l.Kinds {
			h.Day = firstDay{}
		}
	}
	if known != l.Known || l.Site != e.Site || l.Muted != e.Muted {
		l.Known, l.Site, l.Muted = known, telemetry.Site(strings.Clone(string(e.Site))), e.Muted
		l.version++
	}
}

// KindCadence is how often a device sends readings of a kind.
type KindCadence struct {
	Kind  telemetry.Kind
	Every time.Duration
	// Learned says that nobody has set it: its readings tell.
	Learned bool
	// Usual says that nobody has set it and it is not learned: it is the kind's.
	Usual bool
}

// cadences are those of a device's kinds: as the registry has it, else learned, else
// the kind's usual one.
func (l *sighting) cadences(e Expectation) []KindCadence {
	out := make([]KindCadence, len(e.Kinds))
	for i, k := range e.Kinds {
		c := KindCadence{Kind: k, Every: e.Cadence}
		if h := l.Kinds[k]; e.Cadence == 0 && h != nil && h.Measured.Every > 0 {
			c.Every, c.Learned = h.Measured.Every, true
		} else if e.Cadence == 0 {
			c.Every, c.Usual = e.Usual[i], true
		}
		out[i] = c
	}
	return out
}

// interval is how often something is to come of a device: of its kinds' cadences the
// shortest, or, where it stores its readings and sends several at a time, how often it
// does that. While nothing is known of that but what is usual, it is judged by the
// longest gap that it made so far, and a newcomer has patience.
func (l *sighting) interval(e Expectation) (every, patience time.Duration) {
	most := 0
	var usual, longest time.Duration
	for i, k := range e.Kinds {
		if u := e.Usual[i]; u > 0 && (usual == 0 || u < usual) {
			usual = u
		}
		if h := l.Kinds[k]; h != nil {
			most, longest = max(most, len(h.Measured.Times)), max(longest, h.Measured.longest())
			if own := h.every(e.Cadence); own > 0 && (every == 0 || own < every) {
				every = own
			}
		}
	}
	switch {
	case every > 0:
		return every, 0
	case e.Cadence > 0:
		return e.Cadence, 0
	case usual == 0:
		return 0, 0
	case most <= rhythmGaps:
		patience = newcomerPatience
	}
	return max(usual, longest), patience
}

// Restore tells, before anything else, what earlier processes wrote down: when
// they listened, in order, when they were deaf, and what they heard. Without it,
// nothing is missing before Started.
func (s *Silence) Restore(before []Period, deaf []Deaf, heard []LastHeard) {
	s.listened.restore(before, deaf)
	for _, h := range heard {
		l := s.sighting(h.Device)
		var m memory
		if json.Unmarshal([]byte(h.Memory), &m) == nil { // else it is learned again
			l.memory = m
		}
		l.gateway = h.Gateway
		if !h.Received.IsZero() {
			l.received, l.event = h.Received.UnixMilli(), h.Event.UnixMilli()
			l.Contact = max(l.Contact, l.received)
		}
	}
}

// Unsaved is what was heard and is not written down yet. [Silence.Saved] is to be
// told of what then is.
func (s *Silence) Unsaved() (out []LastHeard) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for d, l := range s.seen {
		l.mu.Lock()
		if l.version != l.saved {
			out = append(out, LastHeard{Device: d, Event: fromMilli(l.event), Received: fromMilli(l.received), Gateway: l.gateway,
				Memory: l.memory.text(), version: l.version})
		}
		l.mu.Unlock()
	}
	return out
}

// text is the memory as it is written down. The times of a rhythm that is learned and
// still holds are left out: they would be most of what is written.
func (m memory) text() string {
	kinds := m.Kinds
	m.Kinds = make(map[telemetry.Kind]*habit, len(kinds))
	for k, h := range kinds {
		brief := habit{h.Measured.brief(), h.Sent, h.Day}
		brief.Sent.Rhythm = h.Sent.Rhythm.brief()
		m.Kinds[k] = &brief
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic("write down what is remembered of a device: " + err.Error()) // it has texts and finite numbers only: the catalogue refuses others
	}
	return string(text)
}

// Saved tells that this is written down.
func (s *Silence) Saved(heard []LastHeard, deaf []Deaf) {
	s.listened.savedDeaf(deaf)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, h := range heard {
		if l := s.seen[h.Device]; l != nil {
			l.mu.Lock()
			l.saved = max(l.saved, h.version)
			l.mu.Unlock()
		}
	}
}
