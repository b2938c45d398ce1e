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

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
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
func firing(t *testing.T, h happening, watched []rules.Rule) []string {
	t.Helper()
	text, err := rules.Prometheus(watched, dashboards.Vietnamese)
	if err != nil {
		t.Fatal(err)
	}
	store := promqltest.LoadedStorage(t, "load 5m\n  "+strings.TrimSpace(h.series))
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
	for _, g := range groups {
		for _, r := range g.AlertingRules() {
			r.SetRestored(h.alerts)
		}
	}
	var told []string
	open, evaluated := map[string]bool{}, map[string]time.Duration{}
	for at := h.from; at <= h.to; at += max(h.every, time.Minute) {
		now := time.Unix(0, 0).Add(at)
		seen := map[string]bool{}
		for _, g := range groups {
			if last, ok := evaluated[g.Name()]; !ok || at-last >= g.Interval() {
				g.Eval(t.Context(), now)
				evaluated[g.Name()] = at
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
		if h.to > day {
			stamp = now.UTC().Format("02 15:04")
		}
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

// happening is what is measured and what must be told of it.
type happening struct {
	series   string
	from, to time.Duration
	// every is how often rules are evaluated; zero is once a minute, as they are in
	// a city.
	every time.Duration
	// rules are beginnings of the ids of those that watch.
	rules []string
	want  []string
	// alerts has rules write ALERTS, which the store takes of times after its series'.
	alerts bool
	// swapped are two rules of which the thresholds, exchanged, would tell another
	// story; none where nothing is told.
	swapped [2]string
}

// watched are the rules of all that watch a happening.
func (h happening) watched() []rules.Rule {
	return slices.DeleteFunc(all(), func(r rules.Rule) bool {
		return !slices.ContainsFunc(h.rules, func(prefix string) bool { return strings.HasPrefix(r.ID, prefix) })
	})
}

const day = 24 * time.Hour

// happenings begin at midnight, as the stamps have it; a step of a series is five
// minutes.
func happenings() map[string]happening {
	return map[string]happening{
		// Đồng Trăng: 7 m, 10 cm more every five minutes to 11.5 m, and back. An alarm
		// is raised ten minutes after its level, and cleared fifteen after the water is
		// below it again.
		"flash flood": {
			series: `water_level_level{locality="nha-trang",site="dong-trang",device="wl-1"} 7x23 7.05+0.1x45 11.45-0.1x44 7x24`,
			to:     14 * time.Hour, every: 5 * time.Minute, rules: []string{"flood-"}, swapped: [2]string{"flood-bd1-dong-trang", "flood-bd3-dong-trang"},
			want: []string{
				"02:35 +flood-rise dong-trang",
				"03:00 +flood-bd1-dong-trang dong-trang",
				"04:15 +flood-bd2-dong-trang dong-trang",
				"05:30 +flood-bd3-dong-trang dong-trang",
				"06:20 -flood-rise dong-trang",
				"06:30 -flood-bd3-dong-trang dong-trang",
				"07:45 -flood-bd2-dong-trang dong-trang",
				"09:00 -flood-bd1-dong-trang dong-trang",
			},
		},
		// As it was in November 2025, from the 19th, 1:00, with straight lines between
		// the flood service's values: 11.09 m, 9.02 after 8 h, and 13.14 after 28. It is
		// below III after 21 minutes and below II after
		// 6 h 9 min, over II again after 10 h 20 min and over III after 17 h 37 min.
		"november 2025": {
			series: `water_level_level{locality="nha-trang",site="dong-trang",device="wl-1"} 11.09-0.0215625x95 9.02+0.01716667x120`,
			to:     18 * time.Hour, every: 5 * time.Minute, rules: []string{"flood-bd1-dong", "flood-bd2-dong", "flood-bd3-dong", "flood-record-dong"}, swapped: [2]string{"flood-bd2-dong-trang", "flood-record-dong-trang"},
			want: []string{
				"00:10 +flood-bd1-dong-trang dong-trang",
				"00:10 +flood-bd2-dong-trang dong-trang",
				"00:10 +flood-bd3-dong-trang dong-trang",
				"00:40 -flood-bd3-dong-trang dong-trang",
				"06:25 -flood-bd2-dong-trang dong-trang",
				"10:30 +flood-bd2-dong-trang dong-trang",
				"17:50 +flood-bd3-dong-trang dong-trang",
			},
		},
		// One wild reading is no flood, nor is what the instrument itself calls an
		// error, for however long.
		"faults": {
			series: `
				water_level_level{locality="nha-trang",site="dong-trang",device="wl-1"} 7x10 60 7x30
				water_level_level{locality="nha-trang",site="dien-phu",device="wl-2"} 4x10 12x12 4x30
				water_level_quality{locality="nha-trang",site="dien-phu",device="wl-2"} _x11 2x12 0x30
				air_quality_co{locality="nha-trang",site="cho-dam",device="aq-1"} 400x10 90000x11 400x30
				air_quality_quality{locality="nha-trang",site="cho-dam",device="aq-1"} _x11 1x11 _x30
				weather_rain{locality="nha-trang",site="cho-dam",device="w-1"} 0x10 50 0x30
				weather_quality{locality="nha-trang",site="cho-dam",device="w-1"} _x11 1 _x30`,
			to: 4 * time.Hour, every: 5 * time.Minute, rules: []string{"flood", "rain", "air-co"},
		},
		// A gauge that calibrated this morning still tells of the rain that fell since.
		"rain after calibration": {
			series: `
				weather_rain{locality="nha-trang",site="cho-dam",device="w-1"} 0x5 30 0x11 10x10 0x12
				weather_quality{locality="nha-trang",site="cho-dam",device="w-1"} _x6 1 _x60`,
			to: 3 * time.Hour, every: 5 * time.Minute, rules: []string{"rain-80mm", "rain-100mm"}, swapped: [2]string{"rain-80mm-3h", "rain-100mm-3h"},
			want: []string{
				"02:15 +rain-80mm-3h cho-dam",
				"02:25 +rain-100mm-3h cho-dam",
			},
		},
		// A gauge falls silent in the flood. In a Prometheus that knows nothing of the
		// city's ledger ALERTS itself holds the alarm, past the six hours of news.
		"silent gauge": {
			series: `water_level_level{locality="nha-trang",site="dong-trang",device="wl-1"} 7x5 9x5`,
			to:     9 * time.Hour, rules: []string{"flood-bd1-dong", "flood-bd2-dong"}, alerts: true, swapped: [2]string{"flood-bd1-dong-trang", "flood-bd2-dong-trang"},
			want: []string{"00:40 +flood-bd1-dong-trang dong-trang"},
		},
		// A day's mean, and then silence: rules of long windows are evaluated less often,
		// and ALERTS must still be seen at the next evaluation.
		"silent station": {
			series: `air_quality_pm25{locality="nha-trang",site="cho-dam",device="aq-1"} 60x222`,
			from:   17 * time.Hour, to: 40 * time.Hour, rules: []string{"air-pm25", "air-so2-24h"}, alerts: true, swapped: [2]string{"air-pm25-24h", "air-so2-24h"},
			want: []string{"01 18:04 +air-pm25-24h cho-dam"},
		},
		// Silence as soon as an hour's mean is over the limit: no hour since can be judged,
		// and those from before the alarm end nothing.
		"silent after a peak": {
			series: `air_quality_co{locality="nha-trang",site="cho-dam",device="aq-1"} 10000x35 40000x8`,
			to:     9 * time.Hour, rules: []string{"air-co-1h", "air-so2-1h"}, alerts: true, swapped: [2]string{"air-co-1h", "air-so2-1h"},
			want: []string{"03:45 +air-co-1h cho-dam"},
		},
		// A wet day: 4 mm every five minutes for three hours. Each sum is told once it
		// is reached, those of 12 hours and more within five minutes, and cleared a
		// quarter of an hour after the window holds less.
		"downpour": {
			series: `weather_rain{locality="nha-trang",site="cho-dam",device="w-1"} 0x11 4x35 0x30`,
			to:     6 * time.Hour, every: 5 * time.Minute, rules: []string{"rain-"}, swapped: [2]string{"rain-heavy-24h", "rain-very-heavy-24h"},
			want: []string{
				"02:00 +rain-heavy-24h cho-dam",
				"02:00 +rain-very-heavy-12h cho-dam",
				"02:40 +rain-80mm-3h cho-dam",
				"03:05 +rain-100mm-3h cho-dam",
				"03:05 +rain-very-heavy-24h cho-dam",
				"05:05 -rain-100mm-3h cho-dam",
				"05:30 -rain-80mm-3h cho-dam",
			},
		},
		// The hour's mean of the temperature, over the limit for five minutes: 35 when
		// half an hour of 36 has followed one of 34.
		"heat": {
			series: `weather_temperature{locality="cam-ranh",site="ba-ngoi",device="w-1"} 34x23 36x23 38x23 40x23 34x23`,
			to:     10 * time.Hour, every: 5 * time.Minute, rules: []string{"heat-"}, swapped: [2]string{"heat-35", "heat-39"},
			want: []string{
				"02:30 +heat-35 ba-ngoi",
				"04:30 +heat-37 ba-ngoi",
				"06:30 +heat-39 ba-ngoi",
				"08:25 -heat-39 ba-ngoi",
				"08:45 -heat-37 ba-ngoi",
				"09:05 -heat-35 ba-ngoi",
			},
		},
		// 60 dB are too much where people live at night and not by day, and a mean that
		// reaches back into the day is not the night's. Stamps are of UTC: 22:00 and
		// 6:00 in Vietnam.
		"noise at night": {
			series: `noise_laeq{locality="nha-trang",site="cho-dam",device="n-1"} 60x288`,
			from:   11 * time.Hour, to: 24 * time.Hour, every: 5 * time.Minute, rules: []string{"noise-ordinary"}, swapped: [2]string{"noise-ordinary-day", "noise-ordinary-night"},
			want: []string{
				"15:05 +noise-ordinary-night cho-dam",
				"23:20 -noise-ordinary-night cho-dam",
			},
		},
		// Lobsters at Bình Ba run short of oxygen before dawn.
		"oxygen": {
			series: `water_quality_dissolved_oxygen{locality="cam-ranh",site="binh-ba",device="wq-1"} 6x23 4.5x23 3x23 6x35`,
			to:     10 * time.Hour, every: 5 * time.Minute, rules: []string{"farm-do"}, swapped: [2]string{"farm-do-5", "farm-do-35"},
			want: []string{
				"02:45 +farm-do-5 binh-ba",
				"04:45 +farm-do-35 binh-ba",
				"06:20 -farm-do-35 binh-ba",
				"06:50 -farm-do-5 binh-ba",
			},
		},
		// A day of haze: the hour's index as Hải Đăng writes it.
		"haze": {
			series: `air_quality_index_vn_aqi{locality="nha-trang",site="cho-dam",device="haidang"} 80 _x11 120 _x11 160 _x11 210 _x11 180 _x11 90 _x11 60 _x11 60`,
			to:     7 * time.Hour, rules: []string{"vnaqi-"}, swapped: [2]string{"vnaqi-101", "vnaqi-201"},
			want: []string{
				"01:00 +vnaqi-101 cho-dam",
				"02:00 +vnaqi-151 cho-dam",
				"03:00 +vnaqi-201 cho-dam",
				"04:00 -vnaqi-201 cho-dam",
				"05:00 -vnaqi-101 cho-dam",
				"05:00 -vnaqi-151 cho-dam",
			},
		},
		// 60 µg/m³ of PM2.5 all day are over the day's limit of 45, told when three quarters of the
		// day has been measured.
		"a day's PM2.5": {
			series: `air_quality_pm25{locality="nha-trang",site="cho-dam",device="aq-1"} 60x200 20x300`,
			to:     27 * time.Hour, every: 5 * time.Minute, rules: []string{"air-pm25", "air-so2-24h"}, swapped: [2]string{"air-pm25-24h", "air-so2-24h"},
			want: []string{
				"01 18:00 +air-pm25-24h cho-dam",
				"02 01:55 -air-pm25-24h cho-dam",
			},
		},
		// An outage: first a device, then the site, then the gateway, then the store.
		"outage": {
			series: `
				platform_time_of_day{locality="platform",site="platform",device="haidang"} 8x60
				site_state_devices{locality="nha-trang",site="cho-dam",device="haidang"} 3x24
				site_state_silent{locality="nha-trang",site="cho-dam",device="haidang"} 0x3 1x3 3x5 0x12
				platform_connected{locality="nha-trang",site="platform",device="nha-trang"} 1x8 0x4 1x12
				platform_store_up{locality="platform",site="platform",device="haidang"} 1x12 0x3 1x8
				platform_disk_free{locality="platform",site="platform",device="haidang"} 50x15 5x4 2x3
				platform_disk_size{locality="platform",site="platform",device="haidang"} 100x24`,
			to: 115 * time.Minute, rules: []string{"device-", "site-", "gateway-", "store-", "disk-", "journal-", "ledger-", "certificate-"}, swapped: [2]string{"disk-10", "disk-3"},
			want: []string{
				"00:22 +device-silent cho-dam",
				"00:42 +site-silent cho-dam",
				"00:47 +gateway-down platform",
				"01:07 +store-away platform",
				"01:10 -device-silent cho-dam",
				"01:10 -gateway-down platform",
				"01:10 -site-silent cho-dam",
				"01:22 +disk-10 platform",
				"01:25 -store-away platform",
				"01:47 +disk-3 platform",
			},
		},
		// The ledger: messages are missing, then there are more than were received.
		"ledger": {
			series: `
				platform_time_of_day{locality="platform",site="platform",device="haidang"} 8x60
				platform_missing{locality="nha-trang",site="platform",device="nha-trang"} 0x11 4x5 0x11 -2x5 0x11`,
			to: 4 * time.Hour, rules: []string{"ledger-"}, swapped: [2]string{"ledger-missing", "ledger-surplus"},
			want: []string{
				"01:05 +ledger-missing platform",
				"01:30 -ledger-missing platform",
				"02:35 +ledger-surplus platform",
				"03:00 -ledger-surplus platform",
			},
		},
		// The store is slow, and what waits for it grows old.
		"lag": {
			series: `
				platform_time_of_day{locality="platform",site="platform",device="haidang"} 8x60
				platform_store_delay_p95{locality="platform",site="platform",device="haidang"} 2x11 90x23 2x11
				platform_journal_age{locality="platform",site="platform",device="haidang"} 0x11 300+300x22 0x11`,
			to: 4 * time.Hour, rules: []string{"platform-lag", "journal-"}, swapped: [2]string{"platform-lag", "journal-age"},
			want: []string{
				"01:02 +journal-age platform",
				"01:05 +platform-lag platform",
				"01:57 +journal-age-hour platform",
				"02:55 -journal-age platform",
				"02:55 -journal-age-hour platform",
				"03:00 -platform-lag platform",
			},
		},
	}
}

// Prometheus' own manager tells of each happening what it must.
func TestRulesFire(t *testing.T) {
	realserver.Plain(t)
	for name, h := range happenings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := firing(t, h, h.watched()); !slices.Equal(got, h.want) {
				t.Errorf("have\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(h.want, "\n  "))
			}
		})
	}
}

// With two thresholds exchanged no happening is told as it must be: what is proven
// above depends on them.
func TestSwappedThresholdsAreFound(t *testing.T) {
	realserver.Plain(t)
	for name, h := range happenings() {
		if len(h.want) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			watched := slices.DeleteFunc(h.watched(), func(r rules.Rule) bool { return !slices.Contains(h.swapped[:], r.ID) })
			if len(watched) != 2 {
				t.Fatalf("%v do not both watch", h.swapped)
			}
			want := slices.DeleteFunc(slices.Clone(h.want), func(told string) bool {
				return !slices.ContainsFunc(watched, func(r rules.Rule) bool { return strings.Contains(told, r.ID+" ") })
			})
			one, other := &watched[0], &watched[1]
			one.Value, other.Value = other.Value, one.Value
			if got := firing(t, h, watched); slices.Equal(got, want) {
				t.Errorf("%s and %s may be exchanged, and nobody sees it", one.ID, other.ID)
			}
		})
	}
}
