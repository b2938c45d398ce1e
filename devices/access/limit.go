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
	accountBurst  = 10 // attempts in a row for one account
	accountEvery  = 90 * time.Second
	addressBurst  = 30 // attempts in a row from one address
	addressEvery  = 20 * time.Second
	limitsKept    = 10000
	familiarsKept = 10000
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

// pair is an account and an address.
type pair struct {
	account string
	address netip.Prefix
}

// limits bounds the guessing of passwords, by account and by address. An address
// from which the account has logged in before is counted by itself, so that
// strangers cannot lock people out by failing in their name.
type limits struct {
	mu       sync.Mutex
	accounts *limiter[string] // of names that exist; a flood of others cannot push them out
	unknown  *limiter[string]
	homes    *limiter[pair]
	address  *limiter[netip.Prefix]
	familiar *recent[pair, bool]
}

func newLimits() *limits {
	return &limits{
		accounts: newLimiter[string](accountBurst, accountEvery), unknown: newLimiter[string](accountBurst, accountEvery),
		homes:   newLimiter[pair](accountBurst, accountEvery),
		address: newLimiter[netip.Prefix](addressBurst, addressEvery), familiar: newRecent[pair, bool](familiarsKept),
	}
}

// Network is an address as it is counted: of IPv6 the /64 that one customer has.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// attempt counts an attempt before it is made, so that many at once count too.
// With a positive wait it must not be made.
func (l *limits) attempt(account string, exists bool, from netip.Addr, now time.Time) (done func(ok bool), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := pair{account, Network(from)}
	names := l.unknown
	if exists {
		names = l.accounts
	}
	_, home := l.familiar.get(p)
	wait = l.address.wait(p.address, now)
	if home {
		wait = max(wait, l.homes.wait(p, now))
	} else {
		wait = max(wait, names.wait(account, now))
	}
	if wait > 0 {
		return nil, wait
	}
	l.address.add(p.address, 1, now)
	if home {
		l.homes.add(p, 1, now)
	} else {
		names.add(account, 1, now)
	}
	return func(ok bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !ok {
			return
		}
		// Only this attempt is taken back from the address: one good account must
		// not make room to guess at others.
		l.address.add(p.address, -1, now)
		names.until.drop(account)
		l.homes.until.drop(p)
		l.familiar.put(p, true)
	}, 0
}
