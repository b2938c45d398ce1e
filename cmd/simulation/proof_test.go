package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/figures"
	storeroom "github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/score"
)

// proof is a scenario played in one way, and which part of it.
type proof struct {
	scenario string
	variationFlags
	from, length time.Duration // after its start; a length of 0 is all
	// broken says that instruments are: what a broken one shows is told in good faith.
	broken bool
}

// proofs are all shipped scenarios as they are written, with readings twelve times as
// far apart, and with a tenth of the messages lost. Of a hundred thousand devices an
// hour has no window of a day in it.
func proofs() (out []proof) {
	for _, name := range []string{"november-flood", "typhoon", "haze-week", "tet", "ordinary-day", "rush-hour", "broken-fleet"} {
		for _, v := range []variationFlags{{}, {Cadence: 12}, {Loss: 0.1}} {
			out = append(out, proof{scenario: name, variationFlags: v, broken: name == "broken-fleet"})
		}
	}
	return out
}

// few are those of every test run; HAIDANG_ALARM_PROOF=all takes [proofs], minutes of
// processor time: make alarm-proof.
func few() []proof {
	return []proof{
		{scenario: "november-flood", variationFlags: variationFlags{Cadence: 12}, from: 4 * 24 * time.Hour, length: 36 * time.Hour},
		{scenario: "ordinary-day", variationFlags: variationFlags{Loss: 0.1}, from: 9 * time.Hour, length: 9 * time.Hour},
	}
}

// The rules miss nothing that a hydromet officer would have them tell, and tell of
// nothing that is not so, whatever the cadence and though messages are lost: the
// fleet's messages go through the real codec into the real store, the indices are
// computed of them, and the rules are replayed over it.
func TestAlarmProof(t *testing.T) {
	realserver.Plain(t)
	all := few()
	if os.Getenv("HAIDANG_ALARM_PROOF") == "all" {
		all = proofs()
	} else if testing.Short() {
		t.Skip("takes a minute: leave -short out")
	}
	for _, p := range all {
		t.Run(p.scenario+p.String(), func(t *testing.T) {
			scored := p.score(t)
			t.Logf("| %s |%s | %d | %d | %d | %d | %d | %d | %d | %v · %v |", p.scenario, p, scored.Expected, scored.Raised, scored.MissedCount,
				scored.FalseCount, scored.EndedWrong, scored.Slight, scored.Unseen, scored.LateP50.Round(time.Minute), scored.LateMax.Round(time.Minute))
			if p.broken {
				return // its alarms are told of in docs/alarms.md
			}
			for _, m := range scored.Missed {
				t.Errorf("missed: %s at %s from %s (clear from %s) to %s, peak %v", m.Limit, m.Site, local(m.From), local(m.ClearFrom), local(m.To), m.Peak)
			}
			for _, f := range scored.False {
				t.Errorf("for nothing: %s at %s from %s to %s", f.Limit, f.Site, local(f.Raised), local(f.Cleared))
			}
			for _, b := range scored.Broken {
				t.Errorf("ended while it went on: %s at %s from %s to %s", b.Limit, b.Site, local(b.Raised), local(b.Cleared))
			}
			for _, l := range scored.Lingering {
				t.Errorf("went on when it was over: %s at %s from %s to %s", l.Limit, l.Site, local(l.Raised), local(l.Cleared))
			}
			if scored.Expected == 0 {
				t.Error("nothing is expected, so nothing is proved")
			}
		})
	}
}

func local(t time.Time) string {
	return t.In(time.FixedZone("", 7*3600)).Format("02 15:04")
}

// score plays it and scores the alarms.
func (p proof) score(t *testing.T) *score.Alarms {
	t.Helper()
	played, err := p.load(p.scenario)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := simulator.NewScenarioFleet(played)
	if err != nil {
		t.Fatal(err)
	}
	from, to := fleet.Start().Add(p.from), fleet.End()
	if p.length > 0 {
		to = from.Add(p.length)
	}
	dir := t.TempDir()
	store, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Retention: 4000 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	judged := map[telemetry.Kind]bool{telemetry.AirQuality: true}
	for _, l := range limits.All() {
		judged[l.Kind] = true
	}
	begin := from.Add(-24 * time.Hour) // windows of a day
	if begin.Before(fleet.Start()) {
		begin = fleet.Start()
	}
	fill(t, store, fleet, judged, begin, to)
	hours, err := figures.OpenHours(figures.Options{Store: store, Reader: store, Dir: dir, Now: func() time.Time { return to.Add(10 * time.Minute) }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer hours.Close()
	if err := hours.Compute(t.Context(), to.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}

	server := httptest.NewServer(store.Handler("/prometheus"))
	defer server.Close()
	areas := rules.AreasOf(seedUses())
	uses := func(d *simulator.Device) []limits.Area { return usesOf(areas, d.Place().Site) }
	scorer, err := score.New(score.Options{Scenario: played, From: from, To: to, Uses: uses, Limits: limits.All()})
	if err != nil {
		t.Fatal(err)
	}
	truth, err := scorer.FindCrossings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Devices stand at sites of their own where a place has several: the rules' areas
	// are those of the sites.
	for area, sites := range areas {
		for i := range fleet.Devices() {
			if d := &fleet.Devices()[i]; slices.Contains(sites, d.Place().Site) && !slices.Contains(areas[area], d.Site()) {
				areas[area] = append(areas[area], d.Site())
			}
		}
	}
	replay := alarm.Replay{From: truth.From, To: truth.To.Add(score.LateBy), Only: score.Judged(limits.All()), Store: &alarm.Remote{URL: server.URL + "/prometheus", Client: http.DefaultClient},
		Rules: func(_ context.Context, at time.Time) ([]byte, error) {
			return rules.Prometheus(rules.All(rules.Options{At: at, Areas: areas, Cadences: cadencesOf(fleet)}), "vi")
		}}
	found, err := replay.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return score.ScoreAlarms(truth, alarmsOf(found))
}

// fill stores what the fleet's messages bring.
func fill(t *testing.T, store *embedded.Store, fleet *simulator.Fleet, kinds map[telemetry.Kind]bool, from, to time.Time) {
	t.Helper()
	native := codec.NewNative(telemetry.NewCatalogue(), 0)
	var points []telemetry.Point
	flush := func() {
		var refused *storeroom.RejectedError // of a message sent twice
		if err := store.Write(t.Context(), points); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		points = points[:0]
	}
	for i := range fleet.Devices() {
		d := &fleet.Devices()[i]
		if !kinds[d.Kind.Kind] {
			continue
		}
		for e := range fleet.Feed(i, from, fleet.End()) { // what an outage held back comes long after
			if e.Unsent || e.Measured.After(to) || e.Fate != simulator.Stored && e.Fate != simulator.Partial {
				continue
			}
			decoded, err := native.Decode(codec.Message{Topic: e.Topic, Payload: e.Payload, Received: e.Due})
			if err != nil {
				t.Fatal(fmt.Errorf("%s: %w", e.Payload, err))
			}
			for _, r := range decoded.Readings {
				pt := telemetry.Point{Series: telemetry.Series{Kind: r.Kind.Kind, Locality: r.Locality, Site: d.Site(), Device: r.Device}, Time: r.Time}
				for _, v := range r.Values {
					if _, ok := v.Spec.Check(v.Number); ok {
						pt.Values = append(pt.Values, v)
					}
				}
				points = append(points, pt)
			}
			if len(points) > 5000 {
				flush()
			}
		}
	}
	flush()
}
