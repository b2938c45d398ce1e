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
	if p.Sites == nil {
		return nil, false, nil
	}
	found, err := p.Sites(ctx)
	if err != nil {
		return nil, false, err
	}
	all = now.Sub(p.sitesAt) >= sitesEvery
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
