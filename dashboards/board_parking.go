package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// Parking is car parks.
func Parking(p Province) Board {
	title := Text{"Bãi đỗ xe", "Parking"}
	return Board{
		ID: "parking", Title: title, Span: day,
		Description: Text{"Chỗ trống, tỷ lệ đã đỗ, lượt vào ra.", "Free spaces, occupancy, entries and exits."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{occupiedNow(), spaces(), entriesToday()}},
			{Panels: []Panel{occupiedSites(), occupiedCourse(), entriesHourly(), parkingTable()}},
			{Title: Text{"30 ngày", "30 days"}, Panels: []Panel{entriesDaily()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{occupiedNow().sized(12, 5), spaces().sized(6, 5), entriesToday().sized(6, 5)}},
			{Panels: []Panel{occupiedSites().sized(12, 19), occupiedCourse().sized(12, 10), entriesHourly().sized(12, 9)}}},
	}
}

// occupied is how many of the spaces are taken, in percent.
func occupied(by Group) Query {
	q := over(telemetry.Parking, telemetry.Occupied, by).total().named("Tỷ lệ đã đỗ", "Occupied")
	q.Per, q.Times, q.Unit = telemetry.Capacity, 100, percent()
	return q
}

// atNow asks for the last value only.
func atNow(q Query) Query {
	q.Shape, q.Stat, q.Window = Now, Last, hour
	return q
}

func occupiedNow() Panel {
	return Panel{Title: Text{"Tỷ lệ đã đỗ", "Occupied"}, Width: 12, Height: 5, View: Tiles{Names: true}, Queries: []Query{atNow(occupied(ByLocality))}}
}

func spaces() Panel {
	return Panel{Title: Text{"Chỗ đã đỗ và tổng số chỗ", "Occupied and all spaces"}, Width: 6, Height: 5, View: Tiles{Names: true}, Queries: []Query{
		newest(telemetry.Parking, telemetry.Occupied, Together, hour).total().in(count()), newest(telemetry.Parking, telemetry.Capacity, Together, hour).total().in(count())}}
}

func entriesToday() Panel {
	return Panel{Title: Text{"Lượt vào trong 24 giờ", "Entries in 24 h"}, Width: 6, Height: 5, View: Tiles{}, Queries: []Query{now(telemetry.Parking, telemetry.Entries, Together, day).total().in(count())}}
}

func occupiedSites() Panel {
	return Panel{Title: Text{"Tỷ lệ đã đỗ theo bãi", "Occupied by car park"}, Width: 12, Height: 18, Queries: []Query{atNow(occupied(BySite))},
		View: Table{Sort: 0, Gauged: map[int]float64{0: 100}, Steps: []Mapping{{0, 70, Text{}, sea}, {70, 90, Text{}, amber}, {90, 100, Text{}, red}}}}
}

func occupiedCourse() Panel {
	return Panel{Title: Text{"Tỷ lệ đã đỗ theo địa phương", "Occupied by locality"}, Width: 12, Height: 9, View: Lines{Min: value(0), Max: value(100)}, Queries: []Query{occupied(ByLocality)}}
}

func entriesHourly() Panel {
	q := func(m telemetry.Metric) Query { return each(hour, telemetry.Parking, m, Together).total().in(count()) }
	return Panel{Title: Text{"Lượt vào, ra theo giờ", "Entries and exits by hour"}, Width: 12, Height: 9, View: Lines{Bars: true, Min: value(0)}, Queries: []Query{q(telemetry.Entries), q(telemetry.Exits)}}
}

func parkingTable() Panel {
	q := func(m telemetry.Metric) Query { return newest(telemetry.Parking, m, BySite, hour).total().in(count()) }
	return Panel{Title: Text{"Bãi đỗ xe", "Car parks"}, Width: 24, Height: 8, View: Table{Sort: 0}, Description: newestNote(),
		Queries: []Query{atNow(occupied(BySite)), q(telemetry.Occupied), q(telemetry.Capacity), age(telemetry.Parking, telemetry.Occupied, BySite)}}
}

func entriesDaily() Panel {
	return Panel{Title: Text{"Lượt vào theo ngày", "Entries by day"}, Width: 24, Height: 8, View: Lines{Bars: true, Stack: true, Min: value(0)}, Span: 30 * day,
		Queries: []Query{each(day, telemetry.Parking, telemetry.Entries, ByLocality).total().in(count())}}
}
