package alarm_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sample is a stored value.
type sample struct {
	kind   telemetry.Kind
	metric telemetry.Metric
	site   telemetry.Site
	at     time.Time
	value  float64
}

// past is a day with a flood that comes and goes, a gauge that is in error and one
// that falls silent, rain, noise at night, a farm short of oxygen and a gale.
func past(from, to time.Time) (out []sample) {
	// VictoriaMetrics learns from the readings before how often they come.
	begin := from.Add(-3 * time.Hour)
	hours := func(at time.Time) float64 { return at.Sub(begin).Hours() }
	put := func(at time.Time, every time.Duration, k telemetry.Kind, m telemetry.Metric, site telemetry.Site, v float64) {
		if at.Sub(begin)%every == 0 {
			out = append(out, sample{k, m, site, at.Add(7 * time.Second), v})
		}
	}
	for at := begin; at.Before(to); at = at.Add(time.Minute) {
		h := hours(at)
		if h < 9 || h > 9.7 { // silent for a while
			put(at, 5*time.Minute, telemetry.WaterLevel, telemetry.Level, "dong-trang", 9.2+2.4*math.Sin(h/3))
		}
		put(at, 5*time.Minute, telemetry.WaterLevel, telemetry.Level, "dien-phu", 4.9+0.7*math.Sin(h*2))
		if h > 4 && h < 4.8 {
			put(at, 5*time.Minute, telemetry.WaterLevel, telemetry.QualityCode, "dien-phu", 2)
		}
		put(at, 5*time.Minute, telemetry.Weather, telemetry.Rain, "cho-dam", max(0, 6*math.Sin(h/2)))
		put(at, 5*time.Minute, telemetry.Weather, telemetry.WindSpeed, "cho-dam", 11+3*math.Sin(h*3))
		put(at, time.Minute, telemetry.Noise, telemetry.LAeq, "cho-dam", 56+4*math.Sin(h))
		put(at, 15*time.Minute, telemetry.WaterQuality, telemetry.DissolvedOxygen, "binh-ba", 4.9+0.6*math.Sin(h))
		put(at, time.Hour, telemetry.AirQualityIndex, telemetry.VNAQI, "cho-dam", 130+90*math.Sin(h/2))
	}
	return out
}

// replayedRules are one of each sort.
func replayedRules() []string {
	return []string{"flood-bd2-dong-trang", "flood-bd1-dien-phu", "flood-rise", "rain-80mm-3h", "wind-6", "noise-ordinary-night", "farm-do-5", "vnaqi-151"}
}

// replays compares what the rules raise minute by minute with what a replay finds.
func replays(t *testing.T, from, to time.Time, o alarm.Options, remote *alarm.Remote) {
	t.Helper()
	led, err := ledger.Open(t.Context(), ledger.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { led.Close() })
	areas := rules.AreasOf(map[telemetry.Site][]string{"cho-dam": {"ordinary"}, "binh-ba": {"aquaculture"}})
	file := func(at time.Time) ([]byte, error) {
		return rules.Prometheus(slices.DeleteFunc(rules.All(rules.Options{At: at, Areas: areas}), func(r rules.Rule) bool {
			return !slices.Contains(replayedRules(), r.ID)
		}), "vi")
	}
	o.Alarms, o.Rules = led, file
	e, err := alarm.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	for now := from.Add(-time.Hour); now.Before(to); now = now.Add(time.Minute) {
		if err := e.Evaluate(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	want, err := led.Alarms(t.Context(), ingest.AlarmFilter{})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	got, err := (&alarm.Replay{Rules: func(_ context.Context, at time.Time) ([]byte, error) { return file(at) }, Store: remote, From: from, To: to,
		Progress: func(done, total int) { asked = max(asked, done*100/total) }}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := func(all []ingest.Alarm) string {
		var lines []string
		for _, a := range all {
			lines = append(lines, fmt.Sprintf("%s at %s: since %s, raised %s, cleared %s, %v\n", a.Rule, a.Site,
				a.Since.Format("02 15:04"), a.Raised.Format("02 15:04"), a.Cleared.Format("02 15:04"), a.Locality))
		}
		slices.Sort(lines)
		return strings.Join(lines, "")
	}
	if text(got) != text(want) {
		t.Errorf("replayed, but not evaluated so (-), or evaluated, but not replayed (+):\n%s", cmp.Diff(text(got), text(want)))
	}
	for _, id := range replayedRules() {
		if !strings.Contains(text(got), id+" at ") {
			t.Errorf("%s is never raised, and nothing is shown of it", id)
		}
	}
	if asked != 100 {
		t.Errorf("the progress ends at %d %%", asked)
	}
	t.Logf("%d alarms", len(got))
}

// A replay raises and clears the very alarms that evaluation minute by minute does,
// over midnight, with what waits and what is kept.
func TestReplay(t *testing.T) {
	realserver.Plain(t)
	from := local(2025, 11, 19, 14, 0)
	to := from.Add(14 * time.Hour)
	catalogue := telemetry.NewCatalogue()
	store, err := embedded.Open(t.Context(), embedded.Options{Dir: t.TempDir(), Retention: 400 * 24 * time.Hour, Now: func() time.Time { return to }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	for _, s := range past(from, to) {
		spec := catalogue.Kind(s.kind).Metric([]byte(s.metric))
		err := store.Write(t.Context(), []telemetry.Point{{Time: s.at, Values: []telemetry.Value{{Spec: spec, Number: s.value}},
			Series: telemetry.Series{Kind: s.kind, Locality: "nha-trang", Site: s.site, Device: "d-1"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(store.Handler("/prometheus"))
	t.Cleanup(server.Close)
	replays(t, from, to, alarm.Options{Store: store}, &alarm.Remote{URL: server.URL + "/prometheus", Client: server.Client()})
}

// So it does over VictoriaMetrics.
func TestReplayVictoriaMetrics(t *testing.T) {
	realserver.Plain(t)
	server := realserver.VictoriaMetrics(t)
	from := local(2025, 11, 19, 14, 0)
	to := from.Add(14 * time.Hour)
	var lines strings.Builder
	for _, s := range past(from, to) {
		fmt.Fprintf(&lines, "%s,locality=nha-trang,site=%s,device=d-1 %s=%v %d\n", s.kind, s.site, s.metric, s.value, s.at.UnixNano())
	}
	resp, err := http.Post(server.URL+"/write", "text/plain", strings.NewReader(lines.String()))
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
	remote := &alarm.Remote{URL: server.URL, Client: http.DefaultClient}
	replays(t, from, to, alarm.Options{Remote: remote}, remote)
}
