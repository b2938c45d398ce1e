package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// scoredAlarms is what `haidang verify --alarms --json` says of alarms.
type scoredAlarms struct {
	Perfect bool
	Alarms  struct {
		How, Rules       string
		Expected, Raised int
		Missed           []struct{ Limit, Site string }
		False            []struct{ Limit, Site string }
		Limits           []struct {
			Limit            string
			Expected, Raised int
		}
		LateP50 time.Duration `json:"late_p50_ns"`
		LateMax time.Duration `json:"late_max_ns"`
	}
}

func (s scoredAlarms) raised(limit string) (n int) {
	for _, l := range s.Alarms.Limits {
		if l.Limit == limit {
			n = l.Raised
		}
	}
	return n
}

// scoreAlarms runs `haidang verify --alarms`.
func scoreAlarms(t *testing.T, arguments ...string) (s scoredAlarms, code int) {
	t.Helper()
	out := run(t, patience, append([]string{"verify", "--json"}, arguments...)...)
	if err := json.Unmarshal([]byte(out.stdout), &s); err != nil {
		t.Fatalf("verify %v ends with %d: %v\n%.3000s%s", arguments, out.code, err, out.stdout, out.stderr)
	}
	return s, out.code
}

// part writes a scenario that is a shipped one with another period, with only some
// kinds of it, and without the faults, which lie elsewhere.
func part(t *testing.T, name, period string, kinds ...string) string {
	t.Helper()
	text, err := scenario.Text(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line == "faults:\n" {
			break
		}
		kind := strings.HasPrefix(line, "  - {kind: ")
		if strings.HasPrefix(line, "period:") {
			line = "period: " + period + "\n"
		}
		if !kind || slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(line, "  - {kind: "+k) }) {
			out = append(out, line)
		}
	}
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(strings.Join(out, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// play sends a scenario to a city that knows its devices, and waits until it is stored.
func play(t *testing.T, up *process, broker, file string, more ...string) {
	t.Helper()
	before, _ := ledger(up)
	out := run(t, patience, append([]string{"simulate", "--scenario", file, "--register", "--broker", "tcp://" + broker, "--url", up.url,
		"--connections", "20", "--json"}, more...)...)
	if out.code != 0 {
		t.Fatalf("simulate ends with %d: %s", out.code, out.stderr)
	}
	p := finally(t, out.stdout)
	var sum balance
	eventually(t, patience, fmt.Sprintf("%d messages are stored", p.Acknowledged), func() bool {
		r, ok := ledger(up)
		sum = r.total()
		return ok && sum.Queued == 0 && sum.Received >= before.total().Received+int64(p.Acknowledged)
	})
	t.Logf("%v", sum)
}

// A day of the flood of November 2025, sent within seconds: the city's rules would
// have raised báo động I, II and III of Đồng Trăng and whatever else the truth
// crossed, and nothing else. A rule that is taken out is missed; one that is wrong
// raises for nothing.
func TestAlarmsOfAReplayedFlood(t *testing.T) {
	long(t)
	t.Parallel()
	file := part(t, "november-flood", "{start: 2025-11-16 11:00, end: 2025-11-17 02:00}", "water_level", "weather", "water_quality")
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--retention", forever)
	up.ready()
	play(t, up, broker, file, "--as-fast-as-possible")

	page := filepath.Join(t.TempDir(), "report.html")
	s, code := scoreAlarms(t, "--scenario", file, "--url", up.url, "--alarms", "--html", page)
	a := s.Alarms
	if code != 0 || !s.Perfect || a.How != "replayed" || a.Rules != up.url || a.Expected < 20 || a.Raised != a.Expected || len(a.Missed)+len(a.False) > 0 {
		t.Errorf("verify ends with %d: %+v", code, s)
	}
	for _, limit := range []string{"flood-bd1-dong-trang", "flood-bd2-dong-trang", "flood-bd3-dong-trang"} {
		if s.raised(limit) != 1 {
			t.Errorf("%s is not among %+v", limit, a.Limits)
		}
	}
	if a.LateMax <= 0 || a.LateP50 > a.LateMax {
		t.Errorf("late by %v, at most %v", a.LateP50, a.LateMax)
	}
	t.Logf("%d of %d alarms, late by %v, at most %v", a.Raised, a.Expected, a.LateP50, a.LateMax)
	if html, err := os.ReadFile(page); err != nil || !bytes.Contains(html, []byte("Flood alarm III at Dong Trang")) {
		t.Errorf("the report shows no alarms: %v", err)
	}

	folder := t.TempDir()
	if out := run(t, patience, "dashboards", "rules", "--prometheus", "--out", folder, "--at", "2025-11-16", "--url", up.url); out.code != 0 {
		t.Fatalf("dashboards rules ends with %d: %s", out.code, out.stderr)
	}
	altered := filepath.Join(folder, "haidang.rules.yaml")
	alter(t, altered)
	s, code = scoreAlarms(t, "--scenario", file, "--url", up.url, "--alarms", "--rules", altered)
	a = s.Alarms
	if code != 1 || a.Rules != altered || len(a.Missed) != 1 || a.Missed[0].Limit != "flood-bd2-dong-trang" || len(a.False) != 1 || a.False[0].Limit != "flood-bd3-dong-trang" {
		t.Errorf("by the altered rules verify ends with %d: missed %+v, for nothing %+v", code, a.Missed, a.False)
	}
	live, code := scoreAlarms(t, "--scenario", file, "--url", up.url, "--alarms=raised")
	if code != 1 || live.Alarms.How != "raised" || live.Alarms.Raised != 0 || len(live.Alarms.Missed) != live.Alarms.Expected {
		t.Errorf("the city has raised nothing of what was sent a year late, and verify ends with %d: %+v", code, live.Alarms)
	}
	up.stop()
}

// So it is over VictoriaMetrics, by the city's rules and, without asking a city, by
// the program's own table.
func TestAlarmsOfAReplayedFloodInVictoriaMetrics(t *testing.T) {
	long(t)
	t.Parallel()
	file := part(t, "november-flood", "{start: 2025-11-16 11:00, end: 2025-11-17 02:00}", "water_level", "weather")
	broker := address(freePort(t))
	db := realserver.VictoriaMetrics(t)
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--retention", forever, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", "city", "--query", "promql")
	up.ready()
	play(t, up, broker, file, "--as-fast-as-possible")
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"--url", up.url}, nil} {
		s, code := scoreAlarms(t, append([]string{"--scenario", file, "--prometheus", db.URL, "--alarms"}, arguments...)...)
		a := s.Alarms
		if want := map[bool]string{true: up.url, false: "table"}[arguments != nil]; code != 0 || a.Rules != want || a.Raised != a.Expected || len(a.False) > 0 || s.raised("flood-bd3-dong-trang") != 1 {
			t.Errorf("by the rules of %s verify ends with %d: %+v", want, code, s)
		}
		t.Logf("by %s %d of %d alarms, late by %v, at most %v", a.Rules, a.Raised, a.Expected, a.LateP50, a.LateMax)
	}
	up.stop()
}

// alter takes the rule of báo động II at Đồng Trăng out of a file and makes that of
// báo động III one of 7 m.
func alter(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "  - alert: ")
	n := len(blocks)
	blocks = slices.DeleteFunc(blocks, func(b string) bool { return strings.HasPrefix(b, "flood-bd2-dong-trang\n") })
	for i, b := range blocks {
		if strings.HasPrefix(b, "flood-bd3-dong-trang\n") {
			blocks[i] = strings.Replace(b, " >= 11 or ", " >= 7 or ", 1)
			n--
			if blocks[i] == b {
				n = 0
			}
		}
	}
	if len(blocks) != n {
		t.Fatalf("the rules to alter are not in %s", file)
	}
	if err := os.WriteFile(file, []byte(strings.Join(blocks, "  - alert: ")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// events is what a webhook's receiver was told; while away it takes nothing.
type events struct {
	mu   sync.Mutex
	away bool
	told []string // "12-raised rain-very-heavy-12h"
}

func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var event struct {
		ID    string
		Alarm struct{ Rule string }
	}
	err := json.Unmarshal(body, &event)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.away:
		http.Error(w, "away", http.StatusServiceUnavailable)
	case err != nil || event.ID == "" || r.Header.Get("X-Haidang-Signature") == "":
		http.Error(w, "what is that?", http.StatusBadRequest)
	default:
		e.told = append(e.told, event.ID+" "+event.Alarm.Rule)
	}
}

func (e *events) set(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

func (e *events) has(event string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.told, event)
}

// Rain of which the city hears as it falls raises an alarm, which somebody
// acknowledges; the webhook's receiver is told of both, of the one although the city
// was killed in between. What was raised is held against the truth.
func TestAlarmsOfALiveCity(t *testing.T) {
	long(t)
	t.Parallel()
	e := &events{}
	receiver := httptest.NewServer(e)
	t.Cleanup(receiver.Close)
	broker := address(freePort(t))
	up := haidangWith(t, []string{"HAIDANG_ALARM_WEBHOOK_SECRET=0123456789abcdefghijklmnop"}, "up", "--data", t.TempDir(), "--mqtt", broker, "--alarm-webhook", receiver.URL)
	up.ready()
	// The gauges stood without a connection until now: fourteen hours of rain come at
	// once, the last seconds as it falls.
	file := part(t, "november-flood", "{start: 2025-11-15 14:00, end: 2025-11-16 04:00}", "weather")
	end := time.Now().Add(15 * time.Second).Truncate(time.Second)
	at, now := end.Add(-14*time.Hour).Format(time.RFC3339), time.Now().Truncate(time.Second).Format(time.RFC3339)
	play(t, up, broker, file, "--at", at, "--to", now, "--as-fast-as-possible")
	play(t, up, broker, file, "--at", at, "--from", now, "--speed", "1x")
	// Sums of half a day are looked at every five minutes, and at the start.
	up.kill()
	up.start()
	up.ready()

	const rule = "rain-very-heavy-12h"
	var page struct {
		Alarms []struct {
			ID   int64
			Rule string
			Site string
		}
	}
	eventually(t, patience, "the rain is an alarm", func() bool {
		code, body := up.get("/api/v1/alarms?rule=" + rule)
		return code == http.StatusOK && json.Unmarshal([]byte(body), &page) == nil && len(page.Alarms) > 0
	})
	id := page.Alarms[0].ID
	eventually(t, patience, "the receiver is told that it was raised", func() bool { return e.has(fmt.Sprintf("%d-raised %s", id, rule)) })
	e.set(true)
	answer, err := http.Post(fmt.Sprintf("%s/api/v1/alarms/%d/acknowledge", up.url, id), "application/json", strings.NewReader(`{"note":"đã báo phường"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("acknowledge: %s", answer.Status)
	}
	up.kill()
	e.set(false)
	up.start()
	up.ready()
	eventually(t, patience, "the receiver is told of the acknowledgement, too", func() bool { return e.has(fmt.Sprintf("%d-acknowledged %s", id, rule)) })

	s, code := scoreAlarms(t, "--scenario", file, "--at", at, "--url", up.url, "--alarms=raised")
	a := s.Alarms
	if code != 0 || a.How != "raised" || a.Expected < 5 || a.Raised != a.Expected || s.raised(rule) != a.Expected || len(a.False) > 0 {
		t.Errorf("verify ends with %d: %+v", code, s)
	}
	t.Logf("%d of %d alarms, late by %v, at most %v", a.Raised, a.Expected, a.LateP50, a.LateMax)
	up.stop()
}
