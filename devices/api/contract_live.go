package api

import (
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// CheckState is what a live check finds.
type CheckState string

// The states of a live check.
const (
	NeverHeard  CheckState = "never_heard"  // nothing has come from it at all
	WrongSecret CheckState = "wrong_secret" // it connects, and its secret is refused
	Rejected    CheckState = "refused"      // it connects, and is refused for another reason
	Quarantined CheckState = "quarantined"  // it is heard; what it sends cannot be stored
	LateReading CheckState = "late"         // it was heard, and is overdue
	FaultyValue CheckState = "faulty"       // its readings are stored, and the instrument says that they are wrong
	Receiving   CheckState = "receiving"    // its readings are stored
)

// Check answers the technician's question: does it work? The field app asks again
// every few seconds until it is receiving.
type Check struct {
	Device     telemetry.Device `json:"device"`
	State      CheckState       `json:"state" enum:"never_heard,wrong_secret,refused,quarantined,late,faulty,receiving"`
	TextVI     string           `json:"text_vi" example:"Đã nhận dữ liệu."`
	TextEN     string           `json:"text_en"`
	Registered bool             `json:"registered"`
	Site       telemetry.Site   `json:"site,omitempty"`
	First      *Reading         `json:"first,omitempty" doc:"receiving: the first valid reading since it stands there"`
	Last       *Reading         `json:"last,omitempty" doc:"receiving, faulty, late: the newest reading that was stored"`
	Reason     string           `json:"reason,omitempty" doc:"quarantined, wrong_secret, refused: the stable word for why"`
	Detail     string           `json:"detail,omitempty" doc:"A sentence on it, in English"`
	Topic      string           `json:"topic,omitempty"`
	Sample     string           `json:"sample,omitempty" doc:"quarantined: the beginning of a payload, where it is text. Written by anybody: show as text"`
	Binary     []byte           `json:"sample_base64,omitempty" doc:"quarantined: the same where it is not text"`
	Waiting    int64            `json:"waiting,omitempty" doc:"How many messages wait in quarantine"`
	LastSeen   *time.Time       `json:"last_seen,omitempty" doc:"The last sign of it of any sort"`
	// LastContact is of an admitted device; LastSeen may be a refused connection.
	LastContact *time.Time `json:"last_contact,omitempty" doc:"When anything last came of it: a reading, that it is online, or a message that waits in quarantine"`
	Online      bool       `json:"online,omitempty" doc:"It is in contact, whether or not it sends readings"`
	Missing     float64    `json:"missing_seconds,omitempty" doc:"late: for how long no reading has come"`
	Checked     time.Time  `json:"checked"`
}

// Reading is what a device said of one kind at one moment; of metrics that it told
// a little earlier, in a message of their own, the value is there too.
type Reading struct {
	Site   telemetry.Site               `json:"site"`
	Device telemetry.Device             `json:"device"`
	Kind   telemetry.Kind               `json:"kind"`
	Time   time.Time                    `json:"time" doc:"When it was measured"`
	Values map[telemetry.Metric]float64 `json:"values" doc:"By metric, in the units of /api/v1/kinds; quality is 0 measuring, 1 calibrating, 2 error"`
}

// Latest are the newest readings of a site, one for each kind and device.
type Latest struct {
	Site     telemetry.Site   `json:"site"`
	Presence devices.Presence `json:"presence,omitempty" enum:"muted,fresh,waiting,late,silent"`
	Readings []Reading        `json:"readings"`
}

// SeriesPoint is one step of a series.
type SeriesPoint struct {
	Time time.Time `json:"t" doc:"The end of the step"`
	Min  float64   `json:"min"`
	Mean float64   `json:"mean" doc:"Of an equivalent level (laeq) the level of its mean energy"`
	Max  float64   `json:"max"`
	// Quality is the worst flag on a reading of the step that is left out.
	Quality string `json:"quality,omitempty" enum:"calibrating,error" doc:"The instrument flagged readings of this step, and the values are of its others only. Absent if it flagged none"`
}

// FlaggedStep is a step in which the instrument flagged all readings.
type FlaggedStep struct {
	Time    time.Time `json:"t" doc:"The end of the step"`
	Quality string    `json:"quality,omitempty" enum:"calibrating,error"`
}

// DeviceSeries is what one device measured at the site.
type DeviceSeries struct {
	Device telemetry.Device `json:"device"`
	Points []SeriesPoint    `json:"points" doc:"In order of time; a step without a good reading is left out, so a gap is a gap"`
	// Flagged are steps that had readings, and none that may enter an average.
	Flagged []FlaggedStep `json:"flagged,omitempty" doc:"Steps that are left out because the instrument flagged all their readings"`
}

// Series is a metric of a site over time. The site's history goes through swaps:
// one line may come from several devices, one after the other.
type Series struct {
	Site        telemetry.Site   `json:"site"`
	Kind        telemetry.Kind   `json:"kind"`
	Metric      telemetry.Metric `json:"metric"`
	Unit        string           `json:"unit"`
	From        time.Time        `json:"from"`
	To          time.Time        `json:"to"`
	StepSeconds float64          `json:"step_seconds"`
	Series      []DeviceSeries   `json:"series"`
}

// Heard is a device that spoke and is not registered, or only provisionally.
type Heard struct {
	Device      telemetry.Device   `json:"device"`
	Locality    telemetry.Locality `json:"locality"`
	Kind        telemetry.Kind     `json:"kind" doc:"The last heard"`
	Reason      devices.Refusal    `json:"reason,omitempty" doc:"Why it was not admitted; absent where it was, provisionally"`
	Provisional bool               `json:"provisional,omitempty"`
	First       time.Time          `json:"first"`
	Last        time.Time          `json:"last"`
	Earliest    *time.Time         `json:"earliest,omitempty" doc:"Its oldest event time: what waits begins there"`
	Count       int64              `json:"count" doc:"Readings heard"`
	Topic       string             `json:"topic,omitempty"`
	Gateway     string             `json:"gateway,omitempty"`
	Sample      string             `json:"sample,omitempty" doc:"The last payload's beginning, where it is text. Written by anybody: show as text"`
	Binary      []byte             `json:"sample_base64,omitempty" doc:"The same where it is not text"`
	Draft       RegistrationDraft  `json:"draft" doc:"What a registration may start from"`
}

// RegistrationDraft is what is already known of a device to be registered.
type RegistrationDraft struct {
	Device   DeviceInput        `json:"device"`
	Locality telemetry.Locality `json:"locality"`
	From     time.Time          `json:"from" doc:"So that what waits finds its site"`
}

// HeardPage is a part of the heard devices, the last heard first.
type HeardPage struct {
	Heard []Heard `json:"heard"`
	Total int     `json:"total"`
	Next  string  `json:"next,omitempty" doc:"Continue with cursor=next; absent on the last page"`
}

// DeviceSilence is how a device stands.
type DeviceSilence struct {
	Device         telemetry.Device   `json:"device"`
	Site           telemetry.Site     `json:"site"`
	Locality       telemetry.Locality `json:"locality"`
	Gateway        string             `json:"gateway,omitempty"`
	State          devices.Presence   `json:"state" enum:"muted,fresh,waiting,late,silent"`
	CadenceSeconds float64            `json:"cadence_seconds" doc:"By which it is judged: the shortest of its cadences, or, if longer, how often it sends what it stores"`
	Cadences       []KindCadence      `json:"cadences,omitempty"`
	LastReceived   *time.Time         `json:"last_received,omitempty" doc:"When its last reading was received, also by earlier runs of the program"`
	LastEvent      *time.Time         `json:"last_event,omitempty" doc:"The newest time it measured; far behind last_received, it is sending what it had stored"`
	LastContact    *time.Time         `json:"last_contact,omitempty" doc:"When anything last came of it: a reading, that it is online, or a message that waits in quarantine"`
	Online         bool               `json:"online,omitempty" doc:"It is in contact, whether or not it sends readings: silent and online is a device that is reached and measures nothing"`
	Faulty         bool               `json:"faulty,omitempty" doc:"Its readings come, all flagged as errors by itself"`
	MissingSeconds float64            `json:"missing_seconds" doc:"For how long no reading has come"`
	Incident       string             `json:"incident,omitempty" doc:"The gateway of the incident it is part of"`
}

// UnitHint is a question about the unit of a metric.
type UnitHint struct {
	Metric telemetry.Metric `json:"metric"`
	Value  float64          `json:"value" doc:"The median, taken as of the catalogue's unit"`
	TextVI string           `json:"text_vi"`
	TextEN string           `json:"text_en"`
}

// KindCadence is how often a device sends readings of a kind.
type KindCadence struct {
	Kind    telemetry.Kind `json:"kind"`
	Seconds float64        `json:"seconds"`
	Learned bool           `json:"learned,omitempty" doc:"Nobody has set it: its readings tell. Set it with PUT /api/v1/installations/{id}"`
	Usual   bool           `json:"usual,omitempty" doc:"Nobody has set it, and its readings are too few to tell, or keep none: it is what is usual of the kind"`
}

// Incident is many silent devices behind one gateway: most likely one fault.
type Incident struct {
	Gateway  string             `json:"gateway"`
	Since    *time.Time         `json:"since,omitempty" doc:"The last that was heard through it"`
	Devices  []telemetry.Device `json:"devices"`
	Expected int                `json:"expected" doc:"How many devices are behind the gateway"`
}

// PresenceCounts are devices by state.
type PresenceCounts struct {
	Muted   int `json:"muted"`
	Fresh   int `json:"fresh"`
	Waiting int `json:"waiting"`
	Late    int `json:"late"`
	Silent  int `json:"silent"`
}

// SilencePage is a part of the states of devices, the worst first.
type SilencePage struct {
	At         time.Time                             `json:"at"`
	Counts     PresenceCounts                        `json:"counts" doc:"Of the whole city, whatever the filter"`
	Localities map[telemetry.Locality]PresenceCounts `json:"localities"`
	Devices    []DeviceSilence                       `json:"devices"`
	Next       string                                `json:"next,omitempty" doc:"Continue with cursor=next; absent on the last page"`
}

// Incidents are the incidents of this moment.
type Incidents struct {
	At        time.Time  `json:"at"`
	Incidents []Incident `json:"incidents"`
}

// The events of the live stream. Each is a server-sent event of that name whose
// data is JSON.
const (
	EventReading  = "reading"  // a Reading: the newest of its site, kind and device
	EventPresence = "presence" // a PresenceEvent: a device's state has changed
	EventChange   = "change"   // a ChangeEvent: the registry was changed
	EventAlarm    = "alarm"    // an alarm was raised, cleared or acknowledged, as /api/v1/alarms lists it
	EventReset    = "reset"    // {}: some events are lost to this client; read the lists again
)

// PresenceEvent tells that a device's presence is another.
type PresenceEvent struct {
	Device   telemetry.Device   `json:"device"`
	Site     telemetry.Site     `json:"site"`
	Locality telemetry.Locality `json:"locality"`
	From     devices.Presence   `json:"from,omitempty"`
	State    devices.Presence   `json:"state"`
	At       time.Time          `json:"at"`
	Incident string             `json:"incident,omitempty"`
}

// ChangeEvent tells that the registry was changed; what to, the lists say.
type ChangeEvent struct {
	Seq    int64            `json:"seq"`
	Entity devices.Entity   `json:"entity"`
	ID     string           `json:"id"`
	Action devices.Action   `json:"action"`
	Site   telemetry.Site   `json:"site,omitempty"`
	Device telemetry.Device `json:"device,omitempty"`
	Who    string           `json:"who"`
	At     time.Time        `json:"at"`
}
