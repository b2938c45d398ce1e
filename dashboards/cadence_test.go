package dashboards_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// spans are the pauses that lines are drawn through on a board, by panel: the
// panel's own under "", and those of single series.
func spans(t *testing.T, p dashboards.Province, id string) map[string]map[string]time.Duration {
	t.Helper()
	var m struct {
		Panels []struct {
			Title       string
			FieldConfig struct {
				Defaults struct {
					Custom struct{ SpanNulls any }
				}
				Overrides []struct {
					Matcher    struct{ Options any }
					Properties []struct {
						ID    string
						Value any
					}
				}
			}
		}
	}
	for _, b := range dashboards.Boards(p) {
		if b.ID != id {
			continue
		}
		text, err := b.Render(p, dashboards.Options{Lang: dashboards.English, Dialect: dashboards.Dialect{Language: dashboards.PromQL, Catalogue: telemetry.NewCatalogue()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]map[string]time.Duration{}
	for _, panel := range m.Panels {
		of := map[string]time.Duration{}
		add := func(name string, v any) {
			if ms, ok := v.(float64); ok {
				of[name] = time.Duration(ms-1) * time.Millisecond
			}
		}
		add("", panel.FieldConfig.Defaults.Custom.SpanNulls)
		for _, o := range panel.FieldConfig.Overrides {
			for _, p := range o.Properties {
				if p.ID == "custom.spanNulls" {
					add(o.Matcher.Options.(string), p.Value)
				}
			}
		}
		out[panel.Title] = of
	}
	return out
}

// Lines are drawn through three cadences of the station, and no longer.
func TestLinesSpanThreeCadences(t *testing.T) {
	site := func(id string, every time.Duration) dashboards.Site {
		return dashboards.Site{Site: devices.Site{ID: telemetry.Site(id), Name: strings.ToUpper(id), Locality: "nha-trang"}, Kinds: []telemetry.Kind{telemetry.WaterLevel},
			Cadences: []dashboards.Cadence{{Device: telemetry.Device(id), Kind: telemetry.WaterLevel, Every: every}}}
	}
	p := dashboards.Province{Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Sites: []dashboards.Site{
		site("minutes", 5*time.Minute), site("hourly", time.Hour), site("six", 6*time.Hour), site("dong-trang", time.Hour)}}
	for name, c := range map[string]struct {
		p           dashboards.Province
		board, line string
		want        map[string]time.Duration
	}{
		"each site its own":       {p, "locality", "Water level", map[string]time.Duration{"": 15 * time.Minute, "hourly": 3 * time.Hour, "six": 18 * time.Hour, "dong-trang": 3 * time.Hour}},
		"several: the slowest":    {p, "site", "Water level", map[string]time.Duration{"": 18 * time.Hour}},
		"nobody has said":         {dashboards.Province{Now: p.Now}, "locality", "Water level", map[string]time.Duration{"": 18 * time.Hour}},
		"nobody has said, of air": {dashboards.Province{Now: p.Now}, "locality", "PM2.5", map[string]time.Duration{"": 3 * time.Hour}},
		"a day is missing":        {dashboards.Province{Now: p.Now}, "weather", "Temperature by day, mean of the stations", map[string]time.Duration{"": 24 * time.Hour}},
		"what is computed":        {dashboards.Province{Now: p.Now}, "platform", "CPU", map[string]time.Duration{"": 45 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			have := spans(t, c.p, c.board)[c.line]
			if len(have) != len(c.want) {
				t.Errorf("have %v, want %v", have, c.want)
			}
			for series, want := range c.want {
				if have[series] != want {
					t.Errorf("%q spans %v, want %v", series, have[series], want)
				}
			}
		})
	}
}

// What a counter grew by is asked of its hours: the stores' own functions take a dip
// for a reset.
func TestNoCounterIsCountedByTheStore(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, l := range []dashboards.Language{dashboards.PromQL, dashboards.InfluxQL} {
		some := 0
		o := dashboards.Options{Lang: dashboards.English, Dialect: dashboards.Dialect{Language: l, Catalogue: cat}}
		for _, b := range dashboards.Boards(dashboards.Province{Now: time.Now()}) {
			for _, o.Wall = range []bool{false, true} {
				all, err := b.Questions(dashboards.Province{Now: time.Now()}, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, q := range all {
					k := cat.Kind(q.Kind)
					if k.Computed || q.Values || k.Metric([]byte(q.Metric)).Form != telemetry.Counter {
						continue
					}
					some++
					if strings.Contains(q.Text, "increase(") || strings.Contains(q.Text, "difference(") || !strings.Contains(q.Text, ":increase1h") {
						t.Errorf("%s, %s: %s", q.Board, q.Panel, q.Text)
					}
				}
			}
		}
		if some == 0 {
			t.Errorf("no board asks for a counter in %s", l)
		}
	}
}
