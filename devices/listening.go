package devices

import (
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Period is from a moment to another.
type Period struct{ From, To time.Time }

// Ear is one of those through which devices are heard.
type Ear string

// AllEars is what readings of all devices go through.
const AllEars Ear = ""

// GatewayEar is a gateway, LocalityEar all gateways that subscribe to a locality's
// topics, of which one listens.
func GatewayEar(name string) Ear                  { return Ear("gateway " + name) }
func LocalityEar(locality telemetry.Locality) Ear { return Ear("locality " + string(locality)) }

// Deaf is a time in which an ear did not hear. It may still be going on.
type Deaf struct {
	Ear Ear
	Period
}

// deafKept is how many times of deafness are remembered of an ear.
const deafKept = 200

// listening are the times in which devices could be heard. A device misses its
// cadences only while somebody listens: else all would seem silent after we were away.
type listening struct {
	started time.Time
	// before are the times, in order, in which earlier processes listened.
	before []Period

	mu   sync.RWMutex
	ears map[Ear]*ear
}

// ear is when one did not hear, in order.
type ear struct {
	deaf []Period
	// open says that the last still goes on.
	open bool
	// saved is how many are over and written down.
	saved int
}

// Listen tells, every few seconds, whether an ear hears. Ears that nothing is told of
// always do.
func (s *Silence) Listen(e Ear, hears bool, now time.Time) {
	l := &s.listened
	now = stamp(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.ears[e]
	if known == nil {
		known = &ear{}
		l.ears[e] = known
	}
	if known.open {
		known.deaf[len(known.deaf)-1].To = now
	} else if !hears {
		known.deaf = append(known.deaf, Period{now, now})
		if over := len(known.deaf) - deafKept; over > 0 {
			known.deaf = slices.Delete(known.deaf, 0, over)
			known.saved = max(known.saved-over, 0)
		}
	}
	known.open = !hears
}

// since is the first moment of which is known that somebody listened.
func (l *listening) since() time.Time {
	if len(l.before) > 0 && l.before[0].From.Before(l.started) {
		return l.before[0].From
	}
	return l.started
}

// within is for how long, from a moment until now, a device could be heard: by the
// gateway through which it was heard before, or by any of its locality's.
func (l *listening) within(from, now time.Time, gateway string, locality telemetry.Locality) time.Duration {
	l.mu.RLock()
	defer l.mu.RUnlock()
	own := l.ears[GatewayEar(gateway)]
	if gateway == "" || own == nil {
		own = l.ears[LocalityEar(locality)]
	}
	all := l.ears[AllEars]
	d := heard(Period{later(from, l.started), now}, own, all)
	for i := len(l.before) - 1; i >= 0 && l.before[i].To.After(from); i-- {
		p := Period{later(from, l.before[i].From), l.before[i].To}
		if p.To.After(l.started) { // the clock was put back between
			p.To = l.started
		}
		d += heard(p, own, all)
	}
	return d
}

// heard is how much of a period two ears both heard.
func heard(p Period, a, b *ear) time.Duration {
	d := p.To.Sub(p.From)
	if d <= 0 {
		return 0
	}
	var deaf []Period
	for _, e := range []*ear{a, b} {
		if e == nil {
			continue
		}
		for i, q := range e.deaf {
			if e.open && i == len(e.deaf)-1 {
				q.To = later(q.To, p.To)
			}
			if q.From.Before(p.To) && q.To.After(p.From) {
				deaf = append(deaf, q)
			}
		}
	}
	slices.SortFunc(deaf, func(a, b Period) int { return a.From.Compare(b.From) })
	at := p.From
	for _, q := range deaf {
		from, to := later(q.From, at), q.To
		if to.After(p.To) {
			to = p.To
		}
		if to.After(from) {
			d -= to.Sub(from)
			at = to
		}
	}
	return d
}

// Unheard are the times of deafness that are not written down yet, or were while they
// still went on. They are to be told to [Silence.Saved].
func (s *Silence) Unheard() (out []Deaf) {
	l := &s.listened
	l.mu.RLock()
	defer l.mu.RUnlock()
	for e, known := range l.ears {
		for _, p := range known.deaf[known.saved:] {
			out = append(out, Deaf{e, p})
		}
	}
	return out
}

// savedDeaf notes that these times are written down.
func (l *listening) savedDeaf(all []Deaf) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range all {
		known := l.ears[d.Ear]
		if known == nil {
			continue
		}
		for known.saved < len(known.deaf) && !known.deaf[known.saved].To.After(d.To) && !(known.open && known.saved == len(known.deaf)-1) {
			known.saved++
		}
	}
}

// restore takes over what earlier processes wrote down.
func (l *listening) restore(before []Period, deaf []Deaf) {
	l.before = before
	for _, d := range deaf {
		known := l.ears[d.Ear]
		if known == nil {
			known = &ear{}
			l.ears[d.Ear] = known
		}
		known.deaf = append(known.deaf, d.Period)
		known.saved = len(known.deaf)
	}
}
