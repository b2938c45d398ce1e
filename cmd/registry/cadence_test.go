package registry

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// A cadence is shown with how it is known, set, and given back to learning.
func TestDevicesCadence(t *testing.T) {
	o := newFieldOffice(t)
	start := time.Now().Add(-48 * time.Hour)
	silence := devices.NewSilence(start)
	o.api.Presences = func() devices.Silences { return silence.At(time.Now(), o.registry.Snapshot().Expectations()) }
	asked := time.Now()
	o.api.Now = func() time.Time { // the states of devices are kept for two seconds
		asked = asked.Add(10 * time.Second)
		return asked
	}
	o.run(append([]string{"add", "wl-1", "--kind", "water_level"}, newSite("Đồng Trăng")...)...).want(0)
	o.run("show", "wl-1").want(0, "5 min, usual", "waiting")
	for h := range 7 {
		at := time.Now().Add(time.Duration(h-7) * time.Hour)
		silence.Observe(telemetry.Point{Time: at, Series: telemetry.Series{Kind: telemetry.WaterLevel, Device: "wl-1"},
			Values: []telemetry.Value{{Spec: &telemetry.MetricSpec{Name: telemetry.Level}, Number: 3}}}, devices.Sign{Received: at})
	}
	o.run("show", "wl-1").want(0, "60 min, learned")
	o.run("list").want(0, "REPORTS", "60 min, learned")
	o.run("cadence", "wl-1", "30m", "--why", "set on the spot").want(0, "wl-1 at dong-trang-2 sends readings every 30 min")
	o.run("show", "wl-1").want(0, "30 min\n")
	o.run("cadence", "wl-1", "--learn").want(0, "is learned from its readings")
	o.run("show", "wl-1").want(0, "60 min, learned")
	o.run("cadence", "wl-1").want(1, "say how often the device sends readings, such as 60m, or --learn")
	o.run("cadence", "wl-1", "60m", "--learn").want(1, "such as 60m, or --learn")
	o.run("cadence", "nobody", "60m").want(1, "haidang devices list")
	if _, err := o.registry.CreateDevice(t.Context(), devices.By{Who: "test", Scope: devices.Everywhere()}, devices.Device{ID: "spare", Kinds: []telemetry.Kind{telemetry.Noise}}); err != nil {
		t.Fatal(err)
	}
	o.run("cadence", "spare", "60m").want(1, "spare stands nowhere")
}
