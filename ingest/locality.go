package ingest

import (
	"strings"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// LocalityOf is the locality to which a message belongs, by its topic; "" where that
// names none, and then it is the whole city's.
func LocalityOf(topic string) telemetry.Locality {
	root, rest, _ := strings.Cut(topic, "/")
	l, _, below := strings.Cut(rest, "/")
	if root != codec.Root || !below || telemetry.CheckID(l) != nil {
		return ""
	}
	return telemetry.Locality(l)
}

// TopicsOf is what the topics of a locality's messages begin with.
func TopicsOf(l telemetry.Locality) string { return codec.Root + "/" + string(l) + "/" }
