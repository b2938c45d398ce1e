// Package limits is the one table of thresholds: what boards colour, what alarms
// compare with, and what the simulator scores alarms against. Those that the law
// or practice sets for all places are in it ([General]); those of single sites are the
// registry's ([Own]), which begins with what is known of the area's gauges ([Seed]).
//
// # Concept
//
// A [Limit] is a dated row: laws change (2023, 2025, 2026), and a chart of last
// year is judged by last year's. Ask [At] for those in force at a moment.
//
// Not every number is law. Basis says what a row rests on, and whoever shows a
// row shows that too: a value that nobody has confirmed in the legal text is an
// operational threshold, however likely it is right.
package limits

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Basis is what a limit rests on.
type Basis uint8

const (
	// Law is confirmed in the text of the regulation or in an official feed.
	Law Basis = iota + 1
	// Secondary is a regulation's number taken from a secondary source.
	Secondary
	// Operational is chosen for operation: not confirmed by any source, or no
	// regulation at all. It must not be shown as law.
	Operational
)

// Statistic says what of the readings is compared.
type Statistic uint8

const (
	// Mean over the window.
	Mean Statistic = iota + 1
	// Sum over the window, of an amount.
	Sum
	// Last is the newest reading; [News] says how old it may be, not the window.
	Last
	// Rise is how fast the reading has risen within the window, per hour.
	Rise
)

// Area narrows a limit to places of a use; which site is of which use, the
// registry's tags say. Empty is every place.
type Area string

// The areas of the table.
const (
	// AreaSpecial: hospitals, schools, libraries, temples (QCVN 26).
	AreaSpecial Area = "special"
	// AreaOrdinary is where people live, work and trade (QCVN 26).
	AreaOrdinary Area = "ordinary"
	// AreaRiver is surface water (QCVN 08, class B).
	AreaRiver Area = "river"
	// AreaBathing is the sea at beaches, AreaAquaculture where fish, shrimp and
	// lobster are farmed (QCVN 10 and practice).
	AreaBathing     Area = "bathing"
	AreaAquaculture Area = "aquaculture"
)

// Severity is how much a crossing matters, as the flood service counts it.
type Severity uint8

// The severities: something to watch, to act upon, an emergency, beyond anything
// on record.
const (
	Watch Severity = iota + 1
	Warning
	Danger
	Extreme
)

// Limit is one threshold.
type Limit struct {
	// ID is stable and unique among limits in force at one time.
	ID     string
	Kind   telemetry.Kind
	Metric telemetry.Metric
	// Sites are the only ones it holds for; none means all, or all of Area.
	Sites []telemetry.Site
	// Device is the only one whose readings count at those sites; empty is all.
	Device telemetry.Device
	Area   Area
	// Statistic over Window is compared with Value, in the catalogue's unit.
	Statistic Statistic
	Window    time.Duration
	// Below is set where less is worse: oxygen, a falling pH.
	Below bool
	// Strict says that to equal Value is no breach, as a regulation has it that a
	// value must not be "over" or "under" the limit. A flood alarm level is not
	// strict: it is reached by the very value.
	Strict bool
	Value  float64
	// From and To are the local hours between which it holds, such as 21 and 6;
	// equal is all day.
	From, To int
	Severity Severity
	// Since and Until bound when it is in force; zero is open.
	Since, Until time.Time
	Basis        Basis
	// Reference names the regulation or the source, in Vietnamese; ReferenceEN says
	// the same in English.
	Reference, ReferenceEN string
	NameVI, NameEN         string
}

// Crossed reports whether a value is beyond the limit.
func (l Limit) Crossed(v float64) bool {
	switch {
	case v == l.Value:
		return !l.Strict
	case l.Below:
		return v < l.Value
	}
	return v > l.Value
}

// Sign is how a value beyond the limit compares with it: ≥, >, ≤ or <.
func (l Limit) Sign() string {
	switch {
	case l.Below && l.Strict:
		return "<"
	case l.Below:
		return "≤"
	case l.Strict:
		return ">"
	}
	return "≥"
}

// Holds reports whether the limit holds at the moment: in force, and at an hour
// of the day at which it counts.
func (l Limit) Holds(t time.Time) bool {
	if t.Before(l.Since) || !l.Until.IsZero() && !t.Before(l.Until) {
		return false
	}
	if l.From == l.To {
		return true
	}
	h := t.In(vietnam()).Hour()
	if l.From < l.To {
		return h >= l.From && h < l.To
	}
	return h >= l.From || h < l.To
}

// For reports whether the limit is about a site of the given use.
func (l Limit) For(site telemetry.Site, area Area) bool {
	if l.Area != "" && l.Area != area {
		return false
	}
	if len(l.Sites) == 0 {
		return true
	}
	for _, s := range l.Sites {
		if s == site {
			return true
		}
	}
	return false
}

// At lists the limits of the table in force at a moment, of whatever hour.
func At(t time.Time) []Limit { return InForce(All(), t) }

// InForce picks the limits of a table in force at a moment, of whatever hour.
func InForce(table []Limit, t time.Time) []Limit {
	var out []Limit
	for _, l := range table {
		if !t.Before(l.Since) && (l.Until.IsZero() || t.Before(l.Until)) {
			out = append(out, l)
		}
	}
	return out
}

// News is how old a kind's newest reading may be for an alarm to be raised of it: what
// a late reading tells is told while one can still act upon it. A device that reports
// less than twice in that time has two of its cadences. It is operational: no
// regulation names it.
func News(k telemetry.Kind) time.Duration {
	switch k {
	case telemetry.WaterLevel:
		return 6 * hour
	case telemetry.AirQuality, telemetry.WaterQuality:
		return 3 * hour
	case telemetry.AirQualityIndex:
		return 2 * hour
	}
	return hour
}

// vietnam is Asia/Ho_Chi_Minh, without summer time since 1975.
func vietnam() *time.Location { return time.FixedZone("Asia/Ho_Chi_Minh", 7*60*60) }

// since is a day in Vietnam.
func since(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, vietnam())
}
