package dashboards_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

var (
	update   = flag.Bool("update", false, "rewrite the golden files")
	formsDir = flag.String("forms", "", "folder to write every rendered form to")
)

// province is the first users', with every kind at every place.
func province() dashboards.Province {
	p := dashboards.Province{Localities: seed.Localities(), Wards: seed.Wards(), Now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	p.Alarms = map[string]dashboards.Text{"heat-35": {VI: "Nắng nóng", EN: "Heat"}, "device-silent": {VI: "Thiết bị mất tín hiệu", EN: "Silent device"}}
	var kinds []telemetry.Kind
	for _, k := range telemetry.NewCatalogue().Kinds() {
		kinds = append(kinds, k.Kind)
	}
	for i, s := range seed.Sites() {
		if i%9 == 0 {
			s.NoiseArea = devices.NoiseSpecial
		}
		p.Sites = append(p.Sites, dashboards.Site{Site: s, Kinds: kinds})
	}
	return p
}

// model is what the tests read of a board.
type model struct {
	UID    string
	Title  string
	Panels []struct {
		ID               int
		Type             string
		Title            string
		Description      string
		GridPos          struct{ X, Y, W, H int }
		Targets          []struct{ RefID, Expr, Query string }
		Interval         string
		FieldConfig, Opt json.RawMessage
	}
	Templating struct {
		List []struct {
			Name       string
			Definition string
		}
	}
}

// forms are the renderings that there are.
func forms() []dashboards.Options {
	var out []dashboards.Options
	for _, d := range []dashboards.Dialect{{Language: dashboards.PromQL}, {Language: dashboards.InfluxQL}} {
		d.Catalogue = telemetry.NewCatalogue()
		for _, l := range []dashboards.Lang{dashboards.Vietnamese, dashboards.English} {
			for _, wall := range []bool{false, true} {
				out = append(out, dashboards.Options{Lang: l, Dialect: d, DataSource: "haidang", Wall: wall})
			}
		}
	}
	return out
}

// each renders every board in every form, with and without a registry.
func each(t *testing.T, f func(t *testing.T, b dashboards.Board, o dashboards.Options, text []byte, m model)) {
	for _, o := range forms() {
		for _, p := range []dashboards.Province{province(), {Now: province().Now}} {
			for _, b := range dashboards.Boards(p) {
				text, err := b.Render(p, o)
				if err != nil {
					t.Fatal(err)
				}
				var m model
				if err := json.Unmarshal(text, &m); err != nil {
					t.Fatal(err)
				}
				t.Run(fmt.Sprintf("%s/%s/%d", o.Dialect.Language, m.UID, len(p.Sites)), func(t *testing.T) { f(t, b, o, text, m) })
			}
		}
	}
}

// Every form of every board is written where types/ holds it to Grafana's types.
func TestForms(t *testing.T) {
	if *formsDir == "" {
		t.Skip("-forms names no folder: make boards-test does")
	}
	dir := filepath.Join(*formsDir, "boards")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, o := range forms() {
		for _, b := range dashboards.Boards(province()) {
			if o.Wall && len(b.Wall) == 0 {
				continue
			}
			text, err := b.Render(province(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, string(o.Dialect.Language)+"-"+string(o.Lang)+"-"+b.UID(o)+".json"), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The golden files make a change of the boards reviewable.
func TestGolden(t *testing.T) {
	cat := telemetry.NewCatalogue()
	for _, o := range []dashboards.Options{
		{Lang: dashboards.Vietnamese, Dialect: dashboards.Dialect{Language: dashboards.PromQL, Catalogue: cat}, DataSource: "haidang"},
		{Lang: dashboards.Vietnamese, Dialect: dashboards.Dialect{Language: dashboards.PromQL, Catalogue: cat}, DataSource: "haidang", Wall: true},
		{Lang: dashboards.English, Dialect: dashboards.Dialect{Language: dashboards.InfluxQL, Catalogue: cat}, DataSource: "haidang"},
	} {
		for _, b := range dashboards.Boards(province()) {
			if o.Wall && len(b.Wall) == 0 {
				continue
			}
			have, err := b.Render(province(), o)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", string(o.Dialect.Language), b.UID(o)+".json")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, have, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(have)); diff != "" {
				t.Errorf("%s (-want +have), go test ./dashboards -update writes it anew:\n%.3000s", file, diff)
			}
		}
	}
}

// Every query is PromQL by Prometheus' own parser.
func TestPromQLParses(t *testing.T) {
	variables := strings.NewReplacer("$__interval", "5m", "$locality", "nha-trang|cam-ranh", "${ward:raw}", "cho-dam|ma-vong", "$ward", ".+", "$site", "cho-dam")
	seen := 0
	each(t, func(t *testing.T, _ dashboards.Board, o dashboards.Options, _ []byte, m model) {
		for _, p := range m.Panels {
			for _, target := range p.Targets {
				if (o.Dialect.Language == dashboards.PromQL) == (target.Expr == "") || (o.Dialect.Language == dashboards.InfluxQL) == (target.Query == "") {
					t.Errorf("%s: %s is in the wrong language", p.Title, target.RefID)
				}
				if target.Expr == "" {
					continue
				}
				seen++
				text := variables.Replace(target.Expr)
				if strings.Contains(text, "$") {
					t.Errorf("%s: %s has a variable that nobody knows", p.Title, text)
				}
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(text); err != nil {
					t.Errorf("%s: %s: %v", p.Title, text, err)
				}
			}
		}
	})
	if seen < 100 {
		t.Errorf("only %d queries seen", seen)
	}
}

// No two panels overlap, none is outside, and a wall fits its screen.
func TestLayout(t *testing.T) {
	each(t, func(t *testing.T, b dashboards.Board, o dashboards.Options, _ []byte, m model) {
		taken := map[[2]int]string{}
		ids := map[int]bool{}
		bottom := 0
		for _, p := range m.Panels {
			if ids[p.ID] {
				t.Errorf("two panels have the id %d", p.ID)
			}
			ids[p.ID] = true
			bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%q lies over %q", p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%q sticks out", p.Title)
			}
		}
		if o.Wall && bottom > 26 {
			t.Errorf("%d high: a screen of 1080 lines shows 26, below which Grafana 12 puts its name", bottom)
		}
		if !o.Wall && len(m.Panels) == 0 {
			t.Error("an empty board")
		}
	})
}

// Nothing that people read is without a text, and no two boards have one uid or
// one title.
func TestTexts(t *testing.T) {
	vietnamese := regexp.MustCompile(`[ăâđêôơưàáảãạèéẻẽẹìíỉĩịòóỏõọùúủũụỳýỷỹỵấầẩẫậắằẳẵặếềểễệốồổỗộớờởỡợứừửữự]`)
	uids, titles := map[string]string{}, map[string]string{}
	each(t, func(t *testing.T, b dashboards.Board, o dashboards.Options, text []byte, m model) {
		of := fmt.Sprint(b.ID, o.Lang, o.Wall)
		if had, ok := uids[m.UID]; ok && had != of || len(m.UID) > 40 {
			t.Errorf("uid %s is of two boards, or longer than 40", m.UID)
		}
		if had, ok := titles[string(o.Lang)+m.Title]; ok && had != of {
			t.Errorf("two boards are called %q", m.Title)
		}
		uids[m.UID], titles[string(o.Lang)+m.Title] = of, of
		for _, p := range m.Panels {
			if p.Title == "" && p.Type != "text" {
				t.Errorf("panel %d has no title", p.ID)
			}
			if o.Lang == dashboards.English && vietnamese.MatchString(p.Title) && !strings.Contains(p.Title, "Hải Đăng") {
				t.Errorf("%q is not English", p.Title)
			}
		}
		if slices.Contains([]string{"Mực nước và lũ", "Water and flood"}, m.Title) && !strings.Contains(string(text), "05/2020/QĐ-TTg") {
			t.Error("the alarm levels do not say what they rest on")
		}
	})
}
