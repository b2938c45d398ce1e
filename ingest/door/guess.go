package door

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// failureBurst is how many connects an address may fail before it is refused
	// unheard, and failureRefill how often it may then fail once more. A whole
	// city's devices can share the one address of a mobile operator, hence not few.
	failureBurst  = 20
	failureRefill = time.Second
	// maxAddresses and maxKnown bound the memory: about 1 MiB together.
	maxAddresses = 8192
	maxKnown     = 32768
)

// failures slows down who guesses secrets. It keeps a bucket of allowed failures
// for each remote address. Where a bucket is empty, only those user names are
// still heard that came from there before and were right the last time: a device
// that was revoked must not lock out its neighbours behind the same address.
type failures struct {
	seed maphash.Seed

	mu      sync.Mutex
	buckets map[netip.Prefix]bucket
	known   map[uint64]struct{}
	swept   time.Time // when full buckets were last looked for
}

// bucket has level failures left at that time.
type bucket struct {
	level float64
	at    time.Time
}

func newFailures() *failures {
	return &failures{
		seed:    maphash.MakeSeed(),
		buckets: make(map[netip.Prefix]bucket),
		known:   make(map[uint64]struct{}),
	}
}

// allowed says whether the secret of that user name may be looked at.
func (f *failures) allowed(addr netip.Addr, username string, now time.Time) bool {
	if addr.IsLoopback() {
		// Whoever is on this machine has easier ways, and the gateways are there.
		return true
	}
	from := network(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.buckets[from]
	if !ok || b.refilled(now).level >= 1 {
		return true
	}
	_, ok = f.known[f.key(from, username)]
	return ok
}

// failed notes that a login was refused.
func (f *failures) failed(addr netip.Addr, username string, now time.Time) {
	from := network(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, f.key(from, username))
	b, ok := f.buckets[from]
	if !ok {
		f.makeRoom(now)
		b = bucket{level: failureBurst, at: now}
	}
	b = b.refilled(now)
	b.level = max(b.level-1, 0)
	f.buckets[from] = b
}

// succeeded notes that a user name came with the right secret.
func (f *failures) succeeded(addr netip.Addr, username string) {
	key := f.key(network(addr), username)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= maxKnown {
		for any := range f.known {
			delete(f.known, any)
			break
		}
	}
	f.known[key] = struct{}{}
}

// makeRoom forgets addresses that have all their failures back, and if there are
// none any other: who can come from so many addresses is not held up by this.
func (f *failures) makeRoom(now time.Time) {
	if len(f.buckets) < maxAddresses {
		return
	}
	if now.Sub(f.swept) >= failureRefill { // looking at all of them takes a while
		f.swept = now
		for addr, b := range f.buckets {
			if b.refilled(now).level >= failureBurst {
				delete(f.buckets, addr)
			}
		}
	}
	for addr := range f.buckets {
		if len(f.buckets) < maxAddresses {
			return
		}
		delete(f.buckets, addr)
	}
}

func (b bucket) refilled(now time.Time) bucket {
	if now.After(b.at) {
		b.level = min(b.level+float64(now.Sub(b.at))/float64(failureRefill), failureBurst)
		b.at = now
	}
	return b
}

func (f *failures) key(from netip.Prefix, username string) uint64 {
	return maphash.Comparable(f.seed, struct {
		from     netip.Prefix
		username string
	}{from, username})
}

// network is what one subscriber has: an IPv4 address, or a /64 of IPv6.
func network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil { // the zero Addr: no address is known
		return netip.Prefix{}
	}
	return p
}
