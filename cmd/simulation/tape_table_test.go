package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/tape"
)

const uciRows = "Date;Time;CO(GT);PT08.S1(CO);NO2(GT);T;RH;;\r\n" +
	"10/03/2004;18.00.00;2,6;1360;113;13,6;48,9;;\r\n" +
	"10/03/2004;19.00.00;-200;1292;92;13,3;47,7;;\r\n" +
	"10/03/2004;20.00.00;9999;1402;114;11,9;54,0;;\r\n"

// inDir makes files in a folder of their own.
func inDir(t *testing.T, files map[string]string) (file func(string) string) {
	t.Helper()
	dir := t.TempDir()
	file = func(name string) string { return filepath.Join(dir, name) }
	for name, text := range files {
		if err := os.WriteFile(file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func payloads(messages []tape.Message) (all []string) {
	for _, m := range messages {
		all = append(all, m.Topic+" "+string(m.Payload))
	}
	return all
}

// A table is shown first; a guess with doubts waits for --yes, its mapping is saved
// and makes the same of the next file.
func TestTapeConvertTable(t *testing.T) {
	file := inDir(t, map[string]string{"air.csv": uciRows})
	shown := command(t, 0, "tape", "convert", file("air.csv"))
	for _, want := range []string{"UCI air quality", "mg/m³ × 1000 = µg/m³", "co=2600 no2=113", "Ignored: PT08.S1(CO)", "Doubtful: no column says where"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	if out := command(t, 1, "tape", "convert", file("air.csv"), file("no.tape")); !strings.Contains(out, "add --yes") {
		t.Errorf("said %q", out)
	}
	if _, err := os.Stat(file("no.tape")); err == nil {
		t.Error("a doubtful guess was used")
	}
	out := command(t, 0, "tape", "convert", file("air.csv"), file("air.tape"), "--locality", "cam-ranh", "--as", "a-1", "--save-mapping", file("air.yaml"))
	for _, want := range []string{"3 readings of 1 device", "outside the catalogue's range", `line 4, column CO(GT): "co=9.999e+06"`, "--shift-to-now"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	want := []string{
		`kh/cam-ranh/air_quality/a-1 {"ts":1078938000000,"co":2600,"no2":113,"temperature":13.6,"humidity":48.9}`,
		`kh/cam-ranh/air_quality/a-1 {"ts":1078941600000,"no2":92,"temperature":13.3,"humidity":47.7}`,
		`kh/cam-ranh/air_quality/a-1 {"ts":1078945200000,"no2":114,"temperature":11.9,"humidity":54}`,
	}
	if have := payloads(readTape(t, file("air.tape"))); !slices.Equal(have, want) {
		t.Errorf("have %q", have)
	}
	command(t, 0, "tape", "convert", file("air.csv"), file("again.tape"), "--mapping", file("air.yaml"))
	if have := payloads(readTape(t, file("again.tape"))); !slices.Equal(have, want) {
		t.Errorf("by the saved mapping: have %q", have)
	}
	var said struct {
		Messages uint64
		Report   struct{ Outside, Rows uint64 }
	}
	text := command(t, 0, "tape", "convert", file("air.csv"), file("json.tape"), "--mapping", file("air.yaml"), "--json", "--from", "2004-03-10T18:00:00Z")
	if err := json.Unmarshal([]byte(text), &said); err != nil || said.Messages != 2 || said.Report.Outside != 1 || said.Report.Rows != 3 {
		t.Errorf("have %+v, %v: %s", said, err, text)
	}
}

// Whatever ends a conversion early, nothing is left of it, and it says where it was.
func TestTapeConvertTableFails(t *testing.T) {
	file := inDir(t, map[string]string{"air.csv": uciRows, "bad.yaml": "table:\n  delimiter: \";\"\n  header: 1\ntime:\n  columns: [Datum]\n  format: iso\n  zone: UTC\nlocality: x\ndevice: y\nkind: noise\nvalues:\n  - {column: T, metric: laeq}\n",
		"none.csv": "time,pm25\n2026-01-01T00:00:00Z,99999\n", "typo.yaml": "tabel: {}\n",
		"many.csv": "time,id,pm25\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:00:00Z,b,2\n2026-01-01T00:00:00Z,c,3\n"})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{file("air.csv"), file("a.tape"), "--yes", "--strict"}, "line 4, column CO(GT)"},
		{[]string{file("air.csv"), file("a.tape"), "--mapping", file("bad.yaml")}, `there is no column "Datum": there are Date, Time`},
		{[]string{file("air.csv"), file("a.tape"), "--mapping", file("typo.yaml")}, `unknown field "tabel"`},
		{[]string{file("none.csv"), file("a.tape"), "--yes"}, "no reading came of its 1 rows"},
		{[]string{file("many.csv"), file("a.tape"), "--yes", "--as", "one"}, "a column that tells devices apart is missing in device; nothing was written"},
		{[]string{file("air.csv"), file("a.tape"), "--yes", "--device", "x"}, "select from the quarantine"},
		{[]string{file("air.csv"), file("a.xyz"), "--yes"}, "end in .tape, .csv or .jsonl"},
		{[]string{file("air.csv"), file("a.tape"), "--yes", "--save-mapping", file("bad.yaml")}, "exists"},
		{[]string{filepath.Dir(file("a")), file("a.tape")}, "it is a folder"},
	} {
		if out := command(t, 1, append([]string{"tape", "convert"}, c.args...)...); !strings.Contains(out, c.want) {
			t.Errorf("%v says %q, want %q", c.args, out, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var errs strings.Builder
	if code := terminal.Run(ctx, new(simulationLines), []string{"tape", "convert", file("air.csv"), file("a.tape"), "--yes"}, &errs, &errs); code != 1 || !strings.Contains(errs.String(), "interrupted: nothing was written") {
		t.Errorf("interrupted: exit code %d, %s", code, errs.String())
	}
	entries, err := os.ReadDir(filepath.Dir(file("a")))
	if err != nil || len(entries) != 5 {
		t.Errorf("%v was left behind, %v", entries, err)
	}
}

// What other programs recorded of a broker becomes a tape, byte for byte.
func TestTapeConvertRecordings(t *testing.T) {
	const reading = `{"ts":1795226400000,"laeq":61.2}`
	quoted, _ := json.Marshal(reading)
	at := time.Date(2026, 11, 28, 18, 20, 29, 590377000, time.UTC)
	for _, c := range []struct {
		name, text string
		want       []tape.Message
		said       string
	}{
		{"mosquitto_sub -F %j, 2.0.11", `{"tst":"2026-11-28T18:20:29.590377Z+0000","topic":"kh/nha-trang/noise/n-1","qos":1,"retain":0,"payloadlen":32,"mid":1,"payload":` + string(quoted) + "}\n" +
			`{"tst":"2026-11-28T18:20:29.590377Z+0000","topic":"a/b","qos":0,"retain":1,"payloadlen":16,"payload":"Đồng \"Trăng\""}` + "\n" +
			`{"tst":"2026-11-28T18:20:29.590377Z+0000","topic":"bin","qos":0,"retain":0,"payloadlen":3,"payload":"` + "\xff" + `"}` + "\n" +
			`{"tst":"2026-11-28T18:20:29.590377Z+0000","topic":"cut","qos":0,"retain":0,"payloadlen":3,"payload":"A"}` + "\n" +
			`{"tst":"2026-11-28T18:20:29.590377Z+0000","topic":"empty","qos":0,"retain":0,"payloadlen":0,"payload":null}` + "\n" + `{"tst":"2026-11-28T1`,
			[]tape.Message{{At: at, Topic: "kh/nha-trang/noise/n-1", QoS: 1, Payload: []byte(reading)}, {At: at, Topic: "a/b", Retain: true, Payload: []byte(`Đồng "Trăng"`)}, {At: at, Topic: "empty", Payload: []byte{}}},
			"3 lines were left out, such as line 3: the payload was no text"},
		{"mosquitto_sub -F %J, later", `{"tst":"2026-11-29T01:20:29.590377+0700","topic":"kh/nha-trang/noise/n-1","qos":0,"retain":0,"payloadlen":32,"payload":` + reading + "}\n",
			[]tape.Message{{At: at, Topic: "kh/nha-trang/noise/n-1", Payload: []byte(reading)}}, "1 message from"},
		{"mosquitto_sub 1.6", `{"tst":1795890029,"topic":"x","qos":0,"retain":0,"payloadlen":1,"payload":"1"}` + "\n", []tape.Message{{At: time.Unix(1795890029, 0).UTC(), Topic: "x", Payload: []byte("1")}}, "1 message from"},
		{"mqtt_recorder", "kh/nha-trang/noise/n-1,\"{\"\"ts\"\":1795226400000,\"\"laeq\"\":61.2}\",1,False,1795890029.590377,0.52\r\nkh/nha-trang/status/n-1,online,1,True,1795890029.590377,0.0\r\nbroken,row\r\n",
			[]tape.Message{{At: at, Topic: "kh/nha-trang/noise/n-1", QoS: 1, Payload: []byte(reading)}, {At: at, Topic: "kh/nha-trang/status/n-1", QoS: 1, Retain: true, Payload: []byte("online")}}, "1 lines were left out, such as line 3"},
		{"mqtt_recorder in base64", "kh/nha-trang/noise/n-1,eyJ0cyI6MTc5NTIyNjQwMDAwMCwibGFlcSI6NjEuMn0=,0,False,1795890029.590377,0.52\r\nkh/nha-trang/status/n-1,b25saW5l,0,False,1795890029.590377,0.0\r\n",
			[]tape.Message{{At: at, Topic: "kh/nha-trang/noise/n-1", Payload: []byte(reading)}, {At: at, Topic: "kh/nha-trang/status/n-1", Payload: []byte("online")}}, "2 messages"},
		{"recorder of JSON lines", `{"time":1795890029.590377,"qos":1,"retain":false,"topic":"kh/nha-trang/noise/n-1","msg_b64":"eyJ0cyI6MTc5NTIyNjQwMDAwMCwibGFlcSI6NjEuMn0="}` + "\n",
			[]tape.Message{{At: at, Topic: "kh/nha-trang/noise/n-1", QoS: 1, Payload: []byte(reading)}}, "1 message from"},
	} {
		file := inDir(t, map[string]string{"in": c.text})
		out := command(t, 0, "tape", "convert", file("in"), file("out.tape"))
		if have := readTape(t, file("out.tape")); !slices.EqualFunc(have, c.want, func(a, b tape.Message) bool {
			return a.At.Sub(b.At).Abs() <= time.Microsecond && a.Topic == b.Topic && a.QoS == b.QoS && a.Retain == b.Retain && string(a.Payload) == string(b.Payload)
		}) {
			t.Errorf("%s: have %+v", c.name, have)
		}
		if !strings.Contains(out, c.said) {
			t.Errorf("%s: said %q, want %q", c.name, out, c.said)
		}
	}
	file := inDir(t, map[string]string{"in": `{"topic":"x","payload":"1"}` + "\n"})
	if out := command(t, 1, "tape", "convert", file("in"), file("out.tape")); !strings.Contains(out, "none of its lines is a message: line 1: there is no time") {
		t.Errorf("said %q", out)
	}
	if _, err := os.Stat(file("out.tape")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a tape was left: %v", err)
	}
}
