package city

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// november2025 is the flood as it happened.
func november2025() Event {
	return Event{Kind: Flood, From: local(2025, 11, 15, 0, 0), To: local(2025, 12, 10, 0, 0), Strength: 1}
}

func levelOf(t testing.TB, c *City, site telemetry.Site) Signal {
	return signals(t, c, site, telemetry.WaterLevel, 5*time.Minute)[telemetry.Level]
}

// The listed levels of November and December 2025, with the tolerance that each
// has: 0.15 m where day and hour are known, more where only the day or the
// morning's bulletin is.
func TestFloodOfNovember2025(t *testing.T) {
	at := func(month, day, hour int) time.Time { return local(2025, month, day, hour, 0) }
	for seed := uint64(1); seed <= 4; seed++ {
		c := New(seed, november2025())
		for _, want := range []struct {
			site      telemetry.Site
			at        time.Time
			level     float64
			tolerance float64
		}{
			{"dong-trang", at(11, 17, 9), 12.24, 0.15},
			{"dong-trang", at(11, 19, 1), 11.09, 0.15},
			{"dong-trang", at(11, 19, 9), 9.02, 0.15},
			{"dong-trang", at(11, 20, 5), 13.14, 0.15},
			{"dong-trang", at(11, 21, 7), 8.31, 0.15},
			{"dong-trang", at(11, 23, 12), 5.43, 0.25},
			{"dong-trang", at(12, 4, 1), 3.25, 0.15},
			{"dong-trang", at(12, 4, 6), 4.75, 0.15},
			{"dong-trang", at(12, 4, 7), 6.52, 0.15},
			{"dong-trang", at(12, 4, 8), 8.15, 0.15}, // the press: "8,15 m lúc 8h ngày 4/12"
			{"dong-trang", at(12, 4, 9), 8.75, 0.15},
			{"trung-tam-ninh-hoa", at(11, 19, 1), 5.66, 0.15},
			{"trung-tam-ninh-hoa", at(11, 20, 14), 6.77, 0.15},
			{"trung-tam-ninh-hoa", at(11, 22, 5), 5.97, 0.15},
			{"dien-phu", at(11, 19, 7), 5.67, 0.25},
			{"dien-phu", at(11, 19, 21), 6.60, 0.15},
			{"duc-my", at(11, 19, 7), 16.02, 0.25},
		} {
			expect(t, string(want.site)+" on "+want.at.Format("2 Jan 15:04"), levelOf(t, c, want.site).At(want.at), want.level, want.tolerance)
		}
		for _, want := range []struct {
			site  telemetry.Site
			at    time.Time
			level float64
			rise  float64 // m/h at most
		}{
			{"dong-trang", at(11, 20, 5), 13.14, 1.77},
			{"trung-tam-ninh-hoa", at(11, 20, 14), 6.77, 0.175}, // 3.80 to 4.15 m in two hours of 4 December
		} {
			s := levelOf(t, c, want.site)
			peak, when, rise := 0.0, time.Time{}, 0.0
			for m := 0; m < 26*24*60; m += 10 {
				x := at(11, 15, 6).Add(time.Duration(m) * time.Minute)
				v := s.At(x)
				if v > peak {
					peak, when = v, x
				}
				rise = max(rise, v-s.At(x.Add(-time.Hour)))
			}
			expect(t, string(want.site)+"'s peak", peak, want.level, 0.15)
			expect(t, string(want.site)+"'s peak, hours late", when.Sub(want.at).Hours(), 0, 1)
			between(t, string(want.site)+"'s fastest rise in m/h", rise, 0, want.rise+0.03)
		}
	}
}

// The levels that were published of that flood, of which the model has a quarter.
func TestFloodFollowsThePublishedLevels(t *testing.T) {
	text, err := os.ReadFile("testdata/flood-2025-11.csv")
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("", 7*3600)
	for seed := uint64(1); seed <= 4; seed++ {
		c := New(seed, november2025())
		squares, n, worst := map[telemetry.Site]float64{}, map[telemetry.Site]float64{}, map[telemetry.Site]float64{}
		for line := range strings.Lines(string(text)) {
			row := strings.Split(strings.TrimSpace(line), ",")
			if strings.HasPrefix(line, "#") || len(row) != 3 || row[0] == "site" {
				continue
			}
			at, err := time.ParseInLocation("2006-01-02T15:04", row[1], zone)
			level, err2 := strconv.ParseFloat(row[2], 64)
			if err != nil || err2 != nil {
				t.Fatalf("%q: %v, %v", line, err, err2)
			}
			site := telemetry.Site(row[0])
			off := levelOf(t, c, site).At(at) - level
			squares[site] += off * off
			worst[site] = max(worst[site], math.Abs(off))
			n[site]++
		}
		for site, want := range map[telemetry.Site]struct{ readings, rmse float64 }{"dong-trang": {111, 0.1}, "trung-tam-ninh-hoa": {163, 0.05}} {
			rmse := math.Sqrt(squares[site] / n[site])
			t.Logf("%s, seed %d: root mean square error %.3f m, at worst %.2f m", site, seed, rmse, worst[site])
			expect(t, string(site)+"'s published levels", n[site], want.readings, 0)
			between(t, string(site)+"'s root mean square error in m", rmse, 0, want.rmse)
		}
	}
}

// The base levels of 6 November 2025, a week without heavy rain.
func TestRiversHaveTheirBaseLevels(t *testing.T) {
	c := New(1, Event{Kind: Flood, From: local(2025, 10, 20, 0, 0), To: local(2025, 10, 20, 1, 0), Strength: 0.1})
	for site, base := range map[telemetry.Site]float64{"dong-trang": 3.46, "dien-phu": 2.33, "trung-tam-ninh-hoa": 3.32, "duc-my": 13.86} {
		g := gaugeOf(site, River)
		expect(t, string(site)+"'s base in November", g.wet, base, 1e-9)
		w := newWater(c, &Place{Site: site, Setting: River}, g)
		expect(t, string(site)+"'s base on 6 November", w.base(momentOf(local(2025, 11, 6, 9, 0).UnixMilli())), base, 0.2)
	}
}

// The flood's rain is what the catchments' model makes those levels of, so run
// forward it must give them back, and it must be the rain that was reported.
func TestFloodRainMakesTheFlood(t *testing.T) {
	s := newStorm(1, 0, november2025())
	g := gaugeOf("dong-trang", River)
	w := &water{gauge: g}
	head := w.routed(&s.rain[caiCatchment])
	for _, want := range []struct{ day, hour, level float64 }{{17, 9, 12.24}, {19, 1, 11.09}, {20, 5, 13.14}, {21, 7, 8.31}} {
		h := s.from + (want.day-15)*24 + want.hour
		expect(t, "Đồng Trăng by its rain", g.wet+head.at(h), want.level, 0.9)
	}
	most := 0.0
	for h := 0.0; h < 8*24; h++ {
		most = max(most, s.rain[caiCatchment].between(s.from+h, s.from+h+24))
	}
	// Khánh Hiệp had 476 mm in 24 h; a catchment's mean is less than its wettest gauge.
	between(t, "the catchment's most rain in 24 h", most, 250, 560)
}

// Ordinary rain raises the rivers hours later, and they fall slowly.
func TestRainRaisesRivers(t *testing.T) {
	from := local(2024, 3, 10, 0, 0)
	c := New(6, Event{Kind: RainSpell, From: from, To: from.Add(24 * time.Hour), Strength: 250})
	quiet := New(6)
	for site, lag := range map[telemetry.Site][2]float64{"dong-trang": {12, 36}, "trung-tam-ninh-hoa": {20, 60}, "duc-my": {12, 36}} {
		a, b := levelOf(t, c, site), levelOf(t, quiet, site)
		peak, when := 0.0, 0.0
		for h := range 20 * 24 {
			x := from.Add(time.Duration(h) * time.Hour)
			if d := a.At(x) - b.At(x); d > peak {
				peak, when = d, float64(h)
			}
		}
		between(t, string(site)+"'s rise after 250 mm", peak, 1, 6)
		between(t, string(site)+"'s peak, hours after the rain's begin", when, lag[0], lag[1])
		expect(t, string(site)+" before the rain", a.At(from.Add(-time.Hour))-b.At(from.Add(-time.Hour)), 0, 1e-9)
		after := from.Add(19 * 24 * time.Hour)
		expect(t, string(site)+" 19 days later", a.At(after)-b.At(after), 0, 0.1)
	}
}

// How often rivers reach their alarm levels without an event: seldom, in the wet
// season, and never the third level in summer.
func TestAlarmLevelsWithoutEvents(t *testing.T) {
	first, summer, years := 0, 0, 20
	s := levelOf(t, New(1), "dong-trang")
	for y := range years {
		reached := false
		for at := local(2005+y, 1, 1, 0, 0); at.Year() == 2005+y; at = at.Add(6 * time.Hour) {
			v := s.At(at)
			if v < 2 || v > 15 || math.IsNaN(v) {
				t.Fatalf("Đồng Trăng stands at %.2f m at %s", v, at)
			}
			if v >= 8 {
				reached = true
				if m := at.Month(); m >= 2 && m <= 7 {
					summer++
				}
			}
		}
		if reached {
			first++
		}
	}
	t.Logf("alarm level 1 in %d of %d years", first, years)
	if summer > 0 || first > years*3/4 {
		t.Errorf("alarm level 1 was reached in %d of %d years, %d times in February to July", first, years, summer)
	}
}

func TestAFloodMayEndEarlyOrBeSmaller(t *testing.T) {
	half := november2025()
	half.Strength, half.To = 0.5, local(2025, 11, 22, 0, 0)
	s := levelOf(t, New(1, half), "dong-trang")
	expect(t, "half the flood's peak", s.At(local(2025, 11, 20, 5, 0)), 3.46+(13.14-3.46)/2, 0.15)
	for at := local(2025, 11, 14, 0, 0); at.Before(local(2025, 11, 30, 0, 0)); at = at.Add(time.Hour) {
		if d := math.Abs(s.At(at) - s.At(at.Add(-time.Hour))); d > 0.5 {
			t.Errorf("the river jumps by %.2f m in the hour before %s", d, at)
		}
	}
}
