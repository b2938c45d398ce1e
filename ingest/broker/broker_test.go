package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/ingest/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const deadline = 20 * time.Second

func start(t testing.TB, opts broker.Options) *broker.Broker {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	b, err := broker.Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(t, b) })
	return b
}

func closeBroker(t testing.TB, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// client connects a real MQTT client that keeps its session; it is disconnected
// at the end of the test.
func client(t testing.TB, b *broker.Broker, id string, change ...func(*mqtt.ClientOptions)) mqtt.Client {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(b.MQTTURL()).SetClientID(id).SetCleanSession(false).
		SetAutoReconnect(false).SetProtocolVersion(4).SetConnectTimeout(deadline)
	for _, f := range change {
		f(o)
	}
	c := mqtt.NewClient(o)
	wait(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(100) })
	return c
}

func wait(t testing.TB, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(deadline) {
		t.Fatal("no answer from the broker in time")
	}
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(deadline)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("not in %s: %s", deadline, what)
		case <-tick.C:
		}
	}
}

// subscribe delivers what arrives to a channel, and fails if the broker refuses.
func subscribe(t testing.TB, c mqtt.Client, filter string) <-chan mqtt.Message {
	t.Helper()
	got := make(chan mqtt.Message, 100_000)
	token := c.Subscribe(filter, 1, func(_ mqtt.Client, m mqtt.Message) { got <- m })
	wait(t, token)
	if code := token.(*mqtt.SubscribeToken).Result()[filter]; code != 1 {
		t.Fatalf("subscribe to %q: SUBACK code %#x", filter, code)
	}
	return got
}

func receive(t testing.TB, from <-chan mqtt.Message) mqtt.Message {
	t.Helper()
	select {
	case m := <-from:
		return m
	case <-time.After(deadline):
		t.Fatal("no message in time")
		return nil
	}
}

func TestMQTTSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Options{Dir: dir, MQTTAddr: "127.0.0.1:0"})
	sub := client(t, b, "gateway")
	subscribe(t, sub, "kh/#")
	sub.Disconnect(100)
	pub := client(t, b, "device")
	for i := range 100 {
		wait(t, pub.Publish("kh/nha-trang/weather/d1", 1, false, fmt.Sprint(i)))
	}
	pub.Disconnect(100)
	closeBroker(t, b)

	b = start(t, broker.Options{Dir: dir, MQTTAddr: "127.0.0.1:0"})
	got := make(chan mqtt.Message, 1000)
	client(t, b, "gateway", func(o *mqtt.ClientOptions) {
		o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { got <- m })
	})
	for i := range 100 {
		if m := receive(t, got); string(m.Payload()) != fmt.Sprint(i) {
			t.Fatalf("message %d: got %s", i, m.Payload())
		}
	}
}

func TestLargePayload(t *testing.T) {
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0"})
	got := subscribe(t, client(t, b, "gateway"), "kh/#")
	wait(t, client(t, b, "device").Publish("kh/cam-ranh/noise/d1", 1, false, make([]byte, 2<<20)))
	if n := len(receive(t, got).Payload()); n != 2<<20 {
		t.Fatalf("got %d bytes", n)
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = broker.Start(context.Background(), broker.Options{Dir: t.TempDir(), MQTTAddr: ln.Addr().String()})
	if err == nil {
		t.Fatal("started on a port that is taken")
	}
	for _, want := range []string{"--mqtt", ln.Addr().String(), "in use"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
}

func TestAddressNotHere(t *testing.T) {
	_, err := broker.Start(context.Background(), broker.Options{Dir: t.TempDir(), MQTTAddr: "192.0.2.1:1883"})
	if err == nil || !strings.Contains(err.Error(), "--mqtt") {
		t.Fatalf("error does not name the flag: %v", err)
	}
}

// A gateway subscribes to several filters in one session: those that the
// documentation of maxAckPending promises must be accepted.
func TestSessionMayHoldSeveralFilters(t *testing.T) {
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0"})
	c := client(t, b, "hash")
	subscribe(t, c, "kh/nha-trang/#")
	subscribe(t, c, "kh/+/status/+")
	c = client(t, b, "plain")
	subscribe(t, c, "a/+")
	subscribe(t, c, "b/+")
	subscribe(t, c, "c/+")
}

// What nats-server does with a topic that is not UTF-8: it closes the publisher's
// connection, as MQTT 3.1.1 [MQTT-1.5.3-1] demands, and no subscriber sees it.
func TestInvalidTopicClosesPublisher(t *testing.T) {
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0"})
	got := subscribe(t, client(t, b, "gateway"), "#")
	lost := make(chan error, 1)
	bad := client(t, b, "bad", func(o *mqtt.ClientOptions) {
		o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	})
	bad.Publish("kh/\xff\xfe/x", 1, false, "x")
	select {
	case <-lost:
	case <-time.After(deadline):
		t.Fatal("publisher of an invalid topic is still connected")
	}
	wait(t, client(t, b, "good").Publish("kh/ok", 1, false, "y"))
	if m := receive(t, got); m.Topic() != "kh/ok" {
		t.Fatalf("got topic %q", m.Topic())
	}
}
