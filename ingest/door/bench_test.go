package door_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/journal"
)

// reading is a payload as devices send it.
const reading = `{"ts":1795293000123,"pm25":12.4,"pm10":30.1,"no2":11,"o3":41,"so2":3.2,"co":0.4,"temp":29.1,"bat":3.7,"rssi":-87}`

// publish is the PUBLISH of QoS 1 of a reading.
func publish(topic string, id uint16) []byte {
	n := 2 + len(topic) + 2 + len(reading)
	b := []byte{0x32, byte(n&0x7f) | 0x80, byte(n >> 7)}
	b = binary.BigEndian.AppendUint16(b, uint16(len(topic)))
	b = append(b, topic...)
	b = binary.BigEndian.AppendUint16(b, id)
	return append(b, reading...)
}

// logIn is a connection that has said who it is, by MQTT 3.1.1.
func logIn(t testing.TB, addr, client string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{0x10, byte(12 + len(client)), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, byte(len(client))}
	if _, err := c.Write(append(b, client...)); err != nil {
		t.Fatal(err)
	}
	ack := make([]byte, 4)
	if _, err := io.ReadFull(c, ack); err != nil || ack[3] != 0 {
		t.Fatalf("CONNACK is %v, %v", ack, err)
	}
	return c
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDoor is the CPU of the door, journal and senders together, for each message:
// what the senders cost without a door is theirs.
func BenchmarkDoor(b *testing.B) {
	for _, sync := range []string{"memory", "process", "power"} {
		for _, load := range []struct{ connections, window int }{{1, 1}, {1, 1000}, {200, 1}} {
			b.Run(fmt.Sprintf("%s/%dx%d", sync, load.connections, load.window), func(b *testing.B) {
				x := open(b, func(o *door.Options) {
					if sync != "memory" {
						o.Journal = realJournal(b, sync == "power")
					}
				})
				conns := make([]net.Conn, load.connections)
				for i := range conns {
					conns[i] = logIn(b, x.addr(), fmt.Sprint("c", i))
					defer conns[i].Close()
				}
				b.ResetTimer()
				before := cpu()
				send(b, conns, load.window)
				b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
				x.stop()
				b.ReportMetric(float64(b.N)/float64(max(1, x.journal.count())), "msg/record")
			})
		}
	}
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records
}

// send sends b.N messages, each connection with a window of unacknowledged ones.
func send(b *testing.B, conns []net.Conn, window int) {
	var all sync.WaitGroup
	for i, c := range conns {
		n := b.N / len(conns)
		if i < b.N%len(conns) {
			n++
		}
		all.Go(func() { sendOne(b, c, fmt.Sprintf("kh/nha-trang/air_quality/aq-%03d", i), n, window) })
	}
	all.Wait()
}

func sendOne(b *testing.B, c net.Conn, topic string, n, window int) {
	out := bufio.NewWriterSize(c, 64<<10)
	in := bufio.NewReaderSize(c, 4<<10)
	packet := publish(topic, 0)
	at := 3 + 2 + len(topic)
	ack := make([]byte, 4)
	for sent, acked := 0, 0; acked < n; {
		for sent < n && sent-acked < window {
			sent++
			binary.BigEndian.PutUint16(packet[at:], uint16(sent%60000+1))
			_, _ = out.Write(packet)
		}
		if err := out.Flush(); err != nil {
			b.Error(err)
			return
		}
		for first := true; acked < n && (first || in.Buffered() >= 4); first = false {
			if _, err := io.ReadFull(in, ack); err != nil || ack[0] != 0x40 {
				b.Errorf("acknowledgement is %v, %v", ack, err)
				return
			}
			acked++
		}
	}
}

// realJournal is one of the embedded server.
func realJournal(t testing.TB, power bool) ingest.Appender {
	t.Helper()
	dir, err := os.MkdirTemp("", "door-bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	srv, err := broker.Start(t.Context(), broker.Options{Dir: dir, SyncAlways: power})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close(context.Background()) })
	conn, err := srv.Connect("journal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	j, err := journal.Open(t.Context(), journal.Options{Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

// BenchmarkDoorAtRate is the same at a steady rate, whether or not messages are
// acknowledged in between: how large records become, and what they then cost.
func BenchmarkDoorAtRate(b *testing.B) {
	for _, load := range []struct{ connections, rate int }{{200, 500}, {200, 5000}, {2000, 5000}, {2000, 20000}} {
		b.Run(fmt.Sprintf("process/%dat%d", load.connections, load.rate), func(b *testing.B) {
			counted := &counting{Appender: realJournal(b, false)}
			x := open(b, func(o *door.Options) { o.Journal = counted })
			conns := make([]net.Conn, load.connections)
			var acks sync.WaitGroup
			for i := range conns {
				conns[i] = logIn(b, x.addr(), fmt.Sprint("c", i))
				acks.Go(func() { _, _ = io.Copy(io.Discard, conns[i]) })
			}
			b.ResetTimer()
			before, start := cpu(), time.Now()
			for i := range b.N {
				if due := start.Add(time.Duration(i) * time.Second / time.Duration(load.rate)); time.Until(due) > time.Millisecond {
					time.Sleep(time.Until(due))
				}
				c := i % len(conns)
				_, _ = conns[c].Write(publish(fmt.Sprintf("kh/nha-trang/air_quality/aq-%03d", c), uint16(i%60000+1)))
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			x.stop()
			acks.Wait()
			b.ReportMetric(float64(b.N)/float64(counted.n), "msg/record")
		})
	}
}

// counting counts records.
type counting struct {
	ingest.Appender
	n int
}

func (c *counting) Append(ctx context.Context, r ingest.Record) error {
	c.n++
	return c.Appender.Append(ctx, r)
}
