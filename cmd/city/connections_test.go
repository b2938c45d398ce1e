package city

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haidang-iot/haidang/devices/access"
)

// serving runs a server's listener until the test ends; busy requests end with it.
func serving(t *testing.T, s *server) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "console") })
	s.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	s.mux.HandleFunc("/held", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "held")
		w.(http.Flusher).Flush()
		<-held
	})
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	t.Cleanup(func() {
		close(held)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.listener.Addr().String()
}

// dialled is a connection from an address of this machine.
func dialled(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	conn, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

// asked sends a request and reads the beginning of its answer; the connection stays.
func asked(t *testing.T, conn net.Conn, path string) string {
	t.Helper()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(res.Body, b[:min(4, max(2, res.ContentLength))]); err != nil {
		return err.Error()
	}
	return res.Status
}

// TestIdleConnectionsStarveNobody opens more connections than there may be, each of
// which asked once and stays: others are answered, and so is the one who did it.
func TestIdleConnectionsStarveNobody(t *testing.T) {
	t.Parallel()
	s := served(t)
	address := serving(t, s)
	for range 4100 {
		if got := asked(t, dialled(t, "127.0.0.1", address), "/healthz"); got != "200 OK" {
			t.Fatal(got)
		}
	}
	for _, from := range []string{"127.0.0.2", "127.0.0.1"} {
		for _, path := range []string{"/healthz", "/"} {
			if got := asked(t, dialled(t, from, address), path); got != "200 OK" {
				t.Errorf("%s from %s: %s", path, from, got)
			}
		}
	}
	if n := s.listener.opened(); n > mostPerAddress+2 {
		t.Errorf("%v connections are open", n)
	}
	if n := testutil.ToFloat64(s.listener.metrics.evicted); n < 4100-mostPerAddress {
		t.Errorf("only %v were counted as having made room", n)
	}
}

// TestBusyConnectionsOfOneAddressAreBounded holds as many requests as an address may:
// its next connection is told, another address is answered.
func TestBusyConnectionsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	s := served(t)
	s.listener.perAddress = 3
	address := serving(t, s)
	for range 3 {
		if got := asked(t, dialled(t, "127.0.0.1", address), "/held"); got != "200 OK" {
			t.Fatal(got)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(dialled(t, "127.0.0.1", address)), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !strings.Contains(string(b), "Quá nhiều kết nối") {
		t.Errorf("refused with %s %q, %v", res.Status, b, err)
	}
	if got := asked(t, dialled(t, "127.0.0.2", address), "/healthz"); got != "200 OK" {
		t.Errorf("another address: %s", got)
	}
	if n := testutil.ToFloat64(s.listener.metrics.refused.WithLabelValues("address")); n != 1 {
		t.Errorf("%v counted as refused", n)
	}
}

// afar is a connection that seems to come from another address.
type afar struct {
	net.Conn
	remote string
}

func (a afar) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a.remote))
}

// TestPlacesForThisMachine: busy strangers from everywhere leave places for this
// machine, and do not take those of its idle connections.
func TestPlacesForThisMachine(t *testing.T) {
	c := newConnections(nil, 10, 4) // 5 of them for this machine
	c.proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}
	come := func(remote string) *connection {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		k, _ := c.admit(afar{ours, remote})
		return k
	}
	busy := func(remote string) bool {
		k := come(remote)
		c.state(k, http.StateActive)
		return k != nil
	}
	if come("127.0.0.1:1") == nil {
		t.Error("this machine is refused")
	}
	for n, want := range []bool{true, true, true, true, false} {
		if got := busy(fmt.Sprintf("192.0.2.%d:1", n)); got != want {
			t.Errorf("stranger %d is let in: %v", n, got)
		}
	}
	for n := range 4 {
		if come("127.0.0.2:1") == nil {
			t.Errorf("this machine is refused at its connection %d", n)
		}
	}
	c = newConnections(nil, 1000, 4)
	c.proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}
	for n := range 4 {
		if !busy(fmt.Sprintf("[2001:db8::%d]:1", n)) || !busy("192.0.2.9:1") || !busy("192.0.2.9:2") {
			t.Errorf("connection %d of a network, or of the proxy, is refused", n)
		}
	}
	if busy("[2001:db8::ffff:1]:1") || !busy("[2001:db8:0:1::1]:1") {
		t.Error("a /64 is not counted as one address")
	}
}

// TestIdleStrangersLeaveSooner: who is not logged in keeps an idle connection for a
// shorter time than who is.
func TestIdleStrangersLeaveSooner(t *testing.T) {
	c := newConnections(nil, 10, 10)
	now := time.Now()
	c.now = func() time.Time { return now }
	make := func(known bool) *connection {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		k, _ := c.admit(afar{ours, "192.0.2.1:1"})
		c.state(k, http.StateActive)
		if known {
			c.known(c.context(t.Context(), k))
		}
		c.state(k, http.StateIdle)
		return k
	}
	stranger, known := make(false), make(true)
	sweep := func(after time.Duration) (bool, bool) {
		now = now.Add(after)
		c.close(c.strange, idleStranger)
		c.close(c.familiar, idleKnown)
		return stranger.closed, known.closed
	}
	if a, b := sweep(idleStranger - 1); a || b {
		t.Error("closed too early:", a, b)
	}
	if a, b := sweep(1); !a || b {
		t.Error("after the time of strangers:", a, b)
	}
	if a, b := sweep(idleKnown); !a || !b || c.opened() != 0 {
		t.Error("after the time of the known:", a, b, c.opened())
	}
}

// TestRequestsOfOneOriginAreBounded: who is not logged in is answered only so many
// requests at a time, whatever the number of connections; behind a proxy each
// client by itself.
func TestRequestsOfOneOriginAreBounded(t *testing.T) {
	q := newRequests(newConnections(nil, 10, 10))
	for range mostOfStranger {
		if !q.begin("address 192.0.2.1/32", mostOfStranger) {
			t.Fatal("refused too early")
		}
	}
	if q.begin("address 192.0.2.1/32", mostOfStranger) || !q.begin("address 192.0.2.2/32", mostOfStranger) {
		t.Error("one address takes another's places")
	}
	q.end("address 192.0.2.2/32")
	for range mostOfStranger {
		q.end("address 192.0.2.1/32")
	}
	if len(q.busy) != 0 {
		t.Errorf("what is over is remembered: %v", q.busy)
	}
}

// TestPlacesOfRequests: files and live streams have bounds of their own, so that one
// account takes neither the memory nor all the streams.
func TestPlacesOfRequests(t *testing.T) {
	c := newConnections(nil, 10, 10)
	lan := access.WithActor(t.Context(), access.Principal{Account: "lan"})
	for _, tt := range []struct {
		ctx    context.Context
		path   string
		length int64
		want   int
	}{
		{lan, "/api/v1/sites", 0, 1}, {lan, "/api/v1/live", 0, 2}, {lan, "/api/v1/import", 16 << 20, 3}, {lan, "/api/v1/import", -1, 3},
		{lan, "/prometheus/api/v1/query", -1, 1}, {t.Context(), "/api/v1/import", 16 << 20, 1},
	} {
		r := httptest.NewRequestWithContext(tt.ctx, "POST", tt.path, nil)
		r.ContentLength = tt.length
		if _, all := places(r); len(all) != tt.want {
			t.Errorf("%s of %d bytes takes %+v", tt.path, tt.length, all)
		}
	}
	q := newRequests(c)
	inside, over := make(chan struct{}), make(chan struct{})
	h := q.bound(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside <- struct{}{}; <-over }))
	done := make(chan struct{})
	for range mostFiles {
		go func() {
			r := httptest.NewRequestWithContext(lan, "POST", "/api/v1/import", nil)
			r.ContentLength = largeBody + 1
			h.ServeHTTP(httptest.NewRecorder(), r)
			done <- struct{}{}
		}()
		<-inside
	}
	// One whose sender does not wait for its turn is not taken.
	gone, cancel := context.WithCancel(lan)
	cancel()
	r, w := httptest.NewRequestWithContext(gone, "POST", "/api/v1/import", nil), httptest.NewRecorder()
	r.ContentLength = largeBody + 1
	if h.ServeHTTP(w, r); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Quá nhiều yêu cầu") {
		t.Errorf("one too many is answered %d %s", w.Code, w.Body)
	}
	close(over)
	for range mostFiles {
		<-done
	}
	if len(q.busy) != 0 {
		t.Errorf("places stay taken: %v", q.busy)
	}
}
