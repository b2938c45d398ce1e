package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry/limits"

// The colours are those of the console. A colour is never the only sign: words and
// symbols say the same.
const (
	sea    = "#3FA7BD" // what is well, what is measured
	deep   = "#2B6CB0"
	amber  = "#E8A33A"
	orange = "#E4772E"
	red    = "#D64545"
	violet = "#8F4FBF"
	grey   = "#8A9BA3"
	clear  = "transparent"
)

// severity is the colour of a limit's severity.
func severity(s limits.Severity) string {
	switch s {
	case limits.Watch:
		return amber
	case limits.Warning:
		return orange
	case limits.Danger:
		return red
	default:
		return violet
	}
}
