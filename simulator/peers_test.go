package simulator_test

import (
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// subscriber is a real client that remembers what arrives.
type subscriber struct {
	mu    sync.Mutex
	read  map[string]int      // readings, by topic and payload
	state map[string][]string // states in order, by topic
}

// subscribe listens with a persistent session, so that a restart of the broker
// costs it nothing.
func subscribe(t *testing.T, broker, filter string) *subscriber {
	t.Helper()
	s := &subscriber{read: map[string]int{}, state: map[string][]string{}}
	o := mqtt.NewClientOptions().AddBroker(broker).SetClientID("subscriber-" + strings.ReplaceAll(t.Name(), "/", "-")).
		SetCleanSession(false).SetMaxReconnectInterval(200 * time.Millisecond).
		SetDefaultPublishHandler(s.receive)
	c := mqtt.NewClient(o)
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatalf("connect subscriber: %v", token.Error())
	}
	t.Cleanup(func() { c.Disconnect(250) })
	token := c.Subscribe(filter, 1, nil)
	if !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatalf("subscribe: %v", token.Error())
	}
	if code := token.(*mqtt.SubscribeToken).Result()[filter]; code != 1 {
		t.Fatalf("subscribe: the broker granted QoS %d", code)
	}
	return s
}

func (s *subscriber) receive(_ mqtt.Client, m mqtt.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !strings.Contains(m.Topic(), "/status/"):
		s.read[m.Topic()+" "+string(m.Payload())]++
	case !m.Retained(): // a retained one is what an earlier test left behind
		s.state[m.Topic()] = append(s.state[m.Topic()], string(m.Payload()))
	}
}

// readings are how often each reading arrived.
func (s *subscriber) readings() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.read)
}

// states are a status topic's, in order.
func (s *subscriber) states(topic string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.state[topic]...)
}

// statesOf are the status topics whose last state is the given one.
func (s *subscriber) statesOf(last string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var topics []string
	for topic, states := range s.state {
		if states[len(states)-1] == last {
			topics = append(topics, topic)
		}
	}
	return topics
}

// proxy stands between a client and a broker and can cut the line.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	var pipes sync.WaitGroup
	pipes.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
				pipes.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		pipes.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
