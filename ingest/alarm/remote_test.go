package alarm_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// VictoriaMetrics answers all rules, and a flood there is an alarm here.
func TestVictoriaMetrics(t *testing.T) {
	server := realserver.VictoriaMetrics(t)
	now := time.Now().Truncate(time.Minute)
	var lines strings.Builder
	for m := -90; m <= 0; m += 5 {
		fmt.Fprintf(&lines, "water_level,locality=nha-trang,site=dong-trang,device=wl-1 level=9.7 %d\n", now.Add(time.Duration(m)*time.Minute).UnixNano())
	}
	resp, err := http.Post(server.URL+"/write", "text/plain", strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("write: %s", resp.Status)
	}
	led, err := ledger.Open(t.Context(), ledger.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { led.Close() })
	areas := rules.AreasOf(map[telemetry.Site][]string{"cho-dam": {"ordinary", "special"}, "a": {"river"}, "b": {"bathing"}, "c": {"aquaculture"}})
	e, err := alarm.Open(t.Context(), alarm.Options{Alarms: led, Remote: &alarm.Remote{URL: server.URL, Client: http.DefaultClient},
		Rules: func(now time.Time) ([]byte, error) {
			return rules.Prometheus(rules.All(rules.Options{At: now, Areas: areas}), "vi")
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	await(t, "the written data to be readable", func() bool {
		resp, err := http.Get(server.URL + fmt.Sprintf("/api/v1/query?query=water_level_level&nocache=1&time=%d", now.Unix()))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), "dong-trang")
	})
	for m := -20; m <= 0; m++ {
		if err := e.Evaluate(t.Context(), now.Add(time.Duration(m)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	var fired []string
	for _, a := range e.Firing() {
		fired = append(fired, a.Rule)
	}
	if !slices.Equal(fired, []string{"flood-bd2-dong-trang", "flood-bd1-dong-trang"}) {
		t.Errorf("firing: %v", fired)
	}
}
