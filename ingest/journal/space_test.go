package journal_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
)

func startOnDisk(t *testing.T, dir string) *embedded {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Options{
		Dir: filepath.Join(dir, "broker"), CheckEvery: 50 * time.Millisecond, Logger: logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &embedded{b: b}
	t.Cleanup(func() { e.stop(t) })
	return e
}

// The reserve refuses appends while there is still space, and only while it is
// short; what is in the journal can be taken and acknowledged meanwhile.
func TestReserve(t *testing.T) {
	dir := realserver.TinyDisk(t, "64m")
	e := startOnDisk(t, dir)
	j := e.open(t, func(o *journal.Options) {
		o.FreeSpace, o.Folder, o.Reserve = e.b.FreeSpace, e.b.Dir(), 16<<20
	})
	appendAll(t, j, record("g", 0, 1))
	giveBack := realserver.FillDisk(t, dir, 8<<20)
	err := appendNow(t, j, record("g", 1, 1))
	if !errors.Is(err, ingest.ErrJournalFull) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{e.b.Dir(), "--disk-reserve", "8 MiB", "16 MiB"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	taken := take(t, j)
	finish(t, taken, next(t, taken, "g", 0, 1))
	giveBack()
	appendAll(t, j, record("g", 1, 1))
	finish(t, taken, next(t, taken, "g", 1, 1))
}

// Without a reserve the disk runs full under the server: appends fail, nothing
// that was appended is lost, and when there is space the same gateway and the same
// loader go on, with the broker restarted beneath them.
func TestFullDisk(t *testing.T) {
	dir := realserver.TinyDisk(t, "64m")
	e := startOnDisk(t, dir)
	j := e.open(t, func(o *journal.Options) { o.AppendTimeout, o.MaxBytes = 300*time.Millisecond, 1<<30 })
	epoch, position, err := j.Position(testContext(t), "g")
	if err != nil {
		t.Fatal(err)
	}
	appendOne := func() error {
		r := record("g", position, 1)
		r.Epoch = epoch
		r.Messages[0].Payload = append(r.Messages[0].Payload, make([]byte, 10_000)...)
		err := j.Append(context.Background(), r)
		if err == nil {
			position++
		}
		return err
	}
	// A busy machine may be slower than the timeout, which makes a full disk quick to see.
	appended := func() bool { return appendOne() == nil }
	for range 100 {
		eventually(t, "a record is appended", appended)
	}
	taken := take(t, j)
	takeOne := func(want uint64) {
		t.Helper()
		d, err := taken.Next(testContext(t))
		for ; err == nil && d.Record.First < want; d, err = taken.Next(testContext(t)) {
			_ = d.Ack() // it comes again because its acknowledgement was lost
		}
		if err != nil || d.Record.First != want {
			t.Fatalf("took %d, want %d: %v", d.Record.First, want, err)
		}
		eventually(t, "the position can be stored", func() bool {
			return taken.Processed(testContext(t), d.Record.Sequence(), d.Record.End()) == nil
		})
		_ = d.Ack()
	}
	takeOne(0)
	giveBack := realserver.FillDisk(t, dir, 1<<20)
	// One that fails may only have been slow: it is full when the broker says so.
	failed := false
	eventually(t, "an append fails and the broker notices", func() bool {
		if err := appendOne(); err != nil {
			failed = true
			t.Log(err)
		}
		return failed && e.b.Err() != nil
	})
	giveBack()
	eventually(t, "appends work again", appended)
	for i := uint64(1); i < position; i++ {
		takeOne(i)
	}
	wantPosition(t, j, "g", position)
}
