package dashboards

import (
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// siteStates are the words for a site's state. Each has a symbol of its own: a
// colour is never the only sign.
func siteStates() []Mapping {
	at := func(v float64, vi, en, colour string) Mapping { return Mapping{v, v, Text{vi, en}, colour} }
	return []Mapping{
		at(telemetry.SiteOK, "● Bình thường", "● Well", sea),
		at(telemetry.SiteLate, "◐ Trễ", "◐ Late", amber),
		at(telemetry.SiteSilent, "○ Mất tín hiệu", "○ Silent", orange),
		at(telemetry.SiteAlarm, "▲ Cảnh báo", "▲ Alarm", red),
		at(telemetry.SiteMaintenance, "■ Bảo trì", "■ Maintenance", grey),
	}
}

// siteSigns are the symbols of those states.
func siteSigns() []Mapping {
	out := siteStates()
	for i, m := range out {
		sign, _, _ := strings.Cut(m.Text.VI, " ")
		out[i].Text = same(sign)
	}
	return out
}

// severities are the words for how grave an alarm is.
func severities() []Mapping {
	at := func(s limits.Severity, vi, en string) Mapping {
		return Mapping{float64(s), float64(s), Text{vi, en}, severity(s)}
	}
	return []Mapping{at(limits.Watch, "▲ Theo dõi", "▲ Watch"), at(limits.Warning, "▲▲ Cảnh báo", "▲▲ Warning"),
		at(limits.Danger, "▲▲▲ Nguy hiểm", "▲▲▲ Danger"), at(limits.Extreme, "▲▲▲▲ Đặc biệt", "▲▲▲▲ Extreme")}
}

// alarming colours a count of what should not be.
func alarming(colour string) []Mapping {
	return []Mapping{{0, 1, Text{}, sea}, {1, 2, Text{}, colour}}
}

// aqiBands are the bands of VN_AQI with their legal names and colours.
func aqiBands() []Mapping {
	var out []Mapping
	for _, c := range vnaqi.Categories() {
		from := float64(c.From)
		if c.From > 0 {
			from -= 0.5 // an index between two bands is rounded
		}
		out = append(out, Mapping{from, float64(c.To) + 0.5, Text{c.NameVI, c.NameEN}, c.Colour})
	}
	return out
}

// pollutants are the words for the dominant pollutant.
func pollutants() []Mapping {
	out := []Mapping{{0, 0, Text{"Không có", "None"}, grey}}
	for _, p := range vnaqi.Pollutants() {
		out = append(out, Mapping{float64(p), float64(p), Text{strings.ReplaceAll(p.String(), ".", ","), p.String()}, deep})
	}
	return out
}

// yesNo are the words for a flag, with the colour of yes.
func yesNo(yes, no Text, colour string) []Mapping {
	return []Mapping{{0, 0, no, clear}, {1, 1, yes, colour}}
}
