package limits_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// A row that no reading can ever be compared with is a mistake.
func TestTableFitsTheCatalogue(t *testing.T) {
	catalogue := telemetry.NewCatalogue()
	for _, l := range limits.All() {
		kind := catalogue.Kind(l.Kind)
		if kind == nil {
			t.Errorf("%s: no kind %s", l.ID, l.Kind)
			continue
		}
		metric := kind.Metric([]byte(l.Metric))
		switch {
		case metric == nil:
			t.Errorf("%s: %s has no metric %s", l.ID, l.Kind, l.Metric)
			continue
		case (l.Statistic == limits.Sum) != (metric.Form == telemetry.Amount):
			t.Errorf("%s: only amounts are added up", l.ID)
		}
		if l.Statistic != limits.Sum && l.Statistic != limits.Rise {
			if _, ok := metric.Check(l.Value); !ok {
				t.Errorf("%s: %v %s is outside the catalogue's range", l.ID, l.Value, metric.Unit)
			}
		}
		if l.Window <= 0 || l.Severity < limits.Watch || l.Severity > limits.Extreme || l.Basis < limits.Law || l.Basis > limits.Operational {
			t.Errorf("%s: window %v, severity %d, basis %d", l.ID, l.Window, l.Severity, l.Basis)
		}
		if l.NameVI == "" || l.NameEN == "" || l.Reference == "" {
			t.Errorf("%s: a name or its reference is missing", l.ID)
		}
		if strings.Contains(l.NameEN, "2,5") || strings.ContainsAny(l.NameEN, "ổụơửđ") {
			t.Errorf("%s: its name in English is %q", l.ID, l.NameEN)
		}
		if english := strings.ReplaceAll(l.ReferenceEN, "QĐ-TTg", ""); english == "" || strings.ContainsFunc(english, func(r rune) bool { return r > unicode.MaxASCII }) {
			t.Errorf("%s: its reference in English is %q", l.ID, l.ReferenceEN)
		}
	}
}

// At no time are there two rows of one id: which would count?
func TestIDsAreUniqueInForce(t *testing.T) {
	for at := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC); at.Year() < 2032; at = at.AddDate(0, 0, 1) {
		seen := map[string]bool{}
		for _, l := range limits.At(at) {
			if seen[l.ID] {
				t.Fatalf("%s is in force twice on %v", l.ID, at)
			}
			seen[l.ID] = true
		}
	}
}

func TestFinerParticlesSince2026(t *testing.T) {
	for date, want := range map[string]float64{"2023-09-11": 0, "2023-09-12": 50, "2025-12-31": 50, "2026-01-01": 45} {
		at, err := time.ParseInLocation(time.DateOnly, date, time.FixedZone("", 7*3600))
		if err != nil {
			t.Fatal(err)
		}
		var got float64
		for _, l := range limits.At(at) {
			if l.ID == "air-pm25-24h" {
				got = l.Value
			}
		}
		if got != want {
			t.Errorf("on %s PM2.5 may be %v, want %v", date, got, want)
		}
	}
}

func TestHolds(t *testing.T) {
	night := find(t, "noise-ordinary-night")
	for hour, want := range map[int]bool{20: false, 21: true, 23: true, 0: true, 5: true, 6: false, 12: false} {
		at := time.Date(2026, 3, 1, hour, 30, 0, 0, time.FixedZone("", 7*3600)).UTC()
		if got := night.Holds(at); got != want {
			t.Errorf("at %d:30 in Vietnam the limit of the night holds: %v", hour, got)
		}
	}
	if !find(t, "flood-rise").Holds(time.Now()) {
		t.Error("a limit without hours does not hold now")
	}
}

func TestCrossed(t *testing.T) {
	flood, oxygen := find(t, "flood-bd3-dong-trang"), find(t, "farm-do-5")
	if flood.Crossed(10.99) || !flood.Crossed(11) || oxygen.Crossed(5) || !oxygen.Crossed(4.99) {
		t.Error("the limit is crossed on the wrong side")
	}
	if !flood.For("dong-trang", "") || flood.For("dien-phu", "") || oxygen.For("x", limits.AreaRiver) || !oxygen.For("x", limits.AreaAquaculture) {
		t.Error("the limit is about the wrong sites")
	}
}

// A regulation's limit may be reached: "không vượt quá". A flood alarm level may not,
// nor a class of wind or heat; the rain scale says "over".
func TestEqual(t *testing.T) {
	for id, want := range map[string]bool{
		"river-ph-high": false, "river-ph-low": false, "river-tss": false, "river-do": false, "river-nh4-n": false, "river-no2-n": false, "air-pm25-24h": false, "air-co-8h": false,
		"noise-ordinary-night": false, "bathing-nh4-n": false, "farm-do-5": false, "farm-ph-high": false, "farm-salinity-35": false,
		"rain-heavy-24h": false, "rain-very-heavy-24h": false, "rain-very-heavy-12h": false, "rain-80mm-3h": false, "rain-100mm-3h": false, "flood-record-dong-trang": false,
		"flood-bd1-dong-trang": true, "flood-bd3-dien-phu": true, "flood-rise": true, "wind-6": true, "wind-16": true, "heat-35": true, "uv-8": true,
	} {
		l := find(t, id)
		beyond, within := l.Value+0.01, l.Value-0.01
		if l.Below {
			beyond, within = within, beyond
		}
		if l.Crossed(l.Value) != want || !l.Crossed(beyond) || l.Crossed(within) || l.Crossed(math.NaN()) {
			t.Errorf("%s: crossed by %v: %v, want %v; by %v: %v; by %v: %v", id, l.Value, l.Crossed(l.Value), want, beyond, l.Crossed(beyond), within, l.Crossed(within))
		}
	}
}

// Values, dates and basis as the sources have them.
func TestLegalTable(t *testing.T) {
	for _, want := range []struct {
		id    string
		value float64
		basis limits.Basis
		since string
	}{
		{"air-tsp-1h", 300, limits.Secondary, "2023-09-12"}, {"air-tsp-24h", 200, limits.Secondary, "2023-09-12"}, {"air-pm10-24h", 100, limits.Secondary, "2023-09-12"},
		{"river-do", 5, limits.Secondary, "2023-09-12"}, {"river-bod5", 6, limits.Secondary, "2023-09-12"}, {"river-cod", 15, limits.Secondary, "2023-09-12"},
		{"river-tss", 100, limits.Operational, "2023-09-12"}, {"river-nh4-n", 0.3, limits.Law, "2023-09-12"}, {"river-no2-n", 0.05, limits.Law, "2023-09-12"},
		{"bathing-nh4-n", 0.1, limits.Secondary, "2023-09-12"}, {"farm-po4-p", 0.2, limits.Secondary, "2023-09-12"},
		{"farm-ph-low", 7.5, limits.Operational, "0001-01-01"}, {"farm-ph-high", 8.5, limits.Operational, "0001-01-01"},
		{"farm-salinity-33", 33, limits.Operational, "0001-01-01"}, {"farm-salinity-35", 35, limits.Operational, "0001-01-01"}, {"wind-16", 51, limits.Law, "0001-01-01"},
	} {
		l := find(t, want.id)
		if l.Value != want.value || l.Basis != want.basis || l.Since.Format(time.DateOnly) != want.since {
			t.Errorf("%s is %v, basis %d, since %v, want %+v", want.id, l.Value, l.Basis, l.Since, want)
		}
	}
	for _, l := range limits.At(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
		if l.ID == "air-pm25-24h" && (l.Basis != limits.Secondary || strings.Contains(l.Reference, "chưa")) {
			t.Errorf("PM2.5 since 2026: basis %d, %q", l.Basis, l.Reference)
		}
	}
}

func find(t *testing.T, id string) limits.Limit {
	t.Helper()
	for _, l := range limits.All() {
		if l.ID == id {
			return l
		}
	}
	t.Fatalf("no limit %s", id)
	return limits.Limit{}
}
