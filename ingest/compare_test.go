package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store"
)

// restart stops broker, journal and ledger, lets somebody at their files, and starts
// them again with a new loader.
func (c *city) restart(damage func()) {
	c.t.Helper()
	c.journal.Close()
	c.must(c.broker.Close(context.Background()))
	c.must(c.ledger.Close())
	damage()
	var err error
	c.broker, err = broker.Start(c.t.Context(), broker.Options{Dir: c.dir + "/broker"})
	c.must(err)
	conn, err := c.broker.Connect("journal")
	c.must(err)
	c.t.Cleanup(conn.Close)
	c.journal, err = journal.Open(c.t.Context(), journal.Options{Conn: conn})
	c.must(err)
	c.t.Cleanup(c.journal.Close)
	c.ledger, err = ledger.Open(c.t.Context(), ledger.Options{Dir: c.dir})
	c.must(err)
	c.loader = c.newLoader(store.NewGuard(c.store, c.store, time.Now))
}

// readings appends n readings of times of their own.
func (c *city) readings(from, n int) {
	c.t.Helper()
	for i := range n {
		c.append(message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":1}`, beginning.Add(time.Duration(from+i)*time.Second).UnixMilli())))
	}
}

// record keeps what the gateways' side says now.
func (c *city) record() {
	c.t.Helper()
	r := ingest.Recorder{Audit: ingest.Audit{Ledger: c.ledger, Journal: c.journal}, History: c.ledger, Now: time.Now}
	c.must(r.Record(c.t.Context()))
}

// position has the test append from where the journal says that its gateway is.
func (c *city) resume() {
	c.t.Helper()
	var err error
	c.epoch, c.position, err = c.journal.Position(c.t.Context(), "nha-trang")
	c.must(err)
}

func (c *city) jetstream() jetstream.JetStream {
	c.t.Helper()
	conn, err := c.broker.Connect("somebody")
	c.must(err)
	c.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	c.must(err)
	return js
}

// TestJournalIsExchanged does to a stopped city what made it drop everything as seen
// already: ten readings are stored and three wait when the damage is done, and ten
// come after it. What comes is stored, what is lost is named.
func TestJournalIsExchanged(t *testing.T) {
	for _, k := range []struct {
		name   string
		damage func(c *city, copied string)
		rule   string
		// found is what was found lost, missing what the audit names.
		found   float64
		missing int64
		// waits says that what waited was not harmed.
		waits bool
	}{
		{"deleted", func(c *city, _ string) { c.must(os.RemoveAll(c.dir + "/broker")) }, "journal-replaced", 3, 3, false},
		{"older copy", func(c *city, copied string) {
			c.must(os.RemoveAll(c.dir + "/broker"))
			c.must(os.CopyFS(c.dir+"/broker", os.DirFS(copied)))
		}, "journal-behind", 3, 3, false},
		{"positions deleted", nil, "journal-behind", 0, 0, true},
		{"position flipped", nil, "journal-behind", 0, 0, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := newCity(t)
			copied := t.TempDir()
			stop := c.load()
			c.readings(0, 5)
			c.settled("nha-trang", 5)
			stop()
			c.restart(func() { c.must(os.CopyFS(copied, os.DirFS(c.dir+"/broker"))) })
			stop = c.load()
			c.readings(5, 5)
			c.settled("nha-trang", 10)
			stop()
			if k.damage == nil {
				c.record()
				c.spoilBucket(k.name == "position flipped")
				c.restart(func() {})
			} else {
				c.readings(10, 3)
				c.record()
				c.restart(func() { k.damage(c, copied) })
			}
			before := c.epoch
			c.load()
			c.eventually("the journal is in another epoch", func() bool { return c.report().Journal.Epoch != before })
			c.readings(100, 10)
			c.eventually("all that came is stored", func() bool { return len(c.samples("air_quality_pm25")) == 20 })
			c.eventually("it is told", func() bool { return len(c.loader.Findings.List()) > 0 })
			f := c.loader.Findings.List()[0]
			if f.Rule != k.rule || f.Value != k.found || !f.Lasting || !f.NotReady || f.Device != "nha-trang" {
				t.Errorf("found %+v, want %s of %v", f, k.rule, k.found)
			}
			var r ingest.Report
			c.eventually("it has settled", func() bool {
				r = c.report()
				return len(r.Gateways) == 1 && r.Gateways[0].Queued == 0
			})
			if b := r.Gateways[0]; b.Missing != k.missing || b.Stored != 20 || b.Duplicate != 0 || r.Balanced != (k.missing == 0) {
				t.Errorf("the audit says %+v, want %d missing", b, k.missing)
			}
			// From here on the account is exact, and nothing is told twice.
			if last := r.Epochs[slices.IndexFunc(r.Epochs, func(b ingest.Balance) bool { return b.Epoch == r.Journal.Epoch })]; last.Stored != last.Received || !last.Balanced() {
				t.Errorf("the new epoch has %+v", last)
			}
		})
	}
}

// beginning is when the readings begin: each has the same time in every run of a test.
var beginning = time.Now().Add(-time.Hour).Truncate(time.Second)

// spoilBucket damages what the journal has noted, or deletes it.
func (c *city) spoilBucket(flip bool) {
	c.t.Helper()
	js := c.jetstream()
	if !flip {
		c.must(js.DeleteStream(c.t.Context(), "KV_HAIDANG_POSITIONS"))
		return
	}
	bucket, err := js.Stream(c.t.Context(), "KV_HAIDANG_POSITIONS")
	c.must(err)
	subject := "$KV.HAIDANG_POSITIONS.position.nha-trang." + string(c.epoch)
	noted, err := bucket.GetLastMsgForSubject(c.t.Context(), subject)
	c.must(err)
	noted.Data[0] ^= 0x08 // 10 becomes 90: once, everything up to there was dropped
	_, err = js.Publish(c.t.Context(), subject, noted.Data)
	c.must(err)
}

// An older ledger beside its journal says that it is, and how many messages it knows
// nothing of; what still waits is stored. So does one that begins anew.
func TestLedgerIsOlder(t *testing.T) {
	for _, k := range []struct {
		name              string
		deleted           bool
		forgotten, stored uint64
	}{{"older copy", false, 7, 10}, {"deleted", true, 12, 5}} {
		t.Run(k.name, func(t *testing.T) {
			c := newCity(t)
			file, copied := filepath.Join(c.dir, ledger.FileName), filepath.Join(t.TempDir(), ledger.FileName)
			stop := c.load()
			c.readings(0, 5)
			c.settled("nha-trang", 5)
			stop()
			c.restart(func() { c.copyFile(copied, file) })
			stop = c.load()
			c.readings(5, 7)
			c.settled("nha-trang", 12)
			stop()
			c.readings(12, 2)
			c.restart(func() {
				c.copyFile(file, copied)
				if k.deleted {
					c.must(os.Remove(file))
				}
			})
			c.load()
			c.eventually("it is told before anything comes", func() bool { return len(c.loader.Findings.List()) > 0 })
			c.readings(14, 3)
			b := c.settled("nha-trang", 17)
			if b.Forgotten != k.forgotten || b.Stored != k.stored || b.Missing != 0 || c.report().Balanced {
				t.Errorf("the audit says %+v, want %d forgotten and %d stored", b, k.forgotten, k.stored)
			}
			if all := c.loader.Findings.List(); len(all) != 1 || all[0].Rule != "ledger-older" || all[0].Value != float64(k.forgotten) || !strings.Contains(all[0].DescriptionEN, fmt.Sprint(k.forgotten, " messages")) {
				t.Errorf("found %+v", all)
			}
		})
	}
}

func (c *city) copyFile(to, from string) {
	c.t.Helper()
	b, err := os.ReadFile(from)
	c.must(err)
	c.must(os.WriteFile(to, b, 0o600))
	for _, rest := range []string{"-wal", "-shm"} {
		if err := os.Remove(to + rest); err != nil && !errors.Is(err, os.ErrNotExist) {
			c.t.Fatal(err)
		}
	}
}

// forgetful is a journal that loses its acknowledgements, as with the process that
// was killed right before.
type forgetful struct {
	ingest.Taker
	lost *atomic.Int32
}

func (f forgetful) Take(ctx context.Context) (ingest.Taken, error) {
	taken, err := f.Taker.Take(ctx)
	return forgetfulTaken{taken, f.lost}, err
}

type forgetfulTaken struct {
	ingest.Taken
	lost *atomic.Int32
}

func (f forgetfulTaken) Processed(ctx context.Context, s ingest.Sequence, end uint64) error {
	if f.lost.Add(1) <= 3 {
		return errors.New("killed after the commit")
	}
	return f.Taken.Processed(ctx, s, end)
}

// What comes again is proven to be a repetition and only acknowledged: it is counted
// once, also where its content could not tell.
func TestRepetitionIsProven(t *testing.T) {
	c := newCity(t)
	lost := new(atomic.Int32)
	c.loader.Journal = forgetful{c.journal, lost}
	c.append(message(airTopic, `{"pm25":12}`), message(airTopic, `{"pm25":12}`))
	c.load()
	c.eventually("it came again", func() bool { return lost.Load() > 3 })
	c.append(message(airTopic, `{"pm25":13}`))
	if b := c.settled("nha-trang", 3); b.Stored != 3 || b.Duplicate != 0 || b.Again != 0 || !c.report().Balanced {
		t.Errorf("the audit says %+v, want 3 stored", b)
	}
	if all := c.loader.Findings.List(); len(all) > 0 {
		t.Errorf("found %+v", all)
	}
}

// Numbers that are given twice while the loader is away are told when it comes: every
// message is stored, and the journal begins a new epoch.
func TestNumbersGivenTwice(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	c.readings(0, 4)
	c.settled("nha-trang", 4)
	stop()
	c.must(c.jetstream().DeleteStream(t.Context(), "KV_HAIDANG_POSITIONS"))
	c.restart(func() {})
	c.resume()
	before := c.epoch
	if c.position != 0 {
		t.Fatalf("the journal still knows %d", c.position)
	}
	c.readings(100, 6) // six from 0: past the four that are accounted for
	c.load()
	c.eventually("all is stored", func() bool { return len(c.samples("air_quality_pm25")) == 10 })
	c.eventually("the journal has begun a new epoch", func() bool { return c.report().Journal.Epoch != before })
	var b ingest.Balance
	c.eventually("it has settled", func() bool { b = c.report().Gateways[0]; return b.Queued == 0 })
	if b.Received != 6 || b.Again != 4 || b.Stored != 10 || b.Missing != 0 {
		t.Errorf("the audit says %+v, want 6 received, 4 again and 10 stored", b)
	}
	if all := c.loader.Findings.List(); len(all) != 1 || all[0].Rule != "numbers-given-twice" || all[0].Value != 4 || !all[0].NotReady {
		t.Errorf("found %+v", all)
	}
}
