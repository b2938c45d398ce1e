package boards

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards/grafana/grafanatest"
)

// dashboardsLine runs one command line.
func dashboardsLine(args ...string) (code int, stdout, stderr string) {
	var cli struct {
		Dashboards Dashboards `cmd:""`
	}
	var o, e bytes.Buffer
	code = terminal.Run(context.Background(), &cli, args, &o, &e)
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
	expect(0, "50 of 50 boards", "diff")
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
	expect(0, "50 boards", "render", "--out", out, "--with", kept)
	if text, err := os.ReadFile(filepath.Join(out, "boards", "haidang", "haidang-air.json")); err != nil || !strings.Contains(string(text), "AQI của tôi") {
		t.Errorf("render --with: %v %s", err, text)
	}
	expect(0, "updated", "push", "--force")
}

// With InfluxDB one command puts alert rules there too, once for both languages;
// with a store that the city evaluates itself it takes them away again.
func TestAlertRulesOnTheCommandLine(t *testing.T) {
	s := grafanatest.Start("12.4.1")
	defer s.Close()
	t.Setenv("HAIDANG_GRAFANA", s.URL)
	t.Setenv("HAIDANG_GRAFANA_TOKEN", "admin:admin")
	sites := filepath.Join(t.TempDir(), "sites.json")
	if err := os.WriteFile(sites, []byte(`{"localities":[],"other_wards":[],"sites":[{"id":"cho-dam","locality":"nha-trang","tags":["ordinary"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	influx := []string{"--query", "influxql", "--source", "http://127.0.0.1:8086", "--influx-bucket", "city"}
	rule := func(uid string) (status int, title string) {
		t.Helper()
		res, err := http.Get(strings.Replace(s.URL, "://", "://admin:admin@", 1) + "/api/v1/provisioning/alert-rules/" + uid)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var live struct{ Title string }
		_ = json.NewDecoder(res.Body).Decode(&live) // a refusal has none
		return res.StatusCode, live.Title
	}
	line := func(want int, text string, args ...string) {
		t.Helper()
		code, stdout, stderr := dashboardsLine(append([]string{"dashboards"}, args...)...)
		if code != want || !strings.Contains(stdout+stderr, text) {
			t.Errorf("%v: exit code %d, want %d and %q:\n%s%s", args, code, want, text, stdout, stderr)
		}
	}
	line(0, "haidang-alerts", append([]string{"push", "--sites-file", sites}, influx...)...)
	saves := s.RuleSaves()
	if _, title := rule("hd-flood-rise"); title != "Nước lên nhanh" {
		t.Errorf("the rule of a fast rise is called %q", title)
	}
	if status, _ := rule("hd-noise-ordinary-night"); status != http.StatusOK {
		t.Errorf("the rule of an area with a site: %d", status)
	}
	line(0, "unchanged", append([]string{"push", "--sites-file", sites}, influx...)...)
	line(0, fmt.Sprintf("%d of %d alert rules are", saves, saves), append([]string{"diff", "--sites-file", sites}, influx...)...)
	if s.RuleSaves() != saves {
		t.Errorf("a second push saved %d rules", s.RuleSaves()-saves)
	}
	// Who knows no sites takes no rule of theirs away.
	line(0, "neither made nor removed", append([]string{"push"}, influx...)...)
	if status, _ := rule("hd-noise-ordinary-night"); status != http.StatusOK || s.RuleSaves() != saves {
		t.Errorf("a push without names: %d, %d saves", status, s.RuleSaves()-saves)
	}
	// Another language changes titles and rings no second time.
	line(0, "updated", append([]string{"push", "--sites-file", sites, "--lang", "en"}, influx...)...)
	if _, title := rule("hd-flood-rise"); title != "Fast rise of water" || s.RuleSaves() != 2*saves {
		t.Errorf("in English it is called %q after %d saves of %d rules", title, s.RuleSaves(), saves)
	}
	// A forgotten --query turns nothing over.
	line(1, "--query", "push")
	if status, _ := rule("hd-flood-rise"); status != http.StatusOK {
		t.Errorf("a push without --query took a rule away: %d", status)
	}
	line(0, "removed", "push", "--force")
	if status, _ := rule("hd-flood-rise"); status != http.StatusNotFound {
		t.Errorf("with PromQL the rule is still there: %d", status)
	}
	line(0, "rings twice", "push", "--rules", "yes")
	line(0, "removed", "push", "--rules", "no")

	// The same in files: what is not there any more is named.
	out := t.TempDir()
	file := filepath.Join(out, "provisioning", "alerting", "haidang.yaml")
	reads := func(want, not string) {
		t.Helper()
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), want) || strings.Contains(string(text), not) {
			t.Errorf("the file of alert rules lacks %q or has %q: %v\n%s", want, not, err, text)
		}
	}
	line(0, "alert rules", append([]string{"render", "--out", out, "--sites-file", sites}, influx...)...)
	reads("deleteRules:\n- orgId: 1\n  uid: hd-", "  uid: hd-noise-ordinary-night\ndeleteRules")
	line(0, "neither made nor removed", append([]string{"render", "--out", out}, influx...)...)
	reads("uid: hd-flood-rise", "deleteRules")
	line(0, "50 boards", append([]string{"render", "--out", out, "--rules", "no"}, influx...)...)
	reads("uid: hd-flood-rise", "groups:")
	line(0, "50 boards", "render", "--out", out)
	if _, err := os.Stat(file); err == nil {
		t.Error("with PromQL there is still a file of alert rules")
	}
}

func TestDashboardsRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--plain", []string{"push", "--grafana", "http://grafana.example.vn:3000", "--token", "s3cret"}},
		{"should be like", []string{"push", "--grafana", "grafana:3000"}},
		{"--source", []string{"push", "--source", "prometheus"}},
		{"--lang is empty", []string{"push", "--lang", ""}},
		{"--influx-bucket", []string{"render", "--out", t.TempDir(), "--query", "influxql", "--source", "http://127.0.0.1:8086"}},
		{"--source-env", []string{"render", "--out", t.TempDir(), "--source-token", "s3cret"}},
		{"--with", []string{"render", "--out", t.TempDir(), "--with", filepath.Join(t.TempDir(), "none")}},
	} {
		code, stdout, stderr := dashboardsLine(append([]string{"dashboards"}, c.args...)...)
		if code != 1 || !strings.Contains(stderr, c.want) || strings.Contains(stdout+stderr, "s3cret") {
			t.Errorf("%v: exit code %d, want 1 and %q:\n%s%s", c.args, code, c.want, stdout, stderr)
		}
	}
}

// Grafana is given the file of one language only: both name the same rules.
func TestRulesOfOneLanguage(t *testing.T) {
	out := t.TempDir()
	if code, stdout, stderr := dashboardsLine("dashboards", "rules", "--out", out, "--grafana", "--query", "influxql", "--datasource", "influx", "--no-sites"); code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	files, err := os.ReadDir(out)
	if err != nil || len(files) != 1 || files[0].Name() != "haidang-alerts-influxql.yaml" {
		t.Errorf("written: %v, %v", files, err)
	}
}
