package rules_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
)

// noisyDay is a day of 60 dB, a reading every five minutes, with the time of day
// beside it as Hải Đăng writes it. It begins at a midnight in Vietnam.
func noisyDay(t *testing.T, server *realserver.InfluxServer, midnight time.Time) {
	t.Helper()
	var lines strings.Builder
	for m := 0; m <= 24*60; m += 5 {
		at := midnight.Add(time.Duration(m) * time.Minute).UnixNano()
		fmt.Fprintf(&lines, "noise,locality=nha-trang,site=cho-dam,device=n-1 laeq=60 %d\n", at)
		fmt.Fprintf(&lines, "platform,locality=platform,site=platform,device=haidang time_of_day=%v %d\n", float64(m%(24*60))/60, at)
	}
	write(t, server, lines.String())
}

func write(t *testing.T, server *realserver.InfluxServer, lines string) {
	t.Helper()
	resp, err := http.Post(server.URL+"/write?db="+realserver.Database, "text/plain", strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("write: %s", resp.Status)
	}
}

// 60 dB is too much where people live at night and not by day, and InfluxQL knows
// no hours: the questions of the rule are asked of a real InfluxDB at times of a
// day, and its condition is read as Grafana reads it.
func TestNightInInfluxDB(t *testing.T) {
	server := realserver.InfluxDB(t)
	midnight := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	noisyDay(t, server, midnight)
	night := nightRule(t)
	condition := night.Data[len(night.Data)-1].Model["expression"].(string)
	if condition != "$B > 55 && ($E >= 22 || $E < 6)" {
		t.Fatalf("the condition is %q", condition)
	}
	for clock, want := range nightTimes() {
		at := midnight.Add(clock)
		values := map[string]float64{}
		for _, q := range night.Data {
			question, ok := q.Model["query"].(string)
			if !ok {
				continue
			}
			filter := fmt.Sprintf("time >= %dms AND time <= %dms", at.Add(-time.Duration(q.TimeRange.From)*time.Second).UnixMilli(), at.UnixMilli())
			answer, err := server.InfluxQL(t.Context(), strings.ReplaceAll(question, "$timeFilter", filter))
			if err != nil {
				t.Fatal(err)
			}
			if len(answer.Series) != 1 {
				t.Fatalf("at %v %s has %d series", clock, q.RefID, len(answer.Series))
			}
			number, err := answer.Series[0].Values[0][1].(json.Number).Float64()
			if err != nil {
				t.Fatal(err)
			}
			values[q.RefID] = number
		}
		if got := values["A"] > 55 && (values["D"] >= 22 || values["D"] < 6); got != want {
			t.Errorf("at %v: fires %v, want %v: %v", clock, got, want, values)
		}
	}
}

// nightTimes are times of day and whether the night's limit is crossed there: the
// whole hour before must be of the night.
func nightTimes() map[time.Duration]bool {
	return map[time.Duration]bool{90 * time.Minute: true, 5*time.Hour + 55*time.Minute: true, 6*time.Hour + 5*time.Minute: false, 12 * time.Hour: false,
		21 * time.Hour: false, 21*time.Hour + 55*time.Minute: false, 22 * time.Hour: true, 23*time.Hour + 30*time.Minute: true}
}

func nightRule(t *testing.T) rules.GrafanaRule {
	t.Helper()
	for _, g := range grafana(dashboards.InfluxQL).Groups(all()) {
		for _, r := range g.Rules {
			if r.UID == "hd-noise-ordinary-night-5m" {
				return r
			}
		}
	}
	t.Fatal("no rule for noise at night")
	return rules.GrafanaRule{}
}

// realGrafana is the one at HAIDANG_TEST_GRAFANA, http://USER:PASSWORD@HOST:PORT of
// an administrator, with a data source over the server for the length of the test.
type realGrafana struct {
	*url.URL
	source string
}

func openGrafana(t *testing.T, server *realserver.InfluxServer) realGrafana {
	t.Helper()
	address := os.Getenv("HAIDANG_TEST_GRAFANA")
	if address == "" {
		t.Skip("HAIDANG_TEST_GRAFANA names no Grafana")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	g := realGrafana{u, fmt.Sprintf("hdtest%d", time.Now().UnixNano())}
	g.do(t, http.MethodPost, "/api/datasources", map[string]any{"name": g.source, "uid": g.source, "type": "influxdb", "access": "proxy", "url": server.URL,
		"database": realserver.Database, "jsonData": map[string]any{"version": "InfluxQL", "dbName": realserver.Database, "httpMode": "POST"}}, nil)
	t.Cleanup(func() { g.do(t, http.MethodDelete, "/api/datasources/uid/"+g.source, nil, nil) })
	return g
}

func (g realGrafana) do(t *testing.T, method, path string, in, out any) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, g.JoinPath(path).String(), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
}

// frames are an answer of Grafana's expressions.
type frames struct {
	Results map[string]struct {
		Error  string
		Frames []struct {
			Schema struct {
				Fields []struct{ Labels map[string]string }
			}
			Data struct{ Values [][]float64 }
		}
	}
}

// A real Grafana evaluates the rules over a real InfluxDB: none is refused, and the
// night's fires at night.
func TestRulesInGrafana(t *testing.T) {
	server := realserver.InfluxDB(t)
	g := openGrafana(t, server)
	midnight := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	noisyDay(t, server, midnight)
	rendered := rules.Grafana{Language: dashboards.InfluxQL, DataSource: g.source, Folder: "Hải Đăng", Lang: dashboards.Vietnamese}
	evaluate := func(r rules.GrafanaRule, at time.Time) frames {
		var out frames
		g.do(t, http.MethodPost, "/api/v1/eval", map[string]any{"data": r.Data, "now": at}, &out)
		for ref, of := range out.Results {
			if of.Error != "" {
				t.Errorf("%s %s: %s", r.UID, ref, of.Error)
			}
		}
		return out
	}
	for _, group := range rendered.Groups(all()) {
		for _, r := range group.Rules {
			got := evaluate(r, midnight.Add(23*time.Hour))
			fires := slices.Contains([]string{"hd-noise-ordinary-night-5m"}, r.UID)
			if c := got.Results["C"]; len(c.Frames) > 0 && len(c.Frames[0].Data.Values) > 0 && (c.Frames[0].Data.Values[0][0] == 1) != fires {
				t.Errorf("%s at 23 h: %+v, want fires %v", r.UID, c.Frames, fires)
			} else if fires && len(c.Frames) == 0 {
				t.Errorf("%s has no answer", r.UID)
			}
			if r.UID != "hd-noise-ordinary-night-5m" {
				continue
			}
			for clock, want := range nightTimes() {
				c := evaluate(r, midnight.Add(clock)).Results["C"].Frames
				if len(c) != 1 || c[0].Data.Values[0][0] == 1 != want || c[0].Schema.Fields[0].Labels["site"] != "cho-dam" {
					t.Errorf("at %v: %+v, want fires %v at cho-dam", clock, c, want)
				}
			}
		}
	}
}
