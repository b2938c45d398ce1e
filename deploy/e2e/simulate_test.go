package e2e_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// simulated is what `haidang simulate --json` says at its end.
type simulated struct {
	Planned, Sent, Acknowledged, Failed, Late, Resent, Withheld, States, Reconnects uint64
	Connected, Connections                                                          int
}

// finally is the state at the end.
func finally(t *testing.T, stdout string) (p simulated) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &p); err != nil {
		t.Fatalf("haidang simulate --json ends with %q: %v", lines[len(lines)-1], err)
	}
	return p
}

// A scenario's devices, registered, each with its own secret and encrypted, into a
// city that lets nobody else in: all that is acknowledged is accounted for, and the
// secrets are good a second time.
func TestScenarioIntoAFortress(t *testing.T) {
	long(t)
	t.Parallel()
	f := newFortress(t)
	asked := func() (r report, ok bool) {
		f.admin.ask("GET", "/api/v1/ledger", nil, &r, 200)
		return r, true
	}
	secrets := filepath.Join(t.TempDir(), "secrets.json")
	arguments := []string{"simulate", "--scenario", "rush-hour", "-n", "40", "--from", "+1h", "--to", "+90m", "--speed", "600x", "--json",
		"--broker", "ssl://" + f.mqtt, "--url", f.up.url, "--ca", f.authority.file, "--token", f.token}
	without := run(t, patience, arguments...)
	if without.code != 1 || !strings.Contains(without.stderr, "--credentials FILE") {
		t.Errorf("without credentials it ends with %d: %s", without.code, without.stderr)
	}
	arguments = append(arguments, "--register", "--credentials", secrets)
	first := run(t, patience, arguments...)
	if first.code != 0 {
		t.Fatalf("ends with %d: %s", first.code, first.stderr)
	}
	p := finally(t, first.stdout)
	if p.Planned == 0 || p.Acknowledged != p.Planned || p.Failed != 0 || p.Connections != 40 || p.States != 80 {
		t.Errorf("at the end: %+v", p)
	}
	accounted(t, asked, p.Acknowledged+p.States)
	info, err := os.Stat(secrets)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of secrets: %v, %v", info, err)
	}
	kept, _ := os.ReadFile(secrets)
	var file struct{ Devices map[string]string }
	if err := json.Unmarshal(kept, &file); err != nil || len(file.Devices) != 40 {
		t.Errorf("the file of secrets has %d of 40: %v", len(file.Devices), err)
	}
	log, _ := os.ReadFile(f.up.log)
	for device, secret := range file.Devices {
		if secret == "" || strings.Contains(first.stderr+first.stdout+string(log), secret) {
			t.Errorf("the secret of %s is empty or was printed", device)
		}
	}

	again := run(t, patience, arguments...)
	if again.code != 1 || !strings.Contains(again.stderr, "--again") {
		t.Errorf("the city holds that period already, and it ends with %d: %s", again.code, again.stderr)
	}
	again = run(t, patience, append(arguments, "--again")...)
	if after, _ := os.ReadFile(secrets); again.code != 0 || string(after) != string(kept) {
		t.Errorf("with --again it ends with %d, and the secrets are the same: %v; %s", again.code, string(after) == string(kept), again.stderr)
	}
	accounted(t, asked, 2*(p.Acknowledged+p.States))
	f.up.stop()
}

// accounted waits until the city has so many messages and each of them somewhere.
func accounted(t *testing.T, ledger func() (report, bool), messages uint64) {
	t.Helper()
	var total balance
	eventually(t, patience, "the ledger has all that was acknowledged", func() bool {
		l, ok := ledger()
		if !ok {
			return false
		}
		total = l.total()
		return total.Received >= int64(messages) && total.Queued == 0
	})
	if total.Received != total.Stored+total.Duplicate+total.Quarantined+total.Canary {
		t.Errorf("the ledger does not balance: %+v", total)
	}
}

// A city that is killed in the middle of a scenario loses nothing that it
// acknowledged: what was under way comes again, and late.
func TestScenarioOverAKilledCity(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	up.ready()
	done := make(chan result, 1)
	go func() {
		done <- run(t, patience, "simulate", "--scenario", "rush-hour", "-n", "60", "--from", "+1h", "--to", "+2h", "--speed", "300x", "--json",
			"--broker", "tcp://"+broker, "--url", up.url)
	}()
	eventually(t, patience, "the scenario is under way", func() bool {
		l, ok := ledger(up)
		return ok && l.total().Stored > 500
	})
	up.kill()
	up.start()
	up.ready()
	r := <-done
	if r.code != 0 {
		t.Fatalf("ends with %d: %s", r.code, r.stderr)
	}
	p := finally(t, r.stdout)
	if p.Acknowledged != p.Planned || p.Failed != 0 || p.Reconnects == 0 {
		t.Errorf("at the end: %+v", p)
	}
	accounted(t, func() (report, bool) { return ledger(up) }, p.Acknowledged)
	up.stop()
}

// With quality of service 0 nothing is acknowledged, and on a machine where nothing
// breaks all of it arrives.
func TestScenarioWithoutAcknowledgements(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	up.ready()
	r := run(t, patience, "simulate", "--scenario", "rush-hour", "-n", "20", "--from", "+1h", "--to", "+80m", "--speed", "120x", "--qos", "0", "--json",
		"--at", "now", "--broker", "tcp://"+broker, "--url", up.url)
	p := finally(t, r.stdout)
	if r.code != 0 || p.Sent == 0 || p.Sent != p.Planned || p.Acknowledged != 0 {
		t.Errorf("ends with %d: %+v; %s", r.code, p, r.stderr)
	}
	accounted(t, func() (report, bool) { return ledger(up) }, p.Sent+p.States)
	up.stop()
}

// Nobody there is told at once.
func TestSimulateWithoutABroker(t *testing.T) {
	long(t)
	began := time.Now()
	r := run(t, patience, "simulate", "-n", "3", "--broker", "tcp://"+net.JoinHostPort("127.0.0.1", "1"))
	if r.code != 1 || !strings.Contains(r.stderr, "connection refused") || time.Since(began) > time.Minute {
		t.Errorf("ends with %d: %s", r.code, r.stderr)
	}
}
