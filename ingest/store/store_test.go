package store_test

import (
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestCheckSeries(t *testing.T) {
	good := telemetry.Series{Kind: telemetry.Noise, Locality: "ninh-hoa", Site: "Chợ Dinh, số 1=A", Device: "n:1"}
	if err := store.CheckSeries(good); err != nil {
		t.Errorf("a good series: %v", err)
	}
	for _, c := range []struct {
		want   string
		change func(*telemetry.Series)
	}{
		{"kind is empty", func(s *telemetry.Series) { s.Kind = "" }},
		{"locality is empty", func(s *telemetry.Series) { s.Locality = "" }},
		{"site is not UTF-8", func(s *telemetry.Series) { s.Site = "\xff" }},
		{"site has 257 bytes", func(s *telemetry.Series) { s.Site = telemetry.Site(strings.Repeat("x", 257)) }},
		{"device has a character", func(s *telemetry.Series) { s.Device = "a\nb" }},
		{"device has a character", func(s *telemetry.Series) { s.Device = `a\` }},
	} {
		s := good
		c.change(&s)
		if err := store.CheckSeries(s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", s, err, c.want)
		}
	}
}

func TestRejectedErrorTellsTheFirst(t *testing.T) {
	err := &store.RejectedError{Rejections: []store.Rejection{{Point: 3, Metric: telemetry.PM25, Detail: "too old"}, {Point: 4}}}
	for _, want := range []string{"2", "point 3", "too old"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
}
