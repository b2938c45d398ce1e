package simulator

import "github.com/haidang-iot/haidang/ingest/telemetry"

// zigbee2MQTT publishes a device's state, flat and without a time.
func zigbee2MQTT() *format {
	return &format{name: Zigbee2MQTT, kinds: []telemetry.Kind{telemetry.AirQuality, telemetry.Weather, telemetry.StreetLight, telemetry.Energy},
		topic: func(d *Device) string { return "zigbee2mqtt/" + string(d.ID) },
		append: func(b []byte, u *uplink) []byte {
			o := begin(b)
			o.rounded(u, "temperature", telemetry.Temperature, 1, 2)
			o.rounded(u, "humidity", telemetry.Humidity, 1, 2)
			o.rounded(u, "pressure", telemetry.Pressure, 1, 1)
			o.rounded(u, "pm25", telemetry.PM25, 1, 0)
			if on, ok := u.get(telemetry.On); ok {
				state := "OFF"
				if on > 0 {
					state = "ON"
				}
				o.text("state", state)
				o.rounded(u, "brightness", telemetry.Dimming, 2.54, 0)
			}
			o.rounded(u, "power", telemetry.Power, 1, 1)
			o.rounded(u, "voltage", telemetry.Voltage, 1, 0)
			o.rounded(u, "current", telemetry.Current, 1, 2)
			o.rounded(u, "energy", telemetry.EnergyTotal, 1, 2)
			if _, ok := u.get(telemetry.Battery); ok {
				o.number("battery", u.battery())
			}
			o.number("linkquality", round(min(max((u.rssi()+110)*3, 10), 255), 1))
			return o.end()
		}}
}
