package simulator

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// chirpStack is ChirpStack v4's JSON of an uplink event
// (application/…/device/…/event/up) with the device's values in its object.
func chirpStack() *format {
	return &format{name: ChirpStack, topic: chirpStackTopic, append: func(b []byte, u *uplink) []byte {
		return appendChirpStack(b, u, "generic", func(o *object) {
			o.catalogued(u)
			o.rounded(u, "bat", telemetry.Battery, 1, 2)
		})
	}}
}

// milesight is the same with the objects of Milesight's own decoders
// (Milesight-IoT/SensorDecoders): AM319, EM500-SWL, WS302, WS523, EM310-UDL and
// EM500-LGT.
func milesight() *format {
	f := &format{name: Milesight, topic: chirpStackTopic,
		kinds: []telemetry.Kind{telemetry.AirQuality, telemetry.WaterLevel, telemetry.Noise, telemetry.Energy, telemetry.Waste, telemetry.StreetLight}}
	f.append = func(b []byte, u *uplink) []byte {
		return appendChirpStack(b, u, milesightModel(u.device.Kind.Kind), func(o *object) { milesightObject(o, u) })
	}
	return f
}

func milesightModel(k telemetry.Kind) string {
	switch k {
	case telemetry.AirQuality:
		return "AM319"
	case telemetry.WaterLevel:
		return "EM500-SWL"
	case telemetry.Noise:
		return "WS302"
	case telemetry.Energy:
		return "WS523"
	case telemetry.Waste:
		return "EM310-UDL"
	}
	return "EM500-LGT"
}

// binDepth is how deep a waste container is, in millimetres, as a distance
// sensor under its lid sees it.
const binDepth = 1200

func milesightObject(o *object, u *uplink) {
	if u.device.Power != Mains {
		o.number("battery", u.battery())
	}
	switch u.device.Kind.Kind {
	case telemetry.AirQuality:
		o.rounded(u, "temperature", telemetry.Temperature, 1, 1)
		o.rounded(u, "humidity", telemetry.Humidity, 1, 1)
		o.rounded(u, "pm2_5", telemetry.PM25, 1, 0)
		o.rounded(u, "pm10", telemetry.PM10, 1, 0)
	case telemetry.WaterLevel:
		o.rounded(u, "depth", telemetry.Level, 100, 0) // cm
	case telemetry.Noise:
		o.rounded(u, "LAF", telemetry.LAeq, 1, 1)
		o.rounded(u, "LAeq", telemetry.LAeq, 1, 1)
		o.rounded(u, "LAFmax", telemetry.LAmax, 1, 1)
	case telemetry.Energy:
		o.rounded(u, "active_power", telemetry.Power, 1, 0)
		o.rounded(u, "current", telemetry.Current, 1000, 0)               // mA
		o.rounded(u, "power_consumption", telemetry.EnergyTotal, 1000, 0) // Wh
		o.rounded(u, "power_factor", telemetry.PowerFactor, 100, 0)       // %
		o.text("socket_status", "on")
		o.rounded(u, "voltage", telemetry.Voltage, 1, 1)
	case telemetry.Waste:
		if fill, ok := u.get(telemetry.FillLevel); ok {
			o.number("distance", round(binDepth*(1-fill/100), 1))
		}
		position := "normal"
		if tilt, _ := u.get(telemetry.Tilt); tilt > 30 {
			position = "tilt"
		}
		o.text("position", position)
	case telemetry.StreetLight:
		o.rounded(u, "illumination", telemetry.Illuminance, 1, 0)
	}
}

func chirpStackTopic(d *Device) string {
	return "application/" + applicationID + "/device/" + d.eui() + "/event/up"
}

// applicationID is the city's application at its LoRaWAN server.
const applicationID = "6d5db27e-4ce2-4b2b-b5d7-91f069397978"

func appendChirpStack(b []byte, u *uplink, profile string, fill func(*object)) []byte {
	d := u.device
	o := begin(b)
	h := mix(d.salt, uint64(u.stamp.UnixMilli()))
	o.text("deduplicationId", fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(h), uint16(h>>32), uint16(h>>48)&0xfff, uint16(mix(h, 1))&0xfff, mix(h, 2)&0xffffffffffff))
	o.text("time", u.stamp.UTC().Format("2006-01-02T15:04:05.000+00:00"))
	o.inside("deviceInfo", func(o *object) {
		o.text("applicationId", applicationID)
		o.text("applicationName", "haidang")
		o.text("deviceProfileName", profile)
		o.text("deviceName", string(d.ID))
		o.text("devEui", d.eui())
		o.inside("tags", func(o *object) {
			o.text("kind", string(d.Kind.Kind))
			o.text("locality", string(d.Locality))
		})
	})
	o.text("devAddr", fmt.Sprintf("%08x", uint32(d.salt>>20)&0x01ffffff))
	if u.sequence > 1 { // protobuf's JSON leaves zeros out
		o.number("fCnt", float64(u.sequence-1))
	}
	o.number("fPort", 85)
	o.text("data", frame(u))
	o.inside("object", fill)
	o.raw("rxInfo", fmt.Sprintf(`[{"gatewayId":"%016x","rssi":%v,"snr":%v}]`, mixText(7, string(d.Locality)), u.rssi(), snr(u)))
	o.raw("txInfo", `{"frequency":921400000,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":10,"codeRate":"CR_4_5"}}}`)
	return o.end()
}

// frame is the frame's bytes in base64: the values as 32-bit numbers. No decoder
// is ever asked about them, for the network server has decoded them already.
func frame(u *uplink) string {
	var raw []byte
	for _, v := range u.own() {
		raw = binary.BigEndian.AppendUint32(raw, uint32(int32(min(max(v.number*100, -1<<31), 1<<31-1))))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// snr follows the signal strength.
func snr(u *uplink) float64 { return round(min(max(12+(u.rssi()+90)/2.5, -18), 12), 10) }
