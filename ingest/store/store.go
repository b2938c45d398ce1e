// Package store states what a time-series store owes the loader. Its children
// fulfil it: embedded with the Prometheus TSDB in this process, influx with any
// server that speaks InfluxDB's write API. storetest proves each alike.
package store

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Store writes points. It is safe for concurrent use.
type Store interface {
	// Write makes the points durable and queryable, in any order of time, late
	// ones as well as new. Series and time identify a point: writing it again
	// changes nothing. It keeps neither points nor their values after it returned.
	//
	// It returns nil when all are written; a *RejectedError when those it names
	// will never be taken and all others are written; any other error when the
	// fate of the points is unknown and the same call must be repeated: the
	// store is away, slow or full, or refuses us for a reason that an operator
	// can mend.
	Write(ctx context.Context, points []telemetry.Point) error
}

// RejectedError names what the store will never take; all else of the call has
// been written.
type RejectedError struct {
	Rejections []Rejection
}

// Rejection is one point, or one metric of a point, that was refused.
type Rejection struct {
	// Point is the index in the points of the call.
	Point int
	// Metric is the refused metric; empty where it is the whole point.
	Metric telemetry.Metric
	// Conflict says that another value stands in its place; see [Guard].
	Conflict bool
	// Detail says why, for a person.
	Detail string
}

// Error implements error.
func (e *RejectedError) Error() string {
	if len(e.Rejections) == 0 {
		return "store rejected nothing"
	}
	return fmt.Sprintf("store rejected %d, first point %d: %s", len(e.Rejections), e.Rejections[0].Point, e.Rejections[0].Detail)
}

// maxTag bounds a tag's length in bytes, for the sake of every engine's index.
const maxTag = 256

// CheckSeries says why no store can hold the series: a tag is empty, longer than
// 256 bytes, not UTF-8, or holds a character that cannot be printed. It is far
// more lenient than the registry, which admits tags; it keeps what the registry
// was not asked about from meaning different things to different engines.
func CheckSeries(s telemetry.Series) error {
	for _, tag := range []struct{ name, value string }{
		{"kind", string(s.Kind)},
		{"locality", string(s.Locality)},
		{"site", string(s.Site)},
		{"device", string(s.Device)},
	} {
		if tag.value == "" {
			return fmt.Errorf("its %s is empty", tag.name)
		}
		if len(tag.value) > maxTag {
			return fmt.Errorf("its %s has %d bytes; %d is the limit", tag.name, len(tag.value), maxTag)
		}
		if !utf8.ValidString(tag.value) {
			return fmt.Errorf("its %s is not UTF-8: %q", tag.name, tag.value)
		}
		for _, c := range tag.value {
			// A backslash escapes in line protocol, and so changes at the end of
			// a tag what follows it.
			if c < ' ' || c == 0x7f || c == '\\' {
				return fmt.Errorf("its %s has a character that cannot be stored: %q", tag.name, tag.value)
			}
		}
	}
	return nil
}
