package devices

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// shards is the number of parts of a snapshot. A change copies the table of
// parts and the parts that it touches, and shares all others with the snapshot
// before: with 100,000 devices a part has about 100.
const shards = 1024

// Snapshot is what admission needs of the registry: it never changes, so that any
// number of goroutines look things up in it without a lock. A changed registry
// has another snapshot.
type Snapshot struct {
	seed       maphash.Seed
	shards     [shards]map[telemetry.Device]*standing
	localities map[telemetry.Locality]Locality
	names      string // ids of the localities, for messages
	count      int
	guests     int

	edited map[uint64]bool // parts that are this snapshot's own, while it is made
}

// standing is a device as admission sees it.
type standing struct {
	device      telemetry.Device
	kinds       []telemetry.Kind
	state       State
	provisional bool
	gateway     string
	cadence     time.Duration   // as registered; 0 is not
	usual       []time.Duration // of the kinds
	spans       []span          // those declared by people first
}

// span is an installation: from ≤ t < to in milliseconds.
type span struct {
	from, to int64
	site     telemetry.Site
	locality telemetry.Locality
}

// measure says which kinds the device is of.
func (st *standing) measure(cat *telemetry.Catalogue, kinds []telemetry.Kind) {
	st.kinds, st.usual = kinds, make([]time.Duration, len(kinds))
	for i, k := range kinds {
		if spec := cat.Kind(k); spec != nil {
			st.usual[i] = spec.Cadence
		}
	}
}

// newStanding condenses what the store says of a device.
func newStanding(cat *telemetry.Catalogue, s Standing) *standing {
	st := &standing{device: s.Device, state: s.State, provisional: s.Provisional, gateway: s.Gateway}
	st.measure(cat, s.Kinds)
	var guesses []span
	for _, i := range s.Installations {
		sp := span{from: i.From.UnixMilli(), to: math.MaxInt64, site: i.Site, locality: i.Locality}
		if i.To.IsZero() {
			st.cadence = i.Cadence
		} else {
			sp.to = i.To.UnixMilli()
		}
		if i.Provisional {
			sp.from = math.MinInt64
			guesses = append(guesses, sp)
			continue
		}
		st.spans = append(st.spans, sp)
	}
	st.spans = append(st.spans, guesses...)
	return st
}

func newSnapshot() *Snapshot { return &Snapshot{seed: maphash.MakeSeed(), edited: map[uint64]bool{}} }

// edit is a copy to be changed and then published.
func (s *Snapshot) edit() *Snapshot {
	c := *s
	c.edited = map[uint64]bool{}
	return &c
}

// done ends editing.
func (s *Snapshot) done() *Snapshot {
	s.edited = nil
	return s
}

func (s *Snapshot) shard(d telemetry.Device) uint64 {
	return maphash.String(s.seed, string(d)) % shards
}

// set adds or replaces a device.
func (s *Snapshot) set(st *standing) {
	n := s.shard(st.device)
	if !s.edited[n] {
		s.shards[n] = maps.Clone(s.shards[n])
		s.edited[n] = true
	}
	if s.shards[n] == nil {
		s.shards[n] = map[telemetry.Device]*standing{}
	}
	old := s.shards[n][st.device]
	if old == nil {
		s.count++
	} else if old.provisional {
		s.guests--
	}
	if st.provisional {
		s.guests++
	}
	s.shards[n][st.device] = st
}

func (s *Snapshot) setLocalities(all []Locality) {
	s.localities = map[telemetry.Locality]Locality{}
	var names []string
	for _, l := range all {
		s.localities[l.ID] = l
		names = append(names, string(l.ID))
	}
	slices.Sort(names)
	s.names = strings.Join(names, ", ")
}

func (s *Snapshot) knows(l telemetry.Locality) bool {
	_, ok := s.localities[l]
	return ok
}

// noLocality says that there is no such locality, and which was most likely meant.
func (s *Snapshot) noLocality(l telemetry.Locality) telemetry.Problem {
	near, _ := telemetry.Nearest(string(l), s.Localities())
	detail := fmt.Sprintf("there is no locality %q; the registry has %s", l, s.names)
	if near != "" {
		detail = fmt.Sprintf("there is no locality %q; did you mean %s? The registry has %s", l, near, s.names)
	}
	return telemetry.Problem{Reason: telemetry.UnknownLocality, Detail: detail}
}

// stands is where a device stands now, and the first kind that it measures.
func (s *Snapshot) stands(d telemetry.Device) (l telemetry.Locality, k telemetry.Kind) {
	st := s.find(d)
	if st == nil {
		return "", ""
	}
	for _, sp := range st.spans {
		if l = sp.locality; sp.to == math.MaxInt64 {
			break
		}
	}
	if len(st.kinds) > 0 {
		k = st.kinds[0]
	}
	return l, k
}

// Names implements [Names].
func (s *Snapshot) Names(id telemetry.Locality) (vi, en string) {
	l, ok := s.localities[id]
	if !ok {
		return string(id), string(id)
	}
	return l.names()
}

func (s *Snapshot) find(d telemetry.Device) *standing { return s.shards[s.shard(d)][d] }

// Devices is how many devices the snapshot has, and how many of them are
// provisional.
func (s *Snapshot) Devices() (all, provisional int) { return s.count, s.guests }

// Has reports whether the registry knows a device, by a person's word or as one
// that open admission let in.
func (s *Snapshot) Has(d telemetry.Device) bool { return s.find(d) != nil }

// Retired reports whether a device is registered and out of service for good.
func (s *Snapshot) Retired(d telemetry.Device) bool {
	st := s.find(d)
	return st != nil && st.state == Retired
}

// Cadence is how often a device that stands somewhere reports, as somebody has set
// it; 0 is not set.
func (s *Snapshot) Cadence(d telemetry.Device) time.Duration {
	if st := s.find(d); st != nil {
		return st.cadence
	}
	return 0
}

// Localities lists the localities, in order of their ids.
func (s *Snapshot) Localities() []telemetry.Locality {
	return slices.Sorted(maps.Keys(s.localities))
}

func (s *Snapshot) devices() (out []telemetry.Device) {
	for _, m := range s.shards {
		for d := range m {
			out = append(out, d)
		}
	}
	slices.Sort(out)
	return out
}

// Refusal says why a reading has no site; "" where it has one.
type Refusal string

// The refusals. They appear in [Heard].
const (
	NoLocality    Refusal = "unknown_locality" // the registry has no such locality
	NoDevice      Refusal = "unregistered"     // nobody registered it
	WrongLocality Refusal = "wrong_locality"   // its site is of another locality
	WrongKind     Refusal = "wrong_kind"       // it is registered for other kinds
	NotStanding   Refusal = "not_installed"    // it stood nowhere at that time
	CapReached    Refusal = "cap_reached"      // open admission has let in as many as it may
)

// Lookup is the site that a reading belongs to: where the device stood at the
// event time. It answers from memory and allocates nothing.
func (s *Snapshot) Lookup(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time) (telemetry.Site, Refusal) {
	st := s.find(device)
	if st == nil {
		if !s.knows(locality) {
			return "", NoLocality
		}
		return "", NoDevice
	}
	if kind != telemetry.Status && !slices.Contains(st.kinds, kind) {
		if !s.knows(locality) {
			return "", NoLocality
		}
		return "", WrongKind
	}
	ms := at.UnixMilli()
	for i := range st.spans {
		if sp := &st.spans[i]; sp.from <= ms && ms < sp.to {
			switch {
			case sp.locality == locality:
				return sp.site, ""
			case !s.knows(locality):
				return "", NoLocality
			}
			return "", WrongLocality
		}
	}
	return "", NotStanding
}

// Expectation is a device that is expected to be heard of at a site.
type Expectation struct {
	Device   telemetry.Device
	Site     telemetry.Site
	Locality telemetry.Locality
	Kinds    []telemetry.Kind
	Gateway  string // as registered; "" if not known
	Since    time.Time
	// Cadence is as registered; 0 is not, and then it is learned, or as is usual of
	// each of Kinds.
	Cadence time.Duration
	Usual   []time.Duration
	// Muted is one whose silence is no fault: it is in maintenance.
	Muted bool
}

// Expectations lists the devices that stand somewhere, in order of their ids.
func (s *Snapshot) Expectations() []Expectation {
	out := make([]Expectation, 0, s.count)
	for _, m := range s.shards {
		for _, st := range m {
			if st.state != Active && st.state != Maintenance {
				continue
			}
			for _, sp := range st.spans {
				if sp.to != math.MaxInt64 {
					continue
				}
				e := Expectation{Device: st.device, Site: sp.site, Locality: sp.locality, Kinds: st.kinds, Gateway: st.gateway,
					Cadence: st.cadence, Usual: st.usual, Muted: st.state == Maintenance}
				if sp.from != math.MinInt64 {
					e.Since = time.UnixMilli(sp.from).UTC()
				}
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b Expectation) int { return strings.Compare(string(a.Device), string(b.Device)) })
	return out
}
