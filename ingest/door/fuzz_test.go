package door

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// nowhere is a journal that has everything.
type nowhere struct{}

func (nowhere) Append(context.Context, ingest.Record) error { return nil }
func (nowhere) Position(context.Context, string) (ingest.Epoch, uint64, error) {
	return "E", 0, nil
}

// FuzzListener sends a door whatever a client may send: first, as one stream, without a
// CONNECT, then after one of MQTT 3.1.1, and of 5. The door must not panic, must end the
// connection once the client has, and must not keep more memory than bounds allow.
func FuzzListener(f *testing.F) {
	seeds, err := filepath.Glob("testdata/packets/*")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range seeds {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	s, err := session.Open(f.Context(), session.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	d, err := Open(f.Context(), Options{
		Addr: "127.0.0.1:0", Journal: nowhere{}, Sessions: s, Limits: Limits{Packet: 1 << 20},
		NotTelemetry: func(topic string) bool { return len(topic) > 2 && topic[2] == 'c' },
	})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	f.Cleanup(func() { cancel(); <-ended })
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, hello := range []string{"", "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c", "\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c"} {
			exchange(t, d, append([]byte(hello), data...))
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc > 512<<20 {
			t.Fatalf("%d MiB are kept", m.HeapAlloc>>20)
		}
	})
}

// exchange sends data, says that no more comes, and waits for the door to end the
// connection.
func exchange(t *testing.T, d *Door, data []byte) {
	c, err := net.Dial("tcp", d.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = c.Write(data)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(io.Discard, c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Fatalf("the connection stays open after %d bytes", len(data))
	}
}
