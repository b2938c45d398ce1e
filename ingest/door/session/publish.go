package session

import (
	"context"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// target is a session that gets a message, by all its subscriptions that select it.
type target struct {
	st                *state
	qos               byte
	retainAsPublished bool
	ids               []int
}

// targets are those of one message. It is used for one after the other.
type targets struct {
	list []target
	at   map[*state]int // where each is, when there are many
}

// few is up to how many targets are searched one by one.
const few = 16

func (t *targets) begin() { t.list, t.at = t.list[:0], nil }

// add gives a session the message by one more of its subscriptions.
func (t *targets) add(sub *subscription) {
	if i, ok := t.find(sub.st); ok {
		one := &t.list[i]
		one.qos = max(one.qos, sub.qos)
		one.retainAsPublished = one.retainAsPublished || sub.retainAsPublished
		if sub.identifier > 0 {
			one.ids = append(one.ids[:len(one.ids):len(one.ids)], sub.identifier)
		}
		return
	}
	if t.at != nil {
		t.at[sub.st] = len(t.list)
	}
	t.share(sub)
}

// share gives a session the message by a shared subscription: beside what it gets by its
// own.
func (t *targets) share(sub *subscription) {
	t.list = append(t.list, target{sub.st, sub.qos, sub.retainAsPublished, sub.ids})
}

func (t *targets) find(st *state) (int, bool) {
	if len(t.list) >= few && t.at == nil {
		t.at = make(map[*state]int, 2*len(t.list))
		for i, one := range t.list {
			t.at[one.st] = i
		}
	}
	if t.at != nil {
		i, ok := t.at[st]
		return i, ok
	}
	for i := range t.list {
		if t.list[i].st == st {
			return i, true
		}
	}
	return 0, false
}

// Wants says, at the cost of nanoseconds, whether Publish has anything to do with a
// message of QoS 0 or 1 of the topic: somebody has subscribed to it, or it is retained.
// One of QoS 2 is always to be published: its identifier is remembered.
func (s *Sessions) Wants(topic string, retain bool) bool { return retain || s.tree.Any(topic) }

// Publish gives messages to whoever has subscribed, and sets the Code of each. It returns
// when what sessions that outlive their connections must not lose is durable: all
// messages of a call in one transaction. Where nothing can be written, those get messages
// that are there, and Code says which are lost to one that is away: nobody who publishes
// waits for a file that may be broken for good. The error is that ctx has ended.
//
// A message of QoS 1 may be with a subscriber before Publish returns. Publish does not
// wait for subscribers.
func (s *Sessions) Publish(ctx context.Context, all []Publication) error {
	c := s.file.changes()
	now := s.o.Now()
	var to targets
	for i := range all {
		p := &all[i]
		c.of = i
		s.publish(p, &to, c, now)
		if p.remembered() && p.From.st.kept {
			c.receive(p.From.st, p.ID)
		}
	}
	if err := s.commit(ctx, c); err != nil {
		if ctx.Err() != nil {
			return err
		}
		for _, i := range c.unwritten {
			all[i].Code = packets.ErrImplementationSpecificError.Code
		}
	}
	for i := range all {
		if p := &all[i]; p.remembered() {
			p.From.st.remember(p.ID, s.mark(p.Topic, p.Payload))
		}
	}
	return nil
}

// remembered says that its publisher's session is to know its identifier: not if it is
// refused, as then no PUBREL comes.
func (p *Publication) remembered() bool {
	return p.QoS == 2 && p.From != nil && (p.Journalled || p.Code < packets.ErrUnspecifiedError.Code)
}

func (s *Sessions) publish(p *Publication, to *targets, c *changes, now time.Time) {
	p.Code = packets.CodeSuccess.Code
	var m *message
	if p.Retain {
		m = newMessage(p)
		p.Code = s.retain(m, c, now)
	}
	s.match(p, to)
	if len(to.list) == 0 {
		if p.Code == packets.CodeSuccess.Code && p.QoS > 0 {
			p.Code = packets.CodeNoMatchingSubscribers.Code
		}
		return
	}
	if m == nil {
		m = newMessage(p)
	}
	if m.expired(now) {
		s.counts.drop(dropExpired)
		return
	}
	for _, t := range to.list {
		if code := t.st.give(t, m, p.Retain && t.retainAsPublished, c, now); code != 0 {
			p.Code = code
		}
	}
}

// match finds who gets a message.
func (s *Sessions) match(p *Publication, to *targets) {
	to.begin()
	var from *state
	if p.From != nil {
		from = p.From.st
	}
	s.tree.Each(p.Topic, func(sub *subscription) bool {
		switch {
		case sub.share != nil:
			if sub = sub.share.choose(); sub != nil {
				to.share(sub)
			}
		case sub.noLocal && sub.st == from:
		default:
			to.add(sub)
		}
		return true
	})
}

// remember remembers the identifier of a message of QoS 2 that has come.
func (st *state) remember(id uint16, mark uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.dead {
		return
	}
	if st.received == nil {
		st.received = map[uint16]uint64{}
	}
	st.received[id] = mark
}
