package api_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// promStore answers as the Prometheus HTTP API does, by the beginning of the
// query.
func promStore(t *testing.T, answers map[string]string) *api.Prometheus {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.FormValue("query")
		if strings.HasSuffix(r.URL.Path, "/series") {
			fmt.Fprint(w, `{"status":"success","data":[]}`)
			return
		}
		for begin, result := range answers {
			if strings.HasPrefix(q, begin) {
				fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":%s}}`, result)
				return
			}
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%q}`, q)
	}))
	t.Cleanup(s.Close)
	return api.NewPrometheus(s.URL, telemetry.NewCatalogue())
}

func TestSeries(t *testing.T) {
	c := newTown(t)
	c.do("GET", "/sites/cau-da/series?kind=noise&metric=laeq", nil).want(503)
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	row := func(v string) string {
		return fmt.Sprintf(`[{"metric":{"device":"d"},"values":[[%d,%q]]}]`, at.Unix(), v)
	}
	c.api.Readings = promStore(t, map[string]string{
		`min_over_time(noise_laeq{site="cau-da"}[300000ms])`:                                                          row("50.5"),
		`10 * log10(avg_over_time((10 ^ (last_over_time(noise_laeq{site="cau-da"}[2000ms]) / 10))[300000ms:2000ms]))`: row("60"),
		`max_over_time(noise_laeq{site="cau-da"}[300000ms])`:                                                          row("70"),
		`{site="cau-da",__name__=~"noise_(laeq|quality)"}[300000ms]`: fmt.Sprintf(`[{"metric":{"__name__":"noise_laeq","device":"d"},"values":[[%[1]d,"50.5"],[%[2]d,"51.5"],[%[3]d,"70"]]},
			{"metric":{"__name__":"noise_quality","device":"d"},"values":[[%[3]d,"1"]]}]`, at.Unix()-20, at.Unix()-10, at.Unix()),
		// The instrument flagged one of the step's readings.
		`min_over_time(noise_quality{site="cau-da"}[300000ms])`: row("0"),
		`avg_over_time(noise_quality{site="cau-da"}[300000ms])`: row("0.1"),
		`max_over_time(noise_quality{site="cau-da"}[300000ms])`: row("1"),
	})
	s := into[api.Series](c.do("GET", "/sites/cau-da/series?kind=noise&metric=laeq&from=2026-07-01T00:00:01Z&to=2026-07-02T00:00:01Z", nil).want(200))
	mean := 10 * math.Log10((math.Pow(10, 5.05)+math.Pow(10, 5.15))/2) // of 50.5 and 51.5 dB: 51.03
	if s.StepSeconds != 300 || s.Unit == "" || len(s.Series) != 1 || s.Series[0].Points[0] != (api.SeriesPoint{Time: at, Min: 50.5, Mean: mean, Max: 51.5, Quality: "calibrating"}) {
		t.Errorf("series: %+v", s)
	}
	if !s.From.Equal(at) || !s.To.Equal(at.Add(24*time.Hour+5*time.Minute)) {
		t.Errorf("from %v to %v", s.From, s.To)
	}
	for query, field := range map[string]string{"kind=smell&metric=laeq": "kind", "kind=noise&metric=pm25": "metric",
		"kind=noise&metric=laeq&from=2026-07-02T00:00:00Z&to=2026-07-01T00:00:00Z": "to", "kind=noise&metric=laeq&from=1990-01-01T00:00:00Z": "to"} {
		p := into[api.Problem](c.do("GET", "/sites/cau-da/series?"+query, nil).want(422))
		if p.Errors[0].Field != field {
			t.Errorf("%s: %+v", query, p)
		}
	}
	c.do("GET", "/sites/none/series?kind=noise&metric=laeq", nil).want(404)
	c.do("GET", "/sites/cau-da/series?kind=noise&metric=lamax", nil).want(503) // the store refuses
}

func TestPrometheusReadings(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	one := func(name string, ago time.Duration, v string) string {
		return fmt.Sprintf(`{"metric":{"__name__":%q,"device":"d"},"values":[[%d,"1"],[%d.250,%q]]}`, name, now.Add(-ago).Unix()-60, now.Add(-ago).Unix(), v)
	}
	p := promStore(t, map[string]string{
		`{site="s",__name__=~`:  "[" + one("air_quality_pm25", time.Minute, "12.5") + "," + one("air_quality_bat", 5*time.Minute, "3.7") + "," + one("unknown_x", 0, "1") + "]",
		`{site="s",device="d",`: "[" + one("noise_laeq", time.Hour, "60") + "]",
	})
	p.Now = func() time.Time { return now }
	latest, err := p.Latest(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if len(latest) != 1 || latest[0].Values[telemetry.PM25] != 12.5 || latest[0].Values["bat"] != 3.7 || !latest[0].Time.Equal(now.Add(-time.Minute+250*time.Millisecond)) {
		text, _ := json.Marshal(latest)
		t.Errorf("latest: %s", text)
	}
	first, ok, err := p.First(t.Context(), "d", "s", now.Add(-2*time.Hour))
	if err != nil || !ok || first.Values[telemetry.LAeq] != 1 {
		t.Errorf("first: %+v %v %v", first, ok, err)
	}
	if _, err := p.Latest(t.Context(), "other"); err == nil {
		t.Error("the store's error is lost")
	}
}

// A value keeps what the instrument said of it, and no other value takes that on.
func TestLatestTellsQuality(t *testing.T) {
	c := newTown(t)
	c.api.Readings = nil
	now := time.Now().UTC()
	quality := func() any {
		t.Helper()
		l := into[api.Latest](c.do("GET", "/sites/cau-da/latest", nil).want(200))
		if q, said := l.Readings[0].Values[telemetry.QualityCode]; said {
			return q
		}
		return nil
	}
	observe := func(at time.Duration, values ...telemetry.Point) {
		p := values[0]
		for _, v := range values[1:] {
			p.Values = append(p.Values, v.Values...)
		}
		p.Time = now.Add(at)
		c.api.Live.Observe([]telemetry.Point{p})
	}
	of := func(m telemetry.Metric, v float64) telemetry.Point {
		return point("cau-da", "d", telemetry.Noise, m, v, now)
	}
	observe(-4*time.Minute, of(telemetry.LAeq, 61))
	if q := quality(); q != nil {
		t.Errorf("nothing was said, and quality is %v", q)
	}
	observe(-3*time.Minute, of(telemetry.LAeq, 140), of(telemetry.QualityCode, 2))
	if q := quality(); q != 2.0 {
		t.Errorf("the instrument does not trust its reading, and quality is %v", q)
	}
	observe(-2*time.Minute, of(telemetry.Battery, 3.7), of(telemetry.QualityCode, 0))
	if q := quality(); q != 2.0 {
		t.Errorf("the level is still the doubtful one, and quality is %v", q)
	}
	observe(-time.Minute, of(telemetry.LAeq, 60))
	if q := quality(); q != 0.0 {
		t.Errorf("all values are good now, and quality is %v", q)
	}
}
