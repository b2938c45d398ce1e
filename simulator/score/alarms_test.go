package score_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/score"
)

// Of six crossings one is raised in time, one late, one missed, one is too brief, one
// too slight and one told under the device's own name; of the alarms beside them one
// is for nothing and one is nobody's.
func TestScoreAlarms(t *testing.T) {
	start := time.Date(2025, 11, 17, 0, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	crossing := func(limit string, site telemetry.Site, from, to, clear int) score.Crossing {
		c := score.Crossing{Limit: limit, Site: site, Device: "kh-" + telemetry.Device(site), From: at(from), To: at(to)}
		if clear >= 0 {
			c.ClearFrom = at(clear)
		}
		return c
	}
	truth := &score.Crossings{From: start, To: at(1440), Crossings: []score.Crossing{
		crossing("flood-bd1-dong-trang", "dong-trang", 60, 600, 75),
		crossing("flood-bd1-dong-trang", "dong-trang", 65, 610, 70), // another device there
		crossing("flood-bd2-dong-trang", "dong-trang", 200, 500, 230),
		crossing("heat-35", "cho-dam", 700, 800, 705),
		crossing("heat-37", "cho-dam", 740, 745, -1),
		crossing("wind-6", "cho-dam", 900, 990, -1),
		crossing("rain-80mm-3h", "hon-ba", 900, 990, 900),
	}}
	got := score.ScoreAlarms(truth, []score.Alarm{
		{Limit: "flood-bd1-dong-trang", Site: "dong-trang", Raised: at(70), Cleared: at(620)},
		{Limit: "flood-bd2-dong-trang", Site: "dong-trang", Raised: at(260)},
		{Limit: "heat-35", Site: "my-ca", Raised: at(710), Cleared: at(790)},
		{Limit: "wind-6", Site: "cho-dam", Raised: at(910), Cleared: at(990)}, // slight, and true
		{Limit: "rain-80mm-3h", Site: "kh-hon-ba", Raised: at(900)},
		{Limit: "device-silent", Site: "my-ca", Raised: at(710)},
	})
	if got.Expected != 4 || got.Raised != 3 || got.Slight != 2 || got.Unjudged != 1 || got.MissedCount != 1 || got.FalseCount != 1 {
		t.Errorf("counts: %+v", got.AlarmTally)
	}
	if len(got.Missed) != 1 || got.Missed[0].Limit != "heat-35" || len(got.False) != 1 || got.False[0].Site != "my-ca" {
		t.Errorf("missed %+v, for nothing %+v", got.Missed, got.False)
	}
	if got.LateMax != time.Hour || got.LateP50 != 10*time.Minute || got.ClearLateMax != 30*time.Minute || got.Perfect() {
		t.Errorf("late: %v, %v, clear: %v", got.LateP50, got.LateMax, got.ClearLateMax)
	}
	for _, l := range got.Limits {
		if want := map[string]int{"heat-35": 2}[l.Limit]; l.MissedCount+l.FalseCount != want || l.NameVI == "" || l.Severity == 0 {
			t.Errorf("%s: %+v", l.Limit, l)
		}
	}
	if got.Limits[0].Severity < got.Limits[len(got.Limits)-1].Severity {
		t.Error("the gravest is not first")
	}
}
