package dashboards

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Overview is the province at a glance.
func Overview(p Province) Board {
	title := Text{"Toàn tỉnh", "Province overview"}
	return Board{
		ID: "overview", Title: title, Span: day,
		Description: Text{"Tình trạng các địa phương, điểm đo, cảnh báo và các số đo chính trong 24 giờ.", "Localities, sites, alarms and the headline measures of 24 hours."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{localityTiles(), sitesReporting(), silentDevices(), alarmsFiring(), worstAir()}},
			{Panels: []Panel{siteMap(), activeAlarms(), silentSites()}},
			{Title: Text{"24 giờ qua", "The last 24 hours"}, Panels: []Panel{aqiCourse(), rainCourse(), floodCourse(p),
				temperatureCourse(), trafficCourse(), noiseCourse(), powerCourse(), windCourse(), lampsCourse()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{localityTiles(), sitesReporting(), silentDevices(), alarmsFiring(), worstAir()}},
			{Panels: []Panel{siteMap().sized(10, 12), alarmsByRule().sized(8, 12), silentSites().sized(6, 12)}},
			{Panels: []Panel{aqiCourse(), rainCourse(), floodCourse(p)}}},
	}
}

// stale is how old a state may be.
const stale = 15 * time.Minute

// ringing is how old an alarm may be: it is written every minute while it is active.
const ringing = 3 * time.Minute

func localityTiles() Panel {
	return Panel{Title: Text{"Tình trạng địa phương", "Localities"}, Width: 10, Height: 4, View: Tiles{Ground: true, Names: true}, Mappings: siteStates(),
		Description: Text{"Tình trạng xấu nhất trong các điểm đo của địa phương, trừ điểm đang bảo trì.", "The worst state among the locality's sites, but for those in maintenance."},
		Queries:     []Query{newest(telemetry.SiteState, telemetry.StateCode, ByLocality, stale).most().atMost(telemetry.SiteAlarm)}}
}

func sitesReporting() Panel {
	q := newest(telemetry.SiteState, telemetry.StateCode, Together, stale).atMost(telemetry.SiteLate).named("Điểm đo", "Sites").in(count())
	q.Across = Number
	return Panel{Title: Text{"Điểm đo có tín hiệu", "Sites reporting"}, Width: 4, Height: 4, View: Tiles{}, Queries: []Query{q},
		Description: Text{"Số điểm đo mà mọi thiết bị đều gửi số liệu, hoặc chỉ mới trễ.", "Sites all of whose devices are heard, or only late."}}
}

func silentDevices() Panel {
	return Panel{Title: Text{"Thiết bị mất tín hiệu", "Silent devices"}, Width: 4, Height: 4, View: Tiles{Steps: alarming(amber)},
		Description: Text{"Mất tín hiệu: quá 10 chu kỳ gửi mà không nhận được gì.", "Silent: nothing was heard for more than ten of its cadences."},
		Queries:     []Query{newest(telemetry.SiteState, telemetry.SilentDevices, Together, stale).total().in(count())}}
}

func alarmsFiring() Panel {
	return Panel{Title: Text{"Cảnh báo hiện có", "Active alarms"}, Width: 3, Height: 4, View: Tiles{Steps: alarming(red)}, Grafana: GrafanaAlarms{Count: true},
		Queries: []Query{newest(telemetry.Platform, telemetry.AlarmsFiring, Together, stale).most().unfiltered().in(count())}}
}

func worstAir() Panel {
	return Panel{Title: Text{"VN_AQI cao nhất", "Worst VN_AQI"}, Width: 3, Height: 4, View: Tiles{Ground: true, Steps: aqiBands()}, Description: aqiNote(),
		Queries: []Query{newest(telemetry.AirQualityIndex, telemetry.VNAQI, Together, 3*hour).most()}}
}

func siteMap() Panel {
	state := newest(telemetry.SiteState, telemetry.StateCode, BySite, stale)
	at := func(m telemetry.Metric) Query { return newest(telemetry.SiteState, m, BySite, stale) }
	return Panel{Title: Text{"Bản đồ điểm đo", "Map of sites"}, Width: 10, Height: 14, View: Map{Steps: siteStates(), Words: siteStates(), Signs: siteSigns()},
		Description: Text{"● bình thường · ◐ trễ · ○ mất tín hiệu · ▲ cảnh báo · ■ bảo trì", "● well · ◐ late · ○ silent · ▲ alarm · ■ maintenance"},
		Queries:     []Query{at(telemetry.Latitude), at(telemetry.Longitude), state.most(), at(telemetry.DeviceCount).total(), at(telemetry.SilentDevices).total(), state.most().named("Ký hiệu", "Sign")}}
}

func activeAlarms() Panel {
	return Panel{Title: Text{"Cảnh báo", "Alarms"}, Width: 8, Height: 14, View: Table{Sort: 0, Coloured: []int{0}, Words: map[int][]Mapping{0: severities()}, Widths: map[int]int{0: 140, 1: 85}}, Grafana: GrafanaAlarms{},
		Queries:    []Query{newest(telemetry.ActiveAlarm, telemetry.AlarmSeverity, ByDevice, ringing).most().atLeast(1).named("Mức", "Severity")},
		MayBeEmpty: Text{"Trống khi không có cảnh báo nào.", "Empty while nothing is alarming."}}
}

// alarmsByRule is for a wall, which nobody scrolls: in a storm one rule holds at
// many sites.
func alarmsByRule() Panel {
	p := activeAlarms()
	severity := p.Queries[0].named("Mức", "Severity")
	severity.By = ByRule
	sites := severity.named("Số điểm", "Sites").in(count())
	sites.Across = Number
	p.Queries = []Query{severity, sites}
	return p
}

func silentSites() Panel {
	return Panel{Title: Text{"Điểm đo mất tín hiệu", "Silent sites"}, Width: 6, Height: 14, View: Table{Sort: 0, Widths: map[int]int{0: 140}},
		Queries:    []Query{newest(telemetry.SiteState, telemetry.SilentDevices, BySite, stale).total().atLeast(1).in(count()).named("Mất tín hiệu", "Silent")},
		MayBeEmpty: Text{"Trống khi mọi thiết bị đều gửi số liệu.", "Empty while every device is heard."}}
}

func aqiCourse() Panel {
	return Panel{Title: Text{"VN_AQI giờ, cao nhất địa phương", "Hourly VN_AQI, worst of the locality"}, Width: 8, Height: 8, View: Lines{Min: value(0), Bands: aqiBands()}, Description: aqiNote(),
		Queries: []Query{over(telemetry.AirQualityIndex, telemetry.VNAQI, ByLocality).most()}}
}

func rainCourse() Panel {
	return Panel{Title: Text{"Mưa theo giờ", "Rain by hour"}, Width: 8, Height: 8, View: Lines{Bars: true, Min: value(0)},
		Description: Text{"Trung bình các trạm của địa phương.", "Mean of the locality's stations."},
		Queries:     []Query{each(hour, telemetry.Weather, telemetry.Rain, ByLocality)}}
}

// floodCourse is the river gauges beside each other; their alarm levels are on the
// board of floods, because each has its own.
func floodCourse(p Province) Panel {
	return Panel{Title: Text{"Mực nước các trạm sông", "Levels of the river gauges"}, Width: 8, Height: 8, View: Lines{},
		Description: Text{"Mỗi trạm có cao độ gốc riêng: không so sánh giữa các trạm.", "Each station has a datum of its own: do not compare stations."},
		Queries:     []Query{over(telemetry.WaterLevel, telemetry.Level, BySite).with(Max).most().at(p.stationSites()...)}}
}

func temperatureCourse() Panel {
	return Panel{Title: Text{"Nhiệt độ", "Temperature"}, Width: 8, Height: 8, View: Lines{}, Queries: []Query{over(telemetry.Weather, telemetry.Temperature, ByLocality)}}
}

func windCourse() Panel {
	return Panel{Title: Text{"Gió giật mạnh nhất", "Strongest gusts"}, Width: 8, Height: 8, View: Lines{Min: value(0)},
		Queries: []Query{over(telemetry.Weather, telemetry.WindGust, ByLocality).with(Max).most()}}
}

func trafficCourse() Panel {
	return Panel{Title: Text{"Lượt xe theo giờ", "Vehicles by hour"}, Width: 8, Height: 8, View: Lines{Bars: true, Stack: true, Min: value(0)},
		Queries: []Query{each(hour, telemetry.Traffic, telemetry.Vehicles, ByLocality).total().in(count())}}
}

func noiseCourse() Panel {
	return Panel{Title: Text{"Tiếng ồn theo giờ (LAeq)", "Noise by hour (LAeq)"}, Width: 8, Height: 8, View: Lines{},
		Description: Text{"Trung bình năng lượng của LAeq trong giờ và giữa các điểm của địa phương, có khi giờ đã qua.", "Energetic mean of LAeq within the hour and over the locality's sites, there once the hour is over."},
		Queries:     []Query{hours(telemetry.LAeq, ByLocality)}}
}

func powerCourse() Panel {
	return Panel{Title: Text{"Công suất điện", "Power"}, Width: 8, Height: 8, View: Lines{Fill: 20, Stack: true, Min: value(0)},
		Queries: []Query{over(telemetry.Energy, telemetry.Power, ByLocality).total()}}
}

func lampsCourse() Panel {
	return Panel{Title: Text{"Tỷ lệ đèn sáng", "Lamps lit"}, Width: 8, Height: 8, View: Lines{Min: value(0), Max: value(100)},
		Queries: []Query{lampsOn(ByLocality)}}
}
