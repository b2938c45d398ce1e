package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// The normals that the model must reproduce, from domain knowledge and not from
// the model: Nha Trang 1937–1994, January to December.
var (
	normalHigh     = [12]float64{27.8, 28.9, 30.0, 31.7, 32.8, 33.3, 32.8, 32.8, 31.7, 30.0, 28.9, 27.8}
	normalLow      = [12]float64{20.6, 20.6, 21.7, 23.3, 24.4, 24.4, 24.4, 24.4, 23.9, 23.3, 22.2, 21.7}
	normalRain     = [12]float64{46, 18, 31, 38, 61, 46, 41, 53, 165, 323, 363, 178}
	normalHumidity = [12]float64{78, 79, 80, 81, 80, 78, 78, 78, 81, 83, 82, 79}
)

func TestTemperatureAndHumidityFollowTheNormals(t *testing.T) {
	s := signals(t, New(1), "thap-tram-huong", telemetry.Weather, time.Hour)
	var high, low, humid, days [12]float64
	hottest, coldest := -99.0, 99.0
	for year := 2006; year < 2026; year++ {
		for d := local(year, 1, 1, 0, 0); d.Year() == year; d = d.AddDate(0, 0, 1) {
			h, l, sum := -99.0, 99.0, 0.0
			for i := range 48 {
				at := d.Add(time.Duration(i) * 30 * time.Minute)
				v := s[telemetry.Temperature].At(at)
				h, l = max(h, v), min(l, v)
				sum += s[telemetry.Humidity].At(at)
			}
			m := int(d.Month()) - 1
			high[m], low[m], humid[m], days[m] = high[m]+h, low[m]+l, humid[m]+sum/48, days[m]+1
			hottest, coldest = max(hottest, h), min(coldest, l)
		}
	}
	for m := range 12 {
		name := time.Month(m + 1).String()
		t.Logf("%-9s %.1f/%.1f  %.1f/%.1f  %.0f/%.0f %%", name, high[m]/days[m], normalHigh[m], low[m]/days[m], normalLow[m], humid[m]/days[m], normalHumidity[m])
		expect(t, name+"'s mean daily high", high[m]/days[m], normalHigh[m], 0.5)
		expect(t, name+"'s mean daily low", low[m]/days[m], normalLow[m], 0.5)
		expect(t, name+"'s mean humidity", humid[m]/days[m], normalHumidity[m], 3)
	}
	between(t, "the hottest of 20 years", hottest, 34.5, 40)
	between(t, "the coldest of 20 years", coldest, 14, 19.5)
}

func TestWindFollowsMonsoonAndSeaBreeze(t *testing.T) {
	s := signals(t, New(1), "bai-bien-tran-phu", telemetry.Weather, time.Hour)
	var byHour [24]float64
	mean, n := 0.0, 0.0
	type vector struct{ east, north float64 }
	var byMonth [13]vector
	var afternoons [13]vector
	for at := local(2021, 1, 1, 0, 0); at.Before(local(2025, 1, 1, 0, 0)); at = at.Add(time.Hour) {
		v, from := s[telemetry.WindSpeed].At(at), s[telemetry.WindDirection].At(at)*math.Pi/180
		mean, n = mean+v, n+1
		e, no := -v*math.Sin(from), -v*math.Cos(from)
		byMonth[at.Month()].east += e
		byMonth[at.Month()].north += no
		if at.Hour() >= 12 && at.Hour() <= 16 {
			afternoons[at.Month()].east += e
			afternoons[at.Month()].north += no
		}
		if at.Month() >= 4 && at.Month() <= 9 {
			byHour[at.Hour()] += v
		}
		if gust := s[telemetry.WindGust].At(at); gust < v {
			t.Fatalf("at %s gusts of %.1f m/s are less than the wind's %.1f", at, gust, v)
		}
	}
	between(t, "mean wind", mean/n, 2, 4)
	peak := 0
	for h, v := range byHour {
		if v > byHour[peak] {
			peak = h
		}
	}
	between(t, "the sea breeze's peak hour", float64(peak), 13, 15)
	from := func(v vector) float64 { return math.Mod(math.Atan2(-v.east, -v.north)*180/math.Pi+360, 360) }
	for _, m := range []int{11, 12, 1} { // north, at most north-north-east
		d := from(byMonth[m])
		if d > 180 {
			d -= 360
		}
		between(t, time.Month(m).String()+"'s wind", d, -20, 45)
	}
	for _, m := range []int{2, 3} { // north-east to east
		between(t, time.Month(m).String()+"'s wind", from(byMonth[m]), 30, 100)
	}
	for m := 4; m <= 10; m++ { // east to south-east in the afternoon
		between(t, time.Month(m).String()+"'s afternoon wind", from(afternoons[m]), 70, 145)
	}
}

func TestPressureHasItsTideOfTheAir(t *testing.T) {
	s := signals(t, New(1), "thap-tram-huong", telemetry.Weather, time.Hour)
	var byHour [24]float64
	for at := local(2024, 1, 1, 0, 0); at.Before(local(2025, 1, 1, 0, 0)); at = at.Add(time.Hour) {
		byHour[at.Hour()] += s[telemetry.Pressure].At(at) / 366
	}
	if !(byHour[10] > byHour[4]+1.5 && byHour[10] > byHour[16]+1.5 && byHour[22] > byHour[16]+1) {
		t.Errorf("pressure by hour is %.1f; it should be highest near 10 and 22, lowest near 4 and 16", byHour)
	}
	winter, summer := s[telemetry.Pressure].At(local(2024, 1, 15, 10, 0)), s[telemetry.Pressure].At(local(2024, 7, 15, 10, 0))
	between(t, "January's pressure", winter, 1009, 1019)
	between(t, "July's pressure", summer, 1001, 1012)
	mountain := signals(t, New(1), "hon-ba", telemetry.Weather, time.Hour)
	between(t, "Hòn Bà's pressure", mountain[telemetry.Pressure].At(local(2024, 7, 15, 10, 0)), 880, 910)
}

func TestSunKeepsItsTimes(t *testing.T) {
	// Sunrise and sunset in Nha Trang, by hand from the sun's declination and
	// the equation of time on those days.
	for _, c := range []struct{ month, dom, up, down int }{
		{3, 20, 5*60 + 47, 17*60 + 53}, {6, 21, 5*60 + 20, 18*60 + 10}, {9, 22, 5*60 + 32, 17*60 + 39}, {12, 21, 5*60 + 59, 17*60 + 23},
	} {
		up, down := crossings(dateOf(2025, c.month, c.dom), 12.2389, 109.1967, -0.833)
		expect(t, local(2025, c.month, c.dom, 0, 0).Format("2 Jan")+" sunrise in minutes", up*60, float64(c.up), 3)
		expect(t, local(2025, c.month, c.dom, 0, 0).Format("2 Jan")+" sunset in minutes", down*60, float64(c.down), 3)
		elevation := sunAt(dateOf(2025, c.month, c.dom)*day-zone+int64(up*hour), 12.2389, 109.1967).elevation
		expect(t, "the sun's elevation at its rise", elevation, -0.833, 0.1)
	}
	s := signals(t, New(1), "thap-tram-huong", telemetry.Weather, time.Hour)
	sum, uv, days := 0.0, 0.0, 0.0
	for at := local(2024, 1, 1, 0, 0); at.Before(local(2025, 1, 1, 0, 0)); at = at.Add(time.Hour) {
		g := s[telemetry.SolarRadiation].At(at)
		sum += g / 1000
		uv = max(uv, s[telemetry.UVIndex].At(at))
		if h := at.Hour(); (h < 5 || h > 18) && g > 0 {
			t.Fatalf("the sun shines at %s: %v W/m²", at, g)
		}
		days += 1.0 / 24
	}
	// Global atlases give this coast some 5 kWh/m² a day, and extreme UV in spring.
	between(t, "kWh/m² a day", sum/days, 4.4, 5.7)
	between(t, "the year's highest UV index", uv, 11.5, 15)
	noon, midnight := s[telemetry.Illuminance].At(local(2024, 4, 20, 11, 40)), s[telemetry.Illuminance].At(local(2024, 4, 20, 0, 0))
	between(t, "noon's lux", noon, 15000, 130000)
	between(t, "midnight's lux", midnight, 0, 1)
}
