package broker_test

import (
	"context"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest/broker"
)

// Whatever a real MQTT client publishes, the journal's streams and the server's
// own streams for MQTT stay as they are.
func TestMQTTClientsCannotReachJournal(t *testing.T) {
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0"})
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	nc, err := b.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "J", Subjects: []string{"haidang.journal.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "haidang.journal.x", []byte("record")); err != nil {
		t.Fatal(err)
	}
	leaked, err := nc.SubscribeSync("haidang.>")
	if err != nil {
		t.Fatal(err)
	}
	got := subscribe(t, client(t, b, "gateway"), "kh/#")

	attacker := client(t, b, "attacker")
	for _, topic := range []string{
		"$JS/API/STREAM/DELETE/J", "$JS/API/STREAM/PURGE/J", "$JS/API/STREAM/DELETE/$MQTT_msgs",
		"$JS/API/STREAM/DELETE/$MQTT_sess", "$JS/API/STREAM/PURGE/$MQTT_msgs",
		"$MQTT/sess/x", "$MQTT/msgs/kh/forged", "$SYS/REQ/SERVER/PING",
		"haidang/journal/x", "$KV/HAIDANG_POSITIONS/x",
	} {
		for qos := range byte(2) {
			wait(t, attacker.Publish(topic, qos, false, "{}"))
		}
	}
	// What follows on the same connection is handled after the attacks.
	wait(t, attacker.Publish("kh/after", 1, false, "still here"))
	if m := receive(t, got); m.Topic() != "kh/after" {
		t.Errorf("received %q", m.Topic())
	}
	if info, err := stream.Info(ctx); err != nil || info.State.Msgs != 1 {
		t.Errorf("journal stream: %+v, %v", info, err)
	}
	if m, err := leaked.NextMsg(50 * time.Millisecond); err == nil {
		t.Errorf("an MQTT publish reached the journal's account: %s", m.Subject)
	}
	// The sessions and messages of MQTT are still stored: a late subscriber with
	// a session gets what was published while it was away.
	wait(t, attacker.Publish("kh/last", 1, false, "x"))
	if m := receive(t, got); m.Topic() != "kh/last" {
		t.Errorf("received %q", m.Topic())
	}
}

// The journal's account is for this process: over the network it does not exist,
// with or without its user's name.
func TestJournalUserIsNotForMQTT(t *testing.T) {
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0"})
	o := mqtt.NewClientOptions().AddBroker(b.MQTTURL()).SetClientID("x").SetAutoReconnect(false).
		SetProtocolVersion(4).SetUsername("journal").SetPassword("")
	c := mqtt.NewClient(o)
	token := c.Connect()
	if !token.WaitTimeout(deadline) {
		t.Fatal("no answer")
	}
	if token.Error() == nil {
		t.Fatal("an MQTT client entered the journal's account")
	}
	c.Disconnect(0)
	if nc, err := nats.Connect("", nats.InProcessServer(b)); err == nil {
		nc.Close()
		t.Fatal("entered without the password")
	}
}

// Subscribing to the server's internals is refused with SUBACK 0x80.
func TestInternalFiltersAreRefused(t *testing.T) {
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0"})
	c := client(t, b, "nosy")
	for _, filter := range []string{"$JS/#", "$SYS/#", "$MQTT/sub/#"} {
		token := c.Subscribe(filter, 1, func(mqtt.Client, mqtt.Message) {})
		if !token.WaitTimeout(deadline) {
			t.Fatal("no answer")
		}
		if code := token.(*mqtt.SubscribeToken).Result()[filter]; code != 0x80 {
			t.Errorf("%s: SUBACK %#x", filter, code)
		}
	}
}
