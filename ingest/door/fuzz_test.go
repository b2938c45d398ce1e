package door

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// nowhere is a journal that has everything.
type nowhere struct{}

func (nowhere) Append(context.Context, ingest.Record) error { return nil }
func (nowhere) Position(context.Context, string) (ingest.Epoch, uint64, error) {
	return "E", 0, nil
}

// listener is a door with sessions that takes whatever comes.
func listener(t testing.TB) *Door {
	t.Helper()
	s, err := session.Open(t.Context(), session.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	d, err := Open(t.Context(), Options{
		Addr: "127.0.0.1:0", Journal: nowhere{}, Sessions: s, Limits: Limits{Packet: 1 << 20},
		NotTelemetry: func(topic string) bool { return len(topic) > 2 && topic[2] == 'c' },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

// seeds are packets as clients send them.
func seeds(t testing.TB) (all [][]byte) {
	t.Helper()
	names, err := filepath.Glob("testdata/packets/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no seeds: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// hellos are what may come first: nothing, a CONNECT of MQTT 3.1.1, and one of 5.
func hellos() []string {
	return []string{"", "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c", "\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c"}
}

// FuzzListener sends a door whatever a client may send, after each of the hellos. The door
// must not panic, must end the connection once the client has, and must not keep more
// memory than its bounds allow.
func FuzzListener(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	d := listener(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, hello := range hellos() {
			exchange(t, d, append([]byte(hello), data...))
		}
		small(t)
	})
}

// TestMutatedPackets is the same with packets that are changed at random, as many as
// HAIDANG_TEST_MUTATIONS says: it is quicker than a fuzzer that looks for new ways.
func TestMutatedPackets(t *testing.T) {
	count := 5000
	if s := os.Getenv("HAIDANG_TEST_MUTATIONS"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	sendMutated(t, func(sent int) bool { return sent < count/mutators })
}

// TestMutatedPacketsForAMinute sends as many as go into a minute.
func TestMutatedPacketsForAMinute(t *testing.T) {
	realserver.Plain(t)
	if testing.Short() {
		t.Skip("takes a minute")
	}
	end := time.Now().Add(time.Minute)
	t.Logf("%d packets", sendMutated(t, func(int) bool { return time.Now().Before(end) }))
}

// mutators is how many clients send changed packets at once.
const mutators = 8

// sendMutated sends changed packets, each client while more says so of what it has sent.
func sendMutated(t *testing.T, more func(sent int) bool) uint64 {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	d, all := listener(t), seeds(t)
	var clients sync.WaitGroup
	var total atomic.Uint64
	for n := range mutators {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
			sent := 0
			for more(sent) && !t.Failed() {
				stream := []byte(hellos()[r.IntN(3)])
				for range 1 + r.IntN(16) {
					stream = append(stream, mutate(r, all[r.IntN(len(all))])...)
					sent++
				}
				exchange(t, d, stream)
			}
			total.Add(uint64(sent))
		})
	}
	clients.Wait()
	small(t)
	return total.Load()
}

// mutate changes some bytes, drops some or puts some in.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range r.IntN(4) {
		if len(b) == 0 {
			break
		}
		switch at := r.IntN(len(b)); r.IntN(5) {
		case 0:
			b[at] = byte(r.Uint32())
		case 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b = append(b[:at], b[min(len(b), at+1+r.IntN(4)):]...)
		case 3:
			b = slices.Insert(b, at, byte(r.Uint32()))
		default:
			b[min(at, 4)] = byte(r.Uint32()) // the head, and what follows it
		}
	}
	return b
}

// small checks that not much memory is kept.
func small(t *testing.T) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 512<<20 {
		t.Fatalf("%d MiB are kept", m.HeapAlloc>>20)
	}
}

// exchange sends data, says that no more comes, and waits for the door to end the
// connection.
func exchange(t *testing.T, d *Door, data []byte) {
	c, err := net.Dial("tcp", d.listener.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		_, _ = c.Write(data)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(io.Discard, c)
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		t.Errorf("the connection stays open after %q", data)
	}
}
