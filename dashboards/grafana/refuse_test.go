package grafana_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/grafana"
	"github.com/haidang-iot/haidang/dashboards/grafana/grafanatest"
)

// fake starts a fake of a version and gives what the tests need of it.
func fake(t *testing.T, version string) target {
	t.Helper()
	s := grafanatest.Start(version)
	t.Cleanup(s.Close)
	return target{url: s.URL, token: "admin:admin", fake: s, prefix: "t"}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	answers := func(status int, header, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", header)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // to ourselves
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	encrypted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(encrypted.Close)
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct{ name, url, token, want string }{
		{"another server", answers(200, "", "<html>"), "", "no Grafana"},
		{"another JSON", answers(200, "", `{"status":"success"}`), "", "no Grafana"},
		{"a list", answers(200, "", `[]`), "", "no Grafana"},
		{"no such page", answers(404, "", ""), "", "no Grafana at this address"},
		{"a log-in before it", answers(302, "https://login.example/", ""), "", "sends elsewhere"},
		{"broken", answers(503, "", `{"database":"failing"}`), "", "Grafana's log"},
		{"too old", fake(t, "9.3.16").url, "", "9.4 or newer"},
		{"far too old", fake(t, "8.5.0").url, "", "9.4 or newer"},
		{"gone", gone.URL, "", "is Grafana running there?"},
		{"not encrypted", strings.Replace(fake(t, "12.4.1").url, "http:", "https:", 1), "", "begins with http://"},
		{"encrypted", strings.Replace(encrypted.URL, "https:", "http:", 1), "", "begins with https://"},
		{"of an authority of its own", encrypted.URL, "", "--ca FILE"},
		{"no address", "127.0.0.1:3000", "", "should be like"},
		{"a password in it", "http://admin:hunter2@127.0.0.1:1", "", "--token"},
		{"lines", "http://127.0.0.1:1", "a\nb", "line break"},
	} {
		_, err := grafana.Open(context.Background(), grafana.Options{URL: c.url, Token: c.token})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: want %q, have %v", c.name, c.want, err)
		}
	}
	if _, err := grafana.Open(context.Background(), grafana.Options{URL: fake(t, "").url}); err != nil {
		t.Errorf("a Grafana that hides its version: %v", err)
	}
}

func TestPermissions(t *testing.T) {
	g := fake(t, "11.6.4")
	g.fake.Allow("viewer-token", grafanatest.Viewer)
	g.fake.Allow("editor-token", grafanatest.Editor)
	b := g.bundle(t)
	for _, c := range []struct {
		token    string
		noSource bool
		status   int
		want     string
	}{
		{"", false, 401, "service account"},
		{"wrong", false, 401, "not valid"},
		{"admin:wrong", false, 401, "user:password"},
		{"viewer-token", false, 403, "Admin"},
		{"viewer-token", true, 403, "Editor"},
		{"editor-token", false, 403, "--no-source"},
		{"editor-token", true, 0, ""},
		{"admin:admin", false, 0, ""},
	} {
		g.token = c.token
		_, err := push(t, &grafana.Publisher{Server: g.open(t), NoSource: c.noSource}, b)
		var r *grafana.Refusal
		if c.status == 0 && err != nil || c.status > 0 && (!errors.As(err, &r) || r.Status != c.status || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("token %q: want %d %q, have %v", c.token, c.status, c.want, err)
		}
		if err != nil && c.token != "" && strings.Contains(err.Error(), c.token) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

// Somebody saves between our look and our save: theirs is not lost.
func TestSavedInBetween(t *testing.T) {
	g := fake(t, "12.4.1")
	p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	b.Sets[0].Boards[0].Model = []byte(strings.Replace(string(b.Sets[0].Boards[0].Model), `"w":12`, `"w":11`, 1))
	g.fake.BeforeSave = func() {
		g.fake.BeforeSave = nil
		g.byHand(t, b.Sets[0].Boards[0].UID, func(m map[string]any) { m["description"] = "theirs" })
	}
	_, err := push(t, p, b)
	var r *grafana.Refusal
	if !errors.As(err, &r) || r.Status != 412 || !strings.Contains(err.Error(), "dashboards diff") {
		t.Errorf("saved in between: %v", err)
	}
	if _, got := g.do(t, "GET", "/api/dashboards/uid/"+b.Sets[0].Boards[0].UID, nil); got["dashboard"].(map[string]any)["description"] != "theirs" {
		t.Error("their change is gone")
	}
}

// Grafana's own locked database is not somebody who saved.
func TestLockedDatabase(t *testing.T) {
	g := fake(t, "9.4.0")
	p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
	g.fake.Locked = 2
	if _, err := push(t, p, b); err != nil {
		t.Errorf("a database that was locked twice: %v", err)
	}
	b.Sets[0].Boards[0].Model = []byte(strings.Replace(string(b.Sets[0].Boards[0].Model), `"w":12`, `"w":11`, 1))
	g.fake.Locked = 1
	mustPush(t, p, b, "data source unchanged", "folder unchanged", "board updated", "board unchanged", "playlist unchanged")
	g.fake.Locked = 1000
	b.Sets[0].Boards[0].Model = []byte(strings.Replace(string(b.Sets[0].Boards[0].Model), `"w":11`, `"w":10`, 1))
	var r *grafana.Refusal
	if _, err := push(t, p, b); !errors.As(err, &r) || r.Status != 412 {
		t.Errorf("a database that stays locked: %v", err)
	}
}

// A version that migrates models as they are saved is not somebody's hand.
func TestRewritingVersion(t *testing.T) {
	g := fake(t, "13.3.0")
	g.fake.Rewrite = func(m map[string]any) { m["schemaVersion"], m["migrated"] = 42, true }
	p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	if n := g.fake.Saves(); n != 4 {
		t.Errorf("%d saves of two boards, want each twice", n)
	}
	mustPush(t, p, b, "data source unchanged", "folder unchanged", "board unchanged", "board unchanged", "playlist unchanged")
	g.byHand(t, b.Sets[0].Boards[0].UID, func(m map[string]any) { m["refresh"] = "5s" })
	var byHand *grafana.ByHandError
	if _, err := push(t, p, b); !errors.As(err, &byHand) {
		t.Errorf("a change by hand there: %v", err)
	}
	count := 0
	g.fake.Rewrite = func(m map[string]any) { count++; m["count"] = count }
	p.Force = true
	if _, err := push(t, p, b); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("a version that never makes the same: %v", err)
	}
}

func TestSecretAndProvisioned(t *testing.T) {
	g := fake(t, "10.4.19")
	p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
	b.DataSource.Authorization = "Bearer city-token"
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	b.DataSource.Authorization, b.DataSource.URL = "", "http://127.0.0.1:3/prometheus"
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	if got := g.fake.Secret(b.DataSource.UID, "httpHeaderValue1"); got != "Bearer city-token" {
		t.Errorf("a push without the secret left %v", got)
	}
	g.fake.Provision(b.Sets[0].Boards[0].UID)
	g.fake.Provision(b.DataSource.UID)
	b.Sets[0].Boards[0].Model = []byte(strings.Replace(string(b.Sets[0].Boards[0].Model), `"w":12`, `"w":11`, 1))
	mustPush(t, p, b, "data source left", "folder unchanged", "board left", "board unchanged", "playlist unchanged")
}

// Where the boards read is not changed by a push that does not say where, and what
// kind of store it is only by one that is meant to.
func TestDataSourceIsNotTurnedOver(t *testing.T) {
	g := fake(t, "12.4.1")
	p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	source := func() map[string]any {
		t.Helper()
		_, live := g.do(t, http.MethodGet, "/api/datasources/uid/"+b.DataSource.UID, nil)
		return live
	}
	was := b.DataSource.URL
	b.DataSource.URL, b.DataSource.AnyURL = "http://127.0.0.1:8080/prometheus", true
	if done, err := push(t, p, b); err != nil || done[0] != "data source unchanged" || source()["url"] != was {
		t.Errorf("a push that does not say where: %v, %v; now it is %v", done, err, source()["url"])
	}
	b.DataSource.AnyURL = false
	var why string
	p.Tell = func(s grafana.Step) { why += s.Why }
	if err := p.Push(t.Context(), b); err != nil || !strings.Contains(why, `"`+was+`" → "`+b.DataSource.URL+`"`) {
		t.Errorf("a push that says where: %v, %q", err, why)
	}
	g.byHand(t, b.Sets[0].Boards[0].UID, func(model map[string]any) { model["refresh"] = "5s" }) // that is not told first
	b.DataSource.Language, b.DataSource.Database = dashboards.InfluxQL, "city"
	for _, dry := range []bool{true, false} {
		p.DryRun = dry
		if _, err := push(t, p, b); err == nil || !strings.Contains(err.Error(), "--query") || source()["type"] != "prometheus" {
			t.Errorf("another kind of store: %v; now it is %v", err, source()["type"])
		}
	}
	p.Force = true
	if _, err := push(t, p, b); err != nil || source()["type"] != "influxdb" {
		t.Errorf("another kind of store, with force: %v; now it is %v", err, source()["type"])
	}
}

func TestCompareFindsNamedParts(t *testing.T) {
	before := map[string]any{
		"id": 1.0, "version": 3.0, "title": "a", "refresh": nil,
		"templating": map[string]any{"list": []any{
			map[string]any{"name": "site", "query": "x"}, map[string]any{"name": "old"}, map[string]any{"name": "haidang_pushed", "query": "1:a:b"},
		}},
		"panels": []any{
			map[string]any{"id": 1.0, "type": "row", "title": "Row", "collapsed": true, "panels": []any{
				map[string]any{"id": 2.0, "type": "stat", "title": "In it"},
			}},
			map[string]any{"id": 3.0, "type": "stat", "title": "Same", "fieldConfig": map[string]any{"overrides": []any{
				map[string]any{"matcher": map[string]any{"id": "byName", "options": "pm10"}, "properties": []any{1.0}},
			}}},
		},
	}
	after := map[string]any{
		"id": 9.0, "version": 8.0, "title": "a",
		"templating": map[string]any{"list": []any{map[string]any{"name": "site", "query": "y"}}},
		"panels": []any{
			map[string]any{"id": 1.0, "type": "row", "title": "Row", "collapsed": false},
			map[string]any{"id": 2.0, "type": "stat", "title": "In it"},
			map[string]any{"id": 7.0, "type": "stat", "title": "Same", "fieldConfig": map[string]any{"overrides": []any{
				map[string]any{"matcher": map[string]any{"id": "byName", "options": "pm10"}, "properties": []any{2.0}},
			}}},
		},
	}
	var got []string
	for _, c := range grafana.Compare(before, after) {
		got = append(got, c.Panel+"|"+c.String())
	}
	want := []string{
		`|templating.list[old]: removed, was {"name":"old"}`,
		`|templating.list[site].query: "x" → "y"`,
		"Row|collapsed: true → false",
		"Same|fieldConfig.overrides[pm10].properties: [1] → [2]",
		"Same|id: 3 → 7",
	}
	if !slices.Equal(got, want) {
		t.Errorf("have\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := grafana.Compare(before, before); len(c) > 0 {
		t.Errorf("a model differs from itself: %v", c)
	}
}

// What Grafana 9.4's editor adds to a board that is saved without a change (seen
// there) is nobody's change.
func TestSavedWithoutAChange(t *testing.T) {
	g := fake(t, "9.4.0")
	p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	g.byHand(t, b.Sets[0].Boards[0].UID, func(m map[string]any) {
		m["annotations"] = map[string]any{"list": []any{map[string]any{"builtIn": 1, "name": "Annotations & Alerts", "enable": true, "hide": true}}}
		m["editable"], m["fiscalYearStartMonth"], m["graphTooltip"], m["links"], m["liveNow"] = true, 0, 0, []any{}, false
		m["revision"], m["schemaVersion"], m["style"], m["timepicker"], m["weekStart"] = 1, 37, "dark", map[string]any{}, ""
		m["panels"].([]any)[0].(map[string]any)["pluginVersion"] = "9.4.0"
		delete(m, "id")
	})
	findings, err := p.Inspect(context.Background(), b)
	if err != nil || findings[0].State != grafana.Same || len(findings[0].Changes) > 0 {
		t.Errorf("saved without a change: %v %v", err, findings)
	}
}

func TestRender(t *testing.T) {
	b := target{prefix: "t"}.bundle(t)
	b.DataSource.Language, b.DataSource.Database, b.DataSource.Authorization = dashboards.InfluxQL, "city$1", "Token never-written"
	files, err := grafana.Render(b, grafana.Provisioning{BoardsPath: "/etc/boards", SourceURL: "http://$HOST:8086", AuthorizationEnv: "SECRET"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stale := filepath.Join(dir, "boards", "t-f", "haidang-gone.json")
	theirs := []string{filepath.Join(dir, "boards", "mine.json"), filepath.Join(dir, "boards", "t-f", "mine.json")}
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range append(theirs, stale) {
		if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := grafana.WriteAll(dir, files); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("a board that is no longer made is still there")
	}
	for _, file := range theirs {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("somebody else's board: %v", err)
		}
	}
	source, err := os.ReadFile(filepath.Join(dir, "provisioning", "datasources", "haidang.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`url: "http://$HOST:8086"`, `database: "city$$1"`, `httpHeaderValue1: "$SECRET"`, "type: influxdb"} {
		if !strings.Contains(string(source), want) {
			t.Errorf("the data source lacks %s:\n%s", want, source)
		}
	}
	for name, text := range files {
		if strings.Contains(string(text), "never-written") {
			t.Errorf("%s has the secret in it", name)
		}
	}
	if !strings.Contains(string(files["boards/t-f/t-air.json"]), `"title": "t Không khí"`) {
		t.Errorf("board: %s", files["boards/t-f/t-air.json"])
	}
}

func TestKeptFilesAreChecked(t *testing.T) {
	b := target{prefix: "t"}.bundle(t)
	for name, text := range map[string]string{
		"none of ours": `{"uid":"else","title":"x"}`, "no JSON": `{`, "no title": `{"uid":"t-air"}`, "a bad uid": `{"uid":"a b","title":"x"}`, "null": `null`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := grafana.ReadKept(dir)
		if err == nil {
			_, err = b.With(kept)
		}
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := grafana.ReadKept(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was taken")
	}
}

func TestBundleIsChecked(t *testing.T) {
	for want, change := range map[string]func(*grafana.Bundle){
		"1 to 40":     func(b *grafana.Bundle) { b.Sets[0].Folder.UID = "ä" },
		"two boards":  func(b *grafana.Bundle) { b.Sets[0].Boards[1] = b.Sets[0].Boards[0] },
		"playlist":    func(b *grafana.Bundle) { b.Sets[0].Playlist.Boards = []string{"none"} },
		"language":    func(b *grafana.Bundle) { b.DataSource.Language = "sql" },
		"bucket":      func(b *grafana.Bundle) { b.DataSource.Language = dashboards.InfluxQL },
		"should be":   func(b *grafana.Bundle) { b.DataSource.URL = "prometheus" },
		"no title":    func(b *grafana.Bundle) { b.Sets[0].Boards[0].Title = "" },
		"JSON object": func(b *grafana.Bundle) { b.Sets[0].Boards[0].Model = []byte(`[]`) },
		"says in its": func(b *grafana.Bundle) { b.Sets[0].Boards[0].UID = "other" },
	} {
		b := target{prefix: "t"}.bundle(t)
		change(&b)
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}
