package telemetry

import "time"

// The metrics, by the names payloads and stores use.
const (
	PM1               Metric = "pm1"
	PM25              Metric = "pm25"
	PM10              Metric = "pm10"
	TSP               Metric = "tsp"
	NO2               Metric = "no2"
	SO2               Metric = "so2"
	O3                Metric = "o3"
	CO                Metric = "co"
	Temperature       Metric = "temperature"
	Humidity          Metric = "humidity"
	Pressure          Metric = "pressure"
	WindSpeed         Metric = "wind_speed"
	WindGust          Metric = "wind_gust"
	WindDirection     Metric = "wind_direction"
	Rain              Metric = "rain"
	RainRate          Metric = "rain_rate"
	SolarRadiation    Metric = "solar_radiation"
	UVIndex           Metric = "uv_index"
	Illuminance       Metric = "illuminance"
	Level             Metric = "level"
	Flow              Metric = "flow"
	Vehicles          Metric = "vehicles"
	Motorcycles       Metric = "motorcycles"
	Cars              Metric = "cars"
	Buses             Metric = "buses"
	Trucks            Metric = "trucks"
	Bicycles          Metric = "bicycles"
	Speed             Metric = "speed"
	Occupancy         Metric = "occupancy"
	Headway           Metric = "headway"
	QueueLength       Metric = "queue_length"
	LAeq              Metric = "laeq"
	LAmax             Metric = "lamax"
	LAmin             Metric = "lamin"
	LA10              Metric = "la10"
	LA50              Metric = "la50"
	LA90              Metric = "la90"
	PH                Metric = "ph"
	DissolvedOxygen   Metric = "dissolved_oxygen"
	OxygenSaturation  Metric = "oxygen_saturation"
	Conductivity      Metric = "conductivity"
	Salinity          Metric = "salinity"
	Turbidity         Metric = "turbidity"
	ORP               Metric = "orp"
	SuspendedSolids   Metric = "tss"
	AmmoniumNitrogen  Metric = "nh4_n"
	NitriteNitrogen   Metric = "no2_n"
	NitrateNitrogen   Metric = "no3_n"
	PhosphatePhosphor Metric = "po4_p"
	Chlorophyll       Metric = "chlorophyll"
	BOD5              Metric = "bod5"
	COD               Metric = "cod"
	On                Metric = "on"
	Dimming           Metric = "dimming"
	Fault             Metric = "fault"
	BurningHours      Metric = "burning_hours"
	Power             Metric = "power"
	ReactivePower     Metric = "reactive_power"
	PowerFactor       Metric = "power_factor"
	EnergyTotal       Metric = "energy_total"
	Voltage           Metric = "voltage"
	Current           Metric = "current"
	Frequency         Metric = "frequency"
	FillLevel         Metric = "fill_level"
	Weight            Metric = "weight"
	Tilt              Metric = "tilt"
	LidOpen           Metric = "lid_open"
	Fire              Metric = "fire"
	Occupied          Metric = "occupied"
	Capacity          Metric = "capacity"
	Entries           Metric = "entries"
	Exits             Metric = "exits"
	Online            Metric = "online"

	// Battery, RSSI, Sequence and QualityCode every device knows of itself.
	Battery     Metric = "bat"
	RSSI        Metric = "rssi"
	Sequence    Metric = "seq"
	QualityCode Metric = "quality"
)

// deviceMetrics are those that every kind has besides its own. Sequence goes up
// to 2⁵³, the last whole number a float64 counts to without a gap.
func deviceMetrics() []MetricSpec {
	return []MetricSpec{
		{Name: Battery, Unit: "V", Min: 0, Max: 60, NameVI: "Điện áp pin", NameEN: "Battery voltage"},
		{Name: RSSI, Unit: "dBm", Min: -160, Max: 20, NameVI: "Cường độ tín hiệu", NameEN: "Signal strength"},
		{Name: Sequence, Min: 0, Max: 1 << 53, Form: Counter, NameVI: "Số thứ tự bản tin", NameEN: "Message sequence number"},
		{Name: QualityCode, Min: 0, Max: 2, NameVI: "Trạng thái thiết bị đo", NameEN: "Instrument status"},
	}
}

// OfDevice reports whether a metric tells of the device itself, and measures nothing.
func OfDevice(m Metric) bool {
	return m == Battery || m == RSSI || m == Sequence || m == QualityCode
}

// kinds is the catalogue's table. Ranges are those of what can occur and of
// what instruments of the kind can show, not legal limits: reservoirs and mountains,
// salt pans, power stations and substations are in them. What a reading adds up may
// be as much as in a day, for some stations send the day's sum; Growth says how much
// less it may be in a shorter time. Rain's is that of the greatest rains of the world
// (Jennings 1950: as the 0.475th power of the time): 2,000 mm in a day, 440 in an
// hour, 135 in five minutes. Of vehicles, whose rush hour is several times the mean,
// the square root. Concentrations are
// µg/m³ throughout, carbon monoxide included, as Decision 1459/QĐ-TCMT has them.
func kinds() []KindSpec {
	return []KindSpec{
		{Kind: AirQuality, NameVI: "Chất lượng không khí", NameEN: "Air quality", Cadence: 5 * time.Minute, Metrics: []MetricSpec{
			{Name: PM1, Unit: "µg/m³", Min: 0, Max: 1000, NameVI: "Bụi PM1", NameEN: "PM1"},
			{Name: PM25, Unit: "µg/m³", Min: 0, Max: 1000, NameVI: "Bụi PM2,5", NameEN: "PM2.5"},
			{Name: PM10, Unit: "µg/m³", Min: 0, Max: 2000, NameVI: "Bụi PM10", NameEN: "PM10"},
			{Name: TSP, Unit: "µg/m³", Min: 0, Max: 5000, NameVI: "Tổng bụi lơ lửng", NameEN: "Total suspended particles"},
			{Name: NO2, Unit: "µg/m³", Min: 0, Max: 4000, NameVI: "NO₂", NameEN: "NO₂"},
			{Name: SO2, Unit: "µg/m³", Min: 0, Max: 4000, NameVI: "SO₂", NameEN: "SO₂"},
			{Name: O3, Unit: "µg/m³", Min: 0, Max: 1500, NameVI: "Ozon (O₃)", NameEN: "Ozone (O₃)"},
			{Name: CO, Unit: "µg/m³", Min: 0, Max: 200000, NameVI: "CO", NameEN: "CO"},
			{Name: Temperature, Unit: "°C", Min: -10, Max: 60, NameVI: "Nhiệt độ không khí", NameEN: "Air temperature"},
			{Name: Humidity, Unit: "%", Min: 0, Max: 100, NameVI: "Độ ẩm không khí", NameEN: "Relative humidity"},
		}},
		{Kind: Weather, NameVI: "Thời tiết", NameEN: "Weather", Cadence: 5 * time.Minute, Metrics: []MetricSpec{
			{Name: Temperature, Unit: "°C", Min: -10, Max: 60, NameVI: "Nhiệt độ không khí", NameEN: "Air temperature"},
			{Name: Humidity, Unit: "%", Min: 0, Max: 100, NameVI: "Độ ẩm không khí", NameEN: "Relative humidity"},
			{Name: Pressure, Unit: "hPa", Min: 600, Max: 1085, NameVI: "Khí áp", NameEN: "Air pressure"},
			{Name: WindSpeed, Unit: "m/s", Min: 0, Max: 90, NameVI: "Tốc độ gió", NameEN: "Wind speed"},
			{Name: WindGust, Unit: "m/s", Min: 0, Max: 120, NameVI: "Gió giật", NameEN: "Wind gust"},
			{Name: WindDirection, Unit: "°", Min: 0, Max: 360, NameVI: "Hướng gió", NameEN: "Wind direction"},
			{Name: Rain, Unit: "mm", Min: 0, Max: 2000, Growth: 0.475, Form: Amount, NameVI: "Lượng mưa", NameEN: "Rainfall"},
			{Name: RainRate, Unit: "mm/h", Min: 0, Max: 1000, NameVI: "Cường độ mưa", NameEN: "Rain intensity"},
			{Name: SolarRadiation, Unit: "W/m²", Min: 0, Max: 1800, NameVI: "Bức xạ mặt trời", NameEN: "Solar radiation"},
			{Name: UVIndex, Min: 0, Max: 25, NameVI: "Chỉ số UV", NameEN: "UV index"},
			{Name: Illuminance, Unit: "lx", Min: 0, Max: 250000, NameVI: "Độ rọi", NameEN: "Illuminance"},
		}},
		{Kind: WaterLevel, NameVI: "Mực nước", NameEN: "Water level", Cadence: 5 * time.Minute, Metrics: []MetricSpec{
			{Name: Level, Unit: "m", Min: -10, Max: 600, NameVI: "Mực nước", NameEN: "Water level"},
			{Name: Flow, Unit: "m³/s", Min: -100000, Max: 100000, NameVI: "Lưu lượng", NameEN: "Discharge"},
			{Name: Temperature, Unit: "°C", Min: 0, Max: 50, NameVI: "Nhiệt độ nước", NameEN: "Water temperature"},
		}},
		{Kind: Traffic, NameVI: "Giao thông", NameEN: "Traffic", Cadence: time.Minute, Metrics: []MetricSpec{
			{Name: Vehicles, Min: 0, Max: 500000, Growth: 0.5, Form: Amount, NameVI: "Số lượt xe", NameEN: "Vehicles"},
			{Name: Motorcycles, Min: 0, Max: 500000, Growth: 0.5, Form: Amount, NameVI: "Số lượt xe máy", NameEN: "Motorcycles"},
			{Name: Cars, Min: 0, Max: 500000, Growth: 0.5, Form: Amount, NameVI: "Số lượt ô tô con", NameEN: "Cars"},
			{Name: Buses, Min: 0, Max: 500000, Growth: 0.5, Form: Amount, NameVI: "Số lượt xe khách, xe buýt", NameEN: "Buses and coaches"},
			{Name: Trucks, Min: 0, Max: 500000, Growth: 0.5, Form: Amount, NameVI: "Số lượt xe tải", NameEN: "Trucks"},
			{Name: Bicycles, Min: 0, Max: 500000, Growth: 0.5, Form: Amount, NameVI: "Số lượt xe đạp", NameEN: "Bicycles"},
			{Name: Speed, Unit: "km/h", Min: 0, Max: 250, NameVI: "Tốc độ trung bình", NameEN: "Mean speed"},
			{Name: Occupancy, Unit: "%", Min: 0, Max: 100, NameVI: "Độ chiếm dụng mặt đường", NameEN: "Road occupancy"},
			{Name: Headway, Unit: "s", Min: 0, Max: 86400, NameVI: "Giãn cách thời gian", NameEN: "Headway"},
			{Name: QueueLength, Unit: "m", Min: 0, Max: 10000, NameVI: "Chiều dài hàng chờ", NameEN: "Queue length"},
		}},
		{Kind: Noise, NameVI: "Tiếng ồn", NameEN: "Noise", Cadence: time.Minute, Metrics: []MetricSpec{
			{Name: LAeq, Unit: "dBA", Min: 10, Max: 150, NameVI: "Mức ồn tương đương (LAeq)", NameEN: "Equivalent level (LAeq)"},
			{Name: LAmax, Unit: "dBA", Min: 10, Max: 150, NameVI: "Mức ồn lớn nhất (LAmax)", NameEN: "Maximum level (LAmax)"},
			{Name: LAmin, Unit: "dBA", Min: 10, Max: 150, NameVI: "Mức ồn nhỏ nhất (LAmin)", NameEN: "Minimum level (LAmin)"},
			{Name: LA10, Unit: "dBA", Min: 10, Max: 150, NameVI: "Mức ồn LA10", NameEN: "LA10"},
			{Name: LA50, Unit: "dBA", Min: 10, Max: 150, NameVI: "Mức ồn LA50", NameEN: "LA50"},
			{Name: LA90, Unit: "dBA", Min: 10, Max: 150, NameVI: "Mức ồn nền (LA90)", NameEN: "Background level (LA90)"},
		}},
		{Kind: WaterQuality, NameVI: "Chất lượng nước", NameEN: "Water quality", Cadence: 15 * time.Minute, Metrics: []MetricSpec{
			{Name: Temperature, Unit: "°C", Min: 0, Max: 50, NameVI: "Nhiệt độ nước", NameEN: "Water temperature"},
			{Name: PH, Min: 0, Max: 14, NameVI: "Độ pH", NameEN: "pH"},
			{Name: DissolvedOxygen, Unit: "mg/L", Min: 0, Max: 40, NameVI: "Oxy hòa tan (DO)", NameEN: "Dissolved oxygen"},
			{Name: OxygenSaturation, Unit: "%", Min: 0, Max: 400, NameVI: "Độ bão hòa oxy", NameEN: "Oxygen saturation"},
			{Name: Conductivity, Unit: "µS/cm", Min: 0, Max: 300000, NameVI: "Độ dẫn điện", NameEN: "Conductivity"},
			{Name: Salinity, Unit: "PSU", Min: 0, Max: 350, NameVI: "Độ mặn", NameEN: "Salinity"},
			{Name: Turbidity, Unit: "NTU", Min: 0, Max: 10000, NameVI: "Độ đục", NameEN: "Turbidity"},
			{Name: ORP, Unit: "mV", Min: -2000, Max: 2000, NameVI: "Thế oxy hóa khử (ORP)", NameEN: "Redox potential (ORP)"},
			{Name: SuspendedSolids, Unit: "mg/L", Min: 0, Max: 50000, NameVI: "Tổng chất rắn lơ lửng (TSS)", NameEN: "Total suspended solids"},
			{Name: AmmoniumNitrogen, Unit: "mg/L", Min: 0, Max: 1000, NameVI: "Amoni (NH₄⁺ tính theo N)", NameEN: "Ammonium (as N)"},
			{Name: NitriteNitrogen, Unit: "mg/L", Min: 0, Max: 1000, NameVI: "Nitrit (NO₂⁻ tính theo N)", NameEN: "Nitrite (as N)"},
			{Name: NitrateNitrogen, Unit: "mg/L", Min: 0, Max: 1000, NameVI: "Nitrat (NO₃⁻ tính theo N)", NameEN: "Nitrate (as N)"},
			{Name: PhosphatePhosphor, Unit: "mg/L", Min: 0, Max: 1000, NameVI: "Phosphat (PO₄³⁻ tính theo P)", NameEN: "Phosphate (as P)"},
			{Name: Chlorophyll, Unit: "µg/L", Min: 0, Max: 2000, NameVI: "Chlorophyll-a", NameEN: "Chlorophyll-a"},
			{Name: BOD5, Unit: "mg/L", Min: 0, Max: 10000, NameVI: "Nhu cầu oxy sinh hóa (BOD₅)", NameEN: "Biochemical oxygen demand"},
			{Name: COD, Unit: "mg/L", Min: 0, Max: 50000, NameVI: "Nhu cầu oxy hóa học (COD)", NameEN: "Chemical oxygen demand"},
		}},
		{Kind: StreetLight, NameVI: "Chiếu sáng công cộng", NameEN: "Street lighting", Cadence: 15 * time.Minute, Metrics: []MetricSpec{
			{Name: On, Min: 0, Max: 1, Form: Flag, NameVI: "Đèn sáng", NameEN: "Lamp on"},
			{Name: Dimming, Unit: "%", Min: 0, Max: 100, NameVI: "Mức sáng", NameEN: "Dimming level"},
			{Name: Power, Unit: "W", Min: 0, Max: 5000, NameVI: "Công suất", NameEN: "Power"},
			{Name: Voltage, Unit: "V", Min: 0, Max: 500, NameVI: "Điện áp", NameEN: "Voltage"},
			{Name: Current, Unit: "A", Min: 0, Max: 50, NameVI: "Cường độ dòng điện", NameEN: "Current"},
			{Name: EnergyTotal, Unit: "kWh", Min: 0, Max: 1e7, Form: Counter, NameVI: "Điện năng tiêu thụ", NameEN: "Energy used"},
			{Name: BurningHours, Unit: "h", Min: 0, Max: 1e6, Form: Counter, NameVI: "Số giờ chiếu sáng", NameEN: "Burning hours"},
			{Name: Illuminance, Unit: "lx", Min: 0, Max: 250000, NameVI: "Độ rọi", NameEN: "Illuminance"},
			{Name: Fault, Min: 0, Max: 1, Form: Flag, NameVI: "Đèn hỏng", NameEN: "Lamp fault"},
		}},
		{Kind: Energy, NameVI: "Điện năng", NameEN: "Energy", Cadence: 5 * time.Minute, Metrics: []MetricSpec{
			{Name: Power, Unit: "W", Min: -1e10, Max: 1e10, NameVI: "Công suất tác dụng", NameEN: "Active power"},
			{Name: ReactivePower, Unit: "var", Min: -1e10, Max: 1e10, NameVI: "Công suất phản kháng", NameEN: "Reactive power"},
			{Name: PowerFactor, Min: -1, Max: 1, NameVI: "Hệ số công suất", NameEN: "Power factor"},
			{Name: EnergyTotal, Unit: "kWh", Min: 0, Max: 1e13, Form: Counter, NameVI: "Điện năng tiêu thụ", NameEN: "Energy used"},
			{Name: Voltage, Unit: "V", Min: 0, Max: 1e6, NameVI: "Điện áp", NameEN: "Voltage"},
			{Name: Current, Unit: "A", Min: 0, Max: 100000, NameVI: "Cường độ dòng điện", NameEN: "Current"},
			{Name: Frequency, Unit: "Hz", Min: 40, Max: 70, NameVI: "Tần số lưới điện", NameEN: "Grid frequency"},
		}},
		{Kind: Waste, NameVI: "Thùng rác", NameEN: "Waste containers", Cadence: 30 * time.Minute, Metrics: []MetricSpec{
			{Name: FillLevel, Unit: "%", Min: 0, Max: 100, NameVI: "Mức đầy", NameEN: "Fill level"},
			{Name: Weight, Unit: "kg", Min: 0, Max: 20000, NameVI: "Khối lượng", NameEN: "Weight"},
			{Name: Temperature, Unit: "°C", Min: -10, Max: 300, NameVI: "Nhiệt độ trong thùng", NameEN: "Temperature inside"},
			{Name: Tilt, Unit: "°", Min: 0, Max: 180, NameVI: "Độ nghiêng", NameEN: "Tilt"},
			{Name: LidOpen, Min: 0, Max: 1, Form: Flag, NameVI: "Nắp mở", NameEN: "Lid open"},
			{Name: Fire, Min: 0, Max: 1, Form: Flag, NameVI: "Cháy", NameEN: "Fire"},
		}},
		{Kind: Parking, NameVI: "Bãi đỗ xe", NameEN: "Parking", Cadence: 5 * time.Minute, Metrics: []MetricSpec{
			{Name: Occupied, Min: 0, Max: 100000, NameVI: "Số chỗ đã đỗ", NameEN: "Occupied spaces"},
			{Name: Capacity, Min: 0, Max: 100000, NameVI: "Tổng số chỗ", NameEN: "Capacity"},
			{Name: Entries, Min: 0, Max: 100000, Form: Amount, NameVI: "Số lượt vào", NameEN: "Entries"},
			{Name: Exits, Min: 0, Max: 100000, Form: Amount, NameVI: "Số lượt ra", NameEN: "Exits"},
		}},
		{Kind: Status, NameVI: "Trạng thái kết nối", NameEN: "Connection status", Metrics: []MetricSpec{
			{Name: Online, Min: 0, Max: 1, Form: Flag, NameVI: "Đang kết nối", NameEN: "Connected"},
		}},
	}
}
