package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startFault is a command line that cannot work, and what it must say.
type startFault struct {
	name      string
	arguments []string
	says      []string
}

// A program that cannot start says which setting is wrong, what its value is and
// what to do, and ends with an error instead of hanging.
func TestFaultsOfStart(t *testing.T) {
	long(t)
	t.Parallel()
	taken := take(t)
	running := filepath.Join(t.TempDir(), "city")
	haidang(t, "up", "--data", running, "--mqtt", address(freePort(t))).ready()
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	misspelt := file("misspelt.yaml", "localities:\n  - {id: nha-trang}\ngatways: []\n")
	broken := file("broken.yaml", "localities:\n  - {id: nha-trang\n")
	unsound := file("unsound.yaml", "localities:\n  - {id: Nha Trang}\n")
	notFolder := file("file", "")
	nobody := address(freePort(t))
	up := func(more ...string) []string {
		return append([]string{"up", "--http", address(freePort(t)), "--mqtt", address(freePort(t)), "--data", t.TempDir()}, more...)
	}
	for _, f := range []startFault{
		{"HTTP port taken", up("--http", taken), []string{"--http", taken, "another program has this port", "choose another"}},
		{"MQTT port taken", up("--mqtt", taken), []string{"--mqtt", taken}},
		{"HTTP beyond loopback", up("--http", "0.0.0.0:8080"), []string{"--http", "0.0.0.0:8080", "127.0.0.1"}},
		{"MQTT beyond loopback", up("--mqtt", "0.0.0.0:1883"), []string{"--mqtt", "0.0.0.0:1883", "127.0.0.1"}},
		{"HTTP no address", up("--http", "8080"), []string{"--http", "8080", "HOST:PORT"}},
		{"config is not there", up("--config", "/nowhere/city.yaml"), []string{"--config", "/nowhere/city.yaml", "no such file"}},
		{"config has an unknown key", up("--config", misspelt), []string{"--config", misspelt, "[3:1]", "gatways"}},
		{"config is no YAML", up("--config", broken), []string{"--config", broken, "[2:"}},
		{"config is unsound", up("--config", unsound), []string{"--config", unsound, "localities[0]", `"Nha Trang"`}},
		{"data in use", up("--data", running), []string{"--data", running, "in use by process", "stop it, or choose another"}},
		{"data is a file", up("--data", notFolder), []string{"--data", notFolder}},
		{"no Influx URL", up("--store", "influx"), []string{"--store influx", "--influx-url"}},
		{"no Influx bucket", up("--store", "influx", "--influx-url", "http://"+nobody), []string{"--influx-bucket", "name the bucket"}},
		{"Influx URL without store", up("--influx-url", "http://"+nobody), []string{"--influx-url", "--store influx"}},
		{"budget is no size", up("--journal-budget", "lots"), []string{"--journal-budget", "lots", "10GiB"}},
		{"unknown durability", up("--durability", "total"), []string{"--durability", "total", "process", "power"}},
		{"gateway without journal", []string{"gateway", "--broker", "tcp://" + nobody, "--journal", "nats://" + nobody, "--http", address(freePort(t))},
			[]string{"--journal", "nats://" + nobody, "running and reachable"}},
		{"loader without journal", []string{"loader", "--data", t.TempDir(), "--journal", "nats://" + nobody, "--http", address(freePort(t))},
			[]string{"--journal", "nats://" + nobody, "running and reachable"}},
		{"gateway without broker", []string{"gateway", "--journal", "nats://" + nobody, "--http", address(freePort(t))}, []string{"--broker"}},
		{"no such gateway", []string{"gateway", "--broker", "tcp://" + nobody, "--journal", "nats://" + nobody, "--only", "hanoi"},
			[]string{"--only hanoi", "nha-trang"}},
		{"audit of nobody", []string{"audit", "--url", "http://" + nobody}, []string{"--url", "http://" + nobody, "haidang up"}},
	} {
		t.Run(f.name, func(t *testing.T) {
			began := time.Now()
			out := run(t, 15*time.Second, f.arguments...)
			if out.code == 0 || !hasAll(out.stderr, f.says) || strings.Contains(out.stderr, "goroutine ") {
				t.Errorf("ends with %d and says %q, which should have %q", out.code, out.stderr, f.says)
			}
			t.Logf("%.1f s: %s", time.Since(began).Seconds(), lastLine(out.stderr))
		})
	}
}

// lastLine is the end of what is said, without the help before it.
func lastLine(text string) string {
	return text[max(0, strings.LastIndex(text, "haidang: ")):]
}

// take listens on a port, so that nobody else can.
func take(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Ctrl-C under load stops everything in order, and the next start finds all that
// was acknowledged.
func TestStopsInOrder(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	began := up.ready()
	pub := publish(t, broker, 3000, true)
	for range 4 {
		pub.progress(1500)
		stopped := up.stop()
		t.Logf("up was ready after %.2f s and stopped within %.2f s under load", began.Seconds(), stopped.Seconds())
		up.start()
		began = up.ready()
	}
	prove(t, up, pub, embedded(up))
	up.stop()
}
