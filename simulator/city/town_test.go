package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestNoiseIsOrderedAndHasItsDay(t *testing.T) {
	c := New(1, everything()...)
	for _, p := range Places() {
		s := signals(t, c, p.Site, telemetry.Noise, time.Minute)
		for i := range 120 {
			at := anyTime(uint64(i))
			v := []float64{}
			for _, m := range []telemetry.Metric{telemetry.LAmin, telemetry.LA90, telemetry.LA50, telemetry.LA10, telemetry.LAmax} {
				v = append(v, s[m].At(at))
			}
			eq := s[telemetry.LAeq].At(at)
			if !(v[0] < v[1] && v[1] < v[2] && v[2] < v[3] && v[3] <= v[4] && eq > v[2] && eq < v[4]) {
				t.Fatalf("%s at %s: LAmin LA90 LA50 LA10 LAmax %.1f, LAeq %.1f", p.Site, at, v, eq)
			}
			between(t, string(p.Site)+"'s LAeq", eq, 28, 95)
		}
	}
	mean := func(site telemetry.Site, hour int) float64 {
		s, sum := signals(t, New(1), site, telemetry.Noise, time.Minute)[telemetry.LAeq], 0.0
		for d := range 60 {
			sum += s.At(local(2024, 3, 1, hour, 20).AddDate(0, 0, d)) / 60
		}
		return sum
	}
	between(t, "a main road at 17 h", mean("ma-vong", 17), 66, 78)
	between(t, "a main road at 3 h", mean("ma-vong", 3), 48, 62)
	between(t, "a quarter's street at 3 h", mean("my-ca", 3), 36, 55)
	if town, evening := mean("bai-bien-tran-phu", 15), mean("bai-bien-tran-phu", 21); evening < town+1 {
		t.Errorf("by the beach it is %.1f dBA at 15 h and %.1f at 21 h: there is no night-life", town, evening)
	}
	if early, late := mean("cho-dam", 6), mean("cho-dam", 14); early < late+1 {
		t.Errorf("at the market it is %.1f dBA at 6 h and %.1f at 14 h", early, late)
	}
}

func TestStreetLightsFollowTheSun(t *testing.T) {
	s := signals(t, New(1), "thap-tram-huong", telemetry.StreetLight, 5*time.Minute)
	for d := 0; d < 365; d += 7 {
		date := local(2025, 1, 1, 0, 0).AddDate(0, 0, d)
		for m := range 24 * 60 / 5 {
			at := date.Add(time.Duration(m) * 5 * time.Minute)
			elevation := sunAt(at.UnixMilli(), 12.2389, 109.1967).elevation
			on, dimming := s[telemetry.On].At(at), s[telemetry.Dimming].At(at)
			if elevation > 0.5 && on != 0 || elevation < -4.5 && on != 1 {
				t.Fatalf("at %s, with the sun at %.1f°, the lamp is %v", at, elevation, on)
			}
			if h := at.Hour(); (h == 23 || h < 4) && dimming != 60 {
				t.Fatalf("at %s the lamp shines at %v %%", at, dimming)
			}
			if (dimming > 0) != (on == 1) || (s[telemetry.Power].At(at) > 10) != (on == 1) {
				t.Fatalf("at %s on, dimming and power disagree", at)
			}
		}
	}
	burned := s[telemetry.BurningHours].At(local(2026, 1, 1, 12, 0)) - s[telemetry.BurningHours].At(local(2025, 1, 1, 12, 0))
	between(t, "burning hours a year", burned, 4100, 4350)
}

// Energy counters are the integral of the power, over any stretch.
func TestCountersAreTheIntegralOfPower(t *testing.T) {
	c := New(1, everything()...)
	for _, kind := range []telemetry.Kind{telemetry.StreetLight, telemetry.Energy} {
		for _, site := range []telemetry.Site{"thap-tram-huong", "bai-bien-tran-phu", "kcn-suoi-dau", "my-ca"} {
			s := signals(t, c, site, kind, 5*time.Minute)
			for i := range 6 {
				from := local(2025, 11, 20, 0, 0).Add(time.Duration(mix(3, uint64(i))%2000) * time.Hour)
				sum := 0.0
				const steps = 36 * 360 // ten seconds each
				for k := range steps {
					sum += s[telemetry.Power].At(from.Add(time.Duration(k)*10*time.Second+5*time.Second)) / 360 / 1000
				}
				counted := s[telemetry.EnergyTotal].At(from.Add(36*time.Hour)) - s[telemetry.EnergyTotal].At(from)
				expect(t, string(kind)+" at "+string(site)+": kWh of 36 h by counter against power", counted/sum, 1, 0.001)
			}
			last := 0.0
			for d := range 3000 {
				v := s[telemetry.EnergyTotal].At(local(2016, 6, 1, 0, 0).Add(time.Duration(d) * 37 * time.Hour))
				if v < last {
					t.Fatalf("%s at %s counts back", kind, site)
				}
				last = v
			}
		}
	}
}

func TestLoadFollowsWarmthAndTet(t *testing.T) {
	c := New(1)
	day := func(site telemetry.Site, at time.Time) float64 {
		s := signals(t, c, site, telemetry.Energy, 5*time.Minute)[telemetry.EnergyTotal]
		return s.At(at.AddDate(0, 0, 1)) - s.At(at)
	}
	week := func(site telemetry.Site, at time.Time) (sum float64) {
		for d := range 28 {
			sum += day(site, at.AddDate(0, 0, d)) / 28
		}
		return sum
	}
	between(t, "homes in June against January", week("my-ca", local(2024, 6, 3, 0, 0))/week("my-ca", local(2024, 1, 1, 0, 0)), 1.1, 1.4)
	between(t, "industry on the first of Tết", day("kcn-suoi-dau", local(2025, 1, 29, 0, 0))/week("kcn-suoi-dau", local(2025, 3, 3, 0, 0)), 0.4, 0.75)
	s := signals(t, c, "my-ca", telemetry.Energy, 5*time.Minute)
	if noon, evening := s[telemetry.Power].At(local(2024, 6, 5, 15, 0)), s[telemetry.Power].At(local(2024, 6, 5, 19, 0)); evening < 1.3*noon {
		t.Errorf("homes take %.0f W at 15 h and %.0f at 19 h", noon, evening)
	}
	for i := range 300 {
		at := anyTime(uint64(i))
		p, q, f := s[telemetry.Power].At(at), s[telemetry.ReactivePower].At(at), s[telemetry.PowerFactor].At(at)
		expect(t, "power factor", p/math.Hypot(p, q), f, 1e-9)
		expect(t, "√3·U·I·cos φ against the power", math.Sqrt(3)*s[telemetry.Voltage].At(at)*s[telemetry.Current].At(at)*f/p, 1, 1e-9)
	}
}

func TestWasteFillsAndIsCollected(t *testing.T) {
	c := New(1)
	for _, site := range []telemetry.Site{"cho-dam", "bai-bien-tran-phu", "my-ca", "thap-tram-huong"} {
		s := signals(t, c, site, telemetry.Waste, 30*time.Minute)
		drops, highest := 0, 0.0
		last := s[telemetry.FillLevel].At(local(2024, 3, 4, 0, 0))
		for i := 1; i <= 28*48; i++ {
			at := local(2024, 3, 4, 0, 0).Add(time.Duration(i) * 30 * time.Minute)
			v := s[telemetry.FillLevel].At(at)
			if v < last-5 {
				drops++
			} else if v < last-1e-9 {
				t.Fatalf("%s: the bin loses %.2f %% at %s", site, last-v, at)
			}
			last, highest = v, max(highest, v)
		}
		between(t, string(site)+"'s collections in four weeks", float64(drops), 13, 29)
		between(t, string(site)+"'s fullest bin", highest, 40, 99.9)
	}
	peak := func(d time.Time) (v float64) {
		s := signals(t, c, "bai-bien-tran-phu", telemetry.Waste, 30*time.Minute)[telemetry.FillLevel]
		for h := range 24 {
			v = max(v, s.At(d.Add(time.Duration(h)*time.Hour)))
		}
		return v
	}
	if sunday, tuesday := peak(local(2024, 3, 10, 0, 0)), peak(local(2024, 3, 12, 0, 0)); sunday < tuesday+5 {
		t.Errorf("the bin by the beach reaches %.0f %% on Sunday and %.0f %% on Tuesday", sunday, tuesday)
	}
}

func TestParkingAddsUp(t *testing.T) {
	c := New(1)
	for _, site := range []telemetry.Site{"bai-bien-tran-phu", "thap-tram-huong", "san-bay-cam-ranh"} {
		s := signals(t, c, site, telemetry.Parking, 5*time.Minute)
		before := s[telemetry.Occupied].At(local(2024, 3, 4, 0, 0))
		capacity := s[telemetry.Capacity].At(local(2024, 3, 4, 0, 0))
		visits, most := 0.0, 0.0
		for i := 1; i <= 14*288; i++ {
			at := local(2024, 3, 4, 0, 0).Add(time.Duration(i) * 5 * time.Minute)
			now, in, out := s[telemetry.Occupied].At(at), s[telemetry.Entries].At(at), s[telemetry.Exits].At(at)
			if now != before+in-out || now > capacity || now < 0 || now != math.Trunc(now) || in < 0 || out < 0 {
				t.Fatalf("%s at %s: %v spaces were taken, %v came and %v went, %v of %v are", site, at, before, in, out, now, capacity)
			}
			before = now
			visits, most = visits+in/14, max(most, now)
		}
		between(t, string(site)+"'s visits a day and space", visits/capacity, 2, 12)
		between(t, string(site)+"'s fullest", most/capacity, 0.6, 1)
	}
	beach := signals(t, c, "bai-bien-tran-phu", telemetry.Parking, 5*time.Minute)[telemetry.Occupied]
	if sunday, tuesday := beach.At(local(2024, 3, 17, 18, 0)), beach.At(local(2024, 3, 12, 18, 0)); sunday < tuesday*1.08 {
		t.Errorf("by the beach %v cars are parked on Sunday at 18 h and %v on Tuesday", sunday, tuesday)
	}
}
