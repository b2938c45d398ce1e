// Package codec turns the payloads of messages into readings. It is a leaf: it
// does no I/O, and what a payload means depends on the message and the kind
// catalogue alone, so that a quarantined message decodes the same when it is
// driven through again.
//
// # The native format
//
// A message at kh/<locality>/<kind>/<device> holds one flat JSON object:
//
//	{"ts":1795293000123,"pm25":12.4,"pm10":30.1,"quality":"measuring","bat":3.7}
//
// Its fields are:
//
//   - ts, the event time: Unix milliseconds as a whole number, or an RFC 3339
//     string with its UTC offset; what is finer than a millisecond is cut off.
//     Without ts the received time stands in, except in a retained message,
//     whose age nobody knows, and in one that seems to bring its time under
//     another key: that waits as a whole until it is renamed, for a reading's own
//     time is never replaced. Keys that name a time in whatever letters (time,
//     Timestamp, measured_at) and values that look like one (a date with a time of
//     day; a number that is a Unix time near the receipt) count, nested ones too.
//   - Metrics of the kind, and those that every device has: bat, rssi, seq and
//     quality. A value is a number; a flag is also true or false, and quality
//     also "measuring", "calibrating", "error", "00", "01" or "02".
//
// A field that is null counts as absent. A key that comes twice is ambiguous, so
// neither of its values is used.
//
// A message at kh/<locality>/status/<device> tells whether a device is
// connected: online or offline, 1 or 0, true or false, or an object like
// {"online":true}. It is what the broker holds at the time it is received, and
// that is its time, retained or not. A ts in it is read past: a will is written
// when the device connects, long before what it tells happens.
//
// Ranges are not looked at here, nor whether a time is too old or in the future:
// that is for the loader, which knows what the store keeps.
package codec

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// DefaultMaxPayload is the longest payload, in bytes, that is decoded if nothing
// else is said. A reading takes a few hundred; what is a thousand times longer
// is a mistake.
const DefaultMaxPayload = 256 << 10

// NativeName is the native codec's name in the configuration.
const NativeName = "native"

// Codec turns one message into readings. It is not safe for concurrent use; each
// goroutine has its own.
type Codec interface {
	// Decode returns the readings of a message and what is wrong with single
	// fields of it. Where the message fails as a whole, the error is a
	// [telemetry.Problem] and nothing else is returned. Without an error there is
	// at least one reading or one problem.
	//
	// What it returns is valid until the next call. It neither changes nor keeps
	// the payload for longer than that.
	Decode(m Message) (Decoded, error)
}

// Message is what a codec needs to know of an MQTT message.
type Message struct {
	Topic    string
	Payload  []byte
	Received time.Time
	// Retained messages are the broker's memory of the topic, not news.
	Retained bool
}

// Decoded is what a message says. A message of which only some fields can be
// used has both readings and problems.
type Decoded struct {
	Readings []telemetry.Reading
	Problems []telemetry.Problem
}

// New makes the codec of a name, as the configuration spells it.
func New(name string, cat *telemetry.Catalogue) (Codec, error) {
	switch name {
	case NativeName:
		return NewNative(cat, DefaultMaxPayload), nil
	default:
		return nil, fmt.Errorf("choose codec: there is none of the name %s; there is: %s", quote(name), NativeName)
	}
}
