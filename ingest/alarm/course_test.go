package alarm_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// course is what a device measures, minute by minute, and what must come of it.
type course struct {
	kind    telemetry.Kind
	metric  telemetry.Metric
	rule    string
	cadence time.Duration
	// value is what is measured some minutes after the start; late is how many minutes
	// later it comes, below zero if it is lost.
	value func(minute int) float64
	late  func(minute int) int
	hours int
	// pace is every how many minutes rules are evaluated; zero is one.
	pace int
	// raised and cleared are the minutes of the only alarm; cleared is zero if it is
	// active at the end.
	raised, cleared int
}

func never(int) int { return 0 }

// step is a value until a minute, another until the next, and the first again.
func step(low, high float64, from, to int) func(int) float64 {
	return func(minute int) float64 {
		if minute >= from && minute < to {
			return high
		}
		return low
	}
}

// courses begin at midnight; what is measured at a minute is there in it.
func courses() map[string]course {
	co := course{kind: telemetry.AirQuality, metric: telemetry.CO, rule: "air-co-1h", cadence: 15 * time.Minute, late: never, hours: 9}
	with := func(c course, change func(*course)) course { change(&c); return c }
	return map[string]course{
		"nothing is lost": with(co, func(c *course) {
			// Three of four are over at 3:30, half at 6:15.
			c.value, c.raised, c.cleared = step(10000, 40000, 180, 360), 215, 390
		}),
		// Three readings are lost once the alarm is raised: the hour cannot be judged, and
		// the one before the alarm ends nothing.
		"three in a row are lost": with(co, func(c *course) {
			c.value, c.raised, c.cleared = step(10000, 40000, 180, 360), 215, 390
			c.late = func(minute int) int {
				if minute >= 225 && minute <= 255 {
					return -1
				}
				return 0
			}
		}),
		// A device that is always late by an hour and a half is judged by older hours:
		// those that ended since the alarm was raised.
		"always late": with(co, func(c *course) {
			c.value, c.raised, c.cleared = step(10000, 40000, 180, 360), 335, 510
			c.late = func(int) int { return 90 }
		}),
		"PM2.5 of 50 by the hour for fifty hours": {
			kind: telemetry.AirQuality, metric: telemetry.PM25, rule: "air-pm25-24h", cadence: time.Hour, late: never, hours: 50,
			pace: 4, value: step(50, 50, 0, 0), raised: 17*60 + 8, // five minutes after eighteen readings
		},
		// Of an hour of flood half comes late, the newest first, so that it is raised by
		// that one; the other half comes when newer readings have ended it.
		"late and out of order": {
			kind: telemetry.WaterLevel, metric: telemetry.Level, rule: "flood-bd1-dong-trang", cadence: 5 * time.Minute, hours: 4,
			value: step(7, 9, 60, 120), raised: 110, cleared: 135,
			late: func(minute int) int {
				switch {
				case minute >= 60 && minute < 95:
					return 2 * (95 - minute) // the oldest come last
				case minute >= 95 && minute < 120:
					return 60 // when newer ones have ended it
				}
				return 0
			},
		},
	}
}

// Each course raises one alarm, when it must, and ends it when newer readings say so.
func TestCourses(t *testing.T) {
	realserver.Plain(t)
	for name, c := range courses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := local(2026, 11, 22, 0, 0)
			p := start(t, begin, c.rule, alarm.Options{})
			p.cadences = []rules.Cadence{{Site: "dong-trang", Device: "d-1", Kind: c.kind, Every: c.cadence}}
			spec := p.catalogue.Kind(c.kind).Metric([]byte(c.metric))
			coming := map[int][]telemetry.Point{}
			for minute := 0; minute < c.hours*60; minute += int(c.cadence.Minutes()) {
				if late := c.late(minute); late >= 0 {
					coming[minute+late] = append(coming[minute+late], telemetry.Point{Time: begin.Add(time.Duration(minute) * time.Minute),
						Values: []telemetry.Value{{Spec: spec, Number: c.value(minute)}},
						Series: telemetry.Series{Kind: c.kind, Locality: "nha-trang", Site: "dong-trang", Device: "d-1"}})
				}
			}
			for minute := range c.hours * 60 {
				if err := p.store.Write(t.Context(), coming[minute]); err != nil {
					t.Fatal(err)
				}
				if p.now = begin.Add(time.Duration(minute) * time.Minute); minute%max(1, c.pace) == 0 {
					if err := p.engine.Evaluate(t.Context(), p.now); err != nil {
						t.Fatal(err)
					}
				}
			}
			all := p.all()
			if len(all) != 1 {
				t.Fatalf("%d alarms: %+v", len(all), all)
			}
			if raised, cleared := after(begin, all[0]); raised != c.raised || cleared != c.cleared {
				t.Errorf("raised after %d minutes, want %d; cleared after %d, want %d", raised, c.raised, cleared, c.cleared)
			}
		})
	}
}

// after is how many minutes after a moment an alarm was raised and cleared; 0 is not.
func after(begin time.Time, a ingest.Alarm) (raised, cleared int) {
	raised = int(a.Raised.Sub(begin).Minutes())
	if !a.Active() {
		cleared = int(a.Cleared.Sub(begin).Minutes())
	}
	return raised, cleared
}
