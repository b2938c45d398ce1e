package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
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
// It works in one goroutine; its connection has another, which takes what is
// acknowledged out of the window. What is in flight when a connection breaks is
// sent first on the next.
type link struct {
	sim    *Simulator
	number int
	client string
	// device is the link's only device, or nil if several share it.
	device  *Device
	devices []int

	// schedule and plan are there once the simulator has begun.
	schedule schedule
	plan     *Plan
	// reached is how far the plan has been sent, from its start.
	reached atomic.Int64
	// room has something in it when there is room again for what waits for it.
	room chan struct{}

	mu      sync.Mutex // guards the four below
	flight  map[uint16]sending
	lastID  uint16
	order   uint64
	waiting bool // for room

	// stopped is set once the context has ended: nothing new is sent.
	stopped bool
	// failures since the last settled connection.
	failures int
	// before is set once there has been a connection.
	before bool
}

// share makes it a connection of several devices.
func (l *link) share() { l.client = fmt.Sprintf("%s-connection-%04d", l.sim.o.Prefix, l.number+1) }

// sending is a message in flight.
type sending struct {
	planned Planned
	order   uint64
	// due is when it was to be sent, on the clock, since the start.
	due time.Duration
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
		var no *Refusal
		if l.sim.o.Demanding && !l.before && errors.As(err, &no) {
			l.sim.stop(no)
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
	if !l.before {
		l.sim.expected.Add(-1)
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
	begun, err := l.standBy(ctx, w)
	if err == nil && begun {
		err = l.pump(ctx, w)
	}
	if err != nil {
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
	return openWire(ctx, l.sim.broker, l.sim.o.TLS, l.credentials())
}

// credentials are what it shows the broker.
func (l *link) credentials() credentials {
	c := credentials{client: l.client, username: l.sim.o.Username, password: l.sim.o.Password}
	if l.device != nil {
		c.statusTopic = l.device.statusTopic()
		if l.sim.o.Secrets != nil {
			c.username, c.password = string(l.device.ID), l.sim.o.Secrets[l.device.ID]
		}
	}
	return c
}

// resume says online and sends again, in their order, the messages that were in
// flight when the last connection broke.
func (l *link) resume(w *wire) error {
	l.mu.Lock()
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
	l.mu.Unlock()
	go w.read(l.acknowledged)
	w.reading = true
	if err := l.tell(w, online); err != nil {
		return err
	}
	for i, f := range again {
		l.sim.counters.resent.Add(1)
		e := l.plan.Write(f.planned)
		if err := w.publish(e.Topic, e.Payload, ids[i], e.Retain); err != nil {
			return err
		}
	}
	return nil
}

// enter puts a message into the window under a packet id of its own. The caller
// holds the lock.
func (l *link) enter(s sending) uint16 {
	l.order++
	if s.order == 0 {
		s.order = l.order
	}
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
	id := l.take(sending{state: state})
	l.sim.counters.states.Add(1)
	return w.publish(l.device.statusTopic(), []byte(state), id, true)
}

// standBy keeps the connection until there is a plan; false if ctx ended first.
func (l *link) standBy(ctx context.Context, w *wire) (begun bool, err error) {
	select {
	case <-l.sim.begun:
		return true, nil
	default:
	}
	ticker := time.NewTicker(keepAlive / 2)
	defer ticker.Stop()
	for {
		if err := w.flush(); err != nil {
			return false, err
		}
		select {
		case <-l.sim.begun:
			return true, nil
		case <-ctx.Done():
			return false, nil
		case <-w.broken:
			return false, fmt.Errorf("read from broker: %w", w.err)
		case <-ticker.C:
			if err := w.ping(); err != nil {
				return false, err
			}
		}
	}
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
		full, empty := l.await(more)
		if !more && empty {
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
		if more && !full {
			if l.schedule.unpaced {
				wait = 0
			}
			wait = min(wait, l.schedule.clock(next.Due).Sub(now))
		}
		timer.Reset(max(wait, 0))
		select {
		case <-l.room:
		case <-w.broken:
			return fmt.Errorf("read from broker: %w", w.err)
		case <-timer.C:
		case <-ended:
			l.stop()
			ended = nil
		}
	}
}

// await says how the window is, and has room told of where somebody waits for it:
// if it is full, or there is no more to send.
func (l *link) await(more bool) (full, empty bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	full, empty = len(l.flight) >= l.sim.o.InFlight, len(l.flight) == 0
	l.waiting = full || !more
	return full, empty
}

// sendDue writes what is due while the window has room. With QoS 0 there is no
// window; it then returns how many messages it wrote and did not flush, for if
// they are lost nobody will say so.
func (l *link) sendDue(ctx context.Context, w *wire) (unflushed uint64, err error) {
	now := l.sim.o.Now()
	for range burst {
		next, ok := l.plan.Peek()
		if !ok {
			l.reached.Store(math.MaxInt64)
			return unflushed, nil
		}
		if l.stopped {
			return unflushed, nil
		}
		due := now
		if !l.schedule.unpaced {
			if due = l.schedule.clock(next.Due); due.After(now) {
				if now = l.sim.o.Now(); due.After(now) {
					return unflushed, nil
				}
			}
		}
		if ctx.Err() != nil {
			l.stop()
			return unflushed, nil
		}
		if l.sim.o.QoS > 0 && l.full() {
			return unflushed, nil
		}
		e := l.plan.Write(next)
		if l.sim.o.Secrets != nil && e.Topic != l.device.topic {
			l.plan.Next()
			l.sim.counters.withheld.Add(1)
			continue
		}
		var id uint16
		if l.sim.o.QoS > 0 {
			id = l.take(sending{planned: next, due: due.Sub(l.schedule.began)})
		} else {
			unflushed++
		}
		l.plan.Next()
		l.reached.Store(int64(next.Due.Sub(l.schedule.from)))
		l.sim.counters.sent.Add(1)
		if now.Sub(due) > lateAfterSeconds*time.Second {
			l.sim.counters.late.Add(1)
		}
		if err := w.publish(e.Topic, e.Payload, id, e.Retain); err != nil {
			return unflushed, err
		}
	}
	return unflushed, nil
}

// full reports whether the window has no room.
func (l *link) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flight) >= l.sim.o.InFlight
}

// take is enter for who does not hold the lock.
func (l *link) take(s sending) (id uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enter(s)
}

// acknowledged takes a message out of the window; last says that no other
// acknowledgement has come yet. It is called by the connection's reader.
func (l *link) acknowledged(id uint16, last bool) {
	l.mu.Lock()
	s, ok := l.flight[id] // a broker may acknowledge twice
	delete(l.flight, id)
	// Who waits is woken for some room at a time: a wake for each place of it
	// costs more than it gains.
	wake := l.waiting && (last || len(l.flight) <= l.sim.o.InFlight*3/4)
	if wake {
		l.waiting = false
	}
	l.mu.Unlock()
	if ok && s.state == "" {
		l.sim.latencies.took(l.sim.o.Now().Sub(l.schedule.began) - s.due)
		l.sim.counters.acknowledged.Add(1)
	}
	if wake {
		select {
		case l.room <- struct{}{}:
		default: // it has been told and has not looked yet
		}
	}
}

// farewell says offline, waits until the broker knows and takes leave: the
// broker publishes no will for a client that says goodbye. The broker not
// answering any more is no failure; all readings are through.
func (l *link) farewell(w *wire) error {
	if l.tell(w, offline) == nil && w.flush() == nil {
		timeout := time.NewTimer(l.sim.o.Grace)
		defer timeout.Stop()
		for {
			if _, empty := l.await(false); empty {
				break
			}
			select {
			case <-l.room:
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
	select {
	case <-l.sim.begun:
	default:
		return // nothing was due
	}
	if l.schedule.unpaced {
		return // nothing was due before there was room for it
	}
	unsent := l.plan.remaining(l.schedule.line(l.sim.o.Now()))
	l.sim.counters.unsent.Add(unsent)
	l.sim.counters.failed.Add(unsent)
}

// giveUp counts what is left when the link ends.
func (l *link) giveUp() {
	l.stop() // after a plan's natural end there is nothing left for it to count
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.flight {
		if s.state == "" {
			l.sim.counters.failed.Add(1)
		}
	}
}
