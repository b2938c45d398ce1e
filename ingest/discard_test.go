package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// A device that floods the quarantine loses its own oldest messages, each counted as
// discarded; another's few stay, and every message is accounted for.
func TestFloodOfOneDevice(t *testing.T) {
	c := newCity(t)
	c.loader.Bounds = ingest.Bounds{Bytes: 4 << 20, Age: time.Hour, DeviceBytes: 1 << 20, DeviceCount: 50}
	c.load()
	c.append(message("kh/nha-trang/noise/quiet", `not JSON`))
	c.settled("nha-trang", 1)
	for i := range 40 {
		c.append(message(airTopic, fmt.Sprintf("%d", i)), message(airTopic, fmt.Sprintf("%d %s", i, strings.Repeat("x", 100_000))))
		c.settled("nha-trang", uint64(3+2*i))
	}
	b := c.settled("nha-trang", 81)
	rows := c.quarantine()
	if len(rows) != int(b.Quarantined) || b.Quarantined+b.Discarded != 81 || b.Discarded < 30 || !b.Balanced() {
		t.Errorf("%d rows wait, the balance is %+v", len(rows), b)
	}
	if rows[0].Device != "quiet" {
		t.Errorf("the other device's message has gone; the first is of %q", rows[0].Device)
	}
	for _, q := range rows {
		if len(q.Message.Payload) > ingest.MaxHeld || q.Cut() != (q.Message.FullSize > ingest.MaxHeld) || q.Cut() && len(q.SHA256) != 32 {
			t.Errorf("message %d of %d bytes is kept with %d and hash %x", q.ID, q.Message.FullSize, len(q.Message.Payload), q.SHA256)
		}
	}
	use, err := c.ledger.Use(t.Context())
	c.must(err)
	counted := int64(0)
	for _, d := range use.Discarded {
		counted += d.Count
	}
	if counted != int64(b.Discarded) || use.Count != int64(len(rows)) {
		t.Errorf("%+v does not agree with %+v", use, b)
	}
	// What is cut is passed over by a re-drive and counted.
	r, err := c.loader.Redrive(t.Context(), ingest.QuarantineFilter{Device: "d1"})
	c.must(err)
	if r.Cut == 0 || r.Cut+r.Waiting != len(rows)-1 {
		t.Errorf("re-drive of %d messages: %+v", len(rows)-1, r)
	}
}

// Of what somebody lets go, the whole is discarded and what was stored in part stays
// stored. It can be done while the loader waits for the store.
func TestDiscard(t *testing.T) {
	c := newCity(t)
	away := &faultyStore{Store: c.store}
	c.loader = c.newLoader(away)
	c.load()
	c.append(message(airTopic, `{"pm25":1,"pm10":99999}`), message(airTopic, `nothing`), message(airTopic, `{"pm25":2}`))
	c.settled("nha-trang", 3)
	away.away.Store(true)
	c.append(message(airTopic, `{"pm25":3}`))
	c.eventually("the store is asked in vain", func() bool { return c.loader.StoreError() != nil })
	r, err := c.loader.Discard(t.Context(), ingest.QuarantineFilter{Device: "d1"})
	c.must(err)
	if r.Discarded != 2 || r.Partial != 1 || r.Next != 0 {
		t.Errorf("discarded: %+v", r)
	}
	away.away.Store(false)
	want := ingest.Account{Gateway: "nha-trang", Position: 4, Stored: 3, Discarded: 1}
	if diff := cmp.Diff(want, c.settled("nha-trang", 4).Account); diff != "" {
		t.Error(diff)
	}
	if rows := c.quarantine(); len(rows) != 0 || !c.report().Balanced {
		t.Errorf("there wait %+v", rows)
	}
}

// What is too old leaves by itself, and what bounds discard is a finding that lasts.
func TestAgeOfQuarantine(t *testing.T) {
	c := newCity(t)
	var ahead atomic.Int64
	c.loader.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c.loader.Bounds.Age = time.Hour
	c.load()
	c.append(message(airTopic, `nothing`))
	c.settled("nha-trang", 1)
	ahead.Store(int64(2 * time.Hour))
	c.eventually("the old message has left", func() bool { return len(c.quarantine()) == 0 })
	if b := c.settled("nha-trang", 1); b.Discarded != 1 || b.Quarantined != 0 || !b.Balanced() {
		t.Errorf("the balance is %+v", b)
	}
	c.eventually("it is told", func() bool { return len(c.loader.Findings.List()) == 1 })
	if f := c.loader.Findings.List()[0]; f.Rule != "quarantine-discarded" || !f.Lasting || f.Value != 1 {
		t.Errorf("the finding is %+v", f)
	}
}

// While the disk is nearly full the quarantine does not grow and readings go on; below
// half the reserve the loader takes nothing, but what makes room is done.
func TestLoaderKeepsTheReserve(t *testing.T) {
	c := newCity(t)
	var free atomic.Uint64
	free.Store(1 << 30)
	c.loader.Disk = &ingest.Disk{Dir: "disk", Reserve: 100 << 20, Free: func() (uint64, error) { return free.Load(), nil }}
	c.load()
	for i := range 10 {
		c.append(message(airTopic, strings.Repeat("x", 1000+i)))
	}
	c.settled("nha-trang", 10)
	before, err := c.ledger.Use(t.Context())
	c.must(err)
	free.Store(110 << 20)
	c.append(message(airTopic, strings.Repeat("y", 50_000)), message(airTopic, `{"pm25":1}`))
	b := c.settled("nha-trang", 12)
	use, err := c.ledger.Use(t.Context())
	c.must(err)
	if use.Bytes > before.Bytes || b.Stored != 1 || b.Discarded == 0 || !b.Balanced() {
		t.Errorf("the quarantine had %d bytes and has %d; the balance is %+v", before.Bytes, use.Bytes, b)
	}
	if last := c.quarantine()[use.Count-1]; last.Message.Payload[0] != 'y' || len(last.Message.Payload) > 4<<10 {
		t.Errorf("of the newest %d bytes are kept", len(last.Message.Payload))
	}
	free.Store(49 << 20)
	c.eventually("the loader stops", func() bool { return c.loader.DiskError() != nil })
	c.append(message(airTopic, `{"pm25":2}`))
	r, err := c.loader.Discard(t.Context(), ingest.QuarantineFilter{Reason: telemetry.NotJSON})
	c.must(err)
	if r.Discarded == 0 {
		t.Errorf("nothing could be let go: %+v", r)
	}
	waits, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.loader.Redrive(waits, ingest.QuarantineFilter{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a re-drive, which writes, was not kept waiting: %v", err)
	}
	found := c.loader.Findings.List()
	if len(found) == 0 || found[0].Rule != "disk-reserve" || !found[0].NotReady || found[0].Severity != "extreme" {
		t.Errorf("findings are %+v", found)
	}
	if b := c.report().Gateways[0]; b.Queued != 1 {
		t.Errorf("the balance is %+v, want one queued", b)
	}
	free.Store(1 << 30)
	if b := c.settled("nha-trang", 13); b.Stored != 2 || !b.Balanced() {
		t.Errorf("the balance is %+v", b)
	}
	c.eventually("the disk is well again", func() bool {
		for _, f := range c.loader.Findings.List() {
			if f.Rule == "disk-reserve" {
				return false
			}
		}
		return true
	})
}
