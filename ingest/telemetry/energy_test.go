package telemetry_test

import (
	"math"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// 50 dB and 70 dB are 10⁵ and 10⁷; their mean 5 050 000 is 67.03 dB. A percentile's
// mean, and a temperature's, is the plain one.
func TestEnergetic(t *testing.T) {
	for m, want := range map[telemetry.Metric]float64{telemetry.LAeq: 67.03, telemetry.LA90: 60, telemetry.LAmax: 60, telemetry.Temperature: 60} {
		mean := (telemetry.Linear(m, 50) + telemetry.Linear(m, 70)) / 2
		if have := telemetry.FromLinear(m, mean); math.Abs(have-want) > 0.005 {
			t.Errorf("the mean of 50 and 70 of %s is %v, want %v", m, have, want)
		}
	}
}
