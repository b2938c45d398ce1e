package access

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// recent is a map that forgets what was not used for longest when it is full. It
// is not for several goroutines.
type recent[K comparable, V any] struct {
	max   int
	order *list.List // of *recentEntry, the last used first
	byKey map[K]*list.Element
}

type recentEntry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](max int) *recent[K, V] {
	return &recent[K, V]{max: max, order: list.New(), byKey: map[K]*list.Element{}}
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	e, ok := r.byKey[k]
	if !ok {
		return v, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*recentEntry[K, V]).value, true
}

func (r *recent[K, V]) put(k K, v V) {
	if e, ok := r.byKey[k]; ok {
		e.Value.(*recentEntry[K, V]).value = v
		r.order.MoveToFront(e)
		return
	}
	if len(r.byKey) >= r.max {
		last := r.order.Back()
		delete(r.byKey, last.Value.(*recentEntry[K, V]).key)
		r.order.Remove(last)
	}
	r.byKey[k] = r.order.PushFront(&recentEntry[K, V]{k, v})
}

func (r *recent[K, V]) drop(k K) {
	if e, ok := r.byKey[k]; ok {
		r.order.Remove(e)
		delete(r.byKey, k)
	}
}

const (
	// freeTries wrong passwords in a row cost no wait; then each costs twice the
	// wait of the one before, from firstWait to longestWait. forgetAfter without
	// another they are forgotten.
	freeTries   = 5
	firstWait   = 2 * time.Second
	longestWait = 15 * time.Minute
	forgetAfter = 24 * time.Hour

	addressBurst = 30 // attempts in a row from one address, for whatever accounts
	addressEvery = 20 * time.Second
	limitsKept   = 10000
)

// limiter lets each key make a number of attempts in a row, and then one more
// every so often. It keeps for a key the moment at which all its attempts will
// be forgotten.
type limiter[K comparable] struct {
	burst int
	every time.Duration
	until *recent[K, time.Time]
}

func newLimiter[K comparable](burst int, every time.Duration) *limiter[K] {
	return &limiter[K]{burst, every, newRecent[K, time.Time](limitsKept)}
}

// wait is how long until the key may try; 0 is now.
func (l *limiter[K]) wait(k K, now time.Time) time.Duration {
	until, ok := l.until.get(k)
	if !ok || until.Before(now) {
		return 0
	}
	return max(0, until.Sub(now)-time.Duration(l.burst-1)*l.every)
}

// add counts n attempts; a negative n takes them back.
func (l *limiter[K]) add(k K, n int, now time.Time) {
	until, _ := l.until.get(k)
	if until.Before(now) {
		until = now
	}
	l.until.put(k, until.Add(time.Duration(n)*l.every))
}

// guesser is who tries the password of one account: a network, or a browser that
// has been in that account before.
type guesser struct {
	account string
	network netip.Prefix
	device  string
}

// tries are the wrong passwords of a guesser.
type tries struct {
	wrong      int
	last, next time.Time // when it last tried, and when it may again
}

// limits bounds the guessing of passwords. Who has failed waits, and nobody else:
// an account has no count of its own that a stranger could fill, so failing in
// somebody's name keeps them out neither at another address nor, if they share
// the stranger's, in a browser in which they have logged in before.
type limits struct {
	mu       sync.Mutex
	guessers *recent[guesser, tries]
	address  *limiter[netip.Prefix]
	devices  *limiter[netip.Prefix] // wrong secrets of devices, by HTTP
}

func newLimits() *limits {
	return &limits{guessers: newRecent[guesser, tries](limitsKept), address: newLimiter[netip.Prefix](addressBurst, addressEvery),
		devices: newLimiter[netip.Prefix](deviceBurst, deviceEvery)}
}

// Network is an address as it is counted: of IPv6 the /64 that one customer has.
func Network(a netip.Addr) netip.Prefix { return prefix(a, 32, 64) }

func prefix(a netip.Addr, bits4, bits6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := bits4
	if a.Is6() {
		bits = bits6
	}
	p, _ := a.Prefix(bits)
	return p
}

// outcome is what came of an attempt.
type outcome int

const (
	failed   outcome = iota
	right            // the password was
	unlooked         // nobody looked at the password
)

// attempt counts an attempt as failed before it is made, so that many at once
// count too; done says what came of it. device is a browser that has been in the
// account before, or empty. With a positive wait it must not be made.
func (l *limits) attempt(account, device string, from netip.Addr, now time.Time) (done func(outcome), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := Network(from)
	g := guesser{account: account, device: device}
	if device == "" {
		g.network = at
		wait = l.address.wait(at, now)
	}
	before, _ := l.guessers.get(g)
	if now.Sub(before.last) >= forgetAfter {
		before = tries{}
	}
	if wait = max(wait, before.next.Sub(now)); wait > 0 {
		return nil, wait
	}
	if device == "" {
		l.address.add(at, 1, now)
	}
	l.guessers.put(g, tries{before.wrong + 1, now, now.Add(waitAfter(before.wrong + 1))})
	return func(o outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if o == failed {
			return
		}
		// Only this attempt is taken back from the address: one good account must
		// not make room to guess at others.
		if device == "" {
			l.address.add(at, -1, now)
		}
		if o == right {
			l.guessers.drop(g)
		} else if t, ok := l.guessers.get(g); ok && t.wrong > 0 {
			l.guessers.put(g, tries{t.wrong - 1, t.last, before.next})
		}
	}, 0
}

// waitAfter is the wait after a number of wrong passwords in a row.
func waitAfter(wrong int) time.Duration {
	if wrong < freeTries {
		return 0
	}
	return min(longestWait, firstWait<<min(wrong-freeTries, 20))
}
