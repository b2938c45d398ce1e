package devices

import (
	"encoding/json"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Entity names a kind of thing that changes.
type Entity string

// The entities.
const (
	EntityLocality     Entity = "locality"
	EntityWard         Entity = "ward"
	EntitySite         Entity = "site"
	EntityDevice       Entity = "device"
	EntityInstallation Entity = "installation"
	EntityProfile      Entity = "profile"
	EntityPhoto        Entity = "photo"
	EntityRequest      Entity = "request"
	EntityLimit        Entity = "limit"

	// These are not the registry's and in no journal of it: what it calls them where
	// somebody may not act on them.
	EntityAlarm   Entity = "alarm"
	EntityMessage Entity = "message"
)

// vi is the entity's name in Vietnamese, for messages.
func (e Entity) vi() string {
	switch e {
	case EntityLocality:
		return "địa phương"
	case EntityWard:
		return "phường, xã"
	case EntitySite:
		return "điểm đo"
	case EntityDevice:
		return "thiết bị"
	case EntityInstallation:
		return "lần lắp đặt"
	case EntityProfile:
		return "mẫu thiết bị"
	case EntityPhoto:
		return "ảnh"
	case EntityLimit:
		return "ngưỡng cảnh báo"
	case EntityAlarm:
		return "cảnh báo"
	case EntityMessage:
		return "tin nhắn"
	default:
		return "mục"
	}
}

// Action is what was done to an entity.
type Action string

// The actions.
const (
	Created    Action = "created"
	Updated    Action = "updated"
	Installed  Action = "installed"
	Removed    Action = "removed" // the device was taken from its site
	Maintained Action = "maintenance"
	Resumed    Action = "resumed"
	RetiredNow Action = "retired"
	Admitted   Action = "admitted" // provisionally, by open admission
	Deleted    Action = "deleted"  // a photo, a limit; nothing else is ever deleted
)

// By is who does something and why. Both are in the journal.
type By struct {
	// Who is an account, a token or a part of the program such as "seed".
	Who string `json:"who"`
	// Why is a remark in their own words; it may be empty.
	Why string `json:"why,omitempty"`
	// Request is the client's id of the request, where there is one.
	Request string `json:"request,omitempty"`
	// Scope is where they may act. It must be said, and is not in the journal.
	Scope Scope `json:"-"`
}

// Change is one entry of the journal: an entity before and after. Seq counts all
// changes from 1 without a gap, in the order of their commits.
type Change struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Entity Entity    `json:"entity"`
	ID     string    `json:"id"`
	Action Action    `json:"action"`
	By
	// Site and Device are those concerned, so that either's history finds it.
	Site   telemetry.Site   `json:"site,omitempty"`
	Device telemetry.Device `json:"device,omitempty"`
	// Before and After are the entity as JSON; Before is empty at its creation.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}
