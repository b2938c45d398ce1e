package door_test

import (
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// A connection that is idle costs little: ten thousand of them, with a session each, must
// leave room in 256 MiB for all else. The client's end is in this process too.
func TestMemoryOfConnections(t *testing.T) {
	realserver.Plain(t)
	x := open(t, remembering(t, t.TempDir()))
	used := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	const n = 2000
	conns := make([]net.Conn, 0, n)
	before := used()
	for i := range n {
		c := logIn(t, x.addr(), fmt.Sprint("c", i))
		defer c.Close()
		conns = append(conns, c)
	}
	packet := publish("kh/nha-trang/air_quality/aq-001", 1)
	for _, c := range conns {
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	x.eventually("all have published", func() bool { return len(x.journal.all()) == n })
	each := (used() - before) / n
	t.Logf("a connection takes %d bytes", each)
	if each > 12<<10 {
		t.Errorf("a connection takes %d bytes, more than 12 KiB", each)
	}
}
