package table

import (
	"regexp"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// knownForm is a published form of files.
type knownForm struct {
	name string
	// has are names of columns that a file of this form has.
	has []string
	// fill makes the mapping.
	fill func(*guess)
}

// forms are the published forms that are known, with where they are described.
func forms() []knownForm {
	return []knownForm{
		{"UCI air quality (De Vito, 2008)", []string{"Date", "Time", "CO(GT)", "NO2(GT)"}, uciAir},
		{"OpenAQ archive", []string{"location_id", "sensors_id", "datetime", "parameter", "units", "value"}, openAQArchive},
		{"OpenAQ measurements", []string{"location", "parameter", "value", "unit", "utc"}, openAQ},
		{"sensor.community archive", []string{"sensor_id", "sensor_type", "location", "timestamp"}, sensorCommunity},
		{"IQAir export", []string{"Datetime_start(UTC)"}, iqAir},
		{"NOAA Local Climatological Data", []string{"STATION", "DATE", "REPORT_TYPE", "HourlyDryBulbTemperature"}, noaaLCD},
		{"Birmingham car parks", []string{"SystemCodeNumber", "Capacity", "Occupancy", "LastUpdated"}, birmingham},
		{"Madrid traffic since 2017", []string{"id", "fecha", "tipo_elem", "intensidad", "ocupacion", "vmed"}, madrid},
		{"Madrid traffic until 2017", []string{"idelem", "fecha", "identif", "tipo_elem", "intensidad", "ocupacion", "vmed"}, madrid},
	}
}

// knownForm fills the mapping if the file is of a known form.
func (g *guess) knownForm() bool {
	if g.circular10() {
		return true
	}
	for _, f := range forms() {
		if !slices.ContainsFunc(f.has, func(n string) bool { return g.named(n) == "" }) {
			g.Form = f.name
			f.fill(g)
			return true
		}
	}
	return false
}

// named is how the file spells a column; empty if it has none.
func (g *guess) named(name string) string {
	at := slices.IndexFunc(g.names, func(n string) bool { return plainName(n) == plainName(name) })
	if at < 0 {
		return ""
	}
	return g.names[at]
}

// take adds those of the values whose columns are there.
func (g *guess) take(values ...Value) {
	for _, v := range values {
		if name := g.named(v.Column); name != "" {
			v.Column = name
			g.Mapping.Values = append(g.Mapping.Values, v)
		}
	}
}

// at says which columns have the time.
func (g *guess) at(format, zone string, columns ...string) {
	g.Mapping.Time = Time{Format: format, Zone: zone}
	for _, c := range columns {
		g.Mapping.Time.Columns = append(g.Mapping.Time.Columns, g.named(c))
	}
}

// uciAir: hourly means of reference analysers and of a multisensor in an Italian
// city; its description gives CO in mg/m³, NO2 in µg/m³, NOx in ppb.
func uciAir(g *guess) {
	g.at("dd/MM/yyyy HH.mm.ss", "+01:00", "Date", "Time")
	if at := slices.Index(g.names, g.named("Time")); slices.ContainsFunc(g.samples(at), func(s string) bool { return strings.Contains(s, ":") }) {
		g.Mapping.Time.Format = "dd/MM/yyyy HH:mm:ss"
	}
	g.Mapping.Kind = string(telemetry.AirQuality)
	g.Mapping.Table.Missing = []string{"-200"}
	g.take(Value{Column: "CO(GT)", Metric: "co", Unit: "mg/m³"}, Value{Column: "NO2(GT)", Metric: "no2", Unit: "µg/m³"},
		Value{Column: "T", Metric: "temperature", Unit: "°C"}, Value{Column: "RH", Metric: "humidity", Unit: "%"})
	g.note("the file names no zone and has no hour twice: it is read as winter time of Italy (+01:00); --zone says otherwise")
	g.note("PT08.* are resistances of sensors, and NMHC, C6H6, NOx and AH are in no kind's metrics: they are ignored")
}

// openAQValues are the parameters of OpenAQ that are metrics.
func openAQValues(g *guess) {
	g.Mapping.Kind = string(telemetry.AirQuality)
	seen := map[string]bool{}
	for _, name := range g.samples(slices.Index(g.names, g.Mapping.Long.Parameter)) {
		seen[strings.ToLower(name)] = true
	}
	for _, v := range []Value{{Parameter: "pm1", Metric: "pm1"}, {Parameter: "pm25", Metric: "pm25"}, {Parameter: "pm10", Metric: "pm10"}, {Parameter: "no2", Metric: "no2"}, {Parameter: "so2", Metric: "so2"},
		{Parameter: "o3", Metric: "o3"}, {Parameter: "co", Metric: "co"}, {Parameter: "temperature", Metric: "temperature"}, {Parameter: "relativehumidity", Metric: "humidity"}} {
		if seen[v.Parameter] || v.Metric != "temperature" && v.Metric != "humidity" && v.Metric != "pm1" {
			g.Mapping.Values = append(g.Mapping.Values, v)
		}
	}
	g.Mapping.Table.Missing = []string{"-999", "-9999"}
}

// openAQArchive: docs.openaq.org, the archive of daily files of a location.
func openAQArchive(g *guess) {
	g.at(isoTime, "", "datetime")
	g.Mapping.Device = "openaq-{" + g.named("location_id") + "}"
	g.Mapping.Long = &Long{Parameter: g.named("parameter"), Value: g.named("value"), Unit: g.named("units")}
	openAQValues(g)
}

// openAQ: the exports of measurements of versions 1 and 2.
func openAQ(g *guess) {
	g.at(isoTime, "UTC", "utc")
	id := "location"
	if g.named("locationId") != "" {
		id = "locationId"
	}
	g.Mapping.Device = "openaq-{" + g.named(id) + "}"
	g.Mapping.Long = &Long{Parameter: g.named("parameter"), Value: g.named("value"), Unit: g.named("unit")}
	openAQValues(g)
}

// sensorCommunity: archive.sensor.community; P1 is PM10 and P2 PM2.5, times are
// UTC, pressure is in Pa.
func sensorCommunity(g *guess) {
	g.at(isoTime, "UTC", "timestamp")
	g.Mapping.Device = "sensor-{" + g.named("sensor_id") + "}"
	g.Mapping.Kind = string(telemetry.AirQuality)
	if g.named("value_type") != "" && g.named("value") != "" { // sensors.AFRICA's
		g.Mapping.Long = &Long{Parameter: g.named("value_type"), Value: g.named("value")}
		g.Mapping.Values = []Value{{Parameter: "P1", Metric: "pm10"}, {Parameter: "P2", Metric: "pm25"}, {Parameter: "P0", Metric: "pm1"},
			{Parameter: "temperature", Metric: "temperature"}, {Parameter: "humidity", Metric: "humidity"}}
		return
	}
	g.take(Value{Column: "P0", Metric: "pm1"}, Value{Column: "P1", Metric: "pm10"}, Value{Column: "P2", Metric: "pm25"})
	if len(g.Mapping.Values) == 0 {
		g.Mapping.Kind = string(telemetry.Weather)
	}
	g.take(Value{Column: "temperature", Metric: "temperature"}, Value{Column: "humidity", Metric: "humidity"},
		Value{Column: "pressure", Metric: "pressure", Kind: string(telemetry.Weather), Unit: "Pa"})
	if g.named("noise_LAeq") != "" {
		g.Mapping.Kind = string(telemetry.Noise)
		g.take(Value{Column: "noise_LAeq", Metric: "laeq"}, Value{Column: "noise_LA_max", Metric: "lamax"}, Value{Column: "noise_LA_min", Metric: "lamin"})
	}
}

// iqAir: what the dashboard exports; the names of columns have units, or the cells.
func iqAir(g *guess) {
	g.columns()
	g.at(g.Mapping.Time.Format, "UTC", "Datetime_start(UTC)")
	if source := g.named("Source"); source != "" {
		g.Mapping.Device = "iqair-{" + source + "}"
	}
}

// noaaLCD: version 1 of NCEI's Local Climatological Data in CSV, in US units, at
// local standard time of the station.
func noaaLCD(g *guess) {
	g.at(isoTime, "", "DATE")
	g.Mapping.Device = "noaa-{" + g.named("STATION") + "}"
	g.Mapping.Kind = string(telemetry.Weather)
	g.Mapping.Table.Missing = []string{"VRB", "*"}
	g.take(Value{Column: "HourlyDryBulbTemperature", Metric: "temperature", Unit: "°F"}, Value{Column: "HourlyRelativeHumidity", Metric: "humidity", Unit: "%"},
		Value{Column: "HourlyStationPressure", Metric: "pressure", Unit: "inHg"}, Value{Column: "HourlyWindSpeed", Metric: "wind_speed", Unit: "mph"},
		Value{Column: "HourlyWindGustSpeed", Metric: "wind_gust", Unit: "mph"}, Value{Column: "HourlyWindDirection", Metric: "wind_direction", Unit: "°"},
		Value{Column: "HourlyPrecipitation", Metric: "rain", Unit: "in", Words: map[string]float64{"T": 0}})
	g.Mapping.Only = map[string][]string{g.named("REPORT_TYPE"): {"FM-15", "FM-12", "FM-16"}}
	g.note("only hourly reports are taken (FM-15, FM-12, FM-16), not the sums of days and months; a trace of rain (T) is 0, suspect values (75s) are left out")
	if g.given.Zone == "" {
		g.Mapping.Time.Zone = DefaultZone
		g.doubt("times are the station's standard time, and the file does not say which: %s is taken; --zone says otherwise", DefaultZone)
	}
}

// birmingham: the car parks of Birmingham City Council at UCI and data.birmingham.
func birmingham(g *guess) {
	g.at(isoTime, "Europe/London", "LastUpdated")
	if f, _ := g.format(slices.Index(g.names, g.named("LastUpdated"))); f != "" {
		g.Mapping.Time.Format = f
	}
	g.Mapping.Device = "{" + g.named("SystemCodeNumber") + "}"
	g.Mapping.Kind = string(telemetry.Parking)
	g.take(Value{Column: "Occupancy", Metric: "occupied"}, Value{Column: "Capacity", Metric: "capacity"})
	g.note("times are those of Europe/London: --zone says otherwise")
}

// madrid: datos.madrid.es, history of the traffic's measuring points: intensidad is
// vehicles per hour in periods of 15 minutes, fecha their beginning; error is N
// where there is none.
func madrid(g *guess) {
	g.at(isoTime, "Europe/Madrid", "fecha")
	if f, _ := g.format(slices.Index(g.names, g.named("fecha"))); f != "" {
		g.Mapping.Time.Format = f
	}
	id := g.named("id")
	if id == "" {
		id = g.named("idelem")
	}
	g.Mapping.Device = "madrid-{" + id + "}"
	g.Mapping.Kind = string(telemetry.Traffic)
	g.Mapping.Period, g.Mapping.Time.Shift = "15m", "15m"
	g.take(Value{Column: "intensidad", Metric: "vehicles", Unit: "vehicles/hour"}, Value{Column: "ocupacion", Metric: "occupancy", Unit: "%"},
		Value{Column: "vmed", Metric: "speed", Unit: "km/h", Missing: []string{"0"}})
	if g.named("error") != "" {
		g.take(Value{Column: "error", Metric: "quality", Words: map[string]float64{"N": 0, "E": 2, "S": 2}})
	}
	g.note("intensidad is vehicles per hour: of each 15 minutes a quarter is stored, at the period's end (fecha is its beginning)")
	g.note("vmed is measured on the M-30 alone, and 0 elsewhere: 0 is taken for no value; error E and S become quality 2 (error)")
	g.note("times are those of Europe/Madrid: --zone says otherwise")
}

// circular10: the files that loggers of Vietnam's stations send after Circular
// 10/2021/TT-BTNMT, annex 15: symbol, value, unit, time, status; no names of
// columns, a tab between.
func (g *guess) circular10() bool {
	stamp := regexp.MustCompile(`^\d{14}$`)
	if g.Mapping.Table.Header != 0 || len(g.names) != 5 || slices.ContainsFunc(g.rows, func(r []string) bool {
		return !stamp.MatchString(strings.TrimSpace(cell(r, 3))) || !slices.Contains([]string{"00", "01", "02"}, strings.TrimSpace(cell(r, 4)))
	}) {
		return false
	}
	g.Form = "station file of Circular 10/2021/TT-BTNMT"
	g.Mapping.Time = Time{Columns: []string{"4"}, Format: "yyyyMMddHHmmss", Zone: DefaultZone}
	g.Mapping.Long = &Long{Parameter: "1", Value: "2", Unit: "3"}
	g.Mapping.Device = identifier(regexp.MustCompile(`_\d{14}$`).ReplaceAllString(g.file, ""))
	g.parameters(0, 2)
	g.Mapping.Only = map[string][]string{"5": {"00"}}
	g.note("only what was measured is taken (status 00): a reading has one quality for all of it, and the file one for each parameter")
	g.note("the device is the file's name without the time: %s; --as says otherwise", g.Mapping.Device)
	return true
}
