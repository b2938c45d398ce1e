package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/door/session"
	"github.com/haidang-iot/haidang/ingest/journal"
)

func everythingOf(locality string) []ingest.Subscription {
	return []ingest.Subscription{{Filter: "kh/" + locality + "/#", Except: "kh/" + locality + "/command/#"}}
}

// gateway makes the gateway nha-trang to a broker.
func (c *city) gateway(url string) *ingest.Gateway {
	g := ingest.NewGateway("nha-trang", ingest.Broker{URL: url, ClientID: "haidang-nha-trang"}, everythingOf("nha-trang"), c.journal)
	g.Metrics, g.Logger = c.metrics, slog.New(slog.NewTextHandler(c.t.Output(), nil))
	return g
}

// publisher publishes numbered readings and counts the PUBACKs.
type publisher struct {
	t      *testing.T
	client mqtt.Client
	start  int64
	sent   int
	acked  atomic.Int64
}

func newPublisher(t *testing.T, url string) *publisher {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID("publisher").SetCleanSession(false).
		SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond).SetMaxReconnectInterval(200 * time.Millisecond)
	p := &publisher{t: t, client: mqtt.NewClient(o), start: ago(time.Hour)}
	if token := p.client.Connect(); !token.WaitTimeout(30*time.Second) || token.Error() != nil {
		t.Fatalf("connect to %s: %v", url, token.Error())
	}
	t.Cleanup(func() { p.client.Disconnect(0) })
	return p
}

// publish sends n readings, each with its number as time and value.
func (p *publisher) publish(n int) {
	for range n {
		payload := fmt.Sprintf(`{"ts":%d,"pm25":%d,"seq":%d}`, p.start+int64(p.sent), p.sent%1000, p.sent)
		token := p.client.Publish(airTopic, 1, false, payload)
		p.sent++
		go func() {
			if token.Wait() && token.Error() == nil {
				p.acked.Add(1)
			}
		}()
	}
}

// check sees that each reading is in the store once, with its value.
func (p *publisher) check(c *city) {
	p.t.Helper()
	got := c.samples("air_quality_seq")
	for i := range p.sent {
		if v, ok := got[p.start+int64(i)]; !ok || v != float64(i) {
			p.t.Fatalf("reading %d is %v (there: %t) in the store; %d of %d are there", i, v, ok, len(got), p.sent)
		}
	}
	if len(got) != p.sent {
		p.t.Errorf("%d readings are stored, want %d", len(got), p.sent)
	}
}

func (p *publisher) allAcked(c *city) {
	p.t.Helper()
	c.eventually("all published messages are acknowledged", func() bool { return int(p.acked.Load()) == p.sent })
}

// brokers runs a test against Mosquitto, and against a broker that is ours and another
// city's.
func brokers(t *testing.T, test func(t *testing.T, c *city, url string)) {
	t.Run("another city's", func(t *testing.T) {
		c := newCity(t)
		test(t, c, c.another("#").URL())
	})
	t.Run("mosquitto", func(t *testing.T) {
		c := newCity(t)
		test(t, c, c.foreign())
	})
}

// another is another city's door, which journals nothing, as a broker. Each client is
// somebody of its own there, and may subscribe to a filter.
func (c *city) another(filter string) *door.Door {
	c.t.Helper()
	sessions, err := session.Open(c.t.Context(), session.Options{Dir: c.t.TempDir(), Limits: session.Limits{Messages: 100_000, Bytes: 256 << 20}})
	c.must(err)
	c.t.Cleanup(func() { sessions.Close() })
	d, err := door.Open(c.t.Context(), door.Options{Addr: "127.0.0.1:0", Journal: nowhere{}, Sessions: sessions, Authenticator: granting(filter), Limits: door.Limits{DeviceRate: -1}})
	c.must(err)
	c.run(d.Run)
	return d
}

// granting lets everybody subscribe to a filter.
type granting string

func (g granting) Authenticate(_ context.Context, l door.Login) (door.Grant, error) {
	return door.Grant{Identity: l.ClientID, Publish: []string{"#"}, Subscribe: []string{string(g)}}, nil
}

// nowhere is a journal that keeps nothing.
type nowhere struct{}

func (nowhere) Append(context.Context, ingest.Record) error { return nil }

func (nowhere) Position(context.Context, string) (ingest.Epoch, uint64, error) { return "E", 0, nil }

func TestGatewayCarriesEverything(t *testing.T) {
	brokers(t, func(t *testing.T, c *city, url string) {
		c.load()
		g := c.gateway(url)
		stop := c.run(g.Run)
		c.eventually("the gateway is connected", func() bool { return g.State().Connected })
		p := newPublisher(t, url)
		p.publish(2000)
		p.allAcked(c)
		c.settled("nha-trang", 2000)
		// Away and back: the broker keeps what comes meanwhile.
		stop()
		p.publish(500)
		p.allAcked(c)
		c.run(c.gateway(url).Run)
		b := c.settled("nha-trang", 2500)
		if b.Stored != 2500 || b.Duplicate != 0 || !b.Balanced() {
			t.Errorf("balance is %+v, want 2500 stored", b)
		}
		p.check(c)
	})
}

func TestGatewayLeavesCommandsAlone(t *testing.T) {
	c := newCity(t)
	c.load()
	g := c.gateway(c.foreign())
	c.run(g.Run)
	c.eventually("the gateway is connected", func() bool { return g.State().Connected })
	p := newPublisher(t, c.foreign())
	p.client.Publish("kh/nha-trang/command/d1", 1, false, `{"dim":40}`).Wait()
	p.publish(1)
	if b := c.settled("nha-trang", 1); b.Received != 1 || b.Stored != 1 {
		t.Errorf("balance is %+v, want only the reading", b)
	}
}

// TestJournalFullHoldsMessages fills a journal of 1 MiB: the gateway stops
// acknowledging, the broker holds, and everything arrives once there is room.
func TestJournalFullHoldsMessages(t *testing.T) {
	brokers(t, func(t *testing.T, c *city, url string) {
		conn, err := c.broker.Connect("small journal")
		c.must(err)
		t.Cleanup(conn.Close)
		c.journal, err = journal.Open(t.Context(), journal.Options{Conn: conn, Stream: "SMALL", MaxBytes: 1 << 20})
		c.must(err)
		t.Cleanup(c.journal.Close)
		c.loader = c.newLoader(c.store)
		g := c.gateway(url)
		g.GatherMessages = 10
		c.run(g.Run)
		c.eventually("the gateway is connected", func() bool { return g.State().Connected })
		p := newPublisher(t, url)
		const n = 30000 // about 2 MiB
		p.publish(n)
		c.eventually("the journal is full", func() bool { return value(t, c.registry, "haidang_journal_append_errors_total") > 0 })
		if d := g.State().Detail; !strings.Contains(d, "--journal-budget") {
			t.Errorf("the gateway's state says %q, want it to name --journal-budget", d)
		}
		if b := c.report().Gateways[0]; b.Received == 0 || b.Received >= n || !b.Balanced() {
			t.Errorf("with a full journal the balance is %+v", b)
		}
		c.load()
		p.allAcked(c)
		b := c.settled("nha-trang", n)
		if b.Stored != n || !b.Balanced() {
			t.Errorf("balance is %+v, want %d stored", b, n)
		}
		p.check(c)
	})
}

// value sums a metric over its labels.
func value(t *testing.T, g prometheus.Gatherer, name string) (sum float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// TestRefusedSubscriptionIsTold asks a broker for more than it grants: a SUBACK of 0x80
// is no error of the client's token.
func TestRefusedSubscriptionIsTold(t *testing.T) {
	c := newCity(t)
	g := c.gateway(c.another("kh/cam-ranh/#").URL())
	c.run(g.Run)
	c.eventually("the refusal is told", func() bool { return strings.Contains(g.State().Detail, "refused") })
	if g.State().Connected {
		t.Error("the gateway counts as connected without its subscriptions")
	}
}

func TestBrokerAwayIsTold(t *testing.T) {
	c := newCity(t)
	m := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	m.Stop()
	g := c.gateway(strings.Replace(m.URL, "mqtt://", "mqtt://user:secret@", 1))
	c.run(g.Run)
	c.eventually("the absence is told", func() bool { return strings.Contains(g.State().Detail, "--broker") })
	if strings.Contains(g.State().Detail, "secret") {
		t.Errorf("the password is told: %s", g.State().Detail)
	}
	m.Start()
	c.eventually("the gateway is connected", func() bool { return g.State().Connected })
	m.Kill()
	c.eventually("the loss is told", func() bool { return strings.Contains(g.State().Detail, "lost the connection") })
	m.Start()
	c.eventually("the gateway is back", func() bool { return g.State().Connected })
}

// slowAppender keeps the gateway waiting until it is let go.
type slowAppender struct {
	ingest.Appender
	release chan struct{}
}

func (a slowAppender) Append(ctx context.Context, r ingest.Record) error {
	select {
	case <-a.release:
	case <-ctx.Done():
		return ctx.Err()
	}
	return a.Appender.Append(ctx, r)
}

// TestRepetitionWhileWaitingIsOneDelivery: a broker sends again, on the same connection,
// what it has no acknowledgement for.
func TestRepetitionWhileWaitingIsOneDelivery(t *testing.T) {
	c := newCity(t)
	c.load()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	t.Cleanup(func() { l.Close() })
	go impatient(l, 50)
	g := c.gateway("tcp://" + l.Addr().String())
	a := slowAppender{c.journal, make(chan struct{})}
	g.Journal = a
	c.run(g.Run)
	c.eventually("the broker repeats", func() bool { return value(t, c.registry, "haidang_gateway_repeated_total") >= 50 })
	close(a.release)
	b := c.settled("nha-trang", 50)
	if b.Received != 50 || b.Stored != 50 {
		t.Errorf("balance is %+v, want 50 received and stored", b)
	}
}

// impatient is a broker of one client that gets n messages, and each once more.
func impatient(l net.Listener, n uint16) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	send := func(kind byte, fill func(packets.ControlPacket)) {
		p := packets.NewControlPacket(kind)
		fill(p)
		_ = p.Write(conn) // an error ends the reading, too
	}
	for told := false; ; {
		p, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		switch p := p.(type) {
		case *packets.ConnectPacket:
			send(packets.Connack, func(packets.ControlPacket) {})
		case *packets.PingreqPacket:
			send(packets.Pingresp, func(packets.ControlPacket) {})
		case *packets.SubscribePacket:
			send(packets.Suback, func(a packets.ControlPacket) {
				ack := a.(*packets.SubackPacket)
				ack.MessageID, ack.ReturnCodes = p.MessageID, []byte{1}
			})
			if told { // it asks for more than its filter
				continue
			}
			told = true
			for i := range 2 * n {
				send(packets.Publish, func(a packets.ControlPacket) {
					m := a.(*packets.PublishPacket)
					m.Qos, m.Dup, m.MessageID, m.TopicName = 1, i >= n, 1+i%n, airTopic
					m.Payload = fmt.Appendf(nil, `{"ts":%d,"pm25":1}`, beginning.UnixMilli()+int64(i%n))
				})
			}
		}
	}
}
