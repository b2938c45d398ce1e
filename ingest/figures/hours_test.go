package figures_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// town is a real embedded store and what is computed of it, on a clock that the
// test sets.
type town struct {
	t     *testing.T
	cat   *telemetry.Catalogue
	dir   string
	now   time.Time
	store *embedded.Store
	hours *figures.Hours
	// away is the error that the computed writes meet; nil is none.
	away error
}

// Write implements [store.Store] for what is computed.
func (c *town) Write(ctx context.Context, points []telemetry.Point) error {
	if c.away != nil {
		return c.away
	}
	return c.store.Write(ctx, points)
}

// midnight is 2026-03-01 00:00 in Vietnam.
var midnight = time.Date(2026, 2, 28, 17, 0, 0, 0, time.UTC)

func newTown(t *testing.T, now time.Time) *town {
	t.Helper()
	c := &town{t: t, cat: telemetry.NewCatalogue(), dir: t.TempDir(), now: now}
	var err error
	c.store, err = embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(c.dir, "store"), Retention: 60 * 24 * time.Hour, Now: c.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.hours.Close(), c.store.Close()); err != nil {
			t.Error(err)
		}
	})
	c.open()
	return c
}

func (c *town) clock() time.Time { return c.now }

// open begins a process; the one before, if there is one, is dead without a word.
func (c *town) open() {
	c.t.Helper()
	h, err := figures.OpenHours(figures.Options{Store: c, Reader: c.store, Dir: c.dir, Now: c.clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.hours = h
}

// run lets the clock go on to the next run, and has it.
func (c *town) run() error {
	due := figures.NextRun(c.now)
	c.now = due
	return c.hours.Compute(c.t.Context(), due)
}

func (c *town) mustRun() {
	c.t.Helper()
	if err := c.run(); err != nil {
		c.t.Fatal(err)
	}
}

// tell has a device tell values, metric and number in turn, as the loader would.
func (c *town) tell(site, device string, kind telemetry.Kind, at time.Time, values ...any) {
	c.t.Helper()
	p := telemetry.Point{Time: at, Series: telemetry.Series{Kind: kind, Locality: "nha-trang", Site: telemetry.Site(site), Device: telemetry.Device(device)}}
	for i := 0; i < len(values); i += 2 {
		spec := c.cat.Kind(kind).Metric([]byte(values[i].(telemetry.Metric)))
		p.Values = append(p.Values, telemetry.Value{Spec: spec, Number: values[i+1].(float64)})
	}
	if err := (figures.Noting{Store: c.store, Hours: c.hours}).Write(c.t.Context(), []telemetry.Point{p}); err != nil {
		c.t.Fatal(err)
	}
}

// each calls f for the middle of every hour of a time, with the hour's end.
func each(from time.Time, hours int, f func(at, end time.Time, i int)) {
	for i := range hours {
		end := from.Add(time.Duration(i+1) * time.Hour)
		f(end.Add(-30*time.Minute), end, i)
	}
}

// last is the last revision of what is kept of an hour, and how many there are.
func (c *town) last(kind telemetry.Kind, metric telemetry.Metric, site string, end time.Time) (v float64, revisions int) {
	c.t.Helper()
	v = math.NaN()
	err := c.store.Samples(c.t.Context(), store.Query{Kind: kind, Metrics: []telemetry.Metric{metric}, Sites: []telemetry.Site{telemetry.Site(site)}, From: end.Add(-time.Hour), To: end},
		func(s store.Sample) {
			if s.Series.Device != telemetry.ComputedBy || s.Series.Locality != "nha-trang" {
				c.t.Errorf("series %+v", s.Series)
			}
			v, revisions = s.Number, revisions+1
		})
	if err != nil {
		c.t.Fatal(err)
	}
	return v, revisions
}

func (c *town) want(kind telemetry.Kind, metric telemetry.Metric, site string, end time.Time, want float64) {
	c.t.Helper()
	if have, _ := c.last(kind, metric, site, end); !(math.Abs(have-want) < 1e-9) && !(math.IsNaN(have) && math.IsNaN(want)) {
		c.t.Errorf("%s_%s of %s at %s: have %v, want %v", kind, metric, site, end.Format(time.RFC3339), have, want)
	}
}

const air = "site:air_quality"

func TestHoursOfEveryForm(t *testing.T) {
	c := newTown(t, midnight.Add(10*time.Minute))
	end := midnight.Add(time.Hour)
	at := func(minutes int) time.Time { return midnight.Add(time.Duration(minutes) * time.Minute) }
	for i, v := range []float64{10, 20, 60} {
		c.tell("a", "aq-1", telemetry.AirQuality, at(15*(i+1)), telemetry.PM25, v, telemetry.Battery, 3.7)
	}
	c.tell("a", "aq-2", telemetry.AirQuality, at(30), telemetry.PM25, 50.0) // a second device counts as much
	c.tell("a", "aq-1", telemetry.AirQuality, at(0), telemetry.PM25, 900.0) // midnight is of the hour before
	c.tell("a", "aq-1", telemetry.AirQuality, at(60), telemetry.PM25, 30.0) // and one o'clock of this
	for i, v := range []float64{1, 2.5} {
		c.tell("a", "w-1", telemetry.Weather, at(10+i), telemetry.Rain, v, telemetry.WindDirection, []float64{350, 20}[i])
		c.tell("a", "w-2", telemetry.Weather, at(10+i), telemetry.Rain, v)
		c.tell("a", "t-1", telemetry.Traffic, at(10+i), telemetry.Vehicles, v)
		c.tell("a", "t-2", telemetry.Traffic, at(10+i), telemetry.Vehicles, v)
		c.tell("a", "n-1", telemetry.Noise, at(10+i), telemetry.LAeq, []float64{50, 70}[i])
		c.tell("a", "l-1", telemetry.StreetLight, at(10+i), telemetry.On, float64(i))
	}
	for i, v := range []float64{100, 103, 1, 4} { // begins anew once
		c.tell("a", "e-1", telemetry.Energy, at(-5+20*i), telemetry.EnergyTotal, v)
	}
	c.now = midnight.Add(time.Hour)
	c.mustRun()

	c.want(air, "pm25:mean1h", "a", end, (30+50)/2.0)
	c.want(air, "pm25:max1h", "a", end, 60)
	c.want(air, "pm25:min1h", "a", end, 10)
	c.want(air, "bat:mean1h", "a", end, math.NaN())
	c.want("site:weather", "rain:sum1h", "a", end, 3.5)
	c.want("site:traffic", "vehicles:sum1h", "a", end, 7)
	c.want("site:weather", "wind_direction:mean1h", "a", end, 5)
	c.want("site:noise", "laeq:mean1h", "a", end, 10*math.Log10((1e5+1e7)/2))
	c.want("site:noise", "laeq:max1h", "a", end, 70)
	c.want("site:street_light", "on:mean1h", "a", end, 0.5)
	c.want("site:energy", "energy_total:increase1h", "a", end, 3+1+3)
	c.want(air, "pm25:mean1h", "a", midnight, 900)
}

func TestFlaggedReadingsEnterNothing(t *testing.T) {
	c := newTown(t, midnight.Add(10*time.Minute))
	each(midnight, 3, func(at, end time.Time, _ int) {
		c.now = end
		c.tell("a", "aq-1", telemetry.AirQuality, at, telemetry.PM25, 20.0, telemetry.QualityCode, float64(telemetry.Measuring))
		c.tell("a", "aq-1", telemetry.AirQuality, at.Add(time.Minute), telemetry.PM25, 500.0, telemetry.QualityCode, float64(telemetry.Calibrating))
		c.tell("a", "aq-1", telemetry.AirQuality, at.Add(2*time.Minute), telemetry.PM25, 900.0, telemetry.QualityCode, float64(telemetry.InstrumentError))
		c.tell("a", "aq-1", telemetry.AirQuality, at.Add(3*time.Minute), telemetry.PM25, 30.0) // without a flag it measures
		// Another device's flag at the same moment is its own.
		c.tell("a", "aq-2", telemetry.AirQuality, at.Add(3*time.Minute), telemetry.PM25, 900.0, telemetry.QualityCode, float64(telemetry.InstrumentError))
	})
	c.mustRun()
	end := midnight.Add(3 * time.Hour)
	c.want(air, "pm25:mean1h", "a", end, 25)
	c.want(air, "pm25:max1h", "a", end, 30)
	c.want(telemetry.AirQualityIndex, telemetry.VNAQI, "a", end, 50)
}

// The day of the decision's own example: PM2.5 55.7, NO₂ at most 130.8, O₃ 89.3.
func TestDayOfAir(t *testing.T) {
	c := newTown(t, midnight.Add(time.Minute))
	each(midnight, 24, func(at, end time.Time, i int) {
		c.now = at
		no2 := 50.0
		if i == 9 {
			no2 = 130.8
		}
		c.tell("a", "aq-1", telemetry.AirQuality, at, telemetry.PM25, 55.7, telemetry.NO2, no2, telemetry.O3, 89.3)
		c.now = end
		c.mustRun()
	})
	end := midnight.Add(24 * time.Hour)
	c.want(telemetry.AirQualityIndex, telemetry.VNAQIDay, "a", end, 110)
	// By hand: 100 + 50/30 · 5.7 = 109.5.
	c.want(telemetry.AirQualityIndex, telemetry.PM25Index, "a", end, 100+50.0/30*5.7)
	c.want(telemetry.AirQualityIndex, telemetry.VNAQI, "a", end, 110)
	c.want(telemetry.AirQualityIndex, telemetry.Dominant, "a", end, 1)
	c.want(telemetry.AirQualityIndex, telemetry.NO2Index, "a", midnight.Add(10*time.Hour), 50+50*(30.8/100))
	// One of two of the newest three hours is not enough for NowCast.
	c.want(telemetry.AirQualityIndex, telemetry.VNAQI, "a", midnight.Add(time.Hour), math.NaN())
	c.want(telemetry.AirQualityIndex, telemetry.VNAQIDay, "a", midnight, math.NaN())
	if _, n := c.last(telemetry.AirQualityIndex, telemetry.VNAQIDay, "a", end); n != 1 {
		t.Errorf("the day has %d revisions", n)
	}
}

func TestLateData(t *testing.T) {
	c := newTown(t, midnight.Add(time.Minute))
	each(midnight, 26, func(at, end time.Time, _ int) {
		c.now = at
		c.tell("a", "aq-1", telemetry.AirQuality, at, telemetry.PM25, 20.0)
		c.tell("b", "aq-b", telemetry.AirQuality, at, telemetry.PM25, 20.0)
		c.now = end
		c.mustRun()
	})
	day := midnight.Add(24 * time.Hour)
	c.want(telemetry.AirQualityIndex, telemetry.VNAQIDay, "a", day, 40)
	// The second hour's other half comes a day later: its mean is 40 then.
	hour := midnight.Add(2 * time.Hour)
	c.tell("a", "aq-1", telemetry.AirQuality, hour.Add(-10*time.Minute), telemetry.PM25, 60.0)
	c.mustRun()
	c.want(air, "pm25:mean1h", "a", hour, 40)
	c.want(telemetry.AirQualityIndex, telemetry.PM25Index, "a", hour, 66.66666666666667) // (40+½·20)/1.5 = 33.33
	// The day: (23·20+40)/24 = 20.83.
	c.want(telemetry.AirQualityIndex, telemetry.VNAQIDay, "a", day, 42)
	for _, k := range []struct {
		end  time.Time
		site string
		want int
	}{{hour, "a", 2}, {hour.Add(11 * time.Hour), "a", 2}, {hour.Add(12 * time.Hour), "a", 1}, {hour, "b", 1}} {
		if _, n := c.last(telemetry.AirQualityIndex, telemetry.VNAQI, k.site, k.end); n != k.want {
			t.Errorf("the index of %s at %v has %d revisions, want %d", k.site, k.end, n, k.want)
		}
	}
	// Nothing new, nothing computed.
	before := c.now
	for range 3 {
		c.mustRun()
	}
	if _, n := c.last(air, "pm25:mean1h", "a", hour); n != 2 || !c.now.After(before) {
		t.Errorf("%d revisions of an hour that did not change", n-2)
	}
}

// A backlog of many hours of one site is read in few pieces and computed whole.
func TestBacklog(t *testing.T) {
	c := newTown(t, midnight.Add(40*time.Hour))
	each(midnight, 40, func(at, _ time.Time, i int) {
		c.tell("a", "aq-1", telemetry.AirQuality, at, telemetry.PM25, float64(i+1))
	})
	c.mustRun()
	each(midnight, 40, func(_, end time.Time, i int) { c.want(air, "pm25:mean1h", "a", end, float64(i+1)) })
	c.want(telemetry.AirQualityIndex, telemetry.VNAQIDay, "a", midnight.Add(24*time.Hour), 25)
}

func TestRestart(t *testing.T) {
	c := newTown(t, midnight.Add(30*time.Minute))
	tell := func(hour int, v float64) {
		c.tell("a", "aq-1", telemetry.AirQuality, midnight.Add(time.Duration(hour)*time.Hour-20*time.Minute), telemetry.PM25, v)
	}
	tell(1, 10)
	c.now = midnight.Add(time.Hour)
	c.mustRun()
	// While nobody computes, readings come, one of them late; the process dies
	// between the note and the run.
	c.now = midnight.Add(90 * time.Minute)
	tell(2, 20)
	c.tell("a", "aq-1", telemetry.AirQuality, midnight.Add(45*time.Minute), telemetry.PM25, 30.0)
	c.now = midnight.Add(5 * time.Hour)
	if err := os.WriteFile(filepath.Join(c.dir, "figures.notes.tmp"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.open()
	c.mustRun()
	c.want(air, "pm25:mean1h", "a", midnight.Add(time.Hour), 20)
	c.want(air, "pm25:mean1h", "a", midnight.Add(2*time.Hour), 20)
	c.want(telemetry.AirQualityIndex, telemetry.VNAQI, "a", midnight.Add(2*time.Hour), 40)

	// The store is away: nothing is lost, and nothing is computed twice after.
	c.away = errors.New("away")
	tell(6, 40)
	c.now = midnight.Add(6 * time.Hour)
	if err := c.run(); err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("a run without its store: %v", err)
	}
	c.open() // with what is in the file
	c.away = nil
	c.mustRun()
	c.want(air, "pm25:mean1h", "a", midnight.Add(6*time.Hour), 40)
	if _, n := c.last(air, "pm25:mean1h", "a", midnight.Add(6*time.Hour)); n != 1 {
		t.Errorf("%d revisions", n)
	}
}

// What was noted is in the file before the point is in the store, whatever the file
// ends with; a note that cannot be written keeps the point out.
func TestNotesComeFirst(t *testing.T) {
	c := newTown(t, midnight.Add(3*time.Hour))
	at := midnight.Add(30 * time.Minute)
	c.tell("a", "aq-1", telemetry.AirQuality, at, telemetry.PM25, 10.0)
	file := filepath.Join(c.dir, "figures.notes")
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `note air_quality hour `) {
		t.Fatalf("the file has %q, %v", text, err)
	}
	if err := os.WriteFile(file, append(text, "note air_quality hour 17"...), 0o600); err != nil {
		t.Fatal(err)
	}
	c.open()
	if err := c.hours.Close(); err != nil {
		t.Fatal(err)
	}
	p := telemetry.Point{Time: at, Series: telemetry.Series{Kind: telemetry.Noise, Locality: "nha-trang", Site: "a", Device: "n"}}
	if err := (figures.Noting{Store: c.store, Hours: c.hours}).Write(t.Context(), []telemetry.Point{p}); err == nil {
		t.Error("a late point was written without its note")
	}
	c.open()
	c.mustRun()
	c.want(air, "pm25:mean1h", "a", midnight.Add(time.Hour), 10)
}
