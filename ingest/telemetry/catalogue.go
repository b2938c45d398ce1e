package telemetry

import (
	"fmt"
	"math"
	"time"
)

// Kind names what is measured at a site; it is the measurement's name in the
// store and the third part of a native topic.
type Kind string

// The kinds of the catalogue. Status is not measured but told by the broker: a
// device's state, from its MQTT will.
const (
	AirQuality   Kind = "air_quality"
	Weather      Kind = "weather"
	WaterLevel   Kind = "water_level"
	Traffic      Kind = "traffic"
	Noise        Kind = "noise"
	WaterQuality Kind = "water_quality"
	StreetLight  Kind = "street_light"
	Energy       Kind = "energy"
	Waste        Kind = "waste"
	Parking      Kind = "parking"
	Status       Kind = "status"
)

// Metric names one measured quantity of a kind, as payloads and stores spell it.
type Metric string

// Form says what a metric's successive numbers mean, and so how they may be
// brought together over time.
type Form uint8

const (
	// Gauge is a state at a moment: average it, or take the last.
	Gauge Form = iota
	// Amount is what came together since the reading before: add it up.
	Amount
	// Counter only grows, but for resets: take its increase.
	Counter
	// Flag is 0 or 1: take the last or the largest.
	Flag
)

// MetricSpec is a metric of a kind as the catalogue describes it.
type MetricSpec struct {
	Name Metric
	// Unit as people write it: SI, or what is customary in the field. "" is a
	// plain number.
	Unit string
	// Min and Max bound the physically possible, inclusive; a number outside is
	// a fault of the instrument or of its units.
	Min, Max float64
	// Growth says that Max is an [Amount]'s of a day, and with which power of the time
	// it grows; 0 is not with it.
	Growth float64
	Form   Form
	// NameVI and NameEN are what people read.
	NameVI, NameEN string
	// Index is the metric's place in its kind's Metrics.
	Index int
}

// KindSpec is a kind as the catalogue describes it.
type KindSpec struct {
	Kind           Kind
	NameVI, NameEN string
	// Cadence is how often a device of this kind usually reports.
	Cadence time.Duration
	// Computed says that Hải Đăng computes it itself: no device may publish it.
	Computed bool
	// Metrics holds the kind's own metrics first, then, unless it is computed,
	// those every device knows.
	Metrics []MetricSpec

	byName map[string]*MetricSpec
}

// Metric finds a metric by its name; nil if the kind has none of that name. It
// takes bytes so that a decoder need not allocate a string for each key.
func (k *KindSpec) Metric(name []byte) *MetricSpec { return k.byName[string(name)] }

// Names are the names of the kind's metrics, in their order.
func (k *KindSpec) Names() []Metric {
	out := make([]Metric, len(k.Metrics))
	for i := range k.Metrics {
		out[i] = k.Metrics[i].Name
	}
	return out
}

// Catalogue is every kind with its metrics. It never changes once made.
type Catalogue struct {
	kinds, computed []KindSpec
	byName          map[Kind]*KindSpec
}

// NewCatalogue makes the catalogue from the tables of this package.
func NewCatalogue() *Catalogue {
	c := &Catalogue{kinds: kinds(), computed: computedKinds(), byName: map[Kind]*KindSpec{}}
	for i := range c.kinds {
		c.kinds[i].Metrics = append(c.kinds[i].Metrics, deviceMetrics()...)
		c.add(&c.kinds[i])
	}
	for i := range c.computed {
		c.computed[i].Computed = true
		c.add(&c.computed[i])
	}
	return c
}

// add makes the kind and its metrics findable by name.
func (c *Catalogue) add(k *KindSpec) {
	k.byName = make(map[string]*MetricSpec, len(k.Metrics))
	for j := range k.Metrics {
		m := &k.Metrics[j]
		m.Index = j
		k.byName[string(m.Name)] = m
	}
	c.byName[k.Kind] = k
}

// Kinds lists the kinds that devices report, in their order of presentation. The
// caller must not change them.
func (c *Catalogue) Kinds() []KindSpec { return c.kinds }

// Computed lists the kinds that Hải Đăng computes itself. The caller must not
// change them.
func (c *Catalogue) Computed() []KindSpec { return c.computed }

// Kind finds a kind, computed ones too; nil if there is none of that name.
func (c *Catalogue) Kind(k Kind) *KindSpec { return c.byName[k] }

// Check says why a number cannot be this metric's: not finite, or outside the
// range. ok is true where it can.
func (m *MetricSpec) Check(v float64) (p Problem, ok bool) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Problem{Field: string(m.Name), Reason: NotFinite, Detail: "the value is not a finite number"}, false
	}
	if v < m.Min || v > m.Max {
		return Problem{Field: string(m.Name), Reason: OutOfRange,
			Detail: fmt.Sprintf("%v is outside %v to %v %s", v, m.Min, m.Max, m.Unit)}, false
	}
	return Problem{}, true
}

// CheckIn is Check for a reading that tells of a time; 0 is not known and taken for a
// day. Five minutes' rain of 1,000 mm cannot be, a day's can.
func (m *MetricSpec) CheckIn(v float64, every time.Duration) (p Problem, ok bool) {
	if p, ok := m.Check(v); !ok || m.Growth == 0 || every <= 0 || every >= day {
		return p, ok
	}
	most := m.Max * math.Pow(every.Hours()/24, m.Growth)
	if v <= most {
		return Problem{}, true
	}
	return Problem{Field: string(m.Name), Reason: OutOfRange,
		Detail: fmt.Sprintf("%v %s in %v, which is how often the device reports; more than %.0f cannot be: if it is the sum of a longer time, set the device's cadence", v, m.Unit, every, most)}, false
}

const day = 24 * time.Hour
