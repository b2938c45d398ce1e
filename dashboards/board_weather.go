package dashboards

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Weather is what the weather stations measure.
func Weather(p Province) Board {
	title := Text{"Thời tiết", "Weather"}
	return Board{
		ID: "weather", Title: title, Span: day,
		Description: Text{"Nhiệt độ, độ ẩm, gió, mưa, nắng.", "Temperature, humidity, wind, rain, sun."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Panels: []Panel{warmest(), wettest(), windiest(), sunniest()}},
			{Panels: []Panel{weatherTable(p)}},
			{Title: Text{"Nhiệt độ và độ ẩm", "Temperature and humidity"}, Panels: []Panel{temperature(p), humidity(), temperatureDays(), pressure()}},
			{Title: Text{"Gió", "Wind"}, Panels: []Panel{wind(p), gusts()}},
			{Title: Text{"Mưa", "Rain"}, Panels: []Panel{rainHours(), rainRate()}},
			{Title: Text{"Nắng", "Sun"}, Panels: []Panel{uv(p), radiation()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{warmest(), wettest(), windiest(), sunniest()}},
			{Panels: []Panel{temperature(p).sized(12, 10), rainHours().sized(12, 10)}},
			{Panels: []Panel{wind(p).sized(12, 9), uv(p).sized(12, 9)}}},
	}
}

func weatherTile(vi, en string, q Query) Panel {
	return Panel{Title: Text{vi, en}, Width: 6, Height: 5, View: Tiles{Names: true, Sideways: true}, Queries: []Query{q}}
}

func warmest() Panel {
	return weatherTile("Nhiệt độ, trung bình 1 giờ", "Temperature, mean of 1 h", now(telemetry.Weather, telemetry.Temperature, ByLocality, hour))
}

func wettest() Panel {
	return weatherTile("Mưa 24 giờ, lớn nhất", "Rain in 24 h, most", now(telemetry.Weather, telemetry.Rain, ByLocality, day).most())
}

func windiest() Panel {
	return weatherTile("Gió giật mạnh nhất 1 giờ", "Strongest gust of 1 h", now(telemetry.Weather, telemetry.WindGust, ByLocality, hour).with(Max).most())
}

func sunniest() Panel {
	return weatherTile("Chỉ số UV cao nhất 24 giờ", "Highest UV index of 24 h", now(telemetry.Weather, telemetry.UVIndex, ByLocality, day).with(Max).most())
}

func weatherTable(p Province) Panel {
	at := func(m telemetry.Metric) Query { return newest(telemetry.Weather, m, BySite, hour) }
	return Panel{Title: Text{"Trạm thời tiết", "Weather stations"}, Width: 24, Height: 9, View: Table{Sort: -1, Coloured: []int{0}},
		Limits: p.limits(telemetry.Weather, telemetry.Temperature), Description: newestNote(),
		Queries: []Query{at(telemetry.Temperature), at(telemetry.Humidity), at(telemetry.Pressure), at(telemetry.WindSpeed), at(telemetry.WindGust),
			at(telemetry.WindDirection), at(telemetry.RainRate), at(telemetry.UVIndex), at(telemetry.SolarRadiation), age(telemetry.Weather, telemetry.Temperature, BySite)}}
}

func weatherLines(vi, en string, v Lines, q Query) Panel {
	return Panel{Title: Text{vi, en}, Width: 12, Height: 9, View: v, Queries: []Query{q}}
}

func temperature(p Province) Panel {
	t := weatherLines("Nhiệt độ", "Temperature", Lines{Legend: Beside, Reach: true}, over(telemetry.Weather, telemetry.Temperature, BySite))
	t.Limits = p.limits(telemetry.Weather, telemetry.Temperature)
	return t
}

func humidity() Panel {
	return weatherLines("Độ ẩm", "Humidity", Lines{Legend: Beside, Max: value(100)}, over(telemetry.Weather, telemetry.Humidity, BySite))
}

func temperatureDays() Panel {
	q := func(s Stat, vi, en string) Query {
		return each(day, telemetry.Weather, telemetry.Temperature, Together).with(s).named(vi, en)
	}
	t := Panel{Title: Text{"Nhiệt độ theo ngày, trung bình các trạm", "Temperature by day, mean of the stations"}, Width: 12, Height: 9, Span: 30 * day,
		View:    Lines{Colours: []string{red, sea, deep}},
		Queries: []Query{q(Max, "Cao nhất", "Highest"), q(Mean, "Trung bình", "Mean"), q(Min, "Thấp nhất", "Lowest")}}
	return t
}

func pressure() Panel {
	p := weatherLines("Khí áp, trạm cao nhất địa phương", "Pressure, the locality's highest", Lines{}, over(telemetry.Weather, telemetry.Pressure, ByLocality).with(Max).most())
	p.Description = Text{"Khí áp tại trạm, không quy về mực nước biển: trạm trên núi thấp hơn hẳn, nên không lấy trung bình.", "Pressure at the station, not reduced to sea level: on a mountain it is much lower, so that no mean is taken."}
	return p
}

func wind(p Province) Panel {
	q := over(telemetry.Weather, telemetry.WindSpeed, BySite)
	q.Window = 10 * time.Minute
	t := weatherLines("Tốc độ gió, trung bình 10 phút", "Wind speed, mean of 10 min", Lines{Legend: Beside, Min: value(0), Reach: true}, q)
	t.Limits = p.limits(telemetry.Weather, telemetry.WindSpeed)[:2]
	return t
}

func gusts() Panel {
	return weatherLines("Gió giật", "Gusts", Lines{Legend: Beside, Min: value(0)}, over(telemetry.Weather, telemetry.WindGust, BySite).with(Max).most())
}

func rainRate() Panel {
	return weatherLines("Cường độ mưa lớn nhất", "Heaviest rain intensity", Lines{Min: value(0)}, over(telemetry.Weather, telemetry.RainRate, ByLocality).with(Max).most())
}

func uv(p Province) Panel {
	t := weatherLines("Chỉ số UV", "UV index", Lines{Min: value(0), Reach: true}, over(telemetry.Weather, telemetry.UVIndex, ByLocality))
	t.Limits = p.limits(telemetry.Weather, telemetry.UVIndex)
	return t
}

func radiation() Panel {
	return weatherLines("Bức xạ mặt trời", "Solar radiation", Lines{Min: value(0)}, over(telemetry.Weather, telemetry.SolarRadiation, ByLocality))
}
