package devices_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// TestFirstDay sends a day and a half of numbers in another unit, then the same
// corrected; every process hears but a part of them.
func TestFirstDay(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, c := range []struct {
		name          string
		kind          telemetry.Kind
		metric        telemetry.Metric
		wrong, proper float64
	}{
		{"mg/m³", telemetry.AirQuality, telemetry.CO, 0.6, 600},
		{"ppm", telemetry.AirQuality, telemetry.O3, 0.03, 60},
		{"°F", telemetry.Weather, telemetry.Temperature, 59, 31},
		{"fraction", telemetry.Weather, telemetry.Humidity, 0.78, 78},
	} {
		for _, every := range []time.Duration{time.Minute, time.Hour, 6 * time.Hour} {
			t.Run(c.name+" each "+every.String(), func(t *testing.T) {
				expected := []devices.Expectation{{Device: "d", Site: "s", Kinds: []telemetry.Kind{c.kind}, Usual: []time.Duration{time.Minute}}}
				s, at := devices.NewSilence(noon()), noon()
				send := func(v float64, until time.Time) {
					for ; at.Before(until); at = at.Add(every) {
						p := telemetry.Point{Time: at, Series: telemetry.Series{Kind: c.kind, Site: "s", Device: "d"},
							Values: []telemetry.Value{{Spec: cat.Kind(c.kind).Metric([]byte(c.metric)), Number: v}}}
						s.Observe(p, through("g", at))
					}
				}
				hints := func() []telemetry.UnitHint { return s.At(at, expected).Devices[0].Units }
				hints()
				if send(c.wrong, noon().Add(every)); len(hints()) != 0 {
					t.Errorf("one reading is asked about: %v", hints())
				}
				send(c.wrong, noon().Add(12*time.Hour))
				kept := s.Unsaved()
				s = devices.NewSilence(at)
				s.Restore(nil, nil, kept)
				send(c.wrong, noon().Add(36*time.Hour))
				if h := hints(); len(h) != 1 || h[0].Metric != c.metric || h[0].Value != c.wrong {
					t.Fatalf("after its first day: %v", h)
				}
				if send(c.proper, noon().Add(96*time.Hour)); len(hints()) != 0 {
					t.Errorf("corrected: %v", hints())
				}
			})
		}
	}
}
