package devices

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// AnyVersion as the version of an update means: whatever is there now. For
// programs that own what they update; a person's update names what was seen.
const AnyVersion int64 = -1

// Store keeps the registry. sqlstore implements it; its conformance suite says
// what is expected in detail.
type Store interface {
	// Read runs f on one consistent state.
	Read(ctx context.Context, f func(Reader) error) error
	// Write runs f in one transaction: all of it is kept, or, if f returns an
	// error, nothing. Transactions of all processes come one after the other, so
	// f may check and then write. f runs once.
	Write(ctx context.Context, f func(Tx) error) error
}

// Reader reads entities. What is not there is the error that [Missing] makes;
// lists are in order of their ids, byte by byte.
type Reader interface {
	Localities(ctx context.Context) ([]Locality, error)
	Wards(ctx context.Context) ([]Ward, error)
	Profiles(ctx context.Context) ([]Profile, error)
	Site(ctx context.Context, id telemetry.Site) (Site, error)
	// Sites gives a page of sites and how many there are on all pages.
	Sites(ctx context.Context, f SiteFilter) (page []Site, total int, err error)
	Device(ctx context.Context, id telemetry.Device) (Device, error)
	Devices(ctx context.Context, f DeviceFilter) (page []Placed, total int, err error)
	Installation(ctx context.Context, id int64) (Installation, error)
	// Installations are in order of their beginnings.
	Installations(ctx context.Context, f InstallationFilter) ([]Installation, error)
	// Changes are the newest first.
	Changes(ctx context.Context, f ChangeFilter) ([]Change, error)
	// LastChange is the Seq of the newest change; 0 before the first.
	LastChange(ctx context.Context) (int64, error)
	// Standings calls f for the devices named, or for all if none is, with all
	// their installations in order of their beginnings.
	Standings(ctx context.Context, devices []telemetry.Device, f func(Standing) error) error
	Heard(ctx context.Context, f HeardFilter) (page []Heard, total int, err error)
	Request(ctx context.Context, id string) (Request, error)
	// DevicesBySerial are the devices, of any model, with a manufacturer's number.
	DevicesBySerial(ctx context.Context, serial string) ([]Device, error)
	// Photo finds a photo that was not removed.
	Photo(ctx context.Context, id int64) (Photo, error)
	// Photos are the newest first, without those removed.
	Photos(ctx context.Context, f PhotoFilter) ([]Photo, error)
	// Limit finds a limit that was not removed.
	Limit(ctx context.Context, id int64) (Limit, error)
	// Limits are in order of their numbers.
	Limits(ctx context.Context, f LimitFilter) ([]Limit, error)
	// Picture is a photo's data.
	Picture(ctx context.Context, photo int64) ([]byte, error)
}

// Tx is a transaction. Put methods insert an entity of Version 1 and else update
// the one whose version is one less; a conflict of ReasonStale or
// ReasonDuplicateID says that it was another.
type Tx interface {
	Reader
	PutLocality(ctx context.Context, l Locality) error
	PutWard(ctx context.Context, w Ward) error
	PutProfile(ctx context.Context, p Profile) error
	PutSite(ctx context.Context, s Site) error
	PutDevice(ctx context.Context, d Device) error
	// PutInstallation gives a new installation its ID and returns it.
	PutInstallation(ctx context.Context, i Installation) (Installation, error)
	// PutLimit gives a new limit its ID and returns it.
	PutLimit(ctx context.Context, l Limit) (Limit, error)
	// AddPhoto gives the photo its ID and Size and returns it.
	AddPhoto(ctx context.Context, p Photo, data []byte) (Photo, error)
	// RemovePhoto keeps the photo as given and lets go of its data.
	RemovePhoto(ctx context.Context, p Photo) error
	// AddChange gives the change its Seq and returns it.
	AddChange(ctx context.Context, c Change) (Change, error)
	AddRequest(ctx context.Context, r Request) error
	// MergeHeard adds to what was heard before, and keeps the newest devices up
	// to a number.
	MergeHeard(ctx context.Context, heard []Heard, keep int) error
	// Expect reads in bulk what will be asked for one by one. It is a hint: what it
	// does not name is found as well.
	Expect(ctx context.Context, e Expected) error
	// ForgetHeard lets go of a device, because it is registered now.
	ForgetHeard(ctx context.Context, d telemetry.Device) error
	// Nested runs f so that, if it returns an error, nothing that it did is kept
	// while the transaction goes on.
	Nested(ctx context.Context, f func() error) error
}

// Expected names what will be asked for; not all of it need exist.
type Expected struct {
	Devices  []telemetry.Device
	Sites    []telemetry.Site
	Serials  []string
	Requests []string
}

// DefaultPage is how many entities a list gives where the filter says nothing;
// MaxPage is the most it gives.
const (
	DefaultPage = 50
	MaxPage     = 1000
)

// Page says which part of a list: Limit entities after the one whose id is After.
type Page struct {
	After string
	Limit int
}

// limit is within the bounds.
func (p Page) limit() int {
	if p.Limit <= 0 {
		return DefaultPage
	}
	return min(p.Limit, MaxPage)
}

// Size is how many entities the page holds at most.
func (p Page) Size() int { return p.limit() }

// SiteFilter selects sites; what is zero selects all.
type SiteFilter struct {
	Locality telemetry.Locality
	Ward     string
	State    State
	Tag      string
	// Kind is what a device that stands there now measures.
	Kind telemetry.Kind
	// Query is what a person typed: each of its words must be in id, name or
	// notes, with or without diacritics.
	Query string
	Box   *Box
	Page
}

// DeviceFilter selects devices; what is zero selects all. Locality, Ward and Box
// are those of the site where it stands.
type DeviceFilter struct {
	Locality    telemetry.Locality
	Ward        string
	Site        telemetry.Site
	Kind        telemetry.Kind
	State       State
	Profile     string
	Serial      string // exactly
	Gateway     string
	Provisional *bool
	Simulated   *bool
	// Query is as a SiteFilter's, and looks also at the site's name.
	Query string
	Box   *Box
	Page
}

// Placed is a device and where it stands; both nil if nowhere.
type Placed struct {
	Device       Device        `json:"device"`
	Installation *Installation `json:"installation,omitempty"`
	Site         *Site         `json:"site,omitempty"`
}

// InstallationFilter selects installations; what is zero selects all.
type InstallationFilter struct {
	Device telemetry.Device
	Site   telemetry.Site
	// Open selects those that have not ended.
	Open bool
}

// PhotoFilter selects photos; what is zero selects all.
type PhotoFilter struct {
	Installation int64
	Site         telemetry.Site // of any installation there
	Limit        int            // as a Page's
}

// ChangeFilter selects changes; what is zero selects all.
type ChangeFilter struct {
	Entity Entity
	ID     string
	Site   telemetry.Site
	Device telemetry.Device
	Who    string
	// After selects changes with a greater Seq, Before with a smaller one (for
	// the next page).
	After, Before int64
	Limit         int // as a Page's
}

// HeardFilter selects heard devices, the last heard first.
type HeardFilter struct {
	Locality telemetry.Locality
	Device   telemetry.Device
	Query    string
	Offset   int
	Limit    int // as a Page's
}

// Standing is what admission needs to know of a device.
type Standing struct {
	Device      telemetry.Device
	Kinds       []telemetry.Kind
	State       State
	Provisional bool
	Gateway     string
	// Home is the device's.
	Home          []telemetry.Locality
	Installations []Placing
}

// Placing is an installation with its site's locality.
type Placing struct {
	Installation
	Locality telemetry.Locality
}

// Request is an answer kept so that the same request sent again is answered
// alike and done once.
type Request struct {
	ID string
	// Digest is of the content; another content under the same ID is a conflict.
	Digest string
	// Answer is the JSON of what was returned.
	Answer []byte
	At     time.Time
}
