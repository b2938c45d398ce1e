package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// asked counts what a server was asked in each language.
type asked struct{ probes, promql, influxql atomic.Int32 }

// storeSaying starts a server that answers the probe as it is told and both
// languages with nothing found.
func storeSaying(t *testing.T, status *atomic.Int32, header http.Header, probe string) (*asked, *httptest.Server) {
	t.Helper()
	a := &asked{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Token a:b" {
			t.Errorf("%s without the token", r.URL)
		}
		switch {
		case r.URL.Path == "/api/v1/query" && r.FormValue("query") == "1":
			a.probes.Add(1)
			for k, v := range header {
				w.Header()[k] = v
			}
			w.WriteHeader(int(status.Load()))
			fmt.Fprint(w, probe)
		case r.URL.Path == "/query":
			a.influxql.Add(1)
			fmt.Fprint(w, `{"results":[{"statement_id":0}]}`)
		case strings.HasPrefix(r.URL.Path, "/api/v1/query"):
			a.promql.Add(1)
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return a, s
}

func TestExternalFindsOutTheLanguage(t *testing.T) {
	influx := http.Header{"X-Influxdb-Version": {"1.8.10"}}
	const yes = `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`
	for name, c := range map[string]struct {
		status   int32
		header   http.Header
		body     string
		language api.Language
		promql   bool
		wrong    string // in the error; nothing is decided
	}{
		"VictoriaMetrics":        {status: 200, body: yes, promql: true},
		"with Influx's header":   {status: 200, header: influx, body: yes, promql: true},
		"InfluxDB 1.8":           {status: 404, header: influx, body: "404 page not found"},
		"InfluxDB 2's user page": {status: 200, header: http.Header{"X-Influxdb-Build": {"OSS"}}, body: "<html>"},
		"told PromQL":            {status: 404, header: influx, language: api.LanguagePromQL, promql: true},
		"told InfluxQL":          {status: 200, body: yes, language: api.LanguageInfluxQL},
		"a web page":             {status: 200, body: "<html>", wrong: "--query-url"},
		"about to start":         {status: 503, header: influx, wrong: "503"},
		"a wrong token":          {status: 401, header: influx, wrong: "--influx-token"},
		"a log-in page":          {status: 302, wrong: "--query-url"},
	} {
		t.Run(name, func(t *testing.T) {
			var status atomic.Int32
			status.Store(c.status)
			asked, s := storeSaying(t, &status, c.header, c.body)
			e := api.NewExternal(api.ExternalOptions{URL: s.URL + "/", Bucket: "b", Token: "a:b", Language: c.language, Catalogue: telemetry.NewCatalogue()})
			defer e.Close()
			for range 2 {
				_, err := e.Series(t.Context(), api.SeriesQuery{Site: "s", Kind: telemetry.Noise, Metric: telemetry.LAeq, Step: 60e9})
				if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
					t.Fatalf("error %v, want %q", err, c.wrong)
				}
			}
			promql, influxql, probes := asked.promql.Load(), asked.influxql.Load(), asked.probes.Load()
			switch {
			case c.wrong != "":
				if promql+influxql > 0 || probes != 2 {
					t.Errorf("probed %d times, asked in PromQL %d times, in InfluxQL %d times", probes, promql, influxql)
				}
			case (promql > 0) != c.promql || (influxql > 0) == c.promql:
				t.Errorf("asked in PromQL %d times, in InfluxQL %d times", promql, influxql)
			case c.language == "" && probes != 1 || c.language != "" && probes != 0:
				t.Errorf("probed %d times", probes)
			}
		})
	}
}

// A redirect is not followed: the token is for one server.
func TestExternalFollowsNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("followed to %s", r.URL) }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	for _, l := range []api.Language{"", api.LanguagePromQL, api.LanguageInfluxQL} {
		e := api.NewExternal(api.ExternalOptions{URL: s.URL, Bucket: "b", Token: "t", Language: l, Catalogue: telemetry.NewCatalogue()})
		defer e.Close()
		if _, err := e.Latest(t.Context(), "s"); err == nil {
			t.Errorf("%q: no error", l)
		}
	}
}
