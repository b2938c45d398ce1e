package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// The process that is everything is killed again and again under load, by clients of
// MQTT 3.1.1 and 5 that publish with QoS 1 and 2: every reading that was acknowledged is
// in the store exactly once, and every command with the device that sleeps in between.
func TestKilledUp(t *testing.T) {
	long(t)
	t.Parallel()
	killedUp(t, killRounds(t, 20), 3000, "--durability", "process")
}

// The same where every message is synced to the disk first.
func TestKilledUpWithDurabilityPower(t *testing.T) {
	long(t)
	t.Parallel()
	killedUp(t, killRounds(t, 5), 1000, "--durability", "power")
}

// killRounds is how often: as HAIDANG_KILL_ROUNDS says, else as usual.
func killRounds(t *testing.T, usual int) int {
	t.Helper()
	return times(t, "HAIDANG_KILL_ROUNDS", usual)
}

func killedUp(t *testing.T, rounds, rate int, more ...string) {
	broker := address(freePort(t))
	up := haidang(t, "up", append([]string{"--data", t.TempDir(), "--mqtt", broker}, more...)...)
	t.Logf("up is ready after %v", up.ready())
	commands := command(t, broker)
	pubs := []*publisher{publish(t, broker, rate, true)}
	for name, how := range map[string]dialed{"publisher-5-1": {5, 1}, "publisher-4-2": {4, 2}, "publisher-5-2": {5, 2}} {
		pubs = append(pubs, publishAs(t, broker, name, how, rate/10, false))
	}
	killed(t, chance(t), up, pubs[0], rounds)
	for _, pub := range pubs {
		pub.progress(10)
	}
	commands.check()
	proveAll(t, up, embedded(up), pubs...)
	t.Logf("up has stopped after %v", up.stop())
}

// The gateways' process is killed; broker, journal and loader go on.
func TestKilledGateway(t *testing.T) {
	long(t)
	t.Parallel()
	p := startParts(t)
	killed(t, chance(t), p.gateway, p.publisher, 20)
	p.prove(t)
}

// The loader's process is killed; broker, gateways and journal go on.
func TestKilledLoader(t *testing.T) {
	long(t)
	t.Parallel()
	p := startParts(t)
	killed(t, chance(t), p.loader, p.publisher, 20)
	p.prove(t)
}

// parts is a city of separate processes under load.
type parts struct {
	gateway, loader *process
	publisher       *publisher
}

// startParts starts Mosquitto, a NATS server, gateways, a loader and a
// publisher.
func startParts(t *testing.T) *parts {
	t.Helper()
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	journal := natsServer(t)
	p := &parts{
		gateway: haidang(t, "gateway", "--broker", "tcp://"+broker.Address, "--journal", journal),
		loader:  haidang(t, "loader", "--journal", journal, "--data", t.TempDir()),
	}
	// The gateways' first subscription begins their sessions: what is published
	// before has nobody to go to.
	t.Logf("gateway is ready after %v, loader after %v", p.gateway.ready(), p.loader.ready())
	p.publisher = publish(t, broker.Address, 3000, true)
	return p
}

// prove proves that nothing is lost, and that both stop in order.
func (p *parts) prove(t *testing.T) {
	t.Helper()
	prove(t, p.loader, p.publisher, embedded(p.loader))
	t.Logf("gateway has stopped after %v, loader after %v", p.gateway.stop(), p.loader.stop())
}

// killed kills the victim at random moments and starts it again each time: most
// moments are in its work, some in its start.
func killed(t *testing.T, chance *rand.Rand, victim *process, pub *publisher, rounds int) {
	t.Helper()
	var slowest time.Duration
	early := 0
	for range rounds {
		if chance.IntN(4) > 0 {
			slowest = max(slowest, victim.ready())
			pub.progress(1 + chance.IntN(100))
		} else {
			early++
		}
		time.Sleep(time.Duration(chance.Int64N(int64(time.Second))))
		victim.kill()
		victim.start()
	}
	slowest = max(slowest, victim.ready())
	pub.progress(100)
	t.Logf("%s was killed %d times, %d of them while it started; it was ready again after %s at most",
		victim.name, rounds, early, fmt.Sprintf("%.1f s", slowest.Seconds()))
}
