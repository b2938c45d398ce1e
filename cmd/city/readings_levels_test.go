package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// addLevels adds three hours of a sound level: a minute of 40 dB, a minute of 60 dB,
// and so on, told every twenty seconds.
func (h *history) addLevels() {
	for at := h.now.Truncate(2 * time.Minute).Add(-3 * time.Hour); at.Before(h.now.Truncate(2 * time.Minute)); at = at.Add(2 * time.Minute) {
		for i := range 6 {
			level := 40.0
			if i >= 3 {
				level = 60
			}
			h.add("levels", "d", telemetry.Noise, at.Add(time.Duration(20*i+5)*time.Second), telemetry.LAeq, level)
		}
	}
}

// testLevels holds every store to the mean of energy: as much of 40 dB as of 60 dB
// is 57.0 dB, and not 50, however long a step is and from how far off it is seen.
func testLevels(t *testing.T, r api.Readings, h *history) {
	const hour, day = time.Hour, 24 * time.Hour
	for name, q := range map[string]api.SeriesQuery{
		"two minutes": h.window(telemetry.LAeq, "levels", hour, 2*time.Minute), "in a day": h.window(telemetry.LAeq, "levels", day, 10*time.Minute),
		"in a week": h.window(telemetry.LAeq, "levels", 7*day, hour), "in a month": h.window(telemetry.LAeq, "levels", 30*day, 3*hour),
	} {
		t.Run(name, func(t *testing.T) {
			have, err := r.Series(t.Context(), q)
			if err != nil || len(have) != 1 || len(have[0].Points) == 0 {
				t.Fatalf("%+v, %v", have, err)
			}
			for _, p := range have[0].Points {
				if p.Min != 40 || p.Max != 60 || math.Abs(p.Mean-57.03) > 0.005 {
					t.Errorf("%+v, want a mean of 57.03", p)
				}
			}
		})
	}
	minutes, err := r.Series(t.Context(), h.window(telemetry.LAeq, "levels", hour, time.Minute))
	if err != nil || len(minutes) != 1 || len(minutes[0].Points) < 50 {
		t.Fatalf("%+v, %v", minutes, err)
	}
	for _, p := range minutes[0].Points {
		if math.Abs(p.Mean-p.Min) > 1e-9 || p.Min != p.Max {
			t.Errorf("%+v: a minute of one level is that level", p)
		}
	}
}
