package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestRainFollowsTheNormals(t *testing.T) {
	const seeds = 5
	var all [12]float64
	outside := 0
	for seed := uint64(1); seed <= seeds; seed++ {
		s := daily(t, New(seed), "thap-tram-huong")
		var rain, wet, long [12]float64
		wettest := 0.0
		for at := local(2001, 1, 2, 0, 0); !at.After(local(2031, 1, 1, 0, 0)); at = at.AddDate(0, 0, 1) {
			day := at.AddDate(0, 0, -1)
			m := int(day.Month()) - 1
			mm := s(at)
			long[m] += mm / 30
			if day.Year() < 2006 || day.Year() > 2025 {
				continue
			}
			rain[m] += mm / 20
			if mm >= 0.5 {
				wet[m] += 1.0 / 20
			}
			wettest = max(wettest, mm)
		}
		year, wetDays := 0.0, 0.0
		for m := range 12 {
			share := rain[m] / normalRain[m]
			expect(t, time.Month(m+1).String()+"'s rain of 30 years as a share of its normal", long[m]/normalRain[m], 1, 0.15)
			// Twenty years are a sample: of a dry month's few showers a seed may
			// have more or less than the normal, seldom by 15 %.
			expect(t, time.Month(m+1).String()+"'s rain as a share of its normal", share, 1, 0.25)
			if math.Abs(share-1) > 0.15 {
				outside++
			}
			all[m] += share / seeds
			year, wetDays = year+rain[m], wetDays+wet[m]
		}
		expect(t, "the year's rain", year, 1361, 0.06*1361)
		between(t, "wet days a year", wetDays, 95, 150)
		between(t, "wet days in October and November", wet[9]+wet[10], 26, 46)
		between(t, "the wettest day of 20 years", wettest, 120, 420)
	}
	if outside > seeds*12/10 {
		t.Errorf("%d of %d months are beyond ±15 %% of their normals; one in ten may be", outside, seeds*12)
	}
	for m, share := range all {
		expect(t, time.Month(m+1).String()+"'s rain over all seeds", share, 1, 0.07)
	}
}

func TestRainComesInSpellsAndDiffersFromPlaceToPlace(t *testing.T) {
	c := New(1)
	near, far := daily(t, c, "cho-dam"), daily(t, c, "cam-thinh-dong")
	here := daily(t, c, "thap-tram-huong")
	var a, b, d []float64
	wet, afterWet, afterDry, dry := 0.0, 0.0, 0.0, 0.0
	yesterday := false
	for at := local(2015, 9, 1, 0, 0); at.Before(local(2025, 1, 1, 0, 0)); at = at.AddDate(0, 0, 1) {
		if at.Month() < 9 {
			continue
		}
		mm := here(at)
		a, b, d = append(a, mm), append(b, near(at)), append(d, far(at))
		if yesterday {
			wet++
			if mm > 1 {
				afterWet++
			}
		} else {
			dry++
			if mm > 1 {
				afterDry++
			}
		}
		yesterday = mm > 1
	}
	if p, q := afterWet/wet, afterDry/dry; p < q+0.15 {
		t.Errorf("a wet day follows a wet one with %.2f and a dry one with %.2f: there are no spells", p, q)
	}
	close, apart := correlation(a, b), correlation(a, d)
	between(t, "correlation of rain at 2 km", close, 0.95, 1)
	between(t, "correlation of rain at 45 km", apart, 0.5, 0.94)
}

func TestRainAddsUp(t *testing.T) {
	c := New(1, everything()...)
	fine, whole := signals(t, c, "thap-tram-huong", telemetry.Weather, 5*time.Minute), daily(t, c, "thap-tram-huong")
	for dom := 2; dom < 30; dom++ {
		end, sum, integral := local(2025, 11, dom, 0, 0), 0.0, 0.0
		for i := range 288 {
			at := end.Add(-time.Duration(i) * 5 * time.Minute)
			sum += fine[telemetry.Rain].At(at)
			integral += fine[telemetry.RainRate].At(at.Add(-150*time.Second)) / 12
		}
		day := whole(end)
		expect(t, end.Format("2 Jan")+"'s rain by 5 minutes", sum, day, 1e-6*(1+day))
		expect(t, end.Format("2 Jan")+"'s rain by its rate", integral, day, 0.02*day+0.1)
	}
}

func TestRainSpellBringsItsAmount(t *testing.T) {
	from := local(2024, 3, 5, 0, 0)
	c := New(4, Event{Kind: RainSpell, From: from, To: from.Add(72 * time.Hour), Strength: 150})
	s := daily(t, c, "thap-tram-huong")
	between(t, "mm on the middle day of a spell of 150", s(from.Add(48*time.Hour)), 105, 200)
}

// daily is the rain of the 24 hours before a time: more than a single reading may
// tell, whose range ends at 200 mm.
func daily(t testing.TB, c *City, site telemetry.Site) func(time.Time) float64 {
	s := signals(t, c, site, telemetry.Weather, 3*time.Hour)
	return func(at time.Time) (mm float64) {
		for i := range 8 {
			mm += s[telemetry.Rain].At(at.Add(-time.Duration(i) * 3 * time.Hour))
		}
		return mm
	}
}

// correlation of two series (Pearson).
func correlation(a, b []float64) float64 {
	n := float64(len(a))
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		sa, sb = sa+a[i], sb+b[i]
		saa, sbb, sab = saa+a[i]*a[i], sbb+b[i]*b[i], sab+a[i]*b[i]
	}
	return (sab - sa*sb/n) / math.Sqrt((saa-sa*sa/n)*(sbb-sb*sb/n))
}
