package simulation

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// simulationLines are the command lines of this package.
type simulationLines struct {
	Simulate Simulate `cmd:""`
	Record   Record   `cmd:""`
	Replay   Replay   `cmd:""`
	Tape     Tape     `cmd:""`
	Verify   Verify   `cmd:""`
}

// tryLine runs a command line as main does.
func tryLine(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = terminal.Run(context.Background(), new(simulationLines), args, &out, &errs)
	return code, out.String(), errs.String()
}

// command runs a command line and returns what it printed.
func command(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := terminal.Run(context.Background(), new(simulationLines), args, &out, &out); code != want {
		t.Fatalf("haidang %s: exit code %d, want %d:\n%s", strings.Join(args, " "), code, want, out.String())
	}
	return out.String()
}

// writeTape makes a tape of messages.
func writeTape(t *testing.T, messages ...tape.Message) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "made.tape")
	w, err := tape.Create(name, tape.Header{Made: time.Unix(0, 0), Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func readTape(t *testing.T, name string) []tape.Message {
	t.Helper()
	r, err := tape.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []tape.Message
	for {
		m, err := r.Next()
		if err != nil {
			return out
		}
		out = append(out, m)
	}
}

// What goes to a table or to series comes back as it was.
func TestTapeConvertThereAndBack(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	readings := []tape.Message{
		{At: at, Topic: "kh/cam-lam/status/a-1", QoS: 1, Retain: true, Payload: []byte("online")},
		{At: at, Topic: "kh/nha-trang/air_quality/a-1", QoS: 1, Payload: []byte(`{"ts":1795226400000,"pm25":12.5,"pm10":30,"bat":3.61}`)},
		{At: at.Add(time.Second), Topic: "kh/nha-trang/air_quality/a-1", QoS: 1, Payload: []byte(`{"ts":1795226401000,"pm25":0.1}`)},
	}
	others := []tape.Message{
		{At: at.Add(2 * time.Second), Topic: "kh/x", QoS: 2, Payload: []byte{0xff, 0}},
		{At: at.Add(3 * time.Second), Topic: "kh/\"y\",;\n", Payload: []byte("a,b\r\n\"c\"")},
		{At: at.Add(4 * time.Second), Topic: "kh/z", Payload: []byte{}},
	}
	all := append(append([]tape.Message(nil), readings...), others...)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }

	command(t, 0, "tape", "convert", writeTape(t, all...), file("all.csv"))
	command(t, 0, "tape", "convert", file("all.csv"), file("csv.tape"))
	if got := readTape(t, file("csv.tape")); !reflect.DeepEqual(got, all) {
		t.Errorf("by way of CSV came %+v", got)
	}
	if out := command(t, 0, "tape", "convert", writeTape(t, all...), file("all.jsonl")); !strings.Contains(out, "3 were left out") {
		t.Errorf("said %q", out)
	}
	// What a city computes itself stands in its store beside the readings.
	f, err := os.OpenFile(file("all.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"platform_alarms_firing", "air_quality_index_vn_aqi", "alarm_severity", "site:air_quality_pm25:mean1h"} {
		fmt.Fprintf(f, `{"metric":{"__name__":%q,"locality":"nha-trang","device":"haidang"},"values":[1],"timestamps":[1795226400000]}`+"\n", name)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	command(t, 0, "tape", "convert", file("all.jsonl"), file("jsonl.tape"))
	if got := readTape(t, file("jsonl.tape")); !reflect.DeepEqual(got, readings) {
		t.Errorf("by way of series came %+v", got)
	}
	command(t, 0, "tape", "convert", file("all.csv"), file("slice.tape"), "--from", "2026-11-21T02:00:01Z", "--to", "2026-11-21T02:00:03Z")
	if got := readTape(t, file("slice.tape")); !reflect.DeepEqual(got, all[2:5]) {
		t.Errorf("the slice has %+v", got)
	}
	if out := command(t, 0, "tape", "info", file("csv.tape")); !strings.Contains(out, "Messages  6") {
		t.Errorf("info said %q", out)
	}
}

func TestTapeBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := writeTape(t, tape.Message{At: time.Unix(1, 0).UTC(), Topic: "kh/a", Payload: []byte("1")})
	out := func() string { return filepath.Join(dir, "out.csv") }
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"convert", write("no.tape", strings.Repeat("no tape ", 20)), out()}, "not a tape"},
		{[]string{"convert", write("bad.csv", "when,topic\n1,2\n"), filepath.Join(dir, "o.tape")}, "it is not known what its columns mean"},
		{[]string{"convert", write("time.csv", "time,topic\n2026-11-21T02:00:00Z,a\nyesterday,b\n"), filepath.Join(dir, "o1.tape")}, "line 3: column time is \"yesterday\""},
		{[]string{"convert", write("qos.csv", "time,topic,qos\n2026-11-21T02:00:00Z,a,7\n"), filepath.Join(dir, "o2.tape")}, "MQTT has 0, 1 and 2"},
		{[]string{"convert", write("x.jsonl", `{"metric":{"__name__":"up"},"values":[1],"timestamps":[1]}`), filepath.Join(dir, "o3.tape")}, `series "up" is not one of the catalogue's`},
		{[]string{"convert", good, "out.xyz"}, "end in .tape, .csv or .jsonl"},
		{[]string{"convert", good, good}, "exists"},
		{[]string{"convert", "nowhere", out()}, "quarantine, journal and store"},
		{[]string{"convert", "store", out()}, "--from is missing"},
		{[]string{"convert", good, out(), "--from", "2026-11-22", "--to", "2026-11-21"}, "is after --to"},
	} {
		if got := command(t, 1, append([]string{"tape"}, c.args...)...); !strings.Contains(got, c.want) {
			t.Errorf("tape %v says %q, want %q", c.args, got, c.want)
		}
	}
	// What failed leaves nothing behind: not even a part under another name.
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name == "out.csv" || strings.HasPrefix(name, "o") || strings.HasPrefix(name, ".") {
			t.Errorf("%s was left behind", name)
		}
	}
	nobody := filepath.Join(dir, "nobody.tape")
	if got := command(t, 1, "record", "-o", nobody, "--broker", "tcp://127.0.0.1:1"); !strings.Contains(got, "connect to broker") {
		t.Errorf("said %q", got)
	}
	if _, err := os.Stat(nobody); err == nil {
		t.Error("a recording that never began left a tape")
	}
	if got := command(t, 2, "replay", good, "--from", "tomorrow"); !strings.Contains(got, "is not a time") {
		t.Errorf("said %q", got)
	}
}

// null, and what is no finite number, is a gap in an export of VictoriaMetrics.
func TestConvertSeriesWithGaps(t *testing.T) {
	dir := t.TempDir()
	series := func(metric, values string) string {
		return fmt.Sprintf(`{"metric":{"__name__":%q,"locality":"nha-trang","site":"s","device":"d"},"values":%s,"timestamps":[1795226400000,1795226460000,1795226520000,1795226580000]}`+"\n", metric, values)
	}
	export := filepath.Join(dir, "export.jsonl")
	if err := os.WriteFile(export, []byte(series("air_quality_pm25", `[12.5,null,"Infinity",0]`)+series("air_quality_pm10", `[null,null,20,"NaN"]`)+series("status_online", `[null,1,null,0]`)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.tape")
	command(t, 0, "tape", "convert", export, out)
	var got []string
	for _, m := range readTape(t, out) {
		got = append(got, strings.TrimPrefix(m.Topic, "kh/nha-trang/")+" "+string(m.Payload))
	}
	want := []string{`air_quality/d {"ts":1795226400000,"pm25":12.5}`, `status/d online`, `air_quality/d {"ts":1795226520000,"pm10":20}`,
		`air_quality/d {"ts":1795226580000,"pm25":0}`, `status/d offline`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("have %q\nwant %q", got, want)
	}
}
