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
	// nameBurst and nameRefill are the same for one user name of an address: one device
	// with a wrong secret that tries all the time leaves its neighbours theirs.
	nameBurst  = 5
	nameRefill = 10 * time.Second
	// maxAddresses and maxKnown bound the memory: about 3 MiB together.
	maxAddresses = 8192
	maxKnown     = 32768
)

// failures slows down who guesses secrets. It keeps a bucket of allowed failures
// for each remote address, and one for each user name from there. Where a bucket is empty, only those user names are
// still heard that came from there before and were right the last time: a device
// that was revoked must not lock out its neighbours behind the same address.
type failures struct {
	seed maphash.Seed

	mu      sync.Mutex
	buckets map[netip.Prefix]bucket
	names   map[uint64]bucket
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
		names:   make(map[uint64]bucket),
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
	key := f.key(from, username)
	if _, ok := f.known[key]; ok {
		return true
	}
	if b, ok := f.names[key]; ok && b.refilled(now, nameRefill, nameBurst).level < 1 {
		return false
	}
	b, ok := f.buckets[from]
	return !ok || b.refilled(now, failureRefill, failureBurst).level >= 1
}

// failed notes that a login was refused.
func (f *failures) failed(addr netip.Addr, username string, now time.Time) {
	from := network(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	key := f.key(from, username)
	delete(f.known, key)
	name, ok := f.names[key]
	if !ok {
		anyOut(f.names, maxKnown)
		name = bucket{level: nameBurst, at: now}
	}
	f.names[key] = name.refilled(now, nameRefill, nameBurst).less()
	b, ok := f.buckets[from]
	if !ok {
		f.makeRoom(now)
		b = bucket{level: failureBurst, at: now}
	}
	f.buckets[from] = b.refilled(now, failureRefill, failureBurst).less()
}

// anyOut makes room for one more in a map that has as many as it may.
func anyOut[V any](m map[uint64]V, most int) {
	if len(m) < most {
		return
	}
	for key := range m {
		delete(m, key)
		return
	}
}

// succeeded notes that a user name came with the right secret.
func (f *failures) succeeded(addr netip.Addr, username string) {
	key := f.key(network(addr), username)
	f.mu.Lock()
	defer f.mu.Unlock()
	anyOut(f.known, maxKnown)
	f.known[key] = struct{}{}
	delete(f.names, key)
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
			if b.refilled(now, failureRefill, failureBurst).level >= failureBurst {
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

func (b bucket) refilled(now time.Time, every time.Duration, most float64) bucket {
	if now.After(b.at) {
		b.level = min(b.level+float64(now.Sub(b.at))/float64(every), most)
		b.at = now
	}
	return b
}

// less is the bucket after one more failure.
func (b bucket) less() bucket {
	b.level = max(b.level-1, 0)
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
