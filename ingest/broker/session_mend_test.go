package broker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
)

// TestSessionIsMended: a gateway's session and the consumers that keep its messages are
// in different files. Whichever are damaged or gone, what the broker still had comes to the
// gateway, what is published after the start too, and nothing stays for ever.
func TestSessionIsMended(t *testing.T) {
	empty := func(pattern ...string) func(*testing.T, string) {
		return func(t *testing.T, streams string) {
			files, err := filepath.Glob(filepath.Join(append([]string{streams}, pattern...)...))
			if err != nil || len(files) == 0 {
				t.Fatalf("nothing to damage: %v", err)
			}
			for _, f := range files {
				if err := os.Truncate(f, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	remove := func(path ...string) func(*testing.T, string) {
		return func(t *testing.T, streams string) {
			if err := os.RemoveAll(filepath.Join(append([]string{streams}, path...)...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const waiting, later = 50, 60
	for name, damage := range map[string]func(*testing.T, string){
		"nothing":                      func(*testing.T, string) {},
		"the consumers are gone":       remove(messageStream, "obs"),
		"the consumers cannot be read": empty(messageStream, "obs", "*", "meta.inf"),
		"the messages' stream cannot":  empty(messageStream, "meta.inf"),
		"the sessions are gone":        remove(sessionStream),
		"the sessions cannot be read":  empty(sessionStream, "meta.inf"),
		"the sessions are empty":       empty(sessionStream, "msgs", "*"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := startMended(t, dir)
			gateway := r.client("gateway", nil)
			if token := gateway.Subscribe("kh/nha-trang/#", 1, nil); token.Wait() && token.Error() != nil {
				t.Fatal(token.Error())
			}
			gateway.Disconnect(100)
			r.publish(waiting)
			r.close()
			damage(t, filepath.Join(dir, "jetstream", mqttAccount, "streams"))

			r = startMended(t, dir)
			defer r.close()
			r.publish(later) // before the gateway is back
			var came atomic.Int64
			gateway = r.client("gateway", func(mqtt.Client, mqtt.Message) { came.Add(1) })
			defer gateway.Disconnect(100)
			if token := gateway.Subscribe("kh/nha-trang/#", 1, nil); token.Wait() && token.Error() != nil {
				t.Fatal(token.Error())
			}
			r.drained()
			if n := came.Load(); n != waiting+later {
				t.Errorf("%d messages came, want %d", n, waiting+later)
			}
		})
	}
}

// mendedBroker is a broker whose door has looked after the session of a gateway.
type mendedBroker struct {
	t *testing.T
	b *Broker
	d *Door
}

func startMended(t *testing.T, dir string) mendedBroker {
	t.Helper()
	b, err := Start(t.Context(), Options{Dir: dir, MQTTAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.OpenDoor(t.Context(), []Entrance{{Gateway: "nha-trang", ClientID: "gateway", Filters: []string{"kh/nha-trang/#"}}})
	if err != nil {
		t.Fatal(err)
	}
	return mendedBroker{t, b, d}
}

func (r mendedBroker) close() {
	r.d.Close()
	if err := r.b.Close(context.Background()); err != nil {
		r.t.Error(err)
	}
}

func (r mendedBroker) client(id string, handle mqtt.MessageHandler) mqtt.Client {
	r.t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(r.b.MQTTURL()).SetClientID(id).SetCleanSession(false).SetDefaultPublishHandler(handle))
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		r.t.Fatal(token.Error())
	}
	return c
}

func (r mendedBroker) publish(n int) {
	r.t.Helper()
	device := r.client("device", nil)
	defer device.Disconnect(100)
	for i := range n {
		if token := device.Publish("kh/nha-trang/weather/d1", 1, false, fmt.Sprint(n, i)); token.Wait() && token.Error() != nil {
			r.t.Fatal(token.Error())
		}
	}
}

// drained waits until the broker keeps no message.
func (r mendedBroker) drained() {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		var found server.JSApiStreamInfoResponse
		if err := r.d.ask(r.t.Context(), fmt.Sprintf(server.JSApiStreamInfoT, messageStream), nil, &found, &found.ApiResponse); err != nil {
			r.t.Fatal(err)
		}
		if found.State.Msgs == 0 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the broker keeps %d messages", found.State.Msgs)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestDoorCountsAnew: where the stream is made anew the count at the door begins from 0.
// The server would give a new consumer the count of the one before, and who adds up what
// was counted before and since would have it twice.
func TestDoorCountsAnew(t *testing.T) {
	for _, file := range []string{"meta.inf", "obs/*/meta.inf"} {
		dir := t.TempDir()
		r := startMended(t, dir)
		r.publish(70)
		r.close()
		stream := filepath.Join(dir, "jetstream", mqttAccount, "streams", messageStream)
		files, err := filepath.Glob(filepath.Join(stream, file))
		if err != nil || len(files) == 0 {
			t.Fatalf("nothing to damage: %v", err)
		}
		for _, f := range files {
			if err := os.Truncate(f, 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Inspect(dir, t.TempDir(), true); err != nil {
			t.Fatal(err)
		}
		r = startMended(t, dir)
		r.publish(5)
		count, err := r.d.Passed(t.Context(), "nha-trang")
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		for _, c := range count.Counters {
			n += c.Accepted
		}
		if n != 5 {
			t.Errorf("%s damaged: the door has counted %d messages, want 5", file, n)
		}
		r.close()
	}
}
