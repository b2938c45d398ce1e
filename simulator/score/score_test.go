package score_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
	"github.com/haidang-iot/haidang/simulator/score"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// city is a store with what a pipeline has made of a scenario's messages.
type city struct {
	t       testing.TB
	options score.Options
	fleet   *simulator.Fleet
	store   *embedded.Store
	now     time.Time
	count   int
}

// open makes an empty store for a slice of a shipped scenario.
func open(t testing.TB, name string, from, length time.Duration) *city {
	t.Helper()
	s, err := scenario.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	c := &city{t: t, fleet: fleet, now: s.End}
	now := func() time.Time { return c.now }
	c.store, err = embedded.Open(context.Background(), embedded.Options{Dir: t.TempDir(), Retention: 100 * 365 * 24 * time.Hour, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/prometheus/", c.store.Handler("/prometheus"))
	server := httptest.NewServer(mux)
	client := score.NewClient("", nil)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
	})
	c.options = score.Options{Scenario: s, Retention: simulator.Retention, From: s.Start.Add(from), To: s.Start.Add(from + length), Now: now,
		Received: func(due time.Time) time.Time { return due },
		Store:    &score.Prometheus{URL: server.URL + "/prometheus", Client: client}}
	return c
}

// pipeline makes of a message's point what it stores of it.
type pipeline func(n int, p telemetry.Point) []telemetry.Point

// fill sends the slice through a pipeline; nil is a right one.
func (c *city) fill(through pipeline) {
	c.t.Helper()
	var all []telemetry.Point
	for i := range c.fleet.Devices() {
		d := &c.fleet.Devices()[i]
		for e := range c.fleet.Feed(i, c.options.From, c.options.To) {
			if len(e.Points) == 0 {
				continue
			}
			p := telemetry.Point{Series: telemetry.Series{Kind: d.Kind.Kind, Locality: d.Locality, Site: d.Site(), Device: d.ID}, Time: e.Points[0].Time}
			for _, v := range e.Points {
				p.Values = append(p.Values, telemetry.Value{Spec: d.Kind.Metric([]byte(v.Metric)), Number: v.Value})
			}
			c.count++
			if through == nil {
				all = append(all, p)
			} else {
				all = append(all, through(c.count, p)...)
			}
		}
	}
	for part := range slices.Chunk(all, 1000) {
		if err := c.store.Write(c.t.Context(), part); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *city) score() *score.Report {
	c.t.Helper()
	s, err := score.New(c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := s.Run(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// Through a right pipeline, a fleet with all that can be wrong with devices is
// scored with 100 %, in every slice of its time line.
func TestRightPipeline(t *testing.T) {
	for _, c := range []struct {
		name         string
		from, length time.Duration
	}{
		{"broken-fleet", 9 * time.Hour, 9 * time.Hour}, {"rush-hour", time.Hour, 10 * time.Minute}, {"november-flood", 6 * 24 * time.Hour, 8 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			city := open(t, c.name, c.from, c.length)
			city.fill(nil)
			r := city.score()
			if !r.Perfect || r.Score != 1 || r.Total.Expected < 5000 || len(r.Defects) != 0 {
				t.Errorf("score %v of %+v\n%s", r.Score, r.Total, text(r))
			}
			if m := r.Messages; m.Planned != m.Unsent+m.Stored+m.Partial+m.Quarantined+m.Repeated+m.Unsubscribed || m.Undecided != 0 {
				t.Errorf("messages do not add up: %+v", m)
			}
			t.Logf("%+v", r.Messages)
		})
	}
}

// A part of what was sent is scored with 100 % too: what lies around it is
// neither lost nor unexpected.
func TestSliceOfWhole(t *testing.T) {
	city := open(t, "broken-fleet", 0, 24*time.Hour)
	city.fill(nil)
	for _, from := range []time.Duration{0, 7 * time.Hour, 19 * time.Hour} {
		city.options.From = city.fleet.Start().Add(from)
		city.options.To = city.options.From.Add(90 * time.Minute)
		if r := city.score(); !r.Perfect {
			t.Errorf("slice from %v:\n%s", from, text(r))
		}
	}
}

func text(r *score.Report) string {
	var b strings.Builder
	r.Text(&b, score.English)
	return b.String()
}

const victim = "nt-air-cho-dam-1"

func of(p telemetry.Point, device telemetry.Device) bool { return p.Series.Device == device }

func just(p telemetry.Point) []telemetry.Point { return []telemetry.Point{p} }

// swap exchanges two metrics' numbers.
func swap(p telemetry.Point, a, b telemetry.Metric) telemetry.Point {
	values := slices.Clone(p.Values)
	at := func(m telemetry.Metric) int {
		return slices.IndexFunc(values, func(v telemetry.Value) bool { return v.Spec.Name == m })
	}
	if i, j := at(a), at(b); i >= 0 && j >= 0 {
		values[i].Number, values[j].Number = values[j].Number, values[i].Number
	}
	p.Values = values
	return p
}

// A broken pipeline is caught, and its defect named.
func TestBrokenPipeline(t *testing.T) {
	realserver.Plain(t)
	for _, c := range []struct {
		name   string
		breaks pipeline
		class  score.DefectClass
		says   []string // words of the defect
		counts func(score.Tally) int64
	}{
		{"drops 1 in 500", func(n int, p telemetry.Point) []telemetry.Point {
			if n%500 == 250 {
				return nil
			}
			return just(p)
		}, score.Lossy, []string{"1 in 490 messages is lost", "no pattern"}, func(t score.Tally) int64 { return t.Lost }},
		{"one device 60 s late", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				p.Time = p.Time.Add(time.Minute)
			}
			return just(p)
		}, score.Shifted, []string{"every reading of " + victim, "is 60 s late"}, func(t score.Tally) int64 { return t.WrongTime }},
		{"a whole locality 7 h early", func(_ int, p telemetry.Point) []telemetry.Point {
			if p.Series.Locality == "cam-ranh" {
				p.Time = p.Time.Add(-7 * time.Hour)
			}
			return just(p)
		}, score.Shifted, []string{"devices of cam-ranh", "is 7 h early"}, func(t score.Tally) int64 { return t.WrongTime }},
		{"swaps pm25 and pm10", func(_ int, p telemetry.Point) []telemetry.Point {
			if p.Series.Kind == telemetry.AirQuality {
				p = swap(p, telemetry.PM25, telemetry.PM10)
			}
			return just(p)
		}, score.Swapped, []string{"pm10 and pm25 are swapped in every reading of all", "devices of air_quality"}, func(t score.Tally) int64 { return t.WrongSeries }},
		{"renames a device", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				p.Series.Device, p.Series.Site = "air-99", "air-99"
			}
			return just(p)
		}, score.Elsewhere, []string{"every value of " + victim, "under the device air-99"}, func(t score.Tally) int64 { return t.WrongSeries }},
		{"another locality", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				p.Series.Locality = "cam-lam"
			}
			return just(p)
		}, score.OtherPlace, []string{"in the locality cam-lam"}, func(t score.Tally) int64 { return t.WrongSeries }},
		{"a unit of ten", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				p.Values = slices.Clone(p.Values)
				for i := range p.Values {
					if p.Values[i].Spec.Name == telemetry.NO2 {
						p.Values[i].Number *= 10
					}
				}
			}
			return just(p)
		}, score.Scaled, []string{"no2 is 10 times"}, func(t score.Tally) int64 { return t.WrongValue }},
		{"a metric left out", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				p.Values = slices.DeleteFunc(slices.Clone(p.Values), func(v telemetry.Value) bool { return v.Spec.Name == telemetry.O3 })
			}
			return just(p)
		}, score.Dropped, []string{"o3 is lost in every reading of " + victim}, func(t score.Tally) int64 { return t.Lost }},
		{"a device left out", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				return nil
			}
			return just(p)
		}, score.Silent, []string{"nothing of " + victim}, func(t score.Tally) int64 { return t.Lost }},
		{"whole seconds only", func(_ int, p telemetry.Point) []telemetry.Point {
			p.Time = p.Time.Truncate(time.Second)
			return just(p)
		}, score.Rounded, []string{"rounded to whole seconds"}, func(t score.Tally) int64 { return t.WrongTime }},
		{"stored twice", func(_ int, p telemetry.Point) []telemetry.Point {
			if of(p, victim) {
				q := p
				q.Series.Site = "elsewhere"
				return []telemetry.Point{p, q}
			}
			return just(p)
		}, score.Twice, []string{victim, "more than once"}, func(t score.Tally) int64 { return t.Duplicated }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			city := open(t, "ordinary-day", 7*time.Hour, 45*time.Minute)
			city.fill(c.breaks)
			r := city.score()
			if r.Perfect || c.counts(r.Total) == 0 || len(r.Defects) == 0 {
				t.Fatalf("not caught:\n%s", text(r))
			}
			d := r.Defects[0]
			if d.Class != c.class || !all(d.TextEN, c.says) {
				t.Errorf("the first defect is %s %q, not %s with %q\n%s", d.Class, d.TextEN, c.class, c.says, text(r))
			}
			if len(r.Defects) > 1 {
				t.Errorf("there is one defect, and it names %d:\n%s", len(r.Defects), text(r))
			}
			t.Logf("%s\n%s", d.TextEN, d.TextVI)
			whole := r.Total
			if whole.Expected != whole.Right+whole.Lost+whole.WrongValue+whole.WrongSeries+whole.WrongTime+whole.Undecided {
				t.Errorf("the tally does not add up: %+v", whole)
			}
			if unexpected := whole.Unexpected; unexpected != 0 {
				t.Errorf("%d values are unexpected:\n%s", unexpected, text(r))
			}
		})
	}
}

func all(s string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, w) })
}

// What happens to a time of the whole city is said with its time.
func TestGap(t *testing.T) {
	city := open(t, "ordinary-day", 7*time.Hour, time.Hour)
	from := city.options.From.Add(20 * time.Minute)
	city.fill(func(_ int, p telemetry.Point) []telemetry.Point {
		if p.Time.After(from) && p.Time.Before(from.Add(3*time.Minute)) {
			return nil
		}
		return just(p)
	})
	r := city.score()
	if len(r.Defects) == 0 || !all(r.Defects[0].TextEN, []string{"is lost", "from 2026-03-11 07:20", "to 2026-03-11 07:23"}) {
		t.Errorf("a gap of three minutes:\n%s", text(r))
	}
	lost := int64(0)
	for _, m := range r.Course {
		lost += m.Lost
	}
	if lost == 0 || lost != r.Defects[0].Count {
		t.Errorf("over time %d are lost, the defect is of %d", lost, r.Defects[0].Count)
	}
}

// What should wait in quarantine and does not is told, though every value is
// there; what waits besides is not.
func TestQuarantine(t *testing.T) {
	city := open(t, "broken-fleet", 13*time.Hour, time.Hour)
	city.fill(nil)
	want := map[score.WaitingReason]int64{}
	for i := range city.fleet.Devices() {
		for e := range city.fleet.Feed(i, city.options.From, city.options.To) {
			if e.Fate == simulator.Quarantined || e.Fate == simulator.Partial {
				want[score.WaitingReason{Reason: e.Reason, Partial: e.Fate == simulator.Partial}]++
			}
		}
	}
	missing := int64(0)
	city.options.Quarantine = func(_ context.Context, ours func(string) bool) (score.Waiting, error) {
		if !ours("kh/nha-trang/noises/nt-noise-cho-dam-1") || ours("kh/nha-trang/noise/another") || ours("kh/cam-lam/noise/nt-noise-cho-dam-1") || ours("x") {
			t.Error("it does not know its own topics")
		}
		w := score.Waiting{Reasons: []score.WaitingReason{{Reason: telemetry.Unregistered, Count: 7}}}
		for r, n := range want {
			if r.Reason == telemetry.NotJSON {
				n -= missing
			}
			w.Reasons = append(w.Reasons, score.WaitingReason{Reason: r.Reason, Partial: r.Partial, Count: n})
		}
		return w, nil
	}
	if r := city.score(); !r.Perfect || len(r.Quarantine.Rows) != len(want)+1 || len(want) < 3 {
		t.Errorf("all that should wait does: %+v\n%s", r.Quarantine, text(r))
	}
	missing = 2
	if r := city.score(); r.Perfect || r.Score != 1 || r.Quarantine.Missing != 2 || len(r.Defects) != 1 || r.Defects[0].Class != score.Unquarantined {
		t.Errorf("two do not wait: %+v\n%s", r.Quarantine, text(r))
	}
}

// What hangs on when it was received is undecided where nobody says when that
// was, and no loss.
func TestUndecided(t *testing.T) {
	city := open(t, "broken-fleet", 11*time.Hour, time.Hour)
	city.fill(nil)
	city.options.Received = nil
	city.now = city.now.Add(30 * 24 * time.Hour)
	r := city.score()
	if !r.Perfect || r.Messages.Undecided == 0 || r.Total.Undecided == 0 {
		t.Errorf("%+v\n%s", r.Messages, text(r))
	}
}

func TestErrors(t *testing.T) {
	city := open(t, "rush-hour", 0, 10*time.Minute)
	run := func(change func(o *score.Options)) error {
		o := city.options
		change(&o)
		s, err := score.New(o)
		if err == nil {
			_, err = s.Run(t.Context())
		}
		return err
	}
	if err := run(func(*score.Options) {}); !errors.Is(err, score.ErrNothing) || !strings.Contains(err.Error(), "haidang simulate") {
		t.Errorf("an empty store: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*score.Options)
		says   string
	}{
		"turned round": {func(o *score.Options) { o.From, o.To = o.To, o.From }, "--from"},
		"outside":      {func(o *score.Options) { o.To = o.To.Add(1000 * time.Hour) }, "not within the scenario's time line"},
		"too old": {func(o *score.Options) {
			o.Now = func() time.Time { return city.now.Add(200 * 365 * 24 * time.Hour) }
		}, "--retention"},
		"nobody there": {func(o *score.Options) {
			o.Store = &score.Prometheus{URL: "http://127.0.0.1:1/prometheus", Client: http.DefaultClient}
		}, "is it running there?"},
		"not a store": {func(o *score.Options) {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			o.Store = &score.Influx{URL: server.URL, Bucket: "city", Client: server.Client()}
		}, "404"},
	} {
		if err := run(c.change); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// The page stands on its own, in both languages, and JSON has what it shows.
func TestReport(t *testing.T) {
	city := open(t, "november-flood", 5*24*time.Hour, 6*time.Hour)
	city.fill(func(n int, p telemetry.Point) []telemetry.Point {
		if n%200 == 0 {
			return nil
		}
		if p.Series.Kind == telemetry.AirQuality && p.Series.Locality == "nha-trang" {
			p = swap(p, telemetry.PM25, telemetry.PM10)
		}
		return just(p)
	})
	s, err := score.New(city.options)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Crossings, err = s.FindCrossings(t.Context()); err != nil {
		t.Fatal(err)
	}
	var alarms []score.Alarm
	for _, c := range r.Crossings.Crossings {
		if c.Limit != "flood-bd2-dien-phu" {
			alarms = append(alarms, score.Alarm{Limit: c.Limit, Site: c.Site, Raised: c.From.Add(7 * time.Minute), Cleared: c.To})
		}
	}
	r.Alarms = score.ScoreAlarms(r.Crossings, append(alarms, score.Alarm{Limit: "heat-39", Site: "hon-ba", Raised: r.From.Add(time.Hour)}))
	if a := r.Alarms; a.MissedCount != 1 || a.FalseCount != 1 || a.Raised != a.Expected-1 || a.Raised < 3 {
		t.Errorf("alarms: %+v", a.AlarmTally)
	}
	for _, lang := range []score.Language{score.Vietnamese, score.English} {
		var page bytes.Buffer
		if err := r.HTML(&page, lang); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(page.Bytes(), []byte("<script")) || bytes.Contains(page.Bytes(), []byte("src=")) || bytes.Contains(page.Bytes(), []byte("ZgotmplZ")) {
			t.Errorf("the page in %s needs something else", lang)
		}
		for _, want := range []string{"pm10", "<svg", map[score.Language]string{"vi": "bị tráo cho nhau", "en": "are swapped"}[lang]} {
			if !strings.Contains(page.String(), want) {
				t.Errorf("the page in %s has no %q", lang, want)
			}
		}
		var text bytes.Buffer
		r.Text(&text, lang)
		for _, want := range map[score.Language][]string{
			"vi": {"bỏ sót 1, báo nhầm 1.", "Báo động II tại Diên Phú", "Nắng nóng đặc biệt gay gắt", "Hòn Bà"},
			"en": {"1 were missed, 1 raised for nothing.", "Flood alarm II at Dien Phu", "Extreme heat", "Hòn Bà"},
		}[lang] {
			if !strings.Contains(page.String(), want) || !strings.Contains(text.String(), want) {
				t.Errorf("page or text in %s has no %q", lang, want)
			}
		}
		if !strings.Contains(page.String(), `<rect class="rung"`) {
			t.Errorf("no alarm is on the chart in %s", lang)
		}
		if dir := os.Getenv("SCORE_REPORTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("report-%s.html", lang)), page.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if b, err := json.Marshal(r); err != nil || !bytes.Contains(b, []byte(`"wrong_series"`)) {
		t.Errorf("JSON: %v", err)
	}
}
