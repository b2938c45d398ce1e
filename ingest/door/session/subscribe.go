package session

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session/filter"
)

// subscription is one of a session. It is not changed: another takes its place. In the
// tree, one stands for all of a shared subscription: that has share and nothing else.
type subscription struct {
	st                *state
	name              string // as the client wrote it
	group, filter     string
	qos               byte
	noLocal           bool
	retainAsPublished bool
	retainHandling    byte
	identifier        int
	ids               []int // identifier as a list
	share             *share
}

// share is a shared subscription: of its members one gets each message.
type share struct {
	mu      sync.Mutex
	members []*subscription
	turn    int
}

// choose takes the members in turn: those that have a connection and keep up, or else
// those that have one, or else any.
func (g *share) choose() *subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, fit := range []func(*state) bool{
		func(st *state) bool { return st.live.Load() && !st.busy.Load() },
		func(st *state) bool { return st.live.Load() },
		func(*state) bool { return true },
	} {
		n := len(g.members)
		for i := range n {
			if m := g.members[(g.turn+i)%n]; fit(m.st) {
				g.turn = (g.turn + i + 1) % n
				return m
			}
		}
	}
	return nil
}

// shares are all shared subscriptions by group and filter.
type shares struct {
	mu  sync.Mutex
	all map[string]*subscription
}

// subscribe puts a subscription to where messages find it. old, if not nil, is the one
// whose place it takes: no message misses both.
func (s *Sessions) subscribe(sub, old *subscription) {
	if sub.group == "" {
		s.tree.Add(sub.filter, sub)
	} else {
		s.join(sub)
	}
	if old != nil {
		s.unsubscribe(old)
	}
}

func (s *Sessions) join(sub *subscription) {
	s.shares.mu.Lock()
	defer s.shares.mu.Unlock()
	key := sub.group + "/" + sub.filter
	all := s.shares.all[key]
	if all == nil {
		all = &subscription{share: &share{}}
		s.shares.all[key] = all
		s.tree.Add(sub.filter, all)
	}
	all.share.mu.Lock()
	defer all.share.mu.Unlock()
	all.share.members = append(all.share.members, sub)
}

func (s *Sessions) unsubscribe(sub *subscription) {
	if sub.group == "" {
		s.tree.Remove(sub.filter, sub)
		return
	}
	s.shares.mu.Lock()
	defer s.shares.mu.Unlock()
	key := sub.group + "/" + sub.filter
	all := s.shares.all[key]
	if all == nil {
		return
	}
	all.share.mu.Lock()
	left := all.share.members[:0:0]
	for _, m := range all.share.members {
		if m != sub {
			left = append(left, m)
		}
	}
	all.share.members = left
	all.share.mu.Unlock()
	if len(left) == 0 {
		delete(s.shares.all, key)
		s.tree.Remove(sub.filter, all)
	}
}

// Subscribe adds subscriptions, durably, and gives the reason code of each as the
// client's version has it; then sends what is retained (so before SUBACK, as MQTT
// allows). allowed says which filters the client may have: 0, or why not. It is asked of
// what topics are compared with, without $share/NAME/. An error that is a [packets.Code]
// is the client's: its connection must end.
func (x *Session) Subscribe(ctx context.Context, all packets.Subscriptions, identifier int, allowed func(filter string) packets.Code) ([]byte, error) {
	codes := make([]byte, len(all))
	subs := make([]*subscription, len(all))
	for i, one := range all {
		sub, code, err := x.parse(one, identifier, allowed)
		if err != nil {
			return nil, err
		}
		subs[i], codes[i] = sub, code
	}
	st := x.st
	c, err := x.count(subs, codes)
	if err != nil {
		return nil, err
	}
	if err := st.all.commit(ctx, c); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		for i, sub := range subs {
			if sub != nil {
				subs[i], codes[i] = nil, packets.ErrImplementationSpecificError.Code
			}
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.at != x {
		return nil, errTaken
	}
	now := st.all.o.Now()
	for i, sub := range subs {
		if sub != nil {
			st.apply(sub, now)
		} else if st.version < 5 {
			codes[i] = packets.ErrUnspecifiedError.Code // 3.1.1 knows one failure
		}
	}
	st.pump(now)
	return codes, nil
}

// parse makes a subscription of what the client wrote; nil is one that is refused.
func (x *Session) parse(one packets.Subscription, identifier int, allowed func(string) packets.Code) (*subscription, byte, error) {
	group, rest, err := filter.Parse(one.Filter)
	if err != nil {
		return nil, packets.ErrTopicFilterInvalid.Code, nil
	}
	if one.Qos > 2 || one.RetainHandling > 2 {
		return nil, 0, packets.ErrProtocolViolation
	}
	if group != "" && one.NoLocal {
		return nil, 0, packets.ErrProtocolViolationInvalidSharedNoLocal
	}
	if code := allowed(rest); code.Code >= packets.ErrUnspecifiedError.Code {
		return nil, code.Code, nil
	}
	sub := &subscription{
		st: x.st, name: one.Filter, group: group, filter: rest, qos: one.Qos, noLocal: one.NoLocal,
		retainAsPublished: one.RetainAsPublished, retainHandling: one.RetainHandling, identifier: identifier,
	}
	sub.list()
	return sub, one.Qos, nil
}

// list makes the list of identifiers that every message shares.
func (sub *subscription) list() {
	if sub.identifier > 0 {
		sub.ids = []int{sub.identifier}
	}
}

// count refuses what is more than a session may have, and says what is to be written.
func (x *Session) count(subs []*subscription, codes []byte) (*changes, error) {
	st := x.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.at != x {
		return nil, errTaken
	}
	c := st.all.file.changes()
	l := &st.all.o.Limits
	added := map[string]bool{}
	size := st.subscribed
	for i, sub := range subs {
		if sub == nil {
			continue
		}
		if st.subscriptions[sub.name] == nil && !added[sub.name] {
			size += sub.size()
			if len(st.subscriptions)+len(added) >= l.Subscriptions || size > l.Bytes/shareOfRest || size > st.all.left()/shareOfRest {
				subs[i], codes[i] = nil, packets.ErrQuotaExceeded.Code
				continue
			}
			added[sub.name] = true
		}
		if st.kept {
			c.subscribe(st, sub)
		}
	}
	return c, nil
}

// size is what a subscription is taken to need, in bytes.
func (sub *subscription) size() int64 {
	return overhead + int64(len(sub.name)) + perLevel*int64(strings.Count(sub.name, "/"))
}

// weigh counts the bytes of subscriptions that come or go.
func (st *state) weigh(size int64) {
	st.subscribed += size
	st.all.counts.bytes.Add(size)
}

// fewTimes is how often a retained message may wait for a client by its filters.
const fewTimes = 8

// apply makes a subscription count, and brings up what is retained under it.
func (st *state) apply(sub *subscription, now time.Time) {
	if st.subscriptions == nil {
		st.subscriptions = map[string]*subscription{}
	}
	old := st.subscriptions[sub.name]
	st.subscriptions[sub.name] = sub
	st.all.subscribe(sub, old)
	if old == nil {
		st.weigh(sub.size())
	}
	if sub.group != "" || sub.retainHandling == 2 || sub.retainHandling == 1 && old != nil {
		return
	}
	// Who subscribes again and again without reading gets them once, and by many filters no
	// more than a few times.
	st.pending = slices.DeleteFunc(st.pending, func(r pendingRetained) bool { return r.sub == old })
	most := fewTimes * st.all.retained.topics.Len()
	st.all.retained.topics.Each(sub.filter, func(m *message) {
		if !m.expired(now) && len(st.pending) < most {
			st.pending = append(st.pending, pendingRetained{m, min(m.qos, sub.qos), sub})
		}
	})
}

// Unsubscribe takes subscriptions away, durably, and gives the reason code of each.
func (x *Session) Unsubscribe(ctx context.Context, filters []string) ([]byte, error) {
	codes, c := x.unsubscribe(filters)
	if c == nil {
		return nil, errTaken
	}
	return codes, x.st.all.commit(ctx, c)
}

func (x *Session) unsubscribe(filters []string) ([]byte, *changes) {
	st := x.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.at != x {
		return nil, nil
	}
	c := st.all.file.changes()
	codes := make([]byte, len(filters))
	for i, name := range filters {
		sub := st.subscriptions[name]
		if sub == nil {
			codes[i] = packets.CodeNoSubscriptionExisted.Code
			if _, _, err := filter.Parse(name); err != nil {
				codes[i] = packets.ErrTopicFilterInvalid.Code
			}
			continue
		}
		delete(st.subscriptions, name)
		st.all.unsubscribe(sub)
		st.weigh(-sub.size())
		if st.kept {
			c.unsubscribe(st, name)
		}
	}
	return codes, c
}

// restrict takes away subscriptions that the client may not have any more, and what waits
// by them.
func (st *state) restrict(allowed func(filter string) bool, c *changes) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for name, sub := range st.subscriptions {
		if allowed(sub.filter) {
			continue
		}
		delete(st.subscriptions, name)
		st.all.unsubscribe(sub)
		st.weigh(-sub.size())
		if st.kept {
			c.unsubscribe(st, name)
		}
		st.all.log.Info("an MQTT client has lost a subscription that is not granted any more", "user", st.key.User, "client_id", st.key.Client, "filter", name)
	}
	for d := st.queue.head; d != nil; {
		next := d.next
		if !d.sent && !allowed(d.m.topic) {
			st.all.counts.drop(dropRights)
			st.complete(d)
		}
		d = next
	}
	st.pending = slices.DeleteFunc(st.pending, func(r pendingRetained) bool { return !allowed(r.m.topic) })
}
