package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/probe"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// boardStores are the stores that boards read, with the flags of check.
func boardStores() map[string]func(testing.TB) (store.Store, boardsCheck, func()) {
	return map[string]func(testing.TB) (store.Store, boardsCheck, func()){
		"embedded": func(t testing.TB) (store.Store, boardsCheck, func()) {
			r := openReadable(t, storeFlags{Store: "embedded"})
			server := httptest.NewServer(r.handler)
			t.Cleanup(server.Close)
			return r.store, boardsCheck{Prometheus: server.URL + prometheusPath}, func() {}
		},
		"VictoriaMetrics": func(t testing.TB) (store.Store, boardsCheck, func()) {
			server := realserver.VictoriaMetricsCaching(t)
			return openReadable(t, external(server.URL, "")).store, boardsCheck{Prometheus: server.URL}, func() {
				if err := server.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		},
		"InfluxDB 1.8": func(t testing.TB) (store.Store, boardsCheck, func()) {
			server := realserver.InfluxDB(t)
			return openReadable(t, external(server.URL, "")).store, boardsCheck{Influx: server.URL, InfluxBucket: realserver.Database}, func() {}
		},
		"InfluxDB 2": func(t testing.TB) (store.Store, boardsCheck, func()) {
			server := realserver.InfluxDB2(t)
			return openReadable(t, external(server.URL, realserver.Influx2Token)).store, boardsCheck{Influx: server.URL, InfluxBucket: realserver.Database, Token: realserver.Influx2Token}, func() {}
		},
	}
}

// seeded are the first users' places.
func seeded(end time.Time) dashboards.Province {
	p := dashboards.Province{Localities: seed.Localities(), Wards: seed.Wards(), Now: end}
	for _, s := range seed.Sites() {
		p.Sites = append(p.Sites, dashboards.Site{Site: s})
	}
	return p
}

// Every panel of every board shows a simulated day, whatever the store.
func TestBoardsShowADay(t *testing.T) {
	end := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	f := newFeed(t, "ordinary-day", end, 24*time.Hour, 4)
	t.Logf("%d points", len(f.points))
	for name, open := range boardStores() {
		t.Run(name, func(t *testing.T) {
			s, check, settle := open(t)
			for part := range slices.Chunk(f.points, 5000) {
				if err := s.Write(t.Context(), part); err != nil {
					t.Fatal(err)
				}
			}
			settle()
			for _, p := range []dashboards.Province{seeded(end), {Now: end}} {
				asked, language, err := check.store()
				if err != nil {
					t.Fatal(err)
				}
				questions, err := boardQuestions(p, language, nil)
				if err != nil {
					t.Fatal(err)
				}
				pr := probe.Probe{Store: asked, To: end, Lang: dashboards.English}
				findings, err := pr.Run(t.Context(), questions)
				if err != nil {
					t.Fatal(err)
				}
				excused := 0
				for _, f := range findings {
					if f.Fault != "" {
						t.Errorf("%s, %s %s: %s: %s\n%s", f.Board, f.Panel, f.Ref, f.Fault, f.Detail, f.Query)
					}
					if f.Excused != "" {
						excused++
					}
				}
				t.Logf("%d queries, %d empty for a reason", len(findings), excused)
				if len(findings) < 400 || excused > len(findings)/6 {
					t.Errorf("%d queries and %d of them excused: this proves little", len(findings), excused)
				}
			}
		})
	}
}

// What is wrong is found: nothing there, nobody reporting, a store that refuses.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	end := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	f := newFeed(t, "ordinary-day", end, 2*time.Hour, 1)
	r := openReadable(t, storeFlags{Store: "embedded"})
	server := httptest.NewServer(r.handler)
	t.Cleanup(server.Close)
	var kept []telemetry.Point
	for _, p := range f.points {
		if p.Series.Kind != telemetry.WaterLevel {
			kept = append(kept, p)
		}
	}
	if err := r.store.Write(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := []string{"dashboards", "check", "--prometheus", server.URL + prometheusPath, "--board", "flood", "--to", end.Format(time.RFC3339), "--json"}
	if code := run(t.Context(), args, &out, &errs); code != 1 {
		t.Errorf("exit code %d, want 1: %s", code, errs.String())
	}
	var said struct {
		Asked, Faults int
		Findings      []probe.Finding
	}
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatal(err)
	}
	if said.Faults == 0 || said.Faults != len(said.Findings) || !slices.ContainsFunc(said.Findings, func(f probe.Finding) bool {
		return f.Fault == probe.Unreported && strings.Contains(f.Detail, "water_level_level")
	}) {
		t.Errorf("nobody reports water levels, and check says %+v", said)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no store":       {[]string{"dashboards", "check"}, "--prometheus"},
		"two stores":     {[]string{"dashboards", "check", "--prometheus", "x", "--influx", "y"}, "one of them"},
		"no bucket":      {[]string{"dashboards", "check", "--influx", "http://127.0.0.1:1"}, "--influx-bucket"},
		"a bad time":     {[]string{"dashboards", "check", "--prometheus", server.URL, "--to", "yesterday"}, "2025-11-20"},
		"no such board":  {[]string{"dashboards", "check", "--prometheus", server.URL, "--board", "tides"}, "flood"},
		"no such folder": {[]string{"dashboards", "render", "--out", "/dev/null/x"}, "--out"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(t.Context(), c.args, &out, &errs); code == 0 || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit code %d and %q, want an error with %q", code, errs.String(), c.want)
			}
		})
	}
}

// What an instrument says it measured while calibrated or in error enters no figure
// of any board, whatever the store.
func TestBoardsLeaveOutCalibration(t *testing.T) {
	end := time.Now().UTC().Truncate(time.Hour)
	cat := telemetry.NewCatalogue()
	var points []telemetry.Point
	add := func(at time.Time, pm25, quality float64) {
		k := cat.Kind(telemetry.AirQuality)
		points = append(points, telemetry.Point{Series: telemetry.Series{Kind: k.Kind, Locality: "nha-trang", Site: "cho-dam", Device: "aq-1"}, Time: at,
			Values: []telemetry.Value{{Spec: k.Metric([]byte(telemetry.PM25)), Number: pm25}, {Spec: k.Metric([]byte(telemetry.QualityCode)), Number: quality}}})
	}
	for at := end.Add(-12*time.Hour + 90*time.Second); at.Before(end); at = at.Add(5 * time.Minute) {
		switch h := end.Sub(at).Hours(); {
		case h > 6 && h < 6.5:
			add(at, 900, 1)
		case h > 3 && h < 3.2:
			add(at, 700, 2)
		default:
			add(at, 20, 0)
		}
	}
	for name, open := range boardStores() {
		t.Run(name, func(t *testing.T) {
			s, check, settle := open(t)
			if err := s.Write(t.Context(), points); err != nil {
				t.Fatal(err)
			}
			settle()
			asked, language, err := check.store()
			if err != nil {
				t.Fatal(err)
			}
			all, err := boardQuestions(dashboards.Province{Now: end}, language, []string{"locality", "air", "site"})
			if err != nil {
				t.Fatal(err)
			}
			all = slices.DeleteFunc(all, func(q dashboards.Question) bool {
				return q.Kind != telemetry.AirQuality || q.Metric != telemetry.PM25 || q.Span > 7*24*time.Hour
			})
			pr := probe.Probe{Store: asked, To: end, Lang: dashboards.English}
			findings, err := pr.Run(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			if len(findings) < 3 {
				t.Fatalf("only %d queries", len(findings))
			}
			for _, f := range findings {
				if f.Numbers == 0 || f.Least != 20 || f.Most != 20 {
					t.Errorf("%s, %s: %d numbers from %v to %v, all should be 20\n%s", f.Board, f.Panel, f.Numbers, f.Least, f.Most, f.Query)
				}
			}
		})
	}
}
