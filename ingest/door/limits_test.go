package door_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
)

// bounded sets limits.
func bounded(l door.Limits) func(*door.Options) { return func(o *door.Options) { o.Limits = l } }

// A client that says nothing more than it has promised is ended; one that pings stays.
func TestKeepAlive(t *testing.T) {
	x := open(t)
	promise := func(p *packets.Packet) { p.Connect.Keepalive = 1 }
	silent, lively := x.in(5, "silent", promise), x.in(4, "lively", promise)
	end := make(chan struct{})
	go func() {
		defer close(end)
		if p := silent.want(packets.Disconnect); p.ReasonCode != packets.ErrKeepAliveTimeout.Code {
			t.Errorf("DISCONNECT has code 0x%02x", p.ReasonCode)
		}
	}()
	for gone := false; !gone; {
		lively.send(0xc0, 0)
		lively.want(packets.Pingresp)
		select {
		case <-end:
			gone = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	silent.ended()
}

// A connection that does not say who it is ends, and so does the oldest of one address
// that has too many of them. Those from this machine are not counted by address.
func TestHalfOpenConnectionsEnd(t *testing.T) {
	x := open(t, bounded(door.Limits{ConnectTimeout: 300 * time.Millisecond}))
	r := dial(t, x.addr())
	r.send(0x10, 200, 1, 0, 4, 'M', 'Q')
	start := time.Now()
	r.ended()
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("it ended after %v already", took)
	}
	x.in(4, "c")
}

func TestConnectionsOfOneDeviceAreBounded(t *testing.T) {
	x := open(t, guarded, bounded(door.Limits{PerDevice: 2}))
	a, b := x.in(4, "a", user("d1", "right")), x.in(4, "b", user("d1", "right"))
	r, ack := x.connect(5, "c", user("d1", "right"))
	if ack.ReasonCode != packets.ErrQuotaExceeded.Code || !strings.Contains(ack.Properties.ReasonString, "limit") {
		t.Errorf("the third connection is answered with 0x%02x %q", ack.ReasonCode, ack.Properties.ReasonString)
	}
	r.ended()
	x.in(4, "other", user("d2", "right"))
	for i := range 4 {
		x.in(4, fmt.Sprint(i), user("inside", "right"))
	}
	// There is room again when one has gone.
	a.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	a.ended()
	x.eventually("a third is let in", func() bool {
		_, ack := x.connect(4, "c", user("d1", "right"))
		return ack.ReasonCode == 0
	})
	if n := x.Disconnect("d1"); n != 2 {
		t.Errorf("%d connections of d1 were ended, want 2", n)
	}
	b.ended()
}

func TestConnectionsAreBounded(t *testing.T) {
	x := open(t, guarded, bounded(door.Limits{Connections: 1}))
	x.in(4, "a", user("d1", "right"))
	if _, ack := x.connect(4, "b", user("d2", "right")); ack.ReasonCode != 3 {
		t.Errorf("the second device is answered with 0x%02x, want 3", ack.ReasonCode)
	}
	x.in(4, "g", user("inside", "right"))
}

// Who sends more than its rate is made to wait, told of, and loses nothing.
func TestRateSlowsDown(t *testing.T) {
	x := open(t, guarded, bounded(door.Limits{DeviceRate: 1}))
	r := x.in(4, "c", user("d1", "right"))
	const burst = 60 // a second's for a minute
	for i := range burst + 2 {
		r.write(message("kh/a/weather/d1", 1, uint16(i+1), "x"))
	}
	other := x.in(4, "c", user("d2", "right"))
	other.write(message("kh/a/weather/d2", 1, 1, "x"))
	other.want(packets.Puback)
	start := time.Now()
	for range burst + 2 {
		r.want(packets.Puback)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("%d messages at one a second took %v", burst+2, took)
	}
	x.eventually("the limit is told", func() bool {
		all := x.refused.list()
		return len(all) == 1 && strings.Contains(all[0].Reason, "messages a second")
	})
	err := x.Take(t.Context(), door.Grant{Identity: "d1", Publish: []string{"#"}}, []ingest.Message{{Topic: "kh/a/weather/d1"}, {Topic: "kh/a/weather/d1"}})
	if !errors.Is(err, door.ErrTooMany) {
		t.Errorf("by HTTP it is answered %v", err)
	}
}

// While the journal does not accept, nothing is acknowledged, pings are answered, and no
// more is taken than the bounds allow.
func TestJournalAway(t *testing.T) {
	x := open(t, bounded(door.Limits{InFlight: 10}))
	x.journal.set(fmt.Errorf("%w: raise the budget", ingest.ErrJournalFull))
	few, many := x.in(4, "few"), x.in(4, "many")
	few.write(message("a/b/c", 1, 1, "x"))
	few.send(0xc0, 0)
	few.want(packets.Pingresp)
	x.eventually("it is told", func() bool { return strings.Contains(x.State().Detail, "raise the budget") })
	go func() {
		for i := range 1000 {
			many.write(message("a/b/c", 1, uint16(i+1), strings.Repeat("x", 1000)))
		}
	}()
	if err := x.Take(t.Context(), door.Grant{Publish: []string{"#"}}, []ingest.Message{{Topic: "a/b/c"}}); !errors.Is(err, ingest.ErrJournalFull) {
		t.Errorf("by HTTP it is answered %v", err)
	}
	x.journal.set(nil)
	few.want(packets.Puback)
	for i := range 1000 {
		if p := many.want(packets.Puback); int(p.PacketID) != i+1 {
			t.Fatalf("acknowledgement %d is of %d", i+1, p.PacketID)
		}
	}
	if n := len(x.journal.all()); n != 1001 {
		t.Errorf("%d messages are in the journal", n)
	}
	if s := x.State(); s.Detail != "" || !s.Connected {
		t.Errorf("the state is %+v", s)
	}
}

func TestTake(t *testing.T) {
	x := open(t)
	all := door.Grant{Identity: "web", Publish: []string{"kh/+/+/d1"}}
	if err := x.Take(t.Context(), all, []ingest.Message{{Topic: "kh/a/weather/d1", Payload: []byte("1"), QoS: 1, Key: 7}, {Topic: "kh/b/weather/d1", Payload: []byte("2"), QoS: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := x.journal.all(); len(got) != 2 || got[0].Key != 7 || string(got[1].Payload) != "2" || got[1].FullSize != 1 {
		t.Errorf("the journal has %+v", got)
	}
	for _, topic := range []string{"kh/a/weather/d2", "kh/+/weather/d1", ""} {
		if err := x.Take(t.Context(), all, []ingest.Message{{Topic: topic}}); !errors.Is(err, door.ErrNotAllowed) {
			t.Errorf("%q is answered %v", topic, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	x.journal.gate = make(chan struct{})
	go cancel()
	if err := x.Take(ctx, all, []ingest.Message{{Topic: "kh/a/weather/d1"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("who goes away is answered %v", err)
	}
	close(x.journal.gate)
}

// The first byte says whether a client speaks TLS; on this machine both are served.
func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	x := open(t, func(o *door.Options) { o.TLS = &tls.Config{Certificates: web.TLS.Certificates} })
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	for _, url := range []string{x.URL(), x.TLSURL()} {
		o := mqtt.NewClientOptions().AddBroker(url).SetClientID("c").SetAutoReconnect(false).SetTLSConfig(&tls.Config{RootCAs: roots})
		c := mqtt.NewClient(o)
		x.wait(c.Connect())
		for _, payload := range []string{"small", strings.Repeat("x", 300000)} {
			x.wait(c.Publish("kh/a/b/c", 1, false, payload))
		}
		c.Disconnect(100)
	}
	for i, m := range x.journal.all() {
		if want := []int{5, 300000}[i%2]; len(m.Payload) != want || m.FullSize != want {
			t.Errorf("message %d has %d bytes, want %d", i, len(m.Payload), want)
		}
	}
	r := dial(t, x.addr())
	r.send(0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5) // no ClientHello
	if _, err := io.Copy(io.Discard, r.c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

// Packets may lie across WebSocket messages.
func TestWebSocket(t *testing.T) {
	x := open(t)
	web := httptest.NewServer(x.WebSocket())
	defer web.Close()
	for _, protocol := range []string{"mqtt", "mqttv3.1"} {
		url := "ws" + strings.TrimPrefix(web.URL, "http")
		o := mqtt.NewClientOptions().AddBroker(url).SetClientID("ws" + protocol).SetHTTPHeaders(http.Header{})
		if protocol == "mqttv3.1" {
			o.SetProtocolVersion(3)
		}
		c := mqtt.NewClient(o)
		x.wait(c.Connect())
		x.wait(c.Publish("kh/a/b/c", 1, false, strings.Repeat("x", 100000)))
		c.Disconnect(100)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, web.URL, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	for _, b := range encode(t, 4, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, Connect: packets.ConnectParams{ClientIdentifier: "slow", Clean: true}}) {
		if err := ws.Write(ctx, websocket.MessageBinary, []byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if _, b, err := ws.Read(ctx); err != nil || len(b) != 4 || b[0] != 0x20 {
		t.Errorf("CONNACK is %v, %v", b, err)
	}
	bare, _, err := websocket.Dial(ctx, web.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.CloseNow()
	if _, _, err := bare.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("without the subprotocol the answer is %v", err)
	}
}

// What waits of all connections is bounded by its bytes, also where one message is nearly
// all of it; and everything is taken in the end.
func TestBytesOfAllAreBounded(t *testing.T) {
	x := open(t, bounded(door.Limits{InFlightBytes: 20_000}))
	gate := make(chan struct{})
	x.journal.mu.Lock()
	x.journal.gate = gate
	x.journal.mu.Unlock()
	clients := make([]*raw, 20)
	for i := range clients {
		clients[i] = x.in(4, fmt.Sprint("c", i))
		for n := range 5 {
			clients[i].write(message("a/b/c", 1, uint16(n+1), strings.Repeat("x", 1000+15_000*(i%2))))
		}
	}
	x.eventually("some wait", func() bool { return value(t, x, "haidang_door_waiting_bytes") > 0 })
	if n := value(t, x, "haidang_door_waiting_bytes"); n > 40_000 {
		t.Errorf("%g bytes wait", n)
	}
	close(gate)
	for _, c := range clients {
		for n := range 5 {
			if p := c.want(packets.Puback); int(p.PacketID) != n+1 {
				t.Fatalf("acknowledgement %d is of %d", n+1, p.PacketID)
			}
		}
	}
	if n := len(x.journal.all()); n != 100 {
		t.Errorf("%d messages are in the journal", n)
	}
	x.eventually("none wait", func() bool { return value(t, x, "haidang_door_waiting_bytes") == 0 })
}

// value is a metric of the door's.
func value(t *testing.T, x *opened, name string) float64 {
	t.Helper()
	families, err := x.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// What the journal cannot hold would stop it for all: of a longer payload it gets the
// beginning, and is told how long it was.
func TestPayloadsThatTheJournalCannotHold(t *testing.T) {
	x := open(t, func(o *door.Options) { o.MaxPayload = 1000 })
	err := x.Take(t.Context(), door.Grant{Identity: "x", Publish: []string{"#"}}, []ingest.Message{{Topic: "a", QoS: 1, Payload: make([]byte, 1001)}, {Topic: "b", QoS: 1, Payload: make([]byte, 1000)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := x.journal.all(); len(got) != 2 || len(got[0].Payload) > 1000 || got[0].FullSize != 1001 || len(got[1].Payload) != 1000 || got[1].FullSize != 1000 {
		t.Errorf("the journal got %d messages: %d of %d bytes", len(got), len(got[0].Payload), got[0].FullSize)
	}
}
