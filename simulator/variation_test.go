package simulator_test

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// A varied scenario is as deterministic as the one it was: the same messages are lost,
// and readings come twelve times as rarely.
func TestVaried(t *testing.T) {
	s, err := scenario.Load("ordinary-day")
	if err != nil {
		t.Fatal(err)
	}
	count := func(v simulator.Variation) (sent, lost int, sum uint64) {
		f, err := simulator.NewScenarioFleet(s.Varied(v))
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Devices() {
			for e := range f.Feed(i, f.Start(), f.Start().Add(2*time.Hour)) {
				if e.Unsent && e.Fault == simulator.RadioLoss {
					lost++
				} else {
					sent++
				}
				if e.Unsent {
					sum = sum*31 + uint64(e.Measured.UnixMilli())
				}
			}
		}
		return sent, lost, sum
	}
	sent, lost, _ := count(simulator.Variation{})
	slow, slowLost, _ := count(simulator.Variation{Cadence: 12})
	if ratio := float64(sent+lost) / float64(slow+slowLost); math.Abs(ratio-12) > 1 {
		t.Errorf("at x12 there are %d messages, of %d", slow+slowLost, sent+lost)
	}
	bad, badLost, which := count(simulator.Variation{Loss: 0.1})
	if share := float64(badLost-lost) / float64(bad+badLost); math.Abs(share-0.1) > 0.01 {
		t.Errorf("of %d messages %d are lost, and %d without", bad+badLost, badLost, lost)
	}
	if _, _, again := count(simulator.Variation{Loss: 0.1}); again != which {
		t.Error("others are lost the second time")
	}
	if err := s.Varied(simulator.Variation{Loss: 0.95}).Check(); err == nil {
		t.Error("a loss of 95 % is taken")
	}
	if err := s.Varied(simulator.Variation{Cadence: 1000}).Check(); err == nil {
		t.Error("readings once in many days are taken")
	}
}
