package vnaqi_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

var nan = math.NaN()

// hour has only what is given; the rest is not there.
func hour(change func(*vnaqi.Hour)) vnaqi.Hour {
	h := vnaqi.Hour{O3: nan, NO2: nan, SO2: nan, CO: nan}
	change(&h)
	return h
}

// day has only what is given.
func day(change func(*vnaqi.Day)) vnaqi.Day {
	var d vnaqi.Day
	for _, hours := range [][]float64{d.PM25[:], d.PM10[:], d.NO2[:], d.SO2[:], d.CO[:], d.O3[:]} {
		fill(hours, nan)
	}
	change(&d)
	return d
}

func fill(hours []float64, v float64) {
	for i := range hours {
		hours[i] = v
	}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) { // the negation catches NaN
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// The worked examples of the decision.
func TestDecisionExamples(t *testing.T) {
	pm := []float64{26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6} // oldest first
	slices.Reverse(pm)
	near(t, "NowCast", vnaqi.NowCast(pm), 20.3, 0.05)

	got, ok := vnaqi.Hourly(hour(func(h *vnaqi.Hour) { h.PM25, h.O3, h.NO2 = pm, 136.1, 118.7 }))
	if !ok {
		t.Fatal("no index")
	}
	near(t, "index of PM2.5", got.Sub[vnaqi.PM25], 41, 0.5)
	near(t, "index of O3", got.Sub[vnaqi.O3], 43, 0.5)
	near(t, "index of NO2", got.Sub[vnaqi.NO2], 59.35, 0.005) // the document's 60 is a slip
	if got.Value != 59 || got.Dominant != vnaqi.NO2 {
		t.Errorf("index %d by %v, want 59 by NO₂", got.Value, got.Dominant)
	}

	got, ok = vnaqi.Daily(day(func(d *vnaqi.Day) {
		fill(d.PM25[:], 55.7)
		d.NO2[9] = 130.8
		fill(d.O3[:], 89.3)
	}))
	if !ok {
		t.Fatal("no index of the day")
	}
	near(t, "day's index of PM2.5", got.Sub[vnaqi.PM25], 109.5, 0.05)
	near(t, "day's index of NO2", got.Sub[vnaqi.NO2], 65, 0.5)
	near(t, "day's index of O3", got.Sub[vnaqi.O3], 45, 0.5)
	if got.Value != 110 || got.Dominant != vnaqi.PM25 {
		t.Errorf("index %d by %v, want 110 by PM2.5", got.Value, got.Dominant)
	}
}

func TestOzoneEightHours(t *testing.T) {
	d := day(func(d *vnaqi.Day) { // 18:00 of the day before to 01:00, and clean air after
		fill(d.O3[:], 0)
		copy(d.O3[:], []float64{15.7, 14.2, 17.7, 18.9, 19.3, 15.7, 19.7, 22.6})
	})
	near(t, "eight-hour mean", vnaqi.Ozone8(d.O3), 18.0, 0.05)

	// Above 400 only the one-hour mean counts: its index is 200, that of an
	// eight-hour mean would be more.
	high, _ := vnaqi.Daily(day(func(d *vnaqi.Day) { fill(d.PM25[:], 1); fill(d.O3[:], 401) }))
	near(t, "index above the limit", high.Sub[vnaqi.O3], 200.25, 0.001)
	below, _ := vnaqi.Daily(day(func(d *vnaqi.Day) { fill(d.PM25[:], 1); fill(d.O3[:], 400) }))
	near(t, "index at the limit", below.Sub[vnaqi.O3], 300, 0.001)
}

// Every corner of the table, and both sides of one.
func TestBreakpoints(t *testing.T) {
	indices := []float64{50, 100, 150, 200, 300, 400, 500}
	columns := map[vnaqi.Pollutant][]float64{
		vnaqi.PM25: {25, 50, 80, 150, 250, 350, 500},
		vnaqi.PM10: {50, 150, 250, 350, 420, 500, 600},
		vnaqi.O3:   {160, 200, 300, 400, 800, 1000, 1200},
		vnaqi.NO2:  {100, 200, 700, 1200, 2350, 3100, 3850},
		vnaqi.SO2:  {125, 350, 550, 800, 1600, 2100, 2630},
		vnaqi.CO:   {10000, 30000, 45000, 60000, 90000, 120000, 150000},
	}
	for p, column := range columns {
		for i, c := range column {
			near(t, p.String(), indexOf(p, c), indices[i], 1e-9)
		}
		near(t, p.String()+" halfway to the first", indexOf(p, column[0]/2), 25, 1e-9)
		near(t, p.String()+" beyond the table", indexOf(p, 10*column[6]), 500, 1e-9)
		near(t, p.String()+" below nothing", indexOf(p, -3), 0, 1e-9)
	}
	near(t, "continuous between 50 and 51", indexOf(vnaqi.PM25, 25.25), 50.5, 1e-9)
}

// indexOf is a pollutant's own index at a concentration.
func indexOf(p vnaqi.Pollutant, c float64) float64 {
	got, _ := vnaqi.Hourly(hour(func(h *vnaqi.Hour) {
		h.PM25 = []float64{1, 1} // one of the particles must be there
		switch p {
		case vnaqi.PM25:
			h.PM25 = []float64{c, c}
		case vnaqi.PM10:
			h.PM10 = []float64{c, c}
		case vnaqi.O3:
			h.O3 = c
		case vnaqi.NO2:
			h.NO2 = c
		case vnaqi.SO2:
			h.SO2 = c
		case vnaqi.CO:
			h.CO = c
		}
	}))
	return got.Sub[p]
}

func TestNowCast(t *testing.T) {
	for _, c := range []struct {
		name  string
		hours []float64
		want  float64
	}{
		{"nothing", nil, nan},
		{"one of three", []float64{10, nan, nan, 10, 10}, nan},
		{"two of three", []float64{nan, 10, 10}, 10},
		{"steady", []float64{12, 12, 12, 12}, 12},
		{"nothing in the air", []float64{0, 0, 0}, 0},
		// w = ½: (40 + 10/2) / (1 + ½); a gap keeps its place.
		{"rising fast", []float64{40, 10}, 30},
		{"with a gap", []float64{40, nan, 10}, (40 + 2.5) / 1.25},
		{"the thirteenth does not count", []float64{8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 1000}, 8},
	} {
		got := vnaqi.NowCast(c.hours)
		if math.IsNaN(c.want) != math.IsNaN(got) || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParticlesAreMandatory(t *testing.T) {
	if got, ok := vnaqi.Hourly(hour(func(h *vnaqi.Hour) { h.O3, h.NO2 = 500, 500 })); ok {
		t.Errorf("an index %d without PM2.5 and PM10", got.Value)
	}
	d := day(func(d *vnaqi.Day) { fill(d.PM10[:vnaqi.MinDayHours-1], 20); fill(d.NO2[:], 50) })
	if got, ok := vnaqi.Daily(d); ok {
		t.Errorf("an index %d of a day with %d hours", got.Value, vnaqi.MinDayHours-1)
	}
	d.PM10[23] = 20
	got, ok := vnaqi.Daily(d)
	if !ok || got.Dominant != vnaqi.NO2 || got.Value != 25 {
		t.Errorf("index %d by %v (%v), want 25 by NO₂", got.Value, got.Dominant, ok)
	}
}

func TestCategories(t *testing.T) {
	next := 0
	for _, c := range vnaqi.Categories() {
		if c.From != next {
			t.Errorf("%s begins at %d, want %d", c.NameVI, c.From, next)
		}
		next = c.To + 1
		if vnaqi.CategoryOf(c.From) != c || vnaqi.CategoryOf(c.To) != c {
			t.Errorf("%s is not the category of its own ends", c.NameVI)
		}
	}
	if got := vnaqi.CategoryOf(151).NameVI; got != "Xấu" {
		t.Errorf("151 is %s", got)
	}
}

func TestDayOf(t *testing.T) {
	zone := time.FixedZone("", 7*3600)
	want := time.Date(2026, 3, 1, 0, 0, 0, 0, zone)
	for _, end := range []time.Time{want.Add(time.Hour), want.Add(12 * time.Hour), want.Add(24 * time.Hour)} {
		if got := vnaqi.DayOf(end); !got.Equal(want) {
			t.Errorf("the hour ending at %v is of %v", end, got.In(zone))
		}
	}
	if got := vnaqi.DayOf(want); !got.Equal(want.Add(-24 * time.Hour)) {
		t.Errorf("midnight is of %v, want the day before", got.In(zone))
	}
}
