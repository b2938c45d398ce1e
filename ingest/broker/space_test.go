package broker_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/broker"
)

// journalOf is a journal's stream seen with the bare client.
type journalOf struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	acked  int
}

func newJournal(t *testing.T, b *broker.Broker) *journalOf {
	t.Helper()
	nc, err := b.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "J", Subjects: []string{"j"}})
	if err != nil {
		t.Fatal(err)
	}
	return &journalOf{js: js, stream: stream}
}

func (j *journalOf) publish(size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	data := make([]byte, size)
	copy(data, fmt.Sprintf("%09d", j.acked))
	if _, err := j.js.Publish(ctx, "j", data); err != nil {
		return err
	}
	j.acked++
	return nil
}

// have asks the stream for every record that was acknowledged.
func (j *journalOf) have(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	seen := map[string]bool{}
	info, err := j.stream.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := j.stream.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[string(m.Data[:9])] = true
	}
	for i := range j.acked {
		if !seen[fmt.Sprintf("%09d", i)] {
			t.Errorf("record %d was acknowledged and is lost", i)
		}
	}
}

// The disk fills up entirely: nothing acknowledged is lost, and the broker stores
// again by itself when there is space, over the same connection.
func TestFullDiskRecovers(t *testing.T) {
	dir := realserver.TinyDisk(t, "64m")
	b := start(t, broker.Options{Dir: filepath.Join(dir, "broker"), CheckEvery: 100 * time.Millisecond})
	j := newJournal(t, b)
	eventually(t, "some records are stored", func() bool { return j.publish(10_000) == nil && j.acked > 20 })
	giveBack := realserver.FillDisk(t, dir, 1<<20)
	eventually(t, "the broker notices", func() bool {
		_ = j.publish(10_000) // fails sooner or later, and must not count then
		return b.Err() != nil
	})
	t.Log(b.Err())
	giveBack()
	eventually(t, "the broker stores again", func() bool { return b.Err() == nil })
	eventually(t, "the journal stores again", func() bool { return j.publish(10_000) == nil })
	j.have(t)
}

// Below the reserve the broker says so, with what to do, until there is space again.
func TestReserveIsTold(t *testing.T) {
	dir := realserver.TinyDisk(t, "64m")
	b := start(t, broker.Options{Dir: filepath.Join(dir, "broker"), CheckEvery: 50 * time.Millisecond, Reserve: 24 << 20})
	giveBack := realserver.FillDisk(t, dir, 20<<20)
	eventually(t, "the broker notices", func() bool { return b.Err() != nil })
	for _, want := range []string{"--disk-reserve", "24 MiB", dir} {
		if !strings.Contains(b.Err().Error(), want) {
			t.Errorf("error does not say %q: %v", want, b.Err())
		}
	}
	giveBack()
	eventually(t, "it is over", func() bool { return b.Err() == nil })
}
