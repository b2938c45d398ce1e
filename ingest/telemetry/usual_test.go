package telemetry_test

import (
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestHintUnit(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, tc := range []struct {
		kind   telemetry.Kind
		metric telemetry.Metric
		value  float64
		want   string // empty: nothing to ask
	}{
		{telemetry.AirQuality, telemetry.CO, 0.6, "0.6 looks like mg/m³ or ppm"},
		{telemetry.AirQuality, telemetry.CO, 600, ""},
		{telemetry.AirQuality, telemetry.O3, 0.03, "looks like mg/m³ or ppm"},
		{telemetry.AirQuality, telemetry.O3, 30, ""},
		{telemetry.AirQuality, telemetry.PM25, 0.016, "looks like mg/m³"},
		{telemetry.AirQuality, telemetry.PM25, 16, ""},
		{telemetry.Weather, telemetry.Temperature, 59, "looks like °F"},
		{telemetry.Weather, telemetry.Temperature, 31, ""},
		{telemetry.Weather, telemetry.Temperature, -8, ""}, // wrong, but in no other unit right
		{telemetry.Weather, telemetry.Humidity, 0.78, "fraction"},
		{telemetry.WaterQuality, telemetry.Conductivity, 0.3, "mS/cm"},
		{telemetry.AirQuality, telemetry.CO, 0, ""},
		{telemetry.AirQuality, telemetry.Level, 1, ""},
	} {
		h, ok := telemetry.HintUnit(tc.kind, cat.Kind(tc.kind).Metric([]byte(tc.metric)), tc.value)
		if ok != (tc.want != "") || ok && (!strings.Contains(h.English(), tc.want) || !strings.Contains(h.Vietnamese(), "có vẻ là")) {
			t.Errorf("%s %s %v: %v, %s", tc.kind, tc.metric, tc.value, ok, h.English())
		}
	}
}
