package door

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// stored is a batch that the journal has.
type stored struct {
	*batch
	at        ingest.Place
	telemetry bool
}

// commit puts batches into the journal, one after the other, until all are there after
// the door has been closed, or ctx ends. What comes meanwhile is the next batch.
func (d *Door) commit(ctx context.Context, done chan<- stored) {
	for {
		b := d.journal.next(ctx, d.o.Now)
		if b == nil {
			return
		}
		d.o.Metrics.Received(Name, len(b.messages), b.payload)
		at, there, more := d.appends.Append(ctx, b.messages, d.journal.size())
		if there {
			done <- stored{b, at, true}
		}
		if !more {
			return
		}
	}
}

// pass hands on what is not for the journal.
func (d *Door) pass(ctx context.Context, done chan<- stored) {
	for {
		b := d.direct.next(ctx, d.o.Now)
		if b == nil {
			return
		}
		done <- stored{b, ingest.Place{}, false}
	}
}

// finish gives messages to their subscribers, then acknowledges them.
func (d *Door) finish(ctx context.Context, done <-chan stored) {
	var f finisher
	for b := range done {
		if f.publish(ctx, d, b) {
			f.acknowledge(d, b)
		}
		if b.telemetry {
			d.journal.recycle(b.batch)
		} else {
			d.direct.recycle(b.batch)
		}
	}
}

// finisher is what finishing a batch needs; it is used again for the next one.
type finisher struct {
	all   []session.Publication
	index []int // in the batch, of all
	conns []*conn
}

// publish gives messages to who has subscribed to them; false is that ctx has ended
// before that was durable.
func (f *finisher) publish(ctx context.Context, d *Door, b stored) bool {
	clear(f.all)
	f.all, f.index = f.all[:0], f.index[:0]
	if d.o.Sessions == nil {
		return true
	}
	for i := range b.items {
		it, m := &b.items[i], &b.messages[i]
		if it.qos < 2 && !d.o.Sessions.Wants(m.Topic, it.retain) {
			continue
		}
		payload := it.full
		if payload == nil {
			payload = bytes.Clone(m.Payload) // the batch is used again
		}
		p := session.Publication{Topic: m.Topic, Payload: payload, QoS: it.qos, Retain: it.retain, Received: m.Received, From: it.session, ID: it.id, Journalled: b.telemetry}
		if it.properties != nil {
			p.Properties = *it.properties
		}
		f.all = append(f.all, p)
		f.index = append(f.index, i)
	}
	if len(f.all) == 0 {
		return true
	}
	if err := d.o.Sessions.Publish(ctx, f.all); err != nil {
		return false
	}
	if !b.telemetry { // of telemetry, that the journal has it is what counts
		for j, i := range f.index {
			b.items[i].code = f.all[j].Code
		}
	}
	return true
}

// acknowledge answers the publishers: all that is for one of them in one write.
func (f *finisher) acknowledge(d *Door, b stored) {
	f.conns = f.conns[:0]
	var accepted, weight int64
	var counts [3]int
	for i := range b.items {
		it := &b.items[i]
		weight += it.weight
		if b.telemetry && it.canary != 0 {
			d.o.Canaries.Journalled(it.canary, ingest.Place{Epoch: b.at.Epoch, First: b.at.First + uint64(i)})
		}
		if it.taking != nil {
			it.taking.refused = it.taking.refused || it.code >= packets.ErrUnspecifiedError.Code
			if it.taking.left--; it.taking.left == 0 {
				close(it.taking.done)
			}
			if it.qos > 0 {
				accepted++
			}
			continue
		}
		if it.conn == nil {
			continue
		}
		counts[it.qos]++
		if it.code >= packets.ErrUnspecifiedError.Code {
			it.conn.notKept(it, b.messages[i].Topic)
		}
		if it.conn.acknowledge(it) {
			accepted++
		}
		if !it.conn.dirty {
			it.conn.dirty = true
			f.conns = append(f.conns, it.conn)
		}
	}
	if b.telemetry {
		d.accepted.Add(uint64(accepted))
	}
	d.release(weight)
	now := d.o.Now().UnixNano()
	for i, c := range f.conns {
		c.dirty = false
		c.answered.Store(now)
		c.flush()
		f.conns[i] = nil
	}
	for q, n := range counts {
		d.metrics.byQoS[q].Add(float64(n))
	}
}

// notKept tells of a message that could not be kept for who has subscribed to it. MQTT 3
// has no other way to say so than the end of the connection.
func (c *conn) notKept(it *item, topic string) {
	code := packets.Code{Code: it.code, Reason: "cannot be kept for a subscriber: a limit is reached, or what is kept cannot be written"}
	c.refused(RefusedPublish, topic, code.Reason, code)
	if c.version < 5 {
		c.end(code, "")
	}
}

// acknowledge answers one message, and reports whether the answer is on its way.
func (c *conn) acknowledge(it *item) (answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unreserveLocked(it.weight)
	if it.qos == 0 {
		return false
	}
	kind := packets.Puback << 4
	if it.qos == 2 {
		kind = packets.Pubrec << 4
	}
	if it.code == 0 || c.version < 5 {
		return c.putLocked(kind, 2, byte(it.id>>8), byte(it.id))
	}
	return c.putLocked(kind, 3, byte(it.id>>8), byte(it.id), it.code)
}

// Take takes messages that came otherwise than by MQTT and returns when the journal has
// them. The error wraps [ErrNotAllowed], [ErrTooMany] or ingest.ErrJournalFull where the
// sender should know. Once ctx has ended they may or may not be there.
func (d *Door) Take(ctx context.Context, from Grant, messages []ingest.Message) error {
	if len(messages) == 0 {
		return nil
	}
	for i := range messages {
		switch t := messages[i].Topic; {
		case !isTopicName(t):
			return fmt.Errorf("publish to %q: %w: it is empty or has a wildcard", clip(t), ErrNotAllowed)
		case !from.mayPublish(t):
			return fmt.Errorf("publish to %q: %w to %s", clip(t), ErrNotAllowed, from.Identity)
		}
	}
	if err := d.appends.Refusal(); err != nil {
		return fmt.Errorf("the journal does not accept: %w", err)
	}
	if !from.Internal {
		now, n := d.o.Now(), float64(len(messages))
		r := d.clients.rateOf(from.Identity, now)
		if wait := r.take(n, now); wait > 0 {
			r.give(n)
			return fmt.Errorf("%w: more than %g a second of one device, over a minute; again in %v", ErrTooMany, r.perSecond, wait.Round(time.Second))
		}
	}
	t := &taking{left: len(messages), done: make(chan struct{})}
	if err := d.takeAll(messages, t); err != nil {
		return err
	}
	select {
	case <-t.done:
		return t.outcome()
	case <-d.drained:
	case <-ctx.Done():
		return fmt.Errorf("wait for the journal: %w", ctx.Err())
	}
	select {
	case <-t.done:
		return t.outcome()
	default:
		return errStopping
	}
}

func (t *taking) outcome() error {
	if t.refused {
		return fmt.Errorf("%w: they cannot be kept for who has subscribed to them", ErrTooMany)
	}
	return nil
}

// takeAll hands messages over, all or none.
func (d *Door) takeAll(messages []ingest.Message, t *taking) error {
	var weight int64
	for i := range messages {
		weight += int64(len(messages[i].Topic) + len(messages[i].Payload) + overhead)
	}
	if d.held.Add(weight) > d.o.Limits.InFlightBytes {
		d.release(weight)
		return fmt.Errorf("%w: %d bytes wait for the journal already", ErrTooMany, d.held.Load())
	}
	for i, m := range messages {
		m.FullSize = max(m.FullSize, len(m.Payload))
		if m.Received.IsZero() {
			m.Received = d.o.Now()
		}
		it := item{taking: t, qos: m.QoS, weight: int64(len(m.Topic) + len(m.Payload) + overhead)}
		direct := d.o.NotTelemetry != nil && d.o.NotTelemetry(m.Topic)
		if !d.add(m, it, direct) {
			d.release(weight)
			if i == 0 {
				return errStopping
			}
			return fmt.Errorf("%w: %d of %d were taken", errStopping, i, len(messages))
		}
		weight -= it.weight
	}
	return nil
}

// will takes a message of nobody's who waits: a client's will.
func (d *Door) will(p session.Publication) {
	weight := int64(len(p.Topic) + len(p.Payload) + overhead)
	// While the journal is away, wills are not gathered without bound: who would come
	// after them waits.
	d.waiting.Add(1)
	d.roomMu.Lock()
	for !d.stopping.Load() && d.held.Load() > d.o.Limits.InFlightBytes {
		d.room.Wait()
	}
	d.roomMu.Unlock()
	d.waiting.Add(-1)
	d.held.Add(weight)
	p.Received = d.o.Now()
	it := item{qos: p.QoS, retain: p.Retain, properties: &p.Properties, weight: weight}
	direct := d.o.NotTelemetry != nil && d.o.NotTelemetry(p.Topic)
	// Nobody is owed an acknowledgement of it, as of one of QoS 0.
	m := ingest.Message{Topic: p.Topic, Payload: p.Payload, Received: p.Received, FullSize: len(p.Payload)}
	if !d.add(m, it, direct) {
		d.release(weight)
	}
}
