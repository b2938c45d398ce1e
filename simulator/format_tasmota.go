package simulator

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// tasmota is a metering plug's tele/…/SENSOR: local time without a zone, energy
// in kWh.
func tasmota() *format {
	return &format{name: Tasmota, kinds: []telemetry.Kind{telemetry.Energy, telemetry.StreetLight},
		topic:  func(d *Device) string { return "tele/" + string(d.ID) + "/SENSOR" },
		append: appendTasmota}
}

func appendTasmota(b []byte, u *uplink) []byte {
	o := begin(b)
	o.text("Time", u.stamp.In(time.FixedZone("", 7*3600)).Format("2006-01-02T15:04:05"))
	o.inside("ENERGY", func(o *object) {
		o.rounded(u, "Total", telemetry.EnergyTotal, 1, 3)
		o.rounded(u, "Power", telemetry.Power, 1, 0)
		o.rounded(u, "ReactivePower", telemetry.ReactivePower, 1, 0)
		o.rounded(u, "Factor", telemetry.PowerFactor, 1, 2)
		o.rounded(u, "Frequency", telemetry.Frequency, 1, 0)
		o.rounded(u, "Voltage", telemetry.Voltage, 1, 0)
		o.rounded(u, "Current", telemetry.Current, 1, 3)
	})
	return o.end()
}
