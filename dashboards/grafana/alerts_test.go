package grafana_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards/grafana"
	"github.com/haidang-iot/haidang/dashboards/grafana/grafanatest"
)

// level and rise are alert rules as ours are built, in small.
const level = `{"uid":"P-level","title":"P Báo động I","condition":"C","noDataState":"OK","execErrState":"Error","for":"10m",
 "annotations":{"summary":"{{ $labels.site }}"},"labels":{"severity":"watch"},"isPaused":false,
 "data":[
  {"refId":"A","relativeTimeRange":{"from":600,"to":0},"datasourceUid":"P-ds","model":{"refId":"A","expr":"water_level_level","instant":true,"intervalMs":60000,"maxDataPoints":1000}},
  {"refId":"C","relativeTimeRange":{"from":0,"to":0},"datasourceUid":"__expr__","model":{"refId":"C","type":"math","expression":"$A >= 8","intervalMs":60000,"maxDataPoints":1000}}]}`

const rise = `{"uid":"P-rise","title":"P Nước lên","condition":"C","noDataState":"OK","execErrState":"Error","for":"5m",
 "annotations":{"summary":"x"},"labels":{},"isPaused":false,
 "data":[{"refId":"C","relativeTimeRange":{"from":0,"to":0},"datasourceUid":"__expr__","model":{"refId":"C","type":"math","expression":"1 > 2","intervalMs":60000,"maxDataPoints":1000}}]}`

const (
	rules     = "/api/v1/provisioning/alert-rules"
	editorMay = "X-Disable-Provenance"
)

// withRules is a bundle with alert rules alone, in two groups.
func (g target) withRules(t *testing.T) grafana.Bundle {
	t.Helper()
	b := g.bundle(t)
	b.Sets = nil
	b.Alerts.Folder = grafana.Folder{UID: g.prefix + "-alerts", Title: g.prefix + " cảnh báo"}
	for i, text := range []string{level, rise} {
		r, err := grafana.NewRule([]byte(strings.NewReplacer("P-", g.prefix+"-", `"P `, `"`+g.prefix+" ").Replace(text)))
		if err != nil {
			t.Fatal(err)
		}
		group := grafana.RuleGroup{Name: []string{"water_level", "water_level_5m"}[i], Every: []time.Duration{time.Minute, 5 * time.Minute}[i], Rules: []grafana.Rule{r}}
		b.Alerts.Groups = append(b.Alerts.Groups, group)
	}
	return b
}

// changeRule changes a rule as Grafana's editor would.
func (g target) changeRule(t *testing.T, uid string, change func(rule map[string]any)) {
	t.Helper()
	status, rule := g.do(t, "GET", rules+"/"+uid, nil)
	if status != 200 {
		t.Fatalf("rule %s: %d", uid, status)
	}
	change(rule)
	header := editorMay
	if rule["provenance"] != nil {
		header = ""
	}
	if status, got := g.doWith(t, "PUT", rules+"/"+uid, header, rule); status != 200 {
		t.Fatalf("save by hand: %d %v", status, got)
	}
}

func TestAlertRulesAreIdempotent(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		p, b := &grafana.Publisher{Server: g.open(t), NoSource: true}, g.withRules(t)
		dry := &grafana.Publisher{Server: p.Server, DryRun: true, NoSource: true}
		created := []string{"data source left", "folder created", "alert rules created", "alert rules created"}
		unchanged := []string{"data source left", "folder unchanged", "alert rules unchanged", "alert rules unchanged"}
		mustPush(t, dry, b, created...)
		if status, _ := g.do(t, "GET", "/api/folders/"+b.Alerts.Folder.UID, nil); status != 404 {
			t.Errorf("a dry run made the folder: %d", status)
		}
		mustPush(t, p, b, created...)
		mustPush(t, p, b, unchanged...)
		_, group := g.do(t, "GET", "/api/v1/provisioning/folder/"+b.Alerts.Folder.UID+"/rule-groups/water_level_5m", nil)
		if group["interval"] != 300.0 {
			t.Errorf("the group is evaluated every %v s, want 300", group["interval"])
		}

		// Somebody's own rule in our group, and a change of ours in both.
		own := map[string]any{"uid": g.prefix + "-own", "title": g.prefix + " own", "folderUID": b.Alerts.Folder.UID, "ruleGroup": "water_level", "condition": "C",
			"for": "1m", "noDataState": "OK", "execErrState": "Error", "data": []any{map[string]any{"refId": "C", "datasourceUid": "__expr__",
				"relativeTimeRange": map[string]any{"from": 0, "to": 0}, "model": map[string]any{"refId": "C", "type": "math", "expression": "1 > 3"}}}}
		if status, got := g.doWith(t, "POST", rules, editorMay, own); status != 201 {
			t.Fatalf("make somebody's rule: %d %v", status, got)
		}
		b.Alerts.Groups[0].Rules[0].Model = bytes.Replace(b.Alerts.Groups[0].Rules[0].Model, []byte(">= 8"), []byte(">= 9"), 1)
		b.Alerts.Groups[1].Every = 2 * time.Minute
		mustPush(t, dry, b, "data source left", "folder unchanged", "alert rules updated", "alert rules updated")
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rules updated", "alert rules updated")
		mustPush(t, p, b, unchanged...)
		if _, got := g.do(t, "GET", rules+"/"+g.prefix+"-own", nil); got["title"] != g.prefix+" own" {
			t.Errorf("somebody's own rule: %v", got)
		}

		// What is no longer made goes, unless it may be missing for want of names.
		all := b.Alerts.Groups
		b.Alerts.Groups, b.Alerts.Incomplete = all[:1], "nobody knows"
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rule left", "alert rules unchanged")
		b.Alerts.Incomplete = ""
		mustPush(t, dry, b, "data source left", "folder unchanged", "alert rule removed", "alert rules unchanged")
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rule removed", "alert rules unchanged")
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rules unchanged")
		b.Alerts.Groups = nil
		mustPush(t, p, b, "data source left", "alert rule removed")
		mustPush(t, p, b, "data source left")
		if status, _ := g.do(t, "GET", rules+"/"+g.prefix+"-own", nil); status != 200 {
			t.Errorf("somebody's own rule is gone: %d", status)
		}
	})
}

func TestAlertRulesChangedByHand(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		p, b, ctx := &grafana.Publisher{Server: g.open(t), NoSource: true}, g.withRules(t), context.Background()
		if _, err := push(t, p, b); err != nil {
			t.Fatal(err)
		}
		uid := b.Alerts.Groups[0].Rules[0].UID
		g.changeRule(t, uid, func(rule map[string]any) {
			rule["data"].([]any)[1].(map[string]any)["model"].(map[string]any)["expression"] = "$A >= 7.5"
			rule["labels"].(map[string]any)["team"] = "ioc"
			rule["ruleGroup"] = "mine"
		})
		_, err := push(t, p, b)
		var byHand *grafana.ByHandError
		if !errors.As(err, &byHand) || len(byHand.Findings) != 1 || byHand.Findings[0].UID != uid {
			t.Fatalf("push over a change by hand: %v", err)
		}
		var lines []string
		for _, c := range byHand.Findings[0].Changes {
			lines = append(lines, c.String())
		}
		want := []string{`data[C].model.expression: "$A >= 8" → "$A >= 7.5"`, `labels.team: added "ioc"`, `ruleGroup: "water_level" → "mine"`}
		if !slices.Equal(lines, want) {
			t.Errorf("differences:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}

		kept, err := p.Pull(ctx, b)
		if err != nil || len(kept.Rules) != 1 || strings.Contains(string(kept.Rules[0].Model), "haidang_pushed") {
			t.Fatalf("pull: %v, %+v", err, kept)
		}
		dir := t.TempDir()
		if err := kept.Write(dir); err != nil {
			t.Fatal(err)
		}
		if kept, err = grafana.ReadKept(dir); err != nil {
			t.Fatal(err)
		}
		with, err := b.With(kept)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := push(t, p, with); err != nil {
			t.Fatalf("push --with what was pulled: %v", err)
		}
		if _, got := g.do(t, "GET", rules+"/"+uid, nil); got["ruleGroup"] != "mine" {
			t.Errorf("their version is gone: %v", got)
		}
		done, err := push(t, p, with)
		if err != nil || slices.ContainsFunc(done, func(s string) bool { return strings.HasSuffix(s, "updated") || strings.HasSuffix(s, "created") }) {
			t.Errorf("a second push --with: %v %q", err, done)
		}
		if _, err := push(t, p, b); !errors.As(err, &byHand) || byHand.Findings[0].State != grafana.KeptElse {
			t.Errorf("push without the folder of what was kept: %v", err)
		}
		p.Force = true
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rules updated", "alert rules unchanged")
		p.Force = false
		if _, got := g.do(t, "GET", rules+"/"+uid, nil); got["ruleGroup"] != "water_level" {
			t.Errorf("--force has not overwritten: %v", got)
		}
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rules unchanged", "alert rules unchanged")

		// Somebody else's interval, and a rule of ours that is no longer made.
		if status, got := g.doWith(t, "PUT", "/api/v1/provisioning/folder/"+b.Alerts.Folder.UID+"/rule-groups/water_level_5m", editorMay, map[string]any{"interval": 600}); status != 200 {
			t.Fatalf("change the interval: %d %v", status, got)
		}
		if _, err := push(t, p, b); !errors.As(err, &byHand) || byHand.Findings[0].Changes[0].String() != "interval: 300 → 600" {
			t.Errorf("a changed interval: %v", err)
		}
		b.Alerts.Groups = b.Alerts.Groups[:1]
		if _, err := push(t, p, b); !errors.As(err, &byHand) {
			t.Errorf("removing what somebody changed: %v", err)
		}
		p.Force = true
		mustPush(t, p, b, "data source left", "folder unchanged", "alert rule removed", "alert rules unchanged")
	})
}

// What a client may rely on of alert rules; see TestAnswers.
func TestAlertRulesAnswers(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		old := strings.HasPrefix(g.open(t).Version, "9.")
		folder := g.prefix + "-alerts"
		if status, _ := g.do(t, "POST", "/api/folders", map[string]any{"uid": folder, "title": folder}); status != 200 {
			t.Fatal(status)
		}
		rule := func(suffix string) map[string]any {
			return map[string]any{"uid": folder + suffix, "title": folder + suffix, "folderUID": folder, "ruleGroup": "g", "condition": "C",
				"for": "1m", "noDataState": "OK", "execErrState": "Error", "data": []any{map[string]any{"refId": "C", "datasourceUid": "__expr__",
					"relativeTimeRange": map[string]any{"from": 0, "to": 0}, "model": map[string]any{"refId": "C", "type": "math", "expression": "1 > 3"}}}}
		}
		untitled := rule("2")
		untitled["title"] = ""
		either := func(nine, later int) int {
			if old {
				return nine
			}
			return later
		}
		group := "/api/v1/provisioning/folder/" + folder + "/rule-groups/"
		for i, c := range []struct {
			method, path, header string
			body                 any
			status               int
			key                  string
			value                any
		}{
			{"GET", rules + "/" + folder + "1", "", nil, either(500, 404), "", nil},
			{"PUT", rules + "/" + folder + "1", "", rule("1"), 404, "", nil},
			{"GET", group + "g", "", nil, 404, "", nil},
			{"POST", rules, editorMay, untitled, 400, "", nil},
			{"POST", rules, editorMay, rule("1"), 201, "provenance", nil},
			{"POST", rules, editorMay, rule("1"), either(500, 409), "", nil},
			{"GET", group + "g", "", nil, 200, "interval", 60.0},
			{"PUT", group + "g", editorMay, map[string]any{"interval": 15}, 400, "", nil},
			{"PUT", rules + "/" + folder + "1", editorMay, rule("1"), 200, "provenance", nil},
			{"PUT", rules + "/" + folder + "1", "", rule("1"), 200, "provenance", "api"},
			{"PUT", rules + "/" + folder + "1", editorMay, rule("1"), 500, "", nil},
			{"PUT", rules + "/" + folder + "1", "", rule("1"), 200, "provenance", "api"},
			{"POST", rules, editorMay, rule("2"), 201, "provenance", nil},
			{"DELETE", rules + "/" + folder + "1", editorMay, nil, 204, "", nil},
			{"DELETE", rules + "/" + folder + "1", editorMay, nil, 204, "", nil},
			{"PUT", group + "g", editorMay, map[string]any{"interval": 300}, 200, "interval", 300.0},
			{"GET", group + "g", "", nil, 200, "interval", 300.0},
			// 9.4 knows no header for groups.
			{"GET", rules + "/" + folder + "2", "", nil, 200, "provenance", map[bool]any{true: "api"}[old]},
		} {
			status, got := g.doWith(t, c.method, c.path, c.header, c.body)
			if status != c.status || c.key != "" && got[c.key] != c.value {
				t.Errorf("%d: %s %s answers %d %v, want %d and %s %v", i, c.method, c.path, status, got, c.status, c.key, c.value)
			}
		}
	})
}

func TestAlertRulesOfOthers(t *testing.T) {
	g := fake(t, "11.6.4")
	p, b := &grafana.Publisher{Server: g.open(t), NoSource: true}, g.withRules(t)
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	uid := b.Alerts.Groups[0].Rules[0].UID
	g.changeRule(t, uid, func(rule map[string]any) {
		rule["annotations"] = map[string]any{"summary": "not from here"}
	})
	var byHand *grafana.ByHandError
	if _, err := push(t, p, b); !errors.As(err, &byHand) || byHand.Findings[0].State != grafana.Foreign {
		t.Errorf("a rule that nobody pushed from here: %v", err)
	}
	g.fake.ProvisionRule(uid)
	saves := g.fake.RuleSaves()
	mustPush(t, p, b, "data source left", "folder unchanged", "alert rules left", "alert rules unchanged")
	if g.fake.RuleSaves() != saves {
		t.Error("a rule of a provisioning file was saved")
	}
	// All of them: then Grafana has made their folder itself, under another uid.
	g.fake.ProvisionRule(b.Alerts.Groups[1].Rules[0].UID)
	mustPush(t, p, b, "data source left", "alert rules left", "alert rules left")
}

func TestAlertRulesNeedRightsAndAlerting(t *testing.T) {
	for _, version := range []string{"9.4.0", "12.4.1"} {
		g := fake(t, version)
		g.fake.Allow("editor-token", grafanatest.Editor)
		g.fake.Allow("viewer-token", grafanatest.Viewer)
		b := g.withRules(t)
		none := b
		none.Alerts.Groups = nil
		g.token = "viewer-token"
		p := &grafana.Publisher{Server: g.open(t), NoSource: true}
		if _, err := push(t, p, b); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("%s: a viewer pushes: %v", version, err)
		}
		g.token = "editor-token"
		p.Server = g.open(t)
		done, err := push(t, p, none)
		if want := map[string]int{"9.4.0": 2, "12.4.1": 1}[version]; err != nil || len(done) != want {
			t.Errorf("%s: an editor pushes no rules: %v %q", version, err, done)
		}
		_, err = push(t, p, b)
		if version == "9.4.0" && (err == nil || !strings.Contains(err.Error(), "--rules no")) || version != "9.4.0" && err != nil {
			t.Errorf("%s: an editor pushes rules: %v", version, err)
		}
		g.fake.NoAlerting, g.token = true, "admin:admin"
		p.Server = g.open(t)
		if _, err := push(t, p, b); err == nil || !strings.Contains(err.Error(), "unified_alerting") {
			t.Errorf("%s: without alerting: %v", version, err)
		}
		if _, err := push(t, p, none); err != nil {
			t.Errorf("%s: no rules without alerting: %v", version, err)
		}
	}
}

func TestAlertRulesRewritten(t *testing.T) {
	g := fake(t, "13.3.0")
	g.fake.RewriteRule = func(rule map[string]any) { rule["missing_series_evals_to_resolve"] = 2 }
	p, b := &grafana.Publisher{Server: g.open(t), NoSource: true}, g.withRules(t)
	if _, err := push(t, p, b); err != nil {
		t.Fatal(err)
	}
	if n := g.fake.RuleSaves(); n != 4 {
		t.Errorf("%d saves of two rules, want each twice", n)
	}
	mustPush(t, p, b, "data source left", "folder unchanged", "alert rules unchanged", "alert rules unchanged")
	count := 0
	g.fake.RewriteRule = func(rule map[string]any) { count++; rule["missing_series_evals_to_resolve"] = 2 + count }
	b.Alerts.Groups[0].Every = 2 * time.Minute
	if _, err := push(t, p, b); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("a version that never makes the same: %v", err)
	}
}

func TestAlertRulesAreChecked(t *testing.T) {
	for want, change := range map[string]func(*grafana.Bundle){
		"one of boards": func(b *grafana.Bundle) { b.Sets[0].Folder.UID = b.Alerts.Folder.UID },
		"a title":       func(b *grafana.Bundle) { b.Alerts.Folder.Title = "" },
		"within a":      func(b *grafana.Bundle) { b.Alerts.Folder.Title = "a/b" },
		"multiples":     func(b *grafana.Bundle) { b.Alerts.Groups[0].Every = 15 * time.Second },
		"taken":         func(b *grafana.Bundle) { b.Alerts.Groups[1].Name = b.Alerts.Groups[0].Name },
		"two alert":     func(b *grafana.Bundle) { b.Alerts.Groups[1].Rules = b.Alerts.Groups[0].Rules },
		"both called": func(b *grafana.Bundle) {
			r := &b.Alerts.Groups[1].Rules[0]
			r.Title = b.Alerts.Groups[0].Rules[0].Title
			r.Model = bytes.Replace(r.Model, []byte("t Nước lên"), []byte(r.Title), 1)
		},
		"are needed": func(b *grafana.Bundle) { b.Alerts.Groups[0].Rules[0].Title = "" },
		"1 to 40":    func(b *grafana.Bundle) { b.Alerts.Groups[0].Rules[0].UID = strings.Repeat("a", 41) },
	} {
		g := target{prefix: "t"}
		b := g.withRules(t)
		b.Sets = g.bundle(t).Sets
		change(&b)
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

func TestRenderAlertRules(t *testing.T) {
	b := target{prefix: "t"}.withRules(t)
	b.Alerts.Former = []string{"t-gone"}
	files, err := grafana.Render(b, grafana.Provisioning{BoardsPath: "/etc/boards"})
	if err != nil {
		t.Fatal(err)
	}
	text := string(files["provisioning/alerting/haidang.yaml"])
	for _, want := range []string{"folder: t cảnh báo\n", "interval: 300s\n", "uid: t-level\n", "summary: \"{{ $labels.site }}\"\n", "deleteRules:\n- orgId: 1\n  uid: t-gone\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the file lacks %q:\n%s", want, text)
		}
	}
	b.Alerts = grafana.Alerts{}
	files, err = grafana.Render(b, grafana.Provisioning{BoardsPath: "/etc/boards"})
	if err != nil || files["provisioning/alerting/haidang.yaml"] != nil {
		t.Errorf("a file of no rules: %v", err)
	}
}
