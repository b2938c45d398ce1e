package telemetry

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Locality names a group of wards, such as "nha-trang". Which localities exist
// is configuration, never code: boundaries and names change by law.
type Locality string

// Device names a piece of hardware, as it stands in its topic.
type Device string

// Site names a measured place. Series follow the site through device swaps.
type Site string

// MaxIDLength bounds an identifier's length in bytes. Identifiers become tag
// values, so they are kept short and plain.
const MaxIDLength = 64

// CheckID says what is wrong with an identifier: it must have 1 to
// [MaxIDLength] of the characters a-z, A-Z, 0-9, '-', '_', '.' and ':'.
func CheckID(id string) error {
	if id == "" {
		return fmt.Errorf("it is empty")
	}
	if len(id) > MaxIDLength {
		return fmt.Errorf("it has %d characters; %d is the limit", len(id), MaxIDLength)
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':':
		default:
			r, _ := utf8.DecodeRuneInString(id[i:]) // what stands before is ASCII
			return fmt.Errorf("character %d (%q) is none of the letters a-z and A-Z, the digits, or - _ . : which it may have", i+1, r)
		}
	}
	return nil
}

// Quality is the instrument's own word on a reading, after Circular
// 10/2021/TT-BTNMT article 39: 00 measuring, 01 calibrating, 02 error. Readings
// that are not Measuring are stored, but never enter an index or an average.
type Quality uint8

const (
	// Measuring is an ordinary reading.
	Measuring Quality = iota
	// Calibrating marks a reading taken while the instrument is calibrated.
	Calibrating
	// InstrumentError marks a reading the instrument itself does not trust.
	InstrumentError
)

// Value is one metric's number, in the unit its [MetricSpec] states.
type Value struct {
	Spec   *MetricSpec
	Number float64
}

// Reading is what one device said about one kind at one moment.
type Reading struct {
	Locality Locality
	Device   Device
	Kind     *KindSpec
	// Time is the event time: when the device measured. TimeGiven is false
	// where the payload had none and the received time stands in.
	Time      time.Time
	TimeGiven bool
	Received  time.Time
	Values    []Value
}

// Series identifies where values go: a measurement (the kind) and its three
// tags. Tag values come from the registry only; that bounds their number.
type Series struct {
	Kind     Kind
	Locality Locality
	Site     Site
	Device   Device
}

// Clone is the series with strings of its own: those of a reading may be parts of
// whole messages, which must not stay in memory for their sake.
func (s Series) Clone() Series {
	return Series{Kind: Kind(strings.Clone(string(s.Kind))), Locality: Locality(strings.Clone(string(s.Locality))),
		Site: Site(strings.Clone(string(s.Site))), Device: Device(strings.Clone(string(s.Device)))}
}

// Point is what a store writes: the values of one series at one moment. A
// series and an event time identify it, so writing it again changes nothing.
type Point struct {
	Series Series
	Time   time.Time // stored to the millisecond
	Values []Value
}

// Reason says, as a short stable word, why a message or a field of it could not
// be stored.
type Reason string

// The reasons. Each appears in the quarantine, in metrics and in the
// documentation under exactly this word.
const (
	BadTopic        Reason = "bad_topic"        // the topic does not name locality, kind and device
	Empty           Reason = "empty"            // no payload, or no metric in it
	TooLarge        Reason = "too_large"        // longer than a payload may be
	NotJSON         Reason = "not_json"         // the payload is not well-formed
	WrongType       Reason = "wrong_type"       // a field is not of the type it must have
	NotFinite       Reason = "not_finite"       // NaN, infinite, or too large for a number
	UnknownMetric   Reason = "unknown_metric"   // the kind has no such metric
	RepeatedField   Reason = "repeated_field"   // the same key twice in one payload
	OutOfRange      Reason = "out_of_range"     // outside the catalogue's valid range
	BadTime         Reason = "bad_time"         // ts is neither Unix milliseconds nor RFC 3339
	MisnamedTime    Reason = "misnamed_time"    // no ts, but a time under another key
	FutureTime      Reason = "future_time"      // the device's clock is ahead
	TooOld          Reason = "too_old"          // older than the store keeps
	NoTime          Reason = "no_time"          // a retained message without ts: its time is unknown
	Unregistered    Reason = "unregistered"     // no such device is admitted
	UnknownLocality Reason = "unknown_locality" // the topic's locality is not configured
	UnknownKind     Reason = "unknown_kind"     // the topic's kind is not in the catalogue
	Conflict        Reason = "conflict"         // another value of the same series and time is stored; the first one stays
	StoreRefused    Reason = "store_refused"    // the store will never take it
	CorruptRecord   Reason = "corrupt_record"   // a journal record that cannot be read; not a message
)

// Problem is one thing wrong with a message. Field is empty where it concerns
// the whole message. Detail is a sentence for a person, without secrets.
type Problem struct {
	Field  string `json:"field,omitempty"`
	Reason Reason `json:"reason"`
	Detail string `json:"detail"`
}

// Error makes a Problem usable as the error of a message that fails as a whole.
func (p Problem) Error() string {
	if p.Field == "" {
		return string(p.Reason) + ": " + p.Detail
	}
	return string(p.Reason) + ": " + p.Field + ": " + p.Detail
}
