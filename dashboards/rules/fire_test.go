package rules_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	prom "github.com/prometheus/prometheus/rules"

	"github.com/haidang-iot/haidang/dashboards/rules"
)

// loaded gives the rendered rules to Prometheus' rule manager.
type loaded struct {
	text   []byte
	parser parser.Parser
}

func (l loaded) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse(l.text, false, model.LegacyValidation, l.parser, slog.New(slog.DiscardHandler))
}

func (l loaded) Parse(q string) (parser.Expr, error) { return l.parser.ParseExpr(q) }

// firing runs the rules over series in promqltest's notation, a value every five
// minutes from the zero of time on, and tells when each alarm was raised and
// cleared: "12:05 +flood-bd1-dong-trang".
func firing(t *testing.T, series string, from, to time.Duration, only func(id string) bool) []string {
	t.Helper()
	text, err := rules.Prometheus(slices.DeleteFunc(all(), func(r rules.Rule) bool { return !only(r.ID) }), "vi")
	if err != nil {
		t.Fatal(err)
	}
	store := promqltest.LoadedStorage(t, "load 5m\n  "+strings.TrimSpace(series))
	defer store.Close()
	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 5_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: p})
	defer engine.Close()
	manager := prom.NewManager(&prom.ManagerOptions{Context: t.Context(), QueryFunc: prom.EngineQueryFunc(engine, store), Appendable: store, Queryable: store,
		NotifyFunc: func(_ context.Context, _ string, _ ...*prom.Alert) {}, Logger: slog.New(slog.DiscardHandler), GroupLoader: loaded{text, p}, Parser: p})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, "rules")
	if errs != nil {
		t.Fatal(errs)
	}
	var told []string
	open := map[string]bool{}
	for at := from; at <= to; at += time.Minute {
		now := time.Unix(0, 0).Add(at)
		seen := map[string]bool{}
		for _, g := range groups {
			if at%g.Interval() == 0 {
				g.Eval(t.Context(), now)
			}
			for _, r := range g.AlertingRules() {
				if r.Health() == prom.HealthBad {
					t.Fatalf("%s: %v", r.Name(), r.LastError())
				}
				for _, a := range r.ActiveAlerts() {
					if a.State == prom.StateFiring {
						seen[r.Name()+" "+a.Labels.Get("site")] = true
					}
				}
			}
		}
		stamp := now.UTC().Format("15:04")
		for id := range seen {
			if !open[id] {
				told = append(told, stamp+" +"+id)
			}
		}
		for id := range open {
			if !seen[id] {
				told = append(told, stamp+" -"+id)
			}
		}
		open = seen
	}
	slices.Sort(told)
	return told
}

func has(prefix string) func(string) bool {
	return func(id string) bool { return strings.HasPrefix(id, prefix) }
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("have\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// A flood at Đồng Trăng: 7 m, 10 cm more every five minutes to 11.5 m, and back.
// An alarm is raised ten minutes after its level, and cleared fifteen after the
// water is below it again.
func TestFlood(t *testing.T) {
	river := `water_level_level{locality="nha-trang",site="dong-trang",device="wl-1"} 7x23 7.05+0.1x45 11.45-0.1x44 7x24`
	got := firing(t, river, 0, 14*time.Hour, has("flood-"))
	expect(t, got,
		"02:35 +flood-rise dong-trang",
		"03:00 +flood-bd1-dong-trang dong-trang",
		"04:15 +flood-bd2-dong-trang dong-trang",
		"05:30 +flood-bd3-dong-trang dong-trang",
		"06:20 -flood-rise dong-trang",
		"06:30 -flood-bd3-dong-trang dong-trang",
		"07:45 -flood-bd2-dong-trang dong-trang",
		"09:00 -flood-bd1-dong-trang dong-trang",
	)
}

// One wild reading is no flood, nor is what the instrument itself calls an error,
// for however long.
func TestFaultsDoNotAlarm(t *testing.T) {
	series := `
		water_level_level{locality="nha-trang",site="dong-trang",device="wl-1"} 7x10 60 7x30
		water_level_level{locality="nha-trang",site="dien-phu",device="wl-2"} 4x10 12x12 4x30
		water_level_quality{locality="nha-trang",site="dien-phu",device="wl-2"} _x11 2x12 0x30
		air_quality_co{locality="nha-trang",site="cho-dam",device="aq-1"} 400x10 90000x11 400x30
		air_quality_quality{locality="nha-trang",site="cho-dam",device="aq-1"} _x11 1x11 _x30
		weather_rain{locality="nha-trang",site="cho-dam",device="w-1"} 0x10 50 0x30
		weather_quality{locality="nha-trang",site="cho-dam",device="w-1"} _x11 1 _x30`
	expect(t, firing(t, series, 0, 4*time.Hour, func(id string) bool { return has("flood")(id) || has("rain")(id) || has("air-co")(id) }))
}

// A gauge that calibrated this morning still tells of the rain that fell since.
func TestRainAfterCalibration(t *testing.T) {
	series := `
		weather_rain{locality="nha-trang",site="cho-dam",device="w-1"} 0x5 30 0x11 10x9 0x12
		weather_quality{locality="nha-trang",site="cho-dam",device="w-1"} _x6 1 _x60`
	expect(t, firing(t, series, 0, 3*time.Hour, has("rain-80mm")), "02:10 +rain-80mm-3h cho-dam")
}

// A day of haze: the hour's index as Hải Đăng writes it.
func TestAirQualityDay(t *testing.T) {
	index := `air_quality_index_vn_aqi{locality="nha-trang",site="cho-dam",device="haidang"} 80 _x11 120 _x11 160 _x11 210 _x11 180 _x11 90 _x11 60 _x11 60`
	got := firing(t, index, 0, 7*time.Hour, has("vnaqi-"))
	expect(t, got,
		"01:00 +vnaqi-101 cho-dam",
		"02:00 +vnaqi-151 cho-dam",
		"03:00 +vnaqi-201 cho-dam",
		"04:00 -vnaqi-201 cho-dam",
		"05:00 -vnaqi-101 cho-dam",
		"05:00 -vnaqi-151 cho-dam",
	)
}

// An outage: first a device, then the site, then the gateway, then the store.
func TestOutage(t *testing.T) {
	series := `
		site_state_devices{locality="nha-trang",site="cho-dam",device="haidang"} 3x24
		site_state_silent{locality="nha-trang",site="cho-dam",device="haidang"} 0x3 1x3 3x5 0x12
		platform_connected{locality="nha-trang",site="platform",device="nha-trang"} 1x8 0x4 1x12
		platform_store_up{locality="platform",site="platform",device="haidang"} 1x12 0x3 1x8
		platform_missing{locality="nha-trang",site="platform",device="nha-trang"} 0x12 4x3 0x8
		platform_disk_free{locality="platform",site="platform",device="haidang"} 50x20 2x3
		platform_disk_size{locality="platform",site="platform",device="haidang"} 100x24`
	got := firing(t, series, 0, 115*time.Minute, func(string) bool { return true })
	expect(t, got,
		"00:22 +device-silent cho-dam",
		"00:42 +site-silent cho-dam",
		"00:47 +gateway-down platform",
		"01:07 +store-away platform",
		"01:10 +ledger-missing platform",
		"01:10 -device-silent cho-dam",
		"01:10 -gateway-down platform",
		"01:10 -site-silent cho-dam",
		"01:25 -ledger-missing platform",
		"01:25 -store-away platform",
		"01:47 +disk-10 platform",
		"01:47 +disk-3 platform",
	)
}

// A noisy evening: 60 dB is too much where people live from 21:00 on, and a mean
// that reaches back into the day is not the night's.
func TestNoiseAtNight(t *testing.T) {
	noise := `noise_laeq{locality="nha-trang",site="cho-dam",device="n-1"} 60x288`
	got := firing(t, noise, 11*time.Hour, 24*time.Hour, has("noise-ordinary-night"))
	expect(t, got, // UTC: 22:00 and 06:00 in Vietnam
		"15:05 +noise-ordinary-night cho-dam",
		"23:16 -noise-ordinary-night cho-dam",
	)
}
