package journal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest/journal"
)

func (e *embedded) jetstream(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc, err := e.b.Connect("other")
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

// A stream of the journal's name that is something else is left alone.
func TestIncompatibleStream(t *testing.T) {
	e := newEmbedded(t)
	js := e.jetstream(t)
	if _, err := js.CreateStream(testContext(t), jetstream.StreamConfig{Name: "HAIDANG_JOURNAL", Subjects: []string{"mine"}}); err != nil {
		t.Fatal(err)
	}
	nc, err := e.b.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, err = journal.Open(testContext(t), journal.Options{Conn: nc})
	for _, want := range []string{"HAIDANG_JOURNAL", "--journal", "retention"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	// Another name is the remedy, and both live side by side.
	j := e.open(t, func(o *journal.Options) { o.Stream = "OTHER" })
	appendAll(t, j, record("g", 0, 1))
	next(t, take(t, j), "g", 0, 1)
}

func TestNoServer(t *testing.T) {
	_, err := journal.Open(testContext(t), journal.Options{URL: "nats://user:secret@127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "--journal") || strings.Contains(err.Error(), "secret") {
		t.Fatalf("error %v", err)
	}
}

func TestGatewayNames(t *testing.T) {
	j := newEmbedded(t).open(t)
	for _, name := range []string{"", "a.b", "*", ">", "a b", "Nha Trang", strings.Repeat("x", 65)} {
		if err := appendNow(t, j, record(name, 0, 1)); err == nil {
			t.Errorf("name %q is accepted", name)
		}
		if _, _, err := j.Position(testContext(t), name); err == nil {
			t.Errorf("name %q has a position", name)
		}
	}
	if err := appendNow(t, j, record("g", 0, 0)); err == nil {
		t.Error("a record without messages is accepted")
	}
}

// A record that cannot be read does not stop the others, and its numbers are not
// given again once it has been acknowledged.
func TestCorruptRecord(t *testing.T) {
	e := newEmbedded(t)
	j := e.open(t)
	appendAll(t, j, record("g", 0, 3))
	if _, err := e.jetstream(t).PublishMsg(testContext(t), &nats.Msg{
		Subject: "haidang.journal." + string(state(t, j).Epoch) + ".g", Data: []byte("HDJ\x02 damaged"),
		Header: nats.Header{"Haidang-Record": {"3 4 00000000"}},
	}); err != nil {
		t.Fatal(err)
	}
	wantPosition(t, j, "g", 7)
	taken := take(t, j)
	finish(t, taken, next(t, taken, "g", 0, 3))
	d, err := taken.Next(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var corrupt *journal.CorruptError
	if !errors.As(d.Err, &corrupt) || d.Record.Gateway != "g" || d.Record.First != 3 || string(d.Raw) != "HDJ\x02 damaged" {
		t.Fatalf("delivery %+v", d)
	}
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has left", func() bool { return state(t, j).Records == 0 })
	wantPosition(t, j, "g", 7)
}
