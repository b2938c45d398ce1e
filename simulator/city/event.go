package city

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// EventKind names what out of the ordinary happens to a city.
type EventKind string

// The kinds of events, each with what its Strength means.
const (
	// Flood is the flood of November 2025 laid on From: rain, rivers and lagoons.
	// Strength 1 is as it was, 0.5 half as high above the usual level.
	Flood EventKind = "flood"
	// Typhoon makes landfall at the middle of its time. Strength is the wind's
	// Beaufort number at the centre, 8 to 17.
	Typhoon EventKind = "typhoon"
	// Depression is a tropical depression. Strength is its Beaufort number, 6 or 7.
	Depression EventKind = "depression"
	// RainSpell is heavy rain. Strength is mm in 24 hours.
	RainSpell EventKind = "rain"
	// Haze is smoke and stagnant air. Strength 1 brings the AQI above 150.
	Haze EventKind = "haze"
	// Heat is a heat wave. Strength is °C above normal, 1 to 8.
	Heat EventKind = "heat"
	// Holiday is a public holiday or festival in addition to the calendar's.
	// Strength 1 is like a long weekend, 3 like Tết.
	Holiday EventKind = "holiday"
)

// Event is something out of the ordinary, from a time to a time.
type Event struct {
	Kind     EventKind
	From, To time.Time
	Strength float64
	// Lat and Lon are where a typhoon or depression makes landfall; both 0 is
	// 12.24, 109.20: Nha Trang.
	Lat, Lon float64
	// Localities that it concerns; none is all. A flood concerns its rivers.
	Localities []telemetry.Locality
}

// EventKinds lists the kinds of events.
func EventKinds() []EventKind {
	return []EventKind{Flood, Typhoon, Depression, RainSpell, Haze, Heat, Holiday}
}

// Bounds are the least and the greatest Strength of a kind of event; ok is false
// for one that is not known.
func (k EventKind) Bounds() (least, greatest float64, ok bool) {
	switch k {
	case Flood:
		return 0.1, 1.2, true
	case Typhoon:
		return 8, 17, true
	case Depression:
		return 6, 7, true
	case RainSpell:
		return 1, 800, true
	case Haze:
		return 0.1, 3, true
	case Heat:
		return 0.5, 8, true
	case Holiday:
		return 0.1, 3, true
	}
	return 0, 0, false
}

// Validate says what is wrong with an event.
func (e Event) Validate() error {
	least, greatest, ok := e.Kind.Bounds()
	if !ok {
		return fmt.Errorf("event kind %q is not known; it is one of %v", e.Kind, EventKinds())
	}
	if !e.To.After(e.From) {
		return fmt.Errorf("event %s ends at %s, not after its start %s", e.Kind, e.To.Format(time.RFC3339), e.From.Format(time.RFC3339))
	}
	if !(e.Strength >= least && e.Strength <= greatest) {
		return fmt.Errorf("event %s has strength %v; it must be from %v to %v", e.Kind, e.Strength, least, greatest)
	}
	if e.Lat != 0 || e.Lon != 0 {
		if !(e.Lat >= 5 && e.Lat <= 25 && e.Lon >= 100 && e.Lon <= 120) {
			return fmt.Errorf("event %s is at %v, %v; latitude must be from 5 to 25 and longitude from 100 to 120", e.Kind, e.Lat, e.Lon)
		}
	}
	return nil
}
