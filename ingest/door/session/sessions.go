package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session/filter"
)

const (
	// shareOfRest: a session may have waiting an eighth of what is left for all.
	shareOfRest = 8
	// mostMessages is less than there are packet identifiers.
	mostMessages = 50_000
	warnEvery    = time.Minute
)

// Options say where sessions are kept and how much. Only Dir is required.
type Options struct {
	// Dir is the folder of sessions.db; it is created if missing.
	Dir string
	// Sync makes what is acknowledged safe against the loss of power.
	Sync   bool
	Limits Limits
	// Room says why nothing more may be written, for want of space; nil is that it
	// always may.
	Room func() error
	// Damaged hears that the file is damaged.
	Damaged func(error)
	Now     func() time.Time
	Logger  *slog.Logger
}

// Limits bound what clients can have kept. 0 is the default.
type Limits struct {
	PerUser       int           // sessions of one user that outlive their connection, 2
	Subscriptions int           // of a session, 256
	Messages      int           // that wait for a session, 10,000; at most 50,000
	Bytes         int64         // that wait for a session, or that a user has retained, 16 MiB
	TotalBytes    int64         // of all sessions and retained messages, in memory and file, 256 MiB
	Expiry        time.Duration // longest that a session stays without its client, 7 days
}

func (l *Limits) defaults() {
	l.PerUser = cmp.Or(l.PerUser, 2)
	l.Subscriptions = cmp.Or(l.Subscriptions, 256)
	l.Messages = min(cmp.Or(l.Messages, 10_000), mostMessages)
	l.Bytes = cmp.Or(l.Bytes, 16<<20)
	l.TotalBytes = cmp.Or(l.TotalBytes, 256<<20)
	l.Expiry = cmp.Or(l.Expiry, 7*24*time.Hour)
}

// Sessions are all sessions of a broker. Methods may be called concurrently.
//
// Locks are taken in this order: mu, a state's, the trees' and the file's. What becomes of
// a session is put into the file's order with mu held: or the end of one could come after
// the beginning of the next of the same client.
type Sessions struct {
	o        Options
	log      *slog.Logger
	tree     filter.Tree[*subscription]
	retained retained
	shares   shares
	wills    wills
	counts   counts
	file     *file
	seed     maphash.Seed

	mu     sync.Mutex
	states map[Key]*state
	// byUser are the sessions of each user that outlive their connection.
	byUser      map[string][]*state
	lastRow     int64
	lastMessage int64 // in the file when it was opened
}

// Open reads back what was kept.
func Open(ctx context.Context, o Options) (*Sessions, error) {
	o.Limits.defaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sessions{o: o, log: o.Logger, seed: maphash.MakeSeed(), states: map[Key]*state{}, byUser: map[string][]*state{}}
	s.counts.dropped = map[string]*atomic.Uint64{}
	for _, why := range drops() {
		s.counts.dropped[why] = &atomic.Uint64{}
	}
	s.shares.all = map[string]*subscription{}
	s.retained.byUser = map[string]int64{}
	s.wills.begin()
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("open sessions: %w", err)
	}
	return s, nil
}

// left is how many bytes may still be kept.
func (s *Sessions) left() int64 { return s.o.Limits.TotalBytes - s.counts.bytes.Load() }

func (s *Sessions) room() error {
	if s.o.Room == nil {
		return nil
	}
	return s.o.Room()
}

// sweepEvery is how exact expiries and delays are.
const sweepEvery = time.Second

// Run ends what has expired and publishes wills, until ctx ends. publish is how a will
// goes the way of every message (to the journal too); it may block, and must have put the
// will before all that its client sends on a later connection when it returns.
//
// While Run does not run, wills are not published: a broker that stops does not tell of
// its clients that they went away.
func (s *Sessions) Run(ctx context.Context, publish func(Publication)) error {
	s.wills.run(true)
	defer s.wills.run(false)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		for o := s.wills.take(); o != nil; o = s.wills.take() {
			o.p.Received = s.o.Now()
			publish(o.p)
			s.wills.done(o)
			if ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wills.wake:
		case <-tick.C:
			s.sweep(s.o.Now())
		}
	}
}

// sweep ends sessions whose time without a connection is over, brings up delayed wills,
// and forgets retained messages that have expired.
func (s *Sessions) sweep(now time.Time) {
	c := s.file.changes()
	s.mu.Lock()
	for _, st := range s.states {
		if st.overdue(now) {
			s.end(st, c)
		} else if o := st.delayed; o != nil && !now.Before(o.due) {
			st.delayed = nil
			s.wills.add(o)
		}
	}
	s.file.later(c)
	s.mu.Unlock()
	c = s.file.changes()
	s.expireRetained(now, c)
	s.file.later(c)
}

// overdue says that the session has expired; the caller has Sessions.mu.
func (st *state) overdue(now time.Time) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.at == nil && !now.Before(st.away.Add(st.expiry))
}

// Close writes what is not in the file yet and closes it, after all links have ended.
func (s *Sessions) Close() error {
	if err := s.file.close(); err != nil {
		return fmt.Errorf("close sessions: %w", err)
	}
	return nil
}

// Attach gives a connection its session, new or present, and ends the link that had it
// before, with [packets.ErrSessionTakenOver]. The error is a [packets.Code] that says why
// not. What the connection before is to leave behind, its will, has gone its way when
// Attach returns.
func (s *Sessions) Attach(ctx context.Context, c Connect, l Link) (x *Session, present bool, err error) {
	now := s.o.Now()
	c.Expiry = min(max(c.Expiry, 0), s.o.Limits.Expiry)
	changes := s.file.changes()
	s.mu.Lock()
	x, present, err = s.attach(c, l, now, changes)
	if err != nil {
		s.file.later(changes)
		s.mu.Unlock()
		return nil, false, err
	}
	wait := s.order(changes)
	s.mu.Unlock()
	if err := wait(ctx); err != nil {
		if ctx.Err() != nil {
			var none time.Duration
			x.Detach(true, &none)
			return nil, false, packets.Code{Code: packets.ErrServerUnavailable.Code, Reason: "the session cannot be kept"}
		}
		// What the client sends needs no session: it is let in, and what it subscribes to
		// is refused until that can be kept.
		s.file.later(changes)
	}
	s.wills.wait(ctx, c.Key)
	return x, present, nil
}

func (s *Sessions) attach(c Connect, l Link, now time.Time, ch *changes) (x *Session, present bool, err error) {
	st := s.states[c.Key]
	if st != nil && st.overdue(now) {
		s.end(st, ch)
		st = nil
	}
	if err := s.quota(c, st, now, ch); err != nil {
		return nil, false, err
	}
	if w := c.Will; w != nil && w.size() > s.left()/shareOfRest {
		return nil, false, packets.Code{Code: packets.ErrQuotaExceeded.Code, Reason: "the will is too large: no more is left for what is kept for clients"}
	}
	if c.Will != nil && s.wills.many(c.Key.User, s.o.Limits.TotalBytes/shareOfRest) {
		return nil, false, packets.Code{Code: packets.ErrQuotaExceeded.Code, Reason: "too many wills wait to be published already: connect without one, or later"}
	}
	if st != nil {
		resumed := !c.Clean && st.expiry > 0
		s.displace(st, resumed, now)
		if !resumed {
			s.end(st, ch)
			st = nil
		}
	}
	x, present = &Session{}, st != nil
	if st == nil {
		s.lastRow++
		st = &state{all: s, key: c.Key, row: s.lastRow}
		s.states[c.Key] = st
	}
	x.st = st
	st.attach(x, c, l, now)
	if c.Expiry > 0 && !st.kept {
		st.kept = true
		s.byUser[c.Key.User] = append(s.byUser[c.Key.User], st)
		s.counts.bytes.Add(sessionOverhead)
	}
	if st.kept {
		ch.session(st, c.Expiry, time.Time{}, 0)
	}
	if present && c.Allowed != nil {
		st.restrict(c.Allowed, ch)
	}
	return x, present, nil
}

// attach gives the state a connection.
func (st *state) attach(x *Session, c Connect, l Link, now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.at, st.link, st.started = x, l, false
	st.version, st.expiry, st.will = c.Version, c.Expiry, c.Will
	if c.Will != nil {
		st.all.counts.bytes.Add(c.Will.size())
	}
	st.window, st.packet = mostUnderWay, c.MaximumPacket
	if c.ReceiveMaximum > 0 {
		st.window = min(int(c.ReceiveMaximum), mostUnderWay)
	}
	st.since, st.away, st.warned = now, time.Time{}, time.Time{}
	st.releases = nil
}

// quota refuses one session too many that outlives its connection. Those that have
// expired do not count.
func (s *Sessions) quota(c Connect, present *state, now time.Time, ch *changes) error {
	if c.Expiry == 0 || c.Internal || present != nil && present.kept {
		return nil
	}
	if c.Key.User == "" { // nobody is asked who he is
		if s.left() > s.o.Limits.TotalBytes/2 {
			return nil
		}
		return packets.Code{Code: packets.ErrQuotaExceeded.Code, Reason: "too much is kept for clients already: connect with a clean session"}
	}
	n := 0
	for _, st := range append([]*state(nil), s.byUser[c.Key.User]...) {
		switch {
		case st == present:
		case st.overdue(now):
			s.end(st, ch)
		default:
			n++
		}
	}
	if n < s.o.Limits.PerUser {
		return nil
	}
	return packets.Code{Code: packets.ErrQuotaExceeded.Code, Reason: fmt.Sprintf(
		"%s has %d sessions that outlive their connection, which is the limit: connect with one of their client ids, or with a clean session", c.Key.User, n)}
}

// displace ends the connection that has a session. resumed says that the session goes
// on: then a will that was to wait is not sent.
func (s *Sessions) displace(st *state, resumed bool, now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if resumed {
		st.delayed = nil
	}
	if st.at == nil {
		return
	}
	st.at.taken.Store(true)
	st.link.End(packets.ErrSessionTakenOver)
	if w := st.will; w != nil && (!resumed || w.Delay == 0) {
		s.wills.add(&owed{p: w.Publication, key: st.key})
	}
	st.leave(now)
}

// leave takes the connection from the state.
func (st *state) leave(now time.Time) {
	if st.will != nil {
		st.all.counts.bytes.Add(-st.will.size())
	}
	st.at, st.link, st.started, st.will, st.away, st.releases = nil, nil, false, nil, now, nil
	st.live.Store(false)
}

// end forgets a session and all that is its own. A will that was still to wait goes now.
func (s *Sessions) end(st *state, c *changes) {
	delete(s.states, st.key)
	if o := st.delayed; o != nil {
		st.delayed = nil
		s.wills.add(o)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.dead = true
	for _, sub := range st.subscriptions {
		s.unsubscribe(sub)
	}
	st.weigh(-st.subscribed)
	st.subscriptions, st.received, st.pending = nil, nil, nil
	for st.queue.head != nil {
		d := st.queue.head
		st.queue.remove(d)
		s.counts.waiting.Add(-1)
		if d.m.holders.Add(-1) == 0 {
			s.counts.bytes.Add(-d.m.size)
		}
		c.forget(st, d)
	}
	if !st.kept {
		return
	}
	s.counts.bytes.Add(-sessionOverhead)
	c.end(st)
	left := s.byUser[st.key.User][:0]
	for _, other := range s.byUser[st.key.User] {
		if other != st {
			left = append(left, other)
		}
	}
	if s.byUser[st.key.User] = left; len(left) == 0 {
		delete(s.byUser, st.key.User)
	}
}

// Users are those who have sessions that outlive their connection.
func (s *Sessions) Users() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.byUser))
}

// Forget ends all sessions of users and their connections, and reports how many there
// were: for those who may not connect any more.
func (s *Sessions) Forget(users ...string) int {
	if len(users) == 0 {
		return 0
	}
	gone := make(map[string]bool, len(users))
	for _, u := range users {
		gone[u] = true
	}
	c := s.file.changes()
	s.mu.Lock()
	n := 0
	for key, st := range s.states {
		if gone[key.User] {
			s.displace(st, false, s.o.Now())
			s.end(st, c)
			n++
		}
	}
	s.file.later(c)
	s.mu.Unlock()
	return n
}

// errTaken is what a connection hears that has no session any more.
var errTaken = errors.New("the session belongs to another connection")
