package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// fieldOffice is a terminal before a real registry's REST interface.
type fieldOffice struct {
	t        *testing.T
	url      string
	api      *api.API
	registry *devices.Registry
	secrets  *secretsOfTest
	// token, if set, must come with every request.
	token string
	asked []string // "METHOD path" of all requests
}

func newFieldOffice(t *testing.T) *fieldOffice {
	t.Helper()
	t.Setenv("HAIDANG_TOKEN", "")
	t.Setenv("HAIDANG_URL", "")
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := devices.NewRegistry(s)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	o := &fieldOffice{t: t, api: api.New(r), registry: r, secrets: &secretsOfTest{}}
	o.api.Asker = func(context.Context) api.Asker {
		return api.Asker{Name: "lan", Role: api.Operator, Scope: devices.Everywhere()}
	}
	o.api.Credentials = o.secrets
	mux := http.NewServeMux()
	o.api.Register(humago.New(mux, huma.DefaultConfig("Hải Đăng", "test")))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked = append(o.asked, r.Method+" "+r.URL.Path)
		if o.token != "" && r.Header.Get("Authorization") != "Bearer "+o.token {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			w.Write([]byte(`{"code":"unauthenticated","reason":"log_in_needed","detail":"Log in."}`))
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o.url = server.URL
	return o
}

// secretsOfTest issues secrets that are easily told.
type secretsOfTest struct{ issued []telemetry.Device }

func (s *secretsOfTest) Issue(_ context.Context, _ devices.By, ids []telemetry.Device) (map[telemetry.Device]string, error) {
	out := map[telemetry.Device]string{}
	for _, id := range ids {
		out[id] = "secret-of-" + string(id)
	}
	s.issued = append(s.issued, ids...)
	return out, nil
}

// outcome is what came of a command line.
type outcome struct {
	t              *testing.T
	line           string
	code           int
	stdout, stderr string
}

// devicesLine runs `haidang devices …` as main does.
func devicesLine(t *testing.T, args ...string) outcome {
	t.Helper()
	o := outcome{t: t, line: strings.Join(args, " ")}
	var stdout, stderr bytes.Buffer
	o.code = terminal.Run(t.Context(), new(registryLines), append([]string{"devices"}, args...), &stdout, &stderr)
	o.stdout, o.stderr = stdout.String(), stderr.String()
	return o
}

// run runs a command against the office.
func (o *fieldOffice) run(args ...string) outcome {
	o.t.Helper()
	return devicesLine(o.t, append(args, "--url", o.url)...)
}

// want wants an exit code, and texts in what was printed anywhere.
func (o outcome) want(code int, texts ...string) outcome {
	o.t.Helper()
	if o.code != code {
		o.t.Fatalf("%s: exit code %d, want %d\nstdout: %s\nstderr: %s", o.line, o.code, code, o.stdout, o.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			o.t.Errorf("devices %s: no %q in\nstdout: %s\nstderr: %s", o.line, text, o.stdout, o.stderr)
		}
	}
	return o
}

// answerOf decodes what --json printed.
func answerOf[T any](o outcome) (v T) {
	o.t.Helper()
	if err := json.Unmarshal([]byte(o.stdout), &v); err != nil {
		o.t.Fatalf("devices %s: %v: %s", o.line, err, o.stdout)
	}
	return v
}

// newSite are flags that say all of a sound new site.
func newSite(name string, more ...string) []string {
	return append([]string{"--new-site", name, "--locality", "nha-trang", "--ward", "22366", "--position", "12.24,109.19"}, more...)
}

func TestEveryDevicesCommandHasHelpWithExamples(t *testing.T) {
	kind := reflect.TypeFor[Devices]()
	devicesLine(t, "--help").want(0, "Examples:")
	for i := range kind.NumField() {
		name := strings.ToLower(kind.Field(i).Name)
		o := devicesLine(t, name, "--help").want(0, "Examples:", "haidang devices "+name)
		if o.stderr != "" {
			t.Errorf("devices %s --help: stderr %q", name, o.stderr)
		}
	}
	if kind.NumField() != 23 {
		t.Errorf("%d commands, want 23", kind.NumField())
	}
}

func TestDevicesBadCommandLines(t *testing.T) {
	o := newFieldOffice(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list", "--limit", "0"}, 1, "--limit is 0"},
		{[]string{"list", "--state", "broken"}, 2, "maintenance"},
		{[]string{"list", "--bbox", "1,2"}, 1, "west,south,east,north"},
		{[]string{"add", "d", "--kind", "noise", "--ward", "22366"}, 1, "--new-site"},
		{[]string{"add", "d", "--kind", "noise", "--redundant"}, 1, "--site ID"},
		{[]string{"add", "d", "--kind", "noise", "--request-id", "r"}, 1, "--request-id"},
		{[]string{"add", "d"}, 1, "--kind is missing"},
		{append([]string{"add", "d", "--kind", "noise"}, newSite("X", "--position", "north")...), 1, "--position is \"north\""},
		{[]string{"add", "d", "--kind", "warp", "--site", "cau-da"}, 1, "/api/v1/kinds"},
		{[]string{"add", "d", "--kind", "noise", "--site", "nowhere"}, 1, "haidang devices export --what sites"},
		{[]string{"install", "d"}, 2, "--site"},
		{[]string{"install", "d", "--site", "s", "--from", "yesterday"}, 2, "2026-11-21"},
		{[]string{"show", "no such/one"}, 1, "haidang devices list"},
		{[]string{"swap", "a", "b", "--serial", "7"}, 1, "--create"},
		{[]string{"retire", "a"}, 2, "--why"},
		{[]string{"maintain", "a", "b", "--if-version", "3"}, 1, "--if-version 3"},
		{[]string{"changes", "a", "--site", "b"}, 1, "choose one"},
		{[]string{"labels"}, 1, "say which devices"},
		{[]string{"labels", "a", "--issue-secrets"}, 1, "--why"},
		{[]string{"labels", "a", "--skip", "24"}, 1, "--skip is 24"},
		{[]string{"import", "/nonexistent.csv"}, 1, "/nonexistent.csv"},
		{[]string{"backup", "x", "--data", "/nonexistent"}, 1, "--data or --registry"},
	} {
		got := o.run(c.args...)
		if c.args[0] == "backup" {
			got = devicesLine(t, c.args...)
		}
		got.want(c.code, c.want)
	}
}

func TestDevicesThroughTheirLife(t *testing.T) {
	o := newFieldOffice(t)
	o.run(append([]string{"add", "aq-1", "--kind", "air_quality,noise", "--serial", "0817", "--cadence", "10m", "--why", "new"}, newSite("Ngã tư Trần Phú")...)...).
		want(0, "aq-1 stands at Ngã tư Trần Phú (nga-tu-tran-phu) since", "haidang devices check aq-1")
	list := o.run("list", "tran", "phu").want(0, "DEVICE  AT", "aq-1    Ngã tư Trần Phú  nga-tu-tran-phu  air_quality, noise  active", "1 of 1")
	if strings.Contains(list.stdout, "MODEL") {
		t.Errorf("a column without anything in it is shown:\n%s", list.stdout)
	}
	o.run("show", "aq-1").want(0, "serial        0817", "10 min", "version       2", "INSTALLATION  SITE", "12.240000, 109.190000")
	o.run("maintain", "aq-1", "--why", "cleaning").want(0, "aq-1 is maintenance, at Ngã tư Trần Phú")
	o.run("resume", "aq-1").want(0, "aq-1 is active")
	o.run("swap", "aq-1", "aq-2", "--create", "--serial", "0818", "--retire", "--why", "storm").want(0, "aq-2 measures since", "aq-1 is retired")
	d := answerOf[api.Device](o.run("show", "aq-2", "--json").want(0))
	if len(d.Kinds) != 2 || d.Installation == nil || d.Installation.Site != "nga-tu-tran-phu" || d.Serial != "0818" {
		t.Errorf("the new device is %+v", d)
	}
	o.run("changes", "aq-1").want(0, "lan", "cleaning", "storm", "NO")
	o.run("changes", "--site", "nga-tu-tran-phu", "--limit", "1").want(0, "More: --after ")
	o.run("changes", "--who", "nobody").want(0, "Nothing was changed.")
	o.run("add", "ns-3", "--kind", "noise").want(0, "stands nowhere yet")
	o.run("install", "ns-3", "--site", "nga-tu-tran-phu").want(1, "409", "--redundant")
	o.run("install", "ns-3", "--site", "nga-tu-tran-phu", "--redundant", "--why", "comparison").want(0, "ns-3 stands at nga-tu-tran-phu")
	o.run("retire", "ns-3", "nobody", "aq-2", "--why", "end").want(1, "ns-3 is retired", "aq-2 is retired", "nobody: ", "1 of 3 failed")
	o.run("list", "--state", "active").want(0, "No device is like that.")
	all := answerOf[api.DevicePage](o.run("list", "--all", "--limit", "1", "--json").want(0))
	if len(all.Devices) != 3 || all.Total != 3 || all.Next != "" {
		t.Errorf("all are %+v", all)
	}
}

func TestDevicesConflictsAreExplained(t *testing.T) {
	o := newFieldOffice(t)
	add := append([]string{"add", "aq-1", "--kind", "noise", "--request-id", "round-7"}, newSite("Bến Thử")...)
	o.run(add...).want(0)
	o.run(add...).want(0, "by this request, before")
	o.run(append(add, "--notes", "other")...).want(1, "409", "--request-id")
	o.run("add", "aq-1", "--kind", "noise", "--site", "ben-thu").want(1, "409", "Nothing was overwritten", "haidang devices show aq-1", "haidang devices swap")
	o.run("add", "aq-9", "--kind", "noise", "--site", "ben-thu").want(1, "409", "haidang devices swap")
	o.run("add", "aq-9", "--kind", "air_quality", "--new-site", "X", "--locality", "nha-trang", "--position", "109.19,12.24").want(1, "422", `--position "12.24`)
	o.run("add", "aq-9", "--kind", "air_quality", "--new-site", "X", "--locality", "nha-trang", "--position", "21.02,105.83").want(1, "422", "--outside-reason")
	o.run("maintain", "aq-1", "--if-version", "99").want(1, "412", "changed", "Now it is active, version 2", "haidang devices show aq-1")
	o.run("maintain", "aq-1", "--if-version", "2").want(0)
	o.run("install", "aq-1", "--site", "thap-tram-huong").want(1, "409", "haidang devices show aq-1")
}

func TestDevicesHeardAreRegisteredAsHeard(t *testing.T) {
	o := newFieldOffice(t)
	o.run("heard").want(0, "No unregistered device")
	adm := devices.NewAdmission(o.registry, devices.Mode("registered"))
	if _, err := adm.Admit("cam-ranh", telemetry.Noise, "n-1", time.Now().Add(-time.Hour)); err == nil {
		t.Fatal("admitted")
	}
	adm.Describe("n-1", "kh/cam-ranh/noise/n-1", "gw", []byte("{\"laeq\":\"\x1b[2J\"}"))
	if err := adm.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.run("heard").want(0, "n-1     cam-ranh  noise", "refused: ", "1 of 1")
	if shown := o.run("heard", "n-1").want(0, "kh/cam-ranh/noise/n-1", "haidang devices add n-1").stdout; strings.Contains(shown, "\x1b") {
		t.Errorf("a payload can move the cursor: %q", shown)
	}
	o.run("heard", "n-2").want(1, "404")
	o.run("check", "n-1").want(1, "quarantined", "kh/cam-ranh/noise/n-1")
	r := answerOf[api.Registered](o.run("add", "n-1", "--new-site", "Cảng mới", "--ward", "22420", "--position", "11.9,109.2", "--json").want(0))
	if len(r.Device.Kinds) != 1 || r.Device.Kinds[0] != telemetry.Noise || r.Site.Locality != "cam-ranh" || time.Since(r.Installation.From) < 59*time.Minute {
		t.Errorf("registered as %+v", r)
	}
	o.run("heard").want(0, "No unregistered device")
}

// readingsOfTest knows the newest readings.
type readingsOfTest struct{ latest func() []api.Reading }

func (r readingsOfTest) Latest(context.Context, telemetry.Site) ([]api.Reading, error) {
	return r.latest(), nil
}

func (readingsOfTest) First(context.Context, telemetry.Device, telemetry.Site, time.Time) (api.Reading, bool, error) {
	return api.Reading{}, false, nil
}

func (readingsOfTest) Series(context.Context, api.SeriesQuery) ([]api.DeviceSeries, error) {
	return nil, nil
}

func (readingsOfTest) Samples(context.Context, api.SeriesQuery) ([]api.DeviceSamples, error) {
	return nil, nil
}

func TestDevicesCheckWaits(t *testing.T) {
	o := newFieldOffice(t)
	calls := 0
	o.api.Readings = readingsOfTest{func() []api.Reading {
		if calls++; calls < 3 {
			return nil
		}
		return []api.Reading{{Site: "s", Device: "d", Kind: telemetry.Noise, Time: time.Now(), Values: map[telemetry.Metric]float64{"laeq": 61.5}}}
	}}
	o.run(append([]string{"add", "d", "--kind", "noise", "--site", "s"}, newSite("S")...)...).want(0)
	o.run("check", "d").want(1, "d: never_heard", "Chưa nghe thấy")
	o.run("check", "d", "--wait", "1m").want(0, "d: receiving", "Đã nhận dữ liệu", "laeq 61.5")
}

func TestDevicesToken(t *testing.T) {
	o := newFieldOffice(t)
	o.token = "hd_secret-token"
	o.run("list").want(1, "401", "HAIDANG_TOKEN", "Log in.")
	t.Setenv("HAIDANG_TOKEN", "hd_wrong")
	o.run("list").want(1, "make a new one")
	t.Setenv("HAIDANG_TOKEN", o.token)
	o.run("list").want(0)
	for _, url := range []string{"http://192.0.2.1:8080", "http://user:pass@192.0.2.1"} {
		got := devicesLine(t, "list", "--url", url).want(1, "https://")
		if strings.Contains(got.stderr, o.token) || strings.Contains(got.stderr, "pass@") {
			t.Errorf("a secret is told: %s", got.stderr)
		}
	}
	help := devicesLine(t, "list", "--help").want(0, "$HAIDANG_TOKEN")
	if strings.Contains(help.stdout, o.token) {
		t.Error("help tells the token")
	}
}

func TestDevicesOfNoRegistry(t *testing.T) {
	t.Setenv("HAIDANG_TOKEN", "")
	var status int
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer s.Close()
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{404, "404 page not found", "There is no registry at --url"},
		{421, "only loopback", "--url"},
		{429, `{"detail":"Slow down."}`, "Wait"},
		{500, `{"detail":"A fault."}`, "server's log"},
		{413, "", "split it"},
		{403, `{"detail":"No."}`, "higher role"},
		{200, "<html>\x1b[2J", "another version"},
	} {
		status, body = c.status, c.body
		if got := devicesLine(t, "list", "--url", s.URL).want(1, c.want); strings.Contains(got.stderr, "\x1b") {
			t.Errorf("an answer can move the cursor: %q", got.stderr)
		}
	}
	devicesLine(t, "list", "--url", "127.0.0.1:8080").want(1, "http://127.0.0.1:8080")
	devicesLine(t, "list", "--url", "http://127.0.0.1:1").want(1, "haidang up")
}
