package session

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// changes are what one call has to write, in order.
type changes struct {
	list     []change
	inserted []inserted
	// of is what is being published, of all in one call; unwritten are those that are lost
	// to somebody because nothing could be written.
	of        int
	retained  []int
	unwritten []int
}

type inserted struct {
	st *state
	d  *delivery
	of int
}

func (f *file) changes() *changes { return &changes{} }

func (c *changes) add(one change) { c.list = append(c.list, one) }

// insert writes a delivery, unless it is completed before.
func (c *changes) insert(st *state, d *delivery) {
	d.row.Store(rowWaiting)
	d.held = d.qos == 2
	c.inserted = append(c.inserted, inserted{st, d, c.of})
	c.add(func(w *writer) error { return w.insert(st.row, d) })
}

// settle is called when the changes are written, or could not be. Then a client that is
// there gets what it is to get all the same; from one that is away it is taken back.
func (c *changes) settle(err error) {
	if err != nil {
		c.unwritten = append(c.unwritten, c.retained...)
	}
	for _, one := range c.inserted {
		if err == nil && one.d.qos < 2 {
			continue
		}
		if one.st.settle(one.d, err) {
			c.unwritten = append(c.unwritten, one.of)
		}
	}
}

func (st *state) settle(d *delivery, err error) (lost bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.dead || st.queue.byID[d.id] != d {
		return false
	}
	d.held = false
	now := st.all.o.Now()
	if lost = err != nil && !d.sent && st.at == nil; lost {
		st.drop(dropFile, d.m, now)
		st.complete(d)
	}
	st.pump(now)
	return lost
}

// session writes a session: how long it stays, since when it has no connection (zero is
// that it has one), and the last delivery that was sent.
func (c *changes) session(st *state, expiry time.Duration, away time.Time, sent int64) {
	var at int64
	if !away.IsZero() {
		at = away.UnixMilli()
	}
	c.add(func(w *writer) error {
		return w.exec(w.session, st.row, st.key.User, st.key.Client, expiry.Milliseconds(), at, sent)
	})
}

// forget takes a delivery of a session that ends from the file; the row itself goes with
// the session.
func (c *changes) forget(st *state, d *delivery) {
	if !d.unneeded() {
		c.add(func(w *writer) error { w.forget(st.row, d); return nil })
	}
}

func (c *changes) end(st *state) {
	c.add(func(w *writer) error {
		for _, del := range w.end {
			if err := w.exec(del, st.row); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *changes) receive(st *state, id uint16) {
	c.add(func(w *writer) error { return w.exec(w.receive, st.row, id) })
}

func (c *changes) subscribe(st *state, sub *subscription) {
	c.add(func(w *writer) error {
		return w.exec(w.subscribe, st.row, sub.name, sub.options(), sub.identifier)
	})
}

func (c *changes) unsubscribe(st *state, name string) {
	c.add(func(w *writer) error { return w.exec(w.unsubscribe, st.row, name) })
}

func (c *changes) retain(m *message) {
	c.retained = append(c.retained, c.of)
	c.add(func(w *writer) error {
		return w.exec(w.retain, m.topic, m.owner, payload(m), m.qos, properties(&m.properties), m.received.UnixMilli())
	})
}

func (c *changes) unretain(topic string) {
	c.add(func(w *writer) error { return w.exec(w.unretain, topic) })
}

// unneeded says that the file has nothing of a delivery, and will not have.
func (d *delivery) unneeded() bool {
	return d.row.CompareAndSwap(rowWaiting, rowUnneeded) || d.row.Load() != rowWritten
}

// options are a subscription's as SUBSCRIBE has them (MQTT 5, 3.8.3.1).
func (sub *subscription) options() byte {
	o := sub.qos | sub.retainHandling<<4
	if sub.noLocal {
		o |= 4
	}
	if sub.retainAsPublished {
		o |= 8
	}
	return o
}

func (sub *subscription) setOptions(o byte) {
	sub.qos, sub.noLocal, sub.retainAsPublished, sub.retainHandling = o&3, o&4 != 0, o&8 != 0, o>>4&3
}

// kept are the properties of a message as the file has them.
type keptProperties struct {
	Format   *byte                  `json:"format,omitempty"`
	Expiry   uint32                 `json:"expiry,omitempty"`
	Type     string                 `json:"type,omitempty"`
	Response string                 `json:"response,omitempty"`
	Data     []byte                 `json:"data,omitempty"`
	User     []packets.UserProperty `json:"user,omitempty"`
}
