package simulator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

// Scenario is a city, a fleet and what befalls both, over a time. The same
// scenario gives the same feed, byte for byte.
type Scenario struct {
	Name string
	// TitleVI and TitleEN say in a sentence what happens.
	TitleVI, TitleEN string
	Seed             uint64
	// Start and End are the time line.
	Start, End time.Time
	Events     []city.Event
	Fleet      []Group
	Faults     []Fault
	// Loss is the share of the messages, drawn one by one, that never arrive, besides
	// what a radio loses.
	Loss float64
}

// Variation is how a scenario is played otherwise than it is written, to try what a
// pipeline and its rules make of slower devices and worse links. The zero is as written.
type Variation struct {
	// Cadence is how many times as long it takes between a device's readings; 0 is 1.
	Cadence int
	// Loss is the share of messages that never arrive.
	Loss float64
}

// Varied is the scenario so played: as deterministic as the one it was.
func (s Scenario) Varied(v Variation) Scenario {
	if v.Cadence > 1 {
		s.fill()
		for i := range s.Fleet {
			s.Fleet[i].Every *= time.Duration(v.Cadence)
		}
	}
	if v.Loss > 0 {
		s.Loss = v.Loss
	}
	return s
}

// Group is a part of a fleet: devices of one kind and make.
type Group struct {
	Kind telemetry.Kind
	// Localities and Places are where they stand; both empty is everywhere. A
	// place that is not named must be one where the kind is sensibly measured.
	Localities []telemetry.Locality
	Places     []telemetry.Site
	// Count is how many there are in all, spread evenly over the places; 0 is one
	// at each.
	Count int
	// Every is the time between readings; 0 is the kind's usual.
	Every time.Duration
	// Jitter is by how much at most a message is sent later than measured; 0 is a
	// twentieth of Every, and at most 2 s.
	Jitter time.Duration
	Format FormatName
	Power  Power
	Radio  Radio
}

// Limits of a scenario.
const (
	maxPeriod  = 400 * day
	minCadence = time.Second
	maxCadence = day
	maxRate    = 500
	maxLoss    = 0.9
	// maxWindows bounds the memory of the faults that come by chance.
	maxWindows = 3_000_000
	// clockNear and clockFar: between them, what becomes of a clock that is ahead
	// would depend on how fast the pipeline is, for it takes 10 minutes.
	clockNear, clockFar = 9 * time.Minute, 15 * time.Minute
	maxClock            = 20 * 365 * day
)

// fill sets what a scenario left out.
func (s *Scenario) fill() {
	cat := telemetry.NewCatalogue()
	s.Fleet = slices.Clone(s.Fleet)
	for i := range s.Fleet {
		g := &s.Fleet[i]
		if k := cat.Kind(g.Kind); g.Every == 0 && k != nil {
			g.Every = k.Cadence
		}
		if g.Jitter == 0 {
			g.Jitter = min(g.Every/20, 2*time.Second)
		}
		if g.Format == "" {
			g.Format = Native
		}
		if g.Radio == "" {
			g.Radio = usualRadio(g.Kind)
		}
		if g.Power == "" {
			g.Power = usualPower(g.Kind)
		}
	}
	s.Faults = slices.Clone(s.Faults)
	for i := range s.Faults {
		f := &s.Faults[i]
		switch {
		case f.Class == Drift && f.Size == 0:
			f.Size = 0.5
		case f.Class == Spike && f.Size == 0:
			f.Size = 8
		}
		if f.Keep == 0 {
			f.Keep = 1000
		}
		if f.Lasts == 0 {
			f.Lasts = usualLength(f.Class)
		}
	}
}

// usualLength is how long a fault that comes by chance lasts.
func usualLength(c FaultClass) time.Duration {
	switch c {
	case Reboot:
		return 30 * time.Second
	case Calibration, Clock, Dropout, Outage, Storm:
		return time.Hour
	case Stuck, Drift, FlatBattery:
		return 6 * time.Hour
	}
	return 0 // one reading
}

func usualPower(k telemetry.Kind) Power {
	switch k {
	case telemetry.Traffic, telemetry.StreetLight, telemetry.Energy, telemetry.Parking, telemetry.Noise:
		return Mains
	case telemetry.Waste:
		return Cell
	}
	return Solar
}

func usualRadio(k telemetry.Kind) Radio {
	switch k {
	case telemetry.Traffic, telemetry.Energy:
		return Wired
	case telemetry.Noise, telemetry.Parking:
		return WiFi
	case telemetry.Waste, telemetry.StreetLight:
		return LoRa
	}
	return NBIoT
}

// Issue is what is wrong with a part of a scenario.
type Issue struct {
	// Path leads to it: "fleet[2].every".
	Path string
	Err  error
}

func (i Issue) Error() string { return i.Path + ": " + i.Err.Error() }
func (i Issue) Unwrap() error { return i.Err }

// Check says all that is wrong with a scenario; each error it joins is an [Issue].
func (s Scenario) Check() error {
	s.fill()
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, Issue{Path: path, Err: fmt.Errorf(format, args...)})
	}
	if err := telemetry.CheckID(s.Name); err != nil {
		bad("name", "%q cannot be a name: %w", s.Name, err)
	}
	switch length := s.End.Sub(s.Start); {
	case s.Start.IsZero():
		bad("period.start", "it is missing: give a time such as 2025-11-15 00:00")
	case length <= 0:
		bad("period", "it ends at %s, not after its start %s", s.End.Format(time.DateTime), s.Start.Format(time.DateTime))
	case length > maxPeriod:
		bad("period", "it has %.0f days; %.0f is the limit", length.Hours()/24, maxPeriod.Hours()/24)
	}
	for i, e := range s.Events {
		if err := e.Validate(); err != nil {
			bad(fmt.Sprintf("events[%d]", i), "%w", err)
		}
	}
	if !(s.Loss >= 0 && s.Loss <= maxLoss) {
		bad("loss", "%v is not from 0 to %v, a share of the messages", s.Loss, maxLoss)
	}
	if len(s.Fleet) == 0 {
		bad("fleet", "there are no devices: list at least one group, such as {kind: air_quality, places: all}")
	}
	for i := range s.Fleet {
		s.Fleet[i].check(fmt.Sprintf("fleet[%d]", i), bad)
	}
	for i := range s.Faults {
		s.Faults[i].check(&s, fmt.Sprintf("faults[%d]", i), bad)
	}
	if n := s.deviceCount(); n > maxDevices {
		bad("fleet", "it has %d devices; %d is the limit", n, maxDevices)
	}
	return errors.Join(errs...)
}

type complain func(path, format string, args ...any)

func (g *Group) check(path string, bad complain) {
	kind := telemetry.NewCatalogue().Kind(g.Kind)
	if kind == nil || kind.Computed || g.Kind == telemetry.Status {
		bad(path+".kind", "there is no kind %q; there are %s", g.Kind, list(measuredKinds()))
		return
	}
	for i, l := range g.Localities {
		checkLocality(fmt.Sprintf("%s.localities[%d]", path, i), l, bad)
	}
	for i, p := range g.Places {
		checkPlace(fmt.Sprintf("%s.places[%d]", path, i), p, bad)
	}
	if len(g.where()) == 0 {
		bad(path, "there is no place for %s in %s: name places", g.Kind, list(g.Localities))
	}
	if g.Count < 0 || g.Count > maxDevices {
		bad(path+".count", "%d is not from 1 to %d; leave it out for one device at each place", g.Count, maxDevices)
	}
	if g.Every < minCadence || g.Every > maxCadence {
		bad(path+".every", "%v is not from %v to %v", g.Every, minCadence, maxCadence)
	}
	if g.Jitter < 0 || g.Jitter > g.Every/4 {
		bad(path+".jitter", "%v is not from 0s to a quarter of the %v between readings", g.Jitter, g.Every)
	}
	if !slices.Contains(Powers(), g.Power) {
		bad(path+".power", "%q is none of %s", g.Power, list(Powers()))
	}
	if !slices.Contains(Radios(), g.Radio) {
		bad(path+".radio", "%q is none of %s", g.Radio, list(Radios()))
	}
	switch f := formats()[g.Format]; {
	case f == nil:
		bad(path+".format", "there is no format %q; there are %s", g.Format, list(FormatNames()))
	case !in(f.kinds, g.Kind):
		bad(path+".format", "%s has nothing for %s; it has %s", g.Format, g.Kind, list(f.kinds))
	}
}

func (f *Fault) check(s *Scenario, path string, bad complain) {
	if !slices.Contains(FaultClasses(), f.Class) {
		bad(path+".fault", "there is no fault %q; there are %s", f.Class, list(FaultClasses()))
		return
	}
	scheduled := !f.From.IsZero() || !f.To.IsZero()
	switch {
	case scheduled && f.Rate != 0:
		bad(path+".rate", "a fault has either from and to, or a rate, not both")
	case !scheduled && f.Rate == 0:
		bad(path, "it never happens: give from and to, or a rate per device and day")
	case scheduled && !f.To.After(f.From):
		bad(path+".to", "%s is not after its start %s", f.To.Format(time.DateTime), f.From.Format(time.DateTime))
	case scheduled && (f.From.Before(s.Start) || f.To.After(s.End)):
		bad(path+".from", "%s to %s is not within the period, %s to %s", f.From.Format(time.DateTime), f.To.Format(time.DateTime),
			s.Start.Format(time.DateTime), s.End.Format(time.DateTime))
	case !scheduled && !(f.Rate > 0 && f.Rate <= maxRate):
		bad(path+".rate", "%v times per device and day is not above 0 and up to %d", f.Rate, maxRate)
	case !scheduled && f.Rate*float64(s.deviceCount())*s.End.Sub(s.Start).Hours()/24 > maxWindows:
		bad(path+".rate", "%v times per device and day makes more than %d faults in this period: give less, or a smaller share", f.Rate, maxWindows)
	}
	if f.Lasts < 0 || f.Lasts > 30*day {
		bad(path+".lasts", "%v is not from 0s to 720h", f.Lasts)
	}
	f.Who.check(path, bad)
	cat := telemetry.NewCatalogue()
	for i, m := range f.Metrics {
		if !slices.ContainsFunc(cat.Kinds(), func(k telemetry.KindSpec) bool { return k.Metric([]byte(m)) != nil }) {
			bad(fmt.Sprintf("%s.metrics[%d]", path, i), "no kind has a metric %q", m)
		}
	}
	for i, g := range f.Garbage {
		if !slices.Contains(GarbageKinds(), g) {
			bad(fmt.Sprintf("%s.garbage[%d]", path, i), "there is no garbage %q; there is %s", g, list(GarbageKinds()))
		}
	}
	if f.Keep < 1 {
		bad(path+".keep", "%d is not a number of readings above 0", f.Keep)
	}
	if f.Class == Clock {
		f.checkClock(path, bad)
	} else if !(f.Size >= -100 && f.Size <= 1000) {
		bad(path+".size", "%v is not from -100 to 1000", f.Size)
	}
}

// checkClock sees to it that what becomes of the readings does not depend on how
// soon the pipeline gets to see them.
func (f *Fault) checkClock(path string, bad complain) {
	span := f.Lasts * 3 / 2
	if f.Rate == 0 {
		span = f.To.Sub(f.From)
	}
	last := f.Offset + time.Duration(f.Size*span.Hours()*float64(time.Second))
	switch {
	case f.Offset == 0 && f.Size == 0:
		bad(path+".offset", "a clock that is wrong needs an offset, or a size: the seconds by which it gains each hour")
	case min(f.Offset, last) < -maxClock || max(f.Offset, last) > maxClock:
		bad(path+".offset", "%v is more than 20 years", f.Offset)
	case max(f.Offset, last) > clockNear && min(f.Offset, last) < clockFar:
		bad(path+".offset", "the clock gets from %v to %v ahead: between %v and %v it is chance what the pipeline, which takes 10m, does with it; stay below or above",
			f.Offset, last, clockNear, clockFar)
	}
}

func (s *Selector) check(path string, bad complain) {
	for i, l := range s.Localities {
		checkLocality(fmt.Sprintf("%s.localities[%d]", path, i), l, bad)
	}
	for i, w := range s.Wards {
		if !slices.ContainsFunc(city.Places(), func(p city.Place) bool { return p.Ward == w }) {
			bad(fmt.Sprintf("%s.wards[%d]", path, i), "no place lies in a ward %q; wards have codes of five digits, such as 22366", w)
		}
	}
	for i, p := range s.Places {
		checkPlace(fmt.Sprintf("%s.places[%d]", path, i), p, bad)
	}
	for i, k := range s.Kinds {
		if !slices.Contains(measuredKinds(), k) {
			bad(fmt.Sprintf("%s.kinds[%d]", path, i), "there is no kind %q; there are %s", k, list(measuredKinds()))
		}
	}
	if !(s.Share >= 0 && s.Share <= 1) {
		bad(path+".share", "%v is not from 0 to 1", s.Share)
	}
}

func checkLocality(path string, l telemetry.Locality, bad complain) {
	if known := Localities(); !slices.Contains(known, l) {
		bad(path, "there is no locality %q; there are %s", l, list(known))
	}
}

func checkPlace(path string, site telemetry.Site, bad complain) {
	if !slices.ContainsFunc(city.Places(), func(p city.Place) bool { return p.Site == site }) {
		bad(path, "there is no place %q; the places are %s", site, list(placeNames()))
	}
}

// Localities are those that have places.
func Localities() []telemetry.Locality {
	var ls []telemetry.Locality
	for _, p := range city.Places() {
		if !slices.Contains(ls, p.Locality) {
			ls = append(ls, p.Locality)
		}
	}
	return ls
}

func placeNames() []telemetry.Site {
	var sites []telemetry.Site
	for _, p := range city.Places() {
		sites = append(sites, p.Site)
	}
	return sites
}

func measuredKinds() []telemetry.Kind {
	var kinds []telemetry.Kind
	for _, k := range telemetry.NewCatalogue().Kinds() {
		if k.Kind != telemetry.Status {
			kinds = append(kinds, k.Kind)
		}
	}
	return kinds
}

// where are the places of a group.
func (g *Group) where() []city.Place {
	var places []city.Place
	for _, p := range city.Places() {
		named := len(g.Places) > 0 && slices.Contains(g.Places, p.Site)
		suited := len(g.Places) == 0 && slices.Contains(p.Kinds, g.Kind)
		if (named || suited) && in(g.Localities, p.Locality) {
			places = append(places, p)
		}
	}
	return places
}

func (s *Scenario) deviceCount() int {
	n := 0
	for i := range s.Fleet {
		n += s.Fleet[i].size()
	}
	return n
}

// size is how many devices the group has.
func (g *Group) size() int {
	if g.Count > 0 {
		return g.Count
	}
	return len(g.where())
}

// Load is how many devices there are and how many messages they send in a second,
// on average and when nothing is wrong.
func (s Scenario) Load() (devices int, perSecond float64) {
	s.fill()
	for i := range s.Fleet {
		g := &s.Fleet[i]
		devices += g.size()
		if g.Every > 0 {
			perSecond += float64(g.size()) / g.Every.Seconds()
		}
	}
	return devices, perSecond
}

func list[T ~string](names []T) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += string(n)
	}
	return s
}
