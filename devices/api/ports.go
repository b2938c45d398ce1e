package api

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Role is what a person or a token may do; each includes those before it.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // sees
	Field    Role = "field"    // registers, swaps, maintains
	Operator Role = "operator" // edits, imports, retires
	Admin    Role = "admin"    // manages people and credentials
)

// Where the least role of an operation is found: under MetadataRole in a huma
// operation's Metadata, and under ExtensionRole in the OpenAPI document
// document; both as strings.
const (
	MetadataRole  = "role"
	ExtensionRole = "x-role"
)

// Asker is who asks.
type Asker struct {
	// Name is how the journal names them: an account or a token.
	Name string
	Role Role
	// Scope is where they may change things.
	Scope devices.Scope
}

// Readings is what the store knows of sites' readings.
type Readings interface {
	// Latest gives the newest reading of each kind and device at a site; none that
	// the store holds to be long gone.
	Latest(ctx context.Context, site telemetry.Site) ([]Reading, error)
	// First gives a device's first reading at a site with an event time from a
	// moment on; false if there is none.
	First(ctx context.Context, device telemetry.Device, site telemetry.Site, from time.Time) (Reading, bool, error)
	// Series gives a metric of a site, thinned to steps, of all readings: also of
	// those that the instrument did not take for good. [Chart] leaves them out.
	Series(ctx context.Context, q SeriesQuery) ([]DeviceSeries, error)
	// Samples gives all readings of a metric of a site from From excluded to To
	// included, by device and in order of time.
	Samples(ctx context.Context, q SeriesQuery) ([]DeviceSamples, error)
}

// DeviceSamples is each single value that a device measured.
type DeviceSamples struct {
	Device  telemetry.Device
	Samples []Sample
}

// Sample is a value and what the instrument said of it.
type Sample struct {
	Time    time.Time
	Value   float64
	Quality telemetry.Quality
}

// SeriesQuery asks for a metric of a site. Each step (from From excluded to To
// included) that has readings makes one point of its smallest, mean and largest.
type SeriesQuery struct {
	Site     telemetry.Site
	Kind     telemetry.Kind
	Metric   telemetry.Metric
	From, To time.Time
	Step     time.Duration
}

// Quarantine is what waits of a device.
type Quarantine interface {
	// Waiting gives, for each reason, how many messages of a device wait and the
	// newest of them, the newest first.
	Waiting(ctx context.Context, device telemetry.Device) ([]Waiting, error)
}

// Waiting are messages that wait for one reason.
type Waiting struct {
	Reason telemetry.Reason
	Detail string
	Count  int64
	// Received, Topic and Payload are the newest message's.
	Received time.Time
	Topic    string
	Payload  []byte
}

// Refusals is what the broker refused.
type Refusals interface {
	// Refused gives the newest refusal of a device: of its connection, unless it was let
	// in since, or of what it published; false if there is none.
	Refused(ctx context.Context, device telemetry.Device) (Refused, bool, error)
}

// Refused is a connection that was not let in, or was ended for what it did.
type Refused struct {
	At time.Time
	// Reason is a short stable word: "wrong_secret", "protocol_version", …
	Reason string
	// Detail is more of it, such as the client id, the topic and MQTT's reason code.
	Detail string
}

// Credentials issues devices' secrets.
type Credentials interface {
	// Issue gives each device a new secret, all or none; those from before stop
	// working. Nobody can ask for them again.
	Issue(ctx context.Context, by devices.By, ids []telemetry.Device) (map[telemetry.Device]string, error)
}

// Presences is how all devices stand at a moment, as [devices.Silence.At] says.
type Presences func() devices.Silences
