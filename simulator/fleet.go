package simulator

import (
	"container/heap"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Device is one simulated device.
type Device struct {
	ID       telemetry.Device
	Locality telemetry.Locality
	Kind     *telemetry.KindSpec
	// Every is the time from one reading to the next.
	Every time.Duration

	// first is when the device first reports, counted from the plan's start;
	// second its next. After that it reports each Every.
	first, second time.Duration

	topic    string
	channels []channel
}

// Fleet is a city's devices. It has no clock and no network, never changes once
// made, and is safe for concurrent use.
type Fleet struct {
	devices []Device
}

// Planned is one message of a plan, not yet rendered.
type Planned struct {
	// Device is the index of the device in [Fleet.Devices].
	Device int
	// Sequence counts the device's messages from 1.
	Sequence uint64
	// Due is when it is to be sent, and its event time.
	Due time.Time
}

// NewFleet makes the devices that the options describe; of these it reads
// Localities, Devices, Seed, Speed, Every and Prefix. A device of a larger fleet
// is the same as that of a smaller one with the same number.
func NewFleet(o Options) (*Fleet, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	return newFleet(o), nil
}

// newFleet makes a fleet from options that have been checked.
func newFleet(o Options) *Fleet {
	var kinds []*telemetry.KindSpec
	all := telemetry.NewCatalogue().Kinds()
	for i := range all {
		if all[i].Kind != telemetry.Status { // told by the broker, not measured
			kinds = append(kinds, &all[i])
		}
	}
	f := &Fleet{devices: make([]Device, o.Devices)}
	spread := firstWithin(o.Devices)
	for i := range f.devices {
		// Both go round at once, and the second shifts whenever they are about
		// to meet in the same pairs again: so few devices as there are pairs
		// already cover every kind in every locality.
		k, l := len(kinds), len(o.Localities)
		kind := kinds[i%k]
		locality := o.Localities[(i+i/leastCommonMultiple(k, l))%l]
		f.devices[i] = newDevice(o, i, kind, locality, spread)
	}
	return f
}

// firstWithin is the time in which all devices report for the first time: at
// once for the eye, but no burst that a real city could not produce.
func firstWithin(devices int) time.Duration {
	return max(3*time.Second, time.Duration(devices)*time.Millisecond)
}

// newDevice makes the device of a number.
func newDevice(o Options, number int, kind *telemetry.KindSpec, locality telemetry.Locality, spread time.Duration) Device {
	every := o.Every
	if every == 0 {
		every = time.Duration(float64(kind.Cadence) / o.Speed)
	}
	own := mix(o.Seed, uint64(number))
	at := place{town: townSalt(o.Seed, locality), own: own, size: 0.6 + 0.8*unit(mix(own, 1001)), every: every}
	id := fmt.Sprintf("%s-%s-%s-%04d", o.Prefix, initials(locality), shortName(kind.Kind), number+1)
	first := time.Duration(unit(mix(own, 1002)) * float64(min(every, spread)))
	// The gap to the second reading is by chance, so that after the burst of
	// first readings the devices are spread evenly over their cadence.
	gap := every/10 + time.Duration(unit(mix(own, 1003))*float64(every))
	return Device{
		ID: telemetry.Device(id), Locality: locality, Kind: kind, Every: every,
		first: first.Truncate(time.Millisecond), second: (first + gap).Truncate(time.Millisecond),
		topic:    fmt.Sprintf("kh/%s/%s/%s", locality, kind.Kind, id),
		channels: inCatalogueOrder(kind, channels(kind.Kind, at)),
	}
}

// Devices lists the devices by number. The caller must not change them.
func (f *Fleet) Devices() []Device { return f.devices }

// due is when the device's n-th message is planned, counted from the start.
func (d *Device) due(n uint64) time.Duration {
	if n == 0 {
		return d.first
	}
	return d.second + time.Duration(n-1)*d.Every
}

// count is how many of the device's messages are due before the time.
func (d *Device) count(before time.Duration) uint64 {
	switch {
	case before <= d.first:
		return 0
	case before <= d.second:
		return 1
	}
	return 2 + uint64((before-d.second-1)/d.Every)
}

// Count is how many messages all devices together are to send from the start
// until just before the end.
func (f *Fleet) Count(start, end time.Time) uint64 {
	var n uint64
	for i := range f.devices {
		n += f.devices[i].count(end.Sub(start))
	}
	return n
}

// Plan yields the messages of some devices, or of all if none are named, in
// order of their time from start until just before end; a zero end is never.
// Plans of different devices together hold the same messages as one of all.
func (f *Fleet) Plan(start, end time.Time, devices ...int) *Plan {
	if len(devices) == 0 {
		devices = make([]int, len(f.devices))
		for i := range devices {
			devices[i] = i
		}
	}
	p := &Plan{fleet: f, start: start, end: end, heads: make([]head, 0, len(devices))}
	for _, d := range devices {
		p.heads = append(p.heads, head{device: d, due: f.devices[d].first})
	}
	heap.Init(&p.heads)
	return p
}

// Plan is a sequence of planned messages. It is not safe for concurrent use.
type Plan struct {
	fleet      *Fleet
	start, end time.Time
	heads      heads
}

// Peek is the next message; false if there is none.
func (p *Plan) Peek() (Planned, bool) {
	h := p.heads[0]
	due := p.start.Add(h.due)
	if !p.end.IsZero() && !due.Before(p.end) {
		return Planned{}, false
	}
	return Planned{Device: h.device, Sequence: h.sent + 1, Due: due}, true
}

// Next is Peek, and goes on to the message after it.
func (p *Plan) Next() (Planned, bool) {
	m, ok := p.Peek()
	if ok {
		h := &p.heads[0]
		h.sent++
		h.due = p.fleet.devices[h.device].due(h.sent)
		heap.Fix(&p.heads, 0)
	}
	return m, ok
}

// remaining is how many messages the plan still has that are due by the time.
func (p *Plan) remaining(by time.Time) uint64 {
	before := by.Add(1)
	if !p.end.IsZero() && p.end.Before(before) {
		before = p.end
	}
	var n uint64
	for _, h := range p.heads {
		if due := p.fleet.devices[h.device].count(before.Sub(p.start)); due > h.sent {
			n += due - h.sent
		}
	}
	return n
}

// head is a device's next message within a plan.
type head struct {
	device int
	sent   uint64
	due    time.Duration
}

// heads is a heap by time, then by device.
type heads []head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	return h[i].due < h[j].due || h[i].due == h[j].due && h[i].device < h[j].device
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// townSalt is the locality's share of the seed.
func townSalt(seed uint64, locality telemetry.Locality) uint64 {
	h := seed
	for _, c := range []byte(locality) {
		h = mix(h, uint64(c))
	}
	return h
}

// initials shortens a locality for an id: nha-trang is nt. They need not be
// unique, for the number is.
func initials(locality telemetry.Locality) string {
	var s strings.Builder
	for _, word := range strings.FieldsFunc(string(locality), func(r rune) bool { return strings.ContainsRune("-_.:", r) }) {
		if s.Len() < 8 { // an id has only so many characters
			s.WriteByte(word[0])
		}
	}
	if s.Len() == 0 {
		return "x"
	}
	return s.String()
}

// shortName shortens a kind for an id.
func shortName(k telemetry.Kind) string {
	switch k {
	case telemetry.AirQuality:
		return "air"
	case telemetry.WaterLevel:
		return "level"
	case telemetry.WaterQuality:
		return "water"
	case telemetry.StreetLight:
		return "light"
	}
	return string(k)
}

// leastCommonMultiple of two positive numbers.
func leastCommonMultiple(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}
