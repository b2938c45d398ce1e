package ingest

import (
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// forgetful is a client's memory that keeps no message that it publishes: a canary
// that a connection ended at, perhaps because of it, must not be sent again on the
// next one and end that too.
type forgetful struct{ mqtt.Store }

// Put implements [mqtt.Store]; keys of what is sent begin with o.
func (s forgetful) Put(key string, p packets.ControlPacket) {
	if _, published := p.(*packets.PublishPacket); published && strings.HasPrefix(key, "o.") {
		return
	}
	s.Store.Put(key, p)
}

// hear counts a message that is delivered, and returns its number if it is one of the
// gateway's canaries. Others of QoS 1 say that a subscription delivers what the broker
// keeps for it; those of QoS 0 pass by what it keeps.
func (g *Gateway) hear(m mqtt.Message) uint64 {
	if g.Canaries == nil {
		return 0
	}
	topic := m.Topic()
	if c, ok := codec.ParseCanary(topic, m.Payload()); ok {
		if c.Gateway != g.Name {
			return 0
		}
		g.Canaries.mark(c.Number, stageDelivered)
		return c.Number
	}
	for i := range g.heard {
		if m.Qos() > 0 && (len(g.heard) == 1 || codec.Matches(g.Subscriptions[i].Filter, topic)) {
			g.heard[i].Add(1)
		}
	}
	return 0
}

// takeCanary decodes a message that a gateway has sent itself: it is a point of a kind
// and place of its own, that of no device, and counts as a canary. That of another
// gateway, which hears this one's topics too, is only counted.
func (l *Loader) takeCanary(w *batchWork, i int, now time.Time) bool {
	it := &w.items[i]
	if it.redriven != nil {
		return false
	}
	c, ok := codec.ParseCanary(it.message.Topic, it.message.Payload)
	if !ok {
		return false
	}
	it.canary = c.Number
	_ = l.place(it) // in no locality is well for it
	if c.Gateway != it.sequence.Gateway {
		return true
	}
	// A clock that is wrong must not keep it from the store: it measures nothing.
	at := it.message.Received
	if at.After(now) || now.Sub(at) > l.Retention {
		at = now.Truncate(time.Millisecond)
	}
	locality := c.Locality
	if locality == "" {
		locality = telemetry.Locality(telemetry.PlatformSite)
	}
	it.stored = 1
	w.values = append(w.values, telemetry.Value{Spec: l.canaries.Metric([]byte(telemetry.CanaryNumber)), Number: float64(c.Number)})
	n := len(w.values)
	w.points = append(w.points, telemetry.Point{
		Series: telemetry.Series{Kind: telemetry.CanaryKind, Locality: locality, Site: telemetry.PlatformSite, Device: telemetry.Device(c.Gateway)},
		Time:   at, Values: w.values[n-1 : n : n],
	})
	w.owners = append(w.owners, i)
	l.Canaries.taken(it.sequence.Gateway, c.Number, at)
	return true
}

// follow notes how far a batch's canaries have come.
func (l *Loader) follow(w *batchWork, s stage) {
	if l.Canaries == nil {
		return
	}
	for i := range w.items {
		it := &w.items[i]
		switch {
		case it.canary == 0, it.stored == 0 && len(it.problems) == 0: // none, or another gateway's
		case len(it.problems) > 0:
			l.Canaries.refused(it.canary, it.problems[0].Detail)
		default:
			l.Canaries.mark(it.canary, s)
		}
	}
}

// Heard notes that a gateway without a session has a message. It returns its number if it
// is one of the gateway's canaries, else 0.
func (c *Canaries) Heard(gateway, topic string, payload []byte) uint64 {
	if c == nil {
		return 0
	}
	found, ok := codec.ParseCanary(topic, payload)
	if !ok || found.Gateway != gateway {
		return 0
	}
	c.mark(found.Number, stageDelivered)
	return found.Number
}

// Journalled notes the place that the journal has given a canary.
func (c *Canaries) Journalled(number uint64, at Place) { c.journalled(number, at.Epoch, at.First) }
