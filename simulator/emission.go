package simulator

import (
	"iter"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Fate is what a right pipeline does with a message.
type Fate string

// The fates.
const (
	Stored      Fate = "stored"
	Partial     Fate = "partial"     // stored but for some fields, which wait in quarantine
	Quarantined Fate = "quarantined" // as a whole
	Repeated    Fate = "duplicate"
	Unsent      Fate = "unsent" // it never reaches the broker
	// Unsubscribed is in a format whose topics no gateway subscribes to, as long
	// as the pipeline has no codec for it.
	Unsubscribed Fate = "unsubscribed"
)

// What the pipeline takes: a clock that is ahead by so much, and readings so old
// (its default retention).
const (
	Ahead     = 10 * time.Minute
	Retention = 400 * day
)

// Emission is one message of a device, or one that it would have sent.
type Emission struct {
	// Device is its index in [Fleet.Devices].
	Device int
	// Due is when it is to be sent.
	Due time.Time
	// Measured is when the device took the reading, Stamp what its clock said.
	Measured, Stamp time.Time
	Topic           string
	Payload         []byte
	Retain          bool
	// Unsent says that it never reaches the broker: the truth explains the gap.
	Unsent bool
	// Truth is what becomes of it if it is received when it is due. For a time
	// line played faster or at another time, ask Received.
	Truth
	// sound is the truth as far as the time of receipt has no part in it.
	sound Truth
}

// Truth is what must be seen of a message afterwards.
type Truth struct {
	// Fault in the course of which it was sent; "" is none. Of several it is the
	// one that tells most about the message's fate.
	Fault FaultClass
	Fate  Fate
	// Reason of the quarantine, also of a partial one.
	Reason telemetry.Reason
	// Points must be in the store after it.
	Points []Point
}

// Point is one value in the store, of the device's locality and site.
type Point struct {
	Kind   telemetry.Kind
	Metric telemetry.Metric
	// Time is to the millisecond, Value exactly as the payload has it.
	Time  time.Time
	Value float64
}

// Received is the truth for a message that the pipeline gets to see at a time,
// with a store that keeps readings for as long as retention; 0 is [Retention].
func (e *Emission) Received(at time.Time, retention time.Duration) Truth {
	t := e.sound
	if retention == 0 {
		retention = Retention
	}
	if t.Fate != Stored && t.Fate != Partial {
		return t
	}
	switch {
	case e.Stamp.Sub(at) > Ahead:
		t.Fate, t.Reason, t.Points = Quarantined, telemetry.FutureTime, nil
	case at.Sub(e.Stamp) > retention:
		t.Fate, t.Reason, t.Points = Quarantined, telemetry.TooOld, nil
	}
	return t
}

// Feed is everything a device sends or fails to send from a time until just
// before another, in order of Due. Any period can be asked for directly, and
// gives the same as if it had come in the course of a longer one. Payload and
// Points of an emission are valid until the next.
//
// The feed of a live fleet's device begins with from.
func (f *Fleet) Feed(device int, from, to time.Time) iter.Seq[Emission] {
	return func(yield func(Emission) bool) {
		base := f.base(from)
		c := f.cursor(device, from.Sub(base), true)
		var w writer
		for {
			s, ok := c.peek(f)
			if !ok || !base.Add(s.due).Before(to) {
				return
			}
			c.pop()
			if !yield(w.emission(f, base, device, s)) {
				return
			}
		}
	}
}

// base is what a fleet's durations count from.
func (f *Fleet) base(from time.Time) time.Time {
	if f.live {
		return from
	}
	return f.Start()
}

// Emission is a planned message with its truth. The same planned message gives
// the same at any time and on any goroutine.
func (f *Fleet) Emission(p Planned) Emission {
	return f.write(new(writer), p)
}

// write renders a planned message; what it returns is valid as long as the writer
// writes nothing else.
func (f *Fleet) write(w *writer, p Planned) Emission {
	if f.live {
		return w.live(f, p)
	}
	s := slot{due: p.Due.Sub(f.Start()), reading: p.Sequence - 1, again: p.Again}
	s.fault = f.course(&f.devices[p.Device], s.reading).fault
	return w.emission(f, f.Start(), p.Device, s)
}

// Message is what a device publishes.
type Message struct {
	Topic   string
	Payload []byte
}

// Message renders a planned message.
func (f *Fleet) Message(p Planned) Message {
	e := f.Emission(p)
	return Message{Topic: e.Topic, Payload: e.Payload}
}

// writer renders emissions, and reuses its memory.
type writer struct {
	up      uplink
	flaws   flaws
	payload []byte
	points  []Point
}

// live renders a live fleet's message: measured when it is due, by a clock that
// is right.
func (w *writer) live(f *Fleet, p Planned) Emission {
	d := &f.devices[p.Device]
	w.up = uplink{device: d, stamp: p.Due, sent: p.Due, sequence: p.Sequence, values: w.up.values[:0]}
	w.flaws = flaws{}
	w.fill(f, d, p.Due, p.Due, day)
	return w.finish(Emission{Device: p.Device, Due: p.Due, Measured: p.Due, Stamp: p.Due}, false, nil, 0)
}

// emission renders a slot of a device.
func (w *writer) emission(f *Fleet, base time.Time, device int, s slot) Emission {
	d := &f.devices[device]
	if f.live {
		return w.live(f, Planned{Device: device, Sequence: s.reading + 1, Due: base.Add(s.due)})
	}
	at := d.due(s.reading)
	c := condition{fault: s.fault, flat: day, clockClass: 0}
	c.examine(f, d, at)
	e := Emission{Device: device, Due: base.Add(s.due), Measured: base.Add(at), Topic: d.topic, Unsent: s.unsent}
	e.Stamp = time.UnixMilli(stampOf(f.start.Add(at+c.clock).UnixMilli(), c.clockClass)).Add(f.shift)
	if s.unsent {
		e.Truth = Truth{Fault: s.fault, Fate: Unsent}
		e.sound = e.Truth
		return e
	}
	w.up = uplink{device: d, stamp: e.Stamp, sent: e.Due, sequence: s.reading + 1 - d.count(c.started), values: w.up.values[:0], quality: c.quality}
	w.flaws = c.flaws
	w.fill(f, d, f.start.Add(c.measured), f.start.Add(at), c.flat)
	e.sound.Fault = c.fault
	if s.again {
		e.sound.Fault = Duplicate
	}
	return w.finish(e, s.again, c.garbage, mix(mix(d.salt, 61), s.reading))
}

// stampOf makes a stamp one that no other reading of the device has: its last
// three bits tell which clock it comes from, and no clock runs backwards. Two
// readings with one time would be one for the store.
func stampOf(ms int64, class int) int64 { return ms&^7 | int64(class) }

// condition is the state of a device at a reading.
type condition struct {
	fault FaultClass
	flaws flaws
	// measured is when what it tells was true: not now, if it is stuck.
	measured time.Duration
	quality  telemetry.Quality
	garbage  *Fault
	// started is when it was last switched on; 0 is long before the scenario.
	started time.Duration
	// flat is how long it is until the battery is flat.
	flat       time.Duration
	clock      time.Duration
	clockClass int
}

// examine finds the state of a device at a reading.
func (c *condition) examine(f *Fleet, d *Device, at time.Duration) {
	c.measured, c.clock = at, d.clockError(at)
	for i := range d.windows {
		w := &d.windows[i]
		if w.from > at+sagBefore {
			break
		}
		if w.fault.Class == FlatBattery && w.from >= at {
			c.flat = min(c.flat, w.from-at)
		}
		if w.to <= at && w.restarts(d) {
			c.started = max(c.started, w.to)
		}
		if w.holds(at) {
			c.befall(f, d, w, at)
		}
	}
	if since := at - c.started; c.started > 0 && warmsUp(d.Kind.Kind) && since < warmUp {
		x := 1 - float64(since)/float64(warmUp)
		c.flaws.settling = x * x * x
		c.fault = tells(c.fault, WarmUp)
		if since < warmUpFlag {
			c.quality = telemetry.Calibrating
		}
	}
}

// befall adds what a window does to the reading itself.
func (c *condition) befall(f *Fleet, d *Device, w *window, at time.Duration) {
	switch w.fault.Class {
	case Calibration:
		c.quality = telemetry.Calibrating
	case Drift:
		c.flaws.drift, c.flaws.days = w.fault, (at-w.from).Hours()/24
	case Spike:
		c.flaws.spike = w.fault
	case Stuck:
		c.measured = d.due(d.count(w.from))
	case Garbage:
		c.garbage = w.fault
	case Clock:
		c.clock = w.fault.Offset + time.Duration(w.fault.Size*(at-w.from).Hours()*float64(time.Second))
		c.clockClass = f.clockClass(w.fault)
	default:
		return
	}
	c.fault = tells(c.fault, w.fault.Class)
}

// clockClass numbers the faults of clocks from 1 to 7.
func (f *Fleet) clockClass(fault *Fault) int {
	class := 0
	for i := range f.faults {
		if f.faults[i].Class == Clock {
			class = class%7 + 1
		}
		if &f.faults[i] == fault {
			break
		}
	}
	return class
}

// clockError is by how much a sound clock is wrong: it drifts by some millionths
// and is set every day, at an hour of its own.
func (d *Device) clockError(at time.Duration) time.Duration {
	since := (at + time.Duration(unit(mix(d.salt, 31))*float64(day))) % day
	most := float64(d.Every) / 16
	return time.Duration(min(max(12e-6*normal(mix(d.salt, 32))*float64(since), -most), most))
}

// tells is which of two faults tells more about a message's fate.
func tells(a, b FaultClass) FaultClass {
	order := [...]FaultClass{"", WarmUp, Drift, Stuck, Spike, Calibration, Disorder, Duplicate, Storm, Outage, Clock, Garbage}
	for _, c := range order {
		if c == a {
			return b
		}
		if c == b {
			return a
		}
	}
	return a
}

// fill reads the instrument, as it was at the measured moment, and the device
// itself.
func (w *writer) fill(f *Fleet, d *Device, measured, now time.Time, flat time.Duration) {
	for i := range d.station.channels {
		c := &d.station.channels[i]
		w.up.values = append(w.up.values, value{spec: c.spec, number: d.read(c, measured, &w.flaws)})
	}
	n := len(d.Kind.Metrics) // what every device has stands behind the kind's own
	for i := n - 4; i < n; i++ {
		spec := &d.Kind.Metrics[i]
		var v float64
		var ok bool
		switch spec.Name {
		case telemetry.Battery:
			v, ok = f.voltage(d, now, flat)
		case telemetry.RSSI:
			v, ok = d.strength(now)
		}
		if ok {
			w.up.values = append(w.up.values, value{spec: spec, number: v})
		}
	}
}

// finish writes the payload and says what becomes of it.
func (w *writer) finish(e Emission, again bool, garbage *Fault, h uint64) Emission {
	d, t := w.up.device, &e.sound
	e.Topic, t.Fate = d.topic, Stored
	w.payload = w.payload[:0]
	switch {
	case d.format.name != Native:
		if d.format.address != nil {
			e.Topic = d.format.address(&w.up)
		}
		w.payload = d.format.append(w.payload, &w.up)
		if garbage != nil {
			w.payload = w.payload[:len(w.payload)*2/3]
		}
		t.Fate = Unsubscribed
	case garbage != nil:
		kind := garbageOf(garbage, h)
		w.payload, t.Fate, t.Reason = kind.spoil(w.payload, &w.up)
		if kind == UnknownKind {
			e.Topic = "kh/" + string(d.Locality) + "/" + string(d.Kind.Kind) + "s/" + string(d.ID)
		}
	default:
		w.payload = appendNative(w.payload, &w.up, nativeFlaw{})
		if again {
			t.Fate = Repeated
		}
	}
	e.Payload = w.payload
	if t.Fate == Stored || t.Fate == Partial {
		t.Points = w.expected(e.Stamp)
	}
	e.Truth = e.Received(e.Due, 0)
	return e
}

// expected are the points of the uplink.
func (w *writer) expected(at time.Time) []Point {
	u := &w.up
	kind := u.device.Kind.Kind
	at = time.UnixMilli(at.UnixMilli()).UTC()
	w.points = append(w.points[:0], Point{kind, telemetry.Sequence, at, float64(u.sequence)})
	for i := range u.values {
		if v := &u.values[i]; !v.lost {
			w.points = append(w.points, Point{kind, v.spec.Name, at, v.number})
		}
	}
	if u.quality != telemetry.Measuring {
		w.points = append(w.points, Point{kind, telemetry.QualityCode, at, float64(u.quality)})
	}
	return w.points
}
