package journal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/journal"
)

// jetstream is the server's own interface, as somebody who does damage has it.
func (e *external) jetstream(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(e.srv.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func epochOf(t *testing.T, j *journal.Journal) ingest.Epoch {
	t.Helper()
	epoch, _, err := j.Position(testContext(t), "g")
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

// A rotation counts for every process at once: what another one appends in the former
// epoch the server does not take, and it goes on in the new one. What had been
// appended before comes out all the same.
func TestRotate(t *testing.T) {
	conformance(t, "Rotate", func(t *testing.T, s place) {
		loader, gateway := s.open(t), s.open(t)
		before := epochOf(t, gateway)
		appendAll(t, gateway, record("g", 0, 3))
		if err := loader.Rotate(testContext(t), before); err != nil {
			t.Fatal(err)
		}
		if err := loader.Rotate(testContext(t), before); err != nil { // it has been done
			t.Fatal(err)
		}
		after := epochOf(t, loader)
		r := record("g", 3, 1)
		r.Epoch = before
		if err := gateway.Append(testContext(t), r); !errors.Is(err, ingest.ErrPosition) {
			t.Fatalf("an append in the former epoch: %v", err)
		}
		epoch, position, err := gateway.Position(testContext(t), "g")
		if err != nil || epoch != after || epoch == before || position != 0 {
			t.Fatalf("the gateway is at %d of %s, want 0 of %s (%v)", position, epoch, after, err)
		}
		appendAll(t, gateway, record("g", 0, 2))
		taken := take(t, loader)
		for _, want := range []struct {
			epoch ingest.Epoch
			n     int
		}{{before, 3}, {after, 2}} {
			d := next(t, taken, "g", 0, want.n)
			if d.Record.Epoch != want.epoch {
				t.Errorf("the record is of epoch %s, want %s", d.Record.Epoch, want.epoch)
			}
			finish(t, taken, d)
		}
		st := state(t, loader)
		if st.Epoch != after || st.Positions[ingest.Sequence{Gateway: "g", Epoch: before}] != 3 || st.Positions[ingest.Sequence{Gateway: "g", Epoch: after}] != 2 {
			t.Errorf("state %+v", st)
		}
		if reopened := s.open(t); epochOf(t, reopened) != after {
			t.Error("a journal that is opened again draws another epoch")
		}
	})
}

// A flipped bit of a noted position, wherever it is, is told and not believed: the gateway begins
// a new epoch.
func TestDamagedPosition(t *testing.T) {
	e := newEmbedded(t)
	js := e.jetstream(t)
	j := e.open(t)
	for i := range len("2 01234567") {
		epoch := epochOf(t, j)
		appendAll(t, j, record("g", 0, 2))
		taken := take(t, j)
		finish(t, taken, next(t, taken, "g", 0, 2))
		taken.Close()
		bucket, err := js.Stream(testContext(t), "KV_HAIDANG_POSITIONS")
		if err != nil {
			t.Fatal(err)
		}
		subject := "$KV.HAIDANG_POSITIONS.position.g." + string(epoch)
		noted, err := bucket.GetLastMsgForSubject(testContext(t), subject)
		if err != nil {
			t.Fatal(err)
		}
		noted.Data[i] ^= 1 << (i % 8)
		if _, err := js.Publish(testContext(t), subject, noted.Data); err != nil {
			t.Fatal(err)
		}
		j = e.open(t)
		s := ingest.Sequence{Gateway: "g", Epoch: epoch}
		if st := state(t, j); st.Damaged[s] == "" || st.Positions[s] != 0 {
			t.Fatalf("%q: state %+v", noted.Data, st)
		}
		now, position, err := j.Position(testContext(t), "g")
		if err != nil || now == epoch || position != 0 {
			t.Fatalf("%q: position %d of %s, %v; want 0 of another epoch than %s", noted.Data, position, now, err, epoch)
		}
	}
}

// A journal of before there were epochs gets one: what is in it comes out with the
// epoch "", and what comes is counted from 0.
func TestFormerJournal(t *testing.T) {
	e := newEmbedded(t)
	js := e.jetstream(t)
	if _, err := js.CreateStream(testContext(t), jetstream.StreamConfig{
		Name: "HAIDANG_JOURNAL", Subjects: []string{"haidang.journal.*"}, Retention: jetstream.WorkQueuePolicy,
		Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage, MaxBytes: 1 << 20,
	}); err != nil {
		t.Fatal(err)
	}
	body := journal.FormerRecord("g", 7, "payload")
	former := func(j string) {
		t.Helper()
		if _, err := js.PublishMsg(testContext(t), &nats.Msg{Subject: "haidang.journal.g", Data: body, Header: nats.Header{"Haidang-Record": {"7 1 00000000"}}}); err != nil {
			t.Fatalf("%s: %v", j, err)
		}
	}
	former("before")
	j := e.open(t)
	former("a gateway of before that runs on")
	appendAll(t, j, record("g", 0, 1))
	taken := take(t, j)
	for range 2 {
		d, err := taken.Next(testContext(t))
		if err != nil || d.Err != nil || d.Record.Epoch != "" || d.Record.First != 7 {
			t.Fatalf("delivery %+v, %v", d, err)
		}
		finish(t, taken, d)
	}
	finish(t, taken, next(t, taken, "g", 0, 1))
	st := state(t, j)
	if st.Epoch == "" || st.Positions[ingest.Sequence{Gateway: "g"}] != 8 || st.Positions[ingest.Sequence{Gateway: "g", Epoch: st.Epoch}] != 1 {
		t.Errorf("state %+v", st)
	}
}

// A stream that is deleted under a running gateway and loader is made anew, in
// another epoch, and both go on.
func TestDeletedStream(t *testing.T) {
	conformance(t, "DeletedStream", func(t *testing.T, s place) {
		j := s.open(t)
		before := epochOf(t, j)
		appendAll(t, j, record("g", 0, 3))
		taken := take(t, j)
		next(t, taken, "g", 0, 3)
		js := s.(interface {
			jetstream(*testing.T) jetstream.JetStream
		}).jetstream(t)
		for _, name := range []string{"HAIDANG_JOURNAL", "KV_HAIDANG_POSITIONS"} {
			if err := js.DeleteStream(testContext(t), name); err != nil {
				t.Fatal(err)
			}
		}
		if state(t, j).Epoch == before {
			t.Error("the state is still that of the stream that is gone")
		}
		r := record("g", 3, 1)
		r.Epoch = before
		if err := j.Append(testContext(t), r); !errors.Is(err, ingest.ErrPosition) {
			t.Fatalf("error %v", err)
		}
		eventually(t, "appends work again", func() bool { return appendNow(t, j, record("g", 0, 1)) == nil })
		finish(t, taken, next(t, taken, "g", 0, 1))
		if st := state(t, j); st.Epoch == before || len(st.Positions) != 1 || strings.Contains(string(st.Epoch), ".") {
			t.Errorf("state %+v", st)
		}
	})
}
