package score

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// An alarm that ends while its crossing is clear, and one that goes on for hours when
// it is over, are wrong though they were raised in time; one that another takes over
// is not.
func TestAlarmsThatEndWrongly(t *testing.T) {
	start := time.Date(2025, 11, 19, 0, 0, 0, 0, time.UTC)
	at := func(hours float64) time.Time { return start.Add(time.Duration(hours * float64(time.Hour))) }
	crossing := Crossing{Limit: "flood-bd3-dong-trang", Site: "dong-trang", Device: "d", From: at(1), To: at(10), ClearFrom: at(1), every: time.Hour,
		clear: []spell{{at(1), at(6)}, {at(7), at(10)}}}
	truth := &Crossings{From: start, To: at(24), Crossings: []Crossing{crossing}, near: []Crossing{crossing}}
	alarm := func(raised, cleared float64) Alarm {
		a := Alarm{Limit: crossing.Limit, Site: crossing.Site, Raised: at(raised)}
		if cleared > 0 {
			a.Cleared = at(cleared)
		}
		return a
	}
	for _, c := range []struct {
		what              string
		alarms            []Alarm
		broken, lingering int
	}{
		{"as long as it lasts", []Alarm{alarm(1.2, 10.3)}, 0, 0},
		{"cleared by absence after 68 minutes", []Alarm{alarm(1.2, 2.3), alarm(3.2, 10.3)}, 1, 0},
		{"between two clear spells", []Alarm{alarm(1.2, 6.5), alarm(7.2, 10.3)}, 0, 0},
		{"ten minutes before it is over", []Alarm{alarm(1.2, 9.83)}, 1, 0},
		{"another device goes on", []Alarm{alarm(1.2, 3), alarm(2, 10.3)}, 0, 0},
		{"half a day too long", []Alarm{alarm(1.2, 22)}, 0, 1},
		{"never cleared", []Alarm{alarm(1.2, 0)}, 0, 1},
		{"within two cadences and the time to follow", []Alarm{alarm(1.2, 13.4)}, 0, 0},
	} {
		got := ScoreAlarms(truth, c.alarms)
		if len(got.Broken) != c.broken || len(got.Lingering) != c.lingering || got.EndedWrong != c.broken+c.lingering || got.Perfect() != (got.EndedWrong == 0) {
			t.Errorf("%s: broken %v, lingering %v", c.what, got.Broken, got.Lingering)
		}
	}
	// The index of the hour in which it is over stands two minutes before its end.
	truth.Crossings[0].Statistic = indexStatistic
	for hours, broken := range map[float64]int{10 - 1.0/60: 0, 10 - 3.0/60: 1, 9: 1} {
		if got := ScoreAlarms(truth, []Alarm{alarm(1.2, hours)}); len(got.Broken) != broken {
			t.Errorf("an index's alarm that ends after %v h: broken %v", hours, got.Broken)
		}
	}
	truth.told = func(Crossing) bool { return false }
	if got := ScoreAlarms(truth, []Alarm{alarm(1.2, 0)}); len(got.Lingering) != 0 {
		t.Error("a device that is silent ends no alarm")
	}
}

// A limit of the night is over at six, whenever the device is to report next.
func TestCrossingEndsWithItsHours(t *testing.T) {
	five := time.Date(2026, 2, 10, 22, 37, 0, 0, time.UTC) // 5:37 in Vietnam
	for _, c := range []struct {
		from, to int
		want     string
	}{{21, 6, "23:00"}, {0, 0, "23:37"}} {
		e := episodes{limit: limits.Limit{From: c.from, To: c.to}, make: func() Crossing { return Crossing{} }}
		e.see(five, 60, true)
		e.see(five.Add(time.Hour), 60, false)
		if len(e.all) != 1 || e.all[0].To.Format("15:04") != c.want {
			t.Errorf("of hours %d to %d: %+v, want an end at %s", c.from, c.to, e.all, c.want)
		}
	}
}
