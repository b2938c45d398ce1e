package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// A city that runs tells of itself whatever the catalogue says that it does, but
// for what this one has not: certificates and alarms.
func TestPlatformTellsOfItself(t *testing.T) {
	long(t)
	t.Parallel()
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", address(freePort(t)), "--simulate", "8")
	up.ready()
	var want []string
	cat := telemetry.NewCatalogue()
	for _, k := range []telemetry.Kind{telemetry.Platform, telemetry.SiteState} {
		for _, m := range cat.Kind(k).Metrics {
			switch m.Name {
			case telemetry.CertificateLeft, telemetry.AlarmsFiring:
			case telemetry.Latitude, telemetry.Longitude: // provisional sites have no place
			default:
				want = append(want, string(k)+"_"+string(m.Name))
			}
		}
	}
	slices.Sort(want)
	var missing []string
	defer func() {
		if t.Failed() {
			t.Logf("missing: %v", missing)
		}
	}()
	// Delays and CPU are told from the second time on, 15 s after the first.
	eventually(t, time.Minute, "all of the platform's figures are in the store", func() bool {
		have := metricNames(t, up, `{__name__=~"platform_.+|site_state_.+"}`)
		missing = slices.DeleteFunc(slices.Clone(want), func(name string) bool { return have[name] })
		return len(missing) == 0
	})
}

// metricNames are the names of the series that a selector finds.
func metricNames(t *testing.T, p *process, selector string) map[string]bool {
	t.Helper()
	answer, err := http.Get(p.url + "/prometheus/api/v1/query?query=" + url.QueryEscape("count by (__name__) ("+selector+")"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal(body, &found); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out := map[string]bool{}
	for _, s := range found.Data.Result {
		out[s.Metric["__name__"]] = true
	}
	return out
}
