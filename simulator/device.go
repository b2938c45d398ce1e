package simulator

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

// Device is one simulated device.
type Device struct {
	ID       telemetry.Device
	Locality telemetry.Locality
	Kind     *telemetry.KindSpec
	// Every is the time from one reading to the next.
	Every time.Duration
	// Power and Radio are what it lives on and how it is heard.
	Power Power
	Radio Radio
	// Number tells devices of one kind at one place apart, from 1.
	Number int

	// first is when the device first measures, counted from the plan's start;
	// second its next. After that it measures each Every.
	first, second time.Duration
	// jitter is by how much at most it sends later than it measures.
	jitter time.Duration

	topic   string
	format  *format
	place   *city.Place
	station *station
	salt    uint64
	// windows are its faults, in order of their start.
	windows []window
}

// Site is where the device stands: the place, or for more than one device of a
// kind there, <place>-<number>.
func (d *Device) Site() telemetry.Site {
	if d.Number == 1 {
		return d.place.Site
	}
	return telemetry.Site(fmt.Sprintf("%s-%d", d.place.Site, d.Number))
}

// SiteName is what people call the site.
func (d *Device) SiteName() string {
	if d.Number == 1 {
		return d.place.Name
	}
	return fmt.Sprintf("%s %d", d.place.Name, d.Number)
}

// Place is the place at or around which the device stands.
func (d *Device) Place() city.Place { return *d.place }

// Position is where the site is. Sites around a place lie within 400 m of it.
func (d *Device) Position() (lat, lon float64) {
	if d.Number == 1 {
		return d.place.Lat, d.place.Lon
	}
	const metre = 1 / 111_195.0 // of latitude, in degrees
	h := mix(mixText(0, string(d.place.Site)), uint64(d.Number))
	angle, far := 2*math.Pi*unit(h), 60+340*unit(mix(h, 1))
	fine := func(v float64) float64 { return math.Round(v*1e5) / 1e5 }
	return fine(d.place.Lat + far*metre*math.Sin(angle)), fine(d.place.Lon + far*metre*math.Cos(angle)/math.Cos(d.place.Lat*math.Pi/180))
}

// Format is how its payloads are written.
func (d *Device) Format() FormatName { return d.format.name }

// Topic is where its readings go; without a fault, all of them.
func (d *Device) Topic() string { return d.topic }

// Faults are the classes of what befalls it in the scenario, in order of name.
// Radio loss and warm-up, which may befall it too, are not among them.
func (d *Device) Faults() []FaultClass {
	var classes []FaultClass
	for i := range d.windows {
		if c := d.windows[i].fault.Class; !slices.Contains(classes, c) {
			classes = append(classes, c)
		}
	}
	slices.Sort(classes)
	return classes
}

// due is when the device takes its n-th reading, from 0, counted from the start.
func (d *Device) due(n uint64) time.Duration {
	if n == 0 {
		return d.first
	}
	return d.second + time.Duration(n-1)*d.Every
}

// count is how many readings the device takes before the time.
func (d *Device) count(before time.Duration) uint64 {
	switch {
	case before <= d.first:
		return 0
	case before <= d.second:
		return 1
	}
	return 2 + uint64((before-d.second-1)/d.Every)
}

// statusTopic is where a device's state is told.
func (d *Device) statusTopic() string {
	return "kh/" + string(d.Locality) + "/" + string(telemetry.Status) + "/" + string(d.ID)
}

// initials shortens a locality for an id: nha-trang is nt. They need not be
// unique, for the number or the place is.
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
