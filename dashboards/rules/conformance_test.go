package rules_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// conformance is a moment at which all engines are asked, with what every device has
// sent until then.
type conformance struct {
	now      time.Time
	limits   []limits.Limit
	cadences []rules.Cadence
	points   []telemetry.Point
	want     map[string]bool // "rule site": must alarm, or must not
}

// asked are the limits of the suite, one of each statistic and side.
func asked() []limits.Limit {
	one := func(id string, k telemetry.Kind, m telemetry.Metric, s limits.Statistic, w time.Duration, v float64, below, strict bool) limits.Limit {
		return limits.Limit{ID: id, Kind: k, Metric: m, Statistic: s, Window: w, Value: v, Below: below, Strict: strict, Severity: limits.Watch, Basis: limits.Operational,
			NameVI: id, NameEN: id, Reference: "x", ReferenceEN: "x"}
	}
	return []limits.Limit{
		one("mean1h", telemetry.AirQuality, telemetry.CO, limits.Mean, time.Hour, 30000, false, true),
		one("mean8h", telemetry.AirQuality, telemetry.O3, limits.Mean, 8*time.Hour, 120, false, true),
		one("mean24h", telemetry.AirQuality, telemetry.PM25, limits.Mean, day, 45, false, true),
		one("energy", telemetry.Noise, telemetry.LAeq, limits.Mean, time.Hour, 67, false, false),
		one("low", telemetry.WaterQuality, telemetry.DissolvedOxygen, limits.Mean, time.Hour, 5, true, true),
		one("sum3h", telemetry.Weather, telemetry.Rain, limits.Sum, 3*time.Hour, 80, false, true),
		one("last", telemetry.WaterLevel, telemetry.Level, limits.Last, time.Hour, 8, false, false),
		one("rise", telemetry.WaterLevel, telemetry.Level, limits.Rise, time.Hour, 0.5, false, false),
	}
}

// sent is what a device of a cadence measures over its limit, the n-th reading back
// from now; equal is the limit's own value.
func sent(id string, every time.Duration, n int, equal bool) float64 {
	switch {
	case equal:
		return map[string]float64{"mean1h": 30000, "mean8h": 120, "mean24h": 45, "energy": 67, "low": 5, "sum3h": 80 / max(1, float64(3*time.Hour/every)), "last": 8}[id]
	case id == "energy": // 62 and 71 dB: 68.5 dB of energy, 66.5 of decibels
		return 62 + 9*float64((n+1)%2)
	case id == "sum3h":
		return 130 * every.Hours() / 3
	case id == "rise":
		return 7 - 0.6*every.Hours()*float64(n)/12 // below the level, rising far too slowly
	}
	return map[string]float64{"mean1h": 40000, "mean8h": 130, "mean24h": 50, "low": 4, "last": 9}[id]
}

// newConformance is seven cadences by losses: nothing, one value, one in ten, two of
// three, everything flagged, and 50 minutes late.
func newConformance() conformance {
	c := conformance{now: time.Date(2026, 11, 22, 8, 10, 0, 0, time.UTC), limits: asked(), want: map[string]bool{}}
	catalogue := telemetry.NewCatalogue()
	for _, minutes := range []int{1, 5, 10, 15, 60, 120, 360} {
		every := time.Duration(minutes) * time.Minute
		for _, l := range c.limits {
			for _, loss := range []string{"none", "one", "ten", "few", "flagged", "late", "equal"} {
				if loss == "equal" && (l.Statistic == limits.Rise || l.ID == "energy" || l.Statistic == limits.Sum) {
					continue // rounding decides
				}
				site := fmt.Sprintf("%s-%d-%s", l.ID, minutes, loss)
				c.cadences = append(c.cadences, rules.Cadence{Site: telemetry.Site(site), Device: telemetry.Device(site), Kind: l.Kind, Every: every})
				c.send(catalogue.Kind(l.Kind), l, site, every, loss)
				if want, sure := c.expect(l, every, loss); sure {
					c.want[l.ID+" "+site] = want
				}
			}
		}
	}
	return c
}

// expect is what must come of it; not sure is where only agreement counts.
func (c *conformance) expect(l limits.Limit, every time.Duration, loss string) (want, sure bool) {
	rise := l.Statistic == limits.Rise
	switch loss {
	case "flagged":
		return false, true
	case "equal":
		return !l.Strict, true
	case "none", "one", "ten":
		return !rise && (l.Statistic != limits.Sum || every < 6*time.Hour || loss == "none"), !rise && (l.Statistic != limits.Sum || every <= 15*time.Minute || loss == "none")
	case "late":
		return true, l.ID == "last"
	case "few":
		return false, (l.ID == "mean1h" || l.ID == "mean24h" || l.ID == "low") && every < l.Window && l.Window/every >= 4
	}
	return false, false
}

func (c *conformance) send(k *telemetry.KindSpec, l limits.Limit, site string, every time.Duration, loss string) {
	series := telemetry.Series{Kind: l.Kind, Locality: "nha-trang", Site: telemetry.Site(site), Device: telemetry.Device(site)}
	reach := max(26*time.Hour, 5*every)
	end := c.now.Add(-6*time.Minute + 7*time.Second) // no engine looks finer than five minutes at what is slow
	for n := 0; time.Duration(n)*every < reach; n++ {
		at := end.Add(-time.Duration(n) * every)
		switch {
		case loss == "one" && n == 2, loss == "ten" && n%10 == 7, loss == "few" && n%3 != 0, loss == "late" && c.now.Sub(at) < 50*time.Minute:
			continue
		}
		p := telemetry.Point{Series: series, Time: at, Values: []telemetry.Value{{Spec: k.Metric([]byte(l.Metric)), Number: sent(l.ID, every, n, loss == "equal")}}}
		if loss == "flagged" {
			p.Values = append(p.Values, telemetry.Value{Spec: k.Metric([]byte(telemetry.QualityCode)), Number: 2})
		}
		c.points = append(c.points, p)
	}
}

// lines are the points in line protocol.
func (c *conformance) lines() string {
	var b strings.Builder
	for _, p := range c.points {
		fields := make([]string, len(p.Values))
		for i, v := range p.Values {
			fields[i] = fmt.Sprintf("%s=%v", v.Spec.Name, v.Number)
		}
		fmt.Fprintf(&b, "%s,locality=nha-trang,site=%s,device=%s %s %d\n", p.Series.Kind, p.Series.Site, p.Series.Device, strings.Join(fields, ","), p.Time.UnixNano())
	}
	return b.String()
}

// rules are those of the limits.
func (c *conformance) rules() []rules.Rule {
	all := rules.All(rules.Options{At: c.now, Limits: c.limits, Cadences: c.cadences})
	return slices.DeleteFunc(all, func(r rules.Rule) bool {
		return !slices.ContainsFunc(c.limits, func(l limits.Limit) bool { return l.ID == r.ID })
	})
}

// The embedded engine, a real VictoriaMetrics and a real InfluxDB are asked the same
// of the same readings: of every statistic, at every cadence, with every loss. All
// must agree, and where the answer is certain, with it.
func TestDialectsAgree(t *testing.T) {
	realserver.Plain(t)
	c := newConformance()
	answers := map[string]map[string]bool{"embedded": c.embedded(t), "VictoriaMetrics": c.victoria(t), "InfluxDB": c.influx(t)}
	for name, got := range answers {
		for key, want := range c.want {
			if got[key] != want && !unnamed(key) {
				t.Errorf("%s: %s alarms %v, want %v", name, key, got[key], want)
			}
		}
		for key := range got {
			for other, and := range answers {
				if !and[key] && !unnamed(key) {
					t.Errorf("%s alarms in %s and not in %s", key, name, other)
				}
			}
		}
		t.Logf("%s: %d alarms", name, len(got))
	}
}

// unnamed are devices of one minute of which two of three readings are lost, where the
// kind's cadence is five: VictoriaMetrics' questions are too short to name all these
// devices, and so takes them for devices of five minutes.
func unnamed(key string) bool {
	return strings.HasPrefix(key, "mean") && strings.HasSuffix(key, "-1-few")
}

func (c *conformance) embedded(t *testing.T) map[string]bool {
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(t.TempDir(), "store"), Retention: 400 * day, Now: func() time.Time { return c.now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(t.Context(), c.points); err != nil {
		t.Fatal(err)
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 20_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{})})
	defer engine.Close()
	got := map[string]bool{}
	for _, r := range c.rules() {
		q, err := engine.NewInstantQuery(t.Context(), s, nil, r.PromQL(), c.now)
		if err != nil {
			t.Fatal(err)
		}
		res := q.Exec(t.Context())
		vector, err := res.Vector()
		if err != nil {
			t.Fatalf("%s: %v", r.ID, err)
		}
		for _, sample := range vector {
			got[r.ID+" "+sample.Metric.Get("site")] = true
		}
		q.Close()
	}
	return got
}

func (c *conformance) victoria(t *testing.T) map[string]bool {
	server := realserver.VictoriaMetrics(t)
	resp, err := http.Post(server.URL+"/write", "text/plain", strings.NewReader(c.lines()))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("write: %s", resp.Status)
	}
	if err := server.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, r := range c.rules() {
		for _, expr := range r.Questions() {
			resp, err := http.PostForm(server.URL+"/api/v1/query", url.Values{"query": {expr}, "time": {fmt.Sprint(c.now.Unix())}, "nocache": {"1"}})
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			var answer struct {
				Status string
				Data   struct {
					Result []struct{ Metric map[string]string }
				}
			}
			if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
				t.Fatalf("%s (%d bytes): %s", r.ID, len(expr), body)
			}
			for _, one := range answer.Data.Result {
				got[r.ID+" "+one.Metric["site"]] = true
			}
		}
	}
	return got
}

func (c *conformance) influx(t *testing.T) map[string]bool {
	server := realserver.InfluxDB(t)
	write(t, server, c.lines())
	got := map[string]bool{}
	for _, group := range grafana(dashboards.InfluxQL).Groups(c.rules()) {
		for _, r := range group.Rules {
			query := at(r.Data[0].Model["query"].(string), r.Data[0].TimeRange.From, c.now)
			answer, err := server.InfluxQL(t.Context(), query)
			if err != nil {
				t.Fatalf("%s: %v\n%s", r.UID, err, query)
			}
			limit := c.limits[slices.IndexFunc(c.limits, func(l limits.Limit) bool { return l.ID == r.Labels["limit"] })]
			for _, s := range answer.Series {
				v, err := s.Values[len(s.Values)-1][1].(json.Number).Float64()
				if err != nil {
					t.Fatal(err)
				}
				if limit.Crossed(v) {
					got[limit.ID+" "+s.Tags["site"]] = true
				}
			}
		}
	}
	// Grafana asks with the server's own now().
	if _, err := server.InfluxQL(t.Context(), `SELECT mean("co") FROM "air_quality" WHERE time > now() - 3h GROUP BY time(1h, now())`); err != nil {
		t.Error(err)
	}
	return got
}
