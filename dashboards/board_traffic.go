package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// Traffic is counts, speed and queues. It knows counts only: no plates, no faces.
func Traffic(p Province) Board {
	title := Text{"Giao thông", "Traffic"}
	return Board{
		ID: "traffic", Title: title, Span: day,
		Description: Text{"Lượt xe, tốc độ, hàng chờ. Chỉ có số đếm, không có biển số hay hình ảnh.", "Vehicles, speed, queues. Counts only: no plates, no pictures."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{vehiclesToday(), speedNow(), occupancyNow(), classes()}},
			{Panels: []Panel{vehiclesHourly(), speedCourse(), queues(), roadOccupancy()}},
			{Title: Text{"Điểm đếm xe", "Counting points"}, Panels: []Panel{trafficTable()}},
			{Title: Text{"30 ngày", "30 days"}, Panels: []Panel{vehiclesDaily()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{vehiclesToday().sized(8, 5), speedNow().sized(8, 5), occupancyNow().sized(8, 5)}},
			{Panels: []Panel{vehiclesHourly().sized(14, 10), classes().sized(10, 10)}},
			{Panels: []Panel{speedCourse().sized(12, 9), queues().sized(12, 9)}}},
	}
}

func vehiclesToday() Panel {
	return Panel{Title: Text{"Lượt xe trong 24 giờ", "Vehicles in 24 h"}, Width: 8, Height: 6, View: Tiles{Names: true},
		Queries: []Query{now(telemetry.Traffic, telemetry.Vehicles, ByLocality, day).total().in(count())}}
}

func speedNow() Panel {
	return Panel{Title: Text{"Tốc độ trung bình, 15 phút", "Mean speed, 15 min"}, Width: 4, Height: 6, View: Tiles{}, Queries: []Query{now(telemetry.Traffic, telemetry.Speed, Together, hour/4)}}
}

func occupancyNow() Panel {
	return Panel{Title: Text{"Độ chiếm dụng mặt đường, 15 phút", "Road occupancy, 15 min"}, Width: 4, Height: 6, View: Tiles{}, Queries: []Query{now(telemetry.Traffic, telemetry.Occupancy, Together, hour/4)}}
}

func classes() Panel {
	var qs []Query
	for _, m := range []telemetry.Metric{telemetry.Motorcycles, telemetry.Cars, telemetry.Buses, telemetry.Trucks, telemetry.Bicycles} {
		qs = append(qs, now(telemetry.Traffic, m, Together, day).total().in(count()))
	}
	return Panel{Title: Text{"Loại xe trong 24 giờ", "Classes in 24 h"}, Width: 8, Height: 6, View: Shares{}, Queries: qs}
}

func vehiclesHourly() Panel {
	return Panel{Title: Text{"Lượt xe theo giờ", "Vehicles by hour"}, Width: 12, Height: 9, View: Lines{Bars: true, Stack: true, Min: value(0)},
		Queries: []Query{each(hour, telemetry.Traffic, telemetry.Vehicles, ByLocality).total().in(count())}}
}

func speedCourse() Panel {
	return Panel{Title: Text{"Tốc độ trung bình", "Mean speed"}, Width: 12, Height: 9, View: Lines{Min: value(0)}, Queries: []Query{over(telemetry.Traffic, telemetry.Speed, ByLocality)}}
}

func queues() Panel {
	return Panel{Title: Text{"Hàng chờ dài nhất", "Longest queue"}, Width: 12, Height: 9, View: Lines{Min: value(0)},
		Queries: []Query{over(telemetry.Traffic, telemetry.QueueLength, ByLocality).with(Max).most()}}
}

func roadOccupancy() Panel {
	return Panel{Title: Text{"Độ chiếm dụng mặt đường", "Road occupancy"}, Width: 12, Height: 9, View: Lines{Min: value(0)}, Queries: []Query{over(telemetry.Traffic, telemetry.Occupancy, ByLocality)}}
}

func trafficTable() Panel {
	q := func(m telemetry.Metric) Query { return now(telemetry.Traffic, m, BySite, hour) }
	return Panel{Title: Text{"Giờ vừa qua", "The last hour"}, Width: 24, Height: 10, View: Table{Sort: 0},
		Queries: []Query{q(telemetry.Vehicles).total().in(count()), q(telemetry.Motorcycles).total().in(count()), q(telemetry.Cars).total().in(count()), q(telemetry.Trucks).total().in(count()),
			q(telemetry.Speed), q(telemetry.Occupancy), q(telemetry.QueueLength).with(Max).most()}}
}

func vehiclesDaily() Panel {
	return Panel{Title: Text{"Lượt xe theo ngày", "Vehicles by day"}, Width: 24, Height: 8, View: Lines{Bars: true, Stack: true, Min: value(0)}, Span: 30 * day,
		Queries: []Query{each(day, telemetry.Traffic, telemetry.Vehicles, ByLocality).total().in(count())}}
}
