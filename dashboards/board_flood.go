package dashboards

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Flood is rivers against their alarm levels, rain and tide.
func Flood(p Province) Board {
	title := Text{"Mực nước và lũ", "Water and flood"}
	return Board{
		ID: "flood", Title: title, Span: 3 * day,
		Description: Text{"Mực nước so với báo động I, II, III và lũ lịch sử; tốc độ nước lên; mưa; thủy triều.", "Levels against flood alarms I, II, III and the record; how fast water rises; rain; tide."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Title: Text{"Sông", "Rivers"}, Panels: append(stations(p, 12, 9), riseNow(p), riseCourse(p), floodTable())},
			{Title: Text{"Mưa", "Rain"}, Panels: []Panel{rainHours(), rainTable(p), rainDays()}},
			{Title: Text{"Thủy triều, đầm và hồ", "Tide, lagoons and reservoirs"}, Panels: []Panel{tide(p), flow(), upstream(p)}},
		},
		Wall: []Row{heading(title), {Panels: stations(p, 12, 8)}, {Panels: []Panel{riseNow(p).sized(6, 8), rainHours().sized(8, 8), tide(p).sized(10, 8)}}},
	}
}

// stations are the river gauges, each with its own alarm levels.
func stations(p Province, width, height int) (out []Panel) {
	for _, s := range limits.Stations() {
		out = append(out, station(p, s).sized(width, height))
	}
	return out
}

// stationSites are the river gauges' sites.
func stationSites() (out []telemetry.Site) {
	for _, s := range limits.Stations() {
		out = append(out, s.Site)
	}
	return out
}

func station(p Province, s limits.Station) Panel {
	var ls []limits.Limit
	for _, l := range p.limits(telemetry.WaterLevel, telemetry.Level) {
		if l.Statistic == limits.Last && l.For(s.Site, "") {
			ls = append(ls, l)
		}
	}
	top := max(s.Alarm[2], s.Record)
	levels := textf(same(" %v / %v / %v m"), s.Alarm[0], s.Alarm[1], s.Alarm[2])
	title := Text{s.NameVI + " · báo động I / II / III:" + strings.ReplaceAll(levels.VI, ".", ","), s.NameEN + " · alarms I / II / III:" + levels.EN}
	if s.Record > 0 {
		title = title.Plus(" · ", Text{fmt.Sprintf("lũ lịch sử %d: %s m", s.RecordYear, strings.ReplaceAll(number(s.Record), ".", ",")), fmt.Sprintf("record of %d: %v m", s.RecordYear, s.Record)})
	}
	return Panel{Title: title, Width: 12, Height: 9, Limits: ls,
		View:    Lines{Fill: 15, Legend: NoLegend, SoftMin: value(s.Alarm[0] - 2), SoftMax: value(top + 0.3), Colours: []string{deep}},
		Queries: []Query{over(telemetry.WaterLevel, telemetry.Level, Together).with(Max).most().at(s.Site).unfiltered()}}
}

// rises are the limits of a rise.
func rises(p Province) (out []limits.Limit) {
	for _, l := range p.limits(telemetry.WaterLevel, telemetry.Level) {
		if l.Statistic == limits.Rise {
			out = append(out, l)
		}
	}
	return out
}

func riseNow(p Province) Panel {
	return Panel{Title: Text{"Nước lên trong 1 giờ", "Rise within 1 h"}, Width: 6, Height: 8, View: Bars{Min: -0.5, Max: 2}, Limits: rises(p),
		Queries: []Query{now(telemetry.WaterLevel, telemetry.Level, BySite, hour).with(Rise).most().at(stationSites()...).in(&Unit{"m", "suffix:m", 2})}}
}

func riseCourse(p Province) Panel {
	return Panel{Title: Text{"Tốc độ nước lên, từng giờ", "Rate of rise, hour by hour"}, Width: 18, Height: 8, View: Lines{Legend: Beside}, Limits: rises(p),
		Queries: []Query{each(hour, telemetry.WaterLevel, telemetry.Level, BySite).with(Rise).most().at(stationSites()...).in(perHour("m"))}}
}

func floodTable() Panel {
	level := func(m telemetry.Metric) Query { return newest(telemetry.WaterLevel, m, BySite, hour) }
	return Panel{Title: Text{"Tất cả trạm mực nước", "All gauges"}, Width: 24, Height: 8, View: Table{Sort: -1},
		Description: Text{"Mỗi trạm có cao độ gốc riêng: không so sánh giữa các trạm.", "Each station has a datum of its own: do not compare stations."},
		Queries: []Query{level(telemetry.Level).most(), now(telemetry.WaterLevel, telemetry.Level, BySite, day).with(Max).most().named("Cao nhất 24 giờ", "Highest in 24 h"),
			level(telemetry.Flow), level(telemetry.Temperature)}}
}

func rainHours() Panel {
	return Panel{Title: Text{"Mưa theo giờ, trung bình địa phương", "Rain by hour, mean of the locality"}, Width: 12, Height: 9, View: Lines{Bars: true, Min: value(0)},
		Queries: []Query{each(hour, telemetry.Weather, telemetry.Rain, ByLocality)}}
}

func rainTable(p Province) Panel {
	sum := func(h int) Query {
		return now(telemetry.Weather, telemetry.Rain, BySite, hour*time.Duration(h)).most().named(textf(Text{"%d giờ", "%d h"}, h).VI, textf(Text{"%d giờ", "%d h"}, h).EN)
	}
	return Panel{Title: Text{"Mưa tích lũy", "Rain so far"}, Width: 12, Height: 9, View: Table{Sort: 3, Coloured: []int{3}}, Limits: lasting(p.limits(telemetry.Weather, telemetry.Rain), "1d"),
		Queries: []Query{sum(1), sum(3), sum(12), sum(24)}}
}

func rainDays() Panel {
	return Panel{Title: Text{"Mưa theo ngày, trung bình địa phương", "Rain by day, mean of the locality"}, Width: 24, Height: 8, View: Lines{Bars: true, Min: value(0)}, Span: 30 * day,
		Queries: []Query{each(day, telemetry.Weather, telemetry.Rain, ByLocality)}}
}

func tide(p Province) Panel {
	q := over(telemetry.WaterLevel, telemetry.Level, BySite)
	if q.Except = slices.Concat(stationSites(), p.upstream()); len(p.Sites) == 0 {
		q = q.atMost(lowland)
	}
	return Panel{Title: Text{"Mực nước biển, cửa sông và đầm", "Sea, estuaries and lagoons"}, Width: 12, Height: 10, View: Lines{Legend: Beside}, Queries: []Query{q},
		Description: Text{"Mỗi trạm có cao độ gốc riêng. Không dùng cho hàng hải.", "Each station has a datum of its own. Not for navigation."}}
}

func flow() Panel {
	return Panel{Title: Text{"Lưu lượng", "Discharge"}, Width: 12, Height: 10, View: Lines{Legend: Beside},
		Queries: []Query{over(telemetry.WaterLevel, telemetry.Flow, BySite).at(stationSites()...)}}
}

// lowland is where the levels of sea, estuaries and lagoons end and those of
// reservoirs begin, in metres, where no site is known: they cannot share an axis.
const lowland = 10

// upstream are the other gauges of reservoirs and watersheds, as their tags say.
func (p Province) upstream() (out []telemetry.Site) {
	for _, s := range p.of(telemetry.WaterLevel) {
		if (slices.Contains(s.Tags, "reservoir") || slices.Contains(s.Tags, "watershed")) && !slices.Contains(stationSites(), s.ID) {
			out = append(out, s.ID)
		}
	}
	return out
}

func upstream(p Province) Panel {
	q := over(telemetry.WaterLevel, telemetry.Level, BySite).at(p.upstream()...)
	note := Text{"Các điểm có nhãn reservoir hoặc watershed, trừ bốn trạm sông.", "The sites tagged reservoir or watershed, but for the four river gauges."}
	if len(q.Sites) == 0 {
		q = q.atLeast(lowland)
		q.Except = stationSites()
		note = Text{"Các trạm khác có mực nước trên 10 m.", "The other gauges with levels above 10 m."}
	}
	return Panel{Title: Text{"Hồ chứa và thượng nguồn", "Reservoirs and upstream"}, Width: 24, Height: 8, View: Lines{Legend: Beside}, Queries: []Query{q}, MayBeEmpty: notHere(), Description: note}
}
