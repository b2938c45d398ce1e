package ingest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
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
// stop it, kill it with SIGKILL and start it until it listens; or a Mosquitto that keeps
// everything. docs/brokers.md has the table of what was measured with others.
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
		// present says that the gateway takes messages meanwhile, dies that the broker is
		// killed, which no Mosquitto lives through without loss.
		present, dies bool
		happens       func()
	}{
		{"gateway away", false, false, func() {}},
		{"restart", false, false, func() { f.stop(); f.start() }},
		{"killed after the last PUBACK", false, true, func() { f.kill(); f.start() }},
		{"killed under way", true, true, func() { f.kill(); f.start() }},
	} {
		if trial.dies && !elsewhere {
			continue
		}
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
			acked := p.publishNoting(messages)
			if trial.present {
				c.within(5*time.Minute, "half is acknowledged", func() bool { return count(acked) >= messages/2 })
				trial.happens()
			}
			p.awaitAcks(acked)
			if !trial.present {
				trial.happens()
				c.run(c.gateway(f.url).Run)
			}
			c.quiet(before + uint64(messages))
			there, stored, lost := c.samples("air_quality_seq"), 0, 0
			for n := range acked {
				if _, ok := there[p.start+int64(n)]; ok {
					stored++
				} else if acked[n].Load() {
					lost++
				}
			}
			t.Logf("%s: acknowledged %d, stored %d, lost %d", trial.name, count(acked), stored, lost)
			if lost > 0 {
				t.Errorf("%d of %d acknowledged messages are lost", lost, count(acked))
			}
		})
	}
}

// publishNoting publishes n readings and notes which of them are acknowledged.
func (p *publisher) publishNoting(n int) []atomic.Bool {
	acked := make([]atomic.Bool, n)
	for i := range acked {
		token := p.client.Publish(airTopic, 1, false, fmt.Sprintf(`{"ts":%d,"pm25":%d,"seq":%d}`, p.start+int64(i), i%1000, i))
		go func() {
			if token.Wait() && token.Error() == nil {
				acked[i].Store(true)
			}
		}()
	}
	return acked
}

// awaitAcks waits until all are acknowledged or none has been for twenty seconds: over a
// broker's death the client forgets some, which then count for nothing.
func (p *publisher) awaitAcks(acked []atomic.Bool) {
	for last, since := -1, time.Now(); last < len(acked) && time.Since(since) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		if now := count(acked); now != last {
			last, since = now, time.Now()
		}
	}
}

func count(all []atomic.Bool) (n int) {
	for i := range all {
		if all[i].Load() {
			n++
		}
	}
	return n
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
