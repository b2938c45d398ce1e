package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
)

// Counting at the door keeps no message: what the gateway has acknowledged leaves the
// broker's stream, and so its disk, through a restart too.
func TestDoorKeepsNoMessages(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		published := doorRound(t, dir, round)
		if published != uint64(200*(round+1)) {
			t.Errorf("after round %d the door has counted %d messages", round, published)
		}
	}
}

// doorRound starts a broker, lets a gateway take 200 messages, and waits until none of
// them is kept.
func doorRound(t *testing.T, dir string, round int) (counted uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	b, err := Start(ctx, Options{Dir: dir, MQTTAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	d, err := b.OpenDoor(ctx, []Entrance{{Gateway: "nha-trang", ClientID: "gateway", Filters: []string{"kh/nha-trang/#"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	client := func(id string) mqtt.Client {
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(b.MQTTURL()).SetClientID(id).SetCleanSession(false).SetOrderMatters(false))
		if token := c.Connect(); token.Wait() && token.Error() != nil {
			t.Fatal(token.Error())
		}
		return c
	}
	gateway, device := client("gateway"), client("device")
	defer gateway.Disconnect(100)
	defer device.Disconnect(100)
	if token := gateway.Subscribe("kh/nha-trang/#", 1, func(mqtt.Client, mqtt.Message) {}); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	for i := range 200 {
		if token := device.Publish("kh/nha-trang/weather/d1", 1, false, fmt.Sprint(round, i)); token.Wait() && token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	for {
		var found server.JSApiStreamInfoResponse
		if err := d.ask(ctx, fmt.Sprintf(server.JSApiStreamInfoT, messageStream), nil, &found, &found.ApiResponse); err != nil {
			t.Fatalf("%v; at last the broker kept %+v", err, found.StreamInfo)
		}
		count, err := d.Passed(ctx, "nha-trang")
		if err != nil {
			t.Fatal(err)
		}
		counted = 0
		for _, c := range count.Counters { // of a filter's parent and of what is below it
			counted += c.Accepted
		}
		if found.State.Msgs == 0 {
			return counted
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the broker keeps %d of the messages", found.State.Msgs)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
