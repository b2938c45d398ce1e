package alarm_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sent is what a real gauge sends: a level at each of some hours.
type sent struct {
	hour  int
	level float64
}

// What real gauges send, and the alarms that must come of it: "+" raised, "-" cleared,
// "~" stale at the end.
func TestRealGauges(t *testing.T) {
	realserver.Plain(t)
	for name, c := range map[string]struct {
		site  telemetry.Site
		every time.Duration
		late  time.Duration // that a reading comes after it was measured
		sent  []sent
		to    int // hours
		want  []string
	}{
		"hourly, then a night without values": {"dien-phu", time.Hour, 0, []sent{{0, 6.0}}, 9, []string{"+flood-bd1", "+flood-bd2", "+flood-bd3", "~flood-bd1", "~flood-bd2", "~flood-bd3"}},
		"hourly, midnight is missing": {"dien-phu", time.Hour, 0, []sent{{0, 4.6}, {1, 4.7}, {2, 4.7}, {3, 4.8}, {5, 4.8}, {6, 4.7}, {7, 4.6}, {8, 4.2}}, 9,
			[]string{"+flood-bd1", "-flood-bd1"}},
		"every two hours":   {"dien-phu", 2 * time.Hour, 0, []sent{{0, 4.6}, {2, 4.8}, {6, 4.9}, {8, 4.6}, {10, 4.2}}, 12, []string{"+flood-bd1", "-flood-bd1"}},
		"every three hours": {"dien-phu", 3 * time.Hour, 0, []sent{{0, 4.6}, {3, 4.8}, {9, 4.7}, {12, 4.2}}, 14, []string{"+flood-bd1", "-flood-bd1"}},
		"every six hours":   {"dien-phu", 6 * time.Hour, 0, []sent{{0, 4.6}, {6, 4.8}, {18, 4.7}, {24, 4.2}}, 26, []string{"+flood-bd1", "-flood-bd1"}},
		"57 minutes late":   {"dong-trang", time.Hour, 57 * time.Minute, []sent{{0, 18}}, 2, []string{"+flood-bd1", "+flood-bd2", "+flood-bd3", "+flood-record"}},
		"a rise of 1.7 m/h": {"dong-trang", time.Hour, 0, []sent{{0, 4.75}, {1, 4.75}, {2, 6.52}, {3, 7.95}, {4, 7.95}, {5, 7.9}}, 6, []string{"+flood-rise", "-flood-rise"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, local(2025, 12, 4, 20, 0), "flood-", alarm.Options{})
			p.cadences = []rules.Cadence{{Site: c.site, Device: "wl-1", Kind: telemetry.WaterLevel, Every: c.every}}
			begin := p.now
			var got []string
			open := map[string]bool{}
			for ; p.now.Before(begin.Add(time.Duration(c.to) * time.Hour)); p.now = p.now.Add(4 * time.Minute) {
				for _, s := range c.sent {
					due := begin.Add(time.Duration(s.hour)*time.Hour + c.late)
					if !due.Before(p.now) && due.Before(p.now.Add(4*time.Minute)) {
						p.levelAt(c.site, s.level, due.Add(-c.late))
					}
				}
				if err := p.engine.Evaluate(t.Context(), p.now.Add(4*time.Minute-time.Second)); err != nil {
					t.Fatal(err)
				}
				now := map[string]bool{}
				for _, a := range p.engine.Firing() {
					now[strings.TrimSuffix(a.Rule, "-"+string(c.site))] = true
				}
				for id := range now {
					if !open[id] {
						got = append(got, "+"+id)
					}
				}
				for id := range open {
					if !now[id] {
						got = append(got, "-"+id)
					}
				}
				open = now
			}
			for _, a := range p.engine.Firing() {
				if last := begin.Add(time.Duration(c.sent[len(c.sent)-1].hour) * time.Hour); a.Stale.Equal(last) {
					got = append(got, "~"+strings.TrimSuffix(a.Rule, "-"+string(c.site)))
				}
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("have %v, want %v", got, c.want)
			}
		})
	}
}
