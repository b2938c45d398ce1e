package figures

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Standing is where a site is and how it stands.
type Standing struct {
	Site     telemetry.Site
	Locality telemetry.Locality
	// Latitude and Longitude are both 0 where the place is not known.
	Latitude, Longitude float64
	// State is one of telemetry.SiteOK and its like.
	State           int
	Devices, Silent int
}

// standings are those to be written: what has changed, or all if their minute is
// over.
func (p *Platform) standings(ctx context.Context, now time.Time) (out []Standing, all bool, err error) {
	all = now.Sub(p.sitesAt) >= sitesEvery
	if p.Sites == nil {
		return nil, all, nil
	}
	found, err := p.Sites(ctx)
	if err != nil {
		return nil, false, err
	}
	there := make(map[telemetry.Site]bool, len(found))
	for _, s := range found {
		there[s.Site] = true
		if before, known := p.written[s.Site]; all || !known || before != s {
			out = append(out, s)
		}
	}
	for s := range p.written {
		if !there[s] {
			delete(p.written, s)
		}
	}
	return out, all, nil
}

func (p *Platform) pointOf(s Standing, now time.Time) telemetry.Point {
	out := telemetry.Point{Time: now, Series: telemetry.Series{Kind: telemetry.SiteState, Locality: s.Locality, Site: s.Site, Device: telemetry.ComputedBy}}
	set := func(m telemetry.Metric, v float64) {
		out.Values = append(out.Values, telemetry.Value{Spec: p.state.Metric([]byte(m)), Number: v})
	}
	if s.Latitude != 0 || s.Longitude != 0 {
		set(telemetry.Latitude, s.Latitude)
		set(telemetry.Longitude, s.Longitude)
	}
	set(telemetry.StateCode, float64(s.State))
	set(telemetry.DeviceCount, float64(s.Devices))
	set(telemetry.SilentDevices, float64(s.Silent))
	return out
}

// Alarm is an alarm that is active.
type Alarm struct {
	Rule     string
	Locality telemetry.Locality
	Site     telemetry.Site
	// Severity is that of package limits.
	Severity int
}

// alarmSeries are the active alarms by the series that they are written as. What
// concerns no site is the platform's.
func (p *Platform) alarmSeries() map[telemetry.Series]int {
	if p.Alarms == nil {
		return nil
	}
	out := map[telemetry.Series]int{}
	for _, a := range p.Alarms() {
		s := telemetry.Series{Kind: telemetry.ActiveAlarm, Locality: a.Locality, Site: a.Site, Device: telemetry.Device(a.Rule)}
		if s.Site == "" {
			s.Site = telemetry.PlatformSite
		}
		if s.Locality == "" {
			s.Locality = telemetry.Locality(telemetry.PlatformSite)
		}
		out[s] = max(out[s], a.Severity)
	}
	return out
}

// alarmPoints are the alarms to be written: what has changed, with 0 for what has
// ended, or all if their minute is over.
func (p *Platform) alarmPoints(active map[telemetry.Series]int, all bool, now time.Time) (out []telemetry.Point) {
	add := func(s telemetry.Series, severity int) {
		out = append(out, telemetry.Point{Time: now, Series: s, Values: []telemetry.Value{{Spec: p.alarm.Metric([]byte(telemetry.AlarmSeverity)), Number: float64(severity)}}})
	}
	for s, severity := range active {
		if before, known := p.ringing[s]; all || !known || before != severity {
			add(s, severity)
		}
	}
	for s := range p.ringing {
		if _, still := active[s]; !still {
			add(s, 0)
		}
	}
	return out
}
