package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest/broker"
)

const (
	inspectedStream   = "S"
	inspectedMessages = 300
)

// filled makes a broker's folder whose stream has messages of which some were removed,
// and stops it.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b, err := broker.Start(t.Context(), broker.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBroker(t, b)
	stream, done := streamOf(t, b)
	defer done()
	for i := range inspectedMessages {
		if _, err := stream.js.Publish(t.Context(), "s.x", fmt.Appendf(nil, "message-%06d of a few bytes more", i)); err != nil {
			t.Fatal(err)
		}
	}
	for n := uint64(1); n <= 20; n++ {
		if err := stream.DeleteMsg(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type openStream struct {
	jetstream.Stream
	js jetstream.JetStream
}

func streamOf(t *testing.T, b *broker.Broker) (openStream, func()) {
	t.Helper()
	conn, err := b.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: inspectedStream, Subjects: []string{"s.*"}, Storage: jetstream.FileStorage})
	if err != nil {
		t.Fatal(err)
	}
	return openStream{s, js}, conn.Close
}

func blockOf(dir string) string {
	return filepath.Join(dir, "jetstream", "JOURNAL", "streams", inspectedStream, "msgs", "1.blk")
}

// alter changes a file where a text stands.
func alter(t *testing.T, path, text string, change func(b []byte, at int) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(text))
	if at < 0 {
		t.Fatalf("%q is not in %s", text, path)
	}
	if err := os.WriteFile(path, change(b, at), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(b []byte, at int) []byte { b[at] ^= 1; return b }

func TestInspectFindsNothingInGoodFiles(t *testing.T) {
	dir := filled(t)
	found, err := broker.Inspect(dir, t.TempDir(), false)
	if err != nil || len(found.Damage) > 0 || found.Last["JOURNAL/"+inspectedStream] != inspectedMessages {
		t.Errorf("%+v, %v", found, err)
	}
}

// Whatever is damaged costs only itself: what lies behind it is kept, and no number is
// used again.
func TestMendedStreamLosesOnlyWhatIsDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		change func(b []byte, at int) []byte
		lost   int
		gone   []int // messages, from 0
	}{
		"a flipped bit":        {"message-000100", flip, 1, []int{100}},
		"one in the last":      {"message-000299", flip, 1, []int{299}},
		"of what was removed":  {"message-000007", flip, 0, nil},
		"a flipped length":     {"s.xmessage-000100", func(b []byte, at int) []byte { b[at-recordHeadSize+1] ^= 0x40; return b }, 1, []int{100}},
		"zeros over a few":     {"s.xmessage-000100", func(b []byte, at int) []byte { copy(b[at:], make([]byte, 150)); return b }, 3, []int{100, 101, 102}},
		"a piece that is gone": {"s.xmessage-000100", func(b []byte, at int) []byte { return append(b[:at:at], b[at+150:]...) }, 3, []int{100, 101, 102}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, aside := filled(t), t.TempDir()
			alter(t, blockOf(dir), c.text, c.change)
			found, err := broker.Inspect(dir, aside, true)
			if err != nil || len(found.Damage) != 1 || found.Damage[0].Lost != c.lost || found.Damage[0].Stream != inspectedStream {
				t.Fatalf("%+v, %v", found, err)
			}
			if kept, err := os.ReadFile(found.Damage[0].Aside); err != nil || len(kept) == 0 {
				t.Errorf("the damaged block is not kept: %v", err)
			}
			if again, err := broker.Inspect(dir, aside, true); err != nil || len(again.Damage) > 0 {
				t.Errorf("after mending: %+v, %v", again, err)
			}
			wantMessages(t, dir, c.gone)
		})
	}
}

// recordHeadSize is what lies before the subject in a block.
const recordHeadSize = 22

// wantMessages demands all messages but those that were removed and some others.
func wantMessages(t *testing.T, dir string, gone []int) {
	t.Helper()
	b := start(t, broker.Options{Dir: dir})
	stream, done := streamOf(t, b)
	defer done()
	states, err := b.Streams()
	if err != nil || states["JOURNAL/"+inspectedStream].Last != inspectedMessages {
		t.Errorf("states %v, %v", states, err)
	}
	missing := map[int]bool{}
	for _, n := range gone {
		missing[n] = true
	}
	for i := 20; i < inspectedMessages; i++ {
		m, err := stream.GetMsg(context.Background(), uint64(i+1))
		switch {
		case missing[i] && err == nil:
			t.Errorf("message %d is still there", i)
		case !missing[i] && (err != nil || !strings.HasPrefix(string(m.Data), fmt.Sprintf("message-%06d", i))):
			t.Errorf("message %d: %v", i, err)
		}
	}
}

// A torn end is what a killed process leaves, and nobody's loss; how much is there is
// for marks to judge.
func TestTornEndIsNoDamage(t *testing.T) {
	dir := filled(t)
	alter(t, blockOf(dir), "message-000299", func(b []byte, at int) []byte { return b[:at] })
	found, err := broker.Inspect(dir, t.TempDir(), true)
	if err != nil || len(found.Damage) > 0 || found.Last["JOURNAL/"+inspectedStream] != inspectedMessages-1 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestInspectFindsADamagedDescription(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, "jetstream", "JOURNAL", "streams", inspectedStream, "meta.inf")
	alter(t, path, "max_", flip)
	found, err := broker.Inspect(dir, t.TempDir(), false)
	if err != nil || len(found.Damage) != 1 || found.Damage[0].Description != path {
		t.Errorf("%+v, %v", found, err)
	}
}
