package table

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// key is a name as names are looked up: letters and digits alone, without marks.
// PM2.5, pm2_5 and "PM 2,5" are the same.
func key(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(name)) {
		switch {
		case r == 'đ':
			b.WriteByte('d')
		case unicode.IsLetter(r) && r < 128, unicode.IsDigit(r):
			b.WriteRune(r)
		case r == '₁' || r == '₂' || r == '₃' || r == '₅':
			b.WriteByte(byte('0' + r - '₀'))
		}
	}
	return b.String()
}

// named is what a column's name says: what it is, and in which unit.
type named struct{ name, unit string }

// takeApart splits "Temperature (°C)", "Gió [km/h]", "temp_c" and the like.
func (n *nameTable) takeApart(column string) named {
	s := strings.TrimSpace(column)
	if m := n.bracketed.FindStringSubmatch(s); m != nil {
		return named{m[1], m[2]}
	}
	if m := n.afterComma.FindStringSubmatch(s); m != nil && n.units.known(m[2]) {
		return named{m[1], m[2]}
	}
	if at := strings.LastIndexAny(s, "_ "); at > 0 {
		if u, ok := n.suffixes[strings.ToLower(s[at+1:])]; ok && n.metrics[key(s)] == "" && n.metrics[key(s[:at])] != "" {
			return named{s[:at], u}
		}
	}
	return named{s, ""}
}

// nameTable is what names of columns usually mean.
type nameTable struct {
	metrics               map[string]telemetry.Metric
	date, clock, instant  map[string]bool
	device, param, value  map[string]bool
	unit, position        map[string]bool
	suffixes              map[string]string
	bracketed, afterComma *regexp.Regexp
	units                 *units
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

func newNameTable() *nameTable {
	return &nameTable{
		metrics: metricNames(),
		date:    set("date ngay fecha datum day"),
		clock:   set("time hour gio hora uhrzeit hhmm"),
		instant: set("timestamp datetime dateandtime datehour ts thoigian ngaygio thoidiem lastupdated updated updatedat createdat measuredat recordedat receivedat observedat phenomenontime time date fecha datetimestartutc datetimeutc datetimelocal utc local timeutc localtime utctime from begin start fromdate batdau tstamp unixtime epoch timestamputc"),
		device:  set("device deviceid deviceeui deveui devicename sensor sensorid sensorsid station stationid stationcode stationname locationid location site siteid sitename systemcodenumber tram matram tentram mathietbi thietbi diemdo tendiem id name code node nodeid sourceid source serial serialnumber monitor monitorid imei"),
		param:   set("parameter param pollutant variable species symbol element measure metric thongso chitieu kyhieu valuetype"),
		value:   set("value result concentration measurement giatri ketqua val datavalue"),
		unit:    set("unit units donvi uom unitcode"),
		// Where a device stands is the registry's to know.
		position: set("lat latitude lon lng long longitude elevation altitude altitudem city country"),
		suffixes: map[string]string{"c": "°C", "degc": "°C", "f": "°F", "degf": "°F", "k": "K", "hpa": "hPa", "pa": "Pa", "kpa": "kPa", "mbar": "mbar", "mmhg": "mmHg", "inhg": "inHg", "pct": "%", "percent": "%",
			"ugm3": "µg/m³", "mgm3": "mg/m³", "ppb": "ppb", "ppm": "ppm", "ms": "m/s", "mps": "m/s", "kmh": "km/h", "kph": "km/h", "mph": "mph", "kt": "kn", "kn": "kn", "knots": "kn", "mm": "mm", "cm": "cm", "m": "m", "in": "in", "lux": "lx", "lx": "lx", "kwh": "kWh", "wh": "Wh", "v": "V", "mv": "mV", "a": "A", "w": "W", "kw": "kW", "deg": "°", "uscm": "µS/cm", "mgl": "mg/L", "ntu": "NTU", "db": "dB", "dba": "dBA"},
		bracketed:  regexp.MustCompile(`^(.+?)\s*[\(\[]([^()\[\]]*(?:\([^()]*\))?)[\)\]]\s*$`),
		afterComma: regexp.MustCompile(`^(.+?)\s*[,:]\s*(\S+)$`),
		units:      newUnits(),
	}
}

// metricNames are what metrics are called, in English, Vietnamese and some others,
// as key makes them.
func metricNames() map[string]telemetry.Metric {
	m := map[string]telemetry.Metric{}
	for _, one := range spellings() {
		for w := range strings.FieldsSeq(one.names) {
			m[key(w)] = one.metric
		}
	}
	return m
}

// spelling is what a metric is called.
type spelling struct {
	metric telemetry.Metric
	names  string
}

func spellings() []spelling {
	return []spelling{
		{telemetry.PM1, "pm1 pm01 buipm1 pm1ugm3"},
		{telemetry.PM25, "pm25 buipm25 pm25conc pm25ugm3 buimin"},
		{telemetry.PM10, "pm10 buipm10 pm10conc"},
		{telemetry.TSP, "tsp buitsp tongbui tongbuilolung pm"},
		{telemetry.NO2, "no2 nitrogendioxide"},
		{telemetry.SO2, "so2 sulphurdioxide sulfurdioxide"},
		{telemetry.O3, "o3 ozone ozon"},
		{telemetry.CO, "co carbonmonoxide"},
		{telemetry.Temperature, "temperature temp t airtemp airtemperature drybulbtemperature nhietdo nhietdokhongkhi tair ta temperatura nhietdonuoc watertemp watertemperature"},
		{telemetry.Humidity, "humidity rh relativehumidity hum doam doamkhongkhi humedad relhumidity"},
		{telemetry.Pressure, "pressure press airpressure barometer barometricpressure stationpressure apsuat khiap baro surfacepressure"},
		{telemetry.WindSpeed, "windspeed ws wspd wind tocdogio vantocgio"},
		{telemetry.WindGust, "windgust gust gustspeed windgustspeed giogiat"},
		{telemetry.WindDirection, "winddirection wd wdir winddir huonggio"},
		{telemetry.Rain, "rain rainfall precipitation precip prcp luongmua mua"},
		{telemetry.RainRate, "rainrate rainintensity cuongdomua"},
		{telemetry.SolarRadiation, "solarradiation solar radiation globalradiation ghi buxa"},
		{telemetry.UVIndex, "uvindex uv uvi chisouv"},
		{telemetry.Illuminance, "illuminance lux illumination light doroi brightness"},
		{telemetry.Level, "level waterlevel stage gaugeheight gageheight mucnuoc h riverlevel"},
		{telemetry.Flow, "flow discharge luuluong q streamflow"},
		{telemetry.Vehicles, "vehicles vehiclecount trafficvolume volume soxe soluotxe"},
		{telemetry.Motorcycles, "motorcycles motorbikes xemay"},
		{telemetry.Cars, "cars oto xecon"},
		{telemetry.Buses, "buses xebuyt"},
		{telemetry.Trucks, "trucks lorries xetai"},
		{telemetry.Bicycles, "bicycles bikes xedap"},
		{telemetry.Speed, "speed meanspeed averagespeed tocdo vmed"},
		{telemetry.Occupancy, "roadoccupancy"},
		{telemetry.LAeq, "laeq leq noise noiselevel tiengon docon"},
		{telemetry.LAmax, "lamax lmax"},
		{telemetry.LAmin, "lamin lmin"},
		{telemetry.LA10, "la10 l10"},
		{telemetry.LA50, "la50 l50"},
		{telemetry.LA90, "la90 l90"},
		{telemetry.PH, "ph doph"},
		{telemetry.DissolvedOxygen, "dissolvedoxygen do oxyhoatan"},
		{telemetry.Conductivity, "conductivity ec cond dodandien"},
		{telemetry.Salinity, "salinity doman"},
		{telemetry.Turbidity, "turbidity doduc"},
		{telemetry.ORP, "orp redox"},
		{telemetry.SuspendedSolids, "tss suspendedsolids"},
		{telemetry.AmmoniumNitrogen, "nh4n nh4"},
		{telemetry.NitrateNitrogen, "no3n"},
		{telemetry.BOD5, "bod bod5"},
		{telemetry.COD, "cod"},
		{telemetry.Power, "power activepower congsuat"},
		{telemetry.EnergyTotal, "energytotal energy totalenergy diennang"},
		{telemetry.Voltage, "voltage dienap"},
		{telemetry.Current, "current dongdien"},
		{telemetry.FillLevel, "filllevel fillinglevel mucday"},
		{telemetry.Occupied, "occupied occupiedspaces sochodado"},
		{telemetry.Capacity, "capacity spaces tongsocho"},
		{telemetry.Battery, "battery bat batteryvoltage vbat"},
	}
}

// metric is what a column's name means; empty if nobody knows.
func (n *nameTable) metric(name string) telemetry.Metric {
	k := key(name)
	if strings.HasPrefix(k, "pm10") && strings.Contains(strings.NewReplacer("_", ".", ",", ".").Replace(name), "1.0") {
		return telemetry.PM1
	}
	return n.metrics[k]
}
