package simulator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// sent is a fleet with duplicates, garbage and gaps, for an hour.
func sent(t *testing.T) *simulator.Fleet {
	t.Helper()
	start := time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)
	f, err := simulator.NewScenarioFleet(simulator.Scenario{
		Name: "sent", Seed: 5, Start: start, End: start.Add(time.Hour),
		Fleet: []simulator.Group{{Kind: telemetry.AirQuality, Count: 12, Every: time.Minute}, {Kind: telemetry.Traffic, Count: 8, Every: 30 * time.Second}},
		Faults: []simulator.Fault{{Class: simulator.Duplicate, Rate: 100}, {Class: simulator.Garbage, Rate: 100},
			{Class: simulator.Outage, From: start.Add(10 * time.Minute), To: start.Add(20 * time.Minute)}, {Class: simulator.Dropout, Rate: 10}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wanted is what some devices of a fleet publish, by topic and payload.
func wanted(f *simulator.Fleet, from, to time.Time, devices []int) (want map[string]int, messages uint64) {
	want = map[string]int{}
	for plan := f.Plan(from, to, devices...); ; messages++ {
		p, ok := plan.Next()
		if !ok {
			return want, messages
		}
		e := plan.Write(p)
		want[e.Topic+" "+string(e.Payload)]++
	}
}

// However fast it goes, what the scenario says is what arrives.
func TestScenarioIsSent(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	f := sent(t)
	for _, c := range []struct {
		name string
		o    simulator.Options
	}{
		{"1200 times as fast", simulator.Options{Speed: 1200, QoS: 1}},
		{"as fast as possible", simulator.Options{Unpaced: true, QoS: 1, InFlight: 5}},
		{"shared connections", simulator.Options{Unpaced: true, QoS: 1, Connections: 3}},
		{"a part of it, by some", simulator.Options{Speed: 1200, QoS: 1, Only: f.Sample(5), From: f.Start().Add(15 * time.Minute), To: f.Start().Add(40 * time.Minute)}},
		{"QoS 0", simulator.Options{Speed: 1200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := subscribe(t, broker.URL, "#")
			c.o.Broker, c.o.Fleet, c.o.Demanding = broker.URL, f, true
			var last simulator.Stats
			c.o.Progress = func(s simulator.Stats) { last = s }
			r := start(t, t.Context(), c.o)
			st := r.wait(t)
			from, to, only := c.o.From, c.o.To, c.o.Only
			if from.IsZero() {
				from, to = f.Start(), f.End()
			}
			if only == nil {
				only = f.Sample(0)
			}
			want, n := wanted(f, from, to, only)
			if st.Planned != n || st.Sent != n || st.Failed != 0 || !st.At.Equal(to) || last != st {
				t.Errorf("the plan has %d messages; stats: %+v, last told %+v", n, st, last)
			}
			if c.o.QoS == 1 {
				settled(t, st)
				if l := st.Latency; l.Count != n || !(l.P50 > 0 && l.P50 <= l.P90 && l.P90 <= l.P99 && l.P99 <= l.P999 && l.P999 <= l.Max*1.001) {
					t.Errorf("latencies of %d messages: %+v", n, l)
				}
			}
			eventually(t, "everything arrives", func() bool { return len(sub.readings()) >= len(want) })
			if diff := cmp.Diff(want, sub.readings()); diff != "" {
				t.Errorf("what was planned is not what arrived:\n%s", diff)
			}
		})
	}
}

// While the broker is away the planned times stand: afterwards everything comes
// late, and the latencies have the outage in them.
func TestNoCoordinatedOmission(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	f := sent(t)
	r := start(t, t.Context(), simulator.Options{Broker: broker.URL, Fleet: f, Speed: 600, QoS: 1, Demanding: true})
	eventually(t, "a few hundred acknowledged", func() bool { return r.Stats().Acknowledged > 300 })
	broker.Stop()
	stopped := r.Stats()
	eventually(t, "a backlog is planned though nothing is sent", func() bool { return r.Stats().Planned > stopped.Planned+300 })
	away := time.Now()
	eventually(t, "messages are two seconds behind", func() bool { return time.Since(away) > 2*time.Second })
	broker.Start()
	st := r.wait(t)
	settled(t, st)
	if st.Failed != 0 || st.Late < 300 || st.Reconnects == 0 {
		t.Errorf("stats: %+v", st)
	}
	if late := float64(st.Late) / float64(st.Sent); late > 0.1 && st.Latency.P90 < 1000 {
		t.Errorf("%.0f %% were late, and the latencies do not show it: %+v", 100*late, st.Latency)
	}
}

// With credentials of its own a device sends to its own topics only.
func TestMessagesElsewhereAreWithheld(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	f := sent(t)
	secrets := map[telemetry.Device]string{}
	for _, i := range f.Sample(10) {
		secrets[f.Devices()[i].ID] = "secret"
	}
	sub := subscribe(t, broker.URL, "#")
	st := start(t, t.Context(), simulator.Options{Broker: broker.URL, Fleet: f, Unpaced: true, QoS: 1, Demanding: true, Secrets: secrets}).wait(t)
	elsewhere := uint64(0)
	for plan := f.Plan(f.Start(), f.End(), f.Sample(10)...); ; {
		p, ok := plan.Next()
		if !ok {
			break
		}
		if d := &f.Devices()[p.Device]; plan.Write(p).Topic != d.Topic() {
			elsewhere++
		}
	}
	if elsewhere == 0 || st.Withheld != elsewhere || st.Connections != 10 || st.Planned != st.Acknowledged+st.Withheld || st.Failed != 0 {
		t.Errorf("%d messages go elsewhere; stats: %+v", elsewhere, st)
	}
	for message := range sub.readings() {
		if topic, _, _ := strings.Cut(message, " "); !strings.HasPrefix(topic, "kh/") || secrets[telemetry.Device(topic[strings.LastIndexByte(topic, '/')+1:])] == "" {
			t.Errorf("sent to %s", topic)
		}
	}
}

// Whoever demands a broker is told at once that there is none, or that it refuses.
func TestDemandingStart(t *testing.T) {
	o := simulator.Options{Fleet: sent(t), QoS: 1, Demanding: true}
	o.Broker = "tcp://127.0.0.1:1"
	if err := (<-start(t, t.Context(), o).err); err == nil || !strings.Contains(err.Error(), "tcp://127.0.0.1:1") {
		t.Errorf("nobody there: %v", err)
	}
	o.Broker = "tcp://" + fakeBroker(t, packets.ErrRefusedNotAuthorised)
	var no *simulator.Refusal
	if err := (<-start(t, t.Context(), o).err); !errors.As(err, &no) || no.Code != packets.ErrRefusedNotAuthorised {
		t.Errorf("refused: %v", err)
	}
	o.Broker = "ssl://" + realserver.Mosquitto(t, realserver.MosquittoOptions{}).Address
	if err := (<-start(t, t.Context(), o).err); err == nil {
		t.Error("a broker that does not encrypt gives no error")
	}
}

func TestMetricsAreTheStats(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	s, err := simulator.New(simulator.Options{Broker: broker.URL, Fleet: sent(t), Unpaced: true, QoS: 1, Demanding: true})
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	if err := s.Register(reg); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	st, seen := s.Stats(), 0
	for _, m := range families {
		switch m.GetName() {
		case "haidang_simulator_acknowledged_total":
			seen++
			if got := m.GetMetric()[0].GetCounter().GetValue(); got != float64(st.Acknowledged) || got == 0 {
				t.Errorf("%v acknowledged, the stats say %d", got, st.Acknowledged)
			}
		case "haidang_simulator_latency_seconds":
			seen++
			if got := m.GetMetric()[0].GetSummary().GetSampleCount(); got != st.Latency.Count {
				t.Errorf("%d latencies, the stats say %d", got, st.Latency.Count)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d of the two metrics are there", seen)
	}
}

func TestBadScenarioOptions(t *testing.T) {
	f := sent(t)
	good := simulator.Options{Broker: "tcp://localhost", Fleet: f, QoS: 1}
	if _, err := simulator.New(good); err != nil {
		t.Fatalf("good options: %v", err)
	}
	for want, spoil := range map[string]func(*simulator.Options){
		"--speed": func(o *simulator.Options) { o.Speed = -1 },
		"--from":  func(o *simulator.Options) { o.From = f.Start().Add(-time.Second) },
		"--to":    func(o *simulator.Options) { o.To = f.End().Add(time.Second) },
		"of its own": func(o *simulator.Options) {
			o.Secrets, o.Connections = map[telemetry.Device]string{f.Devices()[0].ID: "s", f.Devices()[1].ID: "s"}, 1
		},
		"none of the scenario's": func(o *simulator.Options) { o.Secrets = map[telemetry.Device]string{} },
	} {
		o := good
		spoil(&o)
		if _, err := simulator.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v does not name %q", err, want)
		}
	}
}
