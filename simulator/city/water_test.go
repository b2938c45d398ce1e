package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestWaterQualityOfEachSetting(t *testing.T) {
	c := New(1)
	for _, want := range []struct {
		site                     telemetry.Site
		salinity, oxygen, ph, mu [2]float64
	}{
		{"cau-da", [2]float64{30, 34.5}, [2]float64{5.5, 8}, [2]float64{7.9, 8.4}, [2]float64{0.5, 8}},
		{"dam-nha-phu", [2]float64{15, 33}, [2]float64{4.5, 9}, [2]float64{7.4, 8.5}, [2]float64{3, 40}},
		{"vung-nuoi-cam-thinh", [2]float64{20, 34}, [2]float64{3.5, 9.5}, [2]float64{7.5, 8.6}, [2]float64{4, 40}},
		{"dong-trang", [2]float64{0, 0.2}, [2]float64{6, 9}, [2]float64{6.8, 7.7}, [2]float64{4, 60}},
		{"ho-suoi-dau", [2]float64{0, 0.2}, [2]float64{6, 9}, [2]float64{7, 8}, [2]float64{2, 30}},
	} {
		s := signals(t, c, want.site, telemetry.WaterQuality, 15*time.Minute)
		for i := range 20 * 12 { // April, without heavy rain
			at := local(2024, 4, 1, 0, 0).Add(time.Duration(i) * 2 * time.Hour)
			name := string(want.site) + " on " + at.Format("2 Jan 15:04") + ": "
			between(t, name+"salinity", s[telemetry.Salinity].At(at), want.salinity[0], want.salinity[1])
			between(t, name+"oxygen", s[telemetry.DissolvedOxygen].At(at), want.oxygen[0], want.oxygen[1])
			between(t, name+"pH", s[telemetry.PH].At(at), want.ph[0], want.ph[1])
			between(t, name+"turbidity", s[telemetry.Turbidity].At(at), want.mu[0], want.mu[1])
			if t.Failed() {
				return
			}
		}
	}
	// Oxygen and its saturation are the same, and sea water conducts 53 mS/cm.
	expect(t, "oxygen in balance at 25 °C, fresh", saturated(25, 0), 8.26, 0.1)
	expect(t, "oxygen in balance at 25 °C, 35 PSU", saturated(25, 35), 6.75, 0.1)
	s := signals(t, c, "cau-da", telemetry.WaterQuality, 15*time.Minute)
	at := local(2024, 4, 5, 3, 0)
	expect(t, "mS/cm for each PSU", s[telemetry.Conductivity].At(at)/1000/s[telemetry.Salinity].At(at), 53.0/35, 0.03)
}

func TestWaterFollowsTideSunAndRain(t *testing.T) {
	c := New(1)
	mouth := signals(t, c, "cua-song-dinh", telemetry.WaterQuality, 15*time.Minute)
	level := levelOf(t, c, "cua-song-dinh")
	var salt, height []float64
	for h := range 30 * 24 {
		at := local(2024, 4, 1, 0, 0).Add(time.Duration(h) * time.Hour)
		salt, height = append(salt, mouth[telemetry.Salinity].At(at)), append(height, level.At(at))
	}
	between(t, "correlation of salinity and tide at the mouth", correlation(salt, height), 0.8, 1)
	oxygen := signals(t, c, "vung-nuoi-cam-thinh", telemetry.WaterQuality, 15*time.Minute)[telemetry.DissolvedOxygen]
	dawn, afternoon := 0.0, 0.0
	for d := range 20 {
		dawn += oxygen.At(local(2024, 4, 1+d, 5, 0)) / 20
		afternoon += oxygen.At(local(2024, 4, 1+d, 15, 0)) / 20
	}
	between(t, "mg/L of oxygen more in the afternoon than at dawn, over algae", afternoon-dawn, 1, 5)
	// The flood: rivers and coast turn brown and fresh, and come back.
	flood := New(1, november2025())
	for _, site := range []telemetry.Site{"dong-trang", "cua-song-dinh", "cau-da"} {
		s := signals(t, flood, site, telemetry.WaterQuality, 15*time.Minute)
		before, during := local(2025, 11, 14, 12, 0), local(2025, 11, 20, 18, 0)
		between(t, string(site)+"'s turbidity in the flood against before", s[telemetry.Turbidity].At(during)/s[telemetry.Turbidity].At(before), 2.5, 80)
		if s[telemetry.Salinity].At(during) > s[telemetry.Salinity].At(before) {
			t.Errorf("%s is saltier in the flood", site)
		}
		if s[telemetry.SuspendedSolids].At(during) > 3000 {
			t.Errorf("%s has %.0f mg/L of solids", site, s[telemetry.SuspendedSolids].At(during))
		}
	}
	for _, m := range []telemetry.Metric{telemetry.AmmoniumNitrogen, telemetry.BOD5, telemetry.COD} {
		s := signals(t, flood, "dong-trang", telemetry.WaterQuality, 15*time.Minute)[m]
		if a, b := s.At(local(2025, 11, 20, 6, 0)), s.At(local(2025, 11, 12, 6, 0)); !(a > b) || math.IsNaN(a) {
			t.Errorf("%s is %.3f in the flood and %.3f before", m, a, b)
		}
	}
}
