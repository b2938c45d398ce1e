package e2e_test

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tableValue is a value of a foreign table, worked out from its file by hand: what must
// be in the store, and when.
type tableValue struct {
	series, device, at string
	value              float64
}

// Tables of other people become tapes, and replayed into a running city each value
// is in its store, at the time the file says and in the catalogue's unit.
func TestTablesIntoACity(t *testing.T) {
	long(t)
	t.Parallel()
	dir := t.TempDir()
	mqtt := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", mqtt, "--retention", "20000d")
	up.ready()
	for _, file := range []string{"uci.csv", "openaq.csv", "sensor-community-sds011.csv", "iqair.csv", "noaa-lcd.csv", "birmingham.csv", "madrid.csv", "vietnam-wide.csv", "KH_NT_TRAM1_20261121103000.txt"} {
		name := filepath.Join(dir, file+".tape")
		if r := run(t, patience, "tape", "convert", filepath.Join("../../simulator/table/testdata", file), name, "--yes"); r.code != 0 {
			t.Fatalf("convert %s: exit code %d\n%s%s", file, r.code, r.stdout, r.stderr)
		}
		if r := run(t, patience, "replay", name, "--speed", "max", "--broker", "tcp://"+mqtt, "--url", up.url); r.code != 0 {
			t.Fatalf("replay %s: exit code %d\n%s", file, r.code, r.stderr)
		}
	}
	for _, want := range []tableValue{
		{"air_quality_co", "uci", "2004-03-10T17:00:00Z", 2600},                    // 2,6 mg/m³ at 18.00 in Italy
		{"air_quality_humidity", "uci", "2004-03-10T23:00:00Z", 56.8},              // 56,8
		{"air_quality_o3", "openaq-4946811", "2025-07-03T15:40:00Z", 78.475222556}, // 0.04 ppm × 47.9982 / 24.4654 L/mol
		{"air_quality_pm25", "openaq-4946811", "2025-07-03T16:40:00Z", 30.5},
		{"air_quality_pm25", "sensor-11245", "2018-12-01T00:02:48Z", 9}, // P2
		{"air_quality_pm10", "sensor-11245", "2018-12-01T00:02:48Z", 12},
		{"air_quality_temperature", "iqair-Nha-Trang-1", "2025-03-01T00:00:00Z", 22.2}, // "22.2°C"
		{"weather_pressure", "iqair-Nha-Trang-1", "2025-03-01T00:00:00Z", 1013.2},      // 101320 Pa
		{"weather_temperature", "noaa-72505394728", "2013-12-31T17:51:00Z", 0},         // 32 °F
		{"weather_rain", "noaa-72505394728", "2013-12-31T19:51:00Z", 3.048},            // 0.12 in
		{"parking_occupied", "BHMBCCMKT01", "2016-10-04T07:25:42Z", 64},                // in British summer time
		{"traffic_vehicles", "madrid-1001", "2021-12-31T23:15:00Z", 102},               // 408 an hour from 00:00 on
		{"water_level_level", "Dong-Trang", "2025-11-19T22:00:00Z", 13.14},             // 1.314 cm at 05:00
		{"weather_rain", "Dong-Trang", "2025-11-19T21:00:00Z", 12.5},
		{"air_quality_pm25", "KH_NT_TRAM1", "2026-11-21T03:30:00Z", 18.1},
	} {
		at, err := time.Parse(time.RFC3339, want.at)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, want.series+" of "+want.device+" at "+want.at, func() bool {
			have, ok := storedValue(t, up, want, at)
			return ok && have > want.value-1e-6 && have < want.value+1e-6
		})
	}
	if all := quarantined(t, up); len(all) > 0 {
		t.Errorf("in quarantine: %v", all)
	}
	audit(t, up)
	up.stop()
}

// storedValue is what the store has at exactly that time.
func storedValue(t *testing.T, up *process, v tableValue, at time.Time) (float64, bool) {
	t.Helper()
	query := url.Values{"query": {v.series + `{device="` + v.device + `"}[1s]`}, "time": {strconv.FormatInt(at.Unix(), 10)}}
	code, body := up.get("/prometheus/api/v1/query?" + query.Encode())
	var answer struct {
		Data struct{ Result []struct{ Values [][2]any } }
	}
	if err := json.Unmarshal([]byte(body), &answer); code != 200 || err != nil {
		t.Fatalf("query: %d %v %.500s", code, err, body)
	}
	if len(answer.Data.Result) != 1 || len(answer.Data.Result[0].Values) != 1 {
		return 0, false
	}
	text, _ := answer.Data.Result[0].Values[0][1].(string)
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return n, err == nil
}
