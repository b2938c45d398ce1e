package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// Lighting is street lamps and what the city's meters read.
func Lighting(p Province) Board {
	title := Text{"Chiếu sáng và điện năng", "Street lighting and energy"}
	return Board{
		ID: "lighting", Title: title, Span: 2 * day,
		Description: Text{"Đèn chiếu sáng công cộng và điện năng tiêu thụ.", "Street lamps and energy used."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{lampsNow(), lampFaults(), lampPower(), meterPower()}},
			{Title: Text{"Chiếu sáng", "Lighting"}, Panels: []Panel{lampsLit(), dimming(), lampTable(), lampEnergy()}},
			{Title: Text{"Điện năng", "Energy"}, Panels: []Panel{meterCourse(), powerFactor(), voltage(), meterTable()}},
			{Title: Text{"30 ngày", "30 days"}, Panels: []Panel{energyDays()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{lampsNow().sized(8, 5), lampFaults().sized(4, 5), lampPower().sized(6, 5), meterPower().sized(6, 5)}},
			{Panels: []Panel{lampsLit().sized(12, 10), meterCourse().sized(12, 10)}},
			{Panels: []Panel{lampEnergy().sized(12, 9), voltage().sized(12, 9)}}},
	}
}

// lampsOn is the share of lamps that are lit.
func lampsOn(by Group) Query {
	q := over(telemetry.StreetLight, telemetry.On, by).with(Mean)
	q.Times, q.Unit = 100, percent()
	return q
}

func lampsNow() Panel {
	q := newest(telemetry.StreetLight, telemetry.On, ByLocality, 2*hour)
	q.Times, q.Unit = 100, percent()
	return Panel{Title: Text{"Tỷ lệ đèn sáng", "Lamps lit"}, Width: 12, Height: 5, View: Tiles{Names: true}, Queries: []Query{q}}
}

func lampFaults() Panel {
	return Panel{Title: Text{"Đèn hỏng", "Faulty lamps"}, Width: 4, Height: 5, View: Tiles{Steps: alarming(amber)}, Queries: []Query{newest(telemetry.StreetLight, telemetry.Fault, Together, 2*hour).total().in(count())}}
}

func lampPower() Panel {
	return Panel{Title: Text{"Công suất chiếu sáng", "Power of lamps"}, Width: 4, Height: 5, View: Tiles{Graph: true}, Queries: []Query{over(telemetry.StreetLight, telemetry.Power, Together).total()}}
}

func meterPower() Panel {
	return Panel{Title: Text{"Công suất các công tơ", "Power of meters"}, Width: 4, Height: 5, View: Tiles{Graph: true}, Queries: []Query{over(telemetry.Energy, telemetry.Power, Together).total()}}
}

func lampsLit() Panel {
	return Panel{Title: Text{"Tỷ lệ đèn sáng", "Lamps lit"}, Width: 12, Height: 8, View: Lines{Min: value(0), Max: value(100)}, Queries: []Query{lampsOn(ByLocality)}}
}

func dimming() Panel {
	return Panel{Title: Text{"Mức sáng trung bình", "Mean dimming level"}, Width: 12, Height: 8, View: Lines{Min: value(0), Max: value(100)}, Queries: []Query{over(telemetry.StreetLight, telemetry.Dimming, ByLocality)}}
}

func lampTable() Panel {
	q := newest(telemetry.StreetLight, telemetry.Fault, ByDevice, 2*hour).atLeast(1)
	return Panel{Title: Text{"Đèn cần sửa", "Lamps to repair"}, Width: 12, Height: 8, View: Table{Sort: -1, Coloured: []int{0}, Words: map[int][]Mapping{0: yesNo(Text{"▲ Hỏng", "▲ Faulty"}, same("–"), red)}},
		Queries: []Query{q}, MayBeEmpty: Text{"Trống khi không có đèn hỏng.", "Empty while no lamp is faulty."}}
}

func lampEnergy() Panel {
	return Panel{Title: Text{"Điện năng chiếu sáng theo giờ", "Energy of lamps by hour"}, Width: 12, Height: 8, View: Lines{Bars: true, Stack: true, Min: value(0)}, Description: growthNote(),
		Queries: []Query{each(hour, telemetry.StreetLight, telemetry.EnergyTotal, ByLocality).total()}}
}

// growthNote says how a counter's growth is counted.
func growthNote() Text {
	return Text{"Tính từ các giờ đã qua. Điện năng dùng trong lúc mất số liệu được tính một lần, vào giờ có số liệu trở lại; công tơ về 0 được tính tiếp từ 0, số đọc sai lẻ được bỏ qua.",
		"Of hours that are over. What was used while no readings came is counted once, in the hour in which they come again; a meter that begins anew is counted from 0, single false readings are left out."}
}

func meterCourse() Panel {
	return Panel{Title: Text{"Công suất theo địa phương", "Power by locality"}, Width: 12, Height: 8, View: Lines{Fill: 20, Stack: true, Min: value(0)}, Queries: []Query{over(telemetry.Energy, telemetry.Power, ByLocality).total()}}
}

func powerFactor() Panel {
	return Panel{Title: Text{"Hệ số công suất", "Power factor"}, Width: 12, Height: 8, View: Lines{SoftMin: value(0.8), Max: value(1)}, Queries: []Query{over(telemetry.Energy, telemetry.PowerFactor, ByLocality)}}
}

func voltage() Panel {
	return Panel{Title: Text{"Điện áp", "Voltage"}, Width: 12, Height: 8, View: Lines{}, Queries: []Query{
		over(telemetry.Energy, telemetry.Voltage, Together).with(Max).most().named("Cao nhất", "Highest"), over(telemetry.Energy, telemetry.Voltage, Together).named("Trung bình", "Mean"),
		smallest(over(telemetry.Energy, telemetry.Voltage, Together).with(Min)).named("Thấp nhất", "Lowest")}}
}

func smallest(q Query) Query { q.Across = Smallest; return q }

func meterTable() Panel {
	q := func(m telemetry.Metric) Query { return now(telemetry.Energy, m, BySite, hour) }
	return Panel{Title: Text{"Công tơ, giờ vừa qua", "Meters, the last hour"}, Width: 12, Height: 8, View: Table{Sort: 0}, Description: newestNote(),
		Queries: []Query{q(telemetry.Power).total(), q(telemetry.Voltage), q(telemetry.PowerFactor), q(telemetry.Frequency), age(telemetry.Energy, telemetry.Power, BySite)}}
}

func energyDays() Panel {
	return Panel{Title: Text{"Điện năng tiêu thụ theo ngày", "Energy used by day"}, Width: 24, Height: 8, View: Lines{Bars: true, Stack: true, Min: value(0)}, Span: 30 * day, Description: growthNote(),
		Queries: []Query{each(day, telemetry.Energy, telemetry.EnergyTotal, ByLocality).total()}}
}
