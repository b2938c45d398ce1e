package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/store"
)

// sided is a city whose sides all count: its door, its gateway, its journal.
type sided struct {
	*city
	taker    *ingest.Gateway
	audit    ingest.Audit
	findings *ingest.Findings
}

func newSided(t *testing.T) *sided {
	t.Helper()
	s := &sided{city: newCityWith(t, time.Second), findings: ingest.NewFindings(time.Now)}
	s.audit = ingest.Audit{Ledger: s.ledger, Journal: s.journal}
	s.audit.Sides = &ingest.Sides{Counts: map[string]*ingest.Count{}, Books: s.ledger, Journal: s.numbered, Findings: s.findings, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	s.openSides()
	return s
}

func (s *sided) numbered(ctx context.Context) (map[string]uint64, error) {
	return s.audit.Numbered(ctx)
}

// openSides opens the gateway, its count and the door, as a process does that starts.
func (s *sided) openSides() {
	s.t.Helper()
	count, err := ingest.OpenCount(filepath.Join(s.dir, "gateways", "nha-trang.count"), false, time.Now)
	s.must(err)
	s.t.Cleanup(func() { count.Close() })
	s.taker = s.city.gateway(s.broker.MQTTURL())
	s.taker.Count, s.audit.Sides.Counts["nha-trang"] = count, count
	door, err := s.broker.OpenDoor(s.t.Context(), []broker.Entrance{{Gateway: "nha-trang", ClientID: s.taker.Broker.ClientID, Filters: []string{"kh/nha-trang/#"}}})
	s.must(err)
	s.t.Cleanup(door.Close)
	s.audit.Sides.Door, s.audit.Journal = door, s.journal
}

// take runs the gateway, and returns once it has its session.
func (s *sided) take() (stop func()) {
	stop = s.run(s.taker.Run)
	s.eventually("the gateway is connected", func() bool { return s.taker.State().Connected })
	return stop
}

// look is what the sides say now.
func (s *sided) look() ingest.Side {
	s.t.Helper()
	all, err := s.audit.Sides.Look(context.WithoutCancel(s.t.Context()))
	s.must(err)
	if len(all) != 1 {
		s.t.Fatalf("sides are %+v", all)
	}
	return all[0]
}

// agreed waits until door, gateway and journal have n messages and nothing waits.
func (s *sided) agreed(n uint64) ingest.Side {
	s.t.Helper()
	var last ingest.Side
	s.eventually(fmt.Sprintf("all sides have %d messages", n), func() bool {
		last = s.look()
		return last.Door != nil && *last.Door == n && *last.Waiting == 0 && last.Journal == n && last.Taken.Confirmed == n
	})
	return last
}

// lost demands one finding of a loss.
func (s *sided) lost(rule string, n int) {
	s.t.Helper()
	for _, f := range s.findings.List() {
		if f.Rule == rule && f.Device == "nha-trang" && int(f.Value) == n && f.Lasting {
			return
		}
	}
	s.t.Errorf("no %s of %d among the findings %+v", rule, n, s.findings.List())
}

// The sides agree on what goes through, on what a device published with QoS 0, and on
// what a gateway that is away has not taken; what the broker's disk then loses of that
// is found and counted.
func TestSidesFindWhatTheBrokerLoses(t *testing.T) {
	s := newSided(t)
	stopLoader := s.load()
	stop := s.take()
	p := newPublisher(t, s.broker.MQTTURL())
	s.look() // what came before there was anything to compare with is not compared
	p.publish(200)
	if side := s.agreed(200); side.Taken.First != 200 || side.DoorLost+side.JournalLost > 0 || !side.Compared {
		t.Errorf("after 200 messages: %+v", side)
	}
	wait := p.client.Publish("kh/nha-trang/command/x", 1, false, "on")
	wait.Wait()
	s.eventually("an excluded message is counted", func() bool { side := s.look(); return *side.Door == 201 && side.Taken.Excluded == 1 })
	stop()
	p.publish(50)
	s.eventually("50 messages wait in the broker", func() bool { side := s.look(); return *side.Door == 251 && *side.Waiting == 50 })
	if f := s.findings.List(); len(f) > 0 {
		t.Fatalf("nothing is lost, and findings are %+v", f)
	}
	p.client.Disconnect(100)
	stopLoader()

	s.reopen(func(dir string) { cutTail(t, filepath.Join(dir, "broker/jetstream/MQTT/streams/$MQTT_msgs/msgs")) })
	s.take()
	s.load()
	var side ingest.Side
	s.eventually("the gateway has taken what is left", func() bool {
		side = s.look()
		t.Logf("%+v door %v waiting %v taken %+v", side, *side.Door, *side.Waiting, *side.Taken)
		return *side.Waiting == 0 && side.DoorLost > 0
	})
	lost := 250 - len(s.samples("air_quality_seq"))
	if lost == 0 || int(side.DoorLost) != lost {
		t.Errorf("%d messages are not in the store, the sides say that %d were lost: %+v", lost, side.DoorLost, side)
	}
	s.lost("door-loss", lost)
	r, err := s.audit.Compare(t.Context(), time.Now())
	s.must(err)
	if r.Balanced || len(r.Losses) != 1 {
		t.Errorf("the report is balanced: %t, losses are %+v", r.Balanced, r.Losses)
	}
	// Acknowledged it is settled, told once, and what comes after is held against what is there.
	s.acknowledge(s.audit, s.findings, "đã biết")
	if r, err = s.audit.Compare(t.Context(), time.Now()); err != nil || !r.Balanced || len(r.Losses) > 0 || r.Sides[0].DoorLost != uint64(lost) ||
		len(r.Settlements) != 1 || r.Settlements[0].What != ingest.LackDoor || int(r.Settlements[0].Lost) != lost {
		t.Errorf("acknowledged: balanced %t, losses %+v, settled %+v, %v", r.Balanced, r.Losses, r.Settlements, err)
	}
	p = newPublisher(t, s.broker.MQTTURL())
	p.sent = 1000
	p.publish(20)
	s.eventually("20 more are taken", func() bool { now := s.look(); return *now.Door == *side.Door+20 && *now.Waiting == 0 })
	if f := s.findings.List(); len(f) > 0 {
		t.Errorf("after the acknowledgement: %+v", f)
	}
}

// Records that leave the journal otherwise than through the loader are found.
func TestSidesFindWhatTheJournalLoses(t *testing.T) {
	s := newSided(t)
	stopLoader := s.load()
	stop := s.take()
	s.look()
	p := newPublisher(t, s.broker.MQTTURL())
	p.publish(100)
	s.agreed(100)
	stopLoader()
	p.publish(30)
	s.agreed(130)
	p.client.Disconnect(100)
	stop()
	s.reopen(func(dir string) { s.must(os.RemoveAll(filepath.Join(dir, "broker/jetstream/JOURNAL"))) })
	s.take()
	s.load()
	s.eventually("the loss is found", func() bool { return s.look().JournalLost == 30 })
	s.lost("journal-loss", 30)
	if f := s.findings.List(); len(f) != 1 {
		t.Errorf("findings are %+v", f)
	}
}

// reopen closes the broker, has its disk damaged, and opens it again.
func (s *sided) reopen(damage func(dir string)) {
	s.t.Helper()
	s.must(s.broker.Close(context.WithoutCancel(s.t.Context())))
	damage(s.dir)
	s.openBroker(time.Second)
	s.openSides()
	s.loader = s.newLoader(store.NewGuard(s.store, s.store, time.Now))
}

// cutTail cuts a third off the newest block of a stream.
func cutTail(t *testing.T, folder string) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(folder, "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks in %s: %v", folder, err)
	}
	slices.Sort(blocks)
	last := blocks[len(blocks)-1]
	info, err := os.Stat(last)
	if err == nil {
		err = os.Truncate(last, info.Size()-info.Size()/10)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"index.db"} { // as when the process is killed
		if err := os.RemoveAll(filepath.Join(folder, index)); err != nil {
			t.Fatal(err)
		}
	}
}
