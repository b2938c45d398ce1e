package simulator

import (
	"fmt"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// tts is The Things Stack v3's uplink (v3/{application}@{tenant}/devices/{device}/up)
// with the catalogue's names in its decoded payload.
func tts() *format {
	return &format{name: TTS, topic: ttsTopic, append: func(b []byte, u *uplink) []byte {
		return appendTTS(b, u, func(o *object) {
			o.catalogued(u)
			o.rounded(u, "bat", telemetry.Battery, 1, 2)
		})
	}}
}

// dragino is the same with the objects of Dragino's own decoders
// (dragino-end-node-decoder): PS-LB, WSC2, WQS and LDDS75, the last of which
// writes units into strings.
func dragino() *format {
	return &format{name: Dragino, topic: ttsTopic,
		kinds: []telemetry.Kind{telemetry.WaterLevel, telemetry.Weather, telemetry.WaterQuality, telemetry.Waste},
		append: func(b []byte, u *uplink) []byte {
			return appendTTS(b, u, func(o *object) { draginoObject(o, u) })
		}}
}

func draginoObject(o *object, u *uplink) {
	volts, ok := u.get(telemetry.Battery)
	if !ok {
		volts = 3.6
	}
	switch u.device.Kind.Kind {
	case telemetry.WaterLevel:
		o.text("Node_type", "PS-LB")
		o.number("Bat_V", volts)
		o.rounded(u, "Water_deep_cm", telemetry.Level, 100, 0)
		o.rounded(u, "Water_pressure_kPa", telemetry.Level, 9.80665, 2)
	case telemetry.Weather:
		o.number("BatV", volts)
		o.rounded(u, "Temperature", telemetry.Temperature, 1, 1)
		o.rounded(u, "Humidity", telemetry.Humidity, 1, 1)
		o.rounded(u, "Pressure", telemetry.Pressure, 1, 1)
		o.rounded(u, "illumination", telemetry.Illuminance, 1, 0)
		o.rounded(u, "rain", telemetry.RainRate, 1, 1)
		o.rounded(u, "wind_speed_average", telemetry.WindSpeed, 1, 1)
		o.rounded(u, "wind_direction", telemetry.WindDirection, 1, 1)
	case telemetry.WaterQuality:
		o.number("BatV", volts)
		o.rounded(u, "PH", telemetry.PH, 1, 2)
		o.rounded(u, "EC_K10", telemetry.Conductivity, 1, 0)
		o.rounded(u, "dissolved_oxygen", telemetry.DissolvedOxygen, 1, 2)
		o.rounded(u, "do_temp", telemetry.Temperature, 1, 1)
		o.rounded(u, "ORP", telemetry.ORP, 1, 0)
		o.rounded(u, "Salinity", telemetry.Salinity, 1, 2)
		o.rounded(u, "turbidity", telemetry.Turbidity, 1, 1)
	case telemetry.Waste:
		fill, _ := u.get(telemetry.FillLevel)
		temperature, _ := u.get(telemetry.Temperature)
		o.text("Node_type", "LDDS75")
		o.text("Bat", fmt.Sprintf("%v V", volts))
		o.text("Distance", fmt.Sprintf("%.0f mm", binDepth*(1-fill/100)))
		o.text("TempC_DS18B20", fmt.Sprintf("%.2f °C", temperature))
		o.number("Interrupt_flag", 0)
		o.number("Sensor_flag", 1)
	}
}

func ttsTopic(d *Device) string { return "v3/haidang@khanh-hoa/devices/" + string(d.ID) + "/up" }

func appendTTS(b []byte, u *uplink, fill func(*object)) []byte {
	d := u.device
	o := begin(b)
	o.inside("end_device_ids", func(o *object) {
		o.text("device_id", string(d.ID))
		o.inside("application_ids", func(o *object) { o.text("application_id", "haidang") })
		o.text("dev_eui", fmt.Sprintf("%X", mix(d.salt, 8)))
	})
	o.text("received_at", utc(u.sent))
	o.inside("uplink_message", func(o *object) {
		if u.sequence > 1 { // empty and zero fields are left out
			o.number("f_cnt", float64(u.sequence-1))
		}
		o.number("f_port", 2)
		o.text("frm_payload", frame(u))
		o.inside("decoded_payload", fill)
		o.raw("rx_metadata", fmt.Sprintf(`[{"gateway_ids":{"gateway_id":"%s-1"},"rssi":%v,"snr":%v}]`, d.Locality, u.rssi(), snr(u)))
		o.raw("settings", `{"data_rate":{"lora":{"bandwidth":125000,"spreading_factor":10}},"frequency":"921400000"}`)
	})
	return o.end()
}
