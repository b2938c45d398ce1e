package simulator

import (
	"cmp"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// FaultClass names what can be wrong with a device or with what it sends.
type FaultClass string

// The classes. The last three need no [Fault]: radio loss follows from a LoRa
// device's signal strength, warm-up from switching on, and a flat battery also
// from dark days.
const (
	// Stuck repeats the values of the first reading in the window.
	Stuck FaultClass = "stuck"
	// Drift moves the values away, by Fault.Size of themselves a day.
	Drift FaultClass = "drift"
	// Spike multiplies the values by Fault.Size; they stay within the catalogue's range.
	Spike FaultClass = "spike"
	// Dropout loses what is measured; the sequence numbers show the gap.
	Dropout FaultClass = "dropout"
	// FlatBattery is a voltage that sags for half a day, silence, and a new start.
	FlatBattery FaultClass = "flat_battery"
	// Calibration flags the readings as calibrating.
	Calibration FaultClass = "calibration"
	// Duplicate sends a message twice.
	Duplicate FaultClass = "duplicate"
	// Disorder sends a message after the next.
	Disorder FaultClass = "disorder"
	// Garbage sends payloads that cannot be stored, or not whole.
	Garbage FaultClass = "garbage"
	// Outage is a gateway that is away: devices keep what they measure and send
	// it afterwards in a burst, or, with Fault.Lose, do not.
	Outage FaultClass = "outage"
	// Storm takes devices offline one after another, and lets them come back one
	// after another: those on the mains are without power, the others keep what
	// they measure.
	Storm FaultClass = "storm"
	// Clock is a device's clock that is wrong by Fault.Offset, and by another
	// Fault.Size seconds each hour.
	Clock FaultClass = "clock"
	// Reboot starts the sequence numbers and the warm-up again.
	Reboot FaultClass = "reboot"

	// RadioLoss is an uplink that no LoRaWAN gateway heard, or one of the scenario's
	// own share of losses.
	RadioLoss FaultClass = "radio_loss"
	// WarmUp is a sensor that has just been switched on.
	WarmUp FaultClass = "warm_up"
)

// FaultClasses lists the classes that a [Fault] may have.
func FaultClasses() []FaultClass {
	return []FaultClass{Stuck, Drift, Spike, Dropout, FlatBattery, Calibration, Duplicate, Disorder, Garbage, Outage, Storm, Clock, Reboot}
}

// Fault is what goes wrong, when, and with whom. It has either a time (From, To)
// or a Rate.
type Fault struct {
	Class    FaultClass
	From, To time.Time
	// Rate is how often it befalls a device in a day, each time for about Lasts:
	// from half to one and a half of it, and at least for one reading.
	Rate  float64
	Lasts time.Duration
	Who   Selector

	// Metrics that Stuck, Drift and Spike concern; none is all.
	Metrics []telemetry.Metric
	// Size is what Drift, Spike and Clock say it is.
	Size float64
	// Offset is Clock's.
	Offset time.Duration
	// Garbage are the kinds of payload that Garbage sends in turn; none is all.
	Garbage []GarbageKind
	// Lose has an Outage lose what it would send late. Keep is how many readings
	// a device has room for.
	Lose bool
	Keep int
}

// Selector chooses devices: those for which every list that is not empty has
// them, and of these a share.
type Selector struct {
	Localities []telemetry.Locality
	Wards      []string
	Places     []telemetry.Site
	Kinds      []telemetry.Kind
	Devices    []telemetry.Device
	// Share is the part of them that is meant, always the same devices; 0 is all.
	Share float64
}

// has reports whether a device is meant; salt decides who belongs to the share.
func (s *Selector) has(d *Device, salt uint64) bool {
	return in(s.Localities, d.Locality) && in(s.Wards, d.place.Ward) && in(s.Places, d.place.Site) &&
		in(s.Kinds, d.Kind.Kind) && in(s.Devices, d.ID) && (s.Share == 0 || unit(mix(d.salt, salt)) < s.Share)
}

func in[T comparable](list []T, x T) bool { return len(list) == 0 || slices.Contains(list, x) }

// window is a fault of a device, from a time to a time after the scenario's
// start. Half open.
type window struct {
	from, to time.Duration
	fault    *Fault
}

func (w *window) holds(at time.Duration) bool { return w.from <= at && at < w.to }

// buffers reports whether the device keeps in this window what it measures.
func (w *window) buffers(d *Device) bool {
	return w.fault.Class == Outage && !w.fault.Lose || w.fault.Class == Storm && d.Power != Mains
}

// silences reports whether nothing measured in this window is ever sent.
func (w *window) silences(d *Device) bool {
	switch w.fault.Class {
	case Dropout, FlatBattery, Reboot:
		return true
	case Outage:
		return w.fault.Lose
	case Storm:
		return d.Power == Mains
	}
	return false
}

// restarts reports whether the device starts anew when the window ends.
func (w *window) restarts(d *Device) bool {
	switch w.fault.Class {
	case FlatBattery, Reboot:
		return true
	case Storm:
		return d.Power == Mains
	}
	return false
}

// windowsOf are a device's faults in the course of the scenario, in order.
func (f *Fleet) windowsOf(d *Device, faults []Fault, dark []window) []window {
	ws := slices.Clone(dark)
	for i := range faults {
		fault := &faults[i]
		if !fault.Who.has(d, mix(f.seed, uint64(5000+i))) {
			continue
		}
		if fault.Rate > 0 {
			ws = f.byRate(ws, d, fault, uint64(6000+i))
			continue
		}
		w := window{from: fault.From.Sub(f.start), to: fault.To.Sub(f.start), fault: fault}
		if fault.Class == Storm { // it comes and goes over the ward
			fifth := float64(w.to-w.from) / 5
			w.from += time.Duration(fifth * unit(mix(d.salt, 71))).Truncate(time.Second)
			w.to -= time.Duration(fifth * unit(mix(d.salt, 72))).Truncate(time.Second)
		}
		ws = append(ws, w)
	}
	slices.SortStableFunc(ws, func(a, b window) int { return cmp.Compare(a.from, b.from) })
	return slices.Clip(ws)
}

const day = 24 * time.Hour

// byRate adds the windows of a fault that comes by chance: a day is cut into
// slots, and each may have one.
func (f *Fleet) byRate(ws []window, d *Device, fault *Fault, salt uint64) []window {
	slots := max(1, int(fault.Rate+0.999999))
	length := day / time.Duration(slots)
	chance := fault.Rate / float64(slots)
	n := 0
	for at := time.Duration(0); at < f.end.Sub(f.start); at += length {
		h := mix(mix(d.salt, salt), uint64(n))
		n++
		if unit(h) >= chance {
			continue
		}
		lasts := time.Duration((0.5 + unit(mix(h, 1))) * float64(fault.Lasts))
		if fault.Class != Reboot { // it is to befall a reading
			lasts = max(lasts, d.Every)
		}
		from := at + time.Duration(unit(mix(h, 2))*float64(length)).Truncate(time.Millisecond)
		ws = append(ws, window{from: from, to: from + lasts.Truncate(time.Millisecond), fault: fault})
	}
	return ws
}
