package ingest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// refused is the SUBACK return code of a subscription that the broker did not
// grant (MQTT 3.1.1, 3.9.3).
const refused = 0x80

// stopped is the detail of a gateway that has ended in order.
const stopped = "stopped"

// link is the state of a gateway's connection to its broker.
type link struct {
	mu     sync.Mutex
	up     bool
	detail string
}

// GatewayState is a gateway's connection as health checks report it.
type GatewayState struct {
	Gateway   string `json:"gateway"`
	Connected bool   `json:"connected"`
	// Detail says what is wrong and what would mend it; empty if nothing is.
	Detail string `json:"detail,omitempty"`
}

// State is safe to call at any time from any goroutine.
func (g *Gateway) State() GatewayState {
	g.link.mu.Lock()
	defer g.link.mu.Unlock()
	s := GatewayState{Gateway: g.Name, Connected: g.link.up, Detail: g.link.detail}
	if !s.Connected && s.Detail == "" {
		s.Detail = "not connected yet to " + g.brokerName()
	}
	if err := g.appends.Refusal(); s.Detail == "" && err != nil {
		s.Detail = "the journal does not accept, the broker holds the messages: " + err.Error()
	}
	return s
}

// setLink notes the connection's state and logs it where it changed, so that an
// absence of hours is two lines in the log.
func (g *Gateway) setLink(up bool, detail string) {
	g.link.mu.Lock()
	changed := g.link.up != up || g.link.detail != detail
	g.link.up, g.link.detail = up, detail
	g.link.mu.Unlock()
	g.Metrics.connected.WithLabelValues(g.Name).Set(map[bool]float64{true: 1}[up])
	switch {
	case !changed:
	case detail == stopped:
		g.Logger.Info("gateway stopped", "gateway", g.Name)
	case up:
		g.Logger.Info("connected to broker", "gateway", g.Name, "broker", g.brokerName())
	default:
		g.Logger.Error("not taking messages", "gateway", g.Name, "reason", detail)
	}
}

// brokerName is the broker's address without any password.
func (g *Gateway) brokerName() string {
	u, err := url.Parse(g.Broker.URL)
	if err != nil {
		return "the broker"
	}
	return u.Redacted()
}

// connect keeps the session until gathered is closed: it lets go of the broker
// only after the last acknowledgement.
func (g *Gateway) connect(ctx context.Context, gathered <-chan struct{}) {
	lost := make(chan error, 1)
	client := mqtt.NewClient(g.clientOptions(ctx, lost))
	g.session.Store(&client)
	for pause := (backoff{}); ctx.Err() == nil; sleep(ctx, pause.next()) {
		token := client.Connect().(*mqtt.ConnectToken)
		if token.Wait(); token.Error() != nil {
			g.setLink(false, fmt.Sprintf("cannot connect to %s: %v; check --broker, and that the broker runs; trying again at least every %v", g.brokerName(), token.Error(), maxBackoff))
			continue
		}
		began := g.Now()
		g.told.connected(token.SessionPresent())
		g.converse(ctx, client, lost)
		if g.Now().Sub(began) > steady {
			pause = backoff{}
		}
	}
	<-gathered
	// The pause lets the client write the acknowledgements it was given.
	client.Disconnect(100)
	g.setLink(false, stopped)
}

// converse is one connection, from its beginning to its loss or the end of ctx.
func (g *Gateway) converse(ctx context.Context, client mqtt.Client, lost <-chan error) {
	conn, cancel := context.WithCancel(ctx)
	asking := make(chan struct{})
	go func() {
		defer close(asking)
		if g.subscribe(conn, client) {
			g.ask(conn, client)
		}
	}()
	select {
	case err := <-lost:
		if ctx.Err() == nil {
			g.setLink(false, fmt.Sprintf("lost the connection to %s: %v; trying again at least every %v", g.brokerName(), err, maxBackoff))
		}
	case <-ctx.Done():
	}
	cancel()
	<-asking
}

// steady is how long a connection must have lasted for the next attempt to be made at
// once: two gateways with one client id would else end each other's without a pause.
const steady = 5 * time.Second

// backoff is the pauses between attempts to connect: none before the first, then such
// that an attempt comes later than the broker by a quarter of its absence at most, and
// by [maxBackoff].
type backoff struct{ pause time.Duration }

func (b *backoff) next() time.Duration {
	pause := b.pause
	b.pause = min(max(b.pause*5/4, time.Second/4), maxBackoff)
	return pause
}

// clientOptions are those of a client whose lost connection is told to lost, once for
// each. It does not connect again by itself: the client's own pauses begin with a second,
// and it does not say whether the broker still has the session.
func (g *Gateway) clientOptions(ctx context.Context, lost chan<- error) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions().AddBroker(g.Broker.URL).SetClientID(g.Broker.ClientID)
	o.SetUsername(g.Broker.Username).SetPassword(g.Broker.Password)
	o.SetProtocolVersion(4).SetCleanSession(false) // the broker keeps what comes while we are away
	o.SetAutoAckDisabled(true)                     // we acknowledge when the journal has it
	o.SetAutoReconnect(false).SetConnectTimeout(10 * time.Second)
	o.SetKeepAlive(30 * time.Second).SetPingTimeout(10 * time.Second).SetWriteTimeout(30 * time.Second)
	// A resumed session may deliver before we have subscribed again, so the
	// handler is the default one and subscriptions have none of their own.
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { g.receive(ctx, m) })
	// Called before each attempt, when the connection before has ended with all
	// its handlers: packet identifiers begin anew.
	o.SetConnectionAttemptHandler(func(_ *url.URL, t *tls.Config) *tls.Config {
		for i := range g.pending {
			g.pending[i].Store(false)
		}
		return t
	})
	o.SetStore(forgetful{mqtt.NewMemoryStore()})
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) {
		g.Canaries.lost(g)
		lost <- err
	})
	return o
}

// subscribe asks for all filters until the broker grants them. A refusal is not
// an error of the token: the return codes must be read. It reports false if ctx or the
// connection ended first.
func (g *Gateway) subscribe(ctx context.Context, c mqtt.Client) bool {
	filters := make(map[string]byte, len(g.Subscriptions))
	for _, s := range g.Subscriptions {
		filters[s.Filter] = 1
	}
	for wait := time.Second; c.IsConnectionOpen(); wait = min(2*wait, maxBackoff) {
		err := subscribeAll(c, filters)
		if err == nil {
			g.setLink(true, "")
			return true
		}
		if c.IsConnectionOpen() {
			g.setLink(false, fmt.Sprintf("%s: %v", g.brokerName(), err))
		}
		if !sleep(ctx, wait) {
			return false
		}
	}
	return false
}

func subscribeAll(c mqtt.Client, filters map[string]byte) error {
	token := c.SubscribeMultiple(filters, nil)
	if !token.WaitTimeout(maxBackoff) {
		return fmt.Errorf("no answer to the subscription within %v", maxBackoff)
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	var bad []string
	for filter, granted := range token.(*mqtt.SubscribeToken).Result() {
		switch granted {
		case refused:
			bad = append(bad, fmt.Sprintf("subscription %s is refused: give this user the right to read it", filter))
		case 0:
			bad = append(bad, fmt.Sprintf("subscription %s is granted at QoS 0 only, which can lose messages: let the broker grant QoS 1", filter))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return fmt.Errorf("%s", strings.Join(bad, "; "))
	}
	return nil
}
