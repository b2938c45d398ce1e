package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Alarm is a limit that is crossed at a place, from when it was raised until it is
// cleared, and beyond that in the history.
type Alarm struct {
	ID int64 `json:"id"`
	// Rule is the id of the rule, which is the limit's.
	Rule     string             `json:"rule"`
	Severity string             `json:"severity" enum:"watch,warning,danger,extreme"`
	Kind     telemetry.Kind     `json:"kind"`
	Metric   telemetry.Metric   `json:"metric"`
	Locality telemetry.Locality `json:"locality,omitempty"`
	Site     telemetry.Site     `json:"site,omitempty"`
	// Device is set where the rule looks at single devices: a gateway.
	Device telemetry.Device `json:"device,omitempty"`
	// Value is the newest that was compared, Worst the one furthest beyond the
	// limit.
	Value float64 `json:"value"`
	Worst float64 `json:"worst"`
	// Threshold is the limit with sign and unit, as people read it.
	Threshold     string `json:"threshold"`
	Unit          string `json:"unit,omitempty"`
	SummaryVI     string `json:"summary_vi"`
	SummaryEN     string `json:"summary_en"`
	DescriptionVI string `json:"description_vi"`
	DescriptionEN string `json:"description_en"`
	RunbookVI     string `json:"runbook_vi,omitempty"`
	RunbookEN     string `json:"runbook_en,omitempty"`
	Reference     string `json:"reference,omitempty"`
	// Basis is what the limit rests on; operational is no law.
	Basis string `json:"basis" enum:"law,secondary,operational"`
	// Since is when the limit was crossed, Raised when the alarm fired, Cleared
	// when it ended; zero while it is active.
	Since   time.Time `json:"since"`
	Raised  time.Time `json:"raised"`
	Cleared time.Time `json:"cleared,omitzero"`
	// AcknowledgedBy is who has seen to it, empty while nobody has.
	AcknowledgedBy string    `json:"acknowledged_by,omitempty"`
	Acknowledged   time.Time `json:"acknowledged,omitzero"`
	Note           string    `json:"note,omitempty"`
	// Stale is when the newest reading was measured, of an alarm that holds although its
	// devices are overdue; zero while they are not.
	Stale time.Time `json:"stale_since,omitzero" doc:"No reading since: the alarm holds, for nothing says that it is over"`
	// Lasting is of something that has happened to the platform, a loss: it ends only when
	// it is acknowledged. NotReady says that until then the process is not ready.
	Lasting  bool `json:"lasting,omitempty" doc:"Something that has happened, which stays until somebody acknowledges it"`
	NotReady bool `json:"-"`
	// Quiet is since when the limit is not crossed any more of an alarm that is kept
	// on for a while, so that it does not ring again and again; zero while it is
	// crossed.
	Quiet time.Time `json:"-"`
}

// Active reports whether the alarm has not been cleared.
func (a Alarm) Active() bool { return a.Cleared.IsZero() }

// AlarmFilter selects alarms; what is zero selects all.
type AlarmFilter struct {
	ID int64
	// Active and Recent are those that are, and are no more, active; neither set
	// is both.
	Active, Recent bool
	Rule           string
	Severity       string
	Kind           telemetry.Kind
	Locality       telemetry.Locality
	Site           telemetry.Site
	// From and To select those that were active at any time between.
	From, To time.Time
	// Before selects smaller ids, for the next page; the newest come first.
	Before int64
	Limit  int
}

// AlarmEvent is what becomes of an alarm, as somebody is told of it.
type AlarmEvent struct {
	// ID is the same however often it is told: 17-raised.
	ID string `json:"id"`
	// Event is raised, acknowledged or cleared.
	Event string    `json:"event" enum:"raised,acknowledged,cleared"`
	At    time.Time `json:"at"`
	// Alarm is as it was then, but for the value, which is the newest.
	Alarm Alarm `json:"alarm"`
}

// AlarmEvents are the events that somebody is still to be told of. They survive
// whatever the alarms do.
type AlarmEvents interface {
	// NextEvent is the oldest of the gravest alarms; false where there is none. An
	// alarm's own events are in order, for its severity stays.
	NextEvent(ctx context.Context) (AlarmEvent, bool, error)
	// Told says that an event has been told.
	Told(ctx context.Context, e AlarmEvent) error
}

// Alarms keeps alarms through restarts. Where owe is set, somebody is to be told of
// what is written, by [AlarmEvents].
type Alarms interface {
	// KeepAlarms adds alarms without an ID, which it sets, and writes the values
	// and ends of the others; who has acknowledged one it leaves alone.
	KeepAlarms(ctx context.Context, alarms []*Alarm, owe bool) error
	// Alarms lists alarms, the newest first.
	Alarms(ctx context.Context, f AlarmFilter) ([]Alarm, error)
	// Acknowledge writes down who has seen to an alarm. One that is acknowledged
	// already, or not there, it answers with [ErrAcknowledged] and [ErrNoAlarm]. What
	// is settled by it is settled in the same step.
	Acknowledge(ctx context.Context, id int64, who, note string, at time.Time, owe bool, settle []Settlement) (Alarm, error)
}

// What Acknowledge refuses.
var (
	ErrNoAlarm      = errors.New("there is no alarm of this id")
	ErrAcknowledged = errors.New("the alarm is acknowledged already")
)
