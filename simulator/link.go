package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// A device's states, as its status topic has them.
const (
	online  = "online"
	offline = "offline"
)

const (
	firstRetry = 250 * time.Millisecond
	maxRetry   = 30 * time.Second
	// settled is how long a connection must have held for the next failure to
	// begin again with the first retry's wait.
	settled = 5 * time.Second
	// burst is how many overdue messages are written before the link looks for
	// anything else to do.
	burst = 256
)

// link sends the plan of some devices over one connection after another.
//
//	plan ──► window (in flight, bounded) ──► wire ──► broker
//	             ▲                                      │
//	             └───────────── PUBACK ─────────────────┘
//
// It works in one goroutine. What is in flight when a connection breaks is sent
// first on the next.
type link struct {
	sim    *Simulator
	number int
	client string
	// device is the link's only device, or nil if several share it.
	device *Device

	plan   *Plan
	flight map[uint16]sending
	lastID uint16
	order  uint64
	// stopped is set once the context has ended: nothing new is sent.
	stopped bool
	// failures since the last settled connection.
	failures int
	// before is set once there has been a connection.
	before bool
}

// sending is a message in flight.
type sending struct {
	planned Planned
	order   uint64
	// state is not empty where it is a device's state and not a reading.
	state string
}

// run sends until the plan or ctx has ended and everything is acknowledged, or
// until hard ends.
func (l *link) run(ctx, hard context.Context) {
	defer l.giveUp()
	for {
		began := l.sim.o.Now()
		err := l.session(ctx, hard)
		if err == nil || ctx.Err() != nil {
			return
		}
		if l.sim.o.Now().Sub(began) > settled {
			l.failures = 0
		}
		wait := l.backoff()
		l.sim.outage.failed(err, wait.Round(10*time.Millisecond))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// backoff is how long to wait now. Links differ by up to a quarter, so that they
// do not all come at once.
func (l *link) backoff() time.Duration {
	wait := min(firstRetry<<min(l.failures, 10), maxRetry)
	l.failures++
	return wait - time.Duration(unit(mix(uint64(l.number), uint64(l.failures)))*float64(wait)/4)
}

// session is one connection's life. nil means that all is done.
func (l *link) session(ctx, hard context.Context) (err error) {
	w, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if l.before {
		l.sim.counters.reconnects.Add(1)
	}
	l.before = true
	l.sim.counters.connected.Add(1)
	l.sim.outage.opened()
	defer func() {
		l.sim.counters.connected.Add(-1)
		l.sim.outage.closed(err == nil)
	}()
	// Once the grace has ended, nothing may block any more.
	defer context.AfterFunc(hard, func() { _ = w.conn.Close() })()

	if err := l.resume(w); err != nil {
		return err
	}
	if err := l.pump(ctx, w); err != nil {
		return err
	}
	return l.farewell(w)
}

// open connects when it is this link's turn: some at a time, so that a broker's
// queue of connections does not overflow.
func (l *link) open(ctx context.Context) (*wire, error) {
	select {
	case l.sim.dialling <- struct{}{}:
		defer func() { <-l.sim.dialling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c := credentials{client: l.client, username: l.sim.o.Username, password: l.sim.o.Password}
	if l.device != nil {
		c.statusTopic = l.device.statusTopic()
	}
	return openWire(ctx, l.sim.broker, c, l.sim.o.InFlight+1)
}

// resume says online and sends again, in their order, the messages that were in
// flight when the last connection broke.
func (l *link) resume(w *wire) error {
	again := make([]sending, 0, len(l.flight))
	for _, f := range l.flight {
		if f.state == "" {
			again = append(again, f)
		}
	}
	slices.SortFunc(again, func(a, b sending) int { return cmp.Compare(a.order, b.order) })
	clear(l.flight)
	// All go into the window before any is written: if that fails, the others
	// are still in flight for all we know.
	ids := make([]uint16, len(again))
	for i, f := range again {
		ids[i] = l.enter(f)
	}
	if err := l.tell(w, online); err != nil {
		return err
	}
	for i, f := range again {
		l.sim.counters.resent.Add(1)
		m := l.sim.fleet.Message(f.planned)
		if err := w.publish(m.Topic, m.Payload, ids[i], false); err != nil {
			return err
		}
	}
	return nil
}

// enter puts a message into the window under a packet id of its own.
func (l *link) enter(s sending) uint16 {
	for {
		l.lastID++
		if _, taken := l.flight[l.lastID]; !taken && l.lastID != 0 {
			l.flight[l.lastID] = s
			return l.lastID
		}
	}
}

// tell publishes the only device's state, if there is an only device. The broker
// remembers it, so whoever asks later knows too.
func (l *link) tell(w *wire, state string) error {
	if l.device == nil {
		return nil
	}
	l.order++
	id := l.enter(sending{order: l.order, state: state})
	l.sim.counters.states.Add(1)
	return w.publish(l.device.statusTopic(), []byte(state), id, true)
}

// pump sends what is due when it is due, until there is no more of it and all of
// it has been acknowledged.
func (l *link) pump(ctx context.Context, w *wire) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pinged := l.sim.o.Now()
	ended := ctx.Done()
	for {
		unflushed, err := l.sendDue(ctx, w)
		if err == nil {
			err = w.flush()
		}
		if err != nil {
			l.sim.counters.failed.Add(unflushed)
			return err
		}
		next, more := l.plan.Peek()
		more = more && !l.stopped
		if !more && len(l.flight) == 0 {
			return nil
		}
		now := l.sim.o.Now()
		if now.Sub(pinged) >= keepAlive/2 {
			pinged = now
			if err := w.ping(); err != nil {
				return err
			}
			continue
		}
		wait := keepAlive/2 - now.Sub(pinged)
		if more && len(l.flight) < l.sim.o.InFlight {
			wait = min(wait, next.Due.Sub(now))
		}
		timer.Reset(max(wait, 0))
		select {
		case id := <-w.acks:
			l.acknowledged(id)
		case <-w.broken:
			return fmt.Errorf("read from broker: %w", w.err)
		case <-timer.C:
		case <-ended:
			l.stop()
			ended = nil
		}
	}
}

// sendDue writes what is due while the window has room. With QoS 0 there is no
// window; it then returns how many messages it wrote and did not flush, for if
// they are lost nobody will say so.
func (l *link) sendDue(ctx context.Context, w *wire) (unflushed uint64, err error) {
	for n := 0; n < burst && !l.stopped && len(l.flight) < l.sim.o.InFlight; n++ {
		next, ok := l.plan.Peek()
		now := l.sim.o.Now()
		if !ok || next.Due.After(now) {
			return unflushed, nil
		}
		if ctx.Err() != nil {
			l.stop()
			return unflushed, nil
		}
		l.plan.Next()
		var id uint16
		if l.sim.o.QoS > 0 {
			l.order++
			id = l.enter(sending{planned: next, order: l.order})
		} else {
			unflushed++
		}
		l.sim.counters.sent.Add(1)
		if now.Sub(next.Due) > lateAfterSeconds*time.Second {
			l.sim.counters.late.Add(1)
		}
		e := l.plan.Write(next)
		if err := w.publish(e.Topic, e.Payload, id, e.Retain); err != nil {
			return unflushed, err
		}
		l.takeAcks(w)
	}
	return unflushed, nil
}

// takeAcks makes room in the window with what has been acknowledged already.
func (l *link) takeAcks(w *wire) {
	for {
		select {
		case id := <-w.acks:
			l.acknowledged(id)
		default:
			return
		}
	}
}

// acknowledged takes a message out of the window.
func (l *link) acknowledged(id uint16) {
	s, ok := l.flight[id]
	if !ok {
		return // a broker may acknowledge twice
	}
	delete(l.flight, id)
	if s.state == "" {
		l.sim.counters.acknowledged.Add(1)
	}
}

// farewell says offline, waits until the broker knows and takes leave: the
// broker publishes no will for a client that says goodbye. The broker not
// answering any more is no failure; all readings are through.
func (l *link) farewell(w *wire) error {
	if l.tell(w, offline) == nil && w.flush() == nil {
		timeout := time.NewTimer(l.sim.o.Grace)
		defer timeout.Stop()
		for len(l.flight) > 0 {
			select {
			case id := <-w.acks:
				l.acknowledged(id)
			case <-w.broken:
				return nil
			case <-timeout.C:
				return nil
			}
		}
	}
	_ = w.disconnect()
	return nil
}

// stop ends sending; what was due and never sent is given up.
func (l *link) stop() {
	if l.stopped {
		return
	}
	l.stopped = true
	unsent := l.plan.remaining(l.sim.o.Now())
	l.sim.counters.unsent.Add(unsent)
	l.sim.counters.failed.Add(unsent)
}

// giveUp counts what is left when the link ends.
func (l *link) giveUp() {
	l.stop() // after a plan's natural end there is nothing left for it to count
	for _, s := range l.flight {
		if s.state == "" {
			l.sim.counters.failed.Add(1)
		}
	}
}
