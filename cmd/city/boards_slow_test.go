package city

import (
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/probe"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// pace is a locality whose stations of every kind report at a cadence: a river gauge
// and another one.
type pace struct {
	locality telemetry.Locality
	gauge    telemetry.Site
	other    telemetry.Site
	cadence  time.Duration
	first    time.Duration // after midnight in Vietnam
	// missing are readings that nobody sent, after the first midnight.
	missing []time.Duration
}

func paces() []pace {
	const h = time.Hour
	return []pace{
		{"nha-trang", "dong-trang", "minutes", time.Minute, 0, []time.Duration{23*h + 40*time.Minute, 29*h + 58*time.Minute}},
		{"cam-ranh", "dien-phu", "hourly", h, 0, []time.Duration{24 * h, 29 * h, 36 * h}},
		{"ninh-hoa", "trung-tam-ninh-hoa", "six-hourly", 6 * h, h, []time.Duration{19 * h}},
	}
}

// wrong says which readings of a level the instrument flags.
func (p pace) wrong(since time.Duration) bool {
	if p.cadence == time.Minute {
		return since%(2*time.Hour) == 117*time.Minute
	}
	return since%(10*p.cadence) == 9*p.cadence
}

// riverAt is a level that rises by 0.1 m an hour.
func riverAt(since time.Duration) float64 { return 5 + 0.1*since.Hours() }

// slowFeed is two days of it, until a midnight in Vietnam. Readings of a level 3.9 m
// too high are flagged.
func slowFeed(end time.Time) *feed {
	f := &feed{end: end}
	kinds := telemetry.NewCatalogue().Kinds()
	from := end.Add(-48 * time.Hour)
	for _, p := range paces() {
		missing := map[time.Duration]bool{}
		for _, m := range p.missing {
			missing[m] = true
		}
		for since := p.first; since <= 48*time.Hour; since += p.cadence {
			if missing[since] {
				continue
			}
			for i := range kinds {
				k := &kinds[i]
				if k.Kind == telemetry.Status || p.cadence == time.Minute && k.Cadence > time.Minute && k.Kind != telemetry.WaterLevel && since%(5*time.Minute) != 0 {
					continue
				}
				for _, site := range []telemetry.Site{p.gauge, p.other} {
					if site == p.gauge && k.Kind != telemetry.WaterLevel {
						continue
					}
					f.points = append(f.points, slowPoint(k, p, site, from, since))
				}
			}
		}
	}
	return f
}

func slowPoint(k *telemetry.KindSpec, p pace, site telemetry.Site, from time.Time, since time.Duration) telemetry.Point {
	out := telemetry.Point{Time: from.Add(since), Series: telemetry.Series{Kind: k.Kind, Locality: p.locality, Site: site, Device: telemetry.Device(string(k.Kind) + "-" + string(site))}}
	wrong := k.Kind == telemetry.WaterLevel && p.wrong(since)
	for j := range k.Metrics {
		m := &k.Metrics[j]
		v := math.Round(m.Min + (min(m.Max, m.Min+200)-m.Min)/4)
		switch {
		case m.Name == telemetry.QualityCode:
			if !wrong {
				continue // most devices tell of their quality only if it is bad
			}
			v = float64(telemetry.InstrumentError)
		case m.Form == telemetry.Counter:
			v = 1000 + since.Hours()
		case k.Kind == telemetry.WaterLevel && m.Name == telemetry.Level:
			if v = riverAt(since); wrong {
				v += 3.9
			}
		}
		out.Values = append(out.Values, telemetry.Value{Spec: m, Number: v})
	}
	return out
}

// A station that reports hourly or every six hours, with a reading missing, is on the
// boards at any time of day: half an hour after midnight, a minute before six, at noon.
func TestBoardsShowSlowStations(t *testing.T) {
	realserver.Plain(t)
	end := vnaqi.DayOf(time.Now().Add(-time.Hour))
	f := slowFeed(end)
	registry := f.registry(t)
	for name, open := range boardStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			f.write(t, s, s.reader, registry, nil)
			s.settle()
			asked, language, err := s.check.Store()
			if err != nil {
				t.Fatal(err)
			}
			questions, err := boards.BoardQuestions(dashboards.Province{Now: end}, language, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, since := range []time.Duration{24*time.Hour + 30*time.Minute, 29*time.Hour + 59*time.Minute, 36 * time.Hour} {
				for _, p := range paces() {
					a := slowAsk{p, since, probe.Probe{Store: asked, To: end.Add(since - 48*time.Hour), Lang: dashboards.English}}
					if n := a.all(t, questions); n < 100 {
						t.Errorf("only %d questions are about such stations", n)
					}
				}
			}
		})
	}
}

// slowAsk asks about the stations of a pace, at a time after the first midnight.
type slowAsk struct {
	pace
	since time.Duration
	probe.Probe
}

func (a *slowAsk) all(t *testing.T, questions []dashboards.Question) (asked int) {
	t.Helper()
	for _, q := range questions {
		k := telemetry.NewCatalogue().Kind(q.Kind)
		if k.Computed || strings.Contains(q.Board, "wall") || q.Values || q.Selected || strings.Contains(q.Panel, "Reservoir") || strings.HasPrefix(q.Panel, "Duc My ") {
			continue
		}
		// Of six hours' amounts nobody can say what the last hour had, nor the last three.
		if a.cadence > time.Hour && q.Now && k.Metric([]byte(q.Metric)).Form == telemetry.Amount && q.Board != "Parking" && q.Panel != "Rain in 24 h, most" && !(q.Panel == "Rain so far" && (q.Ref == "C" || q.Ref == "D")) {
			continue
		}
		site := a.other
		if strings.Contains(q.Text, string(a.gauge)) {
			site = a.gauge
		}
		q.Text = strings.NewReplacer("$locality", string(a.locality), "$site", string(site), "${ward:raw}", string(site)).Replace(q.Text)
		found, err := a.Run(t.Context(), []dashboards.Question{q})
		if err != nil {
			t.Fatal(err)
		}
		asked++
		a.judge(t, q, found[0])
	}
	return asked
}

func (a *slowAsk) judge(t *testing.T, q dashboards.Question, f probe.Finding) {
	t.Helper()
	what := fmt.Sprintf("%s, at %v: %s, %s %s", a.other, a.since, q.Board, q.Panel, q.Ref)
	if f.Numbers == 0 || f.Fault != "" {
		t.Errorf("%s: %d numbers %s %s\n%s", what, f.Numbers, f.Fault, f.Detail, f.Query)
		return
	}
	least, most := math.Inf(-1), math.Inf(1)
	switch {
	case q.Panel == "Rate of rise" || q.Panel == "Rate of rise, hour by hour":
		least, most = 0.099, 0.101
	case q.Panel == "All gauges" && q.Ref == "A":
		least, most = riverAt(a.since-18*time.Hour), riverAt(a.since)
	case strings.HasSuffix(q.Text, "[1d:5m]))") && strings.Contains(q.Text, "time() - "):
		least, most = a.since.Seconds()-a.newest(q.Kind).Seconds(), a.since.Seconds()-a.newest(q.Kind).Seconds()+300
	case q.Kind == telemetry.WaterLevel && q.Metric == telemetry.Level:
		least, most = 5, riverAt(a.since)
	}
	if f.Least < least-1e-6 || f.Most > most+1e-6 {
		t.Errorf("%s: from %v to %v, want from %v to %v\n%s", what, f.Least, f.Most, least, most, f.Query)
	}
}

// newest is when the newest reading was that is not flagged.
func (a *slowAsk) newest(k telemetry.Kind) (at time.Duration) {
	cadence := a.cadence
	if cadence == time.Minute && k != telemetry.WaterLevel && telemetry.NewCatalogue().Kind(k).Cadence > time.Minute {
		cadence = 5 * time.Minute
	}
next:
	for since := a.first; since <= a.since; since += cadence {
		for _, m := range a.missing {
			if m == since {
				continue next
			}
		}
		if k != telemetry.WaterLevel || !a.wrong(since) {
			at = since
		}
	}
	return at
}

// TestBoardsOfStationsThatChange: a station that fell silent a day ago is not shown as
// if it were there.
func TestBoardsForgetAfterADay(t *testing.T) {
	realserver.Plain(t)
	end := vnaqi.DayOf(time.Now().Add(-time.Hour))
	r := openReadable(t, storeFlags{Store: "embedded"})
	server := httptest.NewServer(r.handler)
	t.Cleanup(server.Close)
	k := telemetry.NewCatalogue().Kind(telemetry.WaterLevel)
	p := paces()[1]
	if err := r.store.Write(t.Context(), []telemetry.Point{slowPoint(k, p, p.other, end.Add(-25*time.Hour), 0)}); err != nil {
		t.Fatal(err)
	}
	asked, language, err := (&boards.Check{Prometheus: server.URL + terminal.PrometheusPath}).Store()
	if err != nil {
		t.Fatal(err)
	}
	questions, err := boards.BoardQuestions(dashboards.Province{Now: end}, language, []string{"flood"})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		if q.Panel == "All gauges" && q.Kind == telemetry.WaterLevel {
			pr := probe.Probe{Store: asked, To: end, Lang: dashboards.English}
			found, err := pr.Run(t.Context(), []dashboards.Question{q})
			if err != nil || found[0].Numbers != 0 {
				t.Errorf("%s: %+v, %v", q.Ref, found[0], err)
			}
		}
	}
}
