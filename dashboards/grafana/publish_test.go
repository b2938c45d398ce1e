package grafana_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/grafana"
	"github.com/haidang-iot/haidang/dashboards/grafana/grafanatest"
)

// target is a Grafana that the conformance tests speak to: a fake one of some
// version, or the real one at HAIDANG_TEST_GRAFANA.
type target struct {
	url, token string
	fake       *grafanatest.Server // nil if it is real
	prefix     string              // of uids and titles, so that a real one's own are left alone
}

// each runs a test against every version, and against the real Grafana if there
// is one: http://USER:PASSWORD@HOST:PORT of an administrator.
func each(t *testing.T, test func(t *testing.T, g target)) {
	for _, version := range []string{"9.4.0", "10.4.19", "11.6.4", "12.4.1", "13.3.0"} {
		t.Run(version, func(t *testing.T) {
			fake := grafanatest.Start(version)
			defer fake.Close()
			test(t, target{url: fake.URL, token: "admin:admin", fake: fake, prefix: "t"})
		})
	}
	address := os.Getenv("HAIDANG_TEST_GRAFANA")
	if address == "" {
		return
	}
	t.Run("real", func(t *testing.T) {
		u, err := url.Parse(address)
		if err != nil || u.User == nil {
			t.Fatalf("HAIDANG_TEST_GRAFANA is %q: give http://USER:PASSWORD@HOST:PORT", address)
		}
		password, _ := u.User.Password()
		g := target{token: u.User.Username() + ":" + password, prefix: fmt.Sprintf("hdtest%d", time.Now().UnixNano())}
		u.User = nil
		g.url = u.String()
		defer g.clean(t)
		test(t, g)
	})
}

// do asks the Grafana itself, as another client would.
func (g target) do(t *testing.T, method, path string, in any) (int, map[string]any) {
	t.Helper()
	return g.doWith(t, method, path, "", in)
}

// doWith is do with a header that is there or not.
func (g target) doWith(t *testing.T, method, path, header string, in any) (int, map[string]any) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, g.url+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if header != "" {
		req.Header.Set(header, "true")
	}
	user, password, _ := strings.Cut(g.token, ":")
	req.SetBasicAuth(user, password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(res.Body).Decode(&out) // lists are of no interest here
	return res.StatusCode, out
}

// clean takes away what a test made in a real Grafana.
func (g target) clean(t *testing.T) {
	for _, suffix := range []string{"", "-other"} {
		g.do(t, "DELETE", "/api/folders/"+g.prefix+"-f"+suffix, nil)
		g.do(t, "DELETE", "/api/folders/"+g.prefix+"-alerts"+suffix+"?forceDeleteRules=true", nil)
		g.do(t, "DELETE", "/api/datasources/uid/"+g.prefix+"-ds"+suffix, nil)
	}
	res, err := http.Get(strings.Replace(g.url, "://", "://"+g.token+"@", 1) + "/api/playlists?limit=1000")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all []struct{ UID, Name string }
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if strings.HasPrefix(l.Name, g.prefix) {
			g.do(t, "DELETE", "/api/playlists/"+l.UID, nil)
		}
	}
}

func (g target) open(t *testing.T) *grafana.Server {
	t.Helper()
	s, err := grafana.Open(context.Background(), grafana.Options{URL: g.url, Token: g.token})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// air and water are boards as ours are built, in small.
const air = `{"uid":"P-air","title":"P Không khí","schemaVersion":39,"tags":["haidang"],"timezone":"Asia/Ho_Chi_Minh","id":null,
 "templating":{"list":[{"name":"locality","type":"query","query":"label_values(locality)","current":{}}]},
 "panels":[
  {"id":1,"type":"timeseries","title":"PM2.5","gridPos":{"x":0,"y":0,"w":12,"h":8},"datasource":{"type":"prometheus","uid":"P-ds"},
   "targets":[{"refId":"A","expr":"avg by (site) (air_quality_pm25)"}],
   "fieldConfig":{"defaults":{"unit":"conμgm3","thresholds":{"mode":"absolute","steps":[{"color":"green","value":null},{"color":"red","value":50}]}},"overrides":[]}},
  {"id":2,"type":"stat","title":"VN_AQI","gridPos":{"x":12,"y":0,"w":12,"h":8},"targets":[{"refId":"A","expr":"air_quality_index_vn_aqi"}]}]}`

const water = `{"uid":"P-water","title":"P Mực nước","schemaVersion":39,"panels":[{"id":1,"type":"text","title":"Sông Cái","gridPos":{"x":0,"y":0,"w":24,"h":4}}]}`

var formsDir = flag.String("forms", "", "folder to write every rendered form to")

// The playlist is written, as Grafana 13 was given it, where dashboards/types holds
// it to Grafana's types.
func TestForms(t *testing.T) {
	if *formsDir == "" {
		t.Skip("-forms names no folder: make boards-test does")
	}
	fake := grafanatest.Start("13.3.0")
	defer fake.Close()
	g := target{url: fake.URL, token: "admin:admin", fake: fake, prefix: "t"}
	b := g.bundle(t)
	if err := (&grafana.Publisher{Server: g.open(t)}).Push(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	_, made := g.do(t, http.MethodGet, "/apis/playlist.grafana.app/v1/namespaces/default/playlists/"+b.Sets[0].Playlist.UID, nil)
	text, err := json.MarshalIndent(made["spec"], "", "  ")
	if err != nil || made["spec"] == nil {
		t.Fatalf("no playlist: %v, %v", made, err)
	}
	dir := filepath.Join(*formsDir, "playlists")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "wall.json"), text, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (g target) bundle(t *testing.T) grafana.Bundle {
	t.Helper()
	set := grafana.Set{
		Folder:   grafana.Folder{UID: g.prefix + "-f", Title: g.prefix + " Hải Đăng"},
		Playlist: grafana.Playlist{UID: g.prefix + "-wall", Name: g.prefix + " wall", Interval: "30s"},
	}
	for _, text := range []string{air, water} {
		board, err := grafana.NewBoard([]byte(strings.NewReplacer("P-", g.prefix+"-", `"P `, `"`+g.prefix+" ").Replace(text)))
		if err != nil {
			t.Fatal(err)
		}
		set.Boards = append(set.Boards, board)
		set.Playlist.Boards = append(set.Playlist.Boards, board.UID)
	}
	return grafana.Bundle{
		DataSource: grafana.DataSource{UID: g.prefix + "-ds", Name: g.prefix + " source", Language: dashboards.PromQL, URL: "http://127.0.0.1:1/prometheus"},
		Sets:       []grafana.Set{set},
	}
}

// push pushes, and returns what was done as "board P-air created" and the like.
func push(t *testing.T, p *grafana.Publisher, b grafana.Bundle) ([]string, error) {
	t.Helper()
	var done []string
	p.Tell = func(s grafana.Step) {
		done = append(done, s.What+" "+s.Done)
		if s.Number != len(done) || s.Of < s.Number {
			t.Errorf("step %d of %d after %d steps", s.Number, s.Of, len(done)-1)
		}
	}
	err := p.Push(context.Background(), b)
	return done, err
}

func mustPush(t *testing.T, p *grafana.Publisher, b grafana.Bundle, want ...string) {
	t.Helper()
	done, err := push(t, p, b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done, want) {
		t.Errorf("done: %q, want %q", done, want)
	}
}

// byHand changes a board as an editor would, and saves it.
func (g target) byHand(t *testing.T, uid string, change func(model map[string]any)) {
	t.Helper()
	status, got := g.do(t, "GET", "/api/dashboards/uid/"+uid, nil)
	if status != 200 {
		t.Fatalf("board %s: %d", uid, status)
	}
	model := got["dashboard"].(map[string]any)
	change(model)
	folder := got["meta"].(map[string]any)["folderUid"]
	if status, got := g.do(t, "POST", "/api/dashboards/db", map[string]any{"dashboard": model, "folderUid": folder}); status != 200 {
		t.Fatalf("save by hand: %d %v", status, got)
	}
}

func TestPushIsIdempotent(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
		dry := &grafana.Publisher{Server: p.Server, DryRun: true}
		created := []string{"data source created", "folder created", "board created", "board created", "playlist created"}
		unchanged := []string{"data source unchanged", "folder unchanged", "board unchanged", "board unchanged", "playlist unchanged"}
		mustPush(t, dry, b, created...)
		if status, _ := g.do(t, "GET", "/api/folders/"+b.Sets[0].Folder.UID, nil); status != 404 {
			t.Errorf("a dry run made the folder: %d", status)
		}
		mustPush(t, p, b, created...)
		mustPush(t, p, b, unchanged...)

		b.Sets[0].Boards[1].Model = bytes.Replace(b.Sets[0].Boards[1].Model, []byte(`"h":4`), []byte(`"h":5`), 1)
		b.DataSource.URL = "http://127.0.0.1:2/prometheus"
		b.Sets[0].Playlist.Interval = "45s"
		changed := []string{"data source updated", "folder unchanged", "board unchanged", "board updated", "playlist updated"}
		mustPush(t, dry, b, changed...)
		mustPush(t, p, b, changed...)
		mustPush(t, p, b, unchanged...)

		status, got := g.do(t, "GET", "/api/dashboards/uid/"+b.Sets[0].Boards[0].UID, nil)
		if meta := got["meta"].(map[string]any); status != 200 || meta["folderUid"] != b.Sets[0].Folder.UID {
			t.Errorf("the board is in folder %v, want %s", meta["folderUid"], b.Sets[0].Folder.UID)
		}
		_, source := g.do(t, "GET", "/api/datasources/uid/"+b.DataSource.UID, nil)
		if source["url"] != b.DataSource.URL || source["isDefault"] != false {
			t.Errorf("data source: %v", source)
		}
	})
}

func TestChangesByHandAreNotLost(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		p, b, ctx := &grafana.Publisher{Server: g.open(t)}, g.bundle(t), context.Background()
		if _, err := push(t, p, b); err != nil {
			t.Fatal(err)
		}
		uid := b.Sets[0].Boards[0].UID
		g.byHand(t, uid, func(m map[string]any) {
			panels := m["panels"].([]any)
			first := panels[0].(map[string]any)
			first["title"] = "Bụi mịn"
			first["targets"].([]any)[0].(map[string]any)["expr"] = "max(air_quality_pm25)"
			first["gridPos"].(map[string]any)["w"] = 24
			panels[1] = map[string]any{"id": 9, "type": "gauge", "title": "mine", "gridPos": map[string]any{"x": 0, "y": 20, "w": 4, "h": 4}}
		})
		_, err := push(t, p, b)
		var byHand *grafana.ByHandError
		if !errors.As(err, &byHand) || len(byHand.Findings) != 1 || byHand.Findings[0].UID != uid {
			t.Fatalf("push over a change by hand: %v", err)
		}
		var lines []string
		for _, c := range byHand.Findings[0].Changes {
			lines = append(lines, c.Panel+": "+c.String())
		}
		want := []string{
			"PM2.5: moved from column 0 row 0 size 12×8 to column 0 row 0 size 24×8",
			`PM2.5: targets[A].expr: "avg by (site) (air_quality_pm25)" → "max(air_quality_pm25)"`,
			`PM2.5: title: "PM2.5" → "Bụi mịn"`,
			"mine: added",
			"VN_AQI: removed",
		}
		if !slices.Equal(lines, want) {
			t.Errorf("differences:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}

		// Kept: theirs is now what is pushed.
		kept, err := p.Pull(ctx, b)
		if err != nil || len(kept.Boards) != 1 || strings.Contains(string(kept.Boards[0].Model), "haidang_pushed") {
			t.Fatalf("pull: %v, %d boards", err, len(kept.Boards))
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
		if _, got := g.do(t, "GET", "/api/dashboards/uid/"+uid, nil); !strings.Contains(fmt.Sprint(got), "Bụi mịn") {
			t.Error("their version is gone")
		}
		mustPush(t, p, with, "data source unchanged", "folder unchanged", "board unchanged", "board unchanged", "playlist unchanged")
		if _, err := push(t, p, b); !errors.As(err, &byHand) || byHand.Findings[0].State != grafana.KeptElse {
			t.Errorf("push without the folder of what was kept: %v", err)
		}

		p.Force = true
		mustPush(t, p, b, "data source unchanged", "folder unchanged", "board updated", "board unchanged", "playlist unchanged")
		if _, got := g.do(t, "GET", "/api/dashboards/uid/"+uid, nil); strings.Contains(fmt.Sprint(got), "Bụi mịn") {
			t.Error("--force has not overwritten")
		}
	})
}

func TestConflicts(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		p, b := &grafana.Publisher{Server: g.open(t)}, g.bundle(t)
		refused := func(change func(*grafana.Bundle), status int, remedy string) {
			t.Helper()
			other := g.bundle(t)
			change(&other)
			_, err := push(t, p, other)
			var r *grafana.Refusal
			if !errors.As(err, &r) || r.Status != status || !strings.Contains(err.Error(), remedy) {
				t.Errorf("want %d and %q, have %v", status, remedy, err)
			}
		}
		if _, err := push(t, p, b); err != nil {
			t.Fatal(err)
		}
		if g.uniqueTitles(t) {
			refused(func(b *grafana.Bundle) { b.Sets[0].Folder.UID += "-other" }, 409, "--folder")
		}
		refused(func(b *grafana.Bundle) { b.DataSource.UID += "-other" }, 409, "--source-name")
		twin := func(b *grafana.Bundle) {
			b.Sets[0].Boards[1].Model = bytes.ReplaceAll(b.Sets[0].Boards[1].Model, []byte(b.Sets[0].Boards[1].UID), []byte(b.Sets[0].Boards[1].UID+"x"))
			b.Sets[0].Boards[1].UID += "x"
			b.Sets[0].Playlist.Boards = nil
		}
		if g.uniqueTitles(t) {
			refused(twin, 412, "same title")
		}

		// A board that nobody pushed from here.
		foreign := g.prefix + "-foreign"
		status, _ := g.do(t, "POST", "/api/dashboards/db", map[string]any{"folderUid": b.Sets[0].Folder.UID,
			"dashboard": map[string]any{"uid": foreign, "title": "theirs", "panels": []any{}}})
		if status != 200 {
			t.Fatal(status)
		}
		board, err := grafana.NewBoard([]byte(`{"uid":"` + foreign + `","title":"ours"}`))
		if err != nil {
			t.Fatal(err)
		}
		b.Sets[0].Boards = append(b.Sets[0].Boards, board)
		var byHand *grafana.ByHandError
		if _, err := push(t, p, b); !errors.As(err, &byHand) || byHand.Findings[0].State != grafana.Foreign {
			t.Errorf("a foreign board: %v", err)
		}
		// A folder that somebody renamed keeps its name.
		b.Sets[0].Boards = b.Sets[0].Boards[:2]
		b.Sets[0].Folder.Title += " 2"
		done, err := push(t, p, b)
		if err != nil || done[1] != "folder left" {
			t.Errorf("a renamed folder: %v %v", done, err)
		}
		p.Force = true
		if done, err = push(t, p, b); err != nil || done[1] != "folder updated" {
			t.Errorf("a renamed folder with force: %v %v", done, err)
		}
	})
}

// uniqueTitles reports whether this version takes a title once in a folder: 9.4
// does, 12.4 does not.
func (g target) uniqueTitles(t *testing.T) bool {
	t.Helper()
	major, _, _ := strings.Cut(g.open(t).Version, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		t.Fatal(err)
	}
	return n < 12
}

// What a client may rely on, asked of Grafana itself: if the fake and the real
// one differ here, the other tests prove nothing.
func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, g target) {
		f, ds := g.prefix+"-f", g.prefix+"-ds"
		source := func(uid, name string) map[string]any {
			return map[string]any{"uid": uid, "name": name, "type": "prometheus", "access": "proxy", "url": "http://127.0.0.1:1"}
		}
		board := func(uid, title string, version int) map[string]any {
			return map[string]any{"folderUid": f, "dashboard": map[string]any{"uid": uid, "title": title, "version": version, "panels": []any{}}}
		}
		changed, twinFolder := "version-mismatch", 409
		twin, twinWord, match, matchWord := 412, "name-exists", 400, "name-match"
		if !g.uniqueTitles(t) {
			changed, twinFolder = "", 200
			twin, twinWord, match, matchWord = 200, "success", 200, "success"
		}
		for i, c := range []struct {
			method, path string
			body         any
			status       int
			word         string
		}{
			{"GET", "/api/folders/" + f, nil, 404, "not-found"},
			{"POST", "/api/folders", map[string]any{"uid": f, "title": f}, 200, ""},
			{"POST", "/api/folders", map[string]any{"uid": f, "title": f + "b"}, 412, changed},
			{"POST", "/api/folders", map[string]any{"uid": f + "-other", "title": f}, twinFolder, ""},
			{"PUT", "/api/folders/" + f, map[string]any{"title": f + "c", "version": 7}, 412, changed},
			{"PUT", "/api/folders/" + f, map[string]any{"title": f + "c", "version": 1}, 200, ""},
			{"GET", "/api/dashboards/uid/" + f + "1", nil, 404, ""},
			{"POST", "/api/dashboards/db", board(f+"1", "one", 0), 200, "success"},
			{"POST", "/api/dashboards/db", board(f+"1", "one", 0), 412, "version-mismatch"},
			{"POST", "/api/dashboards/db", board(f+"1", "one", 1), 200, "success"},
			{"POST", "/api/dashboards/db", board(f+"2", "one", 0), twin, twinWord},
			{"POST", "/api/dashboards/db", board(f+"3", "", 0), 400, "empty-name"},
			{"POST", "/api/dashboards/db", board(f+"4", f+"c", 0), match, matchWord},
			{"POST", "/api/dashboards/db", board("a b", "two", 0), 400, ""},
			{"POST", "/api/dashboards/db", board(strings.Repeat("a", 41), "two", 0), 400, ""},
			{"POST", "/api/dashboards/db", map[string]any{"folderUid": "none-such", "dashboard": map[string]any{"uid": "x", "title": "x"}}, 400, ""},
			{"GET", "/api/datasources/uid/" + ds, nil, 404, ""},
			{"POST", "/api/datasources", source(ds, ds), 200, ""},
			{"POST", "/api/datasources", source(ds, ds+"b"), 409, ""},
			{"POST", "/api/datasources", source(ds+"-other", ds), 409, ""},
			{"PUT", "/api/datasources/uid/" + ds, source(ds, ds+"b"), 200, ""},
			{"GET", "/api/none-such", nil, 404, ""},
		} {
			status, got := g.do(t, c.method, c.path, c.body)
			if word, _ := got["status"].(string); status != c.status || word != c.word {
				t.Errorf("%d: %s %s answers %d %q, want %d %q", i, c.method, c.path, status, word, c.status, c.word)
			}
		}
		anonymous := g
		anonymous.token = "nobody:nothing"
		if status, _ := anonymous.do(t, "GET", "/api/folders/"+f, nil); status != 401 {
			t.Errorf("a wrong password: %d", status)
		}
	})
}
