package api

import (
	"encoding/json"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Position is a place on the earth in WGS 84.
type Position struct {
	Lat           float64 `json:"lat" doc:"Degrees, north positive" example:"12.2389"`
	Lon           float64 `json:"lon" doc:"Degrees, east positive" example:"109.1967"`
	Accuracy      float64 `json:"accuracy,omitempty" doc:"Radius in metres within which the true place lies; absent if not known"`
	OutsideReason string  `json:"outside_reason,omitempty" doc:"Why a position outside the province is right; such a position is refused as outside_province without it"`
}

// Box is a rectangle of longitudes and latitudes.
type Box struct {
	West  float64 `json:"west"`
	South float64 `json:"south"`
	East  float64 `json:"east"`
	North float64 `json:"north"`
}

// Ward is a unit of administration with its official code.
type Ward struct {
	Code       string           `json:"code" doc:"Official code of 5 digits" example:"22366"`
	NameVI     string           `json:"name_vi"`
	NameEN     string           `json:"name_en,omitempty"`
	Form       devices.WardForm `json:"form" enum:"phuong,xa,dac_khu"`
	Former     []string         `json:"former,omitempty" doc:"The units it was made of"`
	Box        Box              `json:"box"`
	ValidFrom  *time.Time       `json:"valid_from,omitempty"`
	ValidTo    *time.Time       `json:"valid_to,omitempty"`
	Successors []string         `json:"successors,omitempty" doc:"Codes of what it became when it ended"`
}

// Locality is a group of wards under a name that people use.
type Locality struct {
	ID        telemetry.Locality `json:"id" example:"nha-trang"`
	NameVI    string             `json:"name_vi"`
	NameEN    string             `json:"name_en,omitempty"`
	Box       Box                `json:"box"`
	ValidFrom *time.Time         `json:"valid_from,omitempty"`
	ValidTo   *time.Time         `json:"valid_to,omitempty"`
	Wards     []Ward             `json:"wards" doc:"Those in it today"`
}

// Localities are all localities, and the wards that are in none.
type Localities struct {
	Localities []Locality `json:"localities"`
	OtherWards []Ward     `json:"other_wards" doc:"Wards in force that belong to no locality, such as those upstream"`
	Province   Box        `json:"province" doc:"A position outside needs a reason"`
}

// Metric is a measured quantity of a kind.
type Metric struct {
	Name   telemetry.Metric `json:"name" example:"pm25"`
	NameVI string           `json:"name_vi"`
	NameEN string           `json:"name_en"`
	Unit   string           `json:"unit" doc:"As people write it; empty for a plain number" example:"µg/m³"`
	Min    float64          `json:"min" doc:"The smallest physically possible value"`
	Max    float64          `json:"max"`
	Form   string           `json:"form" enum:"gauge,amount,counter,flag" doc:"gauge: average or last; amount: add up; counter: increase; flag: 0 or 1"`
	Common bool             `json:"common,omitempty" doc:"Told by every device of itself (battery, signal), not measured"`
}

// Kind is what can be measured.
type Kind struct {
	Kind           telemetry.Kind `json:"kind" example:"air_quality"`
	NameVI         string         `json:"name_vi"`
	NameEN         string         `json:"name_en"`
	CadenceSeconds float64        `json:"cadence_seconds" doc:"How often a device usually reports"`
	Metrics        []Metric       `json:"metrics" doc:"In order of presentation; the first is the kind's leading one"`
}

// Profile is a device model: how its payloads are read.
type Profile struct {
	ID     string           `json:"id"`
	NameVI string           `json:"name_vi"`
	NameEN string           `json:"name_en,omitempty"`
	Model  string           `json:"model,omitempty"`
	Codec  string           `json:"codec"`
	Kinds  []telemetry.Kind `json:"kinds"`
	Notes  string           `json:"notes,omitempty"`
}

// SiteInput is what people say of a site.
type SiteInput struct {
	ID          telemetry.Site     `json:"id,omitempty" doc:"The tag of its series; never changes. Absent at creation: made of the name. 1 to 64 of a-z A-Z 0-9 - _ . :" example:"thap-tram-huong"`
	Name        string             `json:"name,omitempty" example:"Tháp Trầm Hương"`
	NameEN      string             `json:"name_en,omitempty"`
	Locality    telemetry.Locality `json:"locality,omitempty" example:"nha-trang"`
	Ward        string             `json:"ward,omitempty" doc:"Official code of 5 digits" example:"22366"`
	Position    Position           `json:"position,omitempty" required:"false"`
	MountHeight float64            `json:"mount_height,omitempty" doc:"Metres above ground"`
	Tags        []string           `json:"tags,omitempty"`
	NoiseArea   devices.NoiseArea  `json:"noise_area,omitempty" doc:"special or ordinary, after QCVN 26:2010/BTNMT"`
	Notes       string             `json:"notes,omitempty"`
}

// Site is a place that is measured.
type Site struct {
	SiteInput
	State       devices.State    `json:"state" enum:"planned,active,retired"`
	Provisional bool             `json:"provisional,omitempty" doc:"Named after an unknown device that open admission let in"`
	Version     int64            `json:"version" doc:"Its ETag is this number in quotes"`
	Updated     time.Time        `json:"updated"`
	Kinds       []telemetry.Kind `json:"kinds,omitempty" doc:"What is measured there now"`
	Presence    devices.Presence `json:"presence,omitempty" enum:"muted,fresh,waiting,late,silent" doc:"The worst of its devices; absent where none stands"`
	Devices     []AtSite         `json:"devices,omitempty" doc:"Those that stand there now"`
}

// AtSite is a device that stands at a site.
type AtSite struct {
	Device   telemetry.Device `json:"device"`
	Kinds    []telemetry.Kind `json:"kinds"`
	Presence devices.Presence `json:"presence,omitempty"`
	// Online, LastReading and Cadences are as of [Device].
	Online      bool          `json:"online,omitempty"`
	LastReading *time.Time    `json:"last_reading,omitempty"`
	Cadences    []KindCadence `json:"cadences,omitempty"`
	Units       []UnitHint    `json:"units,omitempty" doc:"Questions about the units of its metrics, by the medians of its first day there"`
	Since       *time.Time    `json:"since,omitempty"`
}

// SitePage is a part of a list of sites, by ascending id.
type SitePage struct {
	Sites []Site `json:"sites"`
	Total int    `json:"total" doc:"On all pages"`
	Next  string `json:"next,omitempty" doc:"Continue with cursor=next; absent on the last page"`
}

// NearbySite is a site and how far away it is.
type NearbySite struct {
	Site     Site    `json:"site"`
	Distance float64 `json:"distance" doc:"Metres"`
}

// NearbySites are sites around a position, and where the position is.
type NearbySites struct {
	Sites  []NearbySite `json:"sites" doc:"The nearest first"`
	Wards  []Ward       `json:"wards" doc:"Suggestions for the ward of the position, the likeliest first; the official code is a person's choice"`
	Inside bool         `json:"inside" doc:"The position is in the province; outside it a reason is needed"`
	// Swapped is a suggestion.
	Swapped *Position `json:"swapped,omitempty" doc:"Latitude and longitude seem to be swapped: this is the other way round"`
}

// Feature is a site in GeoJSON (RFC 7946).
type Feature struct {
	Type       string   `json:"type" enum:"Feature"`
	ID         string   `json:"id"`
	Geometry   Geometry `json:"geometry"`
	Properties Marker   `json:"properties"`
}

// Geometry is a point.
type Geometry struct {
	Type        string    `json:"type" enum:"Point"`
	Coordinates []float64 `json:"coordinates" doc:"Longitude, latitude"`
}

// Marker is what a map shows of a site.
type Marker struct {
	Name     string             `json:"name"`
	Locality telemetry.Locality `json:"locality"`
	Ward     string             `json:"ward,omitempty"`
	State    devices.State      `json:"state"`
	Kinds    []telemetry.Kind   `json:"kinds,omitempty"`
	Devices  []telemetry.Device `json:"devices,omitempty"`
	Presence devices.Presence   `json:"presence,omitempty"`
	Version  int64              `json:"version"`
}

// FeatureCollection are sites in GeoJSON.
type FeatureCollection struct {
	Type      string    `json:"type" enum:"FeatureCollection"`
	Features  []Feature `json:"features"`
	Truncated bool      `json:"truncated,omitempty" doc:"There are more than are given: narrow the box"`
}

// DeviceInput is what people say of a device.
type DeviceInput struct {
	ID        telemetry.Device `json:"id,omitempty" doc:"Stands in its topic; never changes" example:"aq-0042"`
	Kinds     []telemetry.Kind `json:"kinds,omitempty" doc:"What it measures, at least one"`
	Model     string           `json:"model,omitempty"`
	Profile   string           `json:"profile,omitempty" doc:"How its payloads are read; absent is the native format"`
	Serial    string           `json:"serial,omitempty" doc:"The manufacturer's number"`
	Gateway   string           `json:"gateway,omitempty" doc:"The radio gateway it usually comes through"`
	Notes     string           `json:"notes,omitempty"`
	Simulated bool             `json:"simulated,omitempty" doc:"It does not exist; its readings are for practice"`
}

// Device is a piece of hardware, and where it stands.
type Device struct {
	DeviceInput
	State        devices.State    `json:"state" enum:"planned,active,maintenance,retired"`
	Provisional  bool             `json:"provisional,omitempty" doc:"Nobody registered it; open admission let it in"`
	Version      int64            `json:"version" doc:"Its ETag is this number in quotes"`
	Created      time.Time        `json:"created"`
	Updated      time.Time        `json:"updated"`
	Installation *Installation    `json:"installation,omitempty" doc:"Where it stands; absent if nowhere"`
	SiteName     string           `json:"site_name,omitempty"`
	Position     *Position        `json:"position,omitempty"`
	Presence     devices.Presence `json:"presence,omitempty" enum:"muted,fresh,waiting,late,silent" doc:"Whether its readings come in time"`
	Online       bool             `json:"online,omitempty" doc:"It is in contact, whether or not it sends readings"`
	LastReading  *time.Time       `json:"last_reading,omitempty" doc:"The newest time it measured where it stands; what it flagged as an error does not count"`
	LastContact  *time.Time       `json:"last_contact,omitempty" doc:"When anything last came of it"`
	Cadences     []KindCadence    `json:"cadences,omitempty" doc:"How often it sends readings: as set, learned, or usual of the kind"`
}

// DevicePage is a part of a list of devices, by ascending id.
type DevicePage struct {
	Devices []Device `json:"devices"`
	Total   int      `json:"total" doc:"On all pages"`
	Next    string   `json:"next,omitempty" doc:"Continue with cursor=next; absent on the last page"`
}

// Installation is a device at a site from a time to a time.
type Installation struct {
	ID             int64            `json:"id"`
	Device         telemetry.Device `json:"device"`
	Site           telemetry.Site   `json:"site"`
	From           time.Time        `json:"from"`
	To             *time.Time       `json:"to,omitempty" doc:"Absent while it stands there"`
	Redundant      bool             `json:"redundant,omitempty" doc:"Stands beside another of its kind on purpose"`
	CadenceSeconds float64          `json:"cadence_seconds,omitempty" doc:"How often it reports, as somebody has set; absent it is learned, see cadences of the device"`
	Provisional    bool             `json:"provisional,omitempty"`
	Version        int64            `json:"version" doc:"Its ETag is this number in quotes"`
}

// Installations are in order of their beginnings.
type Installations struct {
	Installations []Installation `json:"installations"`
}

// Change is an entry of the journal of changes.
type Change struct {
	Seq     int64            `json:"seq"`
	At      time.Time        `json:"at"`
	Entity  devices.Entity   `json:"entity"`
	ID      string           `json:"id"`
	Action  devices.Action   `json:"action"`
	Who     string           `json:"who"`
	Why     string           `json:"why,omitempty"`
	Request string           `json:"request,omitempty"`
	Site    telemetry.Site   `json:"site,omitempty"`
	Device  telemetry.Device `json:"device,omitempty"`
	Before  json.RawMessage  `json:"before,omitempty" doc:"The entity before, as the journal keeps it"`
	After   json.RawMessage  `json:"after,omitempty"`
}

// ChangePage is a part of the journal, the newest first.
type ChangePage struct {
	Changes []Change `json:"changes"`
	Next    string   `json:"next,omitempty" doc:"Continue with cursor=next; absent on the last page"`
}

// Act is why something is done, and when it was.
type Act struct {
	Why string     `json:"why,omitempty" doc:"In the person's own words; in the journal"`
	At  *time.Time `json:"at,omitempty" doc:"When it happened; absent is now"`
}

// InstallInput puts a device at a site.
type InstallInput struct {
	Site           telemetry.Site `json:"site"`
	From           *time.Time     `json:"from,omitempty" doc:"Absent: now, or when the device was first heard, so that what waits in quarantine finds its site"`
	To             *time.Time     `json:"to,omitempty" doc:"For a past installation"`
	Move           bool           `json:"move,omitempty" doc:"Take the device from where it stands, in the same act"`
	Redundant      bool           `json:"redundant,omitempty"`
	CadenceSeconds float64        `json:"cadence_seconds,omitempty"`
	Why            string         `json:"why,omitempty"`
}

// CorrectionInput replaces what is said of an installation.
type CorrectionInput struct {
	From           time.Time  `json:"from"`
	To             *time.Time `json:"to,omitempty"`
	Redundant      bool       `json:"redundant,omitempty"`
	CadenceSeconds float64    `json:"cadence_seconds,omitempty"`
	Why            string     `json:"why,omitempty"`
}

// SwapInput replaces the device of the path by another at its site.
type SwapInput struct {
	New    telemetry.Device `json:"new,omitempty" doc:"A device that is registered; or leave it out and give create"`
	Create *DeviceInput     `json:"create,omitempty" doc:"The new device, to be registered in the same act"`
	At     *time.Time       `json:"at,omitempty" doc:"Absent is now"`
	Retire bool             `json:"retire,omitempty" doc:"The old device is out of use; otherwise it is in maintenance"`
	Why    string           `json:"why,omitempty"`
}

// Swapped is what came of a swap.
type Swapped struct {
	Site     Site         `json:"site"`
	Ended    Installation `json:"ended"`
	Began    Installation `json:"began"`
	Replaced Device       `json:"replaced"`
	Device   Device       `json:"device"`
}

// MaintenanceInput begins or ends maintenance.
type MaintenanceInput struct {
	Action string `json:"action" enum:"begin,end" doc:"begin: readings are stored, silence is no fault. end: active where it stands; also ends retirement"`
	Why    string `json:"why,omitempty"`
}

// Photo is a picture of an installation; its bytes are at url, and never change.
type Photo struct {
	ID           int64            `json:"id"`
	Installation int64            `json:"installation"`
	Device       telemetry.Device `json:"device"`
	Site         telemetry.Site   `json:"site"`
	Type         string           `json:"type" doc:"MIME type"`
	Bytes        int64            `json:"bytes"`
	Width        int64            `json:"width,omitempty" doc:"Pixels"`
	Height       int64            `json:"height,omitempty"`
	At           time.Time        `json:"at"`
	Who          string           `json:"who,omitempty"`
	URL          string           `json:"url"`
}

// Photos are those of an installation, the oldest first, or of a site, the newest
// first.
type Photos struct {
	Photos []Photo `json:"photos"`
}

// RegistrationInput is all that a technician under a lamp post says, in one act.
type RegistrationInput struct {
	RequestID      string      `json:"request_id" doc:"The client's own id of this act, such as a UUID. Sent again, it is done once and answered alike" example:"0198c1f2-5b1e-7c3a-9d53-0d2a4a3f8a10"`
	Device         DeviceInput `json:"device"`
	Site           SiteInput   `json:"site" doc:"The id of one that exists; or with new_site a new one"`
	NewSite        bool        `json:"new_site,omitempty"`
	From           *time.Time  `json:"from,omitempty" doc:"Since when it stands there, by the phone's clock. Absent: now, or when it was first heard"`
	SentAt         *time.Time  `json:"sent_at,omitempty" doc:"The phone's clock at the moment of sending: a wrong clock is measured by it, and from put right"`
	Redundant      bool        `json:"redundant,omitempty"`
	CadenceSeconds float64     `json:"cadence_seconds,omitempty"`
	Photo          []byte      `json:"photo,omitempty" doc:"JPEG, PNG or WebP of at most 2 MiB, in base64"`
	Why            string      `json:"why,omitempty"`
}

// Registered is what came of a registration.
type Registered struct {
	RequestID        string       `json:"request_id"`
	Device           Device       `json:"device"`
	Site             Site         `json:"site"`
	Installation     Installation `json:"installation"`
	PhotoID          int64        `json:"photo_id,omitempty"`
	ClockSkewSeconds float64      `json:"clock_skew_seconds,omitempty" doc:"How far ahead the phone's clock was; from has been put right"`
	Repeated         bool         `json:"repeated,omitempty" doc:"This request had been done before; this is the answer it had"`
}

// Holder is what stands in the way of a registration: errors[].current of a 409
// of already_registered.
type Holder struct {
	Device       Device        `json:"device"`
	Installation *Installation `json:"installation,omitempty"`
	Site         *Site         `json:"site,omitempty"`
	Who          string        `json:"who"`
	At           time.Time     `json:"at"`
}
