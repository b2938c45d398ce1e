package door

import (
	"container/list"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// maxHalfOpen is how many connections may be there that have not said yet who they
	// are; those from this machine have as many places of their own.
	maxHalfOpen = 2048
	// patience is how long a connection is safe from making room for another one: who
	// comes in a crowd is let finish.
	patience = 2 * time.Second
)

// clients are all connections: those that have not said yet who they are, the oldest
// first, and those of each identity.
type clients struct {
	limits Limits

	mu sync.Mutex
	// half are strangers, near those from this machine.
	half, near list.List
	address    map[netip.Prefix]int
	live       map[string][]*conn
	devices    int // of live, those that are not internal
	all        int // of live
	rates      map[string]*rate
	localities map[string]*rate
	closed     bool
}

func newClients(l Limits) *clients {
	return &clients{limits: l, address: map[netip.Prefix]int{}, live: map[string][]*conn{}, rates: map[string]*rate{}, localities: map[string]*rate{}}
}

func (s *clients) counts() (live, half int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.half.Len() + s.near.Len()
}

// enter gives a new connection a place among those that are half open. It may have to
// end another one for it, which it returns; wait says that there is no place at the
// moment, and an error that there is none for this one.
func (s *clients) enter(c *conn, now time.Time) (out *conn, wait bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	places := &s.half
	if c.local {
		places = &s.near
	}
	if s.closed {
		return nil, false, errStopping
	}
	from := network(c.remote.Addr())
	if !c.local && s.address[from] >= s.limits.PerAddress {
		if out = s.oldest(places, func(o *conn) bool { return network(o.remote.Addr()) == from }, now); out == nil {
			return nil, false, fmt.Errorf("%d connections of this address have not said yet who they are: the limit of one address (--mqtt-max-per-address)", s.limits.PerAddress)
		}
	} else if places.Len() >= maxHalfOpen {
		if out = s.oldest(places, func(*conn) bool { return true }, now); out == nil {
			return nil, true, nil
		}
	}
	if out != nil {
		s.leaveHalf(out)
	}
	c.since = now
	c.place = places.PushBack(c)
	if !c.local {
		s.address[from]++
	}
	return out, false, nil
}

// oldest is the one that has been there longest, if it has had its time. It needs mu.
func (s *clients) oldest(places *list.List, of func(*conn) bool, now time.Time) *conn {
	for e := places.Front(); e != nil; e = e.Next() {
		c := e.Value.(*conn)
		if now.Sub(c.since) < patience {
			return nil
		}
		if of(c) {
			return c
		}
	}
	return nil
}

// leaveHalf takes a connection from those that are half open. It needs mu.
func (s *clients) leaveHalf(c *conn) {
	if c.place == nil {
		return
	}
	if c.local {
		s.near.Remove(c.place)
	} else {
		s.half.Remove(c.place)
		from := network(c.remote.Addr())
		if s.address[from]--; s.address[from] == 0 {
			delete(s.address, from)
		}
	}
	c.place = nil
}

var errRevoked = errors.New("disconnected while it was connecting")

// limitError is a limit that a connection reaches.
type limitError struct {
	text string
	code packets.Code
}

func (e *limitError) Error() string { return e.text }

// admit enters a connection that has said who it is. Of those of the same identity one
// may have to end: the oldest that is dead by its own keep-alive.
func (s *clients) admit(c *conn, now time.Time) (out *conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errStopping
	}
	if slices.Contains(c.revoked, c.grant.Identity) {
		return nil, errRevoked
	}
	same := s.live[c.grant.Identity]
	if c.limited {
		if s.devices >= s.limits.Connections {
			return nil, &limitError{fmt.Sprintf("%d connections of devices: the limit in all (--mqtt-max-connections)", s.devices), packets.ErrQuotaExceeded}
		}
		n := 0
		for _, o := range same {
			if o.clientID != c.clientID {
				n++
			}
		}
		if n >= s.limits.PerDevice {
			if out = dead(same, now); out == nil {
				return nil, &limitError{fmt.Sprintf("%d connections with this user name: the limit of one device (--mqtt-device-connections)", n), packets.ErrQuotaExceeded}
			}
		}
		if s.limits.DeviceRate > 0 {
			c.rate = s.rates[c.grant.Identity]
			if c.rate == nil {
				c.rate = newRate(s.limits.DeviceRate, now)
				s.rates[c.grant.Identity] = c.rate
			}
		}
		s.devices++
	}
	s.leaveHalf(c)
	s.all++
	s.live[c.grant.Identity] = append(same, c)
	c.entered = true
	return out, nil
}

// dead is a connection that has been silent for longer than it has promised to be.
func dead(all []*conn, now time.Time) *conn {
	for _, c := range all {
		silent := now.UnixNano() - c.heard.Load()
		if c.keepAlive > 0 && silent > int64(c.keepAlive) || silent > int64(10*time.Minute) {
			return c
		}
	}
	return nil
}

// largest is the connection that has most of the memory for large packets, of the identity
// that has most of it, among those that have had their time.
func (s *clients) largest(now time.Time) (out *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var most int64
	for _, all := range s.live {
		var sum int64
		var first *conn
		for _, c := range all {
			large, since := c.large.Load(), c.largeSince.Load()
			if since == 0 || now.UnixNano()-since < int64(patience) {
				continue
			}
			if sum += large; first == nil || large > first.large.Load() {
				first = c
			}
		}
		if sum > most {
			most, out = sum, first
		}
	}
	return out
}

// leave forgets a connection.
func (s *clients) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveHalf(c)
	if !c.entered {
		return
	}
	c.entered = false
	s.all--
	if c.limited {
		s.devices--
	}
	rest := slices.DeleteFunc(s.live[c.grant.Identity], func(o *conn) bool { return o == c })
	if len(rest) > 0 {
		s.live[c.grant.Identity] = rest
		return
	}
	delete(s.live, c.grant.Identity)
}

// sweep forgets the rates of who is not there any more and has its burst back.
func (s *clients) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range []map[string]*rate{s.rates, s.localities} {
		for name, r := range all {
			r.mu.Lock()
			idle := now.Sub(r.at) > 2*rateBurst
			r.mu.Unlock()
			if _, there := s.live[name]; idle && !there {
				delete(all, name)
			}
		}
	}
}

// rateOf is the rate of an identity without a connection, such as one of HTTP.
func (s *clients) rateOf(identity string, now time.Time) *rate {
	if s.limits.DeviceRate <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rates[identity]
	if r == nil {
		r = newRate(s.limits.DeviceRate, now)
		s.rates[identity] = r
	}
	return r
}

// maxLocalities bounds the names of localities that are limited: what follows them in
// topics is whatever a client has written.
const maxLocalities = 4096

// localityRate is a locality's; nil is none.
func (s *clients) localityRate(locality string, now time.Time) *rate {
	if s.limits.LocalityRate <= 0 || locality == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.localities[locality]
	if r == nil && len(s.localities) < maxLocalities {
		r = newRate(s.limits.LocalityRate, now)
		s.localities[locality] = r
	}
	return r
}

// revoke are the connections of an identity; those that are half open hear of it.
func (s *clients) revoke(identity string) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, places := range []*list.List{&s.half, &s.near} {
		for e := places.Front(); e != nil; e = e.Next() {
			if c := e.Value.(*conn); c.asking {
				c.revoked = append(c.revoked, identity)
			}
		}
	}
	return slices.Clone(s.live[identity])
}

// ask notes that the authenticator is being asked about a connection.
func (s *clients) ask(c *conn) {
	s.mu.Lock()
	c.asking, c.revoked = true, nil
	s.mu.Unlock()
}

// close lets nobody in any more.
func (s *clients) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// everybody is who is there.
func (s *clients) everybody() (half, live []*conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, places := range []*list.List{&s.half, &s.near} {
		for e := places.Front(); e != nil; e = e.Next() {
			half = append(half, e.Value.(*conn))
		}
	}
	for _, all := range s.live {
		live = append(live, all...)
	}
	return half, live
}
