package simulator

import (
	"strconv"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// senML is RFC 8428's JSON: a pack of records, the first of which has the base
// name and time.
func senML() *format {
	return &format{name: SenML, topic: func(d *Device) string { return "senml/" + string(d.Locality) + "/" + string(d.ID) }, append: appendSenML}
}

func appendSenML(b []byte, u *uplink) []byte {
	b = append(b, '[')
	for i := range u.values {
		v := &u.values[i]
		if i > 0 {
			b = append(b, ',')
		}
		o := begin(b)
		if i == 0 {
			o.text("bn", "urn:dev:ow:"+u.device.eui()+":")
			o.raw("bt", strconv.FormatFloat(float64(u.stamp.UnixMilli())/1000, 'f', 3, 64))
		}
		o.text("n", string(v.spec.Name))
		unit, factor := senMLUnit(v.spec)
		if unit != "" {
			o.text("u", unit)
		}
		o.number("v", round(v.number*factor, 1e9))
		b = o.end()
	}
	return append(b, ']')
}

// senMLUnit is the registered unit (RFC 8428, 12.1; RFC 8798 for the secondary
// ones) of a metric, and what turns the catalogue's into it.
func senMLUnit(m *telemetry.MetricSpec) (unit string, factor float64) {
	switch m.Unit {
	case "°C":
		return "Cel", 1
	case "%":
		if m.Name == telemetry.Humidity {
			return "%RH", 1
		}
		return "/", 0.01
	case "µg/m³":
		return "ug/m3", 1
	case "hPa", "m", "m/s", "kg", "V", "A", "W", "Hz", "s", "kWh", "lx", "var", "dBm", "mm", "km/h", "W/m²", "°", "m³/s", "h":
	default:
		return "", 1
	}
	switch m.Unit {
	case "lx":
		return "lux", 1 // as the registry has it, not the symbol
	case "W/m²":
		return "W/m2", 1
	case "°":
		return "deg", 1
	case "m³/s":
		return "m3/s", 1
	}
	return m.Unit, 1
}
