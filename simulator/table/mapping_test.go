package table

import (
	"os"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Each fault of a mapping is told with its line and what would be right.
func TestMappingFaults(t *testing.T) {
	const good = `table:
  delimiter: ";"
  header: 1
time:
  columns: [Date]
  format: iso
  zone: UTC
locality: nha-trang
device: d-1
kind: air_quality
values:
  - column: PM
    metric: pm25
  - column: CO
    metric: co
    unit: mg/m³
`
	if _, err := ReadMapping("m.yaml", strings.NewReader(good), telemetry.NewCatalogue()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`delimiter: ";"`, `delimiter: "/"`, `m.yaml:2: table.delimiter: "/" is none of`},
		{"  header: 1", "  header: 1\n  decimal: x", `m.yaml:4: table.decimal: "x" is neither`},
		{"  header: 1", "  header: 1\n  encoding: latin", `m.yaml:4: table.encoding: "latin" is not known`},
		{"  header: 1", "  header: 1\n  thousands: \".\"", `m.yaml:4: table.thousands: "." cannot`},
		{"format: iso", "format: DD.MM", "m.yaml:6: time.format: "},
		{"zone: UTC", "zone: Hanoi", `m.yaml:7: time.zone: zone "Hanoi" is not known`},
		{"columns: [Date]", "columns: []", "m.yaml:5: time.columns: no column says when"},
		{"locality: nha-trang", "locality: Nha Trang", `m.yaml:8: locality: "Nha Trang" is no identifier`},
		{"device: d-1", "device: '{d'", `m.yaml:9: device: "{d" has a {`},
		{"kind: air_quality", "kind: air", `m.yaml:10: kind: there is no kind "air": there are air_quality`},
		{"metric: pm25", "metric: pm2", `m.yaml:13: values[0].metric: air_quality has no metric "pm2": it has pm1`},
		{"metric: co", "metric: pm25", `m.yaml:15: values[1].metric: pm25 of air_quality is already what column "PM" becomes`},
		{"unit: mg/m³", "unit: km/h", `m.yaml:16: values[1].unit: unit "km/h" is none of co`},
		{"unit: mg/m³", "cumulative: true", "m.yaml:16: values[1].cumulative: co is no amount"},
		{"column: CO", "parameter: CO", "values[1].parameter: parameters are rows of a long table"},
		{"unit: mg/m³", "units: mg/m³", `unknown field "units"`},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		_, err := ReadMapping("m.yaml", strings.NewReader(text), telemetry.NewCatalogue())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: have %v, want %q", c.new, err, c.want)
		}
	}
	if _, err := ReadMapping("m.yaml", strings.NewReader(""), telemetry.NewCatalogue()); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("have %v", err)
	}
}

// The mapping in the documentation is one.
func TestDocumentedMapping(t *testing.T) {
	text, err := os.ReadFile("../../docs/tables.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("there is none")
	}
	m, err := ReadMapping("docs/tables.md", strings.NewReader(example), telemetry.NewCatalogue())
	if err != nil || len(m.Values) != 6 || m.Long == nil {
		t.Errorf("have %+v, %v", m, err)
	}
}
