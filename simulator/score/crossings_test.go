package score_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
	"github.com/haidang-iot/haidang/simulator/score"
)

// The flood of November 2025 crosses its alarm levels when it did.
func TestCrossings(t *testing.T) {
	s, err := scenario.Load("november-flood")
	if err != nil {
		t.Fatal(err)
	}
	scorer, err := score.New(score.Options{Scenario: s, From: s.Start.Add(4*24*time.Hour + 12*time.Hour), To: s.Start.Add(5*24*time.Hour + 18*time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	found, err := scorer.FindCrossings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	worst := map[string]score.Crossing{}
	for _, c := range found.Crossings {
		if !c.From.Before(c.To) || c.From.Before(s.Start) {
			t.Errorf("%s at %s lasts from %v to %v", c.Limit, c.Site, c.From, c.To)
		}
		if w, ok := worst[c.Limit]; !ok || c.Peak > w.Peak {
			worst[c.Limit] = c
		}
	}
	day := func(d, h int) time.Time { return time.Date(2025, 11, d, h, 0, 0, 0, time.FixedZone("", 7*3600)) }
	for _, want := range []struct {
		limit string
		peak  float64
		at    time.Time
	}{
		{"flood-bd3-dong-trang", 13.14, day(20, 5)}, {"flood-record-trung-tam-ninh-hoa", 6.77, day(20, 14)}, {"flood-bd3-dien-phu", 6.7, day(20, 9)},
	} {
		c, ok := worst[want.limit]
		if !ok || c.Peak < want.peak-0.15 || c.Peak > want.peak+0.15 || c.PeakAt.Sub(want.at).Abs() > 3*time.Hour {
			t.Errorf("%s: %+v, want a peak of %.2f about %v", want.limit, c, want.peak, want.at)
		}
	}
	if _, ok := worst["flood-record-dong-trang"]; ok {
		t.Error("Đồng Trăng did not reach its record")
	}
	t.Logf("%d crossings of %d limits", len(found.Crossings), len(worst))
}

// Of what a device without power cannot have seen no alarm is demanded, of all else
// it is.
func TestUnseenCrossings(t *testing.T) {
	s, err := scenario.Load("typhoon")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2025, 12, 10, 14, 0, 0, 0, time.FixedZone("", 7*3600))
	scorer, err := score.New(score.Options{Scenario: s, From: from, To: from.Add(5 * time.Hour),
		Uses: func(*simulator.Device) []limits.Area { return []limits.Area{limits.AreaOrdinary} }})
	if err != nil {
		t.Fatal(err)
	}
	found, err := scorer.FindCrossings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := score.ScoreAlarms(found, nil)
	if got.Unseen == 0 || got.Expected == 0 || got.MissedCount != got.Expected {
		t.Errorf("no alarm is raised: %+v", got.AlarmTally)
	}
	for _, c := range got.Missed { // its ward has no power until 19:00
		if c.Site == "cho-dam-2" && c.Limit == "noise-ordinary-day" {
			t.Errorf("an alarm is demanded of a device that was silent: %+v", c)
		}
	}
}
