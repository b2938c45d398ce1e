package e2e_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// testdata/mqtt-nats.tar.gz is the data folder of a city of the last version whose MQTT
// listener was nats-server's. Its store was away and its journal of 1 MiB full: of 14,000
// readings of kh/nha-trang/air_quality/a1 that were acknowledged the journal holds 10,549,
// and the gateway's session the rest; of cam-ranh the journal has a status, retained, and a
// reading. The device pump-1, which is away, has three commands to come, and a watcher
// of kh/+/status/+ a status. It was killed.
const oldCity = "testdata/mqtt-nats.tar.gz"

// What an older version had acknowledged, this one stores, delivers and remembers, also
// where the journal has no room for it at first.
func TestTakeOver(t *testing.T) {
	long(t)
	t.Parallel()
	data := t.TempDir()
	unpack(t, oldCity, data)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", filepath.Join(data, "data"), "--mqtt", broker, "--durability", "process")
	up.ready()
	var sum balance
	eventually(t, patience, "all is accounted for", func() bool {
		r, ok := ledger(up)
		sum = r.total()
		return ok && sum.Queued == 0 && sum.Stored+sum.Quarantined >= 14002
	})
	// With the years they become too old for the store, and are quarantined.
	if sum = audit(t, up).total(); sum.Stored+sum.Quarantined != 14002 {
		t.Errorf("14,002 messages were acknowledged; the ledger has %v", sum)
	}
	for client, want := range map[string]string{"pump-1": "on 1,on 2,on 3", "watcher": "online"} {
		if got := waitingFor(t, broker, client, strings.Count(want, ",")+1); got != want {
			t.Errorf("%s gets %q, not %q", client, got, want)
		}
	}
	if got := retainedAt(t, broker, "kh/cam-ranh/status/a2"); got != "online" {
		t.Errorf("retained is %q", got)
	}
	eventually(t, patience, "the old broker's folder is gone", func() bool {
		_, err := os.Stat(filepath.Join(data, "data/broker/jetstream/MQTT"))
		return errors.Is(err, os.ErrNotExist)
	})
	up.kill()
	up.start()
	up.ready()
	if n, _ := gauge(up, "haidang_findings"); n > 0 {
		t.Errorf("%v are found after it:\n%s", n, up.tail())
	}
	if again := audit(t, up).total(); again.Stored != sum.Stored {
		t.Errorf("after another start the ledger has %v", again)
	}
}

// unpack unpacks a tar.gz.
func unpack(t *testing.T, path, dir string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = place(r, h, filepath.Join(dir, filepath.Clean("/"+h.Name)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func place(r io.Reader, h *tar.Header, path string) error {
	if h.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, 0o700)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// waitingFor is what waits for a client's session, so many messages.
func waitingFor(t *testing.T, broker, client string, n int) string {
	t.Helper()
	return payloadsOf(t, broker, n, func(o *mqtt.ClientOptions) { o.SetClientID(client).SetCleanSession(false) }, "")
}

// retainedAt is what a new subscriber of a topic gets.
func retainedAt(t *testing.T, broker, topic string) string {
	t.Helper()
	return payloadsOf(t, broker, 1, func(o *mqtt.ClientOptions) { o.SetClientID("visitor") }, topic)
}

// payloadsOf are the payloads of the first n messages that a client gets.
func payloadsOf(t *testing.T, broker string, n int, set func(*mqtt.ClientOptions), topic string) string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	o := mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, string(m.Payload()))
	})
	set(o)
	c := mqtt.NewClient(o)
	defer c.Disconnect(100)
	token := c.Connect()
	if token.WaitTimeout(patience) && token.Error() == nil && topic != "" {
		token = c.Subscribe(topic, 1, nil)
	}
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal("a client is not served: ", token.Error())
	}
	eventually(t, patience, "a client gets what waits for it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(all) >= n
	})
	mu.Lock()
	defer mu.Unlock()
	return strings.Join(all, ",")
}
