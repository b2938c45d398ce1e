package door_test

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door"
)

// Who asks and reads no answers is not read from any more: its answers take no memory.
func TestAnswersThatNobodyReadsAreBounded(t *testing.T) {
	x := open(t, guarded)
	r := x.in(5, "flood", user("d1", "right"))
	if err := r.c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	const most = 48 << 20 // more than the system keeps of what is on its way
	flood := bytes.Repeat([]byte{0xc0, 0}, 64<<10)
	written := 0
	for err := error(nil); err == nil && written < most; {
		_ = r.c.SetWriteDeadline(time.Now().Add(3 * time.Second))
		var n int
		n, err = r.c.Write(flood)
		written += n
	}
	if written >= most {
		t.Errorf("%d bytes were taken of who reads no answers", written)
	}
	other := x.in(4, "other", user("d2", "right"))
	other.write(message("kh/a/weather/d2", 1, 1, "x"))
	other.want(packets.Puback)
}

// Properties count as what they take.
func TestPropertiesAreBoundedWithTheRest(t *testing.T) {
	x := open(t, bounded(door.Limits{InFlightBytes: 4 << 20}))
	gate := make(chan struct{})
	x.journal.mu.Lock()
	x.journal.gate = gate
	x.journal.mu.Unlock()
	m := message("kh/a/weather/d1", 1, 1, "x")
	for range 6000 {
		m.Properties.User = append(m.Properties.User, packets.UserProperty{Key: "k", Val: "v"})
	}
	b := encode(t, 5, m)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	clients := make([]*raw, 4)
	for i := range clients {
		clients[i] = x.in(5, fmt.Sprint("c", i))
		go func() {
			for n := range 100 {
				b := bytes.Clone(b)
				b[3+1+2+len(m.TopicName)+1] = byte(n + 1)
				_, _ = clients[i].c.Write(b)
			}
		}()
	}
	x.eventually("some wait", func() bool { return value(t, x, "haidang_door_waiting_bytes") > 1<<20 })
	time.Sleep(500 * time.Millisecond)
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("%d MiB wait, want no more than about 4", grown>>20)
	}
	close(gate)
}

// A will that waits for room goes when there is some, though nobody else waits.
func TestWillsWaitForRoom(t *testing.T) {
	x := open(t, bounded(door.Limits{InFlightBytes: 1000}), remembering(t, t.TempDir()))
	gate := make(chan struct{})
	x.journal.mu.Lock()
	x.journal.gate = gate
	x.journal.mu.Unlock()
	for i := range 3 {
		r := x.in(4, fmt.Sprint("c", i), func(p *packets.Packet) {
			p.Connect.WillFlag, p.Connect.WillTopic, p.Connect.WillPayload = true, "kh/a/weather/d1", []byte(strings.Repeat("w", 2000))
		})
		r.c.Close()
	}
	x.eventually("a will waits for the journal", func() bool { return value(t, x, "haidang_door_waiting_bytes") > 0 })
	time.Sleep(300 * time.Millisecond) // for the next one to wait behind it
	close(gate)
	x.eventually("all wills are there", func() bool { return len(x.journal.all()) == 3 })
}

// A device that has lost its state and begins again with the identifiers of its session is
// not answered for messages that are nowhere.
func TestIdentifierUsedAgainIsAnotherMessage(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	stay := func(p *packets.Packet) { p.Connect.Clean = false }
	r := x.in(4, "c", stay)
	r.write(message("kh/a/weather/d1", 2, 1, "first"))
	r.want(packets.Pubrec)
	r.c.Close()
	r = x.in(4, "c", stay)
	again := message("kh/a/weather/d1", 2, 1, "first")
	again.FixedHeader.Dup = true
	r.write(again)
	r.want(packets.Pubrec)
	if n := len(x.journal.all()); n != 1 {
		t.Errorf("%d messages after the same one came again, want 1", n)
	}
	r.c.Close()
	r = x.in(4, "c", stay)
	r.write(message("kh/a/weather/d1", 2, 1, "second"))
	r.want(packets.Pubrec)
	if all := x.journal.all(); len(all) != 2 || string(all[1].Payload) != "second" {
		t.Errorf("acknowledged, and the journal has %d messages", len(all))
	}
}

// A device that promises large packets and does not send them holds nobody else's up.
func TestPromisesMakeRoom(t *testing.T) {
	x := open(t, guarded)
	for i := range 4 {
		r := x.in(4, fmt.Sprint("c", i), user("d1", "right"))
		b := encode(t, 4, message("kh/a/weather/d1", 1, 1, strings.Repeat("x", 8<<20-100)))
		r.send(b[:len(b)-1]...)
	}
	other := x.in(4, "other", user("d2", "right"))
	started := time.Now()
	other.write(message("kh/a/weather/d2", 1, 1, strings.Repeat("x", 100_000)))
	other.want(packets.Puback)
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	x.eventually("it is told", func() bool {
		all := x.refused.list()
		return len(all) > 0 && all[0].Identity == "d1" && all[0].Code == packets.ErrPacketTooLarge.Code
	})
}
