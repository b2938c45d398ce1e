package broker_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/haidang-iot/haidang/ingest/broker"
)

// A credential is revoked while its device publishes: its connections end within
// a second, nothing more comes from it, and it cannot come back.
func TestRevokedInMidConnection(t *testing.T) {
	p := city()
	d1 := p.users["d1"]
	d1.grant.ClientIDs = []string{"d1*"}
	p.users["d1"] = d1
	b := guarded(t, p)
	got := subscribe(t, client(t, b, "gateway", p.as("gateway")), "kh/nha-trang/#")
	neighbour := client(t, b, "d2", p.as("d2"))
	lost := make(chan error, 2)
	one := client(t, b, "d1", p.as("d1"), lostTo(lost))
	client(t, b, "d1-debug", p.as("d1"), lostTo(lost))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-one.Publish("kh/nha-trang/weather/d1", 1, false, "x").Done():
			}
		}
	}()
	receive(t, got)
	p.revoke("d1")
	began := time.Now()
	if n := b.Disconnect("device:d1"); n != 2 {
		t.Errorf("disconnected %d", n)
	}
	gone(t, lost)
	gone(t, lost)
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
	close(stop)
	<-stopped
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, p.as("d1"), func(o *mqtt.ClientOptions) { o.SetClientID("d1").SetCleanSession(false) })
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Username: "d1", Reason: "revoked"})
	if n := b.Disconnect("device:d1"); n != 0 {
		t.Errorf("disconnected %d that were gone", n)
	}
	if n := b.Disconnect("nobody"); n != 0 {
		t.Errorf("disconnected %d of nobody", n)
	}
	wait(t, neighbour.Publish("kh/nha-trang/weather/d2", 1, false, "last"))
	for m := receive(t, got); string(m.Payload()) != "last"; m = receive(t, got) {
	}
}

// The secret is revoked after the authenticator has looked at it and before the
// client is in.
func TestRevokedWhileConnecting(t *testing.T) {
	p := city()
	b := guarded(t, p)
	p.mu.Lock()
	p.onAsk = func(broker.Login) { b.Disconnect("device:d1") }
	p.mu.Unlock()
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, p.as("d1"), func(o *mqtt.ClientOptions) { o.SetClientID("d1") })
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Identity: "device:d1", Username: "d1", Reason: "disconnected"})
}

func TestClientIDOfAnotherConnection(t *testing.T) {
	p := city()
	for _, name := range []string{"d1", "d2"} {
		u := p.users[name]
		u.grant.ClientIDs = []string{"*"}
		p.users[name] = u
	}
	b := guarded(t, p)
	lost := make(chan error, 1)
	first := client(t, b, "shared", p.as("d1"), lostTo(lost))
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, p.as("d2"), func(o *mqtt.ClientOptions) { o.SetClientID("shared") })
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Identity: "device:d2", Username: "d2", Reason: "another user"})
	// The same user takes over, as MQTT demands.
	second := client(t, b, "shared", p.as("d1"))
	gone(t, lost)
	first.Disconnect(0)
	second.Disconnect(100)
	eventually(t, "the client id is free", func() bool {
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.MQTTURL()).SetClientID("shared").SetUsername("d2").
			SetPassword("secret of d2").SetAutoReconnect(false).SetProtocolVersion(4))
		token := c.Connect()
		ok := token.WaitTimeout(deadline) && token.Error() == nil
		c.Disconnect(0)
		return ok
	})
}

func TestMaxConnections(t *testing.T) {
	p := city()
	p.users["d3"] = device("d3")
	b := guarded(t, p, func(o *broker.Options) { o.MaxConnections = 2 })
	one := client(t, b, "d1", p.as("d1"))
	client(t, b, "d2", p.as("d2"))
	third := func(o *mqtt.ClientOptions) { o.SetClientID("d3") }
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, p.as("d3"), third)
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Identity: "device:d3", Username: "d3", Reason: "too many connections: the limit is 2"})
	client(t, b, "gateway", p.as("gateway"))
	one.Disconnect(100)
	eventually(t, "there is room again", func() bool {
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.MQTTURL()).SetClientID("d3").SetUsername("d3").
			SetPassword("secret of d3").SetAutoReconnect(false).SetProtocolVersion(4))
		token := c.Connect()
		ok := token.WaitTimeout(deadline) && token.Error() == nil
		c.Disconnect(0)
		return ok
	})
}

// A refusal is held back, but does not hold up the end of the broker.
func TestRefusalIsDelayed(t *testing.T) {
	p := city()
	b := guarded(t, p, func(o *broker.Options) { o.RefusalDelay = 300 * time.Millisecond })
	began := time.Now()
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, func(o *mqtt.ClientOptions) { o.SetClientID("x").SetUsername("x").SetPassword("y") })
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("took only %v", took)
	}
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Username: "x", Reason: "unknown"})

	slow, err := broker.Start(context.Background(), broker.Options{
		Dir: t.TempDir(), MQTTAddr: "127.0.0.1:0", Authenticator: p, RefusalDelay: time.Hour,
		OnRefused: func(r broker.Refusal) { p.refuse <- r },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(slow.MQTTURL()).SetClientID("x").SetUsername("x").SetAutoReconnect(false).SetProtocolVersion(4))
	token := c.Connect()
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Username: "x", Reason: "unknown"})
	closeBroker(t, slow)
	token.WaitTimeout(deadline)
	c.Disconnect(0)
}

// buffer is a writer that may be read meanwhile.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// No secret, right or wrong, gets into the log, at any level; a hostile client id
// neither formats nor floods it.
func TestLogHasNoSecrets(t *testing.T) {
	p := city()
	hostile := strings.Repeat("%[1]999999d", 20)
	u := p.users["d1"]
	u.grant.ClientIDs = []string{"*"}
	p.users["d1"] = u
	var log buffer
	b := guarded(t, p, func(o *broker.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, func(o *mqtt.ClientOptions) { o.SetClientID(hostile).SetUsername("d1").SetPassword("WRONGSECRET") })
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Username: "d1", Reason: "wrong secret"})
	lost := make(chan error, 1)
	c := client(t, b, hostile, p.as("d1"), lostTo(lost))
	c.Publish("kh/nha-trang/weather/d2", 1, false, "x")
	p.refusal(t, broker.Refusal{Kind: broker.RefusedPublish, Identity: "device:d1", Username: "d1", Topic: "kh/nha-trang/weather/d2"})
	gone(t, lost)
	if s := log.String(); strings.Contains(s, "WRONGSECRET") || strings.Contains(s, "secret of d1") || len(s) > 100_000 ||
		strings.Contains(s, "BADINDEX") {
		t.Errorf("%d bytes: %.3000s", len(s), s)
	}
	if s := log.String(); strings.Contains(s, "authentication error") || !strings.Contains(s, "MQTT client refused") {
		t.Errorf("refusals are said twice or not at all: %.3000s", s)
	}
}
