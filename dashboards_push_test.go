package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/dashboards/grafana/grafanatest"
)

// dashboardsLine runs one command line.
func dashboardsLine(args ...string) (code int, stdout, stderr string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestDashboardsOnTheCommandLine(t *testing.T) {
	s := grafanatest.Start("12.4.1")
	defer s.Close()
	t.Setenv("HAIDANG_GRAFANA", s.URL)
	t.Setenv("HAIDANG_GRAFANA_TOKEN", "admin:admin")
	kept := t.TempDir()
	expect := func(want int, text string, args ...string) string {
		t.Helper()
		code, stdout, stderr := dashboardsLine(append([]string{"dashboards"}, args...)...)
		if code != want || !strings.Contains(stdout+stderr, text) {
			t.Errorf("%v: exit code %d, want %d and %q:\n%s%s", args, code, want, text, stdout, stderr)
		}
		return stdout
	}
	expect(0, "would be created", "push", "--dry-run")
	expect(0, "kiosk", "push")
	expect(0, "25 of 25 boards", "diff")
	expect(0, "Nothing was changed", "pull", "--out", kept)

	res, err := http.Get(strings.Replace(s.URL, "://", "://admin:admin@", 1) + "/api/dashboards/uid/haidang-air")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var live struct {
		Dashboard map[string]any `json:"dashboard"`
	}
	if err := json.NewDecoder(res.Body).Decode(&live); err != nil {
		t.Fatal(err)
	}
	live.Dashboard["panels"].([]any)[1].(map[string]any)["title"] = "AQI của tôi"
	body, err := json.Marshal(map[string]any{"dashboard": live.Dashboard, "folderUid": "haidang"})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := http.Post(strings.Replace(s.URL, "://", "://admin:admin@", 1)+"/api/dashboards/db", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	saved.Body.Close()

	expect(1, `→ "AQI của tôi"`, "diff")
	expect(1, `"state": "by hand"`, "diff", "--json")
	expect(1, "--force", "push")
	expect(0, "kept haidang-air.json", "pull", "--out", kept)
	expect(0, "updated", "push", "--with", kept)
	out := t.TempDir()
	expect(0, "25 boards", "render", "--out", out, "--with", kept)
	if text, err := os.ReadFile(filepath.Join(out, "boards", "haidang-air.json")); err != nil || !strings.Contains(string(text), "AQI của tôi") {
		t.Errorf("render --with: %v %s", err, text)
	}
	expect(0, "updated", "push", "--force")
}

func TestDashboardsRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--plain", []string{"push", "--grafana", "http://grafana.example.vn:3000", "--token", "s3cret"}},
		{"should be like", []string{"push", "--grafana", "grafana:3000"}},
		{"should be like", []string{"push", "--source", "prometheus"}},
		{"bucket", []string{"render", "--out", t.TempDir(), "--query", "influxql", "--source", "http://127.0.0.1:8086"}},
		{"--source-env", []string{"render", "--out", t.TempDir(), "--source-token", "s3cret"}},
		{"--with", []string{"render", "--out", t.TempDir(), "--with", filepath.Join(t.TempDir(), "none")}},
	} {
		code, stdout, stderr := dashboardsLine(append([]string{"dashboards"}, c.args...)...)
		if code != 1 || !strings.Contains(stderr, c.want) || strings.Contains(stdout+stderr, "s3cret") {
			t.Errorf("%v: exit code %d, want 1 and %q:\n%s%s", c.args, code, c.want, stdout, stderr)
		}
	}
}

func TestHealth(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "store: away", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{0, "", []string{"--url", s.URL}},
		{1, "store: away", []string{"--url", s.URL, "--ready"}},
		{1, "is `haidang up` running there?", []string{"--url", "http://127.0.0.1:1"}},
	} {
		if code, _, stderr := dashboardsLine(append([]string{"health"}, c.args...)...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit code %d: %s", c.args, code, stderr)
		}
	}
}
