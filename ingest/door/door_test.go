package door_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
)

// deadline bounds every wait; it is long because the machine may be busy.
const deadline = time.Minute

// memory is a journal in memory.
type memory struct {
	mu       sync.Mutex
	messages []ingest.Message
	records  int
	fail     error
	gate     chan struct{} // not nil: appends wait for it to be closed
}

func (m *memory) Append(ctx context.Context, r ingest.Record) error {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, msg := range r.Messages {
		msg.Payload = slices.Clone(msg.Payload)
		m.messages = append(m.messages, msg)
	}
	m.records++
	return nil
}

func (m *memory) Position(context.Context, string) (ingest.Epoch, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return "E", uint64(len(m.messages)), nil
}

func (m *memory) all() []ingest.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

func (m *memory) set(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// heard keeps refusals.
type heard struct {
	mu  sync.Mutex
	all []door.Refusal
}

func (h *heard) add(r door.Refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, r)
}

func (h *heard) list() []door.Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.all)
}

// opened is a door that runs until the test ends.
type opened struct {
	*door.Door
	t       testing.TB
	journal *memory
	refused *heard
	metrics *prometheus.Registry
	stop    func()
}

func open(t testing.TB, change ...func(*door.Options)) *opened {
	t.Helper()
	x := &opened{t: t, journal: &memory{}, refused: &heard{}, metrics: prometheus.NewRegistry()}
	o := door.Options{Registerer: x.metrics, Addr: "127.0.0.1:0", Journal: x.journal, OnRefused: x.refused.add, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))}
	for _, f := range change {
		f(&o)
	}
	d, err := door.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	x.Door = d
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	x.stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(deadline):
			t.Error("the door does not stop")
		}
	}
	t.Cleanup(x.stop)
	return x
}

func (x *opened) addr() string { return x.URL()[len("tcp://"):] }

func (x *opened) eventually(what string, yes func() bool) {
	x.t.Helper()
	for end := time.Now().Add(deadline); !yes(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			x.t.Fatalf("not in time: %s", what)
		}
	}
}

// paho connects a client of MQTT 3.1 (3) or 3.1.1 (4).
func (x *opened) paho(version uint, change ...func(*mqtt.ClientOptions)) mqtt.Client {
	x.t.Helper()
	o := mqtt.NewClientOptions().AddBroker(x.URL()).SetClientID("c1").SetProtocolVersion(version).SetAutoReconnect(false)
	for _, f := range change {
		f(o)
	}
	c := mqtt.NewClient(o)
	x.wait(c.Connect())
	x.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func (x *opened) wait(token mqtt.Token) {
	x.t.Helper()
	if !token.WaitTimeout(deadline) || token.Error() != nil {
		x.t.Fatalf("%v", token.Error())
	}
}

func TestDoorTakesMessages(t *testing.T) {
	for _, version := range []uint{3, 4} {
		x := open(t)
		c := x.paho(version)
		for _, qos := range []byte{0, 1, 2} {
			x.wait(c.Publish("kh/nha-trang/weather/d1", qos, false, []byte{'x', '0' + qos}))
		}
		x.eventually("three messages", func() bool { return len(x.journal.all()) == 3 })
		for i, m := range x.journal.all() {
			if m.Topic != "kh/nha-trang/weather/d1" || string(m.Payload) != string([]byte{'x', '0' + byte(i)}) || m.QoS != byte(i) || m.FullSize != 2 || m.Redelivered || m.Received.IsZero() {
				t.Errorf("version %d: message %d is %+v", version, i, m)
			}
		}
		n, err := x.Passed(t.Context(), door.Name)
		if err != nil || n.Counters[0].Accepted != 2 {
			t.Errorf("the door has counted %+v, %v; want two", n, err)
		}
	}
}

// A stop takes no more, acknowledges what was taken, and ends the connection.
func TestDoorStopsInOrder(t *testing.T) {
	x := open(t)
	c := x.paho(4)
	var tokens []mqtt.Token
	for range 500 {
		tokens = append(tokens, c.Publish("kh/a/b/c", 1, false, "x"))
	}
	x.eventually("some are there", func() bool { return len(x.journal.all()) > 0 })
	x.stop()
	there := len(x.journal.all())
	acked := 0
	for _, token := range tokens {
		if token.WaitTimeout(deadline) && token.Error() == nil {
			acked++
		}
	}
	n, _ := x.Passed(t.Context(), door.Name)
	if acked > there || int(n.Counters[0].Accepted) < acked {
		t.Errorf("%d are acknowledged, %d are in the journal, %d were counted", acked, there, n.Counters[0].Accepted)
	}
	if _, err := net.Dial("tcp", x.addr()); err == nil {
		t.Error("a stopped door still listens")
	}
}
