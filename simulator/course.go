package simulator

import "time"

// How late a message may be in the ordinary course of things, and how a device
// sends what it kept: after a while, one message after another.
const (
	repeatAfter = 1500 * time.Millisecond
	backWithin  = 20 * time.Second
	burstEvery  = 150 * time.Millisecond
)

// course is what happens to a reading: when its message is sent, if it is.
type course struct {
	slot
	// twice says that the message is sent again.
	twice bool
}

// repetition is the same message again.
func (c *course) repetition(d *Device) slot {
	s := c.slot
	s.again, s.fault = true, Duplicate
	s.due += repeatAfter + time.Duration(unit(mix(mix(d.salt, 22), s.reading))*float64(repeatAfter)).Truncate(time.Millisecond)
	return s
}

// course of a device's reading.
func (f *Fleet) course(d *Device, reading uint64) course {
	at := d.due(reading)
	c := course{slot: slot{due: at, reading: reading}}
	if f.live {
		return c
	}
	var kept *window
	disorder, duplicate, garbage := false, false, false
	for i := range d.windows {
		w := &d.windows[i]
		if w.from > at {
			break
		}
		if !w.holds(at) {
			continue
		}
		switch {
		case w.silences(d):
			c.unsent, c.fault = true, w.fault.Class
			return c
		case w.buffers(d):
			if kept == nil || w.to > kept.to {
				kept = w
			}
		}
		disorder = disorder || w.fault.Class == Disorder
		duplicate = duplicate || w.fault.Class == Duplicate
		garbage = garbage || w.fault.Class == Garbage
	}
	late := unit(mix(mix(d.salt, 21), reading))
	c.due += time.Duration(late * late * float64(d.jitter)).Truncate(time.Millisecond)
	switch {
	case kept != nil:
		f.sendLate(&c, d, kept, at)
	case d.unheard(f.start.Add(at)), f.loss > 0 && unit(mix(mix(d.salt, 44), reading)) < f.loss:
		c.unsent, c.fault, c.due = true, RadioLoss, at
	case disorder:
		c.fault = Disorder
		c.due += (d.Every + d.Every*3/10).Truncate(time.Millisecond)
	}
	if duplicate && !garbage && !c.unsent {
		c.twice = true
		c.fault = tells(c.fault, Duplicate)
	}
	return c
}

// sendLate has a reading wait until the device is heard again.
func (f *Fleet) sendLate(c *course, d *Device, w *window, at time.Duration) {
	c.fault = w.fault.Class
	first, last := d.count(w.from), d.count(w.to)
	if last-c.reading > uint64(w.fault.Keep) { // it has room for the newest only
		c.unsent, c.due = true, at
		return
	}
	if last-first > uint64(w.fault.Keep) {
		first = last - uint64(w.fault.Keep)
	}
	c.due = d.heardAgain(w) + time.Duration(c.reading-first)*burstEvery
}

// heardAgain is when the device begins to send what it kept in a window. Another
// fault may have begun meanwhile.
func (d *Device) heardAgain(w *window) time.Duration {
	end := w.to
	for again := true; again; {
		again = false
		for i := range d.windows {
			o := &d.windows[i]
			if o.from > end {
				break
			}
			if o.holds(end) && (o.buffers(d) || o.silences(d)) {
				end, again = o.to, true
			}
		}
	}
	return end + time.Duration(unit(mix(mix(d.salt, 23), uint64(end)))*float64(backWithin)).Truncate(time.Millisecond)
}

// firstReading is one before which no reading has a message that is due at from
// or later.
func (f *Fleet) firstReading(d *Device, from time.Duration) uint64 {
	if f.live {
		return 0
	}
	early := from - 2*d.Every - d.jitter - 2*repeatAfter
	for i := range d.windows {
		w := &d.windows[i]
		if w.from >= early || !w.buffers(d) {
			continue
		}
		n := min(d.count(w.to)-d.count(w.from), uint64(w.fault.Keep))
		if d.heardAgain(w)+time.Duration(n)*burstEvery+2*repeatAfter >= from {
			early = w.from
		}
	}
	return d.count(early)
}
