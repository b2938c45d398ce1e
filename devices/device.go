package devices

import (
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Device is a piece of hardware.
type Device struct {
	// ID stands in its topic and never changes.
	ID telemetry.Device `json:"id"`
	// Kinds is what it measures, at least one. Readings of other kinds wait in
	// quarantine. Every device may also tell its Status.
	Kinds []telemetry.Kind `json:"kinds"`
	Model string           `json:"model,omitempty"`
	// Profile names the [Profile] by which its payloads are read; empty is the
	// native format.
	Profile string `json:"profile,omitempty"`
	// Serial is the manufacturer's number; two devices of one model cannot share
	// one.
	Serial string `json:"serial,omitempty"`
	// Gateway is the radio gateway that it usually comes through, if known.
	Gateway string `json:"gateway,omitempty"`
	Notes   string `json:"notes,omitempty"`
	// Home are the localities of who registered it, to which it belongs until it has
	// stood somewhere; none is the whole city. See [Standing.Place].
	Home []telemetry.Locality `json:"home,omitempty"`
	// Provisional is a device that nobody registered and open admission let in.
	Provisional bool `json:"provisional,omitempty"`
	// Simulated is one that does not exist; its readings are for practice.
	Simulated bool      `json:"simulated,omitempty"`
	State     State     `json:"state"`
	Version   int64     `json:"version"`
	Created   time.Time `json:"created,omitzero"`
	Updated   time.Time `json:"updated,omitzero"`
}

// ETag is the version in the form of HTTP.
func (d Device) ETag() string { return etag(d.Version) }

// Installation is a device at a site from a time to a time.
type Installation struct {
	ID     int64            `json:"id"`
	Device telemetry.Device `json:"device"`
	Site   telemetry.Site   `json:"site"`
	From   time.Time        `json:"from"`
	// To is zero while it stands there.
	To time.Time `json:"to,omitzero"`
	// Redundant declares that it stands beside another device of its kind on
	// purpose.
	Redundant bool `json:"redundant,omitempty"`
	// Cadence is how often it reports; 0 is not set: it is learned from its
	// readings, else the usual one of its kinds.
	Cadence time.Duration `json:"cadence,omitempty"`
	// Provisional is one made by open admission: it has readings of any time
	// before it too, because nobody has said when the device came there.
	Provisional bool  `json:"provisional,omitempty"`
	Version     int64 `json:"version"`
}

// ETag is the version in the form of HTTP.
func (i Installation) ETag() string { return etag(i.Version) }

// Holds reports whether the device stood there at a moment.
func (i Installation) Holds(at time.Time) bool {
	return (i.Provisional || !at.Before(i.From)) && (i.To.IsZero() || at.Before(i.To))
}

// overlaps reports whether two installations share a moment.
func (i Installation) overlaps(o Installation) bool {
	return (o.To.IsZero() || i.From.Before(o.To)) && (i.To.IsZero() || o.From.Before(i.To))
}

// Profile is a model of device: its codec, and how its fields map to metrics.
type Profile struct {
	ID     string `json:"id"`
	NameVI string `json:"nameVi"`
	NameEN string `json:"nameEn,omitempty"`
	Model  string `json:"model,omitempty"`
	// Codec names the payload format: "native", "chirpstack", …
	Codec   string           `json:"codec"`
	Kinds   []telemetry.Kind `json:"kinds"`
	Fields  []Field          `json:"fields,omitempty"`
	Notes   string           `json:"notes,omitempty"`
	Version int64            `json:"version"`
}

// ETag is the version in the form of HTTP.
func (p Profile) ETag() string { return etag(p.Version) }

// Field maps a field of a payload to a metric of the catalogue:
// metric = field · Scale + Offset, in the catalogue's unit.
type Field struct {
	Name string `json:"name"`
	// Unit is what the device sends, for people.
	Unit   string           `json:"unit,omitempty"`
	Kind   telemetry.Kind   `json:"kind"`
	Metric telemetry.Metric `json:"metric"`
	Scale  float64          `json:"scale,omitempty"` // 0 is 1
	Offset float64          `json:"offset,omitempty"`
}

// normalize is as a site's.
func (d *Device) normalize() (errs Errors) {
	for _, f := range []struct {
		name string
		text *string
	}{{"model", &d.Model}, {"serial", &d.Serial}, {"gateway", &d.Gateway}} {
		var err *Error
		*f.text, err = cleanLine(f.name, *f.text, maxName)
		errs.add(err)
	}
	var err *Error
	d.Notes, err = cleanText("notes", d.Notes)
	errs.add(err)
	d.Kinds = slices.Clone(d.Kinds)
	slices.Sort(d.Kinds)
	d.Kinds = slices.Compact(d.Kinds)
	if d.State == "" {
		d.State = Planned
	}
	return errs
}

// Normalized is the device in the form it is kept in, so that two can be compared.
func (d Device) Normalized() Device {
	_ = d.normalize() // what is wrong with its text is for Validate
	return d
}

// Validate says all that is wrong with the device by itself; the error is
// [Errors].
func (d Device) Validate(cat *telemetry.Catalogue) error {
	errs := d.normalize()
	errs.add(checkID("id", string(d.ID)))
	if len(d.Kinds) == 0 {
		errs.add(invalid("kinds", ReasonRequired))
	}
	errs = append(errs, checkKinds(cat, d.Kinds)...)
	if !slices.Contains([]State{Planned, Active, Maintenance, Retired}, d.State) {
		errs.add(invalid("state", ReasonBadValue, d.State, anyState))
	}
	return errs.err()
}

func checkKinds(cat *telemetry.Catalogue, kinds []telemetry.Kind) (errs Errors) {
	for _, k := range kinds {
		if spec := cat.Kind(k); spec == nil || spec.Computed || k == telemetry.Status {
			errs.add(invalid("kinds", ReasonUnknownKind, clip(string(k), 64)))
		}
	}
	return errs
}

// Validate says all that is wrong with the profile; the error is [Errors].
func (p Profile) Validate(cat *telemetry.Catalogue) error {
	var errs Errors
	errs.add(checkID("id", p.ID))
	if p.NameVI == "" {
		errs.add(invalid("nameVi", ReasonRequired))
	}
	if p.Codec == "" {
		errs.add(invalid("codec", ReasonRequired))
	}
	errs = append(errs, checkKinds(cat, p.Kinds)...)
	for _, f := range p.Fields {
		k := cat.Kind(f.Kind)
		switch {
		case f.Name == "":
			errs.add(invalid("fields", ReasonRequired))
		case k == nil, k.Computed:
			errs.add(invalid("fields", ReasonUnknownKind, clip(string(f.Kind), 64)))
		case k.Metric([]byte(f.Metric)) == nil:
			errs.add(invalid("fields", ReasonUnknownMetric, clip(string(f.Metric), 64), string(f.Kind)))
		}
	}
	return errs.err()
}

// shareKind is a kind that both have; "" if none.
func shareKind(a, b []telemetry.Kind) telemetry.Kind {
	for _, k := range a {
		if slices.Contains(b, k) {
			return k
		}
	}
	return ""
}
