package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// damagedReadings is how many are published after each damage.
const damagedReadings = 400

// damaged is a city that is damaged again and again.
type damaged struct {
	t      *testing.T
	city   *process // which has the ledger
	gate   *process // which has the gateways
	broker string
	sent   int // readings that have their PUBACK
}

// publish publishes readings and waits until all that ever were are stored: once,
// every one that came after the damage was dropped as seen already.
func (d *damaged) publish() {
	d.t.Helper()
	pub := publish(d.t, d.broker, 1000, false)
	pub.progress(damagedReadings)
	d.sent += len(pub.finish())
	eventually(d.t, patience, fmt.Sprintf("all %d readings are stored", d.sent), func() bool {
		r, ok := ledger(d.city)
		return ok && r.total().Queued == 0 && embedded(d.city)(d.t, "air_quality", "temperature").count()+embedded(d.city)(d.t, "weather", "temperature").count() == d.sent
	})
}

// listening waits until the door or the gateways take messages, also where the city is
// not ready.
func (d *damaged) listening() {
	d.t.Helper()
	eventually(d.t, patience, "the gateways take messages", func() bool {
		var body struct {
			Checks []struct{ Name, Problem string }
		}
		_, text := d.gate.get("/readyz")
		if json.Unmarshal([]byte(text), &body) != nil {
			return false
		}
		gateways := 0
		for _, c := range body.Checks {
			if strings.HasPrefix(c.Name, "gateway ") && c.Problem == "" {
				gateways++
			}
			if c.Name == "door" && c.Problem == "" {
				return true
			}
		}
		return gateways == 4
	})
}

// told waits until one of the rules is an alarm of every gateway and turns /readyz red,
// and acknowledges what there is, which turns it green.
func (d *damaged) told(rule string) {
	d.t.Helper()
	eventually(d.t, patience, rule+" turns /readyz red", func() bool {
		code, body := d.city.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, rule)
	})
	eventually(d.t, patience, rule+" is acknowledged, and the city is ready", func() bool {
		var page struct {
			Alarms []struct {
				ID       int64
				Rule     string
				NotReady bool `json:"not_ready"`
			}
		}
		_, body := d.city.get("/api/v1/alarms?state=active")
		if json.Unmarshal([]byte(body), &page) != nil {
			return false
		}
		for _, a := range page.Alarms {
			answer, err := http.Post(fmt.Sprintf("%s/api/v1/alarms/%d/acknowledge", d.city.url, a.ID), "application/json", strings.NewReader(`{"note":"đã xem"}`))
			if err == nil {
				answer.Body.Close() // one that has been acknowledged is a conflict
			}
		}
		return d.city.isReady()
	})
}

// The journal's folder is deleted, and put back from an older copy, under a ledger
// that has gone on; its noted positions are deleted. Whatever comes after is stored,
// and the damage is told.
func TestDamagedJournal(t *testing.T) {
	long(t)
	t.Parallel()
	data, copied := t.TempDir(), t.TempDir()
	d := &damaged{t: t, broker: address(freePort(t))}
	d.city = haidang(t, "up", "--data", data, "--mqtt", d.broker)
	d.gate = d.city
	folder := filepath.Join(data, "broker")
	d.city.ready()
	d.publish()
	for _, k := range []struct {
		rule   string
		damage func() error
	}{
		{"", func() error { return os.CopyFS(copied, os.DirFS(folder)) }},
		{"journal-behind", func() error {
			if err := os.RemoveAll(folder); err != nil {
				return err
			}
			return os.CopyFS(folder, os.DirFS(copied))
		}},
		{"journal-replaced", func() error { return os.RemoveAll(folder) }},
		{"journal-behind", func() error {
			found, err := filepath.Glob(filepath.Join(folder, "jetstream", "*", "streams", "KV_HAIDANG_POSITIONS"))
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("the bucket of positions is not there: %v", found)
			}
			if err != nil {
				return err
			}
			return os.RemoveAll(found[0])
		}},
	} {
		d.city.stop()
		if err := k.damage(); err != nil {
			t.Fatal(err)
		}
		d.city.start()
		d.listening()
		d.publish()
		if k.rule != "" {
			d.told(k.rule)
		}
	}
	audit(t, d.city) // nothing waited in what was damaged, so nothing is missing
	d.city.stop()
}

// The stream of an external journal is deleted, and then its bucket, under a running
// gateway and loader: both are made anew, and all that comes is stored.
func TestDeletedJournalOfRunningParts(t *testing.T) {
	long(t)
	t.Parallel()
	m := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	server := natsServer(t)
	d := &damaged{t: t, broker: m.Address,
		gate: haidang(t, "gateway", "--broker", "tcp://"+m.Address, "--journal", server),
		city: haidang(t, "loader", "--journal", server, "--data", t.TempDir())}
	d.gate.ready()
	d.city.ready()
	d.publish()
	conn, err := nats.Connect(server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"HAIDANG_JOURNAL", "KV_HAIDANG_POSITIONS"} {
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		d.publish()
	}
	audit(t, d.city)
	d.gate.stop()
	d.city.stop()
}
