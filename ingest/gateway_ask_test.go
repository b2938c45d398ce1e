package ingest_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
)

// TestGatewayReturnsAtOnce starts a broker again and measures how long messages take to
// flow again, after a loss and at a gateway's start.
func TestGatewayReturnsAtOnce(t *testing.T) {
	m := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	c := newCity(t)
	c.load()
	g := c.gateway(m.URL)
	c.run(g.Run)
	c.eventually("the gateway is connected", func() bool { return g.State().Connected })
	p := newPublisher(t, m.URL)
	for _, away := range []time.Duration{0, 2 * time.Second} {
		received := c.received()
		m.Stop()
		time.Sleep(away)
		p.publish(1)
		m.Start()
		began := time.Now()
		c.eventually("a message has come", func() bool { return c.received() > received })
		took := time.Since(began)
		t.Logf("away for %v and its start: messages flow %v after the broker", away, took.Round(time.Millisecond))
		// A quarter of the absence, and what the publisher takes itself; the old pauses
		// were 1 s and more.
		if took > away/4+5*time.Second {
			t.Errorf("messages flow %v after the broker", took)
		}
	}
}

// sided is a gateway's run with the comparison of its sides, as one process has them.
func (c *city) sided(url string, findings *ingest.Findings) (*ingest.Sides, *ingest.Gateway, func()) {
	c.t.Helper()
	count, err := ingest.OpenCount(filepath.Join(c.dir, "nha-trang.count"), false, time.Now)
	c.must(err)
	g := c.gateway(url)
	g.Count = count
	stop := c.run(g.Run)
	audit := ingest.Audit{Ledger: c.ledger, Journal: c.journal}
	s := &ingest.Sides{Counts: map[string]*ingest.Count{g.Name: count}, Brokers: map[string]func() ingest.BrokerWord{g.Name: g.BrokerWord},
		Books: c.ledger, Journal: audit.Numbered, Findings: findings, Now: time.Now, Logger: g.Logger}
	return s, g, func() { stop(); count.Close() }
}

// side looks until the broker has said something that a test waits for.
func (c *city) side(s *ingest.Sides, what string, ok func(*ingest.BrokerSide) bool) {
	c.t.Helper()
	c.within(time.Minute, what, func() bool {
		sides, err := s.Look(c.t.Context())
		c.must(err)
		return len(sides) == 1 && sides[0].Broker != nil && ok(sides[0].Broker)
	})
}

// TestBrokerThatDrops has a Mosquitto with its default queue drop what it has acknowledged
// while the city is stopped. The city says so when it runs again, and also that the broker
// was started anew and has forgotten its session.
func TestBrokerThatDrops(t *testing.T) {
	m := realserver.Mosquitto(t, realserver.MosquittoOptions{Config: "max_queued_messages 1000\nsys_interval 1\npersistence false"})
	c := newCity(t)
	c.load()
	findings := ingest.NewFindings(time.Now)
	s, _, stop := c.sided(m.URL, findings)
	c.side(s, "the broker tells that it has dropped nothing", func(b *ingest.BrokerSide) bool {
		return b.Dropped != nil && *b.Dropped == 0 && strings.HasPrefix(b.Name, "mosquitto version 2")
	})
	stop()
	p := newPublisher(t, m.URL)
	p.publish(1500)
	p.allAcked(c)
	told := make(chan string, 100)
	p.client.Subscribe("$SYS/broker/publish/messages/dropped", 0, func(_ mqtt.Client, m mqtt.Message) { told <- string(m.Payload()) })
	c.within(time.Minute, "the broker has counted what it has dropped", func() bool { return <-told == "500" })
	s, g, stop := c.sided(m.URL, findings)
	c.side(s, "the broker tells what it has dropped", func(b *ingest.BrokerSide) bool { return b.Dropped != nil && *b.Dropped == 500 })
	if f := only(t, findings); f.Rule != "broker-dropped" || f.Value != 500 || !f.Lasting || !strings.Contains(f.DescriptionEN, "for all its clients") {
		t.Errorf("found %+v, want broker-dropped of 500", f)
	}
	if b := c.settled("nha-trang", 1000); b.Received != 1000 {
		t.Errorf("balance is %+v: what the broker tells of itself must not be in it", b)
	}
	if n := value(t, c.registry, "haidang_gateway_broker_dropped_total"); n != 500 {
		t.Errorf("haidang_gateway_broker_dropped_total is %v, want 500", n)
	}

	// Started anew it has forgotten the session, for it keeps none on disk.
	m.Kill()
	m.Start()
	c.eventually("the gateway is connected again", func() bool { w := g.BrokerWord(); return w.Connections == 2 && g.State().Connected })
	c.side(s, "the broker is seen to have been started anew", func(b *ingest.BrokerSide) bool { return b.Restarts == 1 && b.Forgotten == 1 && *b.Dropped == 500 })
	if all := findings.List(); len(all) != 2 || all[1].Rule != "broker-forgot" {
		t.Errorf("found %+v, want also broker-forgot", all)
	}
	stop()
}

// only is the one thing that was found.
func only(t *testing.T, f *ingest.Findings) ingest.Finding {
	t.Helper()
	all := f.List()
	if len(all) != 1 {
		t.Fatalf("found %+v, want one thing", all)
	}
	return all[0]
}
