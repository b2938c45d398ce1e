package dashboards

import (
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Noise is the level by type of area and by hour.
func Noise(p Province) Board {
	title := Text{"Tiếng ồn", "Noise"}
	b := Board{
		ID: "noise", Title: title, Span: 2 * day,
		Description: Text{"Mức ồn theo loại khu vực và theo giờ.", "Noise by type of area and by hour."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{noiseNow(p), noiseHours(p)}},
			{Title: Text{"Theo loại khu vực", "By type of area"}, Panels: noiseAreas(p)},
			{Title: Text{"Điểm đo", "Sites"}, Panels: []Panel{noiseTable(p), noiseStats(), noiseDays()}},
		},
	}
	b.Wall = []Row{heading(title), {Panels: []Panel{noiseNow(p).sized(10, 14), noiseHours(p).sized(14, 14)}}, {Panels: []Panel{noiseAreas(p)[0].sized(12, 10), noiseStats().sized(12, 10)}}}
	return b
}

// special are the sites of areas with the stricter limits. A site of which nobody
// has said so is ordinary: "all others" in the regulation.
func (p Province) special() (out []telemetry.Site) {
	for _, s := range p.of(telemetry.Noise) {
		if s.NoiseArea == devices.NoiseSpecial {
			out = append(out, s.ID)
		}
	}
	return out
}

// noiseLimits are an area's limits by day and at night.
func noiseLimits(p Province, area limits.Area) (out []limits.Limit) {
	for _, l := range p.limits(telemetry.Noise, telemetry.LAeq) {
		if l.Area == area {
			out = append(out, l)
		}
	}
	return out
}

func noiseNote() Text {
	return hourNote().Plus(" ", Text{"Ban ngày 6–21 giờ, ban đêm 21–6 giờ.", "Day is 6–21 h, night 21–6 h."})
}

func hourNote() Text {
	return Text{"Trung bình năng lượng của LAeq trong giờ, có khi giờ đã qua.", "Energetic mean of LAeq within the hour, there once the hour is over."}
}

// hours are the levels of each hour: the mean of its energy, which Hải Đăng keeps.
// Shorter steps would cost a store many times as much, because it computes them of
// each single reading; a panel of many sites does without.
func hours(m telemetry.Metric, by Group) Query { return each(hour, telemetry.Noise, m, by).kept() }

func noiseNow(p Province) Panel {
	return Panel{Title: Text{"LAeq giờ vừa qua", "LAeq of the last hour"}, Width: 10, Height: 12, View: Table{Sort: 0, Gauged: map[int]float64{0: 90}}, Limits: noiseLimits(p, limits.AreaOrdinary), Description: noiseNote(),
		Queries: []Query{lastHour()}}
}

// lastHour is the newest whole hour of which there is a mean.
func lastHour() Query {
	return newest(telemetry.Noise, telemetry.LAeq, BySite, 2*hour).kept()
}

func noiseHours(p Province) Panel {
	return Panel{Title: Text{"LAeq theo giờ, điểm ồn nhất của địa phương", "LAeq by hour, the locality's loudest site"}, Width: 14, Height: 12, View: History{}, Limits: noiseLimits(p, limits.AreaOrdinary), Description: noiseNote(),
		Queries: []Query{hours(telemetry.LAeq, ByLocality).most()}}
}

func noiseAreas(p Province) []Panel {
	special := p.special()
	area := func(vi, en string, a limits.Area, q Query) Panel {
		return Panel{Title: Text{vi, en}, Width: 24, Height: 9, View: Lines{Legend: Beside}, Limits: noiseLimits(p, a), Description: noiseNote(), Queries: []Query{q}}
	}
	ordinary := hours(telemetry.LAeq, BySite)
	ordinary.Except = special
	out := []Panel{area("Khu vực thông thường", "Ordinary areas", limits.AreaOrdinary, ordinary)}
	if len(special) > 0 {
		out = append(out, area("Khu vực đặc biệt (bệnh viện, trường học, thư viện, đền chùa)", "Special areas (hospitals, schools, libraries, temples)",
			limits.AreaSpecial, hours(telemetry.LAeq, BySite).at(special...)))
	}
	return out
}

func noiseTable(p Province) Panel {
	q := func(m telemetry.Metric, s Stat) Query { return now(telemetry.Noise, m, BySite, hour).with(s) }
	return Panel{Title: Text{"Giờ vừa qua", "The last hour"}, Width: 12, Height: 10, View: Table{Sort: 0},
		Description: Text{"LAeq: trung bình năng lượng của giờ tròn gần nhất. Trong 60 phút vừa qua: LAmax cao nhất, LAmin thấp nhất, LA90 trung bình số học.",
			"LAeq: energetic mean of the newest whole hour. Of the last 60 minutes: the highest LAmax, the lowest LAmin, the plain mean of LA90."},
		Queries: []Query{lastHour().named("LAeq", "LAeq"), q(telemetry.LAmax, Max).most().named("LAmax", "LAmax"), q(telemetry.LAmin, Min).named("LAmin", "LAmin"), q(telemetry.LA90, Mean).named("LA90", "LA90")}}
}

// noiseStats are those of a typical site: a percentile has no energy that could be
// added up, and the mean energy of all sites is that of the loudest.
func noiseStats() Panel {
	q := func(m telemetry.Metric) Query { return hours(m, Together).typical() }
	return Panel{Title: Text{"Mức thống kê theo giờ, trung vị các điểm", "Statistical levels by hour, median of the sites"}, Width: 12, Height: 10, View: Lines{},
		Description: Text{"Trong giờ, ở mỗi điểm: LAeq là trung bình năng lượng; LA10, LA50, LA90 là trung bình số học của các số đo. Giữa các điểm: trung vị, vì phân vị không cộng năng lượng được.",
			"Within the hour, at each site: of LAeq the energetic mean, of LA10, LA50 and LA90 the plain mean of the readings. Of the sites: the median, because percentiles have no energy to add up."},
		Queries: []Query{q(telemetry.LA10), q(telemetry.LAeq), q(telemetry.LA50), q(telemetry.LA90)}}
}

func noiseDays() Panel {
	return Panel{Title: Text{"LAeq trung bình ngày", "LAeq, daily means"}, Width: 24, Height: 8, View: Lines{Bars: true}, Span: 30 * day,
		Description: Text{"Trung bình năng lượng của các giờ trong ngày và của các điểm trong địa phương.", "Energetic mean of the day's hours and of the locality's sites."},
		Queries:     []Query{each(day, telemetry.Noise, telemetry.LAeq, ByLocality)}}
}
