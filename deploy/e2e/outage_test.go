package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// The store is away for a while under load. The journal holds what comes, the
// metrics show it growing and being caught up with, and nothing is lost.
func TestStoreAway(t *testing.T) {
	long(t)
	t.Parallel()
	db := realserver.InfluxDB(t)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker,
		"--store", "influx", "--influx-url", db.URL, "--influx-bucket", realserver.Database)
	up.ready()
	pub := publish(t, broker, 1000, false)
	pub.progress(1000)
	seen := watch(t, up)

	db.Stop()
	before := pub.acked()
	eventually(t, patience, "/metrics says that the store is away", func() bool { return seen.last().storeUp == 0 })
	if code, body := up.get("/readyz"); code != 503 || !hasAll(body, []string{`"store"`, db.URL}) {
		t.Errorf("/readyz without a store: %d %s", code, body)
	}
	time.Sleep(outage())
	acked := float64(pub.acked() - before)
	worst := seen.last()
	if worst.queued < acked/2 || worst.age < outage().Seconds()/2 {
		t.Errorf("after an outage of %v with %.0f PUBACKs /metrics has %+v", outage(), acked, worst)
	}

	db.Start()
	back := time.Now()
	eventually(t, patience, "the backlog is drained", func() bool {
		now := seen.last()
		return now.storeUp == 1 && now.queued < worst.queued/20 && now.age < 5
	})
	t.Logf("the backlog of %.0f was drained %.1f s after the store was there again", worst.queued, time.Since(back).Seconds())
	caughtUp := seen.last()
	pub.progress(1000)
	eventually(t, patience, "new readings are queryable soon again", func() bool { return seen.last().delayCount > caughtUp.delayCount+500 })
	seen.check(t, worst, caughtUp)
	prove(t, up, pub, influxQL(db))
	up.stop()
}

// Mosquitto is stopped under load and started again: the gateways come back by
// themselves to the sessions it has kept.
func TestBrokerAway(t *testing.T) {
	long(t)
	t.Parallel()
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	up := haidang(t, "up", "--data", t.TempDir(), "--broker", "tcp://"+broker.Address)
	up.ready()
	pub := publish(t, broker.Address, 1000, false)
	for _, away := range []time.Duration{0, outage()} {
		pub.progress(1000)
		broker.Stop()
		eventually(t, patience, "/metrics says that the broker is away", func() bool { return mustGauge(t, up, "haidang_gateway_connected") == 0 })
		if code, body := up.get("/readyz"); code != 503 || !hasAll(body, []string{"gateway cam-lam", broker.Address}) {
			t.Errorf("/readyz without a broker: %d %s", code, body)
		}
		time.Sleep(away)
		broker.Start()
		back := time.Now()
		eventually(t, patience, "all gateways are connected again", func() bool { return mustGauge(t, up, "haidang_gateway_connected") == 4 && up.isReady() })
		t.Logf("Mosquitto was away for %v; all gateways were there again %.1f s after it", away, time.Since(back).Seconds())
	}
	pub.progress(1000)
	prove(t, up, pub, embedded(up))
	up.stop()
}

// The store is away and the journal full: the gateways stop acknowledging and
// the broker holds the messages, until there is a store again.
func TestJournalFull(t *testing.T) {
	long(t)
	t.Parallel()
	db := realserver.InfluxDB(t)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--journal-budget", "1MiB",
		"--store", "influx", "--influx-url", db.URL, "--influx-bucket", realserver.Database)
	up.ready()
	pub := publish(t, broker, 1000, false)
	pub.progress(500)
	db.Stop()
	eventually(t, patience, "the journal is full", func() bool {
		refused, _ := gauge(up, "haidang_journal_append_errors_total") // not there before the first
		return refused > 0
	})
	if !up.says("nothing is lost", "--journal-budget", "devices are made to wait") {
		t.Errorf("the log does not say what is to be done")
	}
	time.Sleep(outage())
	bytes, budget := mustGauge(t, up, "haidang_journal_bytes"), mustGauge(t, up, "haidang_journal_max_bytes")
	inFlight := mustGauge(t, up, "haidang_gateway_in_flight")
	if bytes > budget || budget != 1<<20 || inFlight == 0 {
		t.Errorf("a full journal has %.0f bytes of %.0f; %.0f messages are in flight", bytes, budget, inFlight)
	}
	if code, body := up.get("/readyz"); code != 503 || !hasAll(body, []string{`"door"`, "--journal-budget"}) {
		t.Errorf("/readyz with a full journal: %d %s", code, body)
	}
	db.Start()
	back := time.Now()
	eventually(t, patience, "the journal accepts again", func() bool { return up.says("journal accepts again") && up.isReady() })
	t.Logf("the journal had %.0f of %.0f bytes with %.0f messages in flight; it accepted again %.1f s after the store was back",
		bytes, budget, inFlight, time.Since(back).Seconds())
	prove(t, up, pub, influxQL(db))
	up.stop()
}

// sight is what /metrics shows at a moment.
type sight struct {
	queued, age, storeUp, delaySum, delayCount float64
}

// sights are what /metrics has shown, several times a second.
type sights struct {
	mu  sync.Mutex
	all []sight
}

// watch looks at the process's metrics until the test ends.
func watch(t *testing.T, p *process) *sights {
	t.Helper()
	s := &sights{}
	done := make(chan struct{})
	tick := time.NewTicker(100 * time.Millisecond)
	look := func() {
		queued, ok := gauge(p, "haidang_messages", `outcome="queued"`)
		if !ok {
			return
		}
		now := sight{queued: queued}
		now.age, _ = gauge(p, "haidang_journal_oldest_age_seconds")
		now.storeUp, _ = gauge(p, "haidang_store_up")
		now.delaySum, _ = gauge(p, "haidang_event_to_queryable_seconds_sum")
		now.delayCount, _ = gauge(p, "haidang_event_to_queryable_seconds_count")
		s.mu.Lock()
		s.all = append(s.all, now)
		s.mu.Unlock()
	}
	look()
	go func() {
		defer close(done)
		for {
			select {
			case <-tick.C:
				look()
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		tick.Stop()
		<-done
	})
	return s
}

func (s *sights) last() sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return sight{}
	}
	return s.all[len(s.all)-1]
}

// check sees that the backlog shrank while it was caught up with, and that the
// delay of readings went up and came down again.
func (s *sights) check(t *testing.T, worst, caughtUp sight) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var falling []string
	before, peak := 0.0, 0.0
	for _, now := range s.all {
		peak = max(peak, now.queued)
		if now.storeUp == 0 || now.delayCount <= worst.delayCount || now.delayCount > caughtUp.delayCount {
			continue
		}
		falling = append(falling, fmt.Sprintf("%.0f (%.0f s)", now.queued, now.age))
		if len(falling) > 1 && now.queued > before+peak/5 {
			t.Errorf("the backlog rose from %.0f to %.0f while it was being caught up with", before, now.queued)
		}
		before = now.queued
	}
	late := (caughtUp.delaySum - worst.delaySum) / (caughtUp.delayCount - worst.delayCount)
	end := s.all[len(s.all)-1]
	soon := (end.delaySum - caughtUp.delaySum) / (end.delayCount - caughtUp.delayCount)
	t.Logf("queued (age of the oldest) while catching up from %.0f: %v; from event to queryable it took %.2f s, and %.3f s afterwards", peak, falling, late, soon)
	if soon > late/2 {
		t.Errorf("from event to queryable it took %.2f s while catching up and %.2f s afterwards", late, soon)
	}
}
