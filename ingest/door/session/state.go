package session

import (
	"bytes"
	"time"

	"sync"
	"sync/atomic"

	"github.com/mochi-mqtt/server/v2/packets"
)

// mostUnderWay bounds what is under way to a client that names no Receive Maximum of its
// own, or a larger one.
const mostUnderWay = 1000

// state is what is remembered of a client, with or without a connection.
type state struct {
	all  *Sessions
	key  Key
	row  int64
	kept bool // it is in the file: it outlives its connection

	// live and busy say, for shared subscriptions, that a connection takes messages, and
	// that some wait all the same.
	live, busy atomic.Bool

	// delayed is a will whose time has not come; guarded by Sessions.mu, as are expiry
	// and away for writing.
	delayed *owed

	mu      sync.Mutex
	at      *Session // the connection that has it; nil is none
	link    Link
	started bool
	dead    bool // it has ended: nothing is given to it
	version byte
	window  int
	packet  uint32 // the largest that the client takes; 0 is any
	expiry  time.Duration
	since   time.Time // of the connection
	away    time.Time // since when there is none
	will    *Will

	subscribed    int64 // bytes of subscriptions
	subscriptions map[string]*subscription
	queue         queue
	releases      []release         // PUBREL that the link had no room for
	pending       []pendingRetained // of subscriptions just made
	received      map[uint16]uint64 // marks of what came of QoS 2 and is not released
	warned        time.Time
}

// pendingRetained is a retained message that is still to be given to a subscriber.
type pendingRetained struct {
	m   *message
	qos byte
	sub *subscription
}

// give hands a message to the session, or queues it. It returns the reason code for the
// publisher.
func (st *state) give(t target, m *message, retain bool, c *changes, now time.Time) byte {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.dead {
		return 0
	}
	qos := min(m.qos, t.qos)
	if qos == 0 {
		if st.started {
			st.sendOnce(m, retain, t.ids, now)
		}
		return 0
	}
	if why := st.full(m); why != "" {
		st.drop(why, m, now)
		return packets.ErrQuotaExceeded.Code
	}
	st.queue.lastSeq++
	d := &delivery{m: m, qos: qos, retain: retain, ids: t.ids, seq: st.queue.lastSeq}
	st.hold(d, false)
	// What a client that is there gets waits in memory only while the disk has no room.
	if st.kept && st.all.room() == nil {
		c.insert(st, d)
	}
	st.pump(now)
	return 0
}

// sendOnce sends a message of QoS 0, or drops it where the link has no room.
func (st *state) sendOnce(m *message, retain bool, ids []int, now time.Time) {
	p := m.packet(st.version, 0, now)
	p.FixedHeader.Retain = retain
	if len(ids) > 0 && st.version >= 5 {
		p.Properties.SubscriptionIdentifier = ids
	}
	switch {
	case st.tooLarge(&p):
		st.drop(dropTooLarge, m, now)
	case !st.link.Send(p):
		st.drop(dropSlow, m, now)
	}
}

// full says why a message cannot wait for the session; "" is that it can. As less is left
// for all, each may have less: a few cannot take it from the others.
func (st *state) full(m *message) string {
	l := &st.all.o.Limits
	left := st.all.left()
	switch {
	case st.queue.n >= l.Messages || st.queue.bytes+m.size > l.Bytes:
		return dropFull
	case st.queue.bytes+m.size > left/shareOfRest:
		return dropTotal
	case st.kept && st.at == nil && st.all.room() != nil:
		return dropDisk
	}
	return ""
}

// hold counts a delivery and puts it into the queue.
func (st *state) hold(d *delivery, beforeCursor bool) {
	st.queue.push(d, beforeCursor)
	st.all.counts.waiting.Add(1)
	if d.m.holders.Add(1) == 1 {
		st.all.counts.bytes.Add(d.m.size)
	}
}

// complete forgets a delivery.
func (st *state) complete(d *delivery) {
	st.queue.remove(d)
	st.all.counts.waiting.Add(-1)
	if d.m.holders.Add(-1) == 0 {
		st.all.counts.bytes.Add(-d.m.size)
	}
	st.all.file.completed(st, d)
}

// pump sends what may be sent: first what was under way on an earlier connection, then
// what is retained under subscriptions just made, then what waits.
func (st *state) pump(now time.Time) {
	st.sendAll(now)
	st.busy.Store(st.queue.cursor != nil)
}

func (st *state) sendAll(now time.Time) {
	for st.started && len(st.releases) > 0 {
		if r := st.releases[0]; !st.link.Send(st.release(r.id, r.code)) {
			return
		}
		st.releases = st.releases[1:]
	}
	for st.started {
		d := st.queue.cursor
		if len(st.pending) > 0 && (d == nil || !d.sent) {
			if !st.sendRetained(now) {
				return
			}
			continue
		}
		if d == nil || d.held || !st.send(d, now) {
			return
		}
	}
}

// send sends the delivery at the cursor; false is that it cannot be sent now.
func (st *state) send(d *delivery, now time.Time) bool {
	if d.released {
		if !st.link.Send(st.release(d.id, packets.CodeSuccess.Code)) {
			return false
		}
		st.fly(d)
		return true
	}
	if !d.sent && d.m.expired(now) {
		st.all.counts.drop(dropExpired)
		st.complete(d)
		return true
	}
	if st.queue.flying >= st.window {
		return false
	}
	p := d.m.packet(st.version, d.qos, now)
	p.FixedHeader.Retain, p.FixedHeader.Dup, p.PacketID = d.retain, d.sent, d.id
	if len(d.ids) > 0 && st.version >= 5 {
		p.Properties.SubscriptionIdentifier = d.ids
	}
	if st.tooLarge(&p) {
		st.drop(dropTooLarge, d.m, now)
		st.complete(d)
		return true
	}
	if !st.link.Send(p) {
		return false
	}
	st.fly(d)
	return true
}

func (st *state) fly(d *delivery) {
	d.sent, d.flying = true, true
	st.queue.flying++
	st.queue.cursor = d.next
}

// sendRetained sends the first of the retained messages that are pending.
func (st *state) sendRetained(now time.Time) bool {
	r := st.pending[0]
	if r.m.expired(now) {
		st.pending = st.pending[1:]
		return true
	}
	if r.qos > 0 {
		if st.queue.flying >= st.window {
			return false
		}
		d := &delivery{m: r.m, qos: r.qos, retain: true, ids: r.sub.ids}
		st.hold(d, true)
		old := st.queue.cursor
		st.queue.cursor = d
		if st.send(d, now) {
			st.pending = st.pending[1:]
			return true
		}
		st.queue.cursor = old
		st.complete(d)
		return false
	}
	p := r.m.packet(st.version, 0, now)
	p.FixedHeader.Retain = true
	if len(r.sub.ids) > 0 && st.version >= 5 {
		p.Properties.SubscriptionIdentifier = r.sub.ids
	}
	if st.tooLarge(&p) {
		st.drop(dropTooLarge, r.m, now)
	} else if !st.link.Send(p) {
		return false
	}
	st.pending = st.pending[1:]
	return true
}

// release is what a PUBREL says.
type release struct {
	id   uint16
	code byte
}

func (st *state) release(id uint16, code byte) packets.Packet {
	return packets.Packet{
		ProtocolVersion: st.version, PacketID: id, ReasonCode: code,
		FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1},
	}
}

// tooLarge reports whether the client does not take a packet of that size.
func (st *state) tooLarge(p *packets.Packet) bool {
	if st.packet == 0 {
		return false
	}
	// The header and the packet identifier take up to 9 bytes, the topic's length 2.
	if most := 11 + len(p.TopicName) + len(p.Payload) + propertiesSize(&p.Properties); uint64(most) <= uint64(st.packet) {
		return false
	}
	copied := *p
	var b bytes.Buffer
	return copied.PublishEncode(&b) != nil || uint64(b.Len()) > uint64(st.packet)
}

// drop counts what is not given to the client, and says it once a minute.
func (st *state) drop(why string, m *message, now time.Time) {
	st.all.counts.drop(why)
	if now.Sub(st.warned) < warnEvery && now.Sub(st.warned) >= 0 {
		return
	}
	st.warned = now
	st.all.log.Warn("an MQTT client does not get messages that it has subscribed to", "user", st.key.User, "client_id", st.key.Client,
		"why", why, "topic", m.topic, "waiting", st.queue.n, "waiting_bytes", st.queue.bytes)
}
