package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// A door alone looks after its data folder as a city does: what it remembers of its clients
// is backed up, comes back from there when it is gone, and that its count is lost is told.
func TestDoorAloneKeepsItsFolder(t *testing.T) {
	long(t)
	t.Parallel()
	data, broker := t.TempDir(), address(freePort(t))
	door := haidang(t, "door", "--journal", natsServer(t), "--data", data, "--mqtt", broker)
	door.ready()
	if code, body := door.get("/readyz"); code != 200 || !strings.Contains(body, `"durability"`) {
		t.Errorf("readiness is %d %s, and does not say the durability", code, body)
	}
	connect := func(id string) (mqtt.Client, bool) {
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetClientID(id).SetCleanSession(false).SetAutoReconnect(false))
		k := c.Connect().(*mqtt.ConnectToken)
		if !k.WaitTimeout(patience) || k.Error() != nil {
			t.Fatal(k.Error())
		}
		return c, k.SessionPresent()
	}
	sleeps, _ := connect("pump-1")
	if k := sleeps.Subscribe(commandTopic, 1, nil); !k.WaitTimeout(patience) || k.Error() != nil {
		t.Fatal(k.Error())
	}
	sleeps.Disconnect(250)
	if err := send(t, broker, "kh/nha-trang/air_quality/air-1", []byte(`{"pm25":1}`)); err != nil {
		t.Fatal(err)
	}
	backups := func() []string {
		all, err := filepath.Glob(filepath.Join(data, "backups", "sessions-*.db"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	eventually(t, patience, "there is a backup", func() bool { return len(backups()) > 0 })
	for _, path := range backups() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	door.stop()
	door.start() // one is due, now with the session
	door.ready()
	eventually(t, patience, "there is a backup", func() bool { return len(backups()) > 0 })
	door.kill()
	gone, err := filepath.Glob(filepath.Join(data, "door", "sessions.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(gone, filepath.Join(data, "gateways", "door.count")) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if out := run(t, patience, "check", "--data", data); out.code != 1 || !strings.Contains(out.stdout, "door/sessions.db") {
		t.Errorf("haidang check ends with %d: %s%s", out.code, out.stdout, out.stderr)
	}
	door.start()
	door.ready()
	_, metrics := door.get("/metrics")
	for _, rule := range []string{"damage-mended", "damage-count"} {
		if !strings.Contains(metrics, `haidang_findings{rule="`+rule+`"`) || !door.says("rule="+rule) {
			t.Errorf("%s is not told", rule)
		}
	}
	awake, present := connect("pump-1")
	if !present {
		t.Error("the session is not that of the backup")
	}
	awake.Disconnect(100)
}
