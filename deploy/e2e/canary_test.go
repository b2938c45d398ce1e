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
// is stopped, then the file that says which consumers a session has: a broker would
// acknowledge what devices send and throw it away, or keep it for ever. The start says
// so, joins them again before anyone can publish, and loses nothing.
func TestSessionWithoutItsConsumer(t *testing.T) {
	long(t)
	t.Parallel()
	data, broker := t.TempDir(), address(freePort(t))
	up := haidang(t, "up", "--data", data, "--mqtt", broker)
	up.ready()
	for n, file := range []string{"$MQTT_msgs/meta.inf", "$MQTT_sess/msgs/1.blk"} {
		up.stop()
		if err := os.Truncate(filepath.Join(data, "broker", "jetstream", "MQTT", "streams", file), 0); err != nil {
			t.Fatal(err)
		}
		up.start()
		up.ready()
		sendMany(t, broker, 2000, time.Now().Add(time.Duration(n-2)*time.Hour))
		eventually(t, patience, "all is stored", func() bool {
			l, ok := ledger(up)
			return ok && l.total().Stored == int64(2000*(n+1))
		})
		eventually(t, patience, "the damage is an alarm", func() bool {
			_, body := up.get("/api/v1/alarms?state=active")
			return strings.Count(body, `"rule":"damage-stream"`) == n+1 && !strings.Contains(body, `"rule":"door-loss"`)
		})
	}
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
