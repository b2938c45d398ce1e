package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// full is when a container should be emptied, in percent: an operational
// threshold.
const full = 80

// Waste is the city's containers.
func Waste(p Province) Board {
	title := Text{"Thùng rác", "Waste containers"}
	return Board{
		ID: "waste", Title: title, Span: 2 * day,
		Description: Text{"Mức đầy, khối lượng, cháy, nghiêng đổ.", "Fill, weight, fire, tilt."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{fullContainers(), fires(), meanFill(), collected()}},
			{Panels: []Panel{fullest(), fillCourse(), wasteTable(), weights()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{fullContainers().sized(6, 5), fires().sized(6, 5), meanFill().sized(6, 5), collected().sized(6, 5)}},
			{Panels: []Panel{fullest().sized(12, 19), fillCourse().sized(12, 19)}}},
	}
}

func fullContainers() Panel {
	q := newest(telemetry.Waste, telemetry.FillLevel, Together, 3*hour).atLeast(full).in(count()).named("Thùng", "Containers")
	q.Across = Number
	return Panel{Title: Text{"Thùng đầy từ 80 %", "Containers 80 % full or more"}, Width: 6, Height: 5, View: Tiles{Steps: alarming(amber)}, Queries: []Query{q},
		Description: Text{"80 % là ngưỡng vận hành.", "80 % is an operational threshold."}, MayBeEmpty: Text{"Trống khi không có thùng nào đầy.", "Empty while no container is full."}}
}

func fires() Panel {
	return Panel{Title: Text{"Thùng đang cháy", "Containers on fire"}, Width: 6, Height: 5, View: Tiles{Steps: alarming(red)}, Queries: []Query{newest(telemetry.Waste, telemetry.Fire, Together, 3*hour).total().in(count())}}
}

func meanFill() Panel {
	return Panel{Title: Text{"Mức đầy trung bình", "Mean fill"}, Width: 6, Height: 5, View: Dial{Max: 100, Steps: fillSteps()}, Queries: []Query{newest(telemetry.Waste, telemetry.FillLevel, Together, 3*hour)}}
}

// fillSteps colour a fill level.
func fillSteps() []Mapping {
	return []Mapping{{0, 60, Text{}, sea}, {60, full, Text{}, amber}, {full, 100, Text{}, red}}
}

func collected() Panel {
	return Panel{Title: Text{"Khối lượng đang chứa", "Weight held"}, Width: 6, Height: 5, View: Tiles{}, Queries: []Query{newest(telemetry.Waste, telemetry.Weight, Together, 3*hour).total()}}
}

func fullest() Panel {
	return Panel{Title: Text{"Mức đầy theo điểm, cao nhất", "Fill by site, the fullest"}, Width: 12, Height: 14, View: Table{Sort: 0, Gauged: map[int]float64{0: 100}, Steps: fillSteps()}, Queries: []Query{newest(telemetry.Waste, telemetry.FillLevel, BySite, 3*hour).most()}}
}

func fillCourse() Panel {
	return Panel{Title: Text{"Mức đầy trung bình theo địa phương", "Mean fill by locality"}, Width: 12, Height: 14, View: Lines{Min: value(0), Max: value(100)}, Queries: []Query{over(telemetry.Waste, telemetry.FillLevel, ByLocality)}}
}

func wasteTable() Panel {
	q := func(m telemetry.Metric) Query { return newest(telemetry.Waste, m, ByDevice, 3*hour).most() }
	return Panel{Title: Text{"Thùng rác", "Containers"}, Width: 24, Height: 10, Description: newestNote(),
		View: Table{Sort: 0, Gauged: map[int]float64{0: 100}, Steps: fillSteps(), Coloured: []int{4, 5}, Words: map[int][]Mapping{
			4: yesNo(Text{"◇ Mở", "◇ Open"}, Text{"Đóng", "Closed"}, amber), 5: yesNo(Text{"▲ Cháy", "▲ Fire"}, same("–"), red)}},
		Queries: []Query{q(telemetry.FillLevel), q(telemetry.Weight), q(telemetry.Temperature), q(telemetry.Tilt), q(telemetry.LidOpen), q(telemetry.Fire), age(telemetry.Waste, telemetry.FillLevel, ByDevice)}}
}

func weights() Panel {
	return Panel{Title: Text{"Khối lượng đang chứa theo địa phương", "Weight held by locality"}, Width: 24, Height: 8, View: Lines{Fill: 20, Stack: true, Min: value(0)}, Queries: []Query{over(telemetry.Waste, telemetry.Weight, ByLocality).total()}}
}
