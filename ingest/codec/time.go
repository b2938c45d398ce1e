package codec

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Bounds of a ts, in Unix milliseconds: the years RFC 3339 can write.
const (
	minMillis = -62167219200000 // 0000-01-01
	maxMillis = 253402300799999 // 9999-12-31, its last millisecond
)

// Unix seconds of 2000-01-01 and 2100-01-01. A ts that would lie between them if
// it counted something else than milliseconds most likely does.
const (
	plausibleFrom = 946684800
	plausibleTo   = 4102444800
)

// readTime reads the value of ts. What is wrong with it is kept until the
// payload has proved to be well-formed, which matters more.
func (n *Native) readTime() error {
	o := &n.obj
	o.times++
	switch k := n.dec.PeekKind(); k {
	case jsontext.KindNumber:
		raw, err := n.dec.ReadValue()
		if err != nil {
			return err
		}
		o.millis(raw)
	case jsontext.KindString:
		raw, err := n.dec.ReadValue()
		if err != nil {
			return err
		}
		text, err := content(raw)
		if err != nil {
			return err
		}
		o.rfc3339(text)
	case jsontext.KindTrue, jsontext.KindFalse, jsontext.KindBeginObject, jsontext.KindBeginArray:
		o.timeFault = "ts is " + article(k) + "; Unix milliseconds or an RFC 3339 string is needed"
		return n.skip()
	default: // null, or a fault that skip returns
		return n.skip()
	}
	return nil
}

// checkTime says why the ts that was read cannot be used.
func (o *object) checkTime() error {
	switch {
	case o.times > 1:
		return whole(telemetry.RepeatedField, "ts comes %d times; which of them is meant is not known", o.times)
	case o.timeFault != "":
		return whole(telemetry.BadTime, "%s", o.timeFault)
	}
	return nil
}

// millis takes a ts that is a number. Of small numbers only those are faults
// that look like seconds; the others are true times of 1970, as a device without
// a set clock has them, and too old for the loader.
func (o *object) millis(raw []byte) {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil && strings.ContainsAny(string(raw), ".eE"):
		o.timeFault = "ts " + cut(string(raw)) + " is not written as a whole number; Unix milliseconds are needed, without fraction or exponent"
	case err != nil:
		o.timeFault = "ts " + cut(string(raw)) + " is too large for Unix milliseconds"
	case plausibleFrom <= v && v < plausibleTo:
		o.timeFault = "ts " + string(raw) + " looks like Unix seconds; milliseconds are needed"
	case plausibleFrom*1e6 <= v && v < plausibleTo*1e6:
		o.timeFault = "ts " + string(raw) + " looks like Unix microseconds; milliseconds are needed"
	case plausibleFrom*1e9 <= v && v < plausibleTo*1e9:
		o.timeFault = "ts " + string(raw) + " looks like Unix nanoseconds; milliseconds are needed"
	case v < minMillis || v > maxMillis:
		o.timeFault = "ts " + string(raw) + " is outside the years 0 to 9999; Unix milliseconds are needed"
	default:
		o.time, o.timeGiven = time.UnixMilli(v).UTC(), true
	}
}

// rfc3339 takes a ts that is a string.
func (o *object) rfc3339(text []byte) {
	var t time.Time
	// Unlike time.Parse, UnmarshalText takes nothing that RFC 3339 does not have.
	if err := t.UnmarshalText(text); err == nil {
		o.time, o.timeGiven = time.UnixMilli(t.UnixMilli()).UTC(), true
		return
	}
	s := string(text)
	o.timeFault = "ts " + quote(s) + " is not an RFC 3339 time like " + exampleTime
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		o.timeFault = "ts " + quote(s) + " is a string; Unix milliseconds are needed as a number, without quotes"
		return
	}
	if m := readMoment(strings.TrimSpace(s)); m != nil {
		o.timeFault += "; " + m.hint()
	}
}
