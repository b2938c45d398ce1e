package simulator_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// localities are the four of the first users.
func localities() []telemetry.Locality {
	return []telemetry.Locality{"nha-trang", "cam-ranh", "ninh-hoa", "cam-lam"}
}

func newFleet(t testing.TB, o simulator.Options) *simulator.Fleet {
	t.Helper()
	if o.Localities == nil {
		o.Localities = localities()
	}
	f, err := simulator.NewFleet(o)
	if err != nil {
		t.Fatalf("make fleet: %v", err)
	}
	return f
}

// morning is rush hour on an ordinary Tuesday, 07:15 in Nha Trang.
func morning() time.Time { return time.Date(2026, 11, 24, 0, 15, 0, 0, time.UTC) }

// feed is the plan of the period as text, a message a line.
func feed(f *simulator.Fleet, start, end time.Time) []byte {
	var b bytes.Buffer
	for plan := f.Plan(start, end); ; {
		p, ok := plan.Next()
		if !ok {
			return b.Bytes()
		}
		m := f.Message(p)
		fmt.Fprintf(&b, "%s %s %s\n", p.Due.UTC().Format("15:04:05.000"), m.Topic, m.Payload)
	}
}

// The golden feed has every kind of every locality.
func TestFeedIsGolden(t *testing.T) {
	f := newFleet(t, simulator.Options{Devices: 40, Seed: 7, Every: 20 * time.Second})
	got := feed(f, morning(), morning().Add(30*time.Second))
	golden(t, "feed.golden", got)
}

// update is `go test ./simulator -update`: it writes the golden files anew.
var update = flag.Bool("update", false, "write the golden files anew")

// golden holds text to a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is another (-update accepts it):\n%s", file, diff)
	}
}

// Every kind tells only what the catalogue has, inside its range, at any hour of
// a year and at any distance between readings.
func TestValuesAreInTheCatalogue(t *testing.T) {
	for _, every := range []time.Duration{0, time.Second, time.Hour} {
		f := newFleet(t, simulator.Options{Devices: 40, Seed: 11, Every: every})
		for i, d := range f.Devices() {
			for at := morning(); at.Before(morning().AddDate(1, 0, 0)); at = at.Add(47*time.Hour + 13*time.Minute) {
				e := f.Emission(simulator.Planned{Device: i, Sequence: 1, Due: at})
				if e.Fate != simulator.Stored || len(e.Points) < 4 {
					t.Fatalf("%s at %v: %+v", d.ID, at, e.Truth)
				}
				v := map[telemetry.Metric]float64{}
				for _, p := range e.Points {
					v[p.Metric] = p.Value
					if problem, ok := d.Kind.Metric([]byte(p.Metric)).Check(p.Value); !ok {
						t.Errorf("%s at %v: %v", d.ID, at, problem)
					}
				}
				if err := consistent(d.Kind.Kind, v); err != nil {
					t.Errorf("%s at %v: %v", d.ID, at, err)
				}
			}
		}
	}
}

// consistent checks what must hold between the values of one payload, whatever
// the instrument's error.
func consistent(kind telemetry.Kind, v map[telemetry.Metric]float64) error {
	switch kind {
	case telemetry.AirQuality:
		if !(v["pm1"] <= v["pm25"] && v["pm25"] <= v["pm10"] && v["pm10"] <= v["tsp"]) {
			return fmt.Errorf("dust is not nested: %v %v %v %v", v["pm1"], v["pm25"], v["pm10"], v["tsp"])
		}
	case telemetry.Traffic:
		if sum := v["motorcycles"] + v["cars"] + v["buses"] + v["trucks"] + v["bicycles"]; sum != v["vehicles"] {
			return fmt.Errorf("%v vehicles, but the classes add up to %v", v["vehicles"], sum)
		}
	case telemetry.Noise:
		if !(v["lamin"] <= v["la90"] && v["la90"] <= v["la50"] && v["la50"] <= v["la10"] && v["la10"] <= v["lamax"]) {
			return fmt.Errorf("levels are out of order: %v", v)
		}
	case telemetry.Parking:
		if v["occupied"] > v["capacity"] {
			return fmt.Errorf("%v of %v spaces are occupied", v["occupied"], v["capacity"])
		}
	}
	return nil
}

// However the devices are dealt out and however many goroutines render, every
// message has the same bytes.
func TestFeedDoesNotDependOnWorkers(t *testing.T) {
	f := newFleet(t, simulator.Options{Devices: 60, Seed: 3, Speed: 60})
	start, end := morning(), morning().Add(40*time.Second)
	type key struct {
		device int
		seq    uint64
	}
	want := map[key]string{}
	for plan := f.Plan(start, end); ; {
		p, ok := plan.Next()
		if !ok {
			break
		}
		want[key{p.Device, p.Sequence}] = string(f.Message(p).Payload)
	}
	for _, workers := range []int{1, 3, 8} {
		got := map[key]string{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				var devices []int
				for d := w; d < 60; d += workers {
					devices = append(devices, d)
				}
				for plan := f.Plan(start, end, devices...); ; {
					p, ok := plan.Next()
					if !ok {
						return
					}
					m := f.Message(p)
					mu.Lock()
					got[key{p.Device, p.Sequence}] = string(m.Payload)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers give another feed:\n%s", workers, diff)
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	a := newFleet(t, simulator.Options{Devices: 5, Seed: 1})
	b := newFleet(t, simulator.Options{Devices: 5, Seed: 2})
	end := morning().Add(time.Minute)
	if bytes.Equal(feed(a, morning(), end), feed(b, morning(), end)) {
		t.Error("two seeds give the same feed")
	}
}

func TestFleetCoversKindsAndLocalities(t *testing.T) {
	pairs := map[string]int{}
	for i, d := range newFleet(t, simulator.Options{Devices: 80, Seed: 1}).Devices() {
		pairs[string(d.Locality)+" "+string(d.Kind.Kind)]++
		if i == 39 && len(pairs) != 40 {
			t.Errorf("the first 40 devices have %d of 40 pairs of locality and kind", len(pairs))
		}
		if err := telemetry.CheckID(string(d.ID)); err != nil {
			t.Errorf("device id %q: %v", d.ID, err)
		}
	}
	for pair, n := range pairs {
		if n != 2 {
			t.Errorf("%s has %d of 80 devices, want 2", pair, n)
		}
	}
	few := newFleet(t, simulator.Options{Devices: 7, Seed: 1}).Devices()
	if got, want := few[6].ID, telemetry.Device("sim-nh-light-0007"); got != want {
		t.Errorf("device 7 is %q, want %q", got, want)
	}
}

// A plan is ordered, has what Count says, begins within seconds, repeats at the
// cadence and never has two readings of one device at one time.
func TestPlan(t *testing.T) {
	for _, o := range []simulator.Options{
		{Devices: 1, Seed: 1}, {Devices: 40, Seed: 2}, {Devices: 40, Seed: 2, Speed: 3600},
		{Devices: 200, Seed: 3, Every: 700 * time.Millisecond}, {Devices: 13, Seed: 4, Speed: 0.1},
	} {
		t.Run(fmt.Sprintf("%d devices, speed %v, every %v", o.Devices, o.Speed, o.Every), func(t *testing.T) {
			f := newFleet(t, o)
			start, end := morning(), morning().Add(95*time.Second)
			last := make([]time.Time, o.Devices)
			seq := make([]uint64, o.Devices)
			var n uint64
			before := start
			for plan := f.Plan(start, end); ; n++ {
				p, ok := plan.Next()
				if !ok {
					break
				}
				d := f.Devices()[p.Device]
				if p.Due.Before(before) || !p.Due.Before(end) {
					t.Fatalf("message %d is due at %v, after one at %v", n, p.Due, before)
				}
				before = p.Due
				if n%97 != 0 {
					// Count costs a step for each device: now and then will do.
				} else if got := f.Count(start, p.Due); got > n {
					t.Fatalf("Count before message %d is %d", n, got)
				}
				if seq[p.Device]++; p.Sequence != seq[p.Device] {
					t.Fatalf("%s has sequence %d, want %d", d.ID, p.Sequence, seq[p.Device])
				}
				switch {
				case p.Sequence == 1 && p.Due.Sub(start) > 3*time.Second:
					t.Errorf("%s first reports after %v", d.ID, p.Due.Sub(start))
				case p.Sequence == 2 && p.Due.Sub(last[p.Device]) < d.Every/10-time.Millisecond,
					p.Sequence > 2 && p.Due.Sub(last[p.Device]) != d.Every:
					t.Errorf("%s reports %v after its reading %d, its cadence is %v", d.ID, p.Due.Sub(last[p.Device]), p.Sequence-1, d.Every)
				}
				if p.Due.UnixMilli() == last[p.Device].UnixMilli() {
					t.Errorf("%s reports twice at %v", d.ID, p.Due)
				}
				last[p.Device] = p.Due
			}
			if want := f.Count(start, end); n != want || n < uint64(o.Devices) {
				t.Errorf("the plan has %d messages, Count says %d", n, want)
			}
		})
	}
}

func BenchmarkMessage(b *testing.B) {
	f := newFleet(b, simulator.Options{Devices: 40, Seed: 1, Every: time.Second})
	plan := f.Plan(morning(), time.Time{})
	b.ReportAllocs()
	for b.Loop() {
		p, _ := plan.Next()
		f.Message(p)
	}
}
