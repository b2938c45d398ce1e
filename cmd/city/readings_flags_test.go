package city

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// addFlagged adds readings that an instrument did not take for good, among others.
func (h *history) addFlagged() {
	// Five days: every day some minutes of calibration, a whole hour of errors, and
	// in the first hour of the newest day everything flagged. The second device says
	// nothing of itself.
	begin := h.now.Truncate(time.Minute).Add(-5 * 24 * time.Hour)
	for i, at := 0, begin; at.Before(h.now); i, at = i+1, at.Add(5*time.Minute) {
		quality, value := telemetry.Measuring, 50+float64(i%17)
		switch slot := i % 288; {
		case slot == 30 || slot == 31 || slot == 100:
			quality, value = telemetry.Calibrating, 130
		case slot >= 200 && slot < 212:
			quality, value = telemetry.InstrumentError, 20
		}
		h.add("flagged", "d", telemetry.Noise, at, telemetry.LAeq, value)
		if quality != telemetry.Measuring || i%3 == 0 {
			h.add("flagged", "d", telemetry.Noise, at, telemetry.QualityCode, float64(quality))
		}
		h.add("flagged", "silent-on-it", telemetry.Noise, at, telemetry.LAeq, 70+float64(i%5))
		// What it says of itself between its readings is not about them.
		h.add("flagged", "d", telemetry.Noise, at.Add(time.Second), telemetry.Battery, 3.6)
		h.add("flagged", "d", telemetry.Noise, at.Add(time.Second), telemetry.QualityCode, 0)
	}
	// The newest reading of each site, and a flag beside it.
	ago := func(d time.Duration) time.Time { return h.now.Add(-d) }
	for site, values := range map[string][]flagOf{
		"flag-of-its-own":         {{2 * time.Minute, telemetry.LAeq, 130}, {2 * time.Minute, telemetry.QualityCode, 2}},
		"flag-of-one-before":      {{3 * time.Minute, telemetry.LAeq, 130}, {3 * time.Minute, telemetry.QualityCode, 2}, {2 * time.Minute, telemetry.LAeq, 60}},
		"flag-under-a-later":      {{3 * time.Minute, telemetry.LAeq, 130}, {3 * time.Minute, telemetry.QualityCode, 2}, {2 * time.Minute, telemetry.Battery, 3.7}, {2 * time.Minute, telemetry.QualityCode, 0}},
		"flag-without-value":      {{3 * time.Minute, telemetry.LAeq, 60}, {time.Minute, telemetry.QualityCode, 2}},
		"flag-hours-ago":          {{3*time.Hour + 5*time.Minute, telemetry.LAeq, 130}, {3*time.Hour + 5*time.Minute, telemetry.QualityCode, 1}, {3 * time.Hour, telemetry.Battery, 3.7}, {3 * time.Hour, telemetry.QualityCode, 0}},
		"flag-beyond-ten-minutes": {{14 * time.Minute, telemetry.LAeq, 130}, {14 * time.Minute, telemetry.QualityCode, 1}, {5 * time.Minute, telemetry.Battery, 3.7}, {5 * time.Minute, telemetry.QualityCode, 0}},
	} {
		for _, v := range values {
			h.add(site, "d", telemetry.Noise, ago(v.ago), v.metric, v.value)
		}
	}
}

type flagOf struct {
	ago    time.Duration
	metric telemetry.Metric
	value  float64
}

// testFlags holds every store to the quality of the newest readings.
func testFlags(t *testing.T, r api.Readings, _ *history) {
	for site, want := range map[telemetry.Site]float64{"flag-of-its-own": 2, "flag-of-one-before": 0, "flag-under-a-later": 2, "flag-without-value": 2,
		"flag-hours-ago": 1, "flag-beyond-ten-minutes": 1} {
		have, err := r.Latest(t.Context(), site)
		if err != nil || len(have) != 1 || have[0].Values[telemetry.QualityCode] != want || have[0].Values[telemetry.LAeq] == 0 {
			t.Errorf("%s: %+v, %v; want quality %v", site, have, err, want)
		}
	}
}

// good is the history without what the instrument flagged.
func (h *history) good(q api.SeriesQuery) *history {
	type moment struct {
		series telemetry.Series
		at     int64
	}
	flagged := map[moment]bool{}
	for _, p := range h.points {
		if p.Values[0].Spec.Name == telemetry.QualityCode && p.Values[0].Number > 0 {
			flagged[moment{p.Series, p.Time.UnixMilli()}] = true
		}
	}
	out := &history{cat: h.cat, now: h.now}
	for _, p := range h.points {
		if p.Series.Site == q.Site && p.Values[0].Spec.Name == q.Metric && !flagged[moment{p.Series, p.Time.UnixMilli()}] {
			out.points = append(out.points, p)
		}
	}
	return out
}

// testChart holds every store to this: what the instrument flagged enters no step.
func testChart(t *testing.T, r api.Readings, h *history) {
	for name, q := range map[string]api.SeriesQuery{
		"readings": h.window(telemetry.LAeq, "flagged", 24*time.Hour, time.Minute), "hours": h.window(telemetry.LAeq, "flagged", 4*24*time.Hour, time.Hour),
		"days": h.window(telemetry.LAeq, "flagged", 5*24*time.Hour, 24*time.Hour), "at once": h.window(telemetry.LAeq, "flagged", 5*24*time.Hour, 7*24*time.Hour),
		"nothing flagged": h.window(telemetry.LA50, "history", 24*time.Hour, time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			have, err := api.Chart(t.Context(), r, q)
			if err != nil {
				t.Fatal(err)
			}
			want := h.good(q).series(q)
			diff := cmp.Diff(want, have, cmpopts.EquateApprox(1e-9, 0), cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(api.SeriesPoint{}, "Quality"), cmpopts.IgnoreFields(api.DeviceSeries{}, "Flagged"))
			if diff != "" {
				t.Errorf("from %v to %v by %v (-want +have):\n%.3000s", q.From, q.To, q.Step, diff)
			}
			if q.Site == "flagged" {
				checkFlagged(t, h, q, have)
			}
		})
	}
}

// checkFlagged looks for the steps that are left out, or computed without some of
// their readings.
func checkFlagged(t *testing.T, h *history, q api.SeriesQuery, have []api.DeviceSeries) {
	t.Helper()
	all, good := h.series(q), h.good(q).series(q)
	if missing := len(all[0].Points) - len(good[0].Points); len(have[0].Flagged) != missing {
		t.Errorf("%d steps are told to be flagged, want %d", len(have[0].Flagged), missing)
	}
	if len(have[1].Flagged) > 0 {
		t.Errorf("the device that says nothing of itself is flagged: %v", have[1].Flagged)
	}
	flagged := len(have[0].Flagged)
	for _, p := range have[0].Points {
		whole := all[0].Points[slices.IndexFunc(all[0].Points, func(a api.SeriesPoint) bool { return a.Time.Equal(p.Time) })]
		if (whole.Min != p.Min || whole.Max != p.Max) != (p.Quality != "") {
			t.Errorf("%v: %+v of %+v", p.Time, p, whole)
		}
		if p.Quality != "" {
			flagged++
		}
	}
	if flagged == 0 {
		t.Error("nothing was flagged: this proves nothing")
	}
}
