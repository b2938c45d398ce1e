package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/store"
)

// sided is a city whose sides all count: what is acknowledged, its gateway, its journal.
type sided struct {
	*city
	door     *told
	taker    *ingest.Gateway
	audit    ingest.Audit
	findings *ingest.Findings
}

// told is a door that says what a test has it say.
type told struct {
	began    time.Time
	accepted atomic.Uint64
	underway atomic.Bool
}

func (d *told) Passed(context.Context, string) (ingest.DoorCount, error) {
	return ingest.DoorCount{Counters: []ingest.DoorCounter{{Name: "told", Began: d.began, Accepted: d.accepted.Load()}}, Underway: d.underway.Load()}, nil
}

func newSided(t *testing.T) *sided {
	t.Helper()
	s := &sided{city: newCity(t), door: &told{began: time.Now()}, findings: ingest.NewFindings(time.Now)}
	s.audit = ingest.Audit{Ledger: s.ledger, Journal: s.journal}
	s.audit.Sides = &ingest.Sides{Door: s.door, Counts: map[string]*ingest.Count{}, Books: s.ledger, Journal: s.numbered, Findings: s.findings, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	s.openSides()
	return s
}

func (s *sided) numbered(ctx context.Context) (map[string]uint64, error) {
	return s.audit.Numbered(ctx)
}

// openSides opens the gateway and its count, as a process does that starts.
func (s *sided) openSides() {
	s.t.Helper()
	count, err := ingest.OpenCount(filepath.Join(s.dir, "gateways", "nha-trang.count"), false, time.Now)
	s.must(err)
	s.t.Cleanup(func() { count.Close() })
	s.taker = s.city.gateway(s.foreign())
	s.taker.Count, s.audit.Sides.Counts["nha-trang"] = count, count
	s.audit.Journal = s.journal
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

// agreed has n messages be acknowledged, and waits until gateway and journal have them.
func (s *sided) agreed(n uint64) ingest.Side {
	s.t.Helper()
	s.door.accepted.Store(n)
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

// The sides agree on what goes through, and on what is under way; what is acknowledged
// and in nobody's count is found and counted.
func TestSidesFindWhatIsNotCounted(t *testing.T) {
	s := newSided(t)
	s.load()
	s.take()
	p := newPublisher(t, s.foreign())
	s.look() // what came before there was anything to compare with is not compared
	s.door.underway.Store(true)
	p.publish(200)
	s.eventually("all are taken", func() bool { return s.look().Taken.Confirmed == 200 })
	if side := s.look(); side.DoorLost > 0 {
		t.Errorf("what is under way is lost: %+v", side)
	}
	s.door.underway.Store(false)
	s.eventually("they agree", func() bool {
		side := s.agreed(200)
		return side.Taken.First == 200 && side.DoorLost+side.JournalLost == 0 && side.Compared
	})
	if f := s.findings.List(); len(f) > 0 {
		t.Fatalf("nothing is lost, and findings are %+v", f)
	}
	s.door.accepted.Add(12)
	s.eventually("12 are missed", func() bool { return s.look().DoorLost == 12 })
	s.lost("door-loss", 12)
	r, err := s.audit.Compare(t.Context(), time.Now())
	s.must(err)
	if r.Balanced || len(r.Losses) != 1 {
		t.Errorf("the report is balanced: %t, losses are %+v", r.Balanced, r.Losses)
	}
	// Acknowledged it is settled, told once, and what comes after is held against what is there.
	s.acknowledge(s.audit, s.findings, "đã biết")
	if r, err = s.audit.Compare(t.Context(), time.Now()); err != nil || !r.Balanced || len(r.Losses) > 0 || r.Sides[0].DoorLost != 12 ||
		len(r.Settlements) != 1 || r.Settlements[0].What != ingest.LackDoor || r.Settlements[0].Lost != 12 {
		t.Errorf("acknowledged: balanced %t, losses %+v, settled %+v, %v", r.Balanced, r.Losses, r.Settlements, err)
	}
	p.publish(20)
	s.eventually("20 more are taken", func() bool { return s.look().Taken.Confirmed == 220 })
	s.door.accepted.Add(20)
	if side := s.look(); side.DoorLost != 12 || len(s.findings.List()) > 0 {
		t.Errorf("after the acknowledgement: %+v, %+v", side, s.findings.List())
	}
}

// Records that leave the journal otherwise than through the loader are found.
func TestSidesFindWhatTheJournalLoses(t *testing.T) {
	s := newSided(t)
	stopLoader := s.load()
	stop := s.take()
	s.look()
	p := newPublisher(t, s.foreign())
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
	s.openBroker()
	s.openSides()
	s.loader = s.newLoader(store.NewGuard(s.store, s.store, time.Now))
}
