package dashboards

import (
	"cmp"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Locality is one locality, or one ward of it.
func Locality(p Province) Board {
	title := Text{"Địa phương", "Locality"}
	return Board{
		ID: "locality", Title: title, Span: day,
		Description: Text{"Mọi số đo của một địa phương hay một phường, xã.", "All measures of one locality, or of one ward."},
		Variables:   []Variable{p.locality(), p.ward()},
		Rows: []Row{
			{Panels: []Panel{wardStates(), silentDevices().sized(4, 4), worstAir().sized(4, 4), heatNow(), rain24()}},
			{Panels: []Panel{siteMap().sized(12, 12), siteTable()}},
			{Title: Text{"Môi trường", "Environment"}, Panels: []Panel{siteAQI(), pm25Sites(), rainSites(), temperatureSites(), noiseSites(), levelSites()}},
			{Title: Text{"Hạ tầng", "Infrastructure"}, Panels: []Panel{vehicleSites(), speedSites(), energySites(), fillSites(), parkingSites(), lampSites()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{localityTiles().sized(24, 5)}},
			{Panels: []Panel{aqiCourse().sized(12, 10), rainCourse().sized(12, 10)}},
			{Panels: []Panel{temperatureCourse().sized(8, 9), trafficCourse().sized(8, 9), noiseCourse().sized(8, 9)}}},
	}
}

// ward is the variable that narrows to a ward: to its sites, because series do not
// carry it. Where no ward is known it narrows to a site.
func (p Province) ward() Variable {
	sites := map[string][]string{}
	for _, s := range p.Sites {
		if s.Ward != "" {
			sites[s.Ward] = append(sites[s.Ward], string(s.ID))
		}
	}
	v := Variable{Name: "ward", Label: Text{"Phường, xã", "Ward"}, Filter: "site", All: true, Pattern: true}
	for _, w := range p.Wards {
		if ids := sites[w.Code]; len(ids) > 0 {
			slices.Sort(ids)
			name := Text{w.NameVI, cmp.Or(w.NameEN, w.NameVI)}
			v.Choices = append(v.Choices, Choice{name, strings.ReplaceAll(strings.Join(ids, "|"), ".", "[.]")})
		}
	}
	if len(v.Choices) == 0 {
		v.Label = siteWord()
	}
	slices.SortFunc(v.Choices, func(a, b Choice) int { return cmp.Compare(a.Name.VI, b.Name.VI) })
	return v
}

func wardStates() Panel {
	q := func(from, to float64, vi, en string) Query {
		s := newest(telemetry.SiteState, telemetry.StateCode, Together, stale).atLeast(from).atMost(to).named(vi, en).in(count())
		s.Across = Number
		return s
	}
	return Panel{Title: Text{"Số điểm đo theo tình trạng", "Sites by state"}, Width: 8, Height: 4, View: Tiles{Names: true},
		MayBeEmpty: Text{"Tình trạng không có điểm đo nào thì không hiện.", "A state in which no site is does not show."},
		Queries: []Query{q(telemetry.SiteOK, telemetry.SiteOK, "● Bình thường", "● Well"), q(telemetry.SiteLate, telemetry.SiteLate, "◐ Trễ", "◐ Late"),
			q(telemetry.SiteSilent, telemetry.SiteSilent, "○ Mất tín hiệu", "○ Silent"), q(telemetry.SiteAlarm, telemetry.SiteAlarm, "▲ Cảnh báo", "▲ Alarm")}}
}

func heatNow() Panel {
	return Panel{Title: Text{"Nhiệt độ", "Temperature"}, Width: 4, Height: 4, View: Tiles{}, MayBeEmpty: notHere(),
		Queries: []Query{now(telemetry.Weather, telemetry.Temperature, Together, hour)}}
}

func rain24() Panel {
	return Panel{Title: Text{"Mưa 24 giờ, lớn nhất", "Rain in 24 h, most"}, Width: 4, Height: 4, View: Tiles{Colour: deep}, MayBeEmpty: notHere(),
		Queries: []Query{now(telemetry.Weather, telemetry.Rain, Together, day).most()}}
}

func siteTable() Panel {
	at := func(m telemetry.Metric) Query { return newest(telemetry.SiteState, m, BySite, stale) }
	return Panel{Title: Text{"Điểm đo", "Sites"}, Width: 12, Height: 12, View: Table{Sort: 0, Coloured: []int{0}, Words: map[int][]Mapping{0: siteStates()}},
		Queries: []Query{at(telemetry.StateCode).most(), at(telemetry.DeviceCount).total().in(count()), at(telemetry.SilentDevices).total().in(count())}}
}

// notHere is why a panel of one place may be empty.
func notHere() Text {
	return Text{"Trống nếu nơi được chọn không đo loại này.", "Empty if this is not measured at the chosen place."}
}

// place is a course of each site of a chosen place.
func place(vi, en string, q Query, v Lines) Panel {
	v.Legend = Beside
	return Panel{Title: Text{vi, en}, Width: 12, Height: 9, View: v, Queries: []Query{q}, MayBeEmpty: notHere()}
}

func siteAQI() Panel {
	p := place("VN_AQI giờ", "Hourly VN_AQI", over(telemetry.AirQualityIndex, telemetry.VNAQI, BySite), Lines{Min: value(0), Bands: aqiBands()})
	p.Description = aqiNote()
	return p
}

func pm25Sites() Panel {
	return place("Bụi PM2,5", "PM2.5", over(telemetry.AirQuality, telemetry.PM25, BySite), Lines{Min: value(0)})
}

func rainSites() Panel {
	return place("Mưa theo giờ", "Rain by hour", each(hour, telemetry.Weather, telemetry.Rain, BySite), Lines{Bars: true, Min: value(0)})
}

func temperatureSites() Panel {
	return place("Nhiệt độ", "Temperature", over(telemetry.Weather, telemetry.Temperature, BySite), Lines{})
}

func noiseSites() Panel {
	p := place("Tiếng ồn theo giờ (LAeq)", "Noise by hour (LAeq)", hours(telemetry.LAeq, BySite), Lines{})
	p.Description = hourNote()
	return p
}

func levelSites() Panel {
	p := place("Mực nước", "Water level", over(telemetry.WaterLevel, telemetry.Level, BySite), Lines{})
	p.Description = Text{"Mỗi trạm có cao độ gốc riêng: không so sánh giữa các trạm.", "Each station has a datum of its own: do not compare stations."}
	return p
}

func vehicleSites() Panel {
	return place("Lượt xe theo giờ", "Vehicles by hour", each(hour, telemetry.Traffic, telemetry.Vehicles, BySite).total().in(count()), Lines{Min: value(0)})
}

func speedSites() Panel {
	return place("Tốc độ trung bình", "Mean speed", over(telemetry.Traffic, telemetry.Speed, BySite), Lines{Min: value(0)})
}

func energySites() Panel {
	return place("Công suất điện", "Power", over(telemetry.Energy, telemetry.Power, BySite).total(), Lines{})
}

func fillSites() Panel {
	return place("Mức đầy thùng rác", "Fill of waste containers", over(telemetry.Waste, telemetry.FillLevel, BySite).with(Last).most(), Lines{Min: value(0), Max: value(100)})
}

func parkingSites() Panel {
	return place("Tỷ lệ chỗ đã đỗ", "Parking occupied", occupied(BySite), Lines{Min: value(0), Max: value(100)})
}

func lampSites() Panel {
	return place("Tỷ lệ đèn sáng", "Lamps lit", lampsOn(BySite), Lines{Min: value(0), Max: value(100)})
}
