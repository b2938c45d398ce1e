package city

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/probe"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// Boards average sound levels by their energy, over sites and over time, whatever the
// store: 50 and 70 dB at two sites of Nha Trang are 67.0 dB and not 60; minutes of 40
// and of 60 dB at a site of Cam Ranh, and hours of them at one of Ninh Hòa, are 57.0
// dB and not 50.
func TestBoardsAverageEnergy(t *testing.T) {
	realserver.Plain(t)
	end := vnaqi.DayOf(time.Now()) // a whole day
	f := &feed{end: end}
	spec := telemetry.NewCatalogue().Kind(telemetry.Noise).Metric([]byte(telemetry.LAeq))
	add := func(at time.Time, l telemetry.Locality, site telemetry.Site, level float64) {
		f.points = append(f.points, telemetry.Point{Series: telemetry.Series{Kind: telemetry.Noise, Locality: l, Site: site, Device: telemetry.Device(site)},
			Time: at, Values: []telemetry.Value{{Spec: spec, Number: level}}})
	}
	for at := end.Add(-24*time.Hour + 30*time.Second); at.Before(end); at = at.Add(2 * time.Minute) {
		for m, varying := range []float64{40, 60} {
			minute := at.Add(time.Duration(m) * time.Minute)
			add(minute, "nha-trang", "quiet", 50)
			add(minute, "nha-trang", "loud", 70)
			add(minute, "cam-ranh", "varying", varying)
			add(minute, "ninh-hoa", "hours", 40+20*float64(minute.Unix()/3600%2))
		}
	}
	const sites, minutes = 67.03, 57.03
	// Of 40 or 60, 50, 57.03 and 70 dB the two in the middle are 50 or 60, and 57.03.
	const least, most = 53.52, 58.52
	shown := map[string][2]float64{ // the least and the most of each panel
		"Province overview, Noise by hour (LAeq)":                {40, sites},
		"Locality, Noise by hour (LAeq)":                         {40, 70},
		"Noise, LAeq of the last hour":                           {40, 70},
		"Noise, LAeq by hour, the locality's loudest site":       {40, 70},
		"Noise, Ordinary areas":                                  {40, 70},
		"Noise, The last hour":                                   {40, 70},
		"Noise, Statistical levels by hour, median of the sites": {least, most},
		"Noise, LAeq, daily means":                               {minutes, sites},
		"Site, Noise":                                            {minutes, minutes},
	}
	registry := f.registry(t)
	for name, open := range boardStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			f.write(t, s, s.reader, registry, nil)
			s.settle()
			seen := map[string]bool{}
			for _, a := range levels(t, s, "varying", end) {
				want, ok := shown[a.panel]
				if !ok {
					t.Errorf("%s shows levels: from what to what?", a.panel)
				}
				seen[a.panel] = true
				a.between(t, want)
			}
			if len(seen) < len(shown) {
				t.Errorf("only %v show levels", seen)
			}
			for _, a := range levels(t, s, "quiet|loud", end) {
				if a.panel == "Site, Noise" {
					a.between(t, [2]float64{sites, sites})
				}
			}
		})
	}
}

// answered is what came of a question about levels.
type answered struct {
	panel string
	probe.Finding
}

// levels asks what boards ask about LAeq; the board of a site shows these.
func levels(t *testing.T, s boardStore, sites string, end time.Time) (out []answered) {
	t.Helper()
	asked, language, err := s.check.Store()
	if err != nil {
		t.Fatal(err)
	}
	questions, err := boards.BoardQuestions(dashboards.Province{Now: end}, language, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		if q.Kind != telemetry.Noise || q.Metric != telemetry.LAeq || strings.Contains(q.Board, "wall") {
			continue
		}
		q.Text = strings.ReplaceAll(q.Text, "$site", sites)
		q.Step = max(q.Step, 10*time.Minute)
		pr := probe.Probe{Store: asked, To: end, Lang: dashboards.English}
		found, err := pr.Run(t.Context(), []dashboards.Question{q})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, answered{q.Board + ", " + q.Panel, found[0]})
	}
	return out
}

// between wants the least and the most of an answer.
func (a answered) between(t *testing.T, want [2]float64) {
	t.Helper()
	if a.Fault != "" || a.Numbers == 0 || math.Abs(a.Least-want[0]) > 0.005 || math.Abs(a.Most-want[1]) > 0.005 {
		t.Errorf("%s: %d numbers from %.3f to %.3f, want %v %s %s\n%s", a.panel, a.Numbers, a.Least, a.Most, want, a.Fault, a.Detail, a.Query)
	}
}
