package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
)

// try runs a command line as main does.
func try(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	commands := [][]string{{}, {"up"}, {"gateway"}, {"loader"}, {"simulate"}, {"verify"}, {"audit"}, {"devices"}, {"devices", "list"}, {"devices", "mosquitto"}, {"quarantine", "list"}, {"quarantine", "redrive"}}
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

// TestOperationsNameWhoMayAsk builds the whole REST interface: operations that
// name no role, or two types of one schema name, stop it.
func TestOperationsNameWhoMayAsk(t *testing.T) {
	var open openLog
	defer open.close()
	r, err := openRegistry(t.Context(), registryFlags{Admission: "open", AdmitLimit: 1}, defaultConfig(), t.TempDir(), slog.New(slog.DiscardHandler), &open)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := r.control(t.Context(), accessFlags{}, access.Exposure{HTTP: "127.0.0.1:1"}, access.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	s.guard(c)
	l := &loading{registry: r}
	l.serve(s)
	if _, err := l.serveRegistry(s, c, accessFlags{EMQXSecret: "between EMQX and us"}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// TestPanicIsNotSwallowed: only kong's way of leaving may end a command quietly.
func TestPanicIsNotSwallowed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a panic of a command was swallowed")
		}
	}()
	run(panickingContext{context.Background()}, []string{"audit", "--url", "http://127.0.0.1:1"}, io.Discard, io.Discard)
}

// panickingContext is a fault of the program.
type panickingContext struct{ context.Context }

func (panickingContext) Done() <-chan struct{} { panic("fault") }

func TestDataFolderIsLocked(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockData(dir); err == nil || !strings.Contains(err.Error(), "--data") || !strings.Contains(err.Error(), "process ") {
		t.Errorf("a second process gets %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if unlock, err = lockData(dir); err != nil {
		t.Fatalf("after unlocking: %v", err)
	}
	unlock()
}

func TestActorsStopLastFirst(t *testing.T) {
	var mu sync.Mutex
	var ended []string
	note := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, name)
			return ctx.Err()
		}
	}
	var a actors
	for _, name := range []string{"HTTP", "loader", "gateways", "simulator"} {
		a.add(name, note(name))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.run(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	if want := []string{"simulator", "gateways", "loader", "HTTP"}; !slices.Equal(ended, want) {
		t.Errorf("ended in the order %v, want %v", ended, want)
	}
}

func TestActorsFailTogether(t *testing.T) {
	var a actors
	a.add("waits", func(ctx context.Context) error { <-ctx.Done(); return nil })
	a.add("fails", func(context.Context) error { return errors.New("no more") })
	if err := a.run(context.Background(), time.Minute); err == nil || err.Error() != "fails: no more" {
		t.Errorf("error is %v", err)
	}
	a = nil
	a.add("ends", func(context.Context) error { return nil })
	if err := a.run(context.Background(), time.Minute); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("error is %v", err)
	}
	a = nil
	stuck := make(chan struct{})
	defer close(stuck)
	a.add("stuck", func(context.Context) error { <-stuck; return nil })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.run(ctx, time.Millisecond); err == nil || !strings.Contains(err.Error(), "stuck did not stop") {
		t.Errorf("error is %v", err)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1000: "-1 000", -12: "-12"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) is %q, want %q", n, got, want)
		}
	}
}

func TestShownHidesControls(t *testing.T) {
	if got := shown("a\x1b[2Jb\u009bc\xff", 20); got != "a�[2Jb�c�" {
		t.Errorf("shown leaves controls: %q", got)
	}
	if got := shown("Nha Trang, Cam Lâm", 5); got != "Nha …" {
		t.Errorf("shown cuts to %q", got)
	}
}
