package door

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

const (
	// recordMessages and recordBytes bound one record; a larger message travels alone.
	recordMessages = 5000
	recordBytes    = 512 << 10
	// gatherTime is how long messages of many senders are gathered into one record, and
	// quietTime how long if none comes meanwhile: senders may wait for us.
	gatherTime = 10 * time.Millisecond
	quietTime  = 2 * time.Millisecond
	// calmTime is how long messages are gathered that nobody waits for with the next one:
	// devices that send every now and then. Who sends within eagerTime of its last
	// acknowledgement is taken to have waited for it.
	calmTime  = 20 * time.Millisecond
	eagerTime = 10 * time.Millisecond
	// fewSenders are not waited for: each may be waiting for its acknowledgement.
	fewSenders = 8
	// maxPayload is the longest payload that goes into the journal whole.
	maxPayload = 4 << 20
	// overhead is what a waiting message takes beside its texts.
	overhead = 256
	// arenaSize is what payloads are copied into at a time.
	arenaSize = 64 << 10
)

// item is what is to be done with a message once the journal has it.
type item struct {
	conn       *conn            // nil: it did not come by MQTT
	session    *session.Session // of conn
	taking     *taking          // who waits instead of conn
	properties *packets.Properties
	full       []byte // the payload, where the record's is cut
	weight     int64
	canary     uint64
	id         uint16
	qos        byte
	code       byte // what subscribers' sessions say of it
	retain     bool
}

// taking is somebody who waits for messages that did not come by MQTT.
type taking struct {
	left    int
	refused bool
	done    chan struct{}
}

// batch is a record being gathered, and what its messages are for.
type batch struct {
	number   uint64
	messages []ingest.Message
	items    []item
	arena    []byte
	bytes    int
	payload  int // as it was delivered
	senders  int
	eager    bool // some sender waits for us with its next message
	began    time.Time
	// seen is how many messages there were when the committer looked last.
	seen int
}

func (b *batch) clear() {
	clear(b.messages)
	clear(b.items)
	b.messages, b.items = b.messages[:0], b.items[:0]
	b.payload = 0
	b.arena, b.bytes, b.senders, b.seen, b.eager = b.arena[:0], 0, 0, 0, false
	if cap(b.arena) > 4*arenaSize {
		b.arena = nil
	}
}

// keep copies a payload into the batch.
func (b *batch) keep(payload []byte) []byte {
	if len(b.arena)+len(payload) > cap(b.arena) {
		b.arena = make([]byte, 0, max(arenaSize, len(payload)))
	}
	at := len(b.arena)
	b.arena = append(b.arena, payload...)
	return b.arena[at:len(b.arena):len(b.arena)]
}

// pending are the batches that wait, the last of which is being filled.
type pending struct {
	wake chan struct{}

	mu     sync.Mutex
	all    []*batch
	free   []*batch
	number uint64
	closed bool
	// patient says that messages may be gathered though nobody else sends.
	patient bool
	// enough is how many senders the committer waits for.
	enough int
	// before is how many senders the batch before had, and when it was taken; window is
	// the present stretch of gatherTime, windowSenders how many senders sent in it and
	// lastSenders in the one before.
	before                     int
	takenAt                    time.Time
	window                     uint64
	windowSenders, lastSenders int
}

func newPending(patient bool) *pending {
	return &pending{wake: make(chan struct{}, 1), enough: 1, patient: patient}
}

// signal wakes who takes batches.
func (p *pending) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// add adds a message, whose payload it copies. It reports false once nothing is taken any
// more.
func (p *pending) add(m ingest.Message, it item, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	size := len(m.Topic) + len(m.Payload)
	b := p.last(size, now)
	m.Payload = b.keep(m.Payload)
	b.messages = append(b.messages, m)
	b.items = append(b.items, it)
	b.bytes += size
	b.payload += m.FullSize
	calm := !b.eager
	p.sender(b, it.conn, now)
	if len(b.items) == 1 || b.eager && (calm || b.senders >= p.enough) {
		p.signal()
	}
	return true
}

// last is the batch that has room. It needs mu.
func (p *pending) last(size int, now time.Time) *batch {
	if n := len(p.all); n > 0 {
		if b := p.all[n-1]; len(b.items) < recordMessages && b.bytes+size <= recordBytes {
			return b
		}
		p.signal()
	}
	b := &batch{}
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	}
	p.number++
	b.number, b.began = p.number, now
	p.all = append(p.all, b)
	return b
}

// sender counts who sends. It needs mu.
func (p *pending) sender(b *batch, c *conn, now time.Time) {
	window := uint64(now.UnixNano() / int64(gatherTime))
	if window != p.window {
		p.lastSenders = 0
		if window == p.window+1 {
			p.lastSenders = p.windowSenders
		}
		p.window, p.windowSenders = window, 0
	}
	if c == nil {
		b.senders++
		b.eager = true
		return
	}
	b.eager = b.eager || !p.patient || now.UnixNano()-c.answered.Load() < int64(eagerTime)
	if c.group != b.number {
		c.group = b.number
		b.senders++
	}
	if c.window != window {
		c.window = window
		p.windowSenders++
	}
}

// next waits for a batch: until it is full, all who are likely to send have sent, or its
// time is up. It is nil once ctx has ended or all are taken after close.
func (p *pending) next(ctx context.Context, clock func() time.Time) *batch {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		b, wait, closed := p.look(clock())
		if b != nil || closed {
			return b
		}
		timer.Reset(wait)
		select {
		case <-p.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look takes the first batch if it is ready, or says when to look again.
func (p *pending) look(now time.Time) (b *batch, wait time.Duration, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		return nil, time.Hour, p.closed
	}
	b = p.all[0]
	p.enough = 1
	if now.Sub(p.takenAt) < 10*gatherTime && p.before >= fewSenders {
		p.enough = p.before
	}
	if n := max(p.lastSenders, p.windowSenders); n >= fewSenders {
		p.enough = max(p.enough, n)
	}
	age := now.Sub(b.began)
	if len(p.all) == 1 && !p.closed {
		if !b.eager && age < calmTime {
			return nil, calmTime - age, false
		}
		quiet := len(b.items) == b.seen && age >= quietTime
		if b.eager && b.senders < p.enough && age < gatherTime && !quiet {
			b.seen = len(b.items)
			return nil, min(quietTime, gatherTime-age), false
		}
	}
	p.before, p.takenAt = b.senders, now
	p.all = p.all[1:]
	if len(p.all) == 0 {
		p.all = nil
	}
	return b, 0, false
}

// recycle takes back a batch that is done with.
func (p *pending) recycle(b *batch) {
	b.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < 4 {
		p.free = append(p.free, b)
	}
}

// close takes nothing any more.
func (p *pending) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.signal()
}

// size is how many messages wait.
func (p *pending) size() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.all {
		n += len(b.items)
	}
	return n
}

// take hands a message over, and waits while too much waits already.
func (c *conn) take(t *topic, pk *packets.Packet) error {
	d := c.d
	it := item{conn: c, session: c.session, id: pk.PacketID, qos: pk.FixedHeader.Qos, retain: pk.FixedHeader.Retain, weight: int64(len(t.name) + len(pk.Payload) + overhead)}
	if c.version == 5 {
		if p := &pk.Properties; p.PayloadFormatFlag || p.MessageExpiryInterval > 0 || p.ContentType != "" || p.ResponseTopic != "" || len(p.CorrelationData) > 0 || len(p.User) > 0 {
			it.properties = new(packets.Properties)
			*it.properties = *p
			it.weight += propertiesWeight(p) + int64(len(pk.Payload)) // they keep the packet
		}
	}
	m := ingest.Message{
		Topic: t.name, Payload: pk.Payload, Received: c.now, QoS: it.qos, PacketID: it.id,
		Redelivered: pk.FixedHeader.Dup, FullSize: len(pk.Payload),
	}
	if strings.Contains(t.name, "/~") {
		it.canary = d.o.Canaries.Heard(Name, m.Topic, m.Payload)
	}
	if err := c.reserve(it.weight); err != nil {
		return err
	}
	if !d.add(m, it, t.direct) {
		d.release(it.weight)
		c.unreserve(it.weight)
		return errStopping
	}
	return nil
}

// propertiesWeight is what properties that travel take while their message waits.
func propertiesWeight(p *packets.Properties) int64 {
	const perUser = 48 // two texts and a packet's least
	n := overhead + len(p.ContentType) + len(p.ResponseTopic) + len(p.CorrelationData) + perUser*len(p.User)
	for _, u := range p.User {
		n += len(u.Key) + len(u.Val)
	}
	return int64(n)
}

// add adds a message to those for the journal, or to those that are not for it.
func (d *Door) add(m ingest.Message, it item, direct bool) bool {
	if direct {
		return d.direct.add(m, it, m.Received)
	}
	if most := d.o.MaxPayload; len(m.Payload) > most {
		it.full = append([]byte(nil), m.Payload...)
		m.Payload = ingest.Cut(m.Payload, most)
	}
	return d.journal.add(m, it, m.Received)
}

// reserve counts a message as in flight. It waits while there are too many of this
// connection or too much of all.
func (c *conn) reserve(weight int64) error {
	d := c.d
	c.mu.Lock()
	if c.inFlight >= d.o.Limits.InFlight || c.inFlight > 0 && c.held+weight > d.o.Limits.InFlightBytes/8 {
		c.mu.Unlock()
		c.flush()
		c.blocked.Store(true)
		defer c.unblock()
		c.mu.Lock()
		for !c.closed && !c.ending && (c.inFlight > d.o.Limits.InFlight/2 || c.inFlight > 0 && c.held+weight > d.o.Limits.InFlightBytes/8) {
			c.room.Wait()
		}
	}
	ended := c.closed || c.ending
	if !ended {
		c.inFlight++
		c.held += weight
	}
	c.mu.Unlock()
	if ended {
		return errEnded
	}
	if d.held.Add(weight) > d.o.Limits.InFlightBytes && d.held.Load() > weight {
		return c.reserveOfAll(weight)
	}
	return nil
}

// reserveOfAll waits until what all connections have waiting is within its bound.
func (c *conn) reserveOfAll(weight int64) error {
	d := c.d
	d.release(weight)
	c.flush()
	c.blocked.Store(true)
	defer c.unblock()
	d.waiting.Add(1)
	defer d.waiting.Add(-1)
	d.roomMu.Lock()
	for !c.done.Load() && !d.stopping.Load() && d.held.Load() > 0 && d.held.Load()+weight > d.o.Limits.InFlightBytes {
		d.room.Wait()
	}
	d.held.Add(weight)
	d.roomMu.Unlock()
	if c.done.Load() || d.stopping.Load() {
		d.release(weight)
		c.unreserve(weight)
		return errStopping
	}
	return nil
}

// release gives back bytes of all.
func (d *Door) release(weight int64) {
	d.held.Add(-weight)
	if d.waiting.Load() > 0 {
		d.roomMu.Lock()
		d.room.Broadcast()
		d.roomMu.Unlock()
	}
}

// unreserve gives back what a message took of the connection.
func (c *conn) unreserve(weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unreserveLocked(weight)
}

func (c *conn) unreserveLocked(weight int64) {
	c.inFlight--
	c.held -= weight
	if c.blocked.Load() && c.inFlight <= c.d.o.Limits.InFlight/2 {
		c.room.Broadcast()
	}
}
