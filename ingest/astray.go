package ingest

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Astray are the messages that wait in quarantine of one topic that leads nowhere.
type Astray struct {
	Topic  string
	Reason telemetry.Reason
	Count  int64
	First  time.Time
	// What follows is the last one's; of the payload it is the beginning.
	Last    time.Time
	Gateway string
	Device  telemetry.Device
	Payload []byte
}

// AstrayReasons are the reasons of messages whose topic is wrong, whatever their payload.
func AstrayReasons() []telemetry.Reason {
	return []telemetry.Reason{telemetry.BadTopic, telemetry.UnknownLocality, telemetry.UnknownKind}
}
