package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// following is a city whose canaries are followed, ten times a second.
type following struct {
	*city
	findings *ingest.Findings
	canaries *ingest.Canaries
}

// follow has gateways send themselves canaries; patience is in looks.
func (c *city) follow(patience int, gateways ...*ingest.Gateway) *following {
	f := &following{city: c, findings: ingest.NewFindings(time.Now)}
	f.canaries = ingest.NewCanaries(gateways, c.journal, f.findings)
	f.canaries.Every, f.canaries.Patience = 600*time.Millisecond, patience
	f.canaries.Reader, f.canaries.Accounts = c.store, c.ledger.Accounts
	f.canaries.Logger = slog.New(slog.NewTextHandler(c.t.Output(), nil))
	c.loader.Canaries = f.canaries
	return f
}

// found is the finding of a rule about a gateway; its rule is empty where there is none.
func (f *following) found(rule, gateway string) ingest.Finding {
	for _, n := range f.findings.List() {
		if n.Rule == rule && n.Device == telemetry.Device(gateway) {
			return n
		}
	}
	return ingest.Finding{}
}

// note is how the first canary does, in words.
func (f *following) note() string {
	for _, s := range f.canaries.States() {
		return s.Note
	}
	return ""
}

// missing waits until a canary is missed, with words that say where.
func (f *following) missing(gateway, where string) ingest.Finding {
	f.t.Helper()
	f.eventually("the canary is missed: "+where, func() bool {
		return strings.Contains(f.found("canary", gateway).DescriptionEN, where)
	})
	return f.found("canary", gateway)
}

// canaries waits until so many more canaries are counted, and returns the balance.
func (f *following) counted(gateway string, more uint64) (b ingest.Balance) {
	f.t.Helper()
	begin := uint64(0)
	f.eventually(fmt.Sprintf("%d more canaries are counted", more), func() bool {
		for _, one := range f.report().Gateways {
			if one.Gateway == gateway {
				b = one
			}
		}
		if begin == 0 {
			begin = b.Canary + 1
		}
		return b.Canary+1 >= begin+more
	})
	return b
}

// TestCanariesComeThrough: under load nothing is missed, readings are counted exactly,
// and each canary is a point of its own kind that tells of no device.
func TestCanariesComeThrough(t *testing.T) {
	brokers(t, func(t *testing.T, c *city, url string) {
		g := c.gateway(url)
		f := c.follow(200, g)
		// Clocks that jump by a day, to and fro, raise nothing.
		var asked atomic.Int64
		jumping := func() time.Time { return time.Now().AddDate(0, 0, int(asked.Add(1)%3)-1) }
		g.Now, f.canaries.Now = jumping, jumping
		c.load()
		c.run(g.Run)
		c.run(f.canaries.Run)
		c.eventually("the gateway is connected", func() bool { return g.State().Connected })
		p := newPublisher(t, url)
		for range 6 {
			p.publish(1000)
			f.counted("nha-trang", 1)
		}
		p.allAcked(c)
		c.eventually("all is stored", func() bool { return f.counted("nha-trang", 0).Stored >= 6000 })
		c.eventually("the newest has been read back", func() bool { return strings.Contains(f.note(), "came through") })
		if n := f.findings.List(); len(n) > 0 {
			t.Errorf("nothing is wrong, and found is %+v", n)
		}
		b := f.counted("nha-trang", 0)
		if b.Stored != 6000 || b.Quarantined != 0 || b.Duplicate != 0 || !b.Balanced() {
			t.Errorf("balance is %+v, want 6000 stored", b)
		}
		p.check(c)
		if n := len(c.samples("canary_number")); n < 6 {
			t.Errorf("the store has %d canaries, want one for each that is counted", n)
		}
	})
}

// TestCanaryWithoutRights: Mosquitto grants the subscription of who may not read, and
// acknowledges the message of who may not write.
func TestCanaryWithoutRights(t *testing.T) {
	c := newCity(t)
	acl := filepath.Join(t.TempDir(), "acl")
	c.must(os.WriteFile(acl, []byte("topic readwrite kh/#\nuser deaf\ntopic write kh/#\nuser mute\ntopic read kh/#\n"), 0o600))
	url := realserver.Mosquitto(t, realserver.MosquittoOptions{Config: "acl_file " + acl + "\n"}).URL
	gateway := func(name string) *ingest.Gateway {
		g := ingest.NewGateway(name, ingest.Broker{URL: url, ClientID: name, Username: name}, everythingOf("nha-trang"), c.journal)
		g.Metrics, g.Logger = c.metrics, slog.New(slog.NewTextHandler(t.Output(), nil))
		return g
	}
	deaf, mute := gateway("deaf"), gateway("mute")
	f := c.follow(15, deaf, mute)
	c.load()
	c.run(deaf.Run)
	c.run(mute.Run)
	c.eventually("the gateways are connected", func() bool { return deaf.State().Connected && mute.State().Connected })
	p := newPublisher(t, url)
	p.publish(100)
	p.allAcked(c)
	c.run(f.canaries.Run)
	if n := f.missing("deaf", "does not deliver it back"); !n.NotReady || !strings.Contains(n.RunbookEN, "grant") {
		t.Errorf("who may not read is told %+v", n)
	}
	c.eventually("the missing right is told", func() bool {
		p.publish(1)
		return strings.Contains(f.found("canary", "mute").RunbookEN, "publish (write) to kh/nha-trang/canary/~mute")
	})
	if n := f.found("canary", "mute"); n.NotReady || n.Severity != "watch" {
		t.Errorf("the city is not ready for want of a right, although messages arrive: %+v", n)
	}
}

// hangingStore hangs while held, as a store whose disk does.
type hangingStore struct {
	store.Store
	held chan struct{} // closed: not held
}

func (s *hangingStore) Write(ctx context.Context, points []telemetry.Point) error {
	select {
	case <-s.held:
		return s.Store.Write(ctx, points)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestCanaryFindsWhatStandsStill: a loader that is not there, then a store that hangs;
// what came late is no loss.
func TestCanaryFindsWhatStandsStill(t *testing.T) {
	c := newCity(t)
	hanging := &hangingStore{Store: c.loader.Store, held: make(chan struct{})}
	c.loader = c.newLoader(hanging)
	g := c.gateway(c.foreign())
	f := c.follow(15, g)
	c.run(g.Run)
	c.run(f.canaries.Run)
	if n := f.missing("nha-trang", "in the journal, but the loader does not take it"); !n.NotReady {
		t.Errorf("a loader that stands still leaves the city ready: %+v", n)
	}
	c.load()
	f.missing("nha-trang", "taken by the loader, but the store has not accepted it")
	close(hanging.held)
	c.eventually("it is over", func() bool { return len(f.findings.List()) == 0 })
	if b := f.counted("nha-trang", 3); !b.Balanced() || b.Stored != 0 || len(f.findings.List()) > 0 {
		t.Errorf("afterwards the balance is %+v, found is %+v", b, f.findings.List())
	}
}

// slowStore takes its time for every write.
type slowStore struct{ store.Store }

func (s slowStore) Write(ctx context.Context, points []telemetry.Point) error {
	time.Sleep(30 * time.Millisecond)
	return s.Store.Write(ctx, points)
}

// TestCanaryIsLateBehindABacklog: what waits for a loader that gets on is late, for
// many times the patience, and nothing is found.
func TestCanaryIsLateBehindABacklog(t *testing.T) {
	c := newCity(t)
	c.loader = c.newLoader(slowStore{c.loader.Store})
	c.loader.BatchMessages = 1
	g := c.gateway(c.foreign())
	g.GatherMessages = 10
	f := c.follow(30, g)
	c.run(g.Run)
	c.eventually("the gateway is connected", func() bool { return g.State().Connected })
	p := newPublisher(t, c.foreign())
	p.publish(4000) // 400 records, of 30 ms each
	p.allAcked(c)
	c.load()
	c.run(f.canaries.Run)
	late := false
	c.eventually("the backlog is stored", func() bool {
		late = late || strings.Contains(f.note(), "late, behind messages that get on")
		if n := f.findings.List(); len(n) > 0 {
			t.Fatalf("a backlog is taken for a loss: %+v", n)
		}
		return f.counted("nha-trang", 0).Stored >= 4000
	})
	if !late {
		t.Error("nothing says that the canary is late")
	}
	f.counted("nha-trang", 2)
	if n := f.findings.List(); len(n) > 0 {
		t.Errorf("after the backlog, found is %+v", n)
	}
}

// forgetfulStore accepts points and keeps none.
type forgetfulStore struct{}

func (forgetfulStore) Write(context.Context, []telemetry.Point) error { return nil }

// TestCanaryBelievesNoWord: a store that accepts and does not keep is found by asking it.
func TestCanaryBelievesNoWord(t *testing.T) {
	c := newCity(t)
	c.loader = c.newLoader(forgetfulStore{})
	g := c.gateway(c.foreign())
	f := c.follow(15, g)
	c.load()
	c.run(g.Run)
	c.run(f.canaries.Run)
	f.missing("nha-trang", "counted as stored, but not in the store")
}

// TestCanaryLeavesOtherAlarmsAlone: a broker that is away has an alarm of its own.
func TestCanaryLeavesOtherAlarmsAlone(t *testing.T) {
	c := newCity(t)
	m := realserver.Mosquitto(t, realserver.MosquittoOptions{SaveEveryChange: true})
	g := c.gateway(m.URL)
	f := c.follow(15, g)
	c.load()
	c.run(g.Run)
	c.run(f.canaries.Run)
	f.counted("nha-trang", 2)
	m.Stop()
	c.eventually("the excuse is told", func() bool { return strings.Contains(f.note(), "another reason is known") })
	time.Sleep(3 * time.Second) // twice the patience: what must not happen has no condition
	if n := f.findings.List(); len(n) > 0 {
		t.Errorf("a broker that is away is told twice: %+v", n)
	}
	m.Start()
	f.counted("nha-trang", 2)
	if n := f.findings.List(); len(n) > 0 {
		t.Errorf("after the broker is back, found is %+v", n)
	}
}
