package alarms

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
)

// line runs `haidang alarms …`.
func line(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	t.Setenv("HAIDANG_TOKEN", "")
	t.Setenv("HAIDANG_URL", "")
	var out bytes.Buffer
	code = terminal.Run(t.Context(), &struct {
		Alarms Alarms `cmd:""`
	}{}, append([]string{"alarms"}, args...), &out, &out)
	return code, out.String()
}

// What cannot be replayed is told with the setting and what to do.
func TestErrorsNameTheSetting(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("groups: [{name: a, rules: [{alert: b, expr: '1 +'}]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.yaml")
	if err := os.WriteFile(empty, []byte("groups: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	// An external store, as a city and an InfluxDB answer for it.
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	period := []string{"--from", "2025-11-18", "--to", "2025-11-22"}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"replay"}, 2, "--from"},
		{[]string{"replay", "--from", "yesterday"}, 2, "--from"},
		{[]string{"replay", "--from", "2025-11-22", "--to", "2025-11-22"}, 1, "--from 2025-11-22 00:00 is not before --to"},
		{append([]string{"replay", "--rules", "/nonexistent.yaml"}, period...), 1, "--rules"},
		{append([]string{"replay", "--rules", bad}, period...), 1, "--rules " + bad},
		{append([]string{"replay", "--rules", empty}, period...), 1, "has no alert"},
		{append([]string{"replay", "--store", "localhost:8428"}, period...), 1, "--store"},
		{append([]string{"replay", "--store", "http://127.0.0.1:1"}, period...), 1, "is VictoriaMetrics or Prometheus running there?"},
		{append([]string{"replay", "--url", "http://127.0.0.1:1"}, period...), 1, "is `haidang up` running there?"},
		{append([]string{"replay", "--url", none.URL}, period...), 1, "give the address of VictoriaMetrics with --store"},
		{append([]string{"replay", "--store", none.URL}, period...), 1, "InfluxDB has none"},
		{[]string{"acknowledge"}, 2, "<id>"},
		{[]string{"acknowledge", "17", "--url", "http://127.0.0.1:1"}, 1, "is `haidang up` running there?"},
		{[]string{"list", "--limit", "0"}, 1, "--limit is 0"},
		{[]string{"list", "--severity", "bad"}, 2, "--severity"},
	} {
		if code, text := line(t, c.args...); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%v ends with %d, want %d and %q: %s", c.args, code, c.code, c.want, text)
		}
	}
}

// A page needs nothing else, says its language's words, and has what came from outside
// as text.
func TestPage(t *testing.T) {
	at := time.Date(2025, 11, 18, 18, 10, 0, 0, time.UTC)
	r := Report{From: at.Add(-time.Hour), To: at.Add(48 * time.Hour), Rules: "<script>", Alarms: []ingest.Alarm{
		{Rule: "flood-bd1-dong-trang", Site: "dong-trang", Severity: "watch", Threshold: "≥ 9,5 m", Unit: "m", Worst: 13.14, SummaryVI: "Báo động II", SummaryEN: "Flood alarm II",
			Raised: at, Cleared: at.Add(90 * time.Minute)},
		{Rule: "rise", Site: "dong-trang", Severity: "danger", Unit: "m/h", Worst: 0.84, SummaryVI: "Nước lên nhanh", SummaryEN: "Fast rise", Raised: at.Add(time.Hour)},
	}}
	for lang, want := range map[language][]string{
		"vi": {"Báo động II", "≥ 9,5 m", "13,14 m", "1 giờ 30 phút", "còn hiệu lực", "01:10 19/11/2025", "2 cảnh báo"},
		"en": {"Flood alarm II", "≥ 9.5 m", "13.14 m", "1 h 30 min", "still active", "01:10 19/11/2025", "2 alarms"},
	} {
		var page bytes.Buffer
		if err := r.HTML(&page, lang); err != nil {
			t.Fatal(err)
		}
		for _, text := range append(want, "left: 2.04%; width: 3.06%", "&lt;script&gt;") {
			if !strings.Contains(page.String(), text) {
				t.Errorf("%s: no %q in the page", lang, text)
			}
		}
		for _, bad := range []string{"ZgotmplZ", "http://", "<script"} {
			if strings.Contains(page.String(), bad) {
				t.Errorf("%s: the page has %q", lang, bad)
			}
		}
	}
}
