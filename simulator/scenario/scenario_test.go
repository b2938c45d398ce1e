package scenario_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// update is `go test ./simulator/scenario -update`: it writes what is golden anew.
var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is another (-update accepts it):\n%s", file, diff)
	}
}

// The schema that editors read is that of the keys the reader knows.
func TestSchema(t *testing.T) {
	if !json.Valid(scenario.Schema()) {
		t.Fatal("the schema is not JSON")
	}
	golden(t, "schema.json", scenario.Schema())
}

// first is how much of each scenario is golden: an hour, and of the largest a
// few seconds.
func first(name string) time.Duration {
	if name == "hundred-thousand" {
		return 10 * time.Second
	}
	return time.Hour
}

// The first hour of every shipped scenario has the same bytes on every run, and
// with any number of workers.
func TestShippedFeeds(t *testing.T) {
	var hashes bytes.Buffer
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		fleet, err := simulator.NewScenarioFleet(s)
		if err != nil {
			t.Fatal(err)
		}
		want := digest(fleet, 1, first(name))
		fmt.Fprintf(&hashes, "%s  %s, first %v of %v, %d devices\n", want, name, first(name), s.End.Sub(s.Start), len(fleet.Devices()))
		for _, workers := range []int{3, 8} {
			if got := digest(fleet, workers, first(name)); got != want {
				t.Errorf("%s with %d workers is %s, with one %s", name, workers, got, want)
			}
		}
		again, err := simulator.NewScenarioFleet(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := digest(again, 3, first(name)); got != want {
			t.Errorf("%s made anew is %s, was %s", name, got, want)
		}
	}
	golden(t, filepath.Join("testdata", "feeds.sha256"), hashes.Bytes())
}

// digest is over the digests of the devices' feeds, rendered by some workers.
func digest(fleet *simulator.Fleet, workers int, length time.Duration) string {
	sums := make([][sha256.Size]byte, len(fleet.Devices()))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for d := w; d < len(sums); d += workers {
				h := sha256.New()
				for e := range fleet.Feed(d, fleet.Start(), fleet.Start().Add(length)) {
					fmt.Fprintf(h, "%d %s %s %v\n", e.Due.UnixMilli(), e.Topic, e.Payload, e.Truth)
				}
				h.Sum(sums[d][:0])
			}
		})
	}
	wg.Wait()
	all := sha256.New()
	for _, s := range sums {
		all.Write(s[:])
	}
	return fmt.Sprintf("%x", all.Sum(nil))
}

// Shipped scenarios have titles in both languages, devices with ids and sites of
// their own, and nothing about them is left to how fast the pipeline is.
func TestShippedScenarios(t *testing.T) {
	list, err := scenario.List()
	if err != nil {
		t.Fatal(err)
	}
	want := "broken-fleet haze-week hundred-thousand november-flood ordinary-day rush-hour tet typhoon"
	if got := strings.Join(scenario.Names(), " "); got != want {
		t.Errorf("shipped are %s", got)
	}
	for _, d := range list {
		if d.TitleVI == "" || d.TitleEN == "" || d.Devices < 100 || d.MessagesPerSecond <= 0 || d.Length < time.Hour {
			t.Errorf("%+v", d)
		}
		t.Logf("%s: %d devices, %.1f messages a second, %v", d.Name, d.Devices, d.MessagesPerSecond, d.Length)
		s, err := scenario.Load(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != d.Name {
			t.Errorf("the file %s.yaml has the name %s", d.Name, s.Name)
		}
		fleet, err := simulator.NewScenarioFleet(s)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[telemetry.Device]bool{}
		sites := map[string]bool{}
		for i := range fleet.Devices() {
			dev := &fleet.Devices()[i]
			where := fmt.Sprintf("%s %s", dev.Site(), dev.Kind.Kind)
			if telemetry.CheckID(string(dev.ID)) != nil || telemetry.CheckID(string(dev.Site())) != nil || ids[dev.ID] || sites[where] || dev.SiteName() == "" {
				t.Errorf("%s: device %s at %s", d.Name, dev.ID, where)
			}
			ids[dev.ID], sites[where] = true, true
		}
		if d.Name == "hundred-thousand" && d.Devices != 100_000 {
			t.Errorf("%s has %d devices", d.Name, d.Devices)
		}
	}
}

// A reading whose clock is ahead by just what the pipeline takes would be stored
// or not by chance.
func TestNothingIsLeftToChance(t *testing.T) {
	for _, name := range []string{"broken-fleet"} { // no other has clocks that are wrong
		s, err := scenario.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		fleet, err := simulator.NewScenarioFleet(s)
		if err != nil {
			t.Fatal(err)
		}
		for d := range fleet.Devices() {
			for e := range fleet.Feed(d, fleet.Start(), fleet.End()) {
				if ahead := e.Stamp.Sub(e.Due) - simulator.Ahead; !e.Unsent && ahead.Abs() < time.Minute {
					t.Errorf("%s at %v is %v ahead", fleet.Devices()[d].ID, e.Due, e.Stamp.Sub(e.Due))
				}
			}
		}
	}
}

const sound = `name: mine
period: {start: 2026-03-10 06:00, for: 3h}
fleet:
  - {kind: traffic, count: 3}
`

func TestParse(t *testing.T) {
	s, err := scenario.Parse("mine.yaml", []byte(`
name: mine
title: {vi: Của tôi, en: Mine}
seed: 42
period:
  start: 2026-03-10 06:00
  end: 2026-03-12 06:00
events:
  - {event: rain, from: +3h, to: 2026-03-10T23:00:00Z, strength: 80, localities: [nha-trang]}
fleet:
  - {kind: traffic, localities: [nha-trang], count: 3, every: 30s, jitter: 500ms}
  - kind: air_quality
    places: [cho-dam]
    format: tts
  - {kind: weather, places: all}
faults:
  - {fault: clock, rate: 0.5, lasts: 1d, offset: -1d12h, wards: [22366], share: 0.5}
  - {fault: outage, from: 2026-03-11, to: +30h, lose: true, keep: 7}
`))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 9, 23, 0, 0, 0, time.UTC)
	if !s.Start.Equal(start) || s.End.Sub(s.Start) != 48*time.Hour || s.Seed != 42 || s.TitleVI != "Của tôi" {
		t.Errorf("%+v", s)
	}
	if e := s.Events[0]; !e.From.Equal(start.Add(3*time.Hour)) || !e.To.Equal(start.Add(24*time.Hour)) || e.Strength != 80 {
		t.Errorf("%+v", e)
	}
	if g := s.Fleet[0]; g.Every != 30*time.Second || g.Jitter != 500*time.Millisecond || g.Count != 3 {
		t.Errorf("%+v", g)
	}
	if f := s.Faults[0]; f.Offset != -36*time.Hour || f.Lasts != 24*time.Hour || f.Who.Wards[0] != "22366" || f.Who.Share != 0.5 {
		t.Errorf("%+v", f)
	}
	if f := s.Faults[1]; !f.From.Equal(start.Add(18*time.Hour)) || !f.To.Equal(start.Add(30*time.Hour)) || !f.Lose || f.Keep != 7 {
		t.Errorf("%+v", f)
	}
}

// Each error has the line and column of what is wrong, the key, the value and
// what to do.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "mine.yaml:1:1: the file is empty",
		"- a\n":                      "mine.yaml:1:1: it is a list; a mapping",
		"name: [\n":                  "mine.yaml:",
		"a: 1\n---\nb: 1\n":          "2 documents",
		sound + "colour: red\n":      `mine.yaml:5:1: colour: there is no such key`,
		sound + "sed: 1\n":           "5:1: sed: there is no such key (did you mean seed?)",
		sound + "seed: 1\nseed: 2\n": "",
		sound + "seed: many\n":       `5:7: seed: many is not a whole number`,
		sound + "seed: -1\n":         `5:7: seed: -1 is not a whole number`,
		sound + "seed:\n":            `seed: it has no value`,
		sound + "faults: {}\n":       `5:9: faults: it is a mapping; a list of mappings is needed`,
		sound + "faults:\n  - {fault: gremlins, rate: 1}\n":                        `6:13: faults[0].fault: "gremlins" is none of stuck`,
		sound + "faults:\n  - {fault: stuk, rate: 1}\n":                            `did you mean stuck?`,
		sound + "faults:\n  - {rate: 1}\n":                                         `faults[0]: the key "fault" is missing`,
		sound + "faults:\n  - {fault: stuck}\n":                                    `faults[0]: it never happens: give from and to, or a rate`,
		sound + "faults:\n  - {fault: stuck, rate: 1000}\n":                        `6:26: faults[0].rate: 1000 times`,
		sound + "faults:\n  - {fault: stuck, rate: 1, share: 2}\n":                 `6:36: faults[0].share: 2 is not from 0 to 1`,
		sound + "faults:\n  - {fault: stuck, rate: 1, places: [cho-dom]}\n":        `6:38: faults[0].places[0]: "cho-dom" is none of`,
		sound + "faults:\n  - {fault: stuck, from: soon, to: +1h}\n":               `6:26: faults[0].from: "soon" is not a time; write 2025-11-18 06:00`,
		sound + "faults:\n  - {fault: stuck, from: +1h, to: +9h}\n":                `is not within the period`,
		sound + "faults:\n  - {fault: stuck, rate: 1, lasts: 5 minutes}\n":         `6:36: faults[0].lasts: "5 minutes" is not a length of time; write 90s`,
		sound + "faults:\n  - {fault: clock, rate: 1, offset: 12m}\n":              `6:37: faults[0].offset: the clock gets`,
		sound + "faults:\n  - {fault: outage, from: +1h, to: +2h, lose: 7}\n":      `lose: 7 is not true or false`,
		sound + "events:\n  - {event: rain, from: +1h, to: +2h, strength: 9000}\n": `events[0]: event rain has strength 9000`,
		strings.Replace(sound, "3h", "900d", 1):                                    `2:9: period: it has 900 days`,
		strings.Replace(sound, ", for: 3h", "", 1):                                 `period: its end is missing`,
		strings.Replace(sound, "count: 3", "count: 3.5", 1):                        `4:28: fleet[0].count: 3.5 is not a whole number`,
		strings.Replace(sound, "count: 3", "count: 99999999", 1):                   `4:28: fleet[0].count: 99999999 is not`,
		strings.Replace(sound, "count: 3", "every: 1ms", 1):                        `4:28: fleet[0].every: 1ms is not from 1s`,
		strings.Replace(sound, "traffic", "smell", 1):                              `4:12: fleet[0].kind: "smell" is none of`,
		strings.Replace(sound, "count: 3", "format: lora", 1):                      `"lora" is none of native`,
		strings.Replace(sound, "count: 3", "format: dragino", 1):                   `fleet[0].format: dragino has nothing for traffic`,
		strings.Replace(sound, "mine", "my scenario", 1):                           `1:7: name: "my scenario" cannot be a name`,
		"x: &a 1\n":                "",
		strings.Repeat("a", 5<<20): "4194304 is the limit",
	} {
		_, err := scenario.Parse("mine.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s\nthe error is\n%v\nwant %s", text, err, want)
			continue
		}
		var e *scenario.Error
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.File != "mine.yaml" {
			t.Errorf("%.200s\nhas no place: %v", text, err)
		}
	}
	if _, err := scenario.Load("no-such"); err == nil || !strings.Contains(err.Error(), "november-flood") {
		t.Errorf("an unknown name: %v", err)
	}
}

// No text stops the reader.
func FuzzParse(f *testing.F) {
	f.Add(sound)
	for _, name := range scenario.Names() {
		text, err := scenario.Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a: &b [*b]\n")
	f.Add("? {a: 1}\n: 2\n")
	f.Add("<<: {a: 1}\n")
	f.Add("name: !!binary x\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := scenario.Parse("f.yaml", []byte(text)); err == nil && s.Check() != nil {
			t.Errorf("it is read, but not sound: %v", s.Check())
		}
	})
}
