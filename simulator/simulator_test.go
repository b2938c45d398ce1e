package simulator_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logLines is a log that a test waits on.
type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// running is a simulator at work.
type running struct {
	*simulator.Simulator
	start func() time.Time
	err   chan error
}

// start runs a simulator; its clock is the real one, and remembers when the plan
// began.
func start(t *testing.T, ctx context.Context, o simulator.Options) running {
	t.Helper()
	var mu sync.Mutex
	var began time.Time
	o.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if began.IsZero() {
			began = now
		}
		return now
	}
	if o.Localities == nil {
		o.Localities = localities()
	}
	s, err := simulator.New(o)
	if err != nil {
		t.Fatalf("make simulator: %v", err)
	}
	r := running{Simulator: s, err: make(chan error, 1), start: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return began.Truncate(time.Millisecond)
	}}
	go func() { r.err <- s.Run(ctx) }()
	return r
}

// wait returns the stats at the end.
func (r running) wait(t *testing.T) simulator.Stats {
	t.Helper()
	select {
	case err := <-r.err:
		if err != nil {
			t.Fatalf("run simulator: %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the simulator does not end: %v", r.Stats())
	}
	return r.Stats()
}

// planned is every message of the plan by topic and payload, with how often it
// is to arrive.
func (r running) planned(d time.Duration) map[string]int {
	want := map[string]int{}
	for plan := r.Fleet().Plan(r.start(), r.start().Add(d)); ; {
		p, ok := plan.Next()
		if !ok {
			return want
		}
		m := r.Fleet().Message(p)
		want[m.Topic+" "+string(m.Payload)]++
	}
}

// settled checks what must hold of the stats after any QoS 1 run.
func settled(t *testing.T, s simulator.Stats) {
	t.Helper()
	if s.Planned != s.Acknowledged+s.Failed || s.Sent > s.Planned || s.Connected != 0 {
		t.Errorf("the numbers do not add up at the end: %+v", s)
	}
}

func TestRunDeliversThePlan(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	for _, c := range []struct {
		name   string
		o      simulator.Options
		states uint64
	}{
		{"a connection each", simulator.Options{Devices: 40, Every: 100 * time.Millisecond, QoS: 1}, 80},
		{"one in flight", simulator.Options{Devices: 12, Every: 50 * time.Millisecond, QoS: 1, InFlight: 1}, 24},
		{"shared connections", simulator.Options{Devices: 60, Every: 50 * time.Millisecond, QoS: 1, Connections: 7}, 0},
		{"QoS 0", simulator.Options{Devices: 20, Every: 100 * time.Millisecond}, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := subscribe(t, broker.URL, "kh/#")
			c.o.Broker, c.o.For, c.o.Seed, c.o.Prefix = broker.URL, 1500*time.Millisecond, 42, "t"
			r := start(t, t.Context(), c.o)
			st := r.wait(t)
			settledAt := uint64(len(r.planned(c.o.For)))
			if st.Planned != settledAt || st.Sent != settledAt || st.Failed != 0 || st.Resent != 0 || st.States != c.states {
				t.Errorf("the plan has %d messages; stats: %+v", settledAt, st)
			}
			if c.o.QoS == 1 {
				settled(t, st)
			}
			want := r.planned(c.o.For)
			eventually(t, "everything arrives", func() bool { return len(sub.readings()) >= len(want) })
			if diff := cmp.Diff(want, sub.readings()); diff != "" {
				t.Errorf("what was planned is not what arrived:\n%s", diff)
			}
			if c.states > 0 {
				eventually(t, "the last device is offline", func() bool { return len(sub.statesOf("offline")) == c.o.Devices })
				for _, d := range r.Fleet().Devices() {
					topic := "kh/" + string(d.Locality) + "/status/" + string(d.ID)
					if diff := cmp.Diff([]string{"online", "offline"}, sub.states(topic)); diff != "" {
						t.Errorf("states at %s:\n%s", topic, diff)
					}
				}
			}
		})
	}
}

// A broker that is restarted under way loses nothing that it acknowledged, and
// the simulator makes up for the rest: late, but all of it.
func TestRunSurvivesBrokerRestart(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	sub := subscribe(t, broker.URL, "kh/#")
	var log logLines
	o := simulator.Options{Broker: broker.URL, Devices: 30, Every: 20 * time.Millisecond, For: 4 * time.Second, Seed: 1, QoS: 1, Logger: log.logger()}
	r := start(t, t.Context(), o)
	eventually(t, "a few hundred acknowledged", func() bool { return r.Stats().Acknowledged > 300 })
	broker.Stop()
	eventually(t, "the outage is told", func() bool { return strings.Contains(log.String(), broker.Address) })
	eventually(t, "a backlog", func() bool { s := r.Stats(); return s.Planned > s.Sent+500 })
	broker.Start()
	st := r.wait(t)
	settled(t, st)
	if st.Failed != 0 || st.Reconnects != 30 || st.Connected != 0 {
		t.Errorf("stats: %+v", st)
	}
	want := r.planned(o.For)
	eventually(t, "everything arrives", func() bool { return len(sub.readings()) >= len(want) })
	got := sub.readings()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("what was planned is not what arrived:\n%s", diff)
	}
	t.Logf("%d planned, %d resent, %d late; the log:\n%s", st.Planned, st.Resent, st.Late, log.String())
}

func TestRunWaitsForBroker(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	broker.Stop()
	var log logLines
	var mu sync.Mutex
	var reports []simulator.Stats
	r := start(t, t.Context(), simulator.Options{
		Broker: "mqtt://somebody:secret@" + broker.Address, Devices: 5, Every: 100 * time.Millisecond, For: time.Second, QoS: 1,
		Logger:   log.logger(),
		Progress: func(s simulator.Stats) { mu.Lock(); reports = append(reports, s); mu.Unlock() },
	})
	eventually(t, "all is planned and none is sent", func() bool {
		s := r.Stats()
		return s.Planned == r.Fleet().Count(r.start(), r.start().Add(time.Second)) && s.Sent == 0
	})
	broker.Start()
	st := r.wait(t)
	settled(t, st)
	if st.Failed != 0 || st.Acknowledged == 0 {
		t.Errorf("stats: %+v", st)
	}
	if text := log.String(); !strings.Contains(text, "mqtt://somebody:xxxxx@"+broker.Address) || strings.Contains(text, "secret") ||
		strings.Count(text, "broker is away") != 1 || !strings.Contains(text, "simulated devices are connected") {
		t.Errorf("the log should name the broker's URL once, without its password:\n%s", text)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reports) == 0 || reports[len(reports)-1] != st {
		t.Errorf("the last report is not the last state: %+v", reports)
	}
}

// The broker says offline for a device whose connection breaks, and the device
// online once it is back; nothing that was acknowledged is missing.
func TestWillIsPublished(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	proxy := newProxy(t, broker.Address)
	sub := subscribe(t, broker.URL, "kh/#")
	o := simulator.Options{Broker: "tcp://" + proxy.address(), Devices: 1, Every: 10 * time.Millisecond, For: 3 * time.Second, QoS: 1}
	r := start(t, t.Context(), o)
	device := r.Fleet().Devices()[0]
	topic := "kh/" + string(device.Locality) + "/status/" + string(device.ID)
	for _, want := range [][]string{{"online"}, {"online", "offline", "online"}} {
		eventually(t, strings.Join(want, ", "), func() bool { return slices.Equal(sub.states(topic), want) })
		eventually(t, "readings flow", func() bool { return r.Stats().Acknowledged > uint64(20*len(want)) })
		if len(want) == 1 {
			proxy.cut()
		}
	}
	st := r.wait(t)
	settled(t, st)
	want := r.planned(o.For)
	eventually(t, "everything arrives", func() bool { return len(sub.readings()) >= len(want) })
	if st.Failed != 0 || st.Reconnects != 1 {
		t.Errorf("stats: %+v", st)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Run("with a good broker", func(t *testing.T) {
		broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		r := start(t, ctx, simulator.Options{Broker: broker.URL, Devices: 20, Every: 20 * time.Millisecond, QoS: 1})
		eventually(t, "readings flow", func() bool { return r.Stats().Acknowledged > 100 })
		cancel()
		st := r.wait(t)
		settled(t, st)
		if st.Acknowledged != st.Sent {
			t.Errorf("what was under way was not waited for: %+v", st)
		}
		if r.Run(t.Context()) == nil {
			t.Error("a second Run gives no error")
		}
	})
	t.Run("with a broker that never acknowledges", func(t *testing.T) {
		address := fakeBroker(t, packets.Accepted)
		ctx, cancel := context.WithCancel(t.Context())
		r := start(t, ctx, simulator.Options{Broker: "tcp://" + address, Devices: 3, Every: 10 * time.Millisecond, QoS: 1, InFlight: 5, Grace: 100 * time.Millisecond})
		// The device's state takes one of the five places.
		eventually(t, "the windows are full", func() bool { s := r.Stats(); return s.Sent == 12 && s.Planned > 50 })
		cancel()
		st := r.wait(t)
		settled(t, st)
		if st.Acknowledged != 0 || st.Failed != st.Planned {
			t.Errorf("stats: %+v", st)
		}
	})
	t.Run("with nobody there", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var log logLines
		r := start(t, ctx, simulator.Options{Broker: "tcp://127.0.0.1:1", Devices: 3, Every: 10 * time.Millisecond, QoS: 1, Logger: log.logger()})
		eventually(t, "it is told", func() bool { return strings.Contains(log.String(), "tcp://127.0.0.1:1") })
		cancel()
		if st := r.wait(t); st.Failed != st.Planned {
			t.Errorf("stats: %+v", st)
		}
	})
	t.Run("with a broker that refuses", func(t *testing.T) {
		address := fakeBroker(t, packets.ErrRefusedNotAuthorised)
		ctx, cancel := context.WithCancel(t.Context())
		var log logLines
		r := start(t, ctx, simulator.Options{Broker: "tcp://" + address, Devices: 1, Every: time.Second, QoS: 1, Logger: log.logger()})
		eventually(t, "the reason is told", func() bool { return strings.Contains(log.String(), "not Authorized") })
		cancel()
		r.wait(t)
	})
}

// fakeBroker answers CONNECT with a code and then only reads.
func fakeBroker(t *testing.T, code byte) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				if _, err := packets.ReadPacket(conn); err != nil {
					return
				}
				ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
				ack.ReturnCode = code
				if ack.Write(conn) == nil && code == packets.Accepted {
					_, _ = io.Copy(io.Discard, conn)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String()
}

func TestBadOptions(t *testing.T) {
	good := simulator.Options{Broker: "tcp://localhost", Localities: localities(), Devices: 10, QoS: 1}
	if _, err := simulator.New(good); err != nil {
		t.Fatalf("good options: %v", err)
	}
	for want, spoil := range map[string]func(*simulator.Options){
		"--devices":     func(o *simulator.Options) { o.Devices = 0 },
		"--simulate":    func(o *simulator.Options) { o.Devices = -3 },
		"1000000":       func(o *simulator.Options) { o.Devices = 2_000_000 },
		"--speed":       func(o *simulator.Options) { o.Speed = -1 },
		"3600":          func(o *simulator.Options) { o.Speed = 1e9 },
		"--every":       func(o *simulator.Options) { o.Every = time.Millisecond },
		"--for":         func(o *simulator.Options) { o.For = -time.Second },
		"--qos":         func(o *simulator.Options) { o.QoS = 2 },
		"--connections": func(o *simulator.Options) { o.Connections = 11 },
		"--in-flight":   func(o *simulator.Options) { o.InFlight = -1 },
		"--prefix":      func(o *simulator.Options) { o.Prefix = "a/b" },
		"--broker":      func(o *simulator.Options) { o.Broker = "localhost:1883" },
		"host":          func(o *simulator.Options) { o.Broker = "tcp://:1883" },
		"localities":    func(o *simulator.Options) { o.Localities = nil },
		"nha trang":     func(o *simulator.Options) { o.Localities = []telemetry.Locality{"nha trang"} },
	} {
		o := good
		spoil(&o)
		if _, err := simulator.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v does not name %q", err, want)
		}
	}
	_, err := simulator.New(simulator.Options{})
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || len(all.Unwrap()) < 2 {
		t.Errorf("not every fault is named at once: %v", err)
	}
}
