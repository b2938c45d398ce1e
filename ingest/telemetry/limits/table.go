package limits

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// All is the general limits and those of the sites of a new registry, rows no longer
// in force included: the table where no city is asked.
func All() []Limit { return Table(Seed()) }

// General is what holds wherever readings are taken, or at all places of a use, rows no
// longer in force included.
func General() []Limit {
	var out []Limit
	for _, part := range [][]Limit{air(), flood(), rain(), weather(), noise(), water()} {
		out = append(out, part...)
	}
	for i := range out {
		out[i].ReferenceEN = inEnglish(out[i].Reference)
	}
	return out
}

// inEnglish is a reference for those who read English; a regulation's own name
// stays as it is.
func inEnglish(reference string) string {
	switch reference {
	case qcvn05From2026:
		return qcvn05 + " (the value from 1 January 2026, as three transcriptions have it)"
	case qcvn05Dust:
		return qcvn05 + " (as two transcriptions have it)"
	case qcvn26:
		return "QCVN 26:2010/BTNMT; replaced by QCVN 26:2025/BNNMT, not checked"
	case qcvn08:
		return "QCVN 08:2023/BTNMT, class B, in force since 12 September 2023 (dulieuphapluat.vn)"
	case qcvn08Solids:
		return "QCVN 08:2023/BTNMT, class B, in force since 12 September 2023; value not checked"
	case qcvn08Health:
		return "QCVN 08:2023/BTNMT, table of what concerns health, in force since 12 September 2023 (thuvienphapluat.vn)"
	case qcvn10Coast:
		return "QCVN 10:2023/BTNMT, coastal waters, in force since 12 September 2023, as one transcription has it"
	case qcvn10:
		return "QCVN 10-MT:2015/BTNMT; replaced by QCVN 10:2023, not checked"
	case fastRise:
		return "in November and December 2025 Dong Trang rose by up to 1.77 m/h"
	case rainScale:
		return "rain scale of weather bulletins, not checked against their text"
	case rainPress:
		return "warnings of the weather service, as the press has them"
	case heatScale:
		return "heat scale of weather bulletins, not checked against their text"
	case beaufort:
		return "Decision 18/2021/QĐ-TTg (Beaufort scale)"
	case whoUV:
		return "UV index of the WHO, not checked"
	case farmPractice:
		return "practice of farms, not checked"
	}
	return reference
}

// References, in Vietnamese; inEnglish has the same in English.
const (
	qcvn05         = "QCVN 05:2023/BTNMT"
	qcvn05From2026 = qcvn05 + " (mức áp dụng từ 01/01/2026, theo ba bản chép)"
	qcvn05Dust     = qcvn05 + " (theo hai bản chép)"
	fastRise       = "Ngưỡng vận hành; tháng 11–12/2025 Đồng Trăng lên đến 1,77 m/h"
	rainScale      = "Cấp mưa trong bản tin khí tượng, chưa đối chiếu văn bản"
	rainPress      = "Bản tin cảnh báo của đài khí tượng, theo báo chí"
	heatScale      = "Ngưỡng nắng nóng trong bản tin, chưa đối chiếu văn bản"
	beaufort       = "Quyết định 18/2021/QĐ-TTg (cấp gió Beaufort)"
	whoUV          = "Chỉ số UV của WHO, chưa đối chiếu"
	farmPractice   = "Ngưỡng vận hành vùng nuôi, chưa đối chiếu"

	qcvn26       = "QCVN 26:2010/BTNMT; thay bằng QCVN 26:2025/BNNMT, chưa đối chiếu"
	qcvn08       = "QCVN 08:2023/BTNMT, mức B, hiệu lực từ 12/09/2023 (dulieuphapluat.vn)"
	qcvn08Solids = "QCVN 08:2023/BTNMT, mức B, hiệu lực từ 12/09/2023; giá trị chưa đối chiếu"
	qcvn08Health = "QCVN 08:2023/BTNMT, bảng thông số ảnh hưởng sức khỏe, hiệu lực từ 12/09/2023 (thuvienphapluat.vn)"
	qcvn10Coast  = "QCVN 10:2023/BTNMT, vùng biển ven bờ, hiệu lực từ 12/09/2023, theo một bản chép"
	qcvn10       = "QCVN 10-MT:2015/BTNMT; thay bằng QCVN 10:2023, chưa đối chiếu"
)

// since2023 is when the regulations of Circular 01/2023/TT-BTNMT came into force:
// QCVN 05 (air), 08 (surface water) and 10 (sea).
func since2023() time.Time { return since(2023, 9, 12) }

// air is QCVN 05:2023/BTNMT: a value must not be over the limit ("không vượt quá"),
// so to equal it is no breach.
func air() []Limit {
	row := func(m telemetry.Metric, name string, window time.Duration, windowVI, windowEN string, value float64, basis Basis) Limit {
		return Limit{
			ID: fmt.Sprintf("air-%s-%s", m, windowEN), Kind: telemetry.AirQuality, Metric: m, Statistic: Mean, Window: window, Value: value, Strict: true,
			Severity: Watch, Since: since2023(), Basis: basis, Reference: qcvn05,
			NameVI: fmt.Sprintf("%s trung bình %s", name, windowVI), NameEN: fmt.Sprintf("%s, mean of %s", inEnglishName(m, name), windowEN),
		}
	}
	const h1, h8, h24 = "1 giờ", "8 giờ", "24 giờ"
	pm25 := row(telemetry.PM25, "PM2,5", day, h24, "24h", 50, Law)
	pm25.Until = since(2026, 1, 1)
	pm25From2026 := row(telemetry.PM25, "PM2,5", day, h24, "24h", 45, Secondary)
	pm25From2026.Since, pm25From2026.Reference = since(2026, 1, 1), qcvn05From2026
	dust := func(m telemetry.Metric, name string, window time.Duration, windowVI, windowEN string, value float64) Limit {
		l := row(m, name, window, windowVI, windowEN, value, Secondary)
		l.Reference = qcvn05Dust
		return l
	}
	return []Limit{
		row(telemetry.SO2, "SO₂", hour, h1, "1h", 350, Law), row(telemetry.SO2, "SO₂", day, h24, "24h", 125, Law),
		row(telemetry.CO, "CO", hour, h1, "1h", 30_000, Law), row(telemetry.CO, "CO", 8*hour, h8, "8h", 10_000, Law),
		row(telemetry.NO2, "NO₂", hour, h1, "1h", 200, Law), row(telemetry.NO2, "NO₂", day, h24, "24h", 100, Law),
		row(telemetry.O3, "O₃", hour, h1, "1h", 200, Law), row(telemetry.O3, "O₃", 8*hour, h8, "8h", 120, Law),
		dust(telemetry.TSP, "Tổng bụi lơ lửng", hour, h1, "1h", 300), dust(telemetry.TSP, "Tổng bụi lơ lửng", day, h24, "24h", 200),
		dust(telemetry.PM10, "PM10", day, h24, "24h", 100),
		pm25, pm25From2026,
	}
}

// inEnglishName is the name of what is in the air; symbols are the same in both
// languages.
func inEnglishName(m telemetry.Metric, name string) string {
	switch m {
	case telemetry.PM25:
		return "PM2.5"
	case telemetry.TSP:
		return "Total suspended particles"
	}
	return name
}

// flood is a fast rise anywhere. The levels of gauges are the registry's: see [Seed].
func flood() []Limit {
	return []Limit{{
		ID: "flood-rise", Kind: telemetry.WaterLevel, Metric: telemetry.Level, Statistic: Rise, Window: hour, Value: 0.5, Severity: Warning,
		Basis: Operational, Reference: fastRise,
		NameVI: "Nước lên nhanh", NameEN: "Fast rise of water",
	}}
}

// rain is the bulletins' scale, by which heavy rain is over 50 mm a day and very heavy
// rain over 100 mm; the numbers of the scale are unconfirmed.
func rain() []Limit {
	row := func(id string, window time.Duration, value float64, s Severity, basis Basis, reference, vi, en string) Limit {
		return Limit{ID: id, Kind: telemetry.Weather, Metric: telemetry.Rain, Statistic: Sum, Window: window, Value: value, Strict: true, Severity: s,
			Basis: basis, Reference: reference, NameVI: vi, NameEN: en}
	}
	const scale, press = rainScale, rainPress
	return []Limit{
		row("rain-heavy-24h", day, 50, Watch, Operational, scale, "Mưa to trong 24 giờ", "Heavy rain in 24 h"),
		row("rain-very-heavy-24h", day, 100, Warning, Operational, scale, "Mưa rất to trong 24 giờ", "Very heavy rain in 24 h"),
		row("rain-very-heavy-12h", 12*hour, 50, Warning, Operational, scale, "Mưa rất to trong 12 giờ", "Very heavy rain in 12 h"),
		row("rain-80mm-3h", 3*hour, 80, Danger, Secondary, press, "Mưa trên 80 mm trong 3 giờ", "Over 80 mm of rain in 3 h"),
		row("rain-100mm-3h", 3*hour, 100, Extreme, Secondary, press, "Mưa trên 100 mm trong 3 giờ", "Over 100 mm of rain in 3 h"),
	}
}

// weather is heat, wind and ultraviolet.
func weather() []Limit {
	row := func(id string, m telemetry.Metric, stat Statistic, window time.Duration, value float64, s Severity, basis Basis, reference, vi, en string) Limit {
		return Limit{ID: id, Kind: telemetry.Weather, Metric: m, Statistic: stat, Window: window, Value: value, Severity: s,
			Basis: basis, Reference: reference, NameVI: vi, NameEN: en}
	}
	const heat, who = heatScale, whoUV
	return []Limit{
		row("heat-35", telemetry.Temperature, Mean, hour, 35, Watch, Operational, heat, "Nắng nóng", "Heat"),
		row("heat-37", telemetry.Temperature, Mean, hour, 37, Warning, Operational, heat, "Nắng nóng gay gắt", "Severe heat"),
		row("heat-39", telemetry.Temperature, Mean, hour, 39, Danger, Operational, heat, "Nắng nóng đặc biệt gay gắt", "Extreme heat"),
		row("wind-6", telemetry.WindSpeed, Mean, 10*time.Minute, 10.8, Watch, Law, beaufort, "Gió mạnh cấp 6", "Wind of Beaufort 6"),
		row("wind-8", telemetry.WindSpeed, Mean, 10*time.Minute, 17.2, Warning, Law, beaufort, "Gió bão cấp 8", "Gale, Beaufort 8"),
		row("wind-10", telemetry.WindSpeed, Mean, 10*time.Minute, 24.5, Danger, Law, beaufort, "Gió bão mạnh cấp 10", "Storm, Beaufort 10"),
		row("wind-12", telemetry.WindSpeed, Mean, 10*time.Minute, 32.7, Extreme, Law, beaufort, "Gió bão rất mạnh cấp 12", "Hurricane force, Beaufort 12"),
		row("wind-16", telemetry.WindSpeed, Mean, 10*time.Minute, 51.0, Extreme, Law, beaufort, "Gió siêu bão cấp 16", "Super typhoon, Beaufort 16"),
		row("uv-8", telemetry.UVIndex, Mean, hour, 8, Watch, Operational, who, "Chỉ số UV rất cao", "Very high UV index"),
		row("uv-11", telemetry.UVIndex, Mean, hour, 11, Warning, Operational, who, "Chỉ số UV cực cao", "Extreme UV index"),
	}
}

// noise is QCVN 26:2010, whose successor's table nobody has read yet: so it is
// operational, whatever it once was.
func noise() []Limit {
	row := func(id string, area Area, value float64, from, to int, vi, en string) Limit {
		return Limit{ID: id, Kind: telemetry.Noise, Metric: telemetry.LAeq, Area: area, Statistic: Mean, Window: hour, Value: value, Strict: true, From: from, To: to,
			Severity: Watch, Basis: Operational, Reference: qcvn26, NameVI: vi, NameEN: en}
	}
	return []Limit{
		row("noise-special-day", AreaSpecial, 55, 6, 21, "Ồn ban ngày, khu vực đặc biệt", "Noise by day, special area"),
		row("noise-special-night", AreaSpecial, 45, 21, 6, "Ồn ban đêm, khu vực đặc biệt", "Noise at night, special area"),
		row("noise-ordinary-day", AreaOrdinary, 70, 6, 21, "Ồn ban ngày, khu vực thông thường", "Noise by day, ordinary area"),
		row("noise-ordinary-night", AreaOrdinary, 55, 21, 6, "Ồn ban đêm, khu vực thông thường", "Noise at night, ordinary area"),
	}
}

// water is what rivers, beaches and farms are judged by: values must be neither over
// nor under the limits, so to equal one is no breach.
func water() []Limit {
	row := func(id string, area Area, m telemetry.Metric, below bool, value float64, s Severity, basis Basis, reference, vi, en string) Limit {
		l := Limit{ID: id, Kind: telemetry.WaterQuality, Metric: m, Area: area, Statistic: Mean, Window: hour, Below: below, Strict: true, Value: value,
			Severity: s, Basis: basis, Reference: reference, NameVI: vi, NameEN: en}
		switch reference {
		case qcvn08, qcvn08Solids, qcvn08Health, qcvn10Coast:
			l.Since = since2023()
		}
		return l
	}
	const under, over, farm = true, false, farmPractice
	return []Limit{
		row("river-do", AreaRiver, telemetry.DissolvedOxygen, under, 5, Watch, Secondary, qcvn08, "Oxy hòa tan thấp, nước mặt", "Low dissolved oxygen, surface water"),
		row("river-ph-low", AreaRiver, telemetry.PH, under, 6.0, Watch, Secondary, qcvn08, "pH thấp, nước mặt", "Low pH, surface water"),
		row("river-ph-high", AreaRiver, telemetry.PH, over, 8.5, Watch, Secondary, qcvn08, "pH cao, nước mặt", "High pH, surface water"),
		row("river-tss", AreaRiver, telemetry.SuspendedSolids, over, 100, Watch, Operational, qcvn08Solids, "Chất rắn lơ lửng cao, nước mặt", "High suspended solids, surface water"),
		row("river-bod5", AreaRiver, telemetry.BOD5, over, 6, Watch, Secondary, qcvn08, "BOD₅ cao, nước mặt", "High BOD5, surface water"),
		row("river-cod", AreaRiver, telemetry.COD, over, 15, Watch, Secondary, qcvn08, "COD cao, nước mặt", "High COD, surface water"),
		row("river-nh4-n", AreaRiver, telemetry.AmmoniumNitrogen, over, 0.3, Watch, Law, qcvn08Health, "Amoni cao, nước mặt", "High ammonium, surface water"),
		row("river-no2-n", AreaRiver, telemetry.NitriteNitrogen, over, 0.05, Watch, Law, qcvn08Health, "Nitrit cao, nước mặt", "High nitrite, surface water"),
		row("bathing-do", AreaBathing, telemetry.DissolvedOxygen, under, 4, Watch, Secondary, qcvn10, "Oxy hòa tan thấp, bãi tắm", "Low dissolved oxygen, bathing water"),
		row("bathing-ph-low", AreaBathing, telemetry.PH, under, 6.5, Watch, Secondary, qcvn10, "pH thấp, bãi tắm", "Low pH, bathing water"),
		row("bathing-ph-high", AreaBathing, telemetry.PH, over, 8.5, Watch, Secondary, qcvn10, "pH cao, bãi tắm", "High pH, bathing water"),
		row("bathing-nh4-n", AreaBathing, telemetry.AmmoniumNitrogen, over, 0.1, Watch, Secondary, qcvn10Coast, "Amoni cao, bãi tắm", "High ammonium, bathing water"),
		row("bathing-po4-p", AreaBathing, telemetry.PhosphatePhosphor, over, 0.2, Watch, Secondary, qcvn10Coast, "Phosphat cao, bãi tắm", "High phosphate, bathing water"),
		row("farm-do-5", AreaAquaculture, telemetry.DissolvedOxygen, under, 5, Watch, Secondary, qcvn10, "Oxy hòa tan thấp, vùng nuôi", "Low dissolved oxygen, aquaculture"),
		row("farm-do-35", AreaAquaculture, telemetry.DissolvedOxygen, under, 3.5, Danger, Operational, farm, "Oxy hòa tan nguy hiểm, vùng nuôi", "Dangerous oxygen, aquaculture"),
		row("farm-ph-low", AreaAquaculture, telemetry.PH, under, 7.5, Watch, Operational, farm, "pH thấp, vùng nuôi", "Low pH, aquaculture"),
		row("farm-ph-high", AreaAquaculture, telemetry.PH, over, 8.5, Watch, Operational, farm, "pH cao, vùng nuôi", "High pH, aquaculture"),
		row("farm-nh4-n", AreaAquaculture, telemetry.AmmoniumNitrogen, over, 0.1, Watch, Secondary, qcvn10Coast, "Amoni cao, vùng nuôi", "High ammonium, aquaculture"),
		row("farm-po4-p", AreaAquaculture, telemetry.PhosphatePhosphor, over, 0.2, Watch, Secondary, qcvn10Coast, "Phosphat cao, vùng nuôi", "High phosphate, aquaculture"),
		row("farm-temperature", AreaAquaculture, telemetry.Temperature, over, 32, Watch, Operational, farm, "Nước nóng, vùng nuôi", "Warm water, aquaculture"),
		row("farm-salinity-low", AreaAquaculture, telemetry.Salinity, under, 15, Warning, Operational, farm, "Độ mặn thấp, vùng nuôi", "Low salinity, aquaculture"),
		row("farm-salinity-33", AreaAquaculture, telemetry.Salinity, over, 33, Watch, Operational, farm, "Độ mặn cao, vùng nuôi tôm", "High salinity, shrimp farming"),
		row("farm-salinity-35", AreaAquaculture, telemetry.Salinity, over, 35, Warning, Operational, farm, "Độ mặn cao, vùng nuôi tôm hùm", "High salinity, lobster farming"),
	}
}
