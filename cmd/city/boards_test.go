package city

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/probe"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// boardStore is a store that boards read.
type boardStore struct {
	store.Store
	reader store.Reader
	// check has the flags of the command that asks it.
	check boards.Check
}

// boardStores are all of them.
func boardStores() map[string]func(testing.TB) boardStore {
	with := func(r readable, check boards.Check) boardStore {
		return boardStore{r.store, settledReader{r.reader(), r.settle}, check}
	}
	influx := func(t testing.TB, url, token string) boardStore {
		return with(openReadable(t, external(url, token)), boards.Check{Influx: url, InfluxBucket: realserver.Database, Token: token})
	}
	return map[string]func(testing.TB) boardStore{
		"embedded": func(t testing.TB) boardStore {
			r := openReadable(t, storeFlags{Store: "embedded"})
			server := httptest.NewServer(r.handler)
			t.Cleanup(server.Close)
			return with(r, boards.Check{Prometheus: server.URL + terminal.PrometheusPath})
		},
		"VictoriaMetrics": func(t testing.TB) boardStore {
			server := realserver.VictoriaMetricsCaching(t)
			r := openReadable(t, external(server.URL, ""))
			r.settle = func() {
				if err := server.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return with(r, boards.Check{Prometheus: server.URL})
		},
		"InfluxDB 1.8": func(t testing.TB) boardStore { return influx(t, realserver.InfluxDB(t).URL, "") },
		"InfluxDB 2":   func(t testing.TB) boardStore { return influx(t, realserver.InfluxDB2(t).URL, realserver.Influx2Token) },
	}
}

// settle waits until what was written can be read.
func (s boardStore) settle() { s.reader.(settledReader).settle() }

// ask asks what boards ask; ids choose boards.
func (s boardStore) ask(t *testing.T, p dashboards.Province, to time.Time, ids []string, only func(dashboards.Question) bool) ([]dashboards.Question, []probe.Finding) {
	t.Helper()
	asked, language, err := s.check.Store()
	if err != nil {
		t.Fatal(err)
	}
	questions, err := boards.BoardQuestions(p, language, ids)
	if err != nil {
		t.Fatal(err)
	}
	if only != nil {
		questions = slices.DeleteFunc(questions, func(q dashboards.Question) bool { return !only(q) })
	}
	pr := probe.Probe{Store: asked, To: to, Lang: dashboards.English}
	findings, err := pr.Run(t.Context(), questions)
	if err != nil {
		t.Fatal(err)
	}
	return questions, findings
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
	realserver.Plain(t)
	end := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	day := newFeed(t, sinceYesterday("ordinary-day", 3, end), end)
	registry, metrics := day.registry(t), cityMetrics(t, 4)
	t.Logf("%d points of %d devices", len(day.points), len(day.fleet))
	for name, open := range boardStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			day.write(t, s, s.reader, registry, metrics)
			s.settle()
			for _, p := range []dashboards.Province{seeded(end), {Now: end}} {
				_, findings := s.ask(t, p, end, nil, nil)
				excused := faultless(t, findings)
				if len(findings) < 400 || excused > len(findings)/6 {
					t.Errorf("%d queries and %d of them excused: this proves little", len(findings), excused)
				}
			}
		})
	}
}

// faultless reports every fault; it counts what is empty for a reason.
func faultless(t *testing.T, findings []probe.Finding) (excused int) {
	t.Helper()
	for _, f := range findings {
		if f.Fault != "" {
			t.Errorf("%s, %s %s: %s: %s\n%s", f.Board, f.Panel, f.Ref, f.Fault, f.Detail, f.Query)
		}
		if f.Excused != "" {
			t.Logf("%s, %s %s: %s", f.Board, f.Panel, f.Ref, f.Excused)
			excused++
		}
	}
	t.Logf("%d queries, %d empty for a reason", len(findings), excused)
	return excused
}

// The boards about floods and about air show those of the shipped scenarios, and
// how bad they were.
func TestBoardsShowWhatHappened(t *testing.T) {
	realserver.Plain(t)
	end := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	for _, c := range []struct {
		slice
		boards []string
		// Some panel of this name shows of the metric at least this.
		panel  string
		kind   telemetry.Kind
		metric telemetry.Metric
		most   float64
	}{
		{slice{scenario: "november-flood", to: 5 * 24 * time.Hour, length: 24 * time.Hour, kinds: []telemetry.Kind{telemetry.WaterLevel, telemetry.Weather}, each: 3},
			[]string{"flood", "weather"}, "Dong Trang", telemetry.WaterLevel, telemetry.Level, 11},
		{slice{scenario: "haze-week", to: 5 * 24 * time.Hour, length: 48 * time.Hour, kinds: []telemetry.Kind{telemetry.AirQuality}, each: 3},
			[]string{"air"}, "VN_AQI", telemetry.AirQualityIndex, telemetry.VNAQI, 151},
	} {
		f := newFeed(t, c.slice, end)
		registry := f.registry(t)
		t.Logf("%s: %d points of %d devices", c.scenario, len(f.points), len(f.fleet))
		for name, open := range boardStores() {
			t.Run(c.scenario+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := open(t)
				f.write(t, s, s.reader, registry, nil)
				s.settle()
				questions, findings := s.ask(t, seeded(end), end, c.boards, nil)
				faultless(t, findings)
				most := math.Inf(-1)
				for i, q := range questions {
					if strings.Contains(q.Panel, c.panel) && q.Kind == c.kind && q.Metric == c.metric && findings[i].Numbers > 0 {
						most = max(most, findings[i].Most)
					}
				}
				t.Logf("the most that is shown of %s_%s is %v", c.kind, c.metric, most)
				if most < c.most {
					t.Errorf("the most that is shown of %s_%s is %v, want %v", c.kind, c.metric, most, c.most)
				}
			})
		}
	}
}

// What is wrong is found: nothing there, nobody reporting, a store that refuses.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	realserver.Plain(t)
	end := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	f := newFeed(t, slice{scenario: "ordinary-day", to: 12 * time.Hour, length: 2 * time.Hour, each: 1}, end)
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
	args := []string{"dashboards", "check", "--prometheus", server.URL + terminal.PrometheusPath, "--board", "flood", "--to", end.Format(time.RFC3339), "--json"}
	if code := terminal.Run(t.Context(), new(cityLines), args, &out, &errs); code != 1 {
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
	// Where nothing has alarmed yet nobody has reported an alarm, and nothing is wrong.
	out.Reset()
	args = []string{"dashboards", "check", "--prometheus", server.URL + terminal.PrometheusPath, "--board", "overview", "--to", end.Format(time.RFC3339)}
	if code := terminal.Run(t.Context(), new(cityLines), args, &out, &errs); code != 1 || strings.Contains(out.String(), "alarm_severity") {
		t.Errorf("where nothing has alarmed check says:\n%s", out.String())
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no store":       {[]string{"dashboards", "check"}, "--prometheus"},
		"two stores":     {[]string{"dashboards", "check", "--prometheus", "x", "--influx", "y"}, "one of them"},
		"no bucket":      {[]string{"dashboards", "check", "--influx", "http://127.0.0.1:1"}, "--influx-bucket"},
		"a bad time":     {[]string{"dashboards", "check", "--prometheus", server.URL, "--to", "yesterday"}, "2026-11-21 18:30"},
		"no such board":  {[]string{"dashboards", "check", "--prometheus", server.URL, "--board", "tides"}, "flood"},
		"no address":     {[]string{"dashboards", "check", "--prometheus", "store"}, "should be like"},
		"nobody there":   {[]string{"dashboards", "check", "--prometheus", "http://127.0.0.1:1"}, "Is the store running there?"},
		"another page":   {[]string{"dashboards", "check", "--prometheus", server.URL}, "http://HOST:8080/prometheus"},
		"no InfluxDB":    {[]string{"dashboards", "check", "--influx", server.URL, "--influx-bucket", "x"}, "--influx-bucket"},
		"no such folder": {[]string{"dashboards", "render", "--out", "/dev/null/x"}, "--out"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := terminal.Run(t.Context(), new(cityLines), c.args, &out, &errs); code == 0 || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit code %d and %q, want an error with %q", code, errs.String(), c.want)
			}
		})
	}
}

// What an instrument says it measured while calibrated or in error enters no figure
// of any board, whatever the store.
func TestBoardsLeaveOutCalibration(t *testing.T) {
	realserver.Plain(t)
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
			s := open(t)
			if err := s.Write(t.Context(), points); err != nil {
				t.Fatal(err)
			}
			s.settle()
			_, findings := s.ask(t, dashboards.Province{Now: end}, end, []string{"locality", "air", "site"}, func(q dashboards.Question) bool {
				return q.Kind == telemetry.AirQuality && q.Metric == telemetry.PM25 && q.Span <= 7*24*time.Hour
			})
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
