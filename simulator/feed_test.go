package simulator_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// troubled is a small fleet with every class of fault in six hours.
func troubled() simulator.Scenario {
	start := time.Date(2026, 4, 8, 3, 0, 0, 0, time.UTC)
	at := func(h float64) time.Time { return start.Add(time.Duration(h * float64(time.Hour))) }
	s := simulator.Scenario{Name: "troubled", Seed: 5, Start: start, End: at(6), Fleet: []simulator.Group{
		{Kind: telemetry.AirQuality, Localities: []telemetry.Locality{"nha-trang"}, Count: 12},
		{Kind: telemetry.WaterLevel, Count: 8, Radio: simulator.LoRa, Power: simulator.Cell},
		{Kind: telemetry.Traffic, Count: 8},
		{Kind: telemetry.Waste, Count: 4, Every: time.Minute},
		{Kind: telemetry.Noise, Count: 2, Format: simulator.ChirpStack},
	}}
	for _, c := range simulator.FaultClasses() {
		f := simulator.Fault{Class: c, Rate: 12, Lasts: 10 * time.Minute}
		if c == simulator.Clock {
			f.Rate, f.Offset, f.Size = 3, -2*time.Hour, 30
		}
		s.Faults = append(s.Faults, f)
	}
	return with(s, simulator.Fault{Class: simulator.Outage, From: at(2), To: at(3)},
		simulator.Fault{Class: simulator.Outage, From: at(2.9), To: at(3.5), Keep: 5, Who: simulator.Selector{Kinds: []telemetry.Kind{telemetry.Traffic}}},
		simulator.Fault{Class: simulator.Storm, From: at(4), To: at(5), Who: simulator.Selector{Wards: []string{"22366"}}})
}

func with(s simulator.Scenario, fs ...simulator.Fault) simulator.Scenario {
	s.Faults = append(s.Faults, fs...)
	return s
}

func scenarioFleet(t testing.TB, s simulator.Scenario) *simulator.Fleet {
	t.Helper()
	f, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// line is an emission as text, all of it.
func line(e simulator.Emission) string {
	return fmt.Sprintf("%d %s %s %s %s %q %v %v %v", e.Device, e.Due.UTC().Format(time.RFC3339Nano), e.Measured.UTC().Format(time.RFC3339Nano),
		e.Stamp.UTC().Format(time.RFC3339Nano), e.Topic, e.Payload, e.Retain, e.Unsent, e.Truth)
}

// Any period can be asked for directly: the parts of a feed are the feed.
func TestFeedInSlices(t *testing.T) {
	f := scenarioFleet(t, troubled())
	chance := rand.New(rand.NewPCG(1, 2))
	for d := range f.Devices() {
		var want []string
		var last time.Time
		for e := range f.Feed(d, f.Start(), f.End()) {
			if e.Due.Before(last) {
				t.Fatalf("%s: %v comes after %v", f.Devices()[d].ID, e.Due, last)
			}
			last = e.Due
			want = append(want, line(e))
		}
		for range 3 {
			var got []string
			for at := f.Start(); at.Before(f.End()); {
				to := at.Add(time.Duration(chance.Int64N(int64(40 * time.Minute)))).Truncate(time.Millisecond)
				if to.After(f.End()) {
					to = f.End()
				}
				for e := range f.Feed(d, at, to) {
					got = append(got, line(e))
				}
				at = to
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s in slices: %.2000s", f.Devices()[d].ID, diff)
			}
		}
	}
}

// A plan has what the feeds have, in order, with any number of workers; and what
// it plans can be rendered again, by itself.
func TestPlanIsTheFeeds(t *testing.T) {
	f := scenarioFleet(t, troubled())
	want := map[string]int{}
	sent := uint64(0)
	for d := range f.Devices() {
		for e := range f.Feed(d, f.Start(), f.End()) {
			if !e.Unsent {
				want[line(e)]++
				sent++
			}
		}
	}
	if n := f.Count(f.Start(), f.End()); n != sent {
		t.Errorf("Count is %d, the feeds have %d", n, sent)
	}
	for _, workers := range []int{1, 3, 8} {
		got := map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				var devices []int
				for d := w; d < len(f.Devices()); d += workers {
					devices = append(devices, d)
				}
				var last time.Time
				for plan := f.Plan(f.Start(), f.End(), devices...); ; {
					p, ok := plan.Next()
					if !ok {
						return
					}
					if p.Due.Before(last) {
						t.Errorf("%v comes after %v", p.Due, last)
					}
					last = p.Due
					l := line(plan.Write(p))
					if alone := line(f.Emission(p)); alone != l {
						t.Errorf("rendered alone it is %s, in the plan %s", alone, l)
					}
					mu.Lock()
					got[l]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers: %.2000s", workers, diff)
		}
	}
}

// Moving the time line moves what is sent and its stamps, and nothing else.
func TestFleetAt(t *testing.T) {
	f := scenarioFleet(t, troubled())
	const by = 1234 * time.Hour
	moved := f.At(f.Start().Add(by))
	for d := range f.Devices() {
		var there []simulator.Emission
		for e := range moved.Feed(d, moved.Start(), moved.Start().Add(2*time.Hour)) {
			e.Points = slices.Clone(e.Points)
			there = append(there, e)
		}
		i := 0
		for e := range f.Feed(d, f.Start(), f.Start().Add(2*time.Hour)) {
			m := there[i]
			i++
			if !m.Due.Equal(e.Due.Add(by)) || !m.Stamp.Equal(e.Stamp.Add(by)) || m.Fate != e.Fate || len(m.Points) != len(e.Points) {
				t.Fatalf("%s: moved is\n%s\nnot\n%s", f.Devices()[d].ID, line(m), line(e))
			}
			for j := range e.Points {
				if m.Points[j].Value != e.Points[j].Value || !m.Points[j].Time.Equal(e.Points[j].Time.Add(by)) {
					t.Fatalf("%s: moved, %v is %v", f.Devices()[d].ID, e.Points[j], m.Points[j])
				}
			}
		}
	}
}

// The points are what a stranger reads in the payload, within the catalogue's
// ranges, and no two readings of a device have one time.
func TestTruthIsInThePayload(t *testing.T) {
	f := scenarioFleet(t, troubled())
	fates := map[simulator.Fate]int{}
	classes := map[simulator.FaultClass]int{}
	for i := range f.Devices() {
		d := &f.Devices()[i]
		stamps := map[int64]bool{}
		for e := range f.Feed(i, f.Start(), f.End()) {
			fates[e.Fate]++
			classes[e.Fault]++
			if e.Fate != simulator.Stored {
				continue
			}
			if stamps[e.Stamp.UnixMilli()] {
				t.Errorf("%s has two readings of %v", d.ID, e.Stamp)
			}
			stamps[e.Stamp.UnixMilli()] = true
			var v map[string]any
			if err := json.Unmarshal(e.Payload, &v); err != nil {
				t.Fatalf("decode %s: %v", e.Payload, err)
			}
			if len(v) != len(e.Points)+1 || int64(v["ts"].(float64)) != e.Stamp.UnixMilli() {
				t.Errorf("%s: the truth of %s is %v", d.ID, e.Payload, e.Points)
			}
			for _, p := range e.Points {
				want := v[string(p.Metric)]
				if want == "calibrating" {
					want = 1.0
				}
				if want != p.Value || p.Time.UnixMilli() != e.Stamp.UnixMilli() || p.Kind != d.Kind.Kind {
					t.Errorf("%s: the truth of %s is %v", d.ID, e.Payload, p)
				}
				if problem, ok := d.Kind.Metric([]byte(p.Metric)).Check(p.Value); !ok {
					t.Errorf("%s: %v", d.ID, problem)
				}
			}
		}
	}
	for _, c := range simulator.FaultClasses() {
		if classes[c] == 0 && c != simulator.Reboot {
			t.Errorf("no message shows the fault %s: %v", c, classes)
		}
	}
	if len(fates) != 6 {
		t.Errorf("not every fate occurs: %v", fates)
	}
}

// What a fault promises is in the feed.
func TestFaults(t *testing.T) {
	start := time.Date(2026, 4, 8, 0, 0, 0, 0, time.UTC)
	from, to := start.Add(2*time.Hour), start.Add(4*time.Hour)
	run := func(f simulator.Fault, g simulator.Group) []simulator.Emission {
		f.From, f.To = from, to
		if g.Kind == "" {
			g = simulator.Group{Kind: telemetry.Weather, Places: []telemetry.Site{"thap-tram-huong"}, Radio: simulator.NBIoT}
		}
		fleet := scenarioFleet(t, simulator.Scenario{Name: "x", Seed: 3, Start: start, End: start.Add(8 * time.Hour), Fleet: []simulator.Group{g}, Faults: []simulator.Fault{f}})
		var all []simulator.Emission
		for e := range fleet.Feed(0, start, start.Add(8*time.Hour)) {
			e.Points, e.Payload = slices.Clone(e.Points), slices.Clone(e.Payload)
			all = append(all, e)
		}
		return all
	}
	within := func(e simulator.Emission) bool { return !e.Measured.Before(from) && e.Measured.Before(to) }
	get := func(e simulator.Emission, m telemetry.Metric) float64 {
		for _, p := range e.Points {
			if p.Metric == m {
				return p.Value
			}
		}
		return -1
	}
	t.Run("outage", func(t *testing.T) {
		all := run(simulator.Fault{Class: simulator.Outage}, simulator.Group{})
		late := 0
		for _, e := range all {
			if within(e) {
				late++
				if e.Due.Before(to) || e.Due.After(to.Add(time.Minute)) || e.Fault != simulator.Outage || e.Fate != simulator.Stored {
					t.Errorf("%s", line(e))
				}
			} else if e.Due.Sub(e.Measured) > 2*time.Second {
				t.Errorf("%s", line(e))
			}
		}
		if late != 24 || len(all) != 96 {
			t.Errorf("%d of %d come late, want 24 of 96", late, len(all))
		}
	})
	t.Run("outage with little room", func(t *testing.T) {
		lost := 0
		for _, e := range run(simulator.Fault{Class: simulator.Outage, Keep: 10}, simulator.Group{}) {
			if e.Unsent {
				lost++
				if e.Fault != simulator.Outage || to.Sub(e.Measured) < 10*5*time.Minute {
					t.Errorf("the newest are kept, not this: %s", line(e))
				}
			}
		}
		if lost != 14 {
			t.Errorf("%d are lost, want 14", lost)
		}
	})
	t.Run("stuck", func(t *testing.T) {
		values := map[float64]bool{}
		for _, e := range run(simulator.Fault{Class: simulator.Stuck}, simulator.Group{}) {
			if within(e) {
				values[get(e, telemetry.Pressure)*1000+get(e, telemetry.Temperature)] = true
			}
		}
		if len(values) != 1 {
			t.Errorf("a stuck instrument shows %v", values)
		}
	})
	t.Run("reboot", func(t *testing.T) {
		first := -1.0
		for _, e := range run(simulator.Fault{Class: simulator.Reboot}, simulator.Group{Kind: telemetry.AirQuality, Places: []telemetry.Site{"cho-dam"}}) {
			if first < 0 && !e.Unsent && !e.Measured.Before(to) {
				first = get(e, telemetry.Sequence)
				if get(e, telemetry.QualityCode) != 1 {
					t.Errorf("it does not say that it warms up: %s", e.Payload)
				}
			}
		}
		if first != 1 {
			t.Errorf("the first sequence number after it is %v", first)
		}
	})
	t.Run("flat battery", func(t *testing.T) {
		before, dawn := 9.0, 9.0
		for _, e := range run(simulator.Fault{Class: simulator.FlatBattery}, simulator.Group{}) {
			switch {
			case within(e) != e.Unsent:
				t.Errorf("%s", line(e))
			case e.Measured.Before(from):
				before = get(e, telemetry.Battery)
			default:
				dawn = get(e, telemetry.Battery)
			}
		}
		if before > dawn-0.5 {
			t.Errorf("the voltage before is %v, after it %v", before, dawn)
		}
	})
	t.Run("clock", func(t *testing.T) {
		for offset, want := range map[time.Duration]simulator.Fate{8 * time.Minute: simulator.Stored, time.Hour: simulator.Quarantined, -500 * 24 * time.Hour: simulator.Quarantined} {
			for _, e := range run(simulator.Fault{Class: simulator.Clock, Offset: offset}, simulator.Group{}) {
				if off := e.Stamp.Sub(e.Measured); within(e) && (e.Fate != want || off < offset-8*time.Millisecond || off > offset+8*time.Millisecond) || !within(e) && e.Fate != simulator.Stored {
					t.Errorf("offset %v: %s", offset, line(e))
				}
				if tr := e.Received(e.Due.Add(2*time.Hour), 0); offset == time.Hour && tr.Fate != simulator.Stored {
					t.Errorf("received two hours later it is %v", tr)
				}
			}
		}
	})
	t.Run("disorder and duplicate", func(t *testing.T) {
		swapped, twice := 0, 0
		var last time.Time
		for _, e := range run(simulator.Fault{Class: simulator.Disorder}, simulator.Group{}) {
			if e.Stamp.Before(last) {
				swapped++
			}
			last = e.Stamp
		}
		var payload string
		for _, e := range run(simulator.Fault{Class: simulator.Duplicate}, simulator.Group{}) {
			if string(e.Payload) == payload {
				twice++
				if e.Fate != simulator.Repeated {
					t.Errorf("%s", line(e))
				}
			}
			payload = string(e.Payload)
		}
		if swapped == 0 || twice != 24 {
			t.Errorf("%d swapped, %d twice", swapped, twice)
		}
	})
}

func TestBadScenarios(t *testing.T) {
	for want, spoil := range map[string]func(*simulator.Scenario){
		"period":             func(s *simulator.Scenario) { s.End = s.Start },
		"fleet[0].kind":      func(s *simulator.Scenario) { s.Fleet[0].Kind = "smell" },
		"fleet[0].places[0]": func(s *simulator.Scenario) { s.Fleet[0].Places = []telemetry.Site{"hanoi"} },
		"fleet[0].every":     func(s *simulator.Scenario) { s.Fleet[0].Every = time.Microsecond },
		"fleet[0].jitter":    func(s *simulator.Scenario) { s.Fleet[0].Jitter = time.Hour },
		"fleet[0].format":    func(s *simulator.Scenario) { s.Fleet[0].Format = simulator.Tasmota },
		"faults[0].fault":    func(s *simulator.Scenario) { s.Faults[0].Class = "gremlins" },
		"faults[0].rate":     func(s *simulator.Scenario) { s.Faults[0].Rate = -1 },
		"faults[0].to": func(s *simulator.Scenario) {
			s.Faults[0] = simulator.Fault{Class: simulator.Stuck, From: s.End, To: s.Start}
		},
		"faults[0].from": func(s *simulator.Scenario) {
			s.Faults[0] = simulator.Fault{Class: simulator.Stuck, From: s.End, To: s.End.Add(1)}
		},
		"faults[0]: it never": func(s *simulator.Scenario) { s.Faults[0] = simulator.Fault{Class: simulator.Stuck} },
		"it is chance": func(s *simulator.Scenario) {
			s.Faults[0] = simulator.Fault{Class: simulator.Clock, Rate: 1, Offset: 10 * time.Minute}
		},
		"name": func(s *simulator.Scenario) { s.Name = "a b" },
	} {
		s := troubled()
		s.Fleet, s.Faults = slices.Clone(s.Fleet), slices.Clone(s.Faults)
		spoil(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v does not name %q", err, want)
		}
	}
}

// hundredThousand is a fleet of 100,000 devices of all kinds.
func hundredThousand() simulator.Scenario {
	s := simulator.Scenario{Name: "x", Seed: 1, Start: morning(), End: morning().Add(24 * time.Hour)}
	for _, k := range telemetry.NewCatalogue().Kinds() {
		if k.Kind != telemetry.Status {
			s.Fleet = append(s.Fleet, simulator.Group{Kind: k.Kind, Count: 10_000, Every: time.Minute})
		}
	}
	s.Faults = []simulator.Fault{{Class: simulator.Duplicate, Rate: 1}, {Class: simulator.Dropout, Rate: 0.5, Lasts: time.Hour}}
	return s
}

// BenchmarkHundredThousand measures a fleet of 100,000 devices and its plan: heap
// for each device, and the time to render a message in the plan's order.
func BenchmarkHundredThousand(b *testing.B) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	f := scenarioFleet(b, hundredThousand())
	plan := f.Plan(f.Start(), f.End())
	perDevice := float64(heap()-before) / float64(len(f.Devices()))
	b.ReportAllocs()
	for b.Loop() {
		p, ok := plan.Next()
		if !ok {
			plan = f.Plan(f.Start(), f.End())
			continue
		}
		plan.Write(p)
	}
	b.ReportMetric(perDevice, "B/device")
	runtime.KeepAlive(f)
}
