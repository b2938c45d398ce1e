package simulator

import (
	"math"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// value is one number of an uplink, rounded to the instrument's resolution.
type value struct {
	spec   *telemetry.MetricSpec
	number float64
	// lost says that the pipeline will not store it.
	lost bool
}

// uplink is a reading on its way into a payload.
type uplink struct {
	device *Device
	// stamp is when the device's clock says it measured, sent when it sends.
	stamp, sent time.Time
	// sequence counts from 1 at each start of the device.
	sequence uint64
	// values are the kind's own, in the catalogue's order, then bat and rssi.
	values []value
	// quality, unless it is Measuring, is told.
	quality telemetry.Quality
}

// get is a metric's value.
func (u *uplink) get(m telemetry.Metric) (float64, bool) {
	for i := range u.values {
		if u.values[i].spec.Name == m {
			return u.values[i].number, true
		}
	}
	return 0, false
}

// own are the values of the kind's own metrics.
func (u *uplink) own() []value {
	n := 0
	for n < len(u.values) && u.values[n].spec.Name != telemetry.Battery && u.values[n].spec.Name != telemetry.RSSI {
		n++
	}
	return u.values[:n]
}

// round brings a number to a resolution of 1/scale. Adding 0 turns a -0 that
// rounding left into 0.
func round(v, scale float64) float64 { return math.Round(v*scale)/scale + 0 }

func appendNumber(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'f', -1, 64) }

// nativeFlaw is what is wrong with a native payload on purpose; the zero value is
// nothing.
type nativeFlaw struct {
	at        *value // whose
	text      string // written for its value
	key       string // written for its key
	quoted    bool   // its value is a string
	twice     bool   // it comes twice
	allQuoted bool   // all values are strings, the sequence number too
	seconds   bool   // the time is in seconds
}

// appendNative appends an uplink in the native format.
func appendNative(b []byte, u *uplink, flaw nativeFlaw) []byte {
	b = append(b, `{"ts":`...)
	if flaw.seconds {
		b = strconv.AppendInt(b, u.stamp.Unix(), 10)
	} else {
		b = strconv.AppendInt(b, u.stamp.UnixMilli(), 10)
	}
	b = append(b, `,"seq":`...)
	if flaw.allQuoted {
		b = append(b, '"')
	}
	b = strconv.AppendUint(b, u.sequence, 10)
	if flaw.allQuoted {
		b = append(b, '"')
	}
	for i := range u.values {
		v := &u.values[i]
		b = appendField(b, v, flaw)
		if flaw.twice && v == flaw.at {
			b = appendField(b, v, flaw)
		}
	}
	switch {
	case flaw.allQuoted: // its word would be stored
	case u.quality == telemetry.Calibrating:
		b = append(b, `,"quality":"calibrating"`...)
	case u.quality == telemetry.InstrumentError:
		b = append(b, `,"quality":"error"`...)
	}
	return append(b, '}')
}

func appendField(b []byte, v *value, flaw nativeFlaw) []byte {
	key, quoted := string(v.spec.Name), flaw.allQuoted
	if v == flaw.at {
		quoted = quoted || flaw.quoted
		if flaw.key != "" {
			key = flaw.key
		}
	}
	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, '"', ':')
	switch {
	case v == flaw.at && flaw.text != "":
		return append(b, flaw.text...)
	case quoted:
		b = append(b, '"')
		return append(appendNumber(b, v.number), '"')
	}
	return appendNumber(b, v.number)
}
