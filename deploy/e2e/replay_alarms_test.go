package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// replayed is what `haidang alarms replay --json` says.
type replayed struct {
	Alarms []struct {
		Rule, Site, Severity, Threshold, Unit string
		Worst                                 float64
		Raised, Cleared                       time.Time
	}
}

// november are the levels of Đồng Trăng of November 2025, at the hours that were
// listed; between them they are on a line.
func november() []struct {
	day, hour int
	level     float64
} {
	return []struct {
		day, hour int
		level     float64
	}{
		{19, 1, 11.09}, {19, 2, 11.03}, {19, 3, 10.71}, {19, 4, 10.22}, {19, 5, 9.46}, {19, 7, 8.52}, {19, 8, 8.52}, {19, 9, 9.02}, {19, 10, 9.86},
		{19, 11, 10.32}, {19, 13, 10.71}, {19, 16, 12.00}, {19, 20, 12.48}, {20, 1, 12.68}, {20, 5, 13.14}, {20, 6, 13.14}, {20, 7, 13.12},
		{20, 9, 12.83}, {20, 14, 11.65}, {20, 18, 9.96}, {20, 22, 8.82}, {21, 1, 8.55}, {21, 3, 8.76}, {21, 5, 8.70}, {21, 7, 8.31}, {21, 11, 7.59}, {21, 21, 7.62},
	}
}

// hourly are a gauge's hourly messages: no reading comes at midnight.
func hourly(t *testing.T, broker, device string) (sent int) {
	t.Helper()
	zone := time.FixedZone("Asia/Ho_Chi_Minh", 7*60*60)
	listed := november()
	at := func(i int) time.Time { return time.Date(2025, 11, listed[i].day, listed[i].hour, 0, 0, 0, zone) }
	for i := range len(listed) - 1 {
		for when := at(i); when.Before(at(i + 1)); when = when.Add(time.Hour) {
			if when.Hour() == 0 {
				continue
			}
			share := float64(when.Sub(at(i))) / float64(at(i+1).Sub(at(i)))
			level := listed[i].level + share*(listed[i+1].level-listed[i].level)
			if err := send(t, broker, "kh/nha-trang/water_level/"+device, fmt.Appendf(nil, `{"ts":%q,"level":%.2f}`, when.Format(time.RFC3339), level)); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	return sent
}

// The hourly levels of November 2025, sent a year later, are exactly these episodes:
// no hour without a reading, nor the midnight that has none, ends one.
func TestReplayOfHourlyLevels(t *testing.T) {
	long(t)
	t.Parallel()
	for _, external := range []bool{false, true} {
		t.Run(map[bool]string{false: "embedded", true: "VictoriaMetrics"}[external], func(t *testing.T) {
			broker := address(freePort(t))
			flags := []string{"--data", t.TempDir(), "--mqtt", broker, "--retention", forever}
			var ask []string
			var db *realserver.VictoriaServer
			if external {
				db = realserver.VictoriaMetrics(t)
				flags = append(flags, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", "city", "--query", "promql")
				ask = []string{"--store", db.URL}
			}
			up := haidang(t, "up", flags...)
			up.ready()
			if out := run(t, patience, "devices", "add", "wl-dt", "--kind", "water_level", "--site", "dong-trang", "--from", "2025-11-01", "--url", up.url); out.code != 0 {
				t.Fatalf("devices add ends with %d: %s", out.code, out.stderr)
			}
			sent := hourly(t, broker, "wl-dt")
			eventually(t, patience, "all is stored", func() bool { r, ok := ledger(up); return ok && r.total().Stored == int64(sent) })
			if external {
				if err := db.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			page := filepath.Join(t.TempDir(), "report.html")
			replay := func(more ...string) result {
				return run(t, patience, append(append([]string{"alarms", "replay", "--url", up.url, "--only", "flood", "--from", "2025-11-18", "--to", "2025-11-22"}, ask...), more...)...)
			}
			out := replay("--json", "--html", page)
			var r replayed
			if err := json.Unmarshal([]byte(out.stdout), &r); err != nil || out.code != 0 {
				t.Fatalf("alarms replay ends with %d: %v\n%s%s", out.code, err, out.stdout, out.stderr)
			}
			want := []struct {
				rule            string
				raised, cleared string // the hour within which, in Vietnam
				worst           float64
			}{
				{"flood-bd1-dong-trang", "19 01", "21 09", 13.14},
				{"flood-bd2-dong-trang", "19 01", "19 05", 11.09},
				{"flood-bd3-dong-trang", "19 01", "19 03", 11.09},
				{"flood-rise", "19 09", "19 11", 0.84}, // 8.52, 9.02, 9.86, 10.32: more than half a metre in an hour
				{"flood-bd2-dong-trang", "19 10", "20 20", 13.14},
				{"flood-bd3-dong-trang", "19 14", "20 16", 13.14},
			}
			if len(r.Alarms) != len(want) {
				t.Errorf("%d alarms, want %d", len(r.Alarms), len(want))
			}
			zone := time.FixedZone("", 7*60*60)
			for i, a := range r.Alarms {
				t.Logf("%s %s to %s, worst %v %s", a.Rule, a.Raised.In(zone), a.Cleared.In(zone), a.Worst, a.Unit)
				if i < len(want) && (a.Rule != want[i].rule || a.Site != "dong-trang" || a.Raised.In(zone).Format("02 15") != want[i].raised ||
					a.Cleared.In(zone).Format("02 15") != want[i].cleared || math.Abs(a.Worst-want[i].worst) > 1e-9 || !strings.HasPrefix(a.Unit, "m") || a.Severity == "" || a.Threshold == "") {
					t.Errorf("alarm %d is %+v, want %+v", i, a, want[i])
				}
			}
			if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "Báo động III") || !strings.Contains(string(text), "13,14 m") {
				t.Errorf("the page shows no worst value: %v", err)
			}
			if out := replay(); out.code != 0 || !strings.Contains(out.stdout, "6 alarms.") || !strings.Contains(out.stdout, "(+07:00)") {
				t.Errorf("the table ends with %d: %s%s", out.code, out.stdout, out.stderr)
			}
			empty := run(t, patience, append([]string{"alarms", "replay", "--url", up.url, "--from", "2025-06-01", "--to", "2025-06-03"}, ask...)...)
			if empty.code != 1 || !strings.Contains(empty.stderr, "nothing is stored from 2025-06-01 00:00") {
				t.Errorf("a range without data: %d %s%s", empty.code, empty.stdout, empty.stderr)
			}
			if external {
				out := run(t, patience, "alarms", "replay", "--url", up.url, "--from", "2025-11-18", "--to", "2025-11-22")
				if out.code != 1 || !strings.Contains(out.stderr, "--store") {
					t.Errorf("without the address of the store: %d %s", out.code, out.stderr)
				}
			}
			list := run(t, patience, "alarms", "list", "--url", up.url, "--json", "--state", "all")
			if list.code != 0 || !strings.Contains(list.stdout, `"evaluated": "here"`) {
				t.Errorf("alarms list: %d %s%s", list.code, list.stdout, list.stderr)
			}
		})
	}
}
