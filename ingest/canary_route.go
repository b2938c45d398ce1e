package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Route is the way of a locality's messages through a gateway that has no session at a
// broker: the door. Its canary comes as a device's message does, by a connection to the
// door's own listener:
//
//	publish ─► delivered ─► journal ─► taken ─► written ─► counted ─► read back
//	    └───── acknowledged ◄──┘
//
// The acknowledgement comes after the journal, so a canary that is read back and was never
// acknowledged is found too.
type Route struct {
	Gateway  string
	Locality telemetry.Locality
	// Topic is where the canary goes.
	Topic string
	// Send publishes with QoS 1 and returns when it is acknowledged, or why it was not.
	Send func(ctx context.Context, topic string, payload []byte) error
	// State is the gateway as health checks report it, Passed how many messages it has
	// brought into the journal: what stands behind others that get on is late, not lost.
	State  func() GatewayState
	Passed func() uint64
}

// DoorRoute is the route of a locality through a gateway.
func DoorRoute(gateway string, l telemetry.Locality) Route {
	topic, _ := codec.CanaryTopic(TopicsOf(l)+"#", gateway) // with a wildcard there always is one
	return Route{Gateway: gateway, Locality: l, Topic: topic}
}

func (r *Route) path(now time.Time) *path {
	return &path{route: r, name: r.Gateway, locality: r.Locality, filter: TopicsOf(r.Locality) + "#", topic: r.Topic, lastGood: now, note: "not sent yet"}
}

// elsewhere says that the gateway is in another process.
func (p *path) elsewhere() bool { return p.gateway == nil && p.route == nil }

// own says that the canary is let through for certain.
func (p *path) own() bool { return p.route != nil }

// state is what is wrong with the gateway already; empty if nothing is known.
func (p *path) state() string {
	switch {
	case p.route != nil:
		return p.route.State().Detail
	case p.gateway != nil:
		return p.gateway.State().Detail
	}
	return ""
}

// passed is how many messages have come through the path.
func (p *path) passed() uint64 {
	if p.route != nil {
		return p.route.Passed()
	}
	return p.gateway.heard[p.subscription].Load()
}

// shown is the path's name in health checks.
func (p *path) shown() string {
	if p.route != nil {
		return p.name + " (" + string(p.locality) + ")"
	}
	return p.name
}

// who names the path in both languages.
func (p *path) who() (vi, en string) {
	if p.route != nil {
		return fmt.Sprintf("Cửa nhận tin (%s)", p.locality), fmt.Sprintf("The door (%s)", p.locality)
	}
	return "Cổng thu " + p.name, "Gateway " + p.name
}

// standing is what it means that a canary of the path stands at a stage.
func (p *path) standing(s stage) standing {
	if own, ok := doorStandings()[s]; ok && p.route != nil {
		return own
	}
	return standings()[s]
}

// doorStandings are the stages that mean something else where nobody is between.
func doorStandings() map[stage]standing {
	return map[stage]standing{
		stageSent: {
			"đã gửi, nhưng cửa nhận tin không nhận", "sent, but the door does not take it",
			"Cổng MQTT của haidang không trả lời: xem nhật ký vận hành, số kết nối và số tệp đang mở của tiến trình; rồi khởi động lại haidang.",
			"The MQTT listener of haidang does not answer: look into its log, at its connections and open files; then start haidang again."},
		stageAcked: {
			"cửa nhận tin đã xác nhận, nhưng không đưa vào hàng chờ: bản tin của thiết bị cũng có thể đã mất", "acknowledged by the door, which has not taken it: what devices send may be lost too",
			"Chạy haidang audit; giữ nhật ký vận hành, khởi động lại haidang và báo lỗi cho người phát triển.",
			"Run haidang audit; keep the log, start haidang again and tell its developers."},
		stageDelivered: {
			"đã đến cửa nhận tin, nhưng không vào được hàng chờ", "taken by the door, but not in the journal",
			"Kiểm tra hàng chờ (/readyz) và ổ đĩa của nó; xem nhật ký vận hành của haidang.",
			"Look at the journal (/readyz) and its disk, and into haidang's log."},
		stageUnanswered: {
			"đã vào kho dữ liệu, nhưng cửa nhận tin không gửi xác nhận: thiết bị phải gửi lại mãi", "in the store, but the door does not acknowledge it: devices have to send again and again",
			"Kiểm tra ổ đĩa của --data (tệp door/sessions.db) và nhật ký vận hành; rồi khởi động lại haidang.",
			"Look at the disk of --data (the file door/sessions.db) and into the log; then start haidang again."},
	}
}

// sendBy sends a canary by a route. It waits for nothing.
func (c *Canaries) sendBy(r *Route, number uint64) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*c.Every)
		defer cancel()
		if err := r.Send(ctx, r.Topic, codec.CanaryPayload(number)); err != nil {
			c.Logger.Debug("a canary was not acknowledged", "topic", r.Topic, "error", err)
			return
		}
		c.mu.Lock()
		if _, f := c.find(number); f != nil {
			f.answered = true
		}
		c.mu.Unlock()
		c.mark(number, stageAcked)
	}()
}

// Sender is the connection by which canaries go to the door: a client like any other. It
// keeps none for after a lost connection, and connects when something is sent.
type Sender struct {
	// Broker is where to connect, and as whom.
	Broker Broker
	Logger *slog.Logger

	mu     sync.Mutex
	client mqtt.Client
}

// Send publishes with QoS 1 and returns when it is acknowledged, or why it was not.
func (s *Sender) Send(ctx context.Context, topic string, payload []byte) error {
	client, err := s.connected(ctx)
	if err != nil {
		return err
	}
	token := client.Publish(topic, 1, false, payload)
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		s.Close() // what is stuck goes with its connection
		return ctx.Err()
	}
}

// connected is the client, connected.
func (s *Sender) connected(ctx context.Context) (mqtt.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil && s.client.IsConnectionOpen() {
		return s.client, nil
	}
	if s.client != nil {
		s.client.Disconnect(0)
	}
	o := mqtt.NewClientOptions().AddBroker(s.Broker.URL).SetClientID(s.Broker.ClientID).SetUsername(s.Broker.Username).SetPassword(s.Broker.Password)
	o.SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second).SetKeepAlive(30 * time.Second)
	o.SetStore(forgetful{mqtt.NewMemoryStore()})
	s.client = mqtt.NewClient(o)
	token := s.client.Connect()
	select {
	case <-token.Done():
		return s.client, token.Error()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the connection.
func (s *Sender) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.Disconnect(0)
		s.client = nil
	}
}
