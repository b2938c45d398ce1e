package dashboards

import (
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Air is the quality of the air: the legal index, and the pollutants against the
// national regulation.
func Air(p Province) Board {
	title := Text{"Chất lượng không khí", "Air quality"}
	return Board{
		ID: "air", Title: title, Span: 3 * day,
		Description: Text{"VN_AQI theo Quyết định 1459/QĐ-TCMT và các chất ô nhiễm so với QCVN 05:2023/BTNMT.", "VN_AQI by Decision 1459/QĐ-TCMT, and pollutants against QCVN 05:2023/BTNMT."},
		Variables:   []Variable{p.locality()},
		Rows: []Row{
			{Title: Text{"VN_AQI", "VN_AQI"}, Panels: []Panel{aqiNow(), aqiTable(), aqiHours(), aqiDays()}},
			{Title: Text{"Bụi", "Particles"}, Panels: []Panel{pm25(p), pm10(p), tsp(p), pm25Days(p)}},
			{Title: Text{"Khí", "Gases"}, Panels: []Panel{gas(p, telemetry.O3, "Ozon (O₃)", "Ozone (O₃)"), gas(p, telemetry.NO2, "NO₂", "NO₂"),
				gas(p, telemetry.SO2, "SO₂", "SO₂"), gas(p, telemetry.CO, "CO", "CO")}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{aqiNow(), aqiTable().sized(12, 19), aqiHours().sized(12, 8), pm25(p).sized(12, 11)}}},
	}
}

// aqiNote says what the index is.
func aqiNote() Text {
	return Text{"Theo Quyết định 1459/QĐ-TCMT ngày 12/11/2019: 0–50 Tốt, 51–100 Trung bình, 101–150 Kém, 151–200 Xấu, 201–300 Rất xấu, 301–500 Nguy hại. Số liệu hiệu chuẩn và lỗi thiết bị không được tính.",
		"By Decision 1459/QĐ-TCMT of 12 November 2019: 0–50 Tốt (good), 51–100 Trung bình (moderate), 101–150 Kém (poor), 151–200 Xấu (bad), 201–300 Rất xấu (very bad), 301–500 Nguy hại (hazardous). What instruments sent while calibrating or in error does not count."}
}

func aqiNow() Panel {
	return Panel{Title: Text{"VN_AQI giờ gần nhất, điểm xấu nhất của địa phương", "VN_AQI of the last hour, the locality's worst site"}, Width: 24, Height: 5, View: Tiles{Ground: true, Names: true, Steps: aqiBands()}, Description: aqiNote(),
		Queries: []Query{newest(telemetry.AirQualityIndex, telemetry.VNAQI, ByLocality, 3*hour).most()}}
}

func aqiTable() Panel {
	index, main := newest(telemetry.AirQualityIndex, telemetry.VNAQI, BySite, 3*hour), newest(telemetry.AirQualityIndex, telemetry.Dominant, BySite, 3*hour)
	level := index.named("Mức", "Category")
	return Panel{Title: Text{"Mức và chất ô nhiễm chính", "Category and dominant pollutant"}, Width: 12, Height: 14, Description: aqiNote(),
		View: Table{Sort: 0, Coloured: []int{1}, Words: map[int][]Mapping{1: aqiBands(), 2: pollutants()}},
		Queries: []Query{index, level, main,
			newest(telemetry.AirQualityIndex, telemetry.VNAQIDay, BySite, 2*day).named("Hôm qua", "Yesterday")}}
}

func aqiHours() Panel {
	return Panel{Title: Text{"VN_AQI theo giờ, điểm xấu nhất", "VN_AQI by hour, the worst site"}, Width: 12, Height: 7, View: History{}, Mappings: aqiBands(), Description: aqiNote(),
		Queries: []Query{each(hour, telemetry.AirQualityIndex, telemetry.VNAQI, ByLocality).with(Last).most()}}
}

func aqiDays() Panel {
	return Panel{Title: Text{"VN_AQI ngày, điểm xấu nhất", "VN_AQI by day, the worst site"}, Width: 12, Height: 7, View: History{}, Mappings: aqiBands(), Description: aqiNote(), Span: 30 * day,
		Queries: []Query{each(day, telemetry.AirQualityIndex, telemetry.VNAQIDay, ByLocality).with(Last).most()}}
}

// lasting are the limits of a window.
func lasting(ls []limits.Limit, windows ...string) (out []limits.Limit) {
	for _, l := range ls {
		for _, w := range windows {
			if short(l.Window) == w {
				out = append(out, l)
			}
		}
	}
	return out
}

func pm25(p Province) Panel {
	return Panel{Title: Text{"PM2,5, trung bình giờ", "PM2.5, hourly means"}, Width: 12, Height: 9, View: Lines{Min: value(0), Legend: Beside, Reach: true},
		Queries: []Query{each(hour, telemetry.AirQuality, telemetry.PM25, BySite)}, Limits: lasting(p.limits(telemetry.AirQuality, telemetry.PM25), "1h", "1d"), Description: dayMeans()}
}

func pm10(p Province) Panel {
	return Panel{Title: Text{"PM10, trung bình giờ", "PM10, hourly means"}, Width: 12, Height: 9, View: Lines{Min: value(0), Legend: Beside, Reach: true},
		Queries: []Query{each(hour, telemetry.AirQuality, telemetry.PM10, BySite)}, Limits: p.limits(telemetry.AirQuality, telemetry.PM10), Description: dayMeans()}
}

func tsp(p Province) Panel {
	return Panel{Title: Text{"Tổng bụi lơ lửng, trung bình giờ", "Total suspended particles, hourly means"}, Width: 12, Height: 9, View: Lines{Min: value(0), Legend: Beside},
		Queries: []Query{each(hour, telemetry.AirQuality, telemetry.TSP, BySite)}, Limits: lasting(p.limits(telemetry.AirQuality, telemetry.TSP), "1h")}
}

func pm25Days(p Province) Panel {
	return Panel{Title: Text{"PM2,5, trung bình ngày", "PM2.5, daily means"}, Width: 12, Height: 9, View: Lines{Bars: true, Min: value(0)}, Span: 30 * day,
		Queries: []Query{each(day, telemetry.AirQuality, telemetry.PM25, ByLocality)}, Limits: lasting(p.limits(telemetry.AirQuality, telemetry.PM25), "1d")}
}

// dayMeans says that a limit is about more than an hour.
func dayMeans() Text {
	return Text{"Giới hạn là của trung bình 24 giờ: một giờ vượt vạch chưa phải là vượt quy chuẩn.", "The limit is one of 24-hour means: an hour above the line is not yet against the regulation."}
}

// gas is a gas against its limit of one hour.
func gas(p Province, m telemetry.Metric, vi, en string) Panel {
	return Panel{Title: Text{vi + ", trung bình giờ", en + ", hourly means"}, Width: 12, Height: 9, View: Lines{Min: value(0), Legend: Beside, Reach: m != telemetry.CO && m != telemetry.SO2},
		Queries: []Query{each(hour, telemetry.AirQuality, m, BySite)}, Limits: lasting(p.limits(telemetry.AirQuality, m), "1h")}
}
