package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// missed waits until /readyz says that a gateway's message to itself stands somewhere;
// the three minutes of patience are those within which it is to.
func missed(t *testing.T, p *process, gateway, where string) {
	t.Helper()
	eventually(t, patience, p.name+" misses the canary of "+gateway, func() bool {
		code, body := p.get("/readyz")
		return code == 503 && strings.Contains(body, `"canary `+gateway+`"`) && strings.Contains(body, where)
	})
}

// sendMany publishes readings of a device with QoS 1, one a millisecond from a time on, and
// returns once all are acknowledged.
func sendMany(t *testing.T, broker string, n int, from time.Time) {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("aq-1"))
	if token := c.Connect(); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("connect: %v", token.Error())
	}
	defer c.Disconnect(100)
	for i := range n {
		token := c.Publish("kh/nha-trang/air_quality/aq-1", 1, false, fmt.Sprintf(`{"ts":%d,"pm25":%d}`, from.UnixMilli()+int64(i), i%500))
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("publish reading %d: %v", i, token.Error())
		}
	}
}

// The file that says which messages the broker keeps for whom is emptied while the city
// is stopped: the broker then acknowledges what devices send and throws it away, and
// the ledger balances. The canary says so, the gateway mends it, and the loss stays an
// alarm.
func TestSessionWithoutItsConsumer(t *testing.T) {
	long(t)
	t.Parallel()
	data, broker := t.TempDir(), address(freePort(t))
	up := haidang(t, "up", "--data", data, "--mqtt", broker)
	up.ready()
	up.stop()
	kept := filepath.Join(data, "broker", "jetstream", "MQTT", "streams", "$MQTT_msgs", "meta.inf")
	if err := os.Truncate(kept, 0); err != nil {
		t.Fatal(err)
	}
	up.start()
	up.ready()
	began := time.Now()
	sendMany(t, broker, 2000, began.Add(-time.Hour))
	if l, ok := ledger(up); ok && l.total().Stored > 0 {
		t.Fatalf("the damage is none: %+v", l.total())
	}
	missed(t, up, "nha-trang", "does not deliver it back")
	t.Logf("missed after %v", time.Since(began))
	eventually(t, patience, "it is an alarm", func() bool {
		_, body := up.get("/api/v1/alarms?state=all") // it may be over soon
		return strings.Contains(body, `"rule":"canary"`)
	})
	up.ready()
	if !up.says("subscribing anew", "nha-trang") {
		t.Error("the gateway does not say that it subscribes anew")
	}
	sendMany(t, broker, 100, time.Now().Add(-time.Minute))
	eventually(t, patience, "what is sent now is stored", func() bool {
		l, ok := ledger(up)
		return ok && l.total().Stored == 100
	})
	eventually(t, patience, "the loss is an alarm", func() bool {
		_, body := up.get("/api/v1/alarms?state=active")
		return strings.Contains(body, `"rule":"canary-loss"`) && !strings.Contains(body, `"rule":"canary"`)
	})
	up.stop()
}

// A loader is held while gateways and journal go on: it cannot say so itself, but the
// gateways' process does. Then the gateways are gone, and the loader's misses them.
func TestPartsThatStandStill(t *testing.T) {
	long(t)
	t.Parallel()
	broker, journal := realserver.Mosquitto(t, realserver.MosquittoOptions{}), natsServer(t)
	gateway := haidang(t, "gateway", "--broker", "tcp://"+broker.Address, "--journal", journal)
	loader := haidang(t, "loader", "--journal", journal, "--data", t.TempDir())
	gateway.ready()
	loader.ready()
	eventually(t, patience, "canaries of all gateways are counted", func() bool {
		l, ok := ledger(loader)
		return ok && l.total().Canary >= 4
	})
	if err := loader.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	missed(t, gateway, "cam-ranh", "the loader does not take it")
	t.Logf("the loader is missed after %v", time.Since(began))
	if err := loader.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	gateway.ready()
	loader.ready()
	gateway.stop()
	began = time.Now()
	missed(t, loader, "cam-ranh", "comes into the journal")
	t.Logf("the gateways are missed after %v", time.Since(began))
	gateway.start()
	gateway.ready()
	loader.ready()
	if r := audit(t, loader).total(); r.Received != r.Canary+r.Queued {
		t.Errorf("nothing but canaries came, the ledger has %+v", r)
	}
}
