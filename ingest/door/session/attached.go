package session

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Session is one client's session while it has a connection. When another connection has
// taken it over, its methods do nothing. Methods may be called concurrently.
type Session struct {
	st    *state
	taken atomic.Bool
}

// Expiry is how long the session stays after the connection.
func (x *Session) Expiry() time.Duration {
	x.st.mu.Lock()
	defer x.st.mu.Unlock()
	return x.st.expiry
}

// Start begins to deliver: first what was under way before, then what waits. It is
// called when CONNACK has been sent.
func (x *Session) Start() {
	st := x.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.at != x {
		return
	}
	st.started = true
	st.live.Store(true)
	st.queue.rewind()
	st.pump(st.all.o.Now())
}

// Writable says that the link has room again.
func (x *Session) Writable() {
	st := x.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.at == x {
		st.pump(st.all.o.Now())
	}
}

// Acknowledge takes the subscriber's PUBACK, PUBREC or PUBCOMP. One that answers nothing
// is passed over, but a PUBREC is answered: the client could not go on otherwise.
func (x *Session) Acknowledge(p packets.Packet) {
	st := x.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.at != x {
		return
	}
	d := st.queue.byID[p.PacketID]
	known := d != nil && d.flying
	switch p.FixedHeader.Type {
	case packets.Puback:
		if known && d.qos == 1 {
			st.complete(d)
		}
	case packets.Pubcomp:
		if known && d.qos == 2 && d.released {
			st.complete(d)
		}
	case packets.Pubrec:
		switch {
		case !known || d.qos != 2:
			st.sendRelease(p.PacketID, packets.ErrPacketIdentifierNotFound)
		case p.ReasonCode >= packets.ErrUnspecifiedError.Code && st.version >= 5:
			st.complete(d)
		default:
			x.release(d)
		}
	}
	st.pump(st.all.o.Now())
}

// release answers a PUBREC, once the file knows that it has come: or the message would
// come again after the client has forgotten its identifier.
func (x *Session) release(d *delivery) {
	st := x.st
	if d.released {
		st.sendRelease(d.id, packets.CodeSuccess)
		return
	}
	d.released = true
	if d.row.Load() != rowWritten {
		st.sendRelease(d.id, packets.CodeSuccess)
		return
	}
	st.all.file.released(st, d, func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.at == x && st.queue.byID[d.id] == d && d.flying {
			st.sendRelease(d.id, packets.CodeSuccess)
		}
	})
}

// sendRelease sends PUBREL, or leaves it for when the link has room.
func (st *state) sendRelease(id uint16, code packets.Code) {
	switch {
	case len(st.releases) == 0 && st.link.Send(st.release(id, code.Code)):
	case len(st.releases) < 2*mostUnderWay:
		st.releases = append(st.releases, release{id, code.Code})
	default: // it sends PUBREC of nothing, and reads no answers
		st.link.End(packets.ErrReceiveMaximum)
	}
}

// Repeated says whether a PUBLISH of QoS 2 has come before and not been released. One of
// the same identifier that says something else is another message: its client has lost its
// state and begins to count again.
func (x *Session) Repeated(id uint16, topic string, payload []byte, dup bool) bool {
	x.st.mu.Lock()
	defer x.st.mu.Unlock()
	mark, ok := x.st.received[id]
	if mark == unknownMark {
		return ok && dup
	}
	return mark == x.st.all.mark(topic, payload)
}

// unknownMark is that of a message whose identifier was read back from the file.
const unknownMark = 0

// mark stands for what a message says.
func (s *Sessions) mark(topic string, payload []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(topic)
	_ = h.WriteByte(0)
	_, _ = h.Write(payload)
	return max(h.Sum64(), unknownMark+1)
}

// Release takes the publisher's PUBREL; it reports false if the identifier is not known.
// It returns when that is durable: the client may use the identifier for another message.
func (x *Session) Release(id uint16) bool {
	st := x.st
	st.mu.Lock()
	_, ok := st.received[id]
	delete(st.received, id)
	kept := st.kept
	st.mu.Unlock()
	if ok && kept {
		if err := st.all.release(st, id); err != nil {
			st.all.log.Warn("a packet identifier is not forgotten durably", "user", st.key.User, "client_id", st.key.Client, "error", err)
		}
	}
	return ok
}

// Detach takes the connection away. graceful leaves the will unsent; expiry, if not nil,
// is the one that DISCONNECT brings.
func (x *Session) Detach(graceful bool, expiry *time.Duration) {
	s := x.st.all
	c := s.file.changes()
	s.mu.Lock()
	s.detach(x, graceful, expiry, c)
	s.file.later(c)
	s.mu.Unlock()
}

func (s *Sessions) detach(x *Session, graceful bool, expiry *time.Duration, c *changes) {
	st, now := x.st, s.o.Now()
	st.mu.Lock()
	if st.at != x {
		st.mu.Unlock()
		return
	}
	if expiry != nil && st.expiry > 0 {
		st.expiry = min(max(*expiry, 0), s.o.Limits.Expiry)
	}
	w := st.will
	st.leave(now)
	stays := st.expiry > 0
	var sent int64
	for d := st.queue.head; d != nil && d.sent; d = d.next {
		sent = max(sent, d.seq)
	}
	st.mu.Unlock()
	if w != nil && !graceful {
		o := &owed{p: w.Publication, key: st.key, due: now.Add(w.Delay)}
		if w.Delay > 0 && stays {
			st.delayed = o
		} else {
			s.wills.add(o)
		}
	}
	if !stays {
		s.end(st, c)
	} else {
		c.session(st, st.expiry, now, sent)
	}
}

// Taken reports whether another connection has taken the session over.
func (x *Session) Taken() bool { return x.taken.Load() }
