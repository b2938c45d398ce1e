package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sync/semaphore"
)

const (
	// maxInFlight is how many messages may wait for the journal. MQTT itself
	// allows no more unacknowledged ones in a session (packet identifiers have 16
	// bits), so the client's reader never blocks on messages of QoS 1.
	maxInFlight = 65535
	// maxInFlightBytes bounds the memory of what waits for the journal. Past it
	// the gateway stops reading, and the broker holds what it has.
	maxInFlightBytes = 64 << 20
	// maxBackoff caps the pause between attempts to reach a broker. The client's
	// own default is ten minutes, far too long for a flood.
	maxBackoff = 30 * time.Second
)

// Subscription is one topic filter of a gateway.
type Subscription struct {
	Filter string
	// Except is a filter of the form prefix/# whose messages are not telemetry
	// (the platform's own commands to devices): they are acknowledged and not
	// counted. Empty excludes nothing.
	Except string
}

// Gateway takes the messages of one locality from its MQTT broker and appends
// them to the journal. It decodes nothing, so no payload can stop it. A message
// is acknowledged to the broker only after the journal has confirmed it.
type Gateway struct {
	Name string
	// Broker is where to connect. Its password is never logged.
	Broker        Broker
	Subscriptions []Subscription
	Journal       Appender
	// GatherMessages and GatherTime bound what is gathered into one record: as
	// soon as either is reached the record is appended. It is appended sooner if
	// nothing comes for QuietTime: a broker that allows few messages in flight
	// waits for us.
	GatherMessages        int
	GatherTime, QuietTime time.Duration
	// GatherBytes bounds a record's payloads; a single larger message travels
	// alone. MaxPayload is the longest payload the journal can hold.
	GatherBytes, MaxPayload int

	// Canaries follow the messages that the gateway sends itself; nil are none. NoCanary
	// says that it is to send none.
	Canaries *Canaries
	NoCanary bool
	// Count is the gateway's own count of messages; nil counts nothing.
	Count *Count

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics

	in chan arrival
	// pending marks the packet identifiers that are not acknowledged yet on this
	// connection.
	pending [1 << 16]atomic.Bool
	bytes   *semaphore.Weighted
	link    link
	// session is the MQTT client, nil before there is one; heard are the messages of
	// QoS 1 and more that came through each subscription, canaries not counted.
	session atomic.Pointer[mqtt.Client]
	heard   []atomic.Uint64
	appends Appends
	// told is what the broker tells of itself.
	told told
}

// arrival is a message on its way from the MQTT client to the gathering loop.
type arrival struct {
	mqtt.Message
	received time.Time
	weight   int64
	canary   uint64 // its number; 0 if it is none
}

// Broker is an MQTT broker and who we are there.
type Broker struct {
	// URL is tcp://host:port, or ssl:// for TLS.
	URL                string
	Username, Password string
	// ClientID names the persistent session; it must be the gateway's alone.
	ClientID string
}

// NewGateway makes a gateway with the usual bounds.
func NewGateway(name string, broker Broker, subscriptions []Subscription, journal Appender) *Gateway {
	return &Gateway{
		Name: name, Broker: broker, Subscriptions: subscriptions, Journal: journal,
		GatherMessages: 1000, GatherTime: 10 * time.Millisecond, QuietTime: 2 * time.Millisecond,
		GatherBytes: 512 << 10, MaxPayload: 4 << 20, heard: make([]atomic.Uint64, len(subscriptions)),
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
}

// Run takes messages until ctx ends, through any absence of broker or journal.
// It returns once all its goroutines have ended; what it had not put into the
// journal by then stays with the broker.
func (g *Gateway) Run(ctx context.Context) error {
	g.appends.settings(g)
	g.told.begin(g)
	if err := g.appends.Begin(ctx); err != nil {
		return err
	}
	g.in = make(chan arrival, maxInFlight)
	g.bytes = semaphore.NewWeighted(maxInFlightBytes)
	gathered, disconnected := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(disconnected)
		g.connect(ctx, gathered)
	}()
	g.gather(ctx)
	close(gathered)
	<-disconnected
	return nil
}

// receive is the MQTT client's handler; the client calls it from one goroutine.
func (g *Gateway) receive(ctx context.Context, m mqtt.Message) {
	if g.told.hear(m.Topic(), m.Payload()) {
		m.Ack()
		return
	}
	if g.excluded(m.Topic()) {
		g.Count.exclude(m.Qos(), m.Retained())
		m.Ack()
		return
	}
	if ctx.Err() != nil {
		return // stopping: not acknowledged, so the broker keeps it
	}
	// A broker that is kept waiting may send a message once more. While it has
	// not been acknowledged this is the same delivery, not another.
	if m.Qos() > 0 && g.pending[m.MessageID()].Swap(true) && m.Duplicate() {
		g.Metrics.repeated.WithLabelValues(g.Name).Inc()
		return
	}
	g.Metrics.received.WithLabelValues(g.Name).Inc()
	g.Metrics.receivedBytes.WithLabelValues(g.Name).Add(float64(len(m.Payload())))
	a := arrival{Message: m, received: g.Now(), weight: min(int64(len(m.Payload())), maxInFlightBytes)}
	if g.bytes.Acquire(ctx, a.weight) != nil {
		return
	}
	a.canary = g.hear(m)
	select {
	case g.in <- a:
	case <-ctx.Done():
	}
}

func (g *Gateway) excluded(topic string) bool {
	for _, s := range g.Subscriptions {
		if s.Except != "" && strings.HasPrefix(topic, strings.TrimSuffix(s.Except, "#")) {
			return true
		}
	}
	return false
}

// gather is the gateway's main loop: gather, append, acknowledge. While one
// record is being appended the next one's messages come together by themselves,
// so records grow with the load.
func (g *Gateway) gather(ctx context.Context) {
	b := batch{gateway: g}
	var next *arrival // what did not fit into the record before
	for {
		if next == nil {
			select {
			case a := <-g.in:
				next = &a
			case <-ctx.Done():
				g.finish(&b)
				return
			}
		}
		b.add(*next)
		next = b.fill(ctx)
		if !g.append(ctx, &b) {
			return
		}
	}
}

// finish appends what had arrived when the gateway was told to stop.
func (g *Gateway) finish(b *batch) {
	ctx, cancel := context.WithTimeout(context.Background(), StopGrace)
	defer cancel()
	for {
		select {
		case a := <-g.in:
			b.add(a)
			for next := b.fill(ctx); next != nil; next = b.fill(ctx) {
				if !g.append(ctx, b) {
					return
				}
				b.add(*next)
			}
			if !g.append(ctx, b) {
				return
			}
		default:
			return
		}
	}
}

// append puts the batch into the journal and acknowledges its messages. It reports
// false if ctx ended first: nothing may follow.
func (g *Gateway) append(ctx context.Context, b *batch) bool {
	place, stored, more := g.appends.Append(ctx, b.messages, len(g.in))
	if stored {
		b.acknowledge(place)
		g.Metrics.inFlight.WithLabelValues(g.Name).Set(float64(len(g.in)))
	}
	return more
}

// batch is a record being gathered and the arrivals it is made of.
type batch struct {
	gateway  *Gateway
	messages []Message
	arrivals []arrival
	size     int
}

// fill adds what arrives until the record is full or its time is up. It returns
// the message that did not fit, if one did not.
func (b *batch) fill(ctx context.Context) *arrival {
	g := b.gateway
	full, quiet := time.NewTimer(g.GatherTime), time.NewTimer(g.QuietTime)
	defer full.Stop()
	defer quiet.Stop()
	for len(b.arrivals) < g.GatherMessages && b.size < g.GatherBytes {
		select {
		case a := <-g.in:
			if b.size+len(a.Payload()) > g.GatherBytes {
				return &a
			}
			b.add(a)
			quiet.Reset(g.QuietTime)
		case <-quiet.C:
			return nil
		case <-full.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (b *batch) add(a arrival) {
	m := Message{
		Topic: a.Topic(), Payload: a.Payload(), Received: a.received, QoS: a.Qos(), PacketID: a.MessageID(),
		Redelivered: a.Duplicate(), Retained: a.Retained(), FullSize: len(a.Payload()),
	}
	if len(m.Payload) > b.gateway.MaxPayload {
		m.Payload = Cut(m.Payload, b.gateway.MaxPayload)
	}
	b.arrivals = append(b.arrivals, a)
	b.messages = append(b.messages, m)
	b.size += len(m.Topic) + len(m.Payload)
}

// acknowledge tells the broker that the messages are ours now, and makes the
// batch ready for the next record.
func (b *batch) acknowledge(place Place) {
	for i := range b.arrivals {
		a := &b.arrivals[i]
		b.gateway.pending[a.MessageID()].Store(false)
		a.Ack()
		if a.canary != 0 {
			b.gateway.Canaries.journalled(a.canary, place.Epoch, place.First+uint64(i))
		}
		b.gateway.bytes.Release(a.weight)
	}
	clear(b.arrivals)
	clear(b.messages)
	b.arrivals, b.messages, b.size = b.arrivals[:0], b.messages[:0], 0
}

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Check says what is wrong with a gateway's settings.
func (g *Gateway) Check() error {
	if !isGatewayName(g.Name) {
		return fmt.Errorf("gateway name %q must consist of 1 to 64 letters, digits, - and _", g.Name)
	}
	if len(g.Subscriptions) == 0 {
		return fmt.Errorf("gateway %s has no subscriptions", g.Name)
	}
	for _, s := range g.Subscriptions {
		if err := checkFilter(s.Filter); err != nil {
			return fmt.Errorf("gateway %s: subscription %q: %w", g.Name, s.Filter, err)
		}
		if s.Except != "" && !strings.HasSuffix(s.Except, "/#") {
			return fmt.Errorf("gateway %s: except %q must end in /#", g.Name, s.Except)
		}
	}
	return nil
}

func isGatewayName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	})
}

// checkFilter applies MQTT 3.1.1, 4.7.1: '#' only as the whole last level, '+'
// only as a whole level.
func checkFilter(filter string) error {
	if filter == "" {
		return errors.New("the filter is empty")
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.Contains(level, "#") && (level != "#" || i != len(levels)-1) {
			return errors.New("'#' must be the whole last level")
		}
		if strings.Contains(level, "+") && level != "+" {
			return errors.New("'+' must be a whole level")
		}
	}
	return nil
}
