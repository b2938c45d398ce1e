package simulator

import (
	"fmt"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// shelly is Shelly Gen2's NotifyStatus: a partial update, in RPC's clothes.
func shelly() *format {
	return &format{name: Shelly, kinds: []telemetry.Kind{telemetry.Energy, telemetry.StreetLight, telemetry.Weather, telemetry.AirQuality},
		topic:  func(d *Device) string { return shellyID(d) + "/events/rpc" },
		append: appendShelly}
}

func shellyID(d *Device) string {
	model := "shellyplusht"
	if k := d.Kind.Kind; k == telemetry.Energy || k == telemetry.StreetLight {
		model = "shellypro1pm"
	}
	return fmt.Sprintf("%s-%012x", model, d.salt&0xffffffffffff)
}

func appendShelly(b []byte, u *uplink) []byte {
	o := begin(b)
	id := shellyID(u.device)
	o.text("src", id)
	o.text("dst", id+"/events")
	o.text("method", "NotifyStatus")
	o.inside("params", func(o *object) {
		o.raw("ts", fmt.Sprintf("%.2f", float64(u.stamp.UnixMilli())/1000))
		if t, ok := u.get(telemetry.Temperature); ok {
			o.inside("temperature:0", func(o *object) {
				o.number("id", 0)
				o.number("tC", round(t, 10))
				o.number("tF", round(t*9/5+32, 10))
			})
			o.inside("humidity:0", func(o *object) {
				o.number("id", 0)
				o.rounded(u, "rh", telemetry.Humidity, 1, 1)
			})
			return
		}
		o.inside("switch:0", func(o *object) {
			o.number("id", 0)
			o.rounded(u, "apower", telemetry.Power, 1, 1)
			o.rounded(u, "voltage", telemetry.Voltage, 1, 1)
			o.rounded(u, "current", telemetry.Current, 1, 3)
			o.rounded(u, "freq", telemetry.Frequency, 1, 1)
			o.inside("aenergy", func(o *object) { o.rounded(u, "total", telemetry.EnergyTotal, 1000, 3) }) // Wh
		})
	})
	return o.end()
}
