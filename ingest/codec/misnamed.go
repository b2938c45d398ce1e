package codec

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// misnamed remembers the first key, other than ts, under which a payload seems to
// bring its own time.
type misnamed struct {
	key string // as a problem names it; empty if there is none
	why string // what was recognised
}

// How far from its receipt a number may lie, read as a Unix time, to be taken for
// one under a name that says nothing of time. Wider, and counters would be times.
const (
	oldestUnnamed = 10 * 365 * 24 * time.Hour
	newestUnnamed = 365 * 24 * time.Hour
)

// readUnknown reads past the value of a key that is no metric's, and what is
// nested in it, and sees whether a time is in there: a reading that is stored as
// of its receipt although it says when it was measured would be a wrong value.
func (n *Native) readUnknown(key []byte) error {
	o := &n.obj
	if o.timeGiven {
		return n.skip() // ts counts, whatever else there is
	}
	name := string(key[:min(len(key), maxQuoted)])
	outside := n.dec.StackDepth()
	for {
		raw, err := n.readLeaf()
		if err != nil {
			return err
		}
		depth := n.dec.StackDepth()
		if depth > maxDepth {
			return errTooDeep(n.dec.InputOffset())
		}
		if kind, count := n.dec.StackIndex(depth); depth > outside && kind == jsontext.KindBeginObject && count%2 == 1 {
			if raw != nil { // it is the name of what comes next
				text, err := content(raw)
				if err != nil {
					return err
				}
				name = string(text[:min(len(text), maxQuoted)])
				continue
			}
		} else if raw != nil && o.misnamed.key == "" {
			if why := looksLikeTime(o.kind.spec, name, raw, o.received); why != "" {
				o.misnamed = misnamed{key: quote(name), why: why}
			}
		}
		if depth <= outside {
			return nil
		}
	}
}

// readLeaf reads the next string or number whole; of anything else only a token,
// for which it returns nil. What it returns is valid until the next read.
func (n *Native) readLeaf() (jsontext.Value, error) {
	switch n.dec.PeekKind() {
	case jsontext.KindString, jsontext.KindNumber:
		return n.dec.ReadValue()
	}
	_, err := n.dec.ReadToken()
	return nil, err
}

// looksLikeTime says what makes a time of a key and its value; "" if nothing does.
func looksLikeTime(spec *telemetry.KindSpec, key string, raw jsontext.Value, received time.Time) string {
	if raw.Kind() == jsontext.KindString {
		text, err := content(raw)
		if err != nil || len(bytes.TrimSpace(text)) == 0 {
			return "" // no value, or none that can be read
		}
		s := strings.TrimSpace(string(text[:min(len(text), maxQuoted)]))
		if readMoment(s) != nil {
			return "its value is a time"
		}
		return namedTime(key, strings.ContainsFunc(s, unicode.IsDigit))
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return ""
	}
	for _, m := range spec.Metrics {
		if telemetry.Plain(key) == telemetry.Plain(string(m.Name)) {
			return "" // a metric in other letters, however large
		}
	}
	if unit := unixUnit(v, float64(plausibleFrom), float64(plausibleTo)); unit != "" {
		if why := namedTime(key, true); why != "" {
			return why
		}
		near := received.Unix()
		from, to := near-int64(oldestUnnamed/time.Second), near+int64(newestUnnamed/time.Second)
		if unit := unixUnit(v, float64(from), float64(to)); unit != "" && !namesSpan(key) {
			return "its value looks like Unix " + unit
		}
		return ""
	}
	return namedTime(key, false)
}

// unixUnit is the unit in which a number is a Unix time between two such in
// seconds; "" if it is none. The four are 1000 apart, so it is at most one.
func unixUnit(v, from, to float64) string {
	if from <= 0 {
		from = plausibleFrom // a clock that stands at 1970 tells nothing
	}
	for _, u := range []struct {
		name   string
		factor float64
	}{{"seconds", 1}, {"milliseconds", 1e3}, {"microseconds", 1e6}, {"nanoseconds", 1e9}} {
		if from*u.factor <= v && v < to*u.factor {
			return u.name
		}
	}
	return ""
}

// namedTime says that a key is one that devices give the time of a reading.
// Names such as gps_time, in which a word of time stands among others, can as
// well be those of a span: there the value has to be like a time.
func namedTime(key string, valueLikeTime bool) string {
	words := wordsOf(key)
	for len(words) > 1 && isTimeUnit(words[len(words)-1]) {
		words = words[:len(words)-1] // time_ms, timestamp_utc
	}
	switch strings.Join(words, "") {
	case "ts", "time", "timestamp", "date", "datetime", "dateandtime", "timedate", "dt", "epoch", "unixtime", "unix", "utc", "utctime", "localtime", "clock",
		"eventtime", "sampletime", "sampletimestamp", "measuretime", "measurementtime", "measuredtime", "measurementtimestamp", "readingtime", "recordtime",
		"devicetime", "gpstime", "reporttime", "phenomenontime", "resulttime", "dateobserved", "obsdate", "obstime",
		"thoigian", "thoidiem", "thoigiando", "thoidiemdo", "ngay", "gio", "ngaygio", "ngaydo", "giodo":
		return "it names a time"
	}
	if last := len(words) - 1; last > 0 && words[last] == "at" {
		return "it names a time" // measured_at, recordedAt, sent_at
	}
	if !valueLikeTime || namesSpan(key) {
		return ""
	}
	for _, w := range words {
		switch w {
		case "time", "timestamp", "date", "datetime", "ts", "epoch":
			return "it names a time"
		}
	}
	return ""
}

// isTimeUnit is whether a word at a name's end says in which unit or zone a time is.
func isTimeUnit(w string) bool {
	switch w {
	case "s", "sec", "seconds", "ms", "msec", "millis", "milliseconds", "us", "micros", "ns", "nanos", "utc", "gmt", "iso", "iso8601", "local", "unix", "epoch", "z":
		return true
	}
	return false
}

// namesSpan is whether a name is that of a length of time rather than a moment.
func namesSpan(key string) bool {
	name := telemetry.Plain(key)
	for _, span := range []string{"uptime", "runtime", "ontime", "offtime", "lifetime", "airtime", "downtime", "worktime", "runningtime", "burntime", "elapsed",
		"duration", "interval", "timeout", "traveltime", "responsetime", "waittime", "cycletime", "counter", "count", "serial", "imei", "imsi", "iccid"} {
		if strings.Contains(name, span) {
			return true
		}
	}
	return false
}

// wordsOf are the words of a key in lower case, without diacritics of Vietnamese:
// divided by what is neither letter nor digit, and by a capital after a small
// letter.
func wordsOf(key string) []string {
	var b strings.Builder
	small := false
	for _, r := range key {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			b.WriteByte(' ')
		default:
			if small && unicode.IsUpper(r) {
				b.WriteByte(' ')
			}
			b.WriteRune(unicode.ToLower(r))
		}
		small = unicode.IsLower(r) || unicode.IsDigit(r)
	}
	return strings.Fields(strings.NewReplacer("thời", "thoi", "điểm", "diem", "đo", "do", "ngày", "ngay", "giờ", "gio").Replace(b.String()))
}

// checkMisnamed says that the payload has a time, but not as ts. Where ts is
// there too it is the one that counts, and other times are another matter.
func (o *object) checkMisnamed() error {
	if o.timeGiven || o.misnamed.key == "" {
		return nil
	}
	return whole(telemetry.MisnamedTime,
		"the payload has no ts, but a time under %s (%s); rename it ts: Unix milliseconds, or a string like %s. Nothing is stored as of its receipt that says when it was measured",
		o.misnamed.key, o.misnamed.why, exampleTime)
}

// exampleTime is how a moment is written.
const exampleTime = "2026-11-21T21:30:00+07:00"

// momentForms are how devices write a moment besides RFC 3339. With a zone's
// offset only what follows the time of day differs.
func momentForms() []string {
	return []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
		"2006/01/02 15:04:05", "2006/01/02 15:04", "2/1/2006 15:04:05", "2/1/2006 15:04", "2-1-2006 15:04:05", "2-1-2006 15:04", "2.1.2006 15:04:05", "2.1.2006 15:04",
		"1/2/2006 15:04:05", "1/2/2006 15:04", "15:04:05 2/1/2006", "15:04 2/1/2006", "20060102T150405", "2006-01-02 3:04:05 PM", "1/2/2006 3:04:05 PM", "1/2/2006 3:04 PM"}
}

// moment is a time as a device wrote it.
type moment struct {
	at     time.Time
	offset bool // it says its offset from UTC
}

// readMoment reads a date with a time of day; nil if it is none.
func readMoment(s string) *moment {
	if len(s) < len("2/1/2006 1:04") || !strings.ContainsRune(s, ':') && len(s) != len("20060102T150405") {
		return nil // most texts are none, and trying all forms takes time
	}
	for _, form := range momentForms() {
		if t, err := time.Parse(form, s); err == nil {
			return &moment{at: t}
		}
		for _, zone := range []string{"Z07:00", "Z0700", " Z07:00", " -0700", "Z07", " MST"} {
			if t, err := time.Parse(form+zone, s); err == nil {
				return &moment{at: t, offset: true}
			}
		}
	}
	for _, form := range []string{time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, time.UnixDate} {
		if t, err := time.Parse(form, s); err == nil {
			return &moment{at: t, offset: form != time.ANSIC}
		}
	}
	return nil
}

// hint says how a moment is to be written, as the example of itself.
func (m moment) hint() string {
	if m.offset {
		return fmt.Sprintf("write it like %s", m.at.Format(time.RFC3339))
	}
	return fmt.Sprintf("its UTC offset is missing: for Vietnam's time write %s+07:00", m.at.Format("2006-01-02T15:04:05"))
}
