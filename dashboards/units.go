package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// Unit is a unit of the catalogue, or of what is made of its metrics, as Grafana
// has it.
type Unit struct {
	// Name is how people write it; empty is a plain number.
	Name string
	// Grafana is its identifier there. Units that Grafana would scale where nobody
	// does, such as metres, are suffixes.
	Grafana string
	// Decimals are how many are shown; -1 leaves it to Grafana.
	Decimals int
}

// Units that are none of the catalogue's.
func perHour(u string) *Unit {
	return &Unit{Name: u + "/h", Grafana: "suffix:" + u + "/h", Decimals: 2}
}
func percent() *Unit { return &Unit{Name: "%", Grafana: "percent", Decimals: 0} }
func count() *Unit   { return &Unit{Grafana: "locale", Decimals: 0} }

// unitOf is how a unit of the catalogue is shown; false if nobody has said.
func unitOf(u string) (Unit, bool) {
	grafana := map[string]string{
		"": "none", "%": "percent", "°": "degree", "°C": "celsius", "µg/m³": "conμgm3", "µg/L": "suffix:µg/L", "mg/L": "suffix:mg/L",
		"µS/cm": "suffix:µS/cm", "NTU": "suffix:NTU", "PSU": "suffix:PSU", "mV": "suffix:mV", "V": "suffix:V", "A": "suffix:A",
		"W": "watt", "var": "voltampreact", "kWh": "kwatth", "Hz": "suffix:Hz", "hPa": "pressurehpa", "m": "suffix:m",
		"m/s": "velocityms", "m³/s": "suffix:m³/s", "km/h": "velocitykmh", "mm": "suffix:mm", "mm/h": "suffix:mm/h", "W/m²": "Wm2",
		"lx": "lux", "s": "s", "h": "suffix:h", "kg": "suffix:kg", "dBA": "suffix:dBA", "dBm": "dBm", "B": "bytes", "d": "none",
	}
	g, ok := grafana[u]
	return Unit{Name: u, Grafana: g, Decimals: decimals(u)}, ok
}

// decimals are how many digits after the point say something.
func decimals(u string) int {
	switch u {
	case "d", "%", "°", "m³/s", "lx", "µS/cm", "W/m²", "µg/m³", "mV", "dBm":
		return 0
	case "m", "mg/L":
		return 2
	case "", "W", "var", "kWh", "s", "B":
		return -1
	default:
		return 1
	}
}

// unit is what the query's answer is in.
func (q Query) unit(c *telemetry.Catalogue) (Unit, bool) {
	if q.Unit != nil {
		return *q.Unit, true
	}
	_, m := q.spec(c)
	if m == nil {
		return Unit{}, false
	}
	return unitOf(m.Unit)
}
