package broker_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
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

// load publishes over MQTT at QoS 1, one message after the other, and counts the
// PUBACKs, through every disconnect.
type load struct {
	acked atomic.Int64
	stop  chan struct{}
	done  chan struct{}
}

func reconnect(o *mqtt.ClientOptions) {
	o.SetAutoReconnect(true).SetMaxReconnectInterval(200 * time.Millisecond).
		SetConnectTimeout(2 * time.Second).SetWriteTimeout(time.Second)
}

func startLoad(t *testing.T, b *broker.Broker, topic string, size int) *load {
	l := &load{stop: make(chan struct{}), done: make(chan struct{})}
	c := client(t, b, "device", reconnect)
	go func() {
		defer close(l.done)
		for i := 0; ; i++ {
			payload := make([]byte, size)
			copy(payload, fmt.Sprintf("%09d", i))
			select {
			case <-c.Publish(topic, 1, false, payload).Done():
				l.acked.Store(int64(i + 1))
			case <-l.stop:
				return
			}
		}
	}()
	return l
}

// end stops the load and tells how many messages have a PUBACK.
func (l *load) end() int64 {
	close(l.stop)
	<-l.done
	return l.acked.Load()
}

// delivered waits until the subscriber has had every message up to n.
func delivered(t *testing.T, got <-chan mqtt.Message, n int64) {
	t.Helper()
	seen := map[string]bool{}
	missing := n
	for missing > 0 {
		p := string(receive(t, got).Payload()[:9])
		if p < fmt.Sprintf("%09d", n) && !seen[p] {
			missing--
		}
		seen[p] = true
	}
}

// The disk fills up entirely: nothing acknowledged is lost, and the broker stores
// again by itself when there is space, over the same connections.
func TestFullDiskRecovers(t *testing.T) {
	dir := realserver.TinyDisk(t, "64m")
	b := start(t, broker.Options{
		Dir: filepath.Join(dir, "broker"), MQTTAddr: "127.0.0.1:0", CheckEvery: 100 * time.Millisecond,
		AckWait: 2 * time.Second,
	})
	j := newJournal(t, b)
	got := subscribe(t, client(t, b, "gateway", reconnect), "kh/#")
	l := startLoad(t, b, "kh/x", 1000)
	eventually(t, "some messages are stored", func() bool { return l.acked.Load() > 200 && j.publish(10_000) == nil })

	giveBack := realserver.FillDisk(t, dir, 1<<20)
	eventually(t, "the broker notices", func() bool {
		_ = j.publish(10_000) // fails sooner or later, and must not count then
		return b.Err() != nil
	})
	t.Log(b.Err())
	giveBack()
	eventually(t, "the broker stores again", func() bool { return b.Err() == nil })
	eventually(t, "the journal stores again", func() bool { return j.publish(10_000) == nil })
	before := l.acked.Load()
	eventually(t, "MQTT stores again", func() bool { return l.acked.Load() > before+200 })
	j.have(t)
	delivered(t, got, l.end())
}

// With a reserve the disk never fills up: MQTT publishers are refused before,
// keep their messages, and are served again when there is space.
func TestReserveRefusesMQTT(t *testing.T) {
	dir := realserver.TinyDisk(t, "64m")
	b := start(t, broker.Options{
		Dir: filepath.Join(dir, "broker"), MQTTAddr: "127.0.0.1:0", CheckEvery: 50 * time.Millisecond,
		Reserve: 24 << 20, AckWait: 2 * time.Second,
	})
	got := subscribe(t, client(t, b, "gateway", reconnect), "kh/#")
	l := startLoad(t, b, "kh/x", 1000)
	eventually(t, "some messages are stored", func() bool { return l.acked.Load() > 200 })

	giveBack := realserver.FillDisk(t, dir, 20<<20)
	eventually(t, "the broker notices", func() bool { return b.Err() != nil })
	for _, want := range []string{"--disk-reserve", "24 MiB", dir} {
		if !strings.Contains(b.Err().Error(), want) {
			t.Errorf("error does not say %q: %v", want, b.Err())
		}
	}
	// Publishes are refused, so the count stands still.
	var stood int64
	eventually(t, "publishes are refused", func() bool {
		before := stood
		stood = l.acked.Load()
		return before == stood
	})
	giveBack()
	eventually(t, "the broker accepts again", func() bool { return b.Err() == nil })
	eventually(t, "MQTT is stored again", func() bool { return l.acked.Load() > stood+200 })
	delivered(t, got, l.end())
}
