package telemetry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestCatalogueHasEveryKind(t *testing.T) {
	cat := telemetry.NewCatalogue()
	want := []telemetry.Kind{
		"air_quality", "weather", "water_level", "traffic", "noise", "water_quality",
		"street_light", "energy", "waste", "parking", "status",
	}
	if have := len(cat.Kinds()); have != len(want) {
		t.Errorf("have %d kinds, want %d", have, len(want))
	}
	for _, k := range want {
		if spec := cat.Kind(k); spec == nil || spec.Kind != k {
			t.Errorf("kind %s: have %v", k, spec)
		}
	}
	computed := []telemetry.Kind{"air_quality_index", "site_state", "alarm", "canary", "platform"}
	if have := len(cat.Computed()); have != len(computed) {
		t.Errorf("have %d computed kinds, want %d", have, len(computed))
	}
	for _, k := range computed {
		if spec := cat.Kind(k); spec == nil || spec.Kind != k || !spec.Computed {
			t.Errorf("computed kind %s: have %v", k, spec)
		}
	}
	if spec := cat.Kind("tides"); spec != nil {
		t.Errorf("a kind that nobody knows: have %v", spec)
	}
}

// all are the kinds that devices report and those that Hải Đăng computes.
func all(c *telemetry.Catalogue) []telemetry.KindSpec {
	return slices.Concat(c.Kinds(), c.Computed())
}

func TestCatalogueKinds(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, k := range cat.Kinds() {
		if k.Computed {
			t.Errorf("kind %s is computed, and among those that devices report", k.Kind)
		}
	}
	seen := map[telemetry.Kind]bool{}
	for _, k := range all(cat) {
		if seen[k.Kind] {
			t.Errorf("kind %s comes twice", k.Kind)
		}
		seen[k.Kind] = true
		checkName(t, string(k.Kind))
		checkTitle(t, string(k.Kind), k.NameVI)
		checkTitle(t, string(k.Kind), k.NameEN)
		// A state is told when it changes; everything else has its cadence.
		if (k.Cadence > 0) == (k.Kind == telemetry.Status) {
			t.Errorf("kind %s has a cadence of %v", k.Kind, k.Cadence)
		}
	}
}

func TestCatalogueMetrics(t *testing.T) {
	cat := telemetry.NewCatalogue()
	units := map[string]bool{}
	for _, u := range strings.Fields("% ° °C µg/m³ µg/L mg/L µS/cm NTU PSU mV V A W var kWh Hz hPa m m/s m³/s km/h mm mm/h W/m² lx s h kg dBA dBm B d") {
		units[u] = true
	}
	for _, k := range all(cat) {
		seen := map[telemetry.Metric]bool{}
		for i, m := range k.Metrics {
			name := string(k.Kind) + "_" + string(m.Name)
			if seen[m.Name] {
				t.Errorf("%s comes twice", name)
			}
			seen[m.Name] = true
			checkName(t, string(m.Name))
			checkTitle(t, name, m.NameVI)
			checkTitle(t, name, m.NameEN)
			if m.Unit != "" && !units[m.Unit] {
				t.Errorf("%s: unit %q is not one we know", name, m.Unit)
			}
			if !(m.Min < m.Max) || math.IsInf(m.Min, 0) || math.IsInf(m.Max, 0) {
				t.Errorf("%s: range %v to %v", name, m.Min, m.Max)
			}
			switch m.Form {
			case telemetry.Flag:
				if m.Min != 0 || m.Max != 1 || m.Unit != "" {
					t.Errorf("%s: a flag of %v to %v %s", name, m.Min, m.Max, m.Unit)
				}
			case telemetry.Counter, telemetry.Amount:
				if m.Min != 0 {
					t.Errorf("%s: adds up, but may be as little as %v", name, m.Min)
				}
			case telemetry.Gauge:
			default:
				t.Errorf("%s: form %d", name, m.Form)
			}
			if m.Index != i || cat.Kind(k.Kind).Metric([]byte(m.Name)) != &cat.Kind(k.Kind).Metrics[i] {
				t.Errorf("%s: is not found at its place %d", name, i)
			}
		}
		for _, own := range []telemetry.Metric{telemetry.Battery, telemetry.RSSI, telemetry.Sequence, telemetry.QualityCode} {
			if seen[own] == k.Computed {
				t.Errorf("%s: has the device's own %s: %v", k.Kind, own, seen[own])
			}
		}
		if k.Metric([]byte("ts")) != nil {
			t.Errorf("%s has a metric ts, which is the time in payloads", k.Kind)
		}
		if k.Metric([]byte("PM25")) != nil || k.Metric(nil) != nil {
			t.Errorf("%s finds metrics that are not there", k.Kind)
		}
	}
}

// TestCatalogueMetricsAgree holds that a metric of several kinds means the same
// in each, so that one panel can show them all.
func TestCatalogueMetricsAgree(t *testing.T) {
	first := map[telemetry.Metric]telemetry.MetricSpec{}
	for _, k := range all(telemetry.NewCatalogue()) {
		for _, m := range k.Metrics {
			f, ok := first[m.Name]
			if !ok {
				first[m.Name] = m
				continue
			}
			if f.Unit != m.Unit || f.Form != m.Form {
				t.Errorf("%s is in %q (form %d) here and in %q (form %d) in %s", m.Name, f.Unit, f.Form, m.Unit, m.Form, k.Kind)
			}
		}
	}
}

// TestCatalogueUsesEveryConstant reads the package's source: a constant that no
// kind uses is a metric that a board can name and nobody can send.
func TestCatalogueUsesEveryConstant(t *testing.T) {
	used := map[string]bool{}
	for _, k := range all(telemetry.NewCatalogue()) {
		used["Kind "+string(k.Kind)] = true
		for _, m := range k.Metrics {
			used["Metric "+string(m.Name)] = true
		}
	}
	declared := map[string]bool{}
	for _, file := range []string{"catalogue.go", "kinds.go", "computed.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.ValueSpec)
			if !ok || len(c.Values) != 1 {
				return true
			}
			typ, isNamed := c.Type.(*ast.Ident)
			lit, isLit := c.Values[0].(*ast.BasicLit)
			if !isNamed || !isLit || typ.Name != "Metric" && typ.Name != "Kind" {
				return true
			}
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			key := typ.Name + " " + value
			if declared[key] {
				t.Errorf("%s has two constants", key)
			}
			declared[key] = true
			if !used[key] {
				t.Errorf("%s (%s) is not in the catalogue", c.Names[0].Name, key)
			}
			return true
		})
	}
	for key := range used {
		if !declared[key] {
			t.Errorf("%s has no constant", key)
		}
	}
}

func checkName(t *testing.T, name string) {
	t.Helper()
	if !regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`).MatchString(name) {
		t.Errorf("%q is not in snake_case", name)
	}
}

func checkTitle(t *testing.T, of, title string) {
	t.Helper()
	if title == "" || title != strings.TrimSpace(title) || !utf8.ValidString(title) {
		t.Errorf("%s has the title %q", of, title)
	}
}

// What a reading adds up is bounded by the time that it tells of; what real stations
// and places show is in the ranges, whatever their cadence.
func TestRangesFitEveryCadence(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, c := range []struct {
		what   string
		kind   telemetry.Kind
		metric telemetry.Metric
		value  float64
		every  time.Duration
		ok     bool
	}{
		{"Khánh Hiệp's day of 18 November 2025", telemetry.Weather, telemetry.Rain, 476.2, 24 * time.Hour, true},
		{"a day's sum of which the cadence is not known", telemetry.Weather, telemetry.Rain, 1825, 0, true},
		{"the most rain of a day in the world, A Lưới's more than doubled", telemetry.Weather, telemetry.Rain, 1825, 24 * time.Hour, true},
		{"more than that", telemetry.Weather, telemetry.Rain, 2100, 24 * time.Hour, false},
		{"the most of an hour", telemetry.Weather, telemetry.Rain, 401, time.Hour, true},
		{"a day's sum every hour", telemetry.Weather, telemetry.Rain, 476.2, time.Hour, false},
		{"the most of five minutes", telemetry.Weather, telemetry.Rain, 63, 5 * time.Minute, true},
		{"2,000 mm in five minutes", telemetry.Weather, telemetry.Rain, 2000, 5 * time.Minute, false},
		{"a bucket's 200 mm in five minutes", telemetry.Weather, telemetry.Rain, 200, 5 * time.Minute, false},
		{"vehicles of an hour", telemetry.Traffic, telemetry.Vehicles, 30000, time.Hour, true},
		{"vehicles of a day", telemetry.Traffic, telemetry.Vehicles, 300000, 24 * time.Hour, true},
		{"as many in a minute", telemetry.Traffic, telemetry.Vehicles, 30000, time.Minute, false},
		{"a reservoir above the sea", telemetry.WaterLevel, telemetry.Level, 574.1, time.Hour, true},
		{"centimetres", telemetry.WaterLevel, telemetry.Level, 1314, time.Hour, false},
		{"the air at 2,000 m", telemetry.Weather, telemetry.Pressure, 795, time.Hour, true},
		{"brine of a salt pan", telemetry.WaterQuality, telemetry.Salinity, 250, 0, true},
		{"Vân Phong 1 at full load", telemetry.Energy, telemetry.Power, 1.432e9, 0, true},
		{"a substation", telemetry.Energy, telemetry.Voltage, 220000, 0, true},
	} {
		spec := cat.Kind(c.kind).Metric([]byte(c.metric))
		if p, ok := spec.CheckIn(c.value, c.every); ok != c.ok || !ok && (p.Reason != telemetry.OutOfRange || p.Field != string(c.metric)) {
			t.Errorf("%s: %v %s in %v: %v, %+v", c.what, c.value, spec.Unit, c.every, ok, p)
		}
	}
}
