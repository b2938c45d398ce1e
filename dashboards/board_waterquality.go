package dashboards

import (
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// WaterQuality is coast, rivers and farms, each against what is asked of it.
func WaterQuality(p Province) Board {
	title := Text{"Chất lượng nước", "Water quality"}
	b := Board{
		ID: "water-quality", Title: title, Span: 2 * day,
		Description: Text{"Biển ven bờ, sông và vùng nuôi.", "Coast, rivers and aquaculture."},
		Variables:   []Variable{p.locality()},
		Rows:        []Row{{Panels: []Panel{waterTable(p)}}},
	}
	for _, w := range waters(p) {
		b.Rows = append(b.Rows, Row{Title: w.name, Panels: []Panel{w.course(p, telemetry.DissolvedOxygen), w.course(p, telemetry.PH), w.course(p, telemetry.Temperature), w.course(p, telemetry.Salinity)}})
	}
	b.Rows = append(b.Rows, Row{Title: Text{"Độ đục và dinh dưỡng", "Turbidity and nutrients"}, Panels: []Panel{turbidity(), solids(p), nutrients(), chlorophyll()}},
		Row{Title: Text{"30 ngày", "30 days"}, Panels: []Panel{oxygenDays()}})
	w := waters(p)[0]
	b.Wall = []Row{heading(title), {Panels: []Panel{waterTable(p).sized(24, 12)}}, {Panels: []Panel{w.course(p, telemetry.DissolvedOxygen).sized(12, 12), w.course(p, telemetry.Salinity).sized(12, 12)}}}
	return b
}

// water is waters of one use, and the sites there.
type water struct {
	name  Text
	area  limits.Area
	sites []telemetry.Site
}

// waters are those of which the registry's tags name sites; without any all waters
// together, against no limit of any use.
func waters(p Province) (out []water) {
	for _, w := range []water{
		{Text{"Vùng nuôi trồng thủy sản", "Aquaculture"}, limits.AreaAquaculture, p.tagged(string(limits.AreaAquaculture))},
		{Text{"Bãi tắm", "Bathing water"}, limits.AreaBathing, p.tagged(string(limits.AreaBathing))},
		{Text{"Sông", "Rivers"}, limits.AreaRiver, p.tagged(string(limits.AreaRiver))},
	} {
		if len(w.sites) > 0 {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		out = []water{{name: Text{"Tất cả điểm đo", "All sites"}}}
	}
	return out
}

// limits are those of a metric in waters of this use.
func (w water) limits(p Province, m telemetry.Metric) (out []limits.Limit) {
	for _, l := range p.limits(telemetry.WaterQuality, m) {
		if w.area != "" && l.Area == w.area {
			out = append(out, l)
		}
	}
	return out
}

// course is a metric at this use's sites.
func (w water) course(p Province, m telemetry.Metric) Panel {
	q := over(telemetry.WaterQuality, m, BySite).at(w.sites...)
	title := q.title(telemetry.NewCatalogue())
	return Panel{Title: title, Width: 12, Height: 8, View: Lines{Legend: Beside}, Queries: []Query{q}, Limits: w.limits(p, m), MayBeEmpty: notHere()}
}

func waterTable(p Province) Panel {
	at := func(m telemetry.Metric) Query { return now(telemetry.WaterQuality, m, BySite, 2*hour) }
	return Panel{Title: Text{"Hai giờ vừa qua", "The last two hours"}, Width: 24, Height: 9, View: Table{Sort: -1}, Description: newestNote(),
		Queries: []Query{at(telemetry.Temperature), at(telemetry.PH), at(telemetry.DissolvedOxygen), at(telemetry.OxygenSaturation), at(telemetry.Salinity),
			at(telemetry.Turbidity), at(telemetry.SuspendedSolids).named("TSS", "TSS"), at(telemetry.AmmoniumNitrogen).named("Amoni (theo N)", "Ammonium (as N)"), at(telemetry.Chlorophyll), age(telemetry.WaterQuality, telemetry.Temperature, BySite)}}
}

func waterLines(vi, en string, q Query) Panel {
	return Panel{Title: Text{vi, en}, Width: 12, Height: 8, View: Lines{Legend: Beside, Min: value(0)}, Queries: []Query{q}}
}

func turbidity() Panel {
	p := waterLines("Độ đục", "Turbidity", over(telemetry.WaterQuality, telemetry.Turbidity, BySite))
	p.Description = Text{"Chỉ là dấu hiệu: quy chuẩn không có giới hạn độ đục.", "An indicator only: no regulation limits turbidity."}
	return p
}

func solids(p Province) Panel {
	s := waterLines("Chất rắn lơ lửng (TSS)", "Suspended solids (TSS)", over(telemetry.WaterQuality, telemetry.SuspendedSolids, BySite))
	s.Limits = p.limits(telemetry.WaterQuality, telemetry.SuspendedSolids)
	return s
}

func nutrients() Panel {
	p := waterLines("Amoni, nitrat, phosphat, trung bình các điểm", "Ammonium, nitrate, phosphate, mean of all sites", over(telemetry.WaterQuality, telemetry.AmmoniumNitrogen, Together))
	p.View = Lines{Min: value(0)}
	p.Queries = append(p.Queries, over(telemetry.WaterQuality, telemetry.NitrateNitrogen, Together), over(telemetry.WaterQuality, telemetry.PhosphatePhosphor, Together))
	return p
}

func chlorophyll() Panel {
	return waterLines("Chlorophyll-a", "Chlorophyll-a", over(telemetry.WaterQuality, telemetry.Chlorophyll, BySite))
}

func oxygenDays() Panel {
	p := waterLines("Oxy hòa tan thấp nhất trong ngày", "Lowest dissolved oxygen of the day", each(day, telemetry.WaterQuality, telemetry.DissolvedOxygen, BySite).with(Min))
	p.Queries[0].Across = Smallest
	p.Width, p.Span = 24, 30*day
	return p
}
