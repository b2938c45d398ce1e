package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// solve solves a·x = b for symmetric positive definite a (Gauss, with pivots).
func solve(a [][]float64, b []float64) []float64 {
	n := len(b)
	for i := range n {
		p := i
		for r := i + 1; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[p][i]) {
				p = r
			}
		}
		a[i], a[p], b[i], b[p] = a[p], a[i], b[p], b[i]
		for r := i + 1; r < n; r++ {
			f := a[r][i] / a[i][i]
			for k := i; k < n; k++ {
				a[r][k] -= f * a[i][k]
			}
			b[r] -= f * b[i]
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = b[i]
		for k := i + 1; k < n; k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x
}

// What a harmonic analysis of the simulated hours finds must be what the gauge's
// publisher found in the measured ones. Speeds are the text-book's, in degrees an
// hour, and Greenwich arguments at the origin Schureman's for 2015-07-01 00:00 UTC
// would need his tables; so the phases are checked through the astronomical facts
// that define them, below, and here the amplitudes and the form number.
func TestTideHasTheConstituents(t *testing.T) {
	c := New(1)
	names := []string{"K1", "O1", "P1", "Q1", "M2", "S2", "N2", "K2", "SA", "SSA"}
	speeds := []float64{15.0410686, 13.9430356, 14.9589314, 13.3986609, 28.9841042, 30, 28.4397295, 30.0821373, 0.0410686, 0.0821373}
	amplitudes := []float64{.328, .278, .101, .054, .172, .070, .036, .021, .149, .062}
	// Half a nodal period from the node's mean position, its factors are 1; a
	// whole one of 18.6 years averages them.
	n := 1 + 2*len(names)
	a, b := make([][]float64, n), make([]float64, n)
	for i := range a {
		a[i] = make([]float64, n)
	}
	row := make([]float64, n)
	start := local(2006, 1, 1, 7, 0)
	const hours = 163_000 // 18.6 years
	for i := 0; i < hours; i += 5 {
		row[0] = 1
		for k, speed := range speeds {
			sin, cos := math.Sincos(math.Mod(speed*float64(i), 360) * math.Pi / 180)
			row[1+2*k], row[2+2*k] = cos, sin
		}
		level := c.tide(start.UnixMilli() + int64(i)*hour)
		for r := range n {
			for k := range n {
				a[r][k] += row[r] * row[k]
			}
			b[r] += row[r] * level
		}
	}
	x := solve(a, b)
	found := map[string]float64{}
	for k, name := range names {
		found[name] = math.Hypot(x[1+2*k], x[2+2*k])
		expect(t, name+"'s amplitude", found[name], amplitudes[k], 0.006+0.012*amplitudes[k])
	}
	expect(t, "the form number", (found["K1"]+found["O1"])/(found["M2"]+found["S2"]), 2.50, 0.05)
	expect(t, "mean tide", x[0], 0, 0.005)
}

// Phases: a constituent is highest when its equilibrium argument equals its lag.
// The arguments are tied to things an almanac knows.
func TestTideFollowsSunAndMoon(t *testing.T) {
	c := New(1)
	only := func(names ...string) *City {
		d := *c
		d.tides = nil
		for _, k := range c.tides {
			for _, n := range names {
				if k.name == n {
					k.node = unmodulated
					d.tides = append(d.tides, k)
				}
			}
		}
		return &d
	}
	highest := func(c *City, from time.Time, within time.Duration) time.Time {
		best, at := math.Inf(-1), from
		for d := time.Duration(0); d < within; d += time.Minute {
			if v := c.tide(from.Add(d).UnixMilli()); v > best {
				best, at = v, from.Add(d)
			}
		}
		return at
	}
	// S2 follows the mean sun: highest 119.7°/30 = 3.99 h after midnight and noon UTC.
	utc := time.Date(2025, 5, 10, 0, 0, 0, 0, time.UTC)
	expect(t, "S2's high water, hours UTC", highest(only("S2"), utc, 12*time.Hour).Sub(utc).Hours(), 119.7/30, 0.05)
	// M2 follows the mean moon: at new moon it stands with the sun, so M2's
	// argument is twice the hour angle, and high water is 86.2°/28.984 = 2.97 h
	// after 0 and 12 UTC. New moon on 2025-03-29, 10:58 UTC; moon and sun run up
	// to 8° ahead of or behind their means.
	moon := time.Date(2025, 3, 29, 6, 0, 0, 0, time.UTC)
	expect(t, "M2's high water at new moon, hours after noon UTC", highest(only("M2"), moon, 12*time.Hour).Sub(moon).Hours()-6, 86.2/28.984, 0.6)
	// So spring tides of M2 and S2 come when their lags are even: 33.5° apart at
	// 1.016° an hour, 33 h after new and full moon.
	spring, at := 0.0, time.Time{}
	for d := range 12 * 24 {
		from := time.Date(2025, 3, 24, d, 0, 0, 0, time.UTC)
		v := 0.0
		for h := range 13 {
			v = max(v, only("M2", "S2").tide(from.Add(time.Duration(h)*time.Hour).UnixMilli()))
		}
		if v > spring {
			spring, at = v, from
		}
	}
	expect(t, "hours from new moon to the springs of M2 and S2", at.Sub(time.Date(2025, 3, 29, 11, 0, 0, 0, time.UTC)).Hours()+6, 33, 16)
	// K1 is the sidereal day's: on 21 March the mean sun's longitude is 0, so the
	// argument is 15°·UTC + 90°, and high water (192.9 − 90)/15 = 6.86 h UTC.
	march := time.Date(2025, 3, 22, 0, 0, 0, 0, time.UTC)
	expect(t, "K1's high water on 22 March, hours UTC", highest(only("K1"), march, 24*time.Hour).Sub(march).Hours(), 6.86, 0.15)
	// P1: 15°·UTC − h − 90°; on the same day (189.3 + 90)/15 = 18.62 h UTC.
	expect(t, "P1's high water on 22 March, hours UTC", highest(only("P1"), march, 24*time.Hour).Sub(march).Hours(), 18.62, 0.15)
	// SA is highest when the sun's longitude is 247.6°, near 28 November.
	sa := highest(only("SA"), time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), 100*24*time.Hour)
	expect(t, "SA's highest, days after 28 November", sa.Sub(time.Date(2025, 11, 28, 12, 0, 0, 0, time.UTC)).Hours()/24, 0, 2)
	// O1 is largest with K1 when the moon is far north or south of the equator:
	// spring tides here go with the declination, on 2025-06-11 (28.4° south).
	tropic, equatorial := spread(c, time.Date(2025, 6, 11, 0, 0, 0, 0, time.UTC)), spread(c, time.Date(2025, 6, 4, 0, 0, 0, 0, time.UTC))
	if tropic < equatorial*1.5 {
		t.Errorf("the tide's range is %.2f m with the moon far south and %.2f m with it at the equator", tropic, equatorial)
	}
}

// spread is the tide's range over two days about a time.
func spread(c *City, about time.Time) float64 {
	low, high := 9.0, -9.0
	for h := -24; h <= 24; h++ {
		v := c.tide(about.Add(time.Duration(h) * time.Hour).UnixMilli())
		low, high = min(low, v), max(high, v)
	}
	return high - low
}

func TestTideIsMixedMainlyDiurnal(t *testing.T) {
	c := New(1)
	low, high := 9.0, -9.0
	diurnal, days := 0.0, 0.0
	for at := local(2007, 1, 1, 0, 0); at.Before(local(2026, 1, 1, 0, 0)); at = at.AddDate(0, 0, 1) {
		waters := 0
		a, b := c.tide(at.Add(-20*time.Minute).UnixMilli()), c.tide(at.UnixMilli())
		for m := 20; m <= 24*60; m += 20 {
			v := c.tide(at.UnixMilli() + int64(m)*minute)
			if b > a && b >= v {
				waters++
			}
			low, high = min(low, v), max(high, v)
			a, b = b, v
		}
		days++
		if waters <= 1 {
			diurnal++
		}
		if at.Day() > 1 && at.Month() > 2 { // every day of two months of each year is enough
			at = at.AddDate(0, 0, 3)
		}
	}
	// Between Quảng Ngãi and Nha Trang 18 to 22 days of a month have one tide.
	between(t, "days of a month with one high water", diurnal/days*30, 16, 23)
	// Lowest and highest astronomical tide at the gauge: 1.17 m below and 1.07 m
	// above mean sea level.
	expect(t, "the lowest tide of 19 years", low, -1.171, 0.08)
	expect(t, "the highest tide of 19 years", high, 1.074, 0.08)
}

func TestCoastsLagoonsAndRiverMouths(t *testing.T) {
	c := New(3)
	at := local(2024, 6, 10, 0, 0) // the dry season
	sea, lagoon := signals(t, c, "cau-da", telemetry.WaterLevel, time.Hour)[telemetry.Level], signals(t, c, "dam-thuy-trieu", telemetry.WaterLevel, time.Hour)[telemetry.Level]
	mouth := signals(t, c, "cua-song-dinh", telemetry.WaterLevel, time.Hour)
	upstream := signals(t, c, "dong-trang", telemetry.WaterLevel, time.Hour)[telemetry.Level]
	ranges := func(s Signal) float64 {
		low, high := 99.0, -99.0
		for i := range 5 * 24 * 6 {
			v := s.At(at.Add(time.Duration(i) * 10 * time.Minute))
			low, high = min(low, v), max(high, v)
		}
		return high - low
	}
	expect(t, "Thủy Triều lagoon's range as a share of the sea's", ranges(lagoon)/ranges(sea), 0.45, 0.08)
	expect(t, "the Dinh's mouth's range as a share of the sea's", ranges(mouth[telemetry.Level])/ranges(sea), 0.92, 0.08)
	between(t, "Đồng Trăng's range in a dry week", ranges(upstream), 0, 0.35)
	flow, back := 0.0, 0.0
	for i := range 48 {
		v := mouth[telemetry.Flow].At(at.Add(time.Duration(i) * time.Hour))
		flow, back = max(flow, v), min(back, v)
	}
	if !(flow > 20 && back < -20) {
		t.Errorf("at the river's mouth the flow goes from %.0f to %.0f m³/s; it should turn with the tide", back, flow)
	}
}
