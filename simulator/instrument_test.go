package simulator_test

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// The mean of an hour of readings is off by no more than Signal.Off says, but for
// some in a hundred, and that is no more than it need be.
func TestOff(t *testing.T) {
	s, err := scenario.Load("ordinary-day")
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	from := s.Start.Add(12 * time.Hour)
	looked := map[telemetry.Metric]bool{telemetry.Temperature: true, telemetry.LAeq: true, telemetry.Level: true, telemetry.PM25: true, telemetry.DissolvedOxygen: true}
	means, beyond, worst := 0, 0, 0.0
	for i := range fleet.Devices() {
		_, signals := fleet.Truth(i)
		type sum struct {
			read, truth float64
			n           int
		}
		sums := map[telemetry.Metric]*sum{}
		for e := range fleet.Feed(i, from, from.Add(time.Hour)) {
			for _, p := range e.Points {
				for _, g := range signals {
					if g.Spec.Name != p.Metric || !looked[p.Metric] {
						continue
					}
					if sums[p.Metric] == nil {
						sums[p.Metric] = &sum{}
					}
					x := sums[p.Metric]
					x.read, x.truth, x.n = x.read+p.Value, x.truth+g.At(e.Measured), x.n+1
				}
			}
		}
		for _, g := range signals {
			x := sums[g.Spec.Name]
			if x == nil || x.n < 4 {
				continue
			}
			n := float64(x.n)
			is, may := math.Abs(x.read-x.truth)/n, g.Off(x.truth/n, x.n)
			means++
			worst = max(worst, is/may)
			if is > may {
				beyond++
			}
		}
	}
	if means < 100 || beyond*100 > 2*means || worst < 0.7 || worst > 2 {
		t.Errorf("of %d means %d are off by more than they may be, at most by %.2f of it", means, beyond, worst)
	}
	t.Logf("of %d means %d are off by more than they may be, at most by %.2f of it", means, beyond, worst)
}
