package simulator

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

// Fleet is a city's devices. It has no clock and no network, never changes once
// made, and is safe for concurrent use.
//
// A fleet made of a [Scenario] has a time line of its own, from Start to End. One
// made of [Options] is live: its plans begin when they are asked for and need not
// end, its devices have no faults, and what they send was measured at the moment
// of sending.
type Fleet struct {
	devices []Device
	seed    uint64
	// start and end are the scenario's, both zero in a live fleet. shift is by how
	// much it is moved.
	start, end time.Time
	shift      time.Duration
	live       bool

	faults []Fault
	loss   float64
	places []city.Place
	skies  map[telemetry.Site]*sky
}

// spots is how many different spots the signals know around a place; further
// devices share them, each with its own instrument.
const spots = 16

// builder makes a fleet's devices.
type builder struct {
	fleet     *Fleet
	city      *city.City
	catalogue *telemetry.Catalogue
	stations  map[stationKey]*station
	numbers   map[siteKind]int
	formats   map[FormatName]*format
}

type siteKind struct {
	site telemetry.Site
	kind telemetry.Kind
}

type stationKey struct {
	siteKind
	every time.Duration
	spot  int
}

func newBuilder(f *Fleet, events []city.Event) *builder {
	b := &builder{fleet: f, city: city.New(f.seed, events...), catalogue: telemetry.NewCatalogue(),
		stations: map[stationKey]*station{}, numbers: map[siteKind]int{}, formats: formats()}
	f.places = city.Places()
	f.skies = make(map[telemetry.Site]*sky, len(f.places))
	for i := range f.places {
		f.skies[f.places[i].Site] = b.sky(&f.places[i])
	}
	return b
}

// sky is the weather that batteries at a place feel.
func (b *builder) sky(p *city.Place) *sky {
	s := new(sky)
	for _, c := range b.city.Channels(city.Station{Place: *p, Size: 1, Every: time.Hour}, telemetry.Weather) {
		switch c.Metric {
		case telemetry.SolarRadiation:
			s.radiation = c.Signal
		case telemetry.Temperature:
			s.temperature = c.Signal
		}
	}
	return s
}

// station is what a device of a kind finds at its spot of a place. The first of
// them is of ordinary size: a river's gauge shows the river's level.
func (b *builder) station(p *city.Place, kind *telemetry.KindSpec, every time.Duration, number int) *station {
	key := stationKey{siteKind{p.Site, kind.Kind}, every, (number - 1) % spots}
	if s := b.stations[key]; s != nil {
		return s
	}
	salt := mix(mixText(mixText(0, string(p.Site)), string(kind.Kind)), uint64(key.spot))
	size := 1.0
	if key.spot > 0 {
		size = 0.6 + 0.8*unit(mix(b.fleet.seed, salt))
	}
	s := &station{}
	for _, c := range b.city.Channels(city.Station{Place: *p, Salt: salt, Size: size, Every: every}, kind.Kind) {
		s.channels = append(s.channels, channel{spec: kind.Metric([]byte(c.Metric)), signal: c.Signal,
			scale: math.Pow10(c.Decimals), error: precisionOf(c.Metric)})
	}
	b.stations[key] = s
	return s
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

// newFleet makes a live fleet from options that have been checked.
func newFleet(o Options) *Fleet {
	f := &Fleet{devices: make([]Device, o.Devices), seed: o.Seed, live: true}
	b := newBuilder(f, nil)
	var kinds []*telemetry.KindSpec
	for i := range b.catalogue.Kinds() {
		if k := &b.catalogue.Kinds()[i]; k.Kind != telemetry.Status { // told by the broker, not measured
			kinds = append(kinds, k)
		}
	}
	spread := firstWithin(o.Devices)
	for i := range f.devices {
		// Both go round at once, and the second shifts whenever they are about
		// to meet in the same pairs again: so few devices as there are pairs
		// already cover every kind in every locality.
		k, l := len(kinds), len(o.Localities)
		locality := o.Localities[(i+i/leastCommonMultiple(k, l))%l]
		b.liveDevice(&f.devices[i], o, i, kinds[i%k], locality, spread)
	}
	return f
}

// firstWithin is the time in which all devices report for the first time: at
// once for the eye, but no burst that a real city could not produce.
func firstWithin(devices int) time.Duration {
	return max(3*time.Second, time.Duration(devices)*time.Millisecond)
}

// liveDevice makes the device of a number.
func (b *builder) liveDevice(d *Device, o Options, number int, kind *telemetry.KindSpec, locality telemetry.Locality, spread time.Duration) {
	every := o.Every
	if every == 0 {
		every = time.Duration(float64(kind.Cadence) / o.Speed)
	}
	own := mix(o.Seed, uint64(number))
	id := fmt.Sprintf("%s-%s-%s-%04d", o.Prefix, initials(locality), shortName(kind.Kind), number+1)
	first := time.Duration(unit(mix(own, 1002)) * float64(min(every, spread)))
	// The gap to the second reading is by chance, so that after the burst of
	// first readings the devices are spread evenly over their cadence.
	gap := every/10 + time.Duration(unit(mix(own, 1003))*float64(every))
	place := b.livePlace(locality, kind.Kind, own)
	*d = Device{
		ID: telemetry.Device(id), Locality: locality, Kind: kind, Every: every, Power: usualPower(kind.Kind), Radio: NBIoT,
		first: first.Truncate(time.Millisecond), second: (first + gap).Truncate(time.Millisecond),
		topic: fmt.Sprintf("kh/%s/%s/%s", locality, kind.Kind, id), format: b.formats[Native],
		place: place, Number: b.number(place, kind.Kind), salt: own,
	}
	d.station = b.station(place, kind, every, d.Number)
}

// livePlace is a place of the locality where the kind is measured. A locality
// that the city does not know borrows one.
func (b *builder) livePlace(l telemetry.Locality, k telemetry.Kind, h uint64) *city.Place {
	places := b.fleet.places
	var suited, home []*city.Place
	for i := range places {
		p := &places[i]
		if p.Locality == l {
			home = append(home, p)
		}
		if slices.Contains(p.Kinds, k) && p.Locality == l {
			suited = append(suited, p)
		}
	}
	if len(suited) == 0 {
		suited = home
	}
	if len(suited) == 0 {
		return &places[h%uint64(len(places))]
	}
	return suited[h%uint64(len(suited))]
}

func (b *builder) number(p *city.Place, k telemetry.Kind) int {
	key := siteKind{p.Site, k}
	b.numbers[key]++
	return b.numbers[key]
}

// NewScenarioFleet makes a scenario's devices. It fails if [Scenario.Check] does.
func NewScenarioFleet(s Scenario) (*Fleet, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("check scenario %s: %w", s.Name, err)
	}
	s.fill()
	f := &Fleet{devices: make([]Device, 0, s.deviceCount()), seed: s.Seed, start: s.Start, end: s.End, faults: s.Faults, loss: s.Loss}
	b := newBuilder(f, s.Events)
	for i := range s.Fleet {
		b.group(&s.Fleet[i])
	}
	dark := &Fault{Class: FlatBattery}
	for i := range f.devices {
		d := &f.devices[i]
		d.windows = f.windowsOf(d, f.faults, f.darkness(d, dark))
	}
	return f, nil
}

// group makes a group's devices.
func (b *builder) group(g *Group) {
	var places []*city.Place
	for _, p := range g.where() {
		for i := range b.fleet.places {
			if b.fleet.places[i].Site == p.Site {
				places = append(places, &b.fleet.places[i])
			}
		}
	}
	count := g.Count
	if count == 0 {
		count = len(places)
	}
	kind, form := b.catalogue.Kind(g.Kind), b.formats[g.Format]
	for i := range count {
		place := places[i%len(places)]
		n := b.number(place, g.Kind)
		id := fmt.Sprintf("%s-%s-%s-%d", initials(place.Locality), shortName(g.Kind), place.Site, n)
		own := mixText(b.fleet.seed, id)
		first := time.Duration(unit(mix(own, 1002)) * float64(g.Every)).Truncate(time.Millisecond)
		d := Device{
			ID: telemetry.Device(id), Locality: place.Locality, Kind: kind, Every: g.Every, Power: g.Power, Radio: g.Radio,
			first: first, second: first + g.Every, jitter: g.Jitter, format: form, place: place, Number: n, salt: own,
			station: b.station(place, kind, g.Every, n),
		}
		d.topic = form.topic(&d)
		b.fleet.devices = append(b.fleet.devices, d)
	}
}

// darkness are the times in which a solar device's battery is flat because days
// were dark: from two at night until the next morning's sun.
func (f *Fleet) darkness(d *Device, fault *Fault) (ws []window) {
	if d.Power != Solar {
		return nil
	}
	const local = 7 * time.Hour
	for at := f.start.Add(local).Truncate(day).Add(2*time.Hour - local); at.Before(f.end); at = at.Add(day) {
		if f.charge(d, at) < 0.05 {
			ws = append(ws, window{from: at.Sub(f.start), to: at.Sub(f.start) + 32*time.Hour, fault: fault})
		}
	}
	return ws
}

// Devices lists the devices by number. The caller must not change them.
func (f *Fleet) Devices() []Device { return f.devices }

// Start and End are the time line of a scenario's fleet, moved as [Fleet.At]
// says; a live fleet has none.
func (f *Fleet) Start() time.Time { return f.moved(f.start) }

// End is when the time line ends.
func (f *Fleet) End() time.Time { return f.moved(f.end) }

func (f *Fleet) moved(t time.Time) time.Time {
	if f.live {
		return time.Time{}
	}
	return t.Add(f.shift)
}

// At is the fleet with its whole time line moved, so that it starts at the given
// time: when messages are sent and the times in them move, what is measured does
// not. A live fleet stays as it is.
func (f *Fleet) At(start time.Time) *Fleet {
	if f.live {
		return f
	}
	moved := *f
	moved.shift = start.Sub(f.start).Truncate(time.Millisecond)
	return &moved
}

// leastCommonMultiple of two positive numbers.
func leastCommonMultiple(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}
