package city

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/counter"
)

// meters are meters' readings until a moment, by site: with gaps, dips, resets and
// flags; odd says what of each is flagged.
func meters(end time.Time) (all map[telemetry.Site][]counter.Reading, flagged map[telemetry.Site]map[int64]bool) {
	all, flagged = map[telemetry.Site][]counter.Reading{}, map[telemetry.Site]map[int64]bool{}
	for site, cadence := range map[telemetry.Site]time.Duration{"minutes": 5 * time.Minute, "hourly": time.Hour, "six-hourly": 6 * time.Hour} {
		flagged[site] = map[int64]bool{}
		v := 13000.0
		for at := end.Add(-72 * time.Hour); !at.After(end); at = at.Add(cadence) {
			v += 0.1 * cadence.Minutes() / 5
			n := counter.Reading{At: at.UnixMilli(), Value: v}
			switch before := end.Sub(at); {
			case before == 54*time.Hour:
				n.Value = 0
			case before == 42*time.Hour:
				n.Value -= 500
			case before == 30*time.Hour:
				v = 0
				n.Value = 0
			case before == 18*time.Hour:
				n.Value = 5e6
				flagged[site][n.At] = true
			case before < 12*time.Hour && before > 8*time.Hour:
				continue
			}
			all[site] = append(all[site], n)
		}
	}
	return all, flagged
}

// What meters' hours have, on every store: what the readings say together, also
// when some come late, and so the hours add up to last − first.
func TestCountersOnEveryStore(t *testing.T) {
	for name, open := range readables() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			testCounters(t, r.store, settledReader{r.reader(), r.settle})
		})
	}
}

func testCounters(t *testing.T, s store.Store, r store.Reader) {
	end := time.Now().UTC().Truncate(time.Hour)
	clock := end
	h, err := figures.OpenHours(figures.Options{Store: s, Reader: r, Dir: t.TempDir(), Now: func() time.Time { return clock }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	k := telemetry.NewCatalogue().Kind(telemetry.Energy)
	all, flagged := meters(end)
	late := func(i int) bool { return i%7 == 5 }
	write := func(which bool) {
		var points []telemetry.Point
		for site, readings := range all {
			for i, n := range readings {
				if late(i) != which {
					continue
				}
				p := telemetry.Point{Time: time.UnixMilli(n.At).UTC(), Series: telemetry.Series{Kind: k.Kind, Locality: "nha-trang", Site: site, Device: telemetry.Device(site)},
					Values: []telemetry.Value{{Spec: k.Metric([]byte(telemetry.EnergyTotal)), Number: n.Value}}}
				if flagged[site][n.At] {
					p.Values = append(p.Values, telemetry.Value{Spec: k.Metric([]byte(telemetry.QualityCode)), Number: 2})
				}
				points = append(points, p)
			}
		}
		if err := (figures.Noting{Store: s, Hours: h}).Write(t.Context(), points); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			clock = figures.NextRun(clock)
			if err := h.Compute(t.Context(), clock); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(with func(i int) bool) {
		t.Helper()
		for site, readings := range all {
			var good []counter.Reading
			for i, n := range readings {
				if with(i) && !flagged[site][n.At] {
					good = append(good, n)
				}
			}
			steps := counter.Steps(good)
			have := map[int64]float64{}
			if err := r.Samples(t.Context(), store.Query{Kind: telemetry.HourlyKind(k.Kind), Metrics: []telemetry.Metric{"energy_total:increase1h"}, Sites: []telemetry.Site{site}, From: end.Add(-80 * time.Hour), To: end},
				func(s store.Sample) { have[s.Time.Add(time.Hour-1).Truncate(time.Hour).UnixMilli()] = s.Number }); err != nil {
				t.Fatal(err)
			}
			sum, hour := 0.0, time.Hour.Milliseconds()
			for at := end.Add(-80 * time.Hour).UnixMilli(); at <= end.UnixMilli(); at += hour {
				want, ok := counter.Increase(steps, at-hour, at)
				v, there := have[at]
				if ok != there || math.Abs(v-want) > 1e-6 {
					t.Errorf("%s, the hour until %s has %v (%v), want %v (%v)", site, time.UnixMilli(at).UTC().Format(time.RFC3339), v, there, want, ok)
				}
				sum += v
			}
			// One reset, to 0; the rest is last − first.
			reset := 0.0
			for i, s := range steps {
				if s.Verdict == counter.Reset {
					reset += steps[i-1].Value
				}
			}
			if want := good[len(good)-1].Value - good[0].Value + reset; math.Abs(sum-want) > 1e-6 || reset < 13000 || reset > 14000 {
				t.Errorf("%s: the hours add up to %v, want %v with %v before the reset", site, sum, want, reset)
			}
		}
	}
	write(false)
	check(func(i int) bool { return !late(i) })
	write(true)
	check(func(int) bool { return true })
}
