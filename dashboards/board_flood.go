package dashboards

import (
	"cmp"
	"math"
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
			{Title: Text{"Thủy triều, đầm và hồ", "Tide, lagoons and reservoirs"}, Panels: append([]Panel{tide(p), flow(p), upstream(p)}, reservoirs(p)...)},
		},
		Wall: []Row{heading(title), {Panels: wallStations(p)}, {Panels: []Panel{riseNow(p).sized(6, 8), rainHours().sized(8, 8), tide(p).sized(10, 8)}}},
	}
}

// gauge is a site with customary levels of its own.
type gauge struct {
	site telemetry.Site
	name Text
	own  []limits.Own
}

// gauges are the sites whose levels have customary limits, in the registry's order:
// rivers' (báo động) or reservoirs' (normal and flood level).
func (p Province) gauges(reservoirs bool) (out []gauge) {
	for _, o := range p.own() {
		level, ok := limits.LevelOf(o.Code)
		if !ok || o.Kind != telemetry.WaterLevel || o.Metric != telemetry.Level || (level.Rank > reservoirRank) != reservoirs {
			continue
		}
		i := slices.IndexFunc(out, func(g gauge) bool { return g.site == o.Site })
		if i < 0 {
			i = len(out)
			out = append(out, gauge{site: o.Site, name: Text{cmp.Or(o.PlaceVI, string(o.Site)), cmp.Or(o.PlaceEN, o.PlaceVI, string(o.Site))}})
		}
		out[i].own = append(out[i].own, o)
	}
	return out
}

// reservoirRank is where the ranks of rivers' levels end and those of reservoirs
// begin.
const reservoirRank = 10

// value is that of a level; false if it is not known.
func (g gauge) value(code string) (limits.Own, bool) {
	i := slices.IndexFunc(g.own, func(o limits.Own) bool { return o.Code == code && o.Device == "" })
	if i < 0 {
		return limits.Own{}, false
	}
	return g.own[i], true
}

// onWall is how many gauges fit a wall.
const onWall = 4

// stations are the river gauges, each with its own alarm levels.
func stations(p Province, width, height int) (out []Panel) {
	for _, g := range p.gauges(false) {
		out = append(out, g.panel().sized(width, height))
	}
	return out
}

// wallStations are the first of them.
func wallStations(p Province) []Panel {
	all := stations(p, 12, 8)
	return all[:min(len(all), onWall)]
}

// reservoirs are the reservoirs whose levels are known.
func reservoirs(p Province) (out []Panel) {
	for _, g := range p.gauges(true) {
		panel := g.panel().sized(12, 8)
		panel.MayBeEmpty = notHere()
		out = append(out, panel)
	}
	return out
}

// stationSites are the river gauges' sites.
func (p Province) stationSites() (out []telemetry.Site) {
	for _, g := range p.gauges(false) {
		out = append(out, g.site)
	}
	return out
}

// levels says a gauge's levels in the title: "báo động I / II / III: 8 / 9,5 / 11 m".
func (g gauge) levels() Text {
	var values []string
	known := false
	for _, code := range []string{limits.CodeBD1, limits.CodeBD2, limits.CodeBD3} {
		o, ok := g.value(code)
		known = known || ok
		if values = append(values, number(o.Value)); !ok {
			values[len(values)-1] = "–"
		}
	}
	title := g.name
	if known {
		text := strings.Join(values, " / ")
		title = title.Plus(" · ", Text{"báo động I / II / III: " + strings.ReplaceAll(text, ".", ",") + " m", "alarms I / II / III: " + text + " m"})
	}
	for _, code := range []string{limits.CodeRecord, limits.CodeNormal, limits.CodeFlood} {
		o, ok := g.value(code)
		if !ok {
			continue
		}
		name := map[string]Text{limits.CodeRecord: {"lũ lịch sử", "record"}, limits.CodeNormal: {"mực nước dâng bình thường", "normal level"}, limits.CodeFlood: {"mực nước lũ", "flood level"}}[code]
		if o.Year != 0 {
			name = name.Plus(" ", textf(Text{"%d", "of %d"}, o.Year))
		}
		title = title.Plus(" · ", Text{name.VI + ": " + strings.ReplaceAll(number(o.Value), ".", ",") + " m", name.EN + ": " + number(o.Value) + " m"})
	}
	return title
}

func (g gauge) panel() Panel {
	ls := make([]limits.Limit, len(g.own))
	low, high := math.Inf(1), math.Inf(-1)
	for i, o := range g.own {
		ls[i] = o.Limit()
		low, high = min(low, o.Value), max(high, o.Value)
	}
	var datum Text
	if i := slices.IndexFunc(g.own, func(o limits.Own) bool { return o.Datum != "" }); i >= 0 {
		datum = Text{"Cao độ gốc: " + g.own[i].Datum + ".", "Datum: " + g.own[i].Datum + "."}
	}
	return Panel{Title: g.levels(), Description: datum, Width: 12, Height: 9, Limits: ls,
		View:    Lines{Fill: 15, Legend: NoLegend, SoftMin: value(low - 2), SoftMax: value(high + 0.3), Colours: []string{deep}},
		Queries: []Query{over(telemetry.WaterLevel, telemetry.Level, Together).with(Max).most().at(g.site).unfiltered()}}
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
	return Panel{Title: Text{"Tốc độ nước lên", "Rate of rise"}, Width: 6, Height: 8, View: Bars{Min: -0.5, Max: 2}, Limits: rises(p), Description: riseNote(),
		Queries: []Query{now(telemetry.WaterLevel, telemetry.Level, BySite, hour).with(Rise).most().at(p.stationSites()...).in(perHour("m"))}}
}

// riseNote says how a rise is computed.
func riseNote() Text {
	return Text{"Mét mỗi giờ, tính từ các lần đo của giờ vừa qua; trạm đo thưa hơn: từ các lần đo của tối đa 18 giờ. Số liệu hiệu chuẩn và lỗi thiết bị không được tính.",
		"Metres per hour, over the readings of the last hour; at stations that report more rarely over those of up to 18 hours. What instruments sent while calibrating or in error does not count."}
}

func riseCourse(p Province) Panel {
	return Panel{Title: Text{"Tốc độ nước lên, từng giờ", "Rate of rise, hour by hour"}, Width: 18, Height: 8, View: Lines{Legend: Beside}, Limits: rises(p), Description: riseNote(),
		Queries: []Query{each(hour, telemetry.WaterLevel, telemetry.Level, BySite).with(Rise).most().at(p.stationSites()...).in(perHour("m"))}}
}

func floodTable() Panel {
	level := func(m telemetry.Metric) Query { return newest(telemetry.WaterLevel, m, BySite, hour) }
	return Panel{Title: Text{"Tất cả trạm mực nước", "All gauges"}, Width: 24, Height: 8, View: Table{Sort: -1},
		Description: Text{"Mỗi trạm có cao độ gốc riêng: không so sánh giữa các trạm.", "Each station has a datum of its own: do not compare stations."}.Plus(" ", newestNote()),
		Queries: []Query{level(telemetry.Level).most(), now(telemetry.WaterLevel, telemetry.Level, BySite, day).with(Max).most().named("Cao nhất 24 giờ", "Highest in 24 h"),
			level(telemetry.Flow), level(telemetry.Temperature), age(telemetry.WaterLevel, telemetry.Level, BySite)}}
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
		Description: Text{"1 giờ: 60 phút vừa qua, hoặc 60 phút trước đó khi chưa có số liệu.", "1 h: the last 60 minutes, or the 60 before where nothing has come yet."},
		Queries:     []Query{sum(1), sum(3), sum(12), sum(24)}}
}

func rainDays() Panel {
	return Panel{Title: Text{"Mưa theo ngày, trung bình địa phương", "Rain by day, mean of the locality"}, Width: 24, Height: 8, View: Lines{Bars: true, Min: value(0)}, Span: 30 * day,
		Queries: []Query{each(day, telemetry.Weather, telemetry.Rain, ByLocality)}}
}

func tide(p Province) Panel {
	q := over(telemetry.WaterLevel, telemetry.Level, BySite)
	if q.Except = slices.Concat(p.stationSites(), p.upstream()); len(p.Sites) == 0 {
		q = q.atMost(lowland)
	}
	return Panel{Title: Text{"Mực nước biển, cửa sông và đầm", "Sea, estuaries and lagoons"}, Width: 12, Height: 10, View: Lines{Legend: Beside}, Queries: []Query{q},
		Description: Text{"Mỗi trạm có cao độ gốc riêng. Không dùng cho hàng hải.", "Each station has a datum of its own. Not for navigation."}}
}

func flow(p Province) Panel {
	return Panel{Title: Text{"Lưu lượng", "Discharge"}, Width: 12, Height: 10, View: Lines{Legend: Beside},
		Queries: []Query{over(telemetry.WaterLevel, telemetry.Flow, BySite).at(p.stationSites()...)}}
}

// lowland is where the levels of sea, estuaries and lagoons end and those of
// reservoirs begin, in metres, where no site is known: they cannot share an axis.
const lowland = 10

// upstream are the other gauges of reservoirs and watersheds, as their tags say.
func (p Province) upstream() (out []telemetry.Site) {
	for _, s := range p.of(telemetry.WaterLevel) {
		if (slices.Contains(s.Tags, "reservoir") || slices.Contains(s.Tags, "watershed")) && !slices.Contains(p.stationSites(), s.ID) {
			out = append(out, s.ID)
		}
	}
	return out
}

func upstream(p Province) Panel {
	q := over(telemetry.WaterLevel, telemetry.Level, BySite).at(p.upstream()...)
	note := Text{"Các điểm có nhãn reservoir hoặc watershed, trừ các trạm sông có báo động.", "The sites tagged reservoir or watershed, but for the river gauges with alarm levels."}
	if len(q.Sites) == 0 {
		q = q.atLeast(lowland)
		q.Except = p.stationSites()
		note = Text{"Các trạm khác có mực nước trên 10 m.", "The other gauges with levels above 10 m."}
	}
	return Panel{Title: Text{"Hồ chứa và thượng nguồn", "Reservoirs and upstream"}, Width: 24, Height: 8, View: Lines{Legend: Beside}, Queries: []Query{q}, MayBeEmpty: notHere(), Description: note}
}
