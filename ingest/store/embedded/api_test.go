package embedded_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// api opens a store with two series and serves its API below /prometheus.
func api(t *testing.T, o embedded.Options) (*embedded.Store, string) {
	t.Helper()
	o.Dir, o.Registerer = t.TempDir(), prometheus.NewRegistry()
	s := open(t, o)
	now := time.Now()
	m := storetest.NewMaker(t)
	p := m.Air(1, now, 7, 12.5)
	p.Series.Site, p.Series.Device = "tran-phu", "a1"
	q := m.Air(2, now, 9)
	q.Series.Locality, q.Series.Site = "cam-ranh", "cang"
	if err := s.Write(t.Context(), []telemetry.Point{p, q}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/prometheus/", s.Handler("/prometheus"))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return s, server.URL + "/prometheus"
}

// get asks and returns status and body.
func get(t *testing.T, address string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "http://elsewhere.example")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if h := answer.Header.Get("Access-Control-Allow-Origin"); h != "" {
		t.Errorf("%s lets scripts of other sites in: %s", address, h)
	}
	return answer.StatusCode, string(body)
}

func TestAPIAnswersGrafana(t *testing.T) {
	_, base := api(t, embedded.Options{})
	now := time.Now().UTC().Format(time.RFC3339)
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/api/v1/query?query=" + url.QueryEscape(`air_quality_pm25{site="tran-phu"}`), []string{`"12.5"`, `"device":"a1"`, `"locality":"nha-trang"`}},
		{"/api/v1/query?query=1%2B1", []string{`"2"`}},
		{"/api/v1/query_range?query=" + url.QueryEscape(`sum by (locality) (air_quality_pm1)`) + "&step=60&start=" + now + "&end=" + now, []string{`"matrix"`}},
		{"/api/v1/series?match[]=air_quality_pm1", []string{`"cang"`, `"tran-phu"`}},
		{"/api/v1/labels", []string{`"__name__","device","locality","site"`}},
		{"/api/v1/label/locality/values", []string{`"cam-ranh","nha-trang"`}},
		{"/api/v1/label/site/values?match[]=" + url.QueryEscape(`air_quality_pm25`), []string{`["tran-phu"]`}},
		{"/api/v1/metadata", []string{`"air_quality_pm25"`, `µg/m³`, `Bụi PM2,5`, `"energy_energy_total":[{"type":"counter"`}},
		{"/api/v1/metadata?metric=weather_rain", []string{`"unit":"mm"`}},
		{"/api/v1/status/buildinfo", []string{`"version":"3.`}},
		{"/api/v1/status/runtimeinfo", []string{`"storageRetention"`}},
		{"/api/v1/status/tsdb", []string{`"numSeries":`, `"chunkCount":3`}},
		{"/api/v1/status/tsdb/blocks", []string{`"blocks":[]`}},
		{"/api/v1/status/flags", nil},
		{"/api/v1/status/config", nil},
		{"/api/v1/status/walreplay", nil},
		{"/api/v1/status/self_metrics", nil},
		{"/api/v1/features", nil},
		{"/api/v1/targets", []string{`"activeTargets":[]`}},
		{"/api/v1/scrape_pools", nil},
		{"/api/v1/rules", []string{`"groups":[]`}},
		{"/api/v1/alerts", []string{`"alerts":[]`}},
		{"/api/v1/alertmanagers", nil},
		{"/api/v1/notifications", nil},
		{"/api/v1/query_exemplars?query=air_quality_pm25&start=" + now + "&end=" + now, nil},
	} {
		status, body := get(t, base+c.path)
		if status != http.StatusOK || !json.Valid([]byte(body)) || !strings.Contains(body, `"success"`) {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
		for _, w := range c.want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: no %s in %s", c.path, w, body)
			}
		}
	}
}

// What is replayed of a past week lies before all that the TSDB holds in order.
func TestAPIHasTheLabelsOfLateReadings(t *testing.T) {
	s, base := api(t, embedded.Options{})
	past := time.Now().AddDate(0, 0, -7)
	m := storetest.NewMaker(t)
	p := m.Air(3, past, 21)
	p.Series.Locality, p.Series.Site = "cam-lam", "bai-dai"
	if err := s.Write(t.Context(), []telemetry.Point{p}); err != nil {
		t.Fatal(err)
	}
	between := func(from, to time.Time) string {
		return "start=" + url.QueryEscape(from.UTC().Format(time.RFC3339)) + "&end=" + url.QueryEscape(to.UTC().Format(time.RFC3339))
	}
	week, before := between(past.Add(-time.Hour), past.Add(time.Hour)), between(past.Add(-2*time.Hour), past.Add(-time.Hour))
	one := "&match[]=" + url.QueryEscape(`air_quality_pm1{locality="cam-lam"}`)
	for _, c := range []struct{ path, want string }{
		{"/api/v1/labels?" + week, `["__name__","device","locality","site"]`},
		{"/api/v1/labels?" + week + one, `["__name__","device","locality","site"]`},
		{"/api/v1/label/site/values?" + week + one, `["bai-dai"]`},
		// Without a selector they are those of the whole head, as of a block.
		{"/api/v1/label/locality/values?" + week, `["cam-lam","cam-ranh","nha-trang"]`},
		{"/api/v1/label/locality/values?" + before, `[]`},
		{"/api/v1/label/locality/values", `["cam-lam","cam-ranh","nha-trang"]`},
	} {
		if status, body := get(t, base+c.path); status != http.StatusOK || !strings.Contains(body, `"data":`+c.want) {
			t.Errorf("%s: %d %s, want %s", c.path, status, body, c.want)
		}
	}
}

func TestAPIDoesNotWriteOrDelete(t *testing.T) {
	_, base := api(t, embedded.Options{})
	for _, path := range []string{
		"/api/v1/admin/tsdb/delete_series?match[]=air_quality_pm1", "/api/v1/admin/tsdb/clean_tombstones",
		"/api/v1/admin/tsdb/snapshot", "/api/v1/write", "/api/v1/otlp/v1/metrics",
	} {
		answer, err := http.Post(base+path, "application/x-protobuf", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode < 400 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if _, body := get(t, base+"/api/v1/query?query=air_quality_pm1"); !strings.Contains(body, `"9"`) {
		t.Errorf("after the attempts: %s", body)
	}
}

func TestAPIBoundsQueries(t *testing.T) {
	_, base := api(t, embedded.Options{QuerySamples: 10})
	status, body := get(t, base+"/api/v1/query_range?query=air_quality_pm1&step=1&start=0&end=10000")
	if status != http.StatusOK {
		t.Errorf("a query within the limits: %d %s", status, body)
	}
	status, body = get(t, base+"/api/v1/query?query="+url.QueryEscape("air_quality_pm1[1d:1s] @ "+"2000000000"))
	if status != http.StatusOK && !strings.Contains(body, "too many samples") {
		t.Errorf("a query beyond the limit: %d %s", status, body)
	}
	if status, body = get(t, base+"/api/v1/query?query="+url.QueryEscape("vector(1)[1d:1s]")); !strings.Contains(body, "too many samples") {
		t.Errorf("a query beyond the limit: %d %s", status, body)
	}

	_, base = api(t, embedded.Options{QueryTimeout: time.Millisecond})
	if status, body = get(t, base+"/api/v1/query?query="+url.QueryEscape("count_over_time(vector(1)[30d:1s])")); status == http.StatusOK {
		t.Errorf("a query beyond the time: %d %s", status, body)
	}
}

func TestAPIOfAClosedStore(t *testing.T) {
	s, base := api(t, embedded.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, base+"/api/v1/query?query=air_quality_pm1"); status < 500 {
		t.Errorf("a closed store answers %d %s", status, body)
	}
}
