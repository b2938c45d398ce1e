package telemetry

import "time"

// The kinds that Hải Đăng computes itself and writes as the device [ComputedBy].
const (
	// AirQualityIndex is VN_AQI of a site: see package vnaqi.
	AirQualityIndex Kind = "air_quality_index"
	// Platform is how Hải Đăng itself does: its site is [PlatformSite], its device
	// a gateway's name, or [ComputedBy] for what concerns no single gateway.
	Platform Kind = "platform"
	// SiteState is where a site is and how it stands, for maps and tiles.
	SiteState Kind = "site_state"
	// CanaryKind is what a gateway sends itself through broker, journal, loader and
	// store, to prove the way; its site is [PlatformSite], its device the gateway's name.
	CanaryKind Kind = "canary"
	// ActiveAlarm is an alarm that is active at a site; its device is the rule's id.
	ActiveAlarm Kind = "alarm"
)

const (
	// ComputedBy is the device of all that Hải Đăng computes, but for a gateway's
	// own figures.
	ComputedBy Device = "haidang"
	// PlatformSite is the site of the kind [Platform]; what concerns no single
	// locality has it as its locality too.
	PlatformSite Site = "platform"
)

// The metrics of computed kinds.
const (
	VNAQI    Metric = "vn_aqi"
	VNAQIDay Metric = "vn_aqi_day"
	Dominant Metric = "dominant"

	PM25Index Metric = "pm25_index"
	PM10Index Metric = "pm10_index"
	O3Index   Metric = "o3_index"
	NO2Index  Metric = "no2_index"
	SO2Index  Metric = "so2_index"
	COIndex   Metric = "co_index"

	Latitude      Metric = "latitude"
	Longitude     Metric = "longitude"
	StateCode     Metric = "state"
	DeviceCount   Metric = "devices"
	SilentDevices Metric = "silent"

	// CanaryNumber tells a gateway's canaries apart.
	CanaryNumber Metric = "number"

	// AlarmSeverity is that of package limits, 1 to 4; 0 ends the alarm.
	AlarmSeverity Metric = "severity"

	MessagesReceived    Metric = "received"
	MessagesStored      Metric = "stored"
	MessagesPartial     Metric = "partial"
	MessagesDuplicate   Metric = "duplicate"
	MessagesQuarantined Metric = "quarantined"
	MessagesCanary      Metric = "canary"
	MessagesQueued      Metric = "queued"
	MessagesMissing     Metric = "missing"
	LocalityStored      Metric = "locality_stored"
	LocalityDuplicate   Metric = "locality_duplicate"
	LocalityQuarantined Metric = "locality_quarantined"
	LocalityDiscarded   Metric = "locality_discarded"
	GatewayConnected    Metric = "connected"
	Gateways            Metric = "gateways"
	GatewaysConnected   Metric = "gateways_connected"
	JournalRecords      Metric = "journal_records"
	JournalBytes        Metric = "journal_bytes"
	JournalMaxBytes     Metric = "journal_max_bytes"
	JournalAge          Metric = "journal_age"
	EventDelay50        Metric = "event_delay_p50"
	EventDelay95        Metric = "event_delay_p95"
	EventDelay99        Metric = "event_delay_p99"
	StoreDelay50        Metric = "store_delay_p50"
	StoreDelay95        Metric = "store_delay_p95"
	StoreDelay99        Metric = "store_delay_p99"
	ValuesStored        Metric = "values_stored"
	StoreUp             Metric = "store_up"
	StoreErrors         Metric = "store_errors"
	QuarantineSize      Metric = "quarantine_size"
	DevicesFresh        Metric = "devices_fresh"
	DevicesWaiting      Metric = "devices_waiting"
	DevicesLate         Metric = "devices_late"
	DevicesSilent       Metric = "devices_silent"
	DevicesMuted        Metric = "devices_muted"
	AlarmsFiring        Metric = "alarms_firing"
	CertificateLeft     Metric = "certificate_left"
	DiskFree            Metric = "disk_free"
	DiskSize            Metric = "disk_size"
	CPU                 Metric = "cpu"
	Memory              Metric = "memory"
	Uptime              Metric = "uptime"
	TimeOfDay           Metric = "time_of_day"
)

// The states of a site, as [StateCode] has them.
const (
	SiteOK          = 0 // every device is heard as expected
	SiteLate        = 1 // a device is late
	SiteSilent      = 2 // a device is silent
	SiteAlarm       = 3 // an alarm is active
	SiteMaintenance = 4 // every device is in maintenance
)

// computedKinds is the catalogue's table of what Hải Đăng computes. Counts that
// begin anew with the process are counters all the same: a counter may reset.
func computedKinds() []KindSpec {
	const most = 1 << 53
	return []KindSpec{
		{Kind: AirQualityIndex, NameVI: "Chỉ số chất lượng không khí", NameEN: "Air quality index", Cadence: time.Hour, Metrics: []MetricSpec{
			{Name: VNAQI, Min: 0, Max: 500, NameVI: "VN_AQI giờ", NameEN: "VN_AQI of the hour"},
			{Name: VNAQIDay, Min: 0, Max: 500, NameVI: "VN_AQI ngày", NameEN: "VN_AQI of the day"},
			{Name: Dominant, Min: 0, Max: 6, NameVI: "Chất ô nhiễm chính", NameEN: "Dominant pollutant"},
			{Name: PM25Index, Min: 0, Max: 500, NameVI: "Chỉ số PM2,5", NameEN: "PM2.5 index"},
			{Name: PM10Index, Min: 0, Max: 500, NameVI: "Chỉ số PM10", NameEN: "PM10 index"},
			{Name: O3Index, Min: 0, Max: 500, NameVI: "Chỉ số O₃", NameEN: "O₃ index"},
			{Name: NO2Index, Min: 0, Max: 500, NameVI: "Chỉ số NO₂", NameEN: "NO₂ index"},
			{Name: SO2Index, Min: 0, Max: 500, NameVI: "Chỉ số SO₂", NameEN: "SO₂ index"},
			{Name: COIndex, Min: 0, Max: 500, NameVI: "Chỉ số CO", NameEN: "CO index"},
		}},
		{Kind: SiteState, NameVI: "Tình trạng điểm đo", NameEN: "State of sites", Cadence: time.Minute, Metrics: []MetricSpec{
			{Name: Latitude, Unit: "°", Min: -90, Max: 90, NameVI: "Vĩ độ", NameEN: "Latitude"},
			{Name: Longitude, Unit: "°", Min: -180, Max: 180, NameVI: "Kinh độ", NameEN: "Longitude"},
			{Name: StateCode, Min: SiteOK, Max: SiteMaintenance, NameVI: "Tình trạng", NameEN: "State"},
			{Name: DeviceCount, Min: 0, Max: most, NameVI: "Số thiết bị", NameEN: "Devices"},
			{Name: SilentDevices, Min: 0, Max: most, NameVI: "Số thiết bị mất tín hiệu", NameEN: "Silent devices"},
		}},
		{Kind: ActiveAlarm, NameVI: "Cảnh báo đang hoạt động", NameEN: "Active alarms", Cadence: time.Minute, Metrics: []MetricSpec{
			{Name: AlarmSeverity, Min: 0, Max: 4, NameVI: "Mức cảnh báo", NameEN: "Severity"},
		}},
		{Kind: CanaryKind, NameVI: "Bản tin tự kiểm tra", NameEN: "Canary", Cadence: time.Minute, Metrics: []MetricSpec{
			{Name: CanaryNumber, Min: 1, Max: 1e12, NameVI: "Mã số bản tin tự kiểm tra", NameEN: "Number of the canary"},
		}},
		{Kind: Platform, NameVI: "Nền tảng Hải Đăng", NameEN: "The platform itself", Cadence: 15 * time.Second, Metrics: []MetricSpec{
			{Name: MessagesReceived, Min: 0, Max: most, Form: Counter, NameVI: "Bản tin đã nhận", NameEN: "Messages received"},
			{Name: MessagesStored, Min: 0, Max: most, Form: Counter, NameVI: "Bản tin đã lưu", NameEN: "Messages stored"},
			{Name: MessagesPartial, Min: 0, Max: most, NameVI: "Bản tin lưu một phần", NameEN: "Messages stored in part"},
			{Name: MessagesDuplicate, Min: 0, Max: most, Form: Counter, NameVI: "Bản tin trùng lặp", NameEN: "Duplicate messages"},
			{Name: MessagesQuarantined, Min: 0, Max: most, NameVI: "Bản tin bị cách ly", NameEN: "Messages in quarantine"},
			{Name: MessagesCanary, Min: 0, Max: most, Form: Counter, NameVI: "Bản tin tự kiểm tra", NameEN: "Canary messages"},
			{Name: LocalityStored, Min: 0, Max: most, Form: Counter, NameVI: "Đã lưu, theo địa phương", NameEN: "Stored, by locality"},
			{Name: LocalityDuplicate, Min: 0, Max: most, Form: Counter, NameVI: "Trùng lặp, theo địa phương", NameEN: "Duplicate, by locality"},
			{Name: LocalityQuarantined, Min: 0, Max: most, NameVI: "Cách ly, theo địa phương", NameEN: "In quarantine, by locality"},
			{Name: LocalityDiscarded, Min: 0, Max: most, NameVI: "Đã loại bỏ, theo địa phương", NameEN: "Discarded, by locality"},
			{Name: MessagesQueued, Min: 0, Max: most, NameVI: "Bản tin đang chờ", NameEN: "Messages queued"},
			{Name: MessagesMissing, Min: -most, Max: most, NameVI: "Bản tin thất lạc", NameEN: "Messages missing"},
			{Name: GatewayConnected, Min: 0, Max: 1, Form: Flag, NameVI: "Cổng thu đang kết nối", NameEN: "Gateway connected"},
			{Name: Gateways, Min: 0, Max: most, NameVI: "Số cổng thu", NameEN: "Gateways"},
			{Name: GatewaysConnected, Min: 0, Max: most, NameVI: "Số cổng thu đang kết nối", NameEN: "Gateways connected"},
			{Name: JournalRecords, Min: 0, Max: most, NameVI: "Bản ghi trong hàng chờ", NameEN: "Journal records"},
			{Name: JournalBytes, Unit: "B", Min: 0, Max: most, NameVI: "Dung lượng hàng chờ", NameEN: "Journal size"},
			{Name: JournalMaxBytes, Unit: "B", Min: 0, Max: most, NameVI: "Dung lượng hàng chờ tối đa", NameEN: "Journal budget"},
			{Name: JournalAge, Unit: "s", Min: 0, Max: most, NameVI: "Tuổi bản ghi cũ nhất trong hàng chờ", NameEN: "Age of the oldest journal record"},
			{Name: EventDelay50, Unit: "s", Min: -most, Max: most, NameVI: "Độ trễ từ lúc đo đến lúc lưu (trung vị)", NameEN: "Delay from measured to stored (median)"},
			{Name: EventDelay95, Unit: "s", Min: -most, Max: most, NameVI: "Độ trễ từ lúc đo đến lúc lưu (95 %)", NameEN: "Delay from measured to stored (95 %)"},
			{Name: EventDelay99, Unit: "s", Min: -most, Max: most, NameVI: "Độ trễ từ lúc đo đến lúc lưu (99 %)", NameEN: "Delay from measured to stored (99 %)"},
			{Name: StoreDelay50, Unit: "s", Min: 0, Max: most, NameVI: "Độ trễ từ lúc nhận đến lúc lưu (trung vị)", NameEN: "Delay from received to stored (median)"},
			{Name: StoreDelay95, Unit: "s", Min: 0, Max: most, NameVI: "Độ trễ từ lúc nhận đến lúc lưu (95 %)", NameEN: "Delay from received to stored (95 %)"},
			{Name: StoreDelay99, Unit: "s", Min: 0, Max: most, NameVI: "Độ trễ từ lúc nhận đến lúc lưu (99 %)", NameEN: "Delay from received to stored (99 %)"},
			{Name: ValuesStored, Min: 0, Max: most, Form: Counter, NameVI: "Giá trị đã lưu", NameEN: "Values stored"},
			{Name: StoreUp, Min: 0, Max: 1, Form: Flag, NameVI: "Kho dữ liệu hoạt động", NameEN: "Store accepts"},
			{Name: StoreErrors, Min: 0, Max: most, Form: Counter, NameVI: "Lỗi ghi kho dữ liệu", NameEN: "Store errors"},
			{Name: QuarantineSize, Min: 0, Max: most, NameVI: "Số bản tin trong khu cách ly", NameEN: "Quarantine size"},
			{Name: DeviceCount, Min: 0, Max: most, NameVI: "Số thiết bị", NameEN: "Devices"},
			{Name: DevicesFresh, Min: 0, Max: most, NameVI: "Thiết bị có tín hiệu", NameEN: "Devices heard in time"},
			{Name: DevicesWaiting, Min: 0, Max: most, NameVI: "Thiết bị chờ tín hiệu đầu tiên", NameEN: "Devices not heard yet"},
			{Name: DevicesLate, Min: 0, Max: most, NameVI: "Thiết bị trễ", NameEN: "Late devices"},
			{Name: DevicesSilent, Min: 0, Max: most, NameVI: "Thiết bị mất tín hiệu", NameEN: "Silent devices"},
			{Name: DevicesMuted, Min: 0, Max: most, NameVI: "Thiết bị đang bảo trì", NameEN: "Devices in maintenance"},
			{Name: AlarmsFiring, Min: 0, Max: most, NameVI: "Cảnh báo đang hoạt động", NameEN: "Active alarms"},
			{Name: CertificateLeft, Unit: "d", Min: -most, Max: most, NameVI: "Thời hạn còn lại của chứng thư số", NameEN: "Certificate valid for"},
			{Name: DiskFree, Unit: "B", Min: 0, Max: most, NameVI: "Ổ đĩa còn trống", NameEN: "Disk free"},
			{Name: DiskSize, Unit: "B", Min: 0, Max: most, NameVI: "Dung lượng ổ đĩa", NameEN: "Disk size"},
			{Name: CPU, Unit: "%", Min: 0, Max: most, NameVI: "CPU đã dùng (100 % là một nhân)", NameEN: "CPU used (100 % is one core)"},
			{Name: Memory, Unit: "B", Min: 0, Max: most, NameVI: "Bộ nhớ đã dùng", NameEN: "Memory used"},
			{Name: Uptime, Unit: "s", Min: 0, Max: most, NameVI: "Thời gian hoạt động", NameEN: "Uptime"},
			// For rules of the night, in languages that know no hours.
			{Name: TimeOfDay, Unit: "h", Min: 0, Max: 24, NameVI: "Giờ trong ngày tại Việt Nam", NameEN: "Time of day in Vietnam"},
		}},
	}
}
