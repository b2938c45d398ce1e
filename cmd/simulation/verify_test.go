package simulation

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
)

func TestVerifyCommandLine(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"verify", 2, "--scenario"},
		{"verify --scenario rush-our", 1, "rush-hour"},
		{"verify --scenario rush-hour --from yesterday", 2, "2026-11-21 18:30"},
		{"verify --scenario rush-hour --from 2026-03-10T08:00 --to 2026-03-10T07:00", 2, "not after --from"},
		{"verify --scenario rush-hour --from 2026-03-11", 1, "--at"},
		{"verify --scenario rush-hour --influx http://127.0.0.1:1", 2, "--influx-bucket"},
		{"verify --scenario rush-hour --influx http://127.0.0.1:1 --influx-bucket b --prometheus http://127.0.0.1:1", 2, "in one store"},
		{"verify --scenario rush-hour --prometheus 127.0.0.1:8428", 2, "http://127.0.0.1:8428"},
		{"verify --scenario rush-hour --sent soon", 2, "--sent"},
		{"verify --scenario rush-hour --sent 2026-11-22 --speed fast", 2, "60x"},
		{"verify --scenario rush-hour --follow --every 1ms", 2, "100ms"},
		{"verify --scenario rush-hour --lang fr", 2, "vi"},
		{"verify --scenario rush-hour --cadence often", 2, "x1 to x1000"},
		{"verify --scenario rush-hour --cadence x900", 1, "75h0m0s is not from"},
		{"verify --scenario rush-hour --loss 110%", 2, "0% to 90%"},
		{"simulate --cadence x12", 2, "add --scenario NAME"},
		{"verify --scenario rush-hour --alarms=maybe", 2, "--alarms=replayed"},
		{"verify --scenario rush-hour --rules table", 1, "add --alarms"},
		{"verify --scenario rush-hour --alarms=raised --rules table", 1, "leave one of them out"},
		{"verify --scenario rush-hour --alarms --influx http://127.0.0.1:1 --influx-bucket b", 1, "PromQL"},
		{"verify --scenario rush-hour --alarms --url http://127.0.0.1:1", 1, "uses and limits of sites"},
	} {
		code, stdout, stderr := tryLine(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("haidang %s: exit code %d, stderr %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

func TestReceived(t *testing.T) {
	from := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	due := from.Add(time.Hour)
	for _, c := range []struct {
		sent, speed string
		want        time.Time
	}{
		{"due", "max", due},
		{"2026-11-22T00:00:00Z", "max", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)},
		{"2026-11-22T00:00:00Z", "60x", time.Date(2026, 11, 22, 0, 1, 0, 0, time.UTC)},
		{"2026-11-22 07:00", "0.5", time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)},
	} {
		received, err := (&Verify{Sent: c.sent, Speed: c.speed}).received(from)
		if err != nil || !received(due).Equal(c.want) {
			t.Errorf("--sent %s --speed %s: %v, want %v", c.sent, c.speed, received(due), c.want)
		}
	}
	if received, err := (&Verify{}).received(from); received != nil || err != nil {
		t.Errorf("without --sent: %v", err)
	}
}

func TestAlarmsThatAreScored(t *testing.T) {
	from := time.Date(2026, 3, 10, 6, 0, 0, 0, time.UTC)
	start := from.Format(time.RFC3339)
	for _, c := range []struct {
		command       Verify
		alarms, rules string
	}{
		{Verify{}, "", ""},
		{Verify{alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "replayed", "city"},
		{Verify{Sent: "due", alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "raised", ""},
		{Verify{Follow: true, alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "raised", ""},
		{Verify{Sent: start, Speed: "1x", alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "raised", ""},
		{Verify{Sent: start, Speed: "60x", alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "replayed", "city"},
		{Verify{Sent: "due", alarmScoring: alarmScoring{Alarms: alarmsAuto, Rules: "my.yaml"}}, "replayed", "my.yaml"},
		{Verify{Sent: "due", alarmScoring: alarmScoring{Alarms: alarmsReplayed}}, "replayed", "city"},
		{Verify{Prometheus: "http://127.0.0.1:8428", alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "replayed", "table"},
		{Verify{Prometheus: "http://127.0.0.1:8428", ClientFlags: terminal.ClientFlags{URL: "http://city:8080"}, alarmScoring: alarmScoring{Alarms: alarmsAuto}}, "replayed", "city"},
	} {
		if c.command.URL == "" {
			c.command.URL = terminal.DefaultURL
		}
		if err := c.command.settleAlarms(from); err != nil || string(c.command.Alarms) != c.alarms || c.command.Rules != c.rules {
			t.Errorf("alarms %q by rules %q, %v; want %q by %q", c.command.Alarms, c.command.Rules, err, c.alarms, c.rules)
		}
	}
}

// A rule file that is wrong is told of before anything is asked.
func TestRuleFileIsReadFirst(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	rule := "groups:\n- name: x\n  rules:\n  - alert: flood-rise\n    expr: "
	for file, want := range map[string]string{
		filepath.Join(dir, "none.yaml"):                                                    "city, table or a Prometheus rule file",
		write("list.yaml", "hello\n"):                                                      "list.yaml",
		write("promql.yaml", rule+"rate(up[5m]\n"):                                         "unclosed left parenthesis",
		write("twice.yaml", rule+"up\n- name: x\n"):                                        "repeated",
		write("field.yaml", rule+"up\n    unless: midnight"):                               "unless",
		write("own.yaml", "groups:\n- name: x\n  rules:\n  - alert: ours\n    expr: up\n"): "none of its 1 alerts can be scored",
		write("empty.yaml", ""):                                                            "none of its 0 alerts",
	} {
		var out, errs bytes.Buffer
		args := []string{"verify", "--scenario", "rush-hour", "--url", "http://127.0.0.1:1", "--prometheus", "http://127.0.0.1:1", "--alarms=replayed", "--rules", file}
		if code := terminal.Run(t.Context(), new(simulationLines), args, &out, &errs); code != 1 || !strings.Contains(errs.String(), want) || strings.Contains(errs.String(), "refused") {
			t.Errorf("%s: exit code %d, want 1 and %q: %s", file, code, want, errs.String())
		}
	}
}

// Silence on a rule that is not scored would read as praise.
func TestRulesThatAreNotScoredAreNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte("groups:\n- name: x\n  rules:\n  - alert: flood-rise\n    expr: up\n  - alert: ours\n    expr: up\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	if err := (&Verify{alarmScoring: alarmScoring{Alarms: alarmsReplayed, Rules: file}}).checkRules(&errs); err != nil || !strings.HasPrefix(errs.String(), "Not scored of "+file+": ours: ") {
		t.Errorf("%v, and it says %q", err, errs.String())
	}
}

// A city that is still storing is waited for, until it has been through what it had
// at first; one that does not move is not, and that is said.
func TestVerifyWaitsForTheQueue(t *testing.T) {
	for name, c := range map[string]struct {
		positions []uint64
		asked     int
		says      string
	}{
		"catches up":         {[]uint64{40, 70, 100, 100}, 3, ""},
		"has caught up":      {[]uint64{100}, 1, ""},
		"its store is away":  {[]uint64{99}, queueLooks + 1, "1 message waiting"},
		"comes after a rest": {append(slices.Repeat([]uint64{40}, queueLooks-1), 100), queueLooks, ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				at := c.positions[min(asked, len(c.positions)-1)]
				received := uint64(100 + 10*asked) // it is used meanwhile
				asked++
				_ = json.NewEncoder(w).Encode(ingest.Report{Gateways: []ingest.Balance{{Account: ingest.Account{Gateway: "nha-trang", Position: at, Stored: at}, Received: received, Queued: received - at}}})
			}))
			defer server.Close()
			var errs bytes.Buffer
			v := Verify{ClientFlags: terminal.ClientFlags{URL: server.URL, JSON: true}, look: time.Millisecond}
			if err := v.catchUp(t.Context(), &terminal.Output{Stdout: io.Discard, Stderr: &errs}); err != nil {
				t.Fatal(err)
			}
			if asked != c.asked || (c.says == "") != (errs.Len() == 0) || !strings.Contains(errs.String(), c.says) {
				t.Errorf("asked %d times, want %d; it says %q", asked, c.asked, errs.String())
			}
		})
	}
}
