package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// maxClients is how many streams are open at one time.
	maxClients = 256
	// ringSize is how many events a client may be behind before it must read the
	// lists again.
	ringSize = 8192
	// aloneFlushes is for how many flushes after the last client has gone events of
	// readings are made for it to come back to, a second each.
	aloneFlushes = 60
)

// Live is what is new: the newest readings, and the events of the stream. It keeps
// one reading for each site, kind and device, and a bounded number of events that
// all clients share; a slow client costs nothing but its connection.
type Live struct {
	epoch string

	readMu sync.Mutex
	newest map[telemetry.Series]*slot
	bySite map[telemetry.Site][]*slot
	dirty  []*slot

	mu      sync.Mutex
	ring    []event // seq is at seq % ringSize
	seq     uint64  // of the last event
	wake    chan struct{}
	clients int
	alone   int // flushes in a row with nobody there
	last    map[telemetry.Device]devices.Presence
}

// together is how far apart values may be to be shown as one reading: devices tell
// of their battery, or of every other metric, in messages of their own.
const together = 10 * time.Minute

// slot holds the newest values of one series.
type slot struct {
	series telemetry.Series
	time   time.Time // of the newest
	values []timed
	dirty  bool
}

// timed is a metric's newest value.
type timed struct {
	telemetry.Value
	time time.Time
	// quality is what the instrument said of this value: readings that say nothing
	// are good, also after one that was flagged.
	quality float64
}

// take takes a point over; false if it is older than all that is there.
func (s *slot) take(p *telemetry.Point) (changed bool) {
	var quality float64
	for _, v := range p.Values {
		if v.Spec.Name == telemetry.QualityCode {
			quality = v.Number
		}
	}
	for _, v := range p.Values {
		at := slices.IndexFunc(s.values, func(t timed) bool { return t.Spec.Name == v.Spec.Name })
		if at < 0 {
			s.values = append(s.values, timed{v, p.Time, quality})
			changed = true
		} else if !p.Time.Before(s.values[at].time) {
			s.values[at] = timed{v, p.Time, quality}
			changed = true
		}
	}
	if p.Time.After(s.time) {
		s.time = p.Time
	}
	return changed
}

// event is one event as it is sent.
type event struct {
	seq      uint64
	name     string
	data     []byte
	locality telemetry.Locality // empty concerns all
	site     telemetry.Site
}

// NewLive makes a stream that has nothing new yet. The moment tells its events
// apart from those of another run.
func NewLive(started time.Time) *Live {
	return &Live{epoch: strconv.FormatInt(started.UnixMilli(), 36), newest: map[telemetry.Series]*slot{}, bySite: map[telemetry.Site][]*slot{},
		ring: make([]event, ringSize), wake: make(chan struct{})}
}

// Observe takes readings that have been stored. It is made for the loader's path:
// it copies what it keeps and sends nothing.
func (l *Live) Observe(points []telemetry.Point) {
	l.readMu.Lock()
	defer l.readMu.Unlock()
	for i := range points {
		p := &points[i]
		s := l.newest[p.Series]
		if s == nil {
			key := telemetry.Series{Kind: telemetry.Kind(strings.Clone(string(p.Series.Kind))), Locality: telemetry.Locality(strings.Clone(string(p.Series.Locality))),
				Site: telemetry.Site(strings.Clone(string(p.Series.Site))), Device: telemetry.Device(strings.Clone(string(p.Series.Device)))}
			s = &slot{series: key}
			l.newest[key] = s
			l.bySite[key.Site] = append(l.bySite[key.Site], s)
		}
		if s.take(p) && !s.dirty {
			s.dirty = true
			l.dirty = append(l.dirty, s)
		}
	}
}

// reading is the slot's; readMu is held.
func (s *slot) reading() Reading {
	r := Reading{Site: s.series.Site, Device: s.series.Device, Kind: s.series.Kind, Time: s.time.UTC(), Values: make(map[telemetry.Metric]float64, len(s.values))}
	worst, said := 0.0, false
	for _, v := range s.values {
		switch {
		case s.time.Sub(v.time) > together:
		case v.Spec.Name == telemetry.QualityCode:
			said = true
			if v.time.Equal(s.time) {
				worst = max(worst, v.Number)
			}
		default:
			r.Values[v.Spec.Name] = v.Number
			worst = max(worst, v.quality)
		}
	}
	if said || worst > 0 {
		r.Values[telemetry.QualityCode] = worst
	}
	return r
}

// at is the newest readings of a site since the start.
func (l *Live) at(site telemetry.Site) (out []Reading) {
	l.readMu.Lock()
	defer l.readMu.Unlock()
	for _, s := range l.bySite[site] {
		out = append(out, s.reading())
	}
	return out
}

// flush makes events of the readings that are new.
func (l *Live) flush() {
	heard := l.heard()
	l.readMu.Lock()
	dirty := l.dirty
	l.dirty = nil
	events := make([]event, 0, len(dirty))
	for _, s := range dirty {
		if s.dirty = false; !heard {
			continue
		}
		events = append(events, event{name: EventReading, data: encode(s.reading()), locality: s.series.Locality, site: s.series.Site})
	}
	l.readMu.Unlock()
	l.publish(events)
	if !heard && len(dirty) > 0 {
		l.skip()
	}
}

// heard reports whether somebody listens, or did of late and may come back. It is asked
// with each flush.
func (l *Live) heard() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alone++; l.clients > 0 {
		l.alone = 0
	}
	return l.alone <= aloneFlushes
}

// skip leaves out so many numbers that whoever comes back is told that some are gone.
func (l *Live) skip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq += ringSize + 1
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // a number that is not finite; the store has none
		return []byte("{}")
	}
	return text
}

// publish gives events their numbers and wakes the clients.
func (l *Live) publish(events []event) {
	if len(events) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.seq++
		e.seq = l.seq
		l.ring[l.seq%ringSize] = e
	}
	close(l.wake)
	l.wake = make(chan struct{})
}

// changed makes events of the registry's changes.
func (l *Live) changed(e devices.Event) {
	events := make([]event, 0, min(len(e.Changes), ringSize))
	if len(e.Changes) > ringSize/4 { // an import: cheaper to read again than to follow
		l.publish([]event{{name: EventReset, data: []byte("{}")}})
		return
	}
	for _, c := range e.Changes {
		events = append(events, event{name: EventChange, site: c.Site, data: encode(ChangeEvent{Seq: c.Seq, Entity: c.Entity, ID: c.ID, Action: c.Action,
			Site: c.Site, Device: c.Device, Who: c.Who, At: c.At})})
	}
	l.publish(events)
}

// Alarm makes an event of an alarm that was raised, cleared or acknowledged. This
// package knows nothing of alarms but where they are.
func (l *Live) Alarm(locality telemetry.Locality, site telemetry.Site, alarm any) {
	l.publish([]event{{name: EventAlarm, locality: locality, site: site, data: encode(alarm)}})
}

// judge makes events of the presences that are others than the last time.
func (l *Live) judge(s devices.Silences) {
	first := l.last == nil // nobody can have missed what was before
	var events []event
	present := make(map[telemetry.Device]devices.Presence, len(s.Devices))
	for _, d := range s.Devices {
		was := l.last[d.Device]
		present[d.Device] = d.State
		if first || was == d.State {
			continue
		}
		events = append(events, event{name: EventPresence, locality: d.Locality, site: d.Site, data: encode(PresenceEvent{Device: d.Device, Site: d.Site,
			Locality: d.Locality, From: was, State: d.State, At: s.At, Incident: d.Incident})})
	}
	l.last = present
	if len(events) > ringSize/4 {
		events = []event{{name: EventReset, data: []byte("{}")}}
	}
	l.publish(events)
}

// Run makes events of what is new, until ctx ends.
func (a *API) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		a.Live.flush()
		if a.Presences != nil && n%2 == 0 {
			states, _ := a.board.silences()
			a.Live.judge(states)
		}
	}
}

// join opens a stream; false if there are too many. since is the last event that
// the client has, 0 for the newest; lost says that some after it are gone.
func (l *Live) join(lastID string) (since uint64, lost, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients >= maxClients {
		return 0, false, false
	}
	l.clients++
	if lastID == "" {
		return l.seq, false, true
	}
	epoch, number, _ := strings.Cut(lastID, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != l.epoch || n > l.seq || l.seq-n > ringSize {
		return l.seq, true, true
	}
	return n, false, true
}

func (l *Live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clients--
}

// after gives the events after one, and what is closed when there are more; lost
// says that some are gone.
func (l *Live) after(since uint64) (events []event, lost bool, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seq-since > ringSize {
		return nil, true, l.wake
	}
	for n := since + 1; n <= l.seq; n++ {
		events = append(events, l.ring[n%ringSize])
	}
	return events, false, l.wake
}

// newestID is the id of the last event.
func (l *Live) newestID() (uint64, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq, l.id(l.seq)
}

func (l *Live) id(seq uint64) string { return fmt.Sprintf("%s-%d", l.epoch, seq) }

// newer brings two lists of readings together, the newer of each kind and device.
func newer(a, b []Reading) []Reading {
	type key struct {
		kind   telemetry.Kind
		device telemetry.Device
	}
	found := map[key]Reading{}
	for _, r := range append(slices.Clone(a), b...) {
		k := key{r.Kind, r.Device}
		if old, ok := found[k]; !ok || r.Time.After(old.Time) {
			found[k] = r
		}
	}
	out := make([]Reading, 0, len(found))
	for _, r := range found {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Reading) int {
		return strings.Compare(string(a.Kind)+"\x00"+string(a.Device), string(b.Kind)+"\x00"+string(b.Device))
	})
	return out
}
