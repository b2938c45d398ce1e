package simulator

import (
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// ngsiLD is an entity of a Smart Data Model in NGSI-LD's key-value form, as
// FIWARE's brokers pass it on: fractions for percentages.
func ngsiLD() *format {
	return &format{name: NGSILD,
		kinds: []telemetry.Kind{telemetry.AirQuality, telemetry.Weather, telemetry.WaterLevel, telemetry.Traffic, telemetry.Noise,
			telemetry.WaterQuality, telemetry.StreetLight, telemetry.Waste},
		topic: func(d *Device) string {
			return "ngsi-ld/" + string(d.Locality) + "/" + ngsiType(d.Kind.Kind) + "/" + string(d.ID)
		},
		append: appendNGSI}
}

// ngsiType is the data model's name.
func ngsiType(k telemetry.Kind) string {
	switch k {
	case telemetry.AirQuality:
		return "AirQualityObserved"
	case telemetry.Weather:
		return "WeatherObserved"
	case telemetry.WaterLevel:
		return "FloodMonitoring"
	case telemetry.Traffic:
		return "TrafficFlowObserved"
	case telemetry.Noise:
		return "NoiseLevelObserved"
	case telemetry.WaterQuality:
		return "WaterQualityObserved"
	case telemetry.StreetLight:
		return "Streetlight"
	}
	return "WasteContainer"
}

// ngsiNames are the data models' words for the catalogue's metrics, and the
// factor to their units.
func ngsiNames() map[telemetry.Metric]struct {
	name   string
	factor float64
} {
	type word = struct {
		name   string
		factor float64
	}
	return map[telemetry.Metric]word{
		telemetry.PM1: {"pm1", 1}, telemetry.PM25: {"pm25", 1}, telemetry.PM10: {"pm10", 1}, telemetry.NO2: {"no2", 1},
		telemetry.SO2: {"so2", 1}, telemetry.O3: {"o3", 1}, telemetry.CO: {"co", 1},
		telemetry.Temperature: {"temperature", 1}, telemetry.Humidity: {"relativeHumidity", 0.01}, telemetry.Pressure: {"atmosphericPressure", 1},
		telemetry.WindSpeed: {"windSpeed", 1}, telemetry.WindGust: {"gustSpeed", 1}, telemetry.WindDirection: {"windDirection", 1},
		telemetry.Rain: {"precipitation", 1}, telemetry.SolarRadiation: {"solarRadiation", 1}, telemetry.Illuminance: {"illuminance", 1},
		telemetry.Level:    {"currentLevel", 1},
		telemetry.Vehicles: {"intensity", 1}, telemetry.Occupancy: {"occupancy", 0.01}, telemetry.Speed: {"averageVehicleSpeed", 1},
		telemetry.Headway: {"averageHeadwayTime", 1},
		telemetry.LAeq:    {"LAeq", 1}, telemetry.LAmax: {"LAmax", 1},
		telemetry.PH: {"pH", 1}, telemetry.DissolvedOxygen: {"O2", 1}, telemetry.Conductivity: {"conductivity", 1}, telemetry.Salinity: {"salinity", 1},
		telemetry.Turbidity: {"turbidity", 1}, telemetry.ORP: {"orp", 1}, telemetry.SuspendedSolids: {"tss", 1},
		telemetry.Dimming: {"illuminanceLevel", 0.01}, telemetry.Power: {"powerConsumption", 1}, telemetry.Voltage: {"voltage", 1}, telemetry.Current: {"current", 1},
		telemetry.FillLevel: {"fillingLevel", 0.01},
	}
}

func appendNGSI(b []byte, u *uplink) []byte {
	d := u.device
	o := begin(b)
	model := ngsiType(d.Kind.Kind)
	o.text("id", "urn:ngsi-ld:"+model+":"+string(d.ID))
	o.text("type", model)
	if k := d.Kind.Kind; k == telemetry.Traffic || k == telemetry.Noise {
		o.text("dateObservedFrom", utc(u.stamp.Add(-d.Every)))
		o.text("dateObservedTo", utc(u.stamp))
	} else {
		o.text("dateObserved", utc(u.stamp))
	}
	lat, lon := d.Position()
	o.raw("location", `{"type":"Point","coordinates":[`+string(appendNumber(nil, lon))+","+string(appendNumber(nil, lat))+"]}")
	names := ngsiNames()
	for _, v := range u.own() {
		if w, ok := names[v.spec.Name]; ok {
			o.number(w.name, round(v.number*w.factor, 1e6))
		}
	}
	switch on, _ := u.get(telemetry.On); {
	case d.Kind.Kind == telemetry.StreetLight && on > 0:
		o.text("powerState", "on")
	case d.Kind.Kind == telemetry.StreetLight:
		o.text("powerState", "off")
	case d.Kind.Kind == telemetry.Waste:
		o.text("status", "ok")
	}
	o.text("@context", "https://raw.githubusercontent.com/smart-data-models/data-models/master/context.jsonld")
	return o.end()
}
