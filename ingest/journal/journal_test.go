package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
)

func TestMain(m *testing.M) {
	serveIfChild()
	workIfChild()
	goleak.VerifyTestMain(m)
}

const deadline = 30 * time.Second

// place is where a conformance test keeps its journal.
type place interface {
	// open opens the journal as a new process would.
	open(t *testing.T, change ...func(*journal.Options)) *journal.Journal
	// restart stops and starts the server, with or without warning.
	restart(t *testing.T)
}

func conformance(t *testing.T, name string, test func(t *testing.T, s place)) {
	t.Run(name+"/embedded", func(t *testing.T) { test(t, newEmbedded(t)) })
	t.Run(name+"/external", func(t *testing.T) { test(t, &external{startNATS(t, t.TempDir())}) })
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

type external struct{ srv *natsServer }

func (e *external) open(t *testing.T, change ...func(*journal.Options)) *journal.Journal {
	t.Helper()
	o := journal.Options{URL: e.srv.url(), MaxBytes: 16 << 20, AppendTimeout: 2 * time.Second, Logger: logger(t)}
	return openJournal(t, o, change)
}

func (e *external) restart(*testing.T) {
	e.srv.kill()
	e.srv.restart()
}

func openJournal(t *testing.T, o journal.Options, change []func(*journal.Options)) *journal.Journal {
	t.Helper()
	for _, f := range change {
		f(&o)
	}
	j, err := journal.Open(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

// embedded is a broker in the process of the test.
type embedded struct {
	dir string
	b   *broker.Broker
}

func newEmbedded(t testing.TB) *embedded {
	e := &embedded{dir: t.TempDir()}
	e.start(t)
	t.Cleanup(func() { e.stop(t) })
	return e
}

func (e *embedded) start(t testing.TB) {
	t.Helper()
	b, err := broker.Start(context.Background(), broker.Options{Dir: e.dir, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	e.b = b
}

func (e *embedded) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := e.b.Close(ctx); err != nil {
		t.Error(err)
	}
}

func (e *embedded) open(t *testing.T, change ...func(*journal.Options)) *journal.Journal {
	t.Helper()
	nc, err := e.b.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	o := journal.Options{Conn: nc, MaxBytes: 16 << 20, AppendTimeout: 2 * time.Second, Logger: logger(t)}
	return openJournal(t, o, change)
}

// restart gives the process a new broker, and the tests open the journal anew: an
// embedded broker never restarts without its process but for a full disk.
func (e *embedded) restart(t *testing.T) {
	e.stop(t)
	e.start(t)
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// record is a record of n messages, each with its own number as its payload.
func record(gateway string, first uint64, n int) ingest.Record {
	r := ingest.Record{Gateway: gateway, First: first}
	for i := range n {
		payload := fmt.Appendf(nil, "%s %d", gateway, first+uint64(i))
		r.Messages = append(r.Messages, ingest.Message{
			Topic: "kh/" + gateway + "/noise/d", Payload: payload, FullSize: len(payload),
			Received: time.UnixMilli(1_795_293_000_000).UTC(), QoS: 1,
		})
	}
	return r
}

func appendAll(t *testing.T, j *journal.Journal, records ...ingest.Record) {
	t.Helper()
	for _, r := range records {
		if err := appendNow(t, j, r); err != nil {
			t.Fatal(err)
		}
	}
}

// appendNow appends in the epoch that the journal is in.
func appendNow(t testing.TB, j *journal.Journal, r ingest.Record) error {
	t.Helper()
	var err error
	if r.Epoch, _, err = j.Position(testContext(t), "any"); err != nil {
		return err
	}
	return j.Append(testContext(t), r)
}

// now is a gateway's sequence in the epoch that the journal is in.
func now(t *testing.T, j *journal.Journal, gateway string) ingest.Sequence {
	t.Helper()
	return ingest.Sequence{Gateway: gateway, Epoch: state(t, j).Epoch}
}

func take(t *testing.T, j *journal.Journal) ingest.Taken {
	t.Helper()
	taken, err := j.Take(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(taken.Close)
	return taken
}

// next demands the next record to be the one that is given.
func next(t *testing.T, taken ingest.Taken, gateway string, first uint64, n int) ingest.Delivery {
	t.Helper()
	d, err := taken.Next(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	if d.Record.Gateway != gateway || d.Record.First != first || len(d.Record.Messages) != n {
		t.Fatalf("took %s %d+%d, want %s %d+%d", d.Record.Gateway, d.Record.First, len(d.Record.Messages), gateway, first, n)
	}
	for i, m := range d.Record.Messages {
		if want := fmt.Sprintf("%s %d", gateway, first+uint64(i)); string(m.Payload) != want {
			t.Fatalf("payload %q, want %q", m.Payload, want)
		}
	}
	return d
}

// finish does what the loader does at the end of a record.
func finish(t *testing.T, taken ingest.Taken, d ingest.Delivery) {
	t.Helper()
	if err := taken.Processed(testContext(t), d.Record.Sequence(), d.Record.End()); err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
}

func wantPosition(t *testing.T, j *journal.Journal, gateway string, want uint64) {
	t.Helper()
	_, have, err := j.Position(testContext(t), gateway)
	if err != nil {
		t.Fatal(err)
	}
	if have != want {
		t.Fatalf("position of %s is %d, want %d", gateway, have, want)
	}
}

func state(t *testing.T, j *journal.Journal) ingest.JournalState {
	t.Helper()
	s, err := j.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(deadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("not in %s: %s", deadline, what)
		case <-tick.C:
		}
	}
}

// nothingComes makes sure that a Taken has nothing to give. What was appended to
// another gateway since must come first, so that waiting is not needed.
func nothingComes(t *testing.T, j *journal.Journal, taken ingest.Taken, marker string) {
	t.Helper()
	_, position, err := j.Position(testContext(t), marker)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, record(marker, position, 1))
	finish(t, taken, next(t, taken, marker, position, 1))
}

func TestConformance(t *testing.T) {
	conformance(t, "AppendTakeAck", func(t *testing.T, s place) {
		j := s.open(t)
		wantPosition(t, j, "cam-ranh", 0)
		appendAll(t, j, record("cam-ranh", 0, 3), record("cam-ranh", 3, 1), record("ninh-hoa", 0, 2))
		wantPosition(t, j, "cam-ranh", 4)
		if s := state(t, j); s.Records != 3 || s.Bytes == 0 || s.MaxBytes != 16<<20 || s.Oldest.IsZero() ||
			s.Positions[ingest.Sequence{Gateway: "cam-ranh", Epoch: s.Epoch}] != 4 || s.Positions[ingest.Sequence{Gateway: "ninh-hoa", Epoch: s.Epoch}] != 2 {
			t.Errorf("state %+v", s)
		}
		taken := take(t, j)
		for _, d := range []ingest.Delivery{
			next(t, taken, "cam-ranh", 0, 3), next(t, taken, "cam-ranh", 3, 1), next(t, taken, "ninh-hoa", 0, 2),
		} {
			finish(t, taken, d)
		}
		eventually(t, "everything has left", func() bool { return state(t, j).Records == 0 })
		// The positions outlive the records, also for a journal that has seen none.
		wantPosition(t, j, "cam-ranh", 4)
		other := s.open(t)
		if s := state(t, other); s.Positions[ingest.Sequence{Gateway: "cam-ranh", Epoch: s.Epoch}] != 4 || s.Positions[ingest.Sequence{Gateway: "ninh-hoa", Epoch: s.Epoch}] != 2 || !s.Oldest.IsZero() {
			t.Errorf("state %+v", s)
		}
	})
	conformance(t, "RepeatedAppend", testRepeatedAppend)
	conformance(t, "PositionTaken", testPositionTaken)
	conformance(t, "Peek", testPeek)
	conformance(t, "Unacknowledged", testUnacknowledged)
	conformance(t, "NewestTake", testNewestTake)
	conformance(t, "Full", testFull)
	conformance(t, "Budget", testBudget)
	conformance(t, "TooLarge", testTooLarge)
	conformance(t, "Restart", testRestart)
	conformance(t, "OutOfOrderProcessed", testOutOfOrderProcessed)
	conformance(t, "AcknowledgeMany", testAcknowledgeMany)
}

func testRepeatedAppend(t *testing.T, s place) {
	j := s.open(t)
	r := record("g", 0, 2)
	appendAll(t, j, r, r)
	// As after a crash: somebody who does not know what became of it.
	appendAll(t, s.open(t), r)
	if n := state(t, j).Records; n != 1 {
		t.Fatalf("%d records, want 1", n)
	}
	// Also when the loader was faster.
	taken := take(t, j)
	finish(t, taken, next(t, taken, "g", 0, 2))
	appendAll(t, j, r)
	nothingComes(t, j, taken, "marker")
	appendAll(t, j, record("g", 2, 1))
	next(t, taken, "g", 2, 1)
}

func testPositionTaken(t *testing.T, s place) {
	a, b := s.open(t), s.open(t)
	appendAll(t, a, record("g", 0, 2))
	// A record at a place that is taken is refused, whoever comes with it.
	for _, j := range []*journal.Journal{a, b} {
		err := appendNow(t, j, record("g", 0, 3))
		if !errors.Is(err, ingest.ErrPosition) {
			t.Fatalf("error %v", err)
		}
	}
	// Two that run at once under one name: the second must not think that its
	// record is stored.
	appendAll(t, b, record("g", 2, 1))
	other := record("g", 2, 1)
	other.Messages[0].Payload = []byte("other")
	if err := appendNow(t, a, other); !errors.Is(err, ingest.ErrPosition) {
		t.Fatalf("error %v", err)
	}
	wantPosition(t, a, "g", 3)
	appendAll(t, a, record("g", 3, 1))
}

func testUnacknowledged(t *testing.T, s place) {
	j := s.open(t)
	for i := range uint64(10) {
		appendAll(t, j, record("g", 2*i, 2))
	}
	taken := take(t, j)
	for i := range uint64(10) {
		d := next(t, taken, "g", 2*i, 2)
		if i == 3 {
			finish(t, taken, d)
		}
	}
	taken.Close()
	if _, err := taken.Next(testContext(t)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("error %v", err)
	}
	// All but the acknowledged one come again, in order.
	again := take(t, j)
	for i := range uint64(10) {
		if i != 3 {
			finish(t, again, next(t, again, "g", 2*i, 2))
		}
	}
	nothingComes(t, j, again, "marker")
	wantPosition(t, s.open(t), "g", 20)
}

func testNewestTake(t *testing.T, s place) {
	j := s.open(t)
	appendAll(t, j, record("g", 0, 1))
	old := take(t, j)
	next(t, old, "g", 0, 1)
	newer := take(t, s.open(t))
	finish(t, newer, next(t, newer, "g", 0, 1))
	if _, err := old.Next(testContext(t)); !errors.Is(err, journal.ErrSuperseded) {
		t.Fatalf("error %v", err)
	}
	appendAll(t, j, record("g", 1, 1))
	finish(t, newer, next(t, newer, "g", 1, 1))
	if _, err := old.Next(testContext(t)); !errors.Is(err, journal.ErrSuperseded) {
		t.Fatalf("error %v", err)
	}
}

func small(o *journal.Options) { o.MaxBytes = 1 << 20 }

func testFull(t *testing.T, s place) {
	j := s.open(t, small)
	big := func(first uint64) ingest.Record {
		r := record("g", first, 1)
		r.Messages[0].Payload = make([]byte, 100_000)
		return r
	}
	var n uint64
	var err error
	for ; err == nil; n++ {
		err = appendNow(t, j, big(n))
	}
	n--
	if !errors.Is(err, ingest.ErrJournalFull) || !strings.Contains(err.Error(), "--journal-budget") {
		t.Fatalf("error %v", err)
	}
	if n != 10 {
		t.Errorf("%d records of 100,000 bytes fit into 1 MiB", n)
	}
	wantPosition(t, j, "g", n)
	// Nothing of what was there has been dropped for it.
	taken := take(t, j)
	for i := range n {
		d, err := taken.Next(testContext(t))
		if err != nil || d.Record.First != i {
			t.Fatalf("took %d, want %d: %v", d.Record.First, i, err)
		}
		finish(t, taken, d)
	}
	eventually(t, "appends work again", func() bool { return appendNow(t, j, big(n)) == nil })
	wantPosition(t, j, "g", n+1)
}

func testBudget(t *testing.T, s place) {
	appendAll(t, s.open(t), record("g", 0, 100))
	kept := s.open(t, func(o *journal.Options) { o.MaxBytes = 0 })
	if b := state(t, kept).MaxBytes; b != 16<<20 {
		t.Errorf("budget %d was not kept", b)
	}
	// A budget below what is stored drops nothing, it only lets nothing in.
	j := s.open(t, func(o *journal.Options) { o.MaxBytes = 1000 })
	if s := state(t, j); s.MaxBytes != 1000 || s.Records != 1 {
		t.Errorf("state %+v", s)
	}
	if err := appendNow(t, j, record("g", 100, 1)); !errors.Is(err, ingest.ErrJournalFull) {
		t.Errorf("error %v", err)
	}
	appendAll(t, s.open(t), record("g", 100, 1))
}

func testTooLarge(t *testing.T, s place) {
	j := s.open(t)
	r := record("g", 0, 1)
	r.Messages[0].Payload = make([]byte, j.MaxRecord())
	if err := appendNow(t, j, r); !errors.Is(err, journal.ErrTooLarge) {
		t.Fatalf("error %v", err)
	}
	r.Messages[0].Payload = make([]byte, 4<<20)
	appendAll(t, j, r)
	if d, err := take(t, j).Next(testContext(t)); err != nil || len(d.Record.Messages[0].Payload) != 4<<20 {
		t.Fatal(err)
	}
}

func testRestart(t *testing.T, s place) {
	j := s.open(t)
	appendAll(t, j, record("g", 0, 1), record("g", 1, 1), record("g", 2, 1))
	taken := take(t, j)
	finish(t, taken, next(t, taken, "g", 0, 1))
	next(t, taken, "g", 1, 1)
	eventually(t, "the acknowledged record has left", func() bool { return state(t, j).Records == 2 })
	s.restart(t)
	if _, ok := s.(*embedded); ok {
		j = s.open(t)
		taken = take(t, j)
	}
	// A server that was killed may have forgotten an acknowledgement.
	d, err := taken.Next(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.Record.First == 0 {
		finish(t, taken, d)
		d = next(t, taken, "g", 1, 1)
	}
	finish(t, taken, d)
	finish(t, taken, next(t, taken, "g", 2, 1))
	r := record("g", 3, 1)
	eventually(t, "appends work again", func() bool { return appendNow(t, j, r) == nil })
	finish(t, taken, next(t, taken, "g", 3, 1))
	wantPosition(t, j, "g", 4)
}

func testOutOfOrderProcessed(t *testing.T, s place) {
	j := s.open(t)
	taken := take(t, j)
	for _, end := range []uint64{5, 3, 9, 1} {
		if err := taken.Processed(testContext(t), now(t, j, "g"), end); err != nil {
			t.Fatal(err)
		}
	}
	wantPosition(t, j, "g", 9)
	if err := take(t, s.open(t)).Processed(testContext(t), now(t, j, "g"), 4); err != nil {
		t.Fatal(err)
	}
	wantPosition(t, j, "g", 9)
}
