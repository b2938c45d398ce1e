package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// register registers a device at a site of its own name, as the field app does. The
// cadence is in seconds.
func register(t *testing.T, p *process, device string, cadence float64) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"request_id": "request-" + device, "new_site": true, "from": time.Now().Add(-24 * time.Hour), "cadence_seconds": cadence,
		"device": map[string]any{"id": device, "kinds": []string{"noise"}},
		"site": map[string]any{"id": device, "name": "Tháp Bà " + device, "locality": "nha-trang", "ward": "22366",
			"position": map[string]any{"lat": 12.2654, "lon": 109.1958, "accuracy": 5}},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(p.url+"/api/v1/registrations", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		t.Fatalf("register %s: %s %s", device, answer.Status, said)
	}
}

// The process is killed after a device was registered and before its waiting
// messages were stored, because the store is away. The next start stores them by
// itself, and tries nothing of who is still unknown.
func TestKilledBeforeRedrive(t *testing.T) {
	long(t)
	t.Parallel()
	db := realserver.InfluxDB(t)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--admission", "registered",
		"--store", "influx", "--influx-url", db.URL, "--influx-bucket", realserver.Database)
	up.ready()
	at := time.Now().Add(-time.Minute).UnixMilli()
	for n := range 3 {
		for _, device := range []string{"new", "unknown"} {
			if err := send(t, broker, "kh/nha-trang/noise/"+device, fmt.Appendf(nil, `{"ts":%d,"laeq":%d}`, at+int64(n), 60+n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, patience, "six messages wait", func() bool { r, ok := ledger(up); return ok && r.total().Quarantined == 6 && r.total().Queued == 0 })
	db.Stop()
	register(t, up, "new", 0)
	eventually(t, patience, "the re-drive waits for the store", func() bool { v, ok := gauge(up, "haidang_store_up"); return ok && v == 0 })
	up.kill()
	db.Start()
	up.start()
	up.ready()
	eventually(t, patience, "what waited for the registered device is stored", func() bool {
		r, ok := ledger(up)
		return ok && r.total().Stored == 3 && r.total().Quarantined == 3
	})
	audit(t, up)
	if got := influxQL(db)(t, "noise", "laeq")["new"]; len(got) != 3 {
		t.Errorf("the store has %v, want three readings", got)
	}
	for _, m := range quarantined(t, up) {
		if !strings.HasSuffix(m.Topic, "/unknown") || m.Tries != 0 {
			t.Errorf("there waits %+v, want only what is of the unknown device, and untried", m)
		}
	}
	up.stop()
}

// silence is what the API says of presences and incidents.
type silence struct {
	Counts  map[string]int
	Devices []struct {
		Device, State, Gateway, Incident string
		LastReceived                     time.Time `json:"last_received"`
	}
}

type incidents struct {
	Incidents []struct {
		Gateway  string
		Since    time.Time
		Devices  []string
		Expected int
	}
}

func ask(t *testing.T, p *process, path string, into any) {
	t.Helper()
	code, body := p.get(path)
	if err := json.Unmarshal([]byte(body), into); code != 200 || err != nil {
		t.Fatalf("%s: %d %v %.500s", path, code, err, body)
	}
}

// Devices fall late and silent in a running city; many behind one gateway are one
// incident, in the API and the metrics. A restart, in order or by kill -9, changes
// nothing of that, nor since when it is.
func TestSilenceOutlivesRestart(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--admission", "registered")
	up.ready()
	const cadence = 2
	for n := range 4 {
		device := fmt.Sprintf("noise-%d", n)
		register(t, up, device, cadence)
		if err := send(t, broker, "kh/nha-trang/noise/"+device, []byte(`{"laeq":60}`)); err != nil {
			t.Fatal(err)
		}
	}
	register(t, up, "slow", 3600)
	if err := send(t, broker, "kh/nha-trang/noise/slow", []byte(`{"laeq":50}`)); err != nil {
		t.Fatal(err)
	}
	var s silence
	states := func(path string) map[string]int { s = silence{}; ask(t, up, path, &s); return s.Counts }
	const all = "/api/v1/silence?limit=100"
	eventually(t, patience, "all are heard", func() bool { return states(all)["fresh"] == 5 })
	eventually(t, patience, "four are late", func() bool { return states(all)["late"] == 4 })
	eventually(t, patience, "four are silent", func() bool { return states(all)["silent"] == 4 })
	var before, after incidents
	ask(t, up, "/api/v1/incidents", &before)
	if len(before.Incidents) != 1 || before.Incidents[0].Gateway != "nha-trang" || len(before.Incidents[0].Devices) != 4 || before.Incidents[0].Expected != 5 {
		t.Fatalf("four silent behind one gateway are %+v", before)
	}
	if v := mustGauge(t, up, "haidang_silence_incident_devices", `gateway="nha-trang"`); v != 4 {
		t.Errorf("the incident has %v devices in the metrics", v)
	}
	if v := mustGauge(t, up, "haidang_devices", `presence="silent"`, `locality="nha-trang"`); v != 4 {
		t.Errorf("%v devices are silent in the metrics", v)
	}
	for _, end := range []func(){func() { up.stop() }, up.kill} {
		end()
		up.start()
		up.ready()
		if counts := states(all); counts["silent"] != 4 || counts["fresh"] != 1 {
			t.Errorf("after a restart there are %v", counts)
		}
		ask(t, up, "/api/v1/incidents", &after)
		if fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("after a restart the incident is %+v, before it was %+v", after, before)
		}
	}
	if err := send(t, broker, "kh/nha-trang/noise/noise-0", []byte(`{"laeq":61}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "one is heard again", func() bool { return states(all)["silent"] == 3 })
	up.stop()
}
