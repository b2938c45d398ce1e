package simulator

import (
	"container/heap"
	"time"
)

// Planned is one message of a plan, not yet rendered.
type Planned struct {
	// Device is the index of the device in [Fleet.Devices].
	Device int
	// Sequence counts the device's readings from 1, those that are lost too.
	Sequence uint64
	// Due is when it is to be sent.
	Due time.Time
	// Again says that it is the second time.
	Again bool
}

// Plan yields the messages of some devices, or of all if none are named, in
// order of their time from start until just before end; a zero end is never.
// Plans of different devices together hold the same messages as one of all.
//
// A scenario's fleet can be asked for any part of its time line, and what it does
// not send is left out: [Fleet.Feed] has that too. A live fleet begins at start.
func (f *Fleet) Plan(start, end time.Time, devices ...int) *Plan {
	n := len(devices)
	if n == 0 {
		n = len(f.devices)
	}
	p := &Plan{fleet: f, base: f.base(start), end: end, heads: make(heads, 0, n)}
	from := start.Sub(p.base)
	for i := range n {
		d := i
		if len(devices) > 0 {
			d = devices[i]
		}
		c := f.cursor(d, from, false)
		if s, ok := c.peek(f); ok {
			p.heads = append(p.heads, head{due: s.due, cursor: c})
		}
	}
	heap.Init(&p.heads)
	return p
}

// Plan is a sequence of planned messages. It is not safe for concurrent use.
type Plan struct {
	fleet     *Fleet
	base, end time.Time
	heads     heads
	writer    writer
}

// Peek is the next message; false if there is none.
func (p *Plan) Peek() (Planned, bool) {
	if len(p.heads) == 0 {
		return Planned{}, false
	}
	c := &p.heads[0].cursor
	s := c.head
	due := p.base.Add(s.due)
	if !p.end.IsZero() && !due.Before(p.end) {
		return Planned{}, false
	}
	return Planned{Device: int(c.device), Sequence: s.reading + 1, Due: due, Again: s.again}, true
}

// Next is Peek, and goes on to the message after it.
func (p *Plan) Next() (Planned, bool) {
	m, ok := p.Peek()
	if ok {
		h := &p.heads[0]
		h.cursor.pop()
		if s, more := h.cursor.peek(p.fleet); more {
			h.due = s.due
			heap.Fix(&p.heads, 0)
		} else {
			heap.Pop(&p.heads)
		}
	}
	return m, ok
}

// Write renders a planned message. Payload and points of the emission are valid
// until the next call; the plan's own memory makes it cheaper than
// [Fleet.Emission].
func (p *Plan) Write(m Planned) Emission { return p.fleet.write(&p.writer, m) }

// Count is how many messages all devices together send from a time until just
// before another. For a scenario it goes through all of them, at some 100 ns each.
func (f *Fleet) Count(start, end time.Time) (n uint64) {
	if f.live {
		for i := range f.devices {
			n += f.devices[i].count(end.Sub(start))
		}
		return n
	}
	from, to := start.Sub(f.Start()), end.Sub(f.Start())
	for i := range f.devices {
		c := f.cursor(i, from, false)
		n += c.count(f, to)
	}
	return n
}

// remaining is how many messages the plan still has that are due by the time.
func (p *Plan) remaining(by time.Time) (n uint64) {
	before := by.Add(1)
	if !p.end.IsZero() && p.end.Before(before) {
		before = p.end
	}
	for i := range p.heads {
		c := p.heads[i].cursor
		c.pending = append([]slot(nil), c.pending...)
		n += c.count(p.fleet, before.Sub(p.base))
	}
	return n
}

// head is a device's next message within a plan.
type head struct {
	due    time.Duration
	cursor cursor
}

// heads is a heap by time, then by device.
type heads []head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].cursor.device < h[j].cursor.device
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = head{}
	*h = (*h)[:len(*h)-1]
	return last
}

// slot is one message of a device, or one that it would have sent.
type slot struct {
	due     time.Duration
	reading uint64 // from 0
	fault   FaultClass
	again   bool
	unsent  bool
}

func (s *slot) before(o *slot) bool {
	return s.due < o.due || s.due == o.due && (s.reading < o.reading || s.reading == o.reading && !s.again && o.again)
}

// cursor goes through a device's messages in order of time. Its memory is what
// the device has to send late.
type cursor struct {
	device int32
	// silent yields also what is never sent.
	silent bool
	// loaded says that head is the next; pending, a heap, are those after it whose
	// readings are taken already.
	loaded  bool
	head    slot
	next    uint64 // reading
	from    time.Duration
	pending []slot
}

// cursor begins with the first message that is due at a time or later.
func (f *Fleet) cursor(device int, from time.Duration, silent bool) cursor {
	return cursor{device: int32(device), silent: silent, from: from, next: f.firstReading(&f.devices[device], from)}
}

// peek is the next message; false if there is none.
func (c *cursor) peek(f *Fleet) (slot, bool) {
	if c.loaded {
		return c.head, true
	}
	d := &f.devices[c.device]
	length := f.end.Sub(f.start)
	for {
		at := d.due(c.next)
		more := f.live || at < length
		if len(c.pending) > 0 && (!more || c.pending[0].due < at) {
			c.head, c.loaded = c.take(), true
			return c.head, true
		}
		if !more {
			return slot{}, false
		}
		s := f.course(d, c.next)
		c.next++
		if s.unsent && !c.silent || s.due < c.from && !s.twice {
			continue
		}
		if s.due >= c.from {
			if len(c.pending) == 0 && (f.live || s.due < d.due(c.next)) && !s.twice {
				c.head, c.loaded = s.slot, true // the usual case: nothing waits
				return c.head, true
			}
			c.put(s.slot)
		}
		if s.twice {
			if second := s.repetition(d); second.due >= c.from {
				c.put(second)
			}
		}
	}
}

func (c *cursor) pop() { c.loaded = false }

// put and take keep pending a heap.
func (c *cursor) put(s slot) {
	c.pending = append(c.pending, s)
	for i := len(c.pending) - 1; i > 0; {
		parent := (i - 1) / 2
		if !c.pending[i].before(&c.pending[parent]) {
			break
		}
		c.pending[i], c.pending[parent] = c.pending[parent], c.pending[i]
		i = parent
	}
}

func (c *cursor) take() slot {
	first := c.pending[0]
	last := len(c.pending) - 1
	c.pending[0] = c.pending[last]
	c.pending = c.pending[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && c.pending[child].before(&c.pending[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		c.pending[i], c.pending[least] = c.pending[least], c.pending[i]
		i = least
	}
	if last == 0 {
		c.pending = nil // a burst's memory is not kept
	}
	return first
}

// count is how many messages it still has before a time; it goes through them.
func (c *cursor) count(f *Fleet, before time.Duration) (n uint64) {
	if f.live {
		d := &f.devices[c.device]
		sent := c.next
		if c.loaded {
			sent--
		}
		if due := d.count(before); due > sent {
			return due - sent
		}
		return 0
	}
	for {
		s, ok := c.peek(f)
		if !ok || s.due >= before {
			return n
		}
		c.pop()
		n++
	}
}
