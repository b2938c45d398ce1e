package simulation

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

func TestSimulateBadInput(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("name: x\nperiod: {start: 2026-03-11, for: 1h}\nfleet:\n  - {kind: air_quality, evry: 5m}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--scenario " + bad, 1, "bad.yaml:4:25"},
		{"--scenario " + bad + " --check", 1, "did you mean every?"},
		{"--scenario nowhere", 1, "november-flood"},
		{"--check", 2, "--check is given, but no scenario"},
		{"--at now", 2, "--scenario NAME"},
		{"--scenario tet --every 5s", 2, "--every"},
		{"--scenario tet --seed 3", 2, "--seed"},
		{"--scenario tet --at now --from 2026-01-01", 2, "+2h"},
		{"--scenario tet --from yesterday", 2, "yesterday"},
		{"--scenario tet --from 2025-01-01 --again", 1, "2026-02-12 00:00"},
		{"--scenario tet --to +900h --again", 1, "--to"},
		{"--scenario tet -n 9999", 1, "--devices is 9999"},
		{"--scenario tet --speed 60x --rate 5/s", 2, "--rate"},
		{"--scenario tet --speed fast --again", 1, "60x"},
		{"--rate 20kk", 2, "20000/s"},
		{"--rate 20/s --every 5s", 2, "--rate"},
		{"--in-flight 0", 1, "--in-flight"},
		{"--ca /nonexistent", 1, "--ca"},
		{"--metrics 0.0.0.0:9464", 1, "loopback"},
		{"--broker tcp://127.0.0.1:1", 1, "is a broker"},
	} {
		code, stdout, stderr := tryLine(append([]string{"simulate"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("haidang simulate %s: exit code %d, want %d; %q should have %q (stdout %q)", c.args, code, c.code, stderr, c.want, stdout)
		}
	}
}

func TestSimulateLooks(t *testing.T) {
	for _, name := range scenario.Names() {
		if code, stdout, stderr := tryLine("simulate", "--scenario", name, "--check"); code != 0 || !strings.HasPrefix(stdout, name+" is right") {
			t.Errorf("--check of %s: %d, %q, %q", name, code, stdout, stderr)
		}
	}
	_, stdout, _ := tryLine("simulate", "--list", "--json")
	var all []scenario.Description
	if err := json.Unmarshal([]byte(stdout), &all); err != nil || len(all) != len(scenario.Names()) {
		t.Errorf("--list --json: %v, %s", err, stdout)
	}
	_, stdout, _ = tryLine("simulate", "--scenario", "tet", "--print")
	if _, err := scenario.Parse("tet", []byte(stdout)); err != nil {
		t.Errorf("--print is no scenario: %v", err)
	}
}

// With --at now nothing is sent before the time that its payload says.
func TestTimeLineEndsNow(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for speed, unpaced := range map[float64]bool{0.5: false, 1: false, 60: false, 100_000: false, 2: true} {
		f := scenarioFlags{Scenario: "rush-hour", At: "now", From: "+1h", To: "+2h"}
		fleet, err := f.fleet()
		if err != nil {
			t.Fatal(err)
		}
		o := simulator.Options{Fleet: fleet, Speed: speed, Unpaced: unpaced}
		if err := f.place(&o, now); err != nil {
			t.Fatal(err)
		}
		if o.To.Sub(o.From) != time.Hour || o.From.Sub(o.Fleet.Start()) != time.Hour {
			t.Errorf("at %v: from %v to %v of a line that starts at %v", speed, o.From, o.To, o.Fleet.Start())
		}
		for _, at := range []time.Time{o.From, o.From.Add(20 * time.Minute), o.To} {
			sent := now.Add(time.Duration(float64(at.Sub(o.From)) / speed))
			if unpaced {
				sent = now
			}
			if at.After(sent) || speed >= 1 && !unpaced && at.Equal(o.To) && sent.Sub(at) > 2*time.Second {
				t.Errorf("at %v: what is due at %v is sent at %v", speed, at, sent)
			}
		}
	}
}

func TestSecretsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secrets.json")
	if kept, err := readSecrets(name); err != nil || len(kept) != 0 {
		t.Errorf("without a file: %v, %v", kept, err)
	}
	if err := writeSecrets(name, map[telemetry.Device]string{"a": "s"}); err != nil {
		t.Fatal(err)
	}
	if kept, err := readSecrets(name); err != nil || kept["a"] != "s" {
		t.Errorf("read again: %v, %v", kept, err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecrets(name); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil || os.Chmod(name, 0o600) != nil {
		t.Fatal(err)
	}
	if _, err := readSecrets(name); err == nil || !strings.Contains(err.Error(), "no devices' secrets") {
		t.Errorf("another file: %v", err)
	}
}
