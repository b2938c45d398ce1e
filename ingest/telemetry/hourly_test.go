package telemetry_test

import (
	"slices"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestHourly(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, c := range []struct {
		kind   telemetry.Kind
		metric telemetry.Metric
		want   []telemetry.Hourly
	}{
		{telemetry.AirQuality, telemetry.PM25, []telemetry.Hourly{telemetry.Mean1h, telemetry.Max1h, telemetry.Min1h}},
		{telemetry.Weather, telemetry.Rain, []telemetry.Hourly{telemetry.Sum1h}},
		{telemetry.Weather, telemetry.WindDirection, []telemetry.Hourly{telemetry.Mean1h}},
		{telemetry.Energy, telemetry.EnergyTotal, []telemetry.Hourly{telemetry.Increase1h}},
		{telemetry.StreetLight, telemetry.On, []telemetry.Hourly{telemetry.Mean1h, telemetry.Max1h}},
		{telemetry.AirQuality, telemetry.Battery, nil},
		{telemetry.AirQuality, telemetry.QualityCode, nil},
	} {
		if have := cat.Kind(c.kind).Metric([]byte(c.metric)).Hourly(); !slices.Equal(have, c.want) {
			t.Errorf("%s of %s: have %v, want %v", c.metric, c.kind, have, c.want)
		}
	}
	pm := cat.Kind(telemetry.AirQuality).Metric([]byte("pm25"))
	if have := string(telemetry.HourlyKind(telemetry.AirQuality)) + "_" + string(pm.HourlyName(telemetry.Mean1h)); have != "site:air_quality_pm25:mean1h" {
		t.Errorf("the series is called %s", have)
	}
}
