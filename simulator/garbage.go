package simulator

import (
	"bytes"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// GarbageKind is a way in which a payload is wrong.
type GarbageKind string

// The kinds, with what the pipeline has to do with a message of the kind.
const (
	Truncated     GarbageKind = "truncated"      // cut in the middle: quarantined, not_json
	NotJSON       GarbageKind = "not_json"       // an error text: quarantined, not_json
	NaN           GarbageKind = "nan"            // a value NaN: quarantined, not_json
	EmptyPayload  GarbageKind = "empty"          // nothing: quarantined, empty
	WrongType     GarbageKind = "wrong_type"     // one value a string: partial, wrong_type
	WrongTypes    GarbageKind = "wrong_types"    // all of them: quarantined, wrong_type
	UnknownMetric GarbageKind = "unknown_metric" // a misspelt key: partial, unknown_metric
	OutOfRange    GarbageKind = "out_of_range"   // one impossible value: partial, out_of_range
	RepeatedField GarbageKind = "repeated_field" // a key twice: partial, repeated_field
	BadTime       GarbageKind = "bad_time"       // seconds for milliseconds: quarantined, bad_time
	UnknownKind   GarbageKind = "unknown_kind"   // a misspelt topic: quarantined, unknown_kind
	Huge          GarbageKind = "huge"           // 64 KiB of log besides the values: partial, unknown_metric
	TooLarge      GarbageKind = "too_large"      // 300 KiB of it: quarantined, too_large
)

// GarbageKinds lists the kinds.
func GarbageKinds() []GarbageKind {
	return []GarbageKind{Truncated, NotJSON, NaN, EmptyPayload, WrongType, WrongTypes, UnknownMetric, OutOfRange,
		RepeatedField, BadTime, UnknownKind, Huge, TooLarge}
}

// garbageOf chooses the kind for a reading; of a fault that names one it is that.
func garbageOf(f *Fault, h uint64) GarbageKind {
	kinds := f.Garbage
	if len(kinds) == 0 {
		kinds = GarbageKinds()
	}
	return kinds[h%uint64(len(kinds))]
}

// spoil writes the native payload of an uplink as garbage of a kind. It returns
// the payload, and says what becomes of it; values that cannot be stored are
// marked.
func (k GarbageKind) spoil(b []byte, u *uplink) ([]byte, Fate, telemetry.Reason) {
	// The victim is one of the kind's own metrics, the first: every device has it.
	victim := &u.values[0]
	switch k {
	case NotJSON:
		return append(b, "ERR 0x1F: sensor bus timeout"...), Quarantined, telemetry.NotJSON
	case EmptyPayload:
		return b, Quarantined, telemetry.Empty
	case NaN:
		return appendNative(b, u, nativeFlaw{at: victim, text: "NaN"}), Quarantined, telemetry.NotJSON
	case WrongType:
		victim.lost = true
		return appendNative(b, u, nativeFlaw{at: victim, quoted: true}), Partial, telemetry.WrongType
	case WrongTypes:
		return appendNative(b, u, nativeFlaw{allQuoted: true}), Quarantined, telemetry.WrongType
	case UnknownMetric:
		victim.lost = true
		return appendNative(b, u, nativeFlaw{at: victim, key: "x." + string(victim.spec.Name)}), Partial, telemetry.UnknownMetric
	case OutOfRange:
		victim.lost = true
		return appendNative(b, u, nativeFlaw{at: victim, text: "-99999999999"}), Partial, telemetry.OutOfRange
	case RepeatedField:
		victim.lost = true
		return appendNative(b, u, nativeFlaw{at: victim, twice: true}), Partial, telemetry.RepeatedField
	case BadTime:
		return appendNative(b, u, nativeFlaw{seconds: true}), Quarantined, telemetry.BadTime
	case UnknownKind: // the payload is sound; the topic is not
		return appendNative(b, u, nativeFlaw{}), Quarantined, telemetry.UnknownKind
	case Huge:
		return appendLog(appendNative(b, u, nativeFlaw{}), 64<<10), Partial, telemetry.UnknownMetric
	case TooLarge:
		return appendLog(appendNative(b, u, nativeFlaw{}), 300<<10), Quarantined, telemetry.TooLarge
	}
	b = appendNative(b, u, nativeFlaw{})
	return b[:len(b)*2/3], Quarantined, telemetry.NotJSON
}

// appendLog adds a field of some length to an object, as firmware does that was
// left in debug mode.
func appendLog(b []byte, length int) []byte {
	b = append(b[:len(b)-1], `,"log":"`...)
	b = append(b, bytes.Repeat([]byte("E (1042) i2c: bus busy. "), length/24)...)
	return append(b, `"}`...)
}
