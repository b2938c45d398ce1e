package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/door/session"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// entered is a city with a real door, its canaries followed ten times a second.
type entered struct {
	*following
	door   *door.Door
	sender *ingest.Sender
	count  *ingest.Count
	// silent keeps the acknowledgements from the canaries, deaf what is sent from the door.
	silent, deaf atomic.Bool
}

func (c *city) enter(patience int) *entered {
	c.t.Helper()
	e := &entered{following: c.follow(patience)}
	sessions, err := session.Open(c.t.Context(), session.Options{Dir: filepath.Join(c.dir, "door")})
	c.must(err)
	c.t.Cleanup(func() { sessions.Close() })
	e.count, err = ingest.OpenCount(filepath.Join(c.dir, "door.count"), false, time.Now)
	c.must(err)
	c.t.Cleanup(func() { e.count.Close() })
	e.door, err = door.Open(c.t.Context(), door.Options{Addr: "127.0.0.1:0", Journal: c.journal, Sessions: sessions, Count: e.count, Canaries: e.canaries,
		Metrics: c.metrics, Logger: slog.New(slog.NewTextHandler(c.t.Output(), nil))})
	c.must(err)
	e.sender = &ingest.Sender{Broker: ingest.Broker{URL: e.door.URL(), ClientID: "~canary"}}
	c.t.Cleanup(e.sender.Close)
	for _, l := range []telemetry.Locality{"nha-trang", "cam-ranh"} {
		r := ingest.DoorRoute(door.Name, l)
		r.Send, r.State, r.Passed = e.send, e.door.State, func() uint64 { t, _, _ := e.count.Read(); return t.Confirmed }
		e.canaries.Routes = append(e.canaries.Routes, r)
	}
	c.run(e.door.Run)
	return e
}

func (e *entered) send(ctx context.Context, topic string, payload []byte) error {
	if e.deaf.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	err := e.sender.Send(ctx, topic, payload)
	if e.silent.Load() {
		return errors.New("lost on the way back")
	}
	return err
}

// at is the finding of a locality's canary through the door.
func (e *entered) at(l telemetry.Locality) ingest.Finding {
	for _, n := range e.findings.List() {
		if n.Rule == "canary" && n.Device == door.Name && n.Locality == l {
			return n
		}
	}
	return ingest.Finding{}
}

// TestCanaryThroughTheDoor: it comes through for each locality beside devices' messages,
// and is counted apart from them; where loader, door or acknowledgement stand still, that
// is found and is over again.
func TestCanaryThroughTheDoor(t *testing.T) {
	c := newCity(t)
	e := c.enter(15)
	c.run(e.canaries.Run)
	told := func(where string) {
		t.Helper()
		e.eventually("it is told: "+where, func() bool {
			return strings.Contains(e.at("nha-trang").DescriptionEN, where) && strings.Contains(e.at("cam-ranh").DescriptionEN, where)
		})
		if n := e.at("nha-trang"); !n.NotReady || n.SummaryVI == "" || !strings.HasPrefix(n.SummaryEN, "The door (nha-trang)") {
			t.Errorf("%s: %+v", where, n)
		}
	}
	over := func(what string) {
		t.Helper()
		e.eventually(what, func() bool { return len(e.findings.List()) == 0 })
	}
	told("in the journal, but the loader does not take it")
	c.load()
	over("the loader is there, and it is over")
	p := newPublisher(t, e.door.URL())
	p.publish(3000)
	p.allAcked(c)
	e.eventually("all is stored", func() bool { return e.counted(door.Name, 1).Stored >= 3000 })
	if b := e.counted(door.Name, 2); !b.Balanced() || b.Stored != 3000 || b.Duplicate != 0 {
		t.Errorf("the balance is %+v, want 3000 stored", b)
	}
	e.silent.Store(true)
	told("in the store, but the door does not acknowledge it")
	e.silent.Store(false)
	over("acknowledgements come, and it is over")
	e.deaf.Store(true)
	told("sent, but the door does not take it")
	e.deaf.Store(false)
	over("the door takes them, and it is over")
}

// TestDoorsSides: what the door has acknowledged and what its count has are held against
// each other, and a count that lacks messages is a loss.
func TestDoorsSides(t *testing.T) {
	c := newCity(t)
	e := c.enter(200)
	c.load()
	audit := ingest.Audit{Ledger: c.ledger, Journal: c.journal}
	sides := &ingest.Sides{Door: e.door, Counts: map[string]*ingest.Count{door.Name: e.count}, Books: c.ledger, Journal: audit.Numbered,
		Findings: e.findings, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	p := newPublisher(t, e.door.URL())
	p.publish(500)
	p.allAcked(c)
	look := func() ingest.Side {
		t.Helper()
		all, err := sides.Look(t.Context())
		c.must(err)
		return all[0]
	}
	e.eventually("the sides are compared", func() bool { return look().Compared })
	s := look()
	if s.Door == nil || *s.Door != 500 || s.Taken == nil || s.Taken.First != 500 || s.Taken.Confirmed != 500 || s.DoorLost != 0 {
		t.Errorf("500 were acknowledged, the sides say %+v", s)
	}
}
