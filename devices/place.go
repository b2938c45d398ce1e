package devices

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Locality is a group of wards under a name that people use, such as nha-trang.
// It is data: the districts it stands for ended on 2025-07-01.
type Locality struct {
	ID     telemetry.Locality `json:"id"`
	NameVI string             `json:"nameVi"`
	NameEN string             `json:"nameEn"`
	// Wards are the wards in it, each for a time.
	Wards []Membership `json:"wards,omitempty"`
	// Box bounds its wards.
	Box       Box       `json:"box"`
	ValidFrom time.Time `json:"validFrom,omitzero"`
	ValidTo   time.Time `json:"validTo,omitzero"`
	Version   int64     `json:"version"`
}

// names are the locality's, for sentences.
func (l Locality) names() (vi, en string) { return l.NameVI, cmp.Or(l.NameEN, l.NameVI) }

// Membership is a ward in a locality from a day to a day; zero is open.
type Membership struct {
	Ward string    `json:"ward"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// WardForm is what a ward is called in law.
type WardForm string

// The forms of the lowest level of administration since 2025-07-01.
const (
	Phuong  WardForm = "phuong"  // phường, urban
	Xa      WardForm = "xa"      // xã, rural
	DacKhu  WardForm = "dac_khu" // đặc khu, islands
	anyForm          = "phuong, xa, dac_khu"
)

// Ward is a unit of administration with its official code. Its box helps to
// suggest it for a position, and never decides: airport and peninsula of Cam Ranh
// lie in no ward's polygon.
type Ward struct {
	// Code is the official number of 5 digits (Decision 19/2025/QĐ-TTg).
	Code   string   `json:"code"`
	NameVI string   `json:"nameVi"`
	NameEN string   `json:"nameEn"`
	Form   WardForm `json:"form"`
	// Former are the units that it was made of.
	Former    []string  `json:"former,omitempty"`
	Box       Box       `json:"box"`
	AreaKM2   float64   `json:"areaKm2,omitempty"`
	ValidFrom time.Time `json:"validFrom,omitzero"`
	ValidTo   time.Time `json:"validTo,omitzero"`
	// Successors are the codes of what it became when it ended.
	Successors []string `json:"successors,omitempty"`
	Version    int64    `json:"version"`
}

// inForce reports whether a period of validity has the moment; zero is open.
func inForce(from, to, at time.Time) bool {
	return !at.Before(from) && (to.IsZero() || at.Before(to))
}

// InForce reports whether the ward exists in law at a moment.
func (w Ward) InForce(at time.Time) bool { return inForce(w.ValidFrom, w.ValidTo, at) }

// State is where a device or site is in its life.
type State string

// The states. A site is not in maintenance; its devices are.
const (
	Planned     State = "planned"     // known, not yet at work
	Active      State = "active"      // at work: silence is a fault
	Maintenance State = "maintenance" // worked on: readings are stored, silence is expected
	Retired     State = "retired"     // out of use for good; its past stays
	anyState          = "planned, active, maintenance, retired"
)

// NoiseArea is a site's type of area in the noise regulation, which has its own
// limits for each. It is said in one place only, here: a tag of one of these words,
// as sites had it before, becomes the area and is no tag.
type NoiseArea string

// The areas of QCVN 26:2010/BTNMT.
const (
	NoiseSpecial  NoiseArea = "special"  // hospitals, schools, libraries, temples
	NoiseOrdinary NoiseArea = "ordinary" // all others
)

// noiseAreas are all of them, the stricter first.
func noiseAreas() []NoiseArea { return []NoiseArea{NoiseSpecial, NoiseOrdinary} }

// NoiseAreaOf is the area that a tag says; false if it is another tag.
func NoiseAreaOf(tag string) (NoiseArea, bool) {
	a := NoiseArea(strings.ToLower(strings.TrimSpace(tag)))
	return a, slices.Contains(noiseAreas(), a)
}

// Site is a place that is measured.
type Site struct {
	// ID is the tag of its series; it never changes.
	ID     telemetry.Site `json:"id"`
	Name   string         `json:"name"`
	NameEN string         `json:"nameEn,omitempty"`
	// Locality is the one in its devices' topics. A site upstream, outside the
	// locality's wards, belongs to the locality that it warns.
	Locality telemetry.Locality `json:"locality"`
	// Ward is the official code of the ward it is assigned to; stored, because
	// airport and sea sites lie in no polygon. Empty only while provisional.
	Ward     string   `json:"ward,omitempty"`
	Position Position `json:"position"`
	// MountHeight is how high above ground the devices hang, in metres.
	MountHeight float64 `json:"mountHeight,omitempty"`
	// Tags group sites across boundaries, such as "watershed".
	Tags      []string  `json:"tags,omitempty"`
	NoiseArea NoiseArea `json:"noiseArea,omitempty"`
	Notes     string    `json:"notes,omitempty"`
	// Provisional is a site named after an unknown device that was admitted.
	Provisional bool  `json:"provisional,omitempty"`
	State       State `json:"state"`
	// Version counts the site's changes from 1; an update names the one it saw.
	Version int64     `json:"version"`
	Updated time.Time `json:"updated,omitzero"`
}

// ETag is the version in the form of HTTP.
func (s Site) ETag() string { return etag(s.Version) }

// ETag is the version in the form of HTTP.
func (l Locality) ETag() string { return etag(l.Version) }

func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// ParseETag reads what ETag writes; "*" is [AnyVersion], anything else 0, which
// updates refuse.
func ParseETag(s string) int64 {
	if s == "*" {
		return AnyVersion
	}
	v, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(s, "W/"), `"`), 10, 64)
	if err != nil || v < 1 {
		return 0
	}
	return v
}

// normalize brings the site's text into the form it is kept in and says what is
// wrong with the text.
func (s *Site) normalize() (errs Errors) {
	line := func(field string, p *string, limit int) {
		var err *Error
		*p, err = cleanLine(field, *p, limit)
		errs.add(err)
	}
	line("name", &s.Name, maxName)
	line("nameEn", &s.NameEN, maxName)
	line("position.outsideReason", &s.Position.OutsideReason, maxName)
	var err *Error
	s.Notes, err = cleanText("notes", s.Notes)
	errs.add(err)
	s.Ward = strings.TrimSpace(s.Ward)
	s.Tags = cleanTags(s.Tags)
	errs.add(s.moveNoiseArea())
	if s.State == "" {
		s.State = Planned
	}
	return errs
}

// moveNoiseArea makes a tag that says the noise area the noise area. One that
// contradicts it stays, with an error.
func (s *Site) moveNoiseArea() (err *Error) {
	s.Tags = slices.DeleteFunc(slices.Clone(s.Tags), func(tag string) bool {
		area, is := NoiseAreaOf(tag)
		switch {
		case !is:
			return false
		case s.NoiseArea == "":
			s.NoiseArea = area
		case s.NoiseArea != area:
			err = invalid("tags", ReasonTwoAreas, tag, string(s.NoiseArea))
			return false
		}
		return true
	})
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
	return err
}

// Uses are the words that say of which use a site is, as limits ask for it: its
// tags and its noise area.
func (s Site) Uses() []string {
	out := slices.Clone(s.Tags)
	if s.NoiseArea != "" && !slices.Contains(out, string(s.NoiseArea)) {
		out = append(out, string(s.NoiseArea))
	}
	return out
}

// Normalized is the site in the form it is kept in, so that two can be compared.
func (s Site) Normalized() Site {
	_ = s.normalize() // what is wrong with its text is for Validate
	return s
}

// Validate says all that is wrong with the site by itself: what other entities
// have to say, the registry adds. The error is [Errors].
func (s Site) Validate(province Box) error {
	errs := s.normalize()
	errs.add(checkID("id", string(s.ID)))
	if s.Name == "" {
		errs.add(invalid("name", ReasonRequired))
	}
	errs.add(checkID("locality", string(s.Locality)))
	if !s.Provisional {
		if s.Ward == "" {
			errs.add(invalid("ward", ReasonRequired))
		}
		if !s.Position.Known() {
			errs.add(invalid("position", ReasonRequired))
		}
	}
	errs.add(s.Position.check(province))
	errs.add(checkRange("position.accuracy", s.Position.Accuracy, 0, 100000))
	errs.add(checkRange("mountHeight", s.MountHeight, -100, 1000))
	for _, tag := range s.Tags {
		errs.add(checkID("tags", tag))
	}
	if len(s.Tags) > 32 {
		errs.add(invalid("tags", ReasonBadNumber, len(s.Tags), 0, 32))
	}
	if s.NoiseArea != "" && s.NoiseArea != NoiseSpecial && s.NoiseArea != NoiseOrdinary {
		errs.add(invalid("noiseArea", ReasonBadValue, s.NoiseArea, "special, ordinary"))
	}
	if s.State != Planned && s.State != Active && s.State != Retired {
		errs.add(invalid("state", ReasonBadValue, s.State, "planned, active, retired"))
	}
	return errs.err()
}

// Validate says what is wrong with the ward; the error is [Errors].
func (w Ward) Validate() error {
	var errs Errors
	if len(w.Code) != 5 || strings.Trim(w.Code, "0123456789") != "" {
		errs.add(invalid("code", ReasonUnknownWard, w.Code))
	}
	if w.NameVI == "" {
		errs.add(invalid("nameVi", ReasonRequired))
	}
	if w.Form != Phuong && w.Form != Xa && w.Form != DacKhu {
		errs.add(invalid("form", ReasonBadValue, w.Form, anyForm))
	}
	errs.add(checkPeriod("validTo", w.ValidFrom, w.ValidTo))
	return errs.err()
}

// Validate says what is wrong with the locality; the error is [Errors].
func (l Locality) Validate() error {
	var errs Errors
	errs.add(checkID("id", string(l.ID)))
	if l.NameVI == "" {
		errs.add(invalid("nameVi", ReasonRequired))
	}
	errs.add(checkPeriod("validTo", l.ValidFrom, l.ValidTo))
	for _, m := range l.Wards {
		errs.add(checkPeriod("wards", m.From, m.To))
	}
	return errs.err()
}

func checkID(field, id string) *Error {
	if id == "" {
		return invalid(field, ReasonRequired)
	}
	if err := telemetry.CheckID(id); err != nil {
		return invalid(field, ReasonBadID, err)
	}
	return nil
}

func checkRange(field string, v, low, high float64) *Error {
	if math.IsNaN(v) || v < low || v > high {
		return invalid(field, ReasonBadNumber, v, low, high)
	}
	return nil
}

func checkPeriod(field string, from, to time.Time) *Error {
	if !to.IsZero() && !to.After(from) {
		return invalid(field, ReasonBadPeriod)
	}
	return nil
}

// cleanTags sorts tags and leaves out repetitions and empty ones.
func cleanTags(tags []string) []string {
	var out []string
	for _, t := range tags {
		if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// document is an entity as the journal keeps it.
func document(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil { // NaN or Inf, which validation keeps out
		text, _ = json.Marshal(err.Error())
	}
	return text
}
