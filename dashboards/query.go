package dashboards

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Stat says how the readings of one series within a step are brought together.
type Stat uint8

// The statistics. Usual is what the metric's form asks for: the mean of a gauge,
// the sum of an amount, the increase of a counter, the last of a flag.
const (
	Usual Stat = iota
	Mean
	Min
	Max
	Last
	Sum
	Increase
	// Rise is how fast readings rise, per hour, over the last hours that hold two.
	Rise
	// Age is how long before the end of the range the newest reading is, in seconds.
	// InfluxQL cannot tell.
	Age
)

// Across says how the series of one group are brought together.
type Across uint8

// How series are brought together.
const (
	Average Across = iota
	Total
	Largest
	Smallest
	// Median is for what has no mean, such as percentiles: the typical one.
	Median
	// Number counts the series, see [Query.AtLeast].
	Number
)

// Group says of what there is one series each.
type Group uint8

// The groups.
const (
	Together Group = iota // one for all
	ByLocality
	BySite
	ByDevice // and site
	ByRule   // of alarms, wherever they are
)

// Shape says what a query gives.
type Shape uint8

const (
	// Series is a value for each step of the panel's range. Unless Window says
	// otherwise, a value is of its step.
	Series Shape = iota
	// Now is one value at the end of the panel's range, of the window before it.
	Now
	// Buckets is a value for each hour, day, … of the panel's range: Window long, by
	// the clock of Vietnam, and drawn at its beginning.
	Buckets
)

// Query is what a panel asks of the store.
type Query struct {
	Kind   telemetry.Kind
	Metric telemetry.Metric
	Stat   Stat
	Across Across
	By     Group
	Shape  Shape
	// Window is how long a time a value is of. Of Series it may be zero: the step.
	Window time.Duration
	// Reach is how far back a value may be that stands for now where the window holds
	// none; it follows from the cadences of the query's sites.
	Reach time.Duration
	// Sites are the only ones asked for; none is all that the board's variables let
	// through. Except leaves some out.
	Sites, Except []telemetry.Site
	// Variables narrow the query besides; see [Variable.Filter]. The board's apply
	// where this is nil.
	Variables []Variable
	// Per is the metric of the same kind that this one is divided by, both brought
	// together first.
	Per telemetry.Metric
	// Times is a factor, such as 100 for percent; 0 is 1.
	Times float64
	// AtLeast and AtMost leave out the series of other values before they are
	// brought together.
	AtLeast, AtMost *float64
	// Unit is the answer's where it is not the metric's: because of Per, Times,
	// Number or a rise in time. See [Query.unit].
	Unit *Unit
	// Name is what the answer is called; without it the metric's name, or that of
	// each locality, site or device.
	Name Text
	// Hourly reads what is kept of hours instead of readings. Panels of long ranges
	// set it.
	Hourly bool
}

// spec is the metric as the catalogue describes it.
func (q Query) spec(c *telemetry.Catalogue) (*telemetry.KindSpec, *telemetry.MetricSpec) {
	k := c.Kind(q.Kind)
	if k == nil {
		return nil, nil
	}
	return k, k.Metric([]byte(q.Metric))
}

// stat is the statistic that Usual stands for.
func (q Query) stat(m *telemetry.MetricSpec) Stat {
	if q.Stat != Usual {
		return q.Stat
	}
	switch m.Form {
	case telemetry.Amount:
		return Sum
	case telemetry.Counter:
		return Increase
	case telemetry.Flag:
		return Last
	default:
		return Mean
	}
}

// judged reports whether readings of a kind can be marked by their instrument as
// taken while calibrated or in error. What Hải Đăng computes is not.
func judged(k *telemetry.KindSpec) bool { return !k.Computed && k.Kind != telemetry.Status }

// title is the metric's name.
func (q Query) title(c *telemetry.Catalogue) Text {
	if !q.Name.IsZero() {
		return q.Name
	}
	_, m := q.spec(c)
	if m == nil {
		return same(string(q.Metric))
	}
	return Text{m.NameVI, m.NameEN}
}
