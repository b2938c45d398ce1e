package telemetry_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestCheckID(t *testing.T) {
	for _, tc := range []struct {
		id    string
		about string // in the error; "" where there is none
	}{
		{"nha-trang", ""},
		{"a", ""},
		{"AQ_01.b:7", ""},
		{"0004A30B001C0530", ""},
		{strings.Repeat("x", telemetry.MaxIDLength), ""},
		{"", "it is empty"},
		{strings.Repeat("x", telemetry.MaxIDLength+1), "65 characters; 64 is the limit"},
		{"nha trang", "character 4"},
		{"a/b", "character 2"},
		{"+", "character 1"},
		{"#", "character 1"},
		{"*", "character 1"},
		{"a\x00", "character 2"},
		{"a\n", "character 2"},
		{"đèn-1", "character 1"},
		{"\xff", "character 1"},
		{`a"b`, "character 2"},
		{"a,b=c", "character 2"},
		{"$SYS", "character 1"},
	} {
		err := telemetry.CheckID(tc.id)
		switch {
		case tc.about == "" && err != nil:
			t.Errorf("%q: have %v, want none", tc.id, err)
		case tc.about != "" && (err == nil || !strings.Contains(err.Error(), tc.about)):
			t.Errorf("%q: have %v, want one with %q", tc.id, err, tc.about)
		}
	}
}

func TestMetricCheck(t *testing.T) {
	m := telemetry.NewCatalogue().Kind(telemetry.AirQuality).Metric([]byte(telemetry.Temperature))
	for _, tc := range []struct {
		value  float64
		reason telemetry.Reason
	}{
		{m.Min, ""},
		{m.Max, ""},
		{29.5, ""},
		{math.Nextafter(m.Min, -1000), telemetry.OutOfRange},
		{math.Nextafter(m.Max, 1000), telemetry.OutOfRange},
		{math.NaN(), telemetry.NotFinite},
		{math.Inf(1), telemetry.NotFinite},
		{math.Inf(-1), telemetry.NotFinite},
	} {
		p, ok := m.Check(tc.value)
		if ok != (tc.reason == "") || p.Reason != tc.reason {
			t.Errorf("%v: have %v, %v; want %q", tc.value, p, ok, tc.reason)
		}
		if !ok && (p.Field != string(m.Name) || p.Detail == "") {
			t.Errorf("%v: a problem that does not say what it is: %+v", tc.value, p)
		}
	}
}

func TestProblemIsAnError(t *testing.T) {
	var err error = telemetry.Problem{Reason: telemetry.Empty, Detail: "the payload is empty"}
	if have, want := err.Error(), "empty: the payload is empty"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	err = telemetry.Problem{Field: "pm25", Reason: telemetry.OutOfRange, Detail: "-7 is outside 0 to 1000 µg/m³"}
	if have, want := err.Error(), "out_of_range: pm25: -7 is outside 0 to 1000 µg/m³"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	var p telemetry.Problem
	if !errors.As(err, &p) || p.Field != "pm25" {
		t.Errorf("have %+v from errors.As", p)
	}
}
