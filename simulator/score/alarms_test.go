package score_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/score"
)

// Of four crossings one is raised in time, one late, one missed and one too brief;
// of the alarms beside them one is for nothing and one is nobody's.
func TestScoreAlarms(t *testing.T) {
	start := time.Date(2025, 11, 17, 0, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	crossing := func(limit string, site telemetry.Site, from, to int) score.Crossing {
		return score.Crossing{Limit: limit, Site: site, From: at(from), To: at(to)}
	}
	truth := &score.Crossings{From: start, To: at(1440), Crossings: []score.Crossing{
		crossing("flood-bd1-dong-trang", "dong-trang", 60, 600),
		crossing("flood-bd1-dong-trang", "dong-trang", 65, 610), // another device there
		crossing("flood-bd2-dong-trang", "dong-trang", 200, 500),
		crossing("heat-35", "cho-dam", 700, 800),
		crossing("heat-37", "cho-dam", 740, 745),
	}}
	got := score.ScoreAlarms(truth, []score.Alarm{
		{Limit: "flood-bd1-dong-trang", Site: "dong-trang", Raised: at(70), Cleared: at(620)},
		{Limit: "flood-bd2-dong-trang", Site: "dong-trang", Raised: at(260)},
		{Limit: "heat-35", Site: "my-ca", Raised: at(710), Cleared: at(790)},
		{Limit: "device-silent", Site: "my-ca", Raised: at(710)},
	})
	if got.Expected != 3 || got.Raised != 2 || got.Brief != 1 || got.Unjudged != 1 {
		t.Errorf("counts: %+v", got)
	}
	if len(got.Missed) != 1 || got.Missed[0].Limit != "heat-35" || len(got.False) != 1 || got.False[0].Site != "my-ca" {
		t.Errorf("missed %+v, for nothing %+v", got.Missed, got.False)
	}
	if got.LateMax != time.Hour || got.LateP50 != time.Hour || got.Perfect() {
		t.Errorf("late: %v, %v", got.LateP50, got.LateMax)
	}
}
