package table

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func spec(t *testing.T, kind telemetry.Kind, metric telemetry.Metric) *telemetry.MetricSpec {
	t.Helper()
	s := telemetry.NewCatalogue().Kind(kind).Metric([]byte(metric))
	if s == nil {
		t.Fatalf("%s has no %s", kind, metric)
	}
	return s
}

// Conversions, each against a value that stands in tables elsewhere.
func TestUnits(t *testing.T) {
	for _, c := range []struct {
		kind   telemetry.Kind
		metric telemetry.Metric
		unit   string
		v      float64
		want   float64
	}{
		{telemetry.AirQuality, telemetry.CO, "mg/m³", 2.6, 2600},
		{telemetry.AirQuality, telemetry.CO, "mg/m^3", 2.6, 2600},
		{telemetry.AirQuality, telemetry.CO, "ppm", 1, 1144.9},  // EPA: 1 ppm CO is 1.145 mg/m³ at 25 °C
		{telemetry.AirQuality, telemetry.O3, "ppb", 1, 1.9619},  // 1 ppb is 1.96 µg/m³
		{telemetry.AirQuality, telemetry.NO2, "ppb", 1, 1.8804}, // 1.88
		{telemetry.AirQuality, telemetry.SO2, "ppb", 1, 2.6186}, // 2.62
		{telemetry.AirQuality, telemetry.PM25, "μg/m³", 12, 12}, // Greek mu
		{telemetry.AirQuality, telemetry.PM25, "ug/Nm3", 12, 12},
		{telemetry.Weather, telemetry.Temperature, "°F", 212, 100},
		{telemetry.Weather, telemetry.Temperature, "K", 300, 26.85},
		{telemetry.Weather, telemetry.Temperature, "Celsius", 22.2, 22.2},
		{telemetry.Weather, telemetry.Pressure, "Pa", 101325, 1013.25},
		{telemetry.Weather, telemetry.Pressure, "kPa", 101.325, 1013.25},
		{telemetry.Weather, telemetry.Pressure, "mmHg", 760, 1013.25},
		{telemetry.Weather, telemetry.Pressure, "inHg", 29.92, 1013.2},
		{telemetry.Weather, telemetry.WindSpeed, "km/h", 36, 10},
		{telemetry.Weather, telemetry.WindSpeed, "mph", 10, 4.4704},
		{telemetry.Weather, telemetry.WindSpeed, "knots", 10, 5.1444},
		{telemetry.Weather, telemetry.Humidity, "fraction", 0.9, 90},
		{telemetry.Weather, telemetry.Rain, "in", 1, 25.4},
		{telemetry.Weather, telemetry.Rain, "mm/h", 12, 3},
		{telemetry.Weather, telemetry.RainRate, "in/h", 1, 25.4},
		{telemetry.WaterLevel, telemetry.Level, "cm", 1298, 12.98},
		{telemetry.WaterLevel, telemetry.Level, "mm", 1245, 1.245},
		{telemetry.WaterLevel, telemetry.Level, "ft", 10, 3.048},
		{telemetry.WaterLevel, telemetry.Flow, "l/s", 1500, 1.5},
		{telemetry.Traffic, telemetry.Vehicles, "vehicles/hour", 408, 102},
		{telemetry.Traffic, telemetry.Vehicles, "per hour", 408, 102},
		{telemetry.Traffic, telemetry.Vehicles, "veh/min", 2, 30},
		{telemetry.Traffic, telemetry.Speed, "mph", 10, 16.09344},
		{telemetry.WaterQuality, telemetry.Conductivity, "mS/cm", 1.5, 1500},
		{telemetry.WaterQuality, telemetry.DissolvedOxygen, "µg/L", 6500, 6.5},
		{telemetry.WaterQuality, telemetry.Chlorophyll, "mg/L", 0.02, 20},
		{telemetry.WaterQuality, telemetry.Salinity, "‰", 33, 33},
		{telemetry.WaterQuality, telemetry.ORP, "V", 0.2, 200},
		{telemetry.Energy, telemetry.Power, "kW", 1.5, 1500},
		{telemetry.Energy, telemetry.Power, "MW", 1.5, 1.5e6},
		{telemetry.Energy, telemetry.EnergyTotal, "Wh", 26121, 26.121},
		{telemetry.Energy, telemetry.EnergyTotal, "MWh", 2, 2000},
		{telemetry.Noise, telemetry.LAeq, "dB(A)", 61, 61},
	} {
		k, err := newUnits().conversion(spec(t, c.kind, c.metric), c.unit, 15*time.Minute, 25)
		if err != nil {
			t.Errorf("%s in %s: %v", c.metric, c.unit, err)
		} else if have := k.of(c.v); math.Abs(have-c.want) > 5e-5*math.Abs(c.want) {
			t.Errorf("%v %s of %s: have %v, want %v", c.v, c.unit, c.metric, have, c.want)
		}
	}
	for _, c := range []struct {
		metric telemetry.Metric
		unit   string
		want   string
	}{
		{telemetry.Temperature, "hPa", `unit "hPa" is none of temperature`},
		{telemetry.Temperature, "furlong", `unit "furlong" is not known`},
		{telemetry.Pressure, "ppb", "is none of pressure"},
		{telemetry.Rain, "mm/h", "say over which period"},
	} {
		if _, err := newUnits().conversion(spec(t, telemetry.Weather, c.metric), c.unit, 0, 25); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in %s: have %v, want %q", c.metric, c.unit, err, c.want)
		}
	}
}

// Every unit of the catalogue is known, and is the metric's own.
func TestUnitsOfTheCatalogue(t *testing.T) {
	u := newUnits()
	for _, k := range telemetry.NewCatalogue().Kinds() {
		for i := range k.Metrics {
			m := &k.Metrics[i]
			if c, err := u.conversion(m, m.Unit, time.Hour, 25); err != nil || c != (conversion{1, 0}) {
				t.Errorf("%s of %s, in %s: have %v, %v", m.Name, k.Kind, m.Unit, c, err)
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	point, comma := notation{decimal: "."}, notation{decimal: ","}
	german, english, french := notation{",", "."}, notation{".", ","}, notation{",", " "}
	for _, c := range []struct {
		n    notation
		cell string
		v    float64
		rest string
		ok   bool
	}{
		{point, "2.6", 2.6, "", true}, {comma, "2,6", 2.6, "", true}, {comma, " -200 ", -200, "", true}, {point, "2,6", 2, ",6", true},
		{german, "1.234,5", 1234.5, "", true}, {english, "1,234,567.5", 1234567.5, "", true}, {french, "1 234,5", 1234.5, "", true}, {french, "1\u00a0234,5", 1234.5, "", true},
		{english, "1,23", 1, ",23", true}, {point, "22.2°C", 22.2, "°C", true}, {point, "90%", 90, "%", true}, {point, "1245 mm", 1245, "mm", true},
		{point, "1.5e3", 1500, "", true}, {point, "2E-3", 0.002, "", true}, {point, ".5", 0.5, "", true}, {point, "+3", 3, "", true}, {point, "5 eggs", 5, "eggs", true},
		{point, "abc", 0, "abc", false}, {point, "-", 0, "", false}, {point, "", 0, "", false}, {point, "1e999", 0, "", false},
	} {
		v, rest, ok := c.n.number(c.cell)
		if ok != c.ok || ok && (v != c.v || rest != c.rest) {
			t.Errorf("%q: have %v %q %v, want %v %q %v", c.cell, v, rest, ok, c.v, c.rest, c.ok)
		}
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct{ format, zone, text, want string }{
		{"dd/MM/yyyy HH.mm.ss", "+01:00", "10/03/2004 18.00.00", "2004-03-10T17:00:00Z"},
		{"dd/MM/yyyy HH:mm", DefaultZone, "7/3/2004 7:05", "2004-03-07T00:05:00Z"},
		{"MM/dd/yyyy hh:mm:ss a", "UTC", "03/07/2004 01:05:09 PM", "2004-03-07T13:05:09Z"},
		{"yyyyMMddHHmmss", DefaultZone, "20261121103000", "2026-11-21T03:30:00Z"},
		{"yyyyMMdd", "UTC", "20261121", "2026-11-21T00:00:00Z"},
		{"dd-MMM-yyyy HH:mm", "UTC", "05-Nov-2025 14:00", "2025-11-05T14:00:00Z"},
		{"dd/MM/yyyy HH:mm", DefaultZone, "20/11/2025 24:00", "2025-11-20T17:00:00Z"},
		{"iso", DefaultZone, "2016-10-04 07:59:42", "2016-10-04T00:59:42Z"},
		{"iso", DefaultZone, "2016-10-04T07:59:42.123Z", "2016-10-04T07:59:42.123Z"},
		{"iso", DefaultZone, "2016-10-04 07:59:42+02", "2016-10-04T05:59:42Z"},
		{"iso", DefaultZone, "2016-10-04 07:59:42 UTC", "2016-10-04T07:59:42Z"},
		{"iso", "Europe/Madrid", "2022-07-01 12:00:00", "2022-07-01T10:00:00Z"},
		{"unix", "UTC", "1795226400", "2026-11-21T02:00:00Z"},
		{"unix_ms", "UTC", "1795226400123", "2026-11-21T02:00:00.123Z"},
	} {
		k, err := newClock(c.format, c.zone, 0)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		have, err := k.read(c.text)
		if err != nil || have.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s of %q: have %s, %v; want %s", c.format, c.text, have.UTC().Format(time.RFC3339Nano), err, c.want)
		}
	}
	k, _ := newClock("iso", "Europe/Madrid", 0)
	for _, twice := range []string{"2022-10-30 02:00:00", "2022-10-30 02:59:59"} {
		if at, err := k.read(twice); !errors.Is(err, errAmbiguous) || at.UTC().Hour() != 0 {
			t.Errorf("%s: have %v, %v", twice, at, err)
		}
	}
	for _, once := range []string{"2022-10-30 01:59:59", "2022-10-30 03:00:00"} {
		if _, err := k.read(once); err != nil {
			t.Errorf("%s: have %v", once, err)
		}
	}
	for _, bad := range []string{"dd/mm/yyyy", "YYYY-MM-DD", "HH:mm", "2006-01-02"} {
		if _, err := newClock(bad, "UTC", 0); err == nil {
			t.Errorf("%s is taken for a format", bad)
		}
	}
}

// small is a mapping for tables of two columns.
func small() *Mapping {
	return &Mapping{Table: Layout{Delimiter: ",", Header: 1}, Time: Time{Columns: []string{"time"}, Format: "iso", Zone: "UTC"},
		Locality: "nha-trang", Device: "d-1", Kind: "weather", Values: []Value{{Column: "v", Metric: "temperature"}}}
}

// Whatever encoding and packing a table comes in, the same readings come of it.
func TestEncodings(t *testing.T) {
	text, err := os.ReadFile("testdata/vietnam-wide.csv")
	if err != nil {
		t.Fatal(err)
	}
	packed := func(pack func(*bytes.Buffer)) []byte { var b bytes.Buffer; pack(&b); return b.Bytes() }
	encode := func(name string, to func([]byte) ([]byte, error)) []byte {
		b, err := to(text)
		if err != nil {
			t.Fatal(name, err)
		}
		return b
	}
	want := ""
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"utf-8", text},
		{"utf-8 with mark", append([]byte("\ufeff"), text...)},
		{"crlf", bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))},
		{"utf-16le", encode("utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes)},
		{"utf-16be", encode("utf-16be", unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().Bytes)},
		{"tab", bytes.ReplaceAll(text, []byte(";"), []byte("\t"))},
		{"bar", bytes.ReplaceAll(text, []byte(";"), []byte("|"))},
		{"gzip", packed(func(b *bytes.Buffer) { w := gzip.NewWriter(b); w.Write(text); w.Close() })},
		{"zstd", packed(func(b *bytes.Buffer) { w, _ := zstd.NewWriter(b); w.Write(text); w.Close() })},
	} {
		table := fromBytes(t, c.text, "x.csv")
		g, err := table.Guess(telemetry.NewCatalogue(), Given{})
		if err != nil {
			t.Fatal(c.name, err)
		}
		all, _ := convert(t, table, &g.Mapping, Options{})
		var have strings.Builder
		for _, r := range all {
			have.WriteString(readingText(r) + "\n")
		}
		if want == "" {
			want = have.String()
		}
		if have.String() != want || len(all) != 8 {
			t.Errorf("%s: have\n%s", c.name, have.String())
		}
	}
	// Windows-1258 writes tones apart; names come out composed all the same.
	latin, err := charmap.Windows1258.NewEncoder().Bytes([]byte("Ngày;Nhiệt độ\n2025-11-20;23.4\n"))
	if err != nil { // the composed form is not in it: as Windows does, tones apart
		latin, err = charmap.Windows1258.NewEncoder().Bytes([]byte("Nga\u0300y;Nhi\u00ea\u0323t đô\u0323\n2025-11-20;23.4\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	table := fromBytes(t, latin, "x.csv")
	g, err := table.Guess(telemetry.NewCatalogue(), Given{})
	if err != nil || g.Mapping.Table.Encoding != "windows-1258" || len(g.Mapping.Values) != 1 || g.Mapping.Values[0].Metric != "temperature" {
		t.Errorf("have %+v, %v", g, err)
	}
}

// What cannot be taken is counted by its cause, with the first place; strict stops.
func TestFaults(t *testing.T) {
	m := small()
	m.Device = "{d}"
	m.Table.Missing = []string{"-999"}
	text := "time,d,v\n" +
		"2026-01-01T00:00:00Z,a,21\n" +
		"yesterday,a,22\n" +
		"2026-01-01T00:01:00Z,a,\"22,5\"\n" +
		"2026-01-01T00:02:00Z,a,99999\n" +
		"2026-01-01T00:03:00Z,a,-999\n" +
		"2026-01-01T00:03:30Z,a,-999.0\n" +
		"2026-01-01T00:04:00Z,,23\n" +
		"2026-01-01T00:05:00Z,a,23 furlong\n" +
		"2026-01-01T00:00:00Z,a,21\n" +
		"2026-01-01T00:00:00Z,a,21.5\n" +
		"2026-01-01T00:06:00Z,A b,1,extra\n" +
		"2026-01-01T00:07:00Z,A b,24\n" +
		"2026-01-01T00:07:00Z,A-b,24\n" +
		"2026-01-01T00:08:00Z,a,abc\n"
	all, report := convert(t, fromBytes(t, []byte(text), "x.csv"), m, Options{})
	var have []string
	for _, r := range all {
		have = append(have, readingText(r))
	}
	want := []string{"2026-01-01T00:00:00Z kh/nha-trang/weather/a temperature=21.5", "2026-01-01T00:07:00Z kh/nha-trang/weather/A-b temperature=24"}
	if !slices.Equal(have, want) {
		t.Errorf("have %q", have)
	}
	for _, c := range []struct {
		cause string
		line  int
		row   bool
	}{
		{"no time of the format iso", 3, true}, {"what follows the number is no unit", 4, false}, {"outside the catalogue's range", 5, false},
		{"there is no device or no locality", 8, true}, {"a second, different value", 11, false}, {"more than the 3 columns", 12, true},
		{`this device and "A b" would both be A-b`, 14, true}, {"it is no number", 15, false},
	} {
		at := slices.IndexFunc(report.Faults, func(f Fault) bool { return strings.Contains(f.Cause, c.cause) })
		if at < 0 || report.Faults[at].Line != c.line || report.Faults[at].Row != c.row {
			t.Errorf("%s: have %+v", c.cause, report.Faults)
		}
	}
	if report.Outside != 1 || report.Rows != 14 || !report.Sorted {
		t.Errorf("have %+v", report)
	}
	_, err := fromBytes(t, []byte(text), "x.csv").Convert(context.Background(), m, telemetry.NewCatalogue(), Options{Strict: true, Dir: t.TempDir()}, func(Reading) error { return nil })
	if err == nil || !strings.Contains(err.Error(), `line 3, column time: "yesterday"`) {
		t.Errorf("strict: have %v", err)
	}
}

// Amounts of a counter are its growth, also where it begins anew.
func TestCumulative(t *testing.T) {
	m := small()
	m.Values = []Value{{Column: "v", Metric: "rain", Cumulative: true}}
	text := "time,v\n2026-01-01T00:00:00Z,10.2\n2026-01-01T00:20:00Z,12\n2026-01-01T00:10:00Z,10.4\n2026-01-01T00:30:00Z,0.6\n2026-01-01T00:40:00Z,0.6\n"
	all, _ := convert(t, fromBytes(t, []byte(text), "x.csv"), m, Options{})
	var have []float64
	for _, r := range all {
		have = append(have, r.Values[0].Number)
	}
	if want := []float64{0.2, 1.6, 0.6, 0}; !slices.Equal(have, want) {
		t.Errorf("have %v, want %v", have, want)
	}
}

// A table that does not fit into memory is sorted all the same, and leaves no file.
func TestSortOnDisk(t *testing.T) {
	const rows = 5000
	order := rand.New(rand.NewPCG(1, 2)).Perm(rows)
	var text strings.Builder
	text.WriteString("time,v\n")
	for _, i := range order {
		fmt.Fprintf(&text, "%s,%d\n", time.Unix(int64(1_700_000_000+60*i), 0).UTC().Format(time.RFC3339), i%50)
	}
	dir := t.TempDir()
	n := 0
	report, err := fromBytes(t, []byte(text.String()), "x.csv").Convert(context.Background(), small(), telemetry.NewCatalogue(), Options{Dir: dir, Memory: 10_000}, func(r Reading) error {
		if want := int64(1_700_000_000 + 60*n); r.Time.Unix() != want || r.Values[0].Number != float64(n%50) {
			return fmt.Errorf("reading %d is %s", n, readingText(r))
		}
		n++
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if len(left) > 0 {
			return fmt.Errorf("%v has a name", left)
		}
		return err
	})
	if err != nil || n != rows || !report.Sorted {
		t.Errorf("%d readings, %v, %+v", n, err, report)
	}
}

// A quote that is never closed is told, and does not take the file into memory.
func TestUnclosedQuote(t *testing.T) {
	text := "time,v\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,\"2\n" + strings.Repeat("2026-01-01T00:02:00Z,3\n", 100_000)
	_, err := fromBytes(t, []byte(text), "x.csv").Convert(context.Background(), small(), telemetry.NewCatalogue(), Options{Dir: t.TempDir()}, func(Reading) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "line 3: the row is longer than") {
		t.Errorf("have %v", err)
	}
}

func TestNoTable(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "the file is empty"}, {"PK\x03\x04xlsx", "save the sheet as CSV"}, {"%PDF-1.4", "PDF"}, {"one\ntwo\nthree\n", "this is no table"},
		{"time,v\n", "no row below"}, {"a\x00b\x01c\x02,\x00,", "no text"},
	} {
		table, err := Open(strings.NewReader(c.text), "x.csv")
		if err == nil {
			_, err = table.Guess(telemetry.NewCatalogue(), Given{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: have %v, want %q", c.text, err, c.want)
		}
	}
}
