package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// SitePlace is everything of one place. It is no board of a wall.
func SitePlace(p Province) Board {
	v := Variable{Name: "site", Label: siteWord(), Filter: "site"}
	most := 0
	for _, s := range p.of("") {
		if len(s.Kinds) > most {
			v.First, most = len(v.Choices), len(s.Kinds)
		}
		if len(s.Kinds) > 0 {
			v.Choices = append(v.Choices, Choice{p.localityName(s.Locality).Plus(" · ", s.name()), string(s.ID)})
		}
	}
	return Board{
		ID: "site", Title: Text{"Điểm đo", "Site"}, Span: day, Variables: []Variable{v},
		Description: Text{"Mọi số đo của một điểm. Ô trống: điểm không đo loại đó.", "Everything of one place. An empty panel: that is not measured there."},
		Rows: []Row{
			{Panels: []Panel{placeState(), placeMap(), placeStates()}},
			{Title: Text{"Không khí", "Air"}, Panels: []Panel{placeAQI(), one("Bụi", "Particles", telemetry.AirQuality, telemetry.PM1, telemetry.PM25, telemetry.PM10),
				one("Khí", "Gases", telemetry.AirQuality, telemetry.O3, telemetry.NO2, telemetry.SO2)}},
			{Title: Text{"Thời tiết", "Weather"}, Panels: []Panel{one("Nhiệt độ", "Temperature", telemetry.Weather, telemetry.Temperature), one("Gió", "Wind", telemetry.Weather, telemetry.WindSpeed, telemetry.WindGust), placeRain()}},
			{Title: Text{"Nước", "Water"}, Panels: []Panel{one("Mực nước", "Water level", telemetry.WaterLevel, telemetry.Level),
				one("Oxy hòa tan", "Dissolved oxygen", telemetry.WaterQuality, telemetry.DissolvedOxygen), one("pH", "pH", telemetry.WaterQuality, telemetry.PH)}},
			{Title: Text{"Đô thị", "Town"}, Panels: []Panel{placeVehicles().sized(6, 8), one("Tốc độ xe", "Speed of traffic", telemetry.Traffic, telemetry.Speed).sized(6, 8),
				placeNoise().sized(6, 8), one("Công suất đèn", "Power of lamps", telemetry.StreetLight, telemetry.Power).sized(6, 8),
				one("Công suất điện", "Power", telemetry.Energy, telemetry.Power), one("Mức đầy thùng rác", "Fill of containers", telemetry.Waste, telemetry.FillLevel), placeParking()}},
			{Title: Text{"Thiết bị", "Devices"}, Panels: []Panel{own("Điện áp pin", "Battery", telemetry.Battery, &Unit{"V", "suffix:V", 2}), own("Cường độ tín hiệu", "Signal", telemetry.RSSI, nil)}},
		},
	}
}

func placeState() Panel {
	return Panel{Title: Text{"Tình trạng", "State"}, Width: 6, Height: 8, View: Tiles{Ground: true}, Mappings: siteStates(),
		Queries: []Query{newest(telemetry.SiteState, telemetry.StateCode, Together, stale).most()}}
}

func placeMap() Panel {
	m := siteMap().sized(10, 8)
	v := m.View.(Map)
	v.Near = true
	m.View = v
	return m
}

func placeStates() Panel {
	return Panel{Title: Text{"Tình trạng theo thời gian", "State over time"}, Width: 8, Height: 8, View: Timeline{}, Mappings: siteStates(),
		Queries: []Query{over(telemetry.SiteState, telemetry.StateCode, BySite).with(Max).most()}}
}

// one is metrics of a kind at the place.
func one(vi, en string, k telemetry.Kind, ms ...telemetry.Metric) Panel {
	p := Panel{Title: Text{vi, en}, Width: 8, Height: 8, View: Lines{}, MayBeEmpty: notHere()}
	for _, m := range ms {
		p.Queries = append(p.Queries, over(k, m, Together))
	}
	if len(ms) == 1 {
		p.View = Lines{Legend: NoLegend}
	}
	return p
}

func placeAQI() Panel {
	p := one("VN_AQI giờ", "Hourly VN_AQI", telemetry.AirQualityIndex, telemetry.VNAQI)
	p.View, p.Description = Lines{Legend: NoLegend, Min: value(0), Bands: aqiBands()}, aqiNote()
	return p
}

func placeRain() Panel {
	p := one("Mưa theo giờ", "Rain by hour", telemetry.Weather, telemetry.Rain)
	p.Queries, p.View = []Query{each(hour, telemetry.Weather, telemetry.Rain, Together)}, Lines{Bars: true, Legend: NoLegend, Min: value(0)}
	return p
}

func placeNoise() Panel {
	p := one("Tiếng ồn", "Noise", telemetry.Noise, telemetry.LAeq, telemetry.LA90)
	p.Description = Text{"Trong mỗi bước của biểu đồ: LAeq là trung bình năng lượng, LA90 là trung bình số học.", "Of each step of the chart: of LAeq the energetic mean, of LA90 the plain mean."}
	return p
}

func placeVehicles() Panel {
	p := one("Lượt xe theo giờ", "Vehicles by hour", telemetry.Traffic, telemetry.Vehicles)
	p.Queries, p.View = []Query{each(hour, telemetry.Traffic, telemetry.Vehicles, Together).total().in(count())}, Lines{Bars: true, Legend: NoLegend, Min: value(0)}
	return p
}

func placeParking() Panel {
	p := one("Tỷ lệ chỗ đã đỗ", "Parking occupied", telemetry.Parking, telemetry.Occupied)
	p.Queries, p.View = []Query{occupied(Together)}, Lines{Legend: NoLegend, Min: value(0), Max: value(100)}
	return p
}

// own is what the devices of any kind tell of themselves.
func own(vi, en string, m telemetry.Metric, u *Unit) Panel {
	p := Panel{Title: Text{vi, en}, Width: 12, Height: 8, View: Lines{}, MayBeEmpty: Text{"Trống nếu thiết bị không báo.", "Empty if the devices do not tell."}}
	for _, k := range telemetry.NewCatalogue().Kinds() {
		if k.Kind != telemetry.Status {
			q := over(k.Kind, m, ByDevice)
			q.Name, q.Unit = Text{k.NameVI, k.NameEN}, u
			p.Queries = append(p.Queries, q)
		}
	}
	return p
}
