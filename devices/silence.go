package devices

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Presence is whether a device sends readings as often as is expected.
type Presence string

// The presences, the worst last.
const (
	Muted   Presence = "muted"   // in maintenance: nothing is expected
	Fresh   Presence = "fresh"   // its readings come in time
	Waiting Presence = "waiting" // no reading yet, and none overdue
	Late    Presence = "late"    // missing for LateAfter cadences
	Silent  Presence = "silent"  // missing for SilentAfter cadences
)

// newcomerPatience is how long a device whose cadence nobody has set, and that has
// not sent enough for it to be learned, is late at most and not silent: six-hourly is
// the slowest that stations usually are.
const newcomerPatience = 7 * time.Hour

// Silence judges from devices' signs which have fallen silent. It has no clock and
// does no I/O: it is told of what comes and asked at a moment. Its methods may be
// called by many goroutines; Observe is made for the loader's path.
//
//	what comes of a device                         contact  reading  cadence
//	a measurement, also one received late          yes      yes      learned
//	a measurement older than the newest known      yes      no       learned
//	a measurement flagged as calibrating           yes      yes      learned
//	a measurement flagged as error                 yes      no       learned
//	only battery, signal strength or sequence      yes      no       no
//	"online"                                       yes      no       no
//	"offline" (its will, which the broker sends)   no       no       no
//	a message that is quarantined                  yes      no       no
//	a duplicate                                    no       no       no
//	what a broker had retained                     no       by its own time
type Silence struct {
	// LateAfter and SilentAfter are in cadences: 3 and 10.
	LateAfter, SilentAfter float64
	// A gateway behind which at least IncidentDevices are silent, and at least
	// IncidentShare of all that are expected, is one incident: 3 and 0.5.
	IncidentDevices int
	IncidentShare   float64
	// Started is since when this process listens.
	Started time.Time

	listened listening

	mu   sync.RWMutex
	seen map[telemetry.Device]*sighting
}

// NewSilence judges with the usual bounds, listening since a moment.
func NewSilence(started time.Time) *Silence {
	return &Silence{LateAfter: 3, SilentAfter: 10, IncidentDevices: 3, IncidentShare: 0.5, Started: stamp(started),
		listened: listening{started: stamp(started), ears: map[Ear]*ear{}}, seen: map[telemetry.Device]*sighting{}}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// DeviceSilence is how a device stands.
type DeviceSilence struct {
	Device   telemetry.Device
	Site     telemetry.Site
	Locality telemetry.Locality
	Gateway  string
	State    Presence
	// Cadence is by which it is judged: that of its kinds which is the shortest, or,
	// longer than that, how often it sends what it has stored. Learned says that
	// nobody has set it; it is the kind's usual one while that is not learned either.
	Cadence time.Duration
	// Cadences are those of its kinds.
	Cadences []KindCadence
	// Units are questions about the units of its metrics, by the medians of its first
	// day there.
	Units []telemetry.UnitHint
	// LastReceived is when the last reading was received that was news, LastEvent the
	// newest time that it measured; zero if never, as far as is known. A device whose
	// LastEvent is far behind LastReceived is sending what it had stored.
	LastReceived, LastEvent time.Time
	// LastContact is when anything last came from it: at least LastReceived.
	LastContact time.Time
	// Online says that it is in contact, whether or not it sends readings.
	Online bool
	// Faulty says that it sends readings that are all flagged as errors.
	Faulty bool
	// Missing is for how long no reading has come. Its state goes by how much of that
	// somebody listened.
	Missing time.Duration
	// Incident names the gateway of the incident that it is part of.
	Incident string
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
	now = stamp(now)
	out := Silences{At: now, Devices: make([]DeviceSilence, 0, len(expected)), Counts: map[Presence]int{}}
	for _, e := range expected {
		l := s.sighting(e.Device)
		l.expect(e, now)
		out.Devices = append(out.Devices, s.judge(e, l, now))
	}
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

// judge says how one device stands.
func (s *Silence) judge(e Expectation, l *sighting, now time.Time) DeviceSilence {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := DeviceSilence{Device: e.Device, Site: e.Site, Locality: e.Locality, Gateway: e.Gateway, Cadences: l.cadences(e)}
	if l.gateway != "" {
		d.Gateway = l.gateway
	}
	d.LastContact = fromMilli(l.Contact)
	for _, k := range e.Kinds {
		if h := l.Kinds[k]; h != nil {
			d.Units = append(d.Units, h.Day.Hints...)
		}
	}
	// Before it stood there, before that was known and before we listened, nothing
	// can be missing.
	since := later(s.listened.since(), later(e.Since, fromMilli(l.Known)))
	d.Missing = max(now.Sub(since), 0)
	if read := fromMilli(l.event); !read.IsZero() && !read.Before(e.Since) { // else at another site
		d.LastReceived, d.LastEvent = fromMilli(l.received), read
		d.Missing = max(now.Sub(d.LastReceived), 0)
		since = later(since, d.LastReceived)
	}
	interval, patience := l.interval(e)
	d.Cadence = interval
	missing := s.listened.within(since, now, l.gateway, e.Locality)
	switch {
	case e.Muted:
		d.State = Muted
	case interval > 0 && float64(missing) > s.SilentAfter*float64(interval) && missing > patience:
		d.State = Silent
	case interval > 0 && float64(missing) > s.LateAfter*float64(interval):
		d.State = Late
	case d.LastReceived.IsZero():
		d.State = Waiting
	default:
		d.State = Fresh
	}
	quiet := s.listened.within(d.LastContact, now, l.gateway, e.Locality)
	d.Online = l.Status != statusOffline && !d.LastContact.IsZero() &&
		(l.Status == statusOnline || interval <= 0 || float64(quiet) <= s.LateAfter*float64(interval))
	d.Faulty = l.Faulty && d.Online
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
	keep := make(map[telemetry.Device]*sighting, len(expected))
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
