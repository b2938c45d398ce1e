package codec

import "github.com/haidang-iot/haidang/ingest/telemetry"

// nearest is the name, among a kind's metrics and ts, that a wrong key was most
// likely meant to be; "" if it resembles none.
func nearest(spec *telemetry.KindSpec, key string) string {
	switch telemetry.Plain(key) {
	case timeKey, "time", "timestamp", "datetime", "timems", "tsms":
		return timeKey
	}
	name, _ := telemetry.Nearest(key, spec.Names())
	return string(name)
}
