package ingest_test

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// foreign is a broker that is another program, with what its operator can do to it.
type foreign struct {
	url               string
	stop, kill, start func()
}

// foreignBroker is the broker of HAIDANG_TEST_BROKER (mqtt://HOST:PORT), with shell commands that
// stop it, kill it with SIGKILL and start it until it listens; or a Mosquitto with the settings
// of docs/brokers.md, which also has the table of what was measured with the others.
func foreignBroker(t *testing.T) foreign {
	url := os.Getenv("HAIDANG_TEST_BROKER")
	if url == "" {
		m := realserver.Mosquitto(t, realserver.MosquittoOptions{})
		return foreign{m.URL, m.Stop, m.Kill, m.Start}
	}
	shell := func(name string) func() {
		return func() {
			t.Helper()
			if out, err := exec.Command("sh", "-c", os.Getenv(name)).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
	}
	return foreign{url, shell("HAIDANG_TEST_BROKER_STOP"), shell("HAIDANG_TEST_BROKER_KILL"), shell("HAIDANG_TEST_BROKER_START")}
}

// TestForeignBroker counts what a foreign broker has lost of 5,000 messages that it had
// acknowledged: while the gateway was away, over a restart in order, killed right after
// its last PUBACK, and killed in the middle of everything.
func TestForeignBroker(t *testing.T) {
	messages := 5000
	if n, err := strconv.Atoi(os.Getenv("HAIDANG_TEST_BROKER_MESSAGES")); err == nil {
		messages = n
	}
	f := foreignBroker(t)
	elsewhere := os.Getenv("HAIDANG_TEST_BROKER") != ""
	for i, trial := range []struct {
		name string
		// present says that the gateway takes messages meanwhile; mayLose, that
		// Mosquitto may lose what it had acknowledged since it saved last.
		present, mayLose bool
		happens          func()
	}{
		{"gateway away", false, false, func() {}},
		{"restart", false, false, func() { f.stop(); f.start() }},
		{"killed after the last PUBACK", false, true, func() { f.kill(); f.start() }},
		{"killed under way", true, true, func() { f.kill(); f.start() }},
	} {
		t.Run(trial.name, func(t *testing.T) {
			c := newCity(t)
			c.load()
			g := c.gateway(f.url)
			stop := c.run(g.Run)
			c.eventually("the gateway is connected", func() bool { return g.State().Connected })
			if elsewhere {
				c.quiet(0) // what an earlier trial has left
			}
			before := c.received() // of an earlier trial, as a broker that was killed gives again
			if !trial.present {
				stop()
			}
			p := newPublisher(t, f.url)
			p.start -= int64(i) * time.Hour.Milliseconds() // no trial has another one's readings
			began := time.Now()
			p.publish(messages)
			if trial.present {
				c.within(5*time.Minute, "half is acknowledged", func() bool { return int(p.acked.Load()) >= messages/2 })
				trial.happens()
			}
			c.within(5*time.Minute, "all published messages are acknowledged", func() bool { return int(p.acked.Load()) == p.sent })
			t.Logf("acknowledged %d in %v", p.sent, time.Since(began).Round(time.Millisecond))
			if !trial.present {
				trial.happens()
				c.run(c.gateway(f.url).Run)
			}
			c.quiet(before + uint64(messages))
			stored := 0
			for at := range c.samples("air_quality_seq") {
				if at >= p.start && at < p.start+int64(messages) {
					stored++
				}
			}
			lost := messages - stored
			t.Logf("%s: acknowledged %d, stored %d, lost %d", trial.name, messages, stored, lost)
			if lost > 0 && (elsewhere || !trial.mayLose) {
				t.Errorf("%d of %d acknowledged messages are lost", lost, messages)
			}
		})
	}
}

// received is how many messages are counted, of which none waits for the store.
func (c *city) received() (n uint64) {
	for _, b := range c.report().Gateways {
		n += b.Received - b.Queued
	}
	return n
}

// quiet waits until as many messages are dealt with as are expected or, if they do not
// come, nothing has come for three seconds.
func (c *city) quiet(expected uint64) {
	c.t.Helper()
	last, since := uint64(0), time.Now()
	c.within(5*time.Minute, "nothing comes any more", func() bool {
		if now := c.received(); now != last || value(c.t, c.registry, "haidang_gateway_connected") != 1 {
			last, since = now, time.Now()
		}
		return expected > 0 && last == expected || time.Since(since) > 3*time.Second
	})
}
