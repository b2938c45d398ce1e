package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// try runs a command line as main does.
func try(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = terminal.Run(context.Background(), new(commands), args, &out, &errs, kong.Description(description))
	return code, out.String(), errs.String()
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	commands := [][]string{{}, {"up"}, {"door"}, {"check"}, {"restore", "sessions"}, {"gateway"}, {"loader"}, {"simulate"}, {"verify"}, {"audit"}, {"devices"}, {"devices", "list"}, {"devices", "mosquitto"}, {"wards"}, {"wards", "list"}, {"wards", "import"}, {"quarantine", "list"}, {"quarantine", "redrive"}}
	for _, c := range commands {
		code, stdout, stderr := try(append(c, "--help")...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Examples:") {
			t.Errorf("haidang %s --help: exit code %d, stderr %q, stdout %q", strings.Join(c, " "), code, stderr, stdout)
		}
	}
}

func TestBadCommandLines(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"bogus", 2, "bogus"},
		{"up --bogus", 2, "--bogus"},
		{"up --journal-budget 10GB", 2, "10GiB"},
		{"up --journal-budget=-1", 2, "512MiB"},
		{"up --retention 5", 2, "400d"},
		{"up --retention 5s", 1, "--retention is 5s"},
		{"up --admit-limit 0", 1, "--admit-limit is 0"},
		{"up --store redis", 2, "embedded"},
		{"up --store influx", 1, "--influx-url"},
		{"up --influx-url http://127.0.0.1:1", 1, "--store influx"},
		{"up --query-url http://127.0.0.1:1", 1, "--store influx"},
		{"up --query influxql", 1, "--store influx"},
		{"up --query flux", 2, "influxql"},
		{"up --store influx --influx-url http://127.0.0.1:1 --influx-bucket b --query-url 127.0.0.1:1", 1, "--query-url"},
		{"up --store influx --influx-url http://127.0.0.1:1 --influx-bucket b --query-url http://a:b@127.0.0.1:1", 1, "--influx-token"},
		{"up --http 0.0.0.0:8080", 1, "--http"},
		{"up --http 8080", 1, "127.0.0.1:8080"},
		{"up --http :8080", 1, "beyond this machine"},
		{"up --mqtt 192.0.2.1:1883", 1, "--mqtt"},
		{"up --config /nonexistent.yaml", 2, "--config"},
		{"gateway", 2, "--journal"},
		{"gateway --journal nats://127.0.0.1:1", 1, "--broker"},
		{"gateway --journal nats://127.0.0.1:1 --broker tcp://127.0.0.1:1 --only hue", 1, "nha-trang"},
		{"simulate --devices 0", 1, "--devices"},
		{"audit --url http://127.0.0.1:1", 1, "haidang up"},
		{"quarantine redrive", 1, "--all"},
		{"quarantine show", 2, "<id>"},
	} {
		args := strings.Fields(c.args)
		if args[0] == "up" {
			args = append(args, "--data", t.TempDir())
		}
		code, _, stderr := try(args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("haidang %s: exit code %d and %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}
