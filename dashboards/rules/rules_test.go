package rules_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

var (
	update   = flag.Bool("update", false, "write the golden files anew")
	formsDir = flag.String("forms", "", "folder to write every rendered form to")
)

// morning is a moment whose limits the tests use.
func morning() time.Time { return time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC) }

func areas() map[limits.Area][]telemetry.Site {
	return rules.AreasOf(map[telemetry.Site][]string{"cho-dam": {"ordinary"}, "ba-ngoi": {"ordinary", "x"}, "binh-ba": {"aquaculture"},
		"vinh-phuong": {"river"}, "doc-let": {"bathing"}, "benh-vien": {"special"}})
}

// fives are the devices of the tests' noise, a reading every five minutes where the
// kind has one a minute.
func fives() []rules.Cadence {
	return []rules.Cadence{{Site: "cho-dam", Device: "n-1", Kind: telemetry.Noise, Every: 5 * time.Minute}}
}

func all() []rules.Rule {
	return rules.All(rules.Options{At: morning(), Areas: areas(), Cadences: fives()})
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (rewrite with -update and read the change):\n%s", file, diff)
	}
}

// Every limit in force has its rule, and every category of bad air.
func TestEveryLimitHasARule(t *testing.T) {
	found := map[string]rules.Rule{}
	for _, r := range all() {
		if _, twice := found[r.ID]; twice {
			t.Errorf("two rules are called %s", r.ID)
		}
		found[r.ID] = r
		if r.Name.VI == "" || r.Name.EN == "" || r.Reference.VI == "" || r.Reference.EN == "" || r.Severity == 0 || r.Basis == 0 || r.Every == 0 {
			t.Errorf("%s lacks something: %+v", r.ID, r)
		}
	}
	for _, l := range limits.At(morning()) {
		if r := found[l.ID]; r.Value != l.Value || r.Below != l.Below || r.Severity != l.Severity || r.Basis != l.Basis {
			t.Errorf("%s: the rule %+v is not of the limit %+v", l.ID, r, l)
		}
	}
	for _, c := range vnaqi.Categories()[2:] {
		if r := found["vnaqi-"+number(c.From)]; r.Value != float64(c.From) {
			t.Errorf("no rule for VN_AQI from %d", c.From)
		}
	}
}

func number(n int) string {
	return strings.TrimSpace(strings.ReplaceAll(time.Duration(n).String(), "ns", ""))
}

// What is compared is in the catalogue, as is its unit.
func TestRulesFitTheCatalogue(t *testing.T) {
	catalogue := telemetry.NewCatalogue()
	for _, r := range all() {
		kind := catalogue.Kind(r.Compared.Kind)
		if kind == nil {
			t.Errorf("%s: no kind %s", r.ID, r.Compared.Kind)
			continue
		}
		metric := kind.Metric([]byte(r.Compared.Metric))
		if metric == nil {
			t.Errorf("%s: %s has no metric %s", r.ID, r.Compared.Kind, r.Compared.Metric)
			continue
		}
		if r.Compared.Of == "" && metric.Unit != strings.TrimSuffix(r.Unit, "/h") {
			t.Errorf("%s: unit %q, the catalogue says %q", r.ID, r.Unit, metric.Unit)
		}
		if r.Compared.Of != "" && kind.Metric([]byte(r.Compared.Of)) == nil {
			t.Errorf("%s: %s has no metric %s", r.ID, r.Compared.Kind, r.Compared.Of)
		}
	}
}

// Limits of an area without sites have no rule; without that, all sites would be
// told that they are too loud.
func TestAreasWithoutSites(t *testing.T) {
	for _, r := range rules.All(rules.Options{At: morning()}) {
		if strings.HasPrefix(r.ID, "noise-") || strings.HasPrefix(r.ID, "farm-") {
			t.Errorf("%s is there, and no site is of its area", r.ID)
		}
	}
}

// A limit that nobody confirmed is never called law.
func TestOperationalIsNotLaw(t *testing.T) {
	text, err := rules.Prometheus(all(), "vi")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "- alert: ")[1:] {
		operational := strings.Contains(block, "basis: operational")
		if operational != strings.Contains(block, "Ngưỡng vận hành") || operational == strings.Contains(block, "Regulation:") && operational {
			t.Errorf("basis and words disagree:\n%s", block)
		}
	}
}

// The limits of 2025 are those of 2025.
func TestDated(t *testing.T) {
	for year, want := range map[int]string{2025: "> 50", 2026: "> 45"} {
		for _, r := range rules.All(rules.Options{At: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)}) {
			if r.ID == "air-pm25-24h" && !strings.HasSuffix(r.PromQL(), want) {
				t.Errorf("in %d: %s", year, r.PromQL())
			}
		}
	}
}

func TestPrometheusFile(t *testing.T) {
	for _, lang := range []dashboards.Lang{dashboards.Vietnamese, dashboards.English} {
		text, err := rules.Prometheus(all(), lang)
		if err != nil {
			t.Fatal(err)
		}
		p := parser.NewParser(parser.Options{})
		if _, errs := rulefmt.Parse(text, false, model.LegacyValidation, p, nil); errs != nil {
			t.Fatal(errs)
		}
		golden(t, "haidang.rules."+string(lang)+".yaml", text)
	}
}

func grafana(d dashboards.Language) rules.Grafana {
	return rules.Grafana{Language: d, DataSource: "haidang", Folder: "Hải Đăng", Lang: "vi"}
}

// Every form of the rules is written where dashboards/types holds it to Grafana's
// types.
func TestForms(t *testing.T) {
	if *formsDir == "" {
		t.Skip("-forms names no folder: make boards-test does")
	}
	dir := filepath.Join(*formsDir, "rules")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, l := range []dashboards.Language{dashboards.PromQL, dashboards.InfluxQL} {
		for _, lang := range []dashboards.Lang{dashboards.Vietnamese, dashboards.English} {
			g := grafana(l)
			g.Lang = lang
			text, err := g.JSON(all())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, string(l)+"-"+string(lang)+".json"), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a step speaks of is a step before it, and the condition is the last.
func TestGrafanaSteps(t *testing.T) {
	of := regexp.MustCompile(`\$([A-Z])`)
	for _, l := range []dashboards.Language{dashboards.PromQL, dashboards.InfluxQL} {
		for _, g := range grafana(l).Groups(all()) {
			for _, r := range g.Rules {
				known := map[string]bool{}
				for _, step := range r.Data {
					if known[step.RefID] || step.Model["refId"] != step.RefID {
						t.Errorf("%s: the step %s is there twice, or is called %v in its model", r.UID, step.RefID, step.Model["refId"])
					}
					switch text, _ := step.Model["expression"].(string); step.Model["type"] {
					case "reduce":
						if !known[text] {
							t.Errorf("%s: %s reduces %q, which is not before it", r.UID, step.RefID, text)
						}
					case "math":
						used := of.FindAllStringSubmatch(text, -1)
						for _, m := range used {
							if !known[m[1]] {
								t.Errorf("%s: %s speaks of $%s, which is not before it", r.UID, step.RefID, m[1])
							}
						}
						if len(used) == 0 {
							t.Errorf("%s: %s compares nothing: %q", r.UID, step.RefID, text)
						}
					}
					known[step.RefID] = true
				}
				if last := r.Data[len(r.Data)-1]; last.RefID != r.Condition {
					t.Errorf("%s: the condition is %s, the last step %s", r.UID, r.Condition, last.RefID)
				}
			}
		}
	}
}

func TestGrafanaFiles(t *testing.T) {
	for _, d := range []dashboards.Language{dashboards.PromQL, dashboards.InfluxQL} {
		text, err := grafana(d).YAML(all())
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "grafana-"+string(d)+".yaml", text)
		uids := map[string]bool{}
		for _, g := range grafana(d).Groups(all()) {
			for _, r := range g.Rules {
				if uids[r.UID] || len(r.UID) > 40 {
					t.Errorf("uid %q is there twice, or longer than Grafana allows", r.UID)
				}
				uids[r.UID] = true
			}
		}
	}
}
