package city

import (
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/devices/access"
)

const (
	// mostConnections and mostPerAddress are the bounds where no flag says others: so
	// many that nobody honest meets them, and too few to take the file descriptors
	// of the MQTT listener.
	mostConnections, mostPerAddress = 4096, 256
	// reservedHere is how many of the HTTP listener's connections are kept for who
	// comes from this machine: `haidang health`, the console, a Grafana beside us.
	reservedHere = 64
	// idleStranger is how long a connection of somebody who is not logged in stays
	// without a request; a browser opens a new one at no cost.
	idleStranger = 15 * time.Second
	// idleKnown is the same for who is logged in.
	idleKnown = 2 * time.Minute
	// sayRefused is how often the log tells that connections or requests were refused.
	sayRefused = time.Minute
)

// connections bounds who holds connections to the HTTP listener: how many there are
// in all, of them a few for this machine alone, and how many an address may have (of
// IPv6 a /64). One without a request never stands in the way: where there is no
// room, the one that has been idle for longest makes it, of the same address if
// that has too many, and of strangers before those who are logged in. So only
// requests that are being answered can fill it up, and those are bounded by
// [requests].
type connections struct {
	net.Listener
	most       int // in all
	perAddress int
	// proxies speak for many: an address of theirs has no bound of its own.
	proxies []netip.Prefix
	metrics *httpMetrics
	told    *seldom
	now     func() time.Time

	mu       sync.Mutex
	open     int
	of       map[netip.Prefix]int
	strange  *list.List // of *connection, idle and of nobody known, the longest first
	familiar *list.List // likewise, of who is logged in
}

// connection is one that was let in.
type connection struct {
	net.Conn
	all     *connections
	network netip.Prefix
	proxied bool

	// All below is for who holds all.mu.
	known  bool // somebody who is logged in has asked by it
	since  time.Time
	idle   *list.Element // in the list of strangers or familiars; nil while a request is answered
	closed bool
}

// newConnections bounds a listener.
func newConnections(l net.Listener, most, perAddress int) *connections {
	return &connections{Listener: l, most: most, perAddress: perAddress, now: time.Now, metrics: newHTTPMetrics(),
		told: &seldom{log: slog.New(slog.DiscardHandler), every: sayRefused}, of: map[netip.Prefix]int{}, strange: list.New(), familiar: list.New()}
}

// Accept implements net.Listener. Who is refused does not wait.
func (c *connections) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		k, refused := c.admit(conn)
		if refused == "" {
			return k, nil
		}
		c.refuse(conn, refused)
	}
}

// admit lets a connection in, if need be for an idle one.
func (c *connections) admit(conn net.Conn) (*connection, string) {
	k := &connection{Conn: conn, all: c}
	a := addressOf(conn.RemoteAddr())
	k.network = access.Network(a)
	k.proxied = slices.ContainsFunc(c.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	most := c.most
	if !a.IsLoopback() {
		most -= min(reservedHere, c.most/2)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !k.proxied && c.of[k.network] >= c.perAddress && !c.evict(func(o *connection) bool { return o.network == k.network }) {
		return nil, "address"
	}
	// Without the idle ones of this machine strangers cannot get at what is kept for it.
	if c.open >= most && !c.evict(func(o *connection) bool { return a.IsLoopback() || !o.network.Addr().IsLoopback() }) {
		return nil, "all"
	}
	c.open++
	c.of[k.network]++
	c.rest(k)
	return k, ""
}

// evict closes the connection that has been idle for longest among those that
// match, of strangers first.
func (c *connections) evict(match func(*connection) bool) bool {
	for _, l := range []*list.List{c.strange, c.familiar} {
		for e := l.Front(); e != nil; e = e.Next() {
			if k := e.Value.(*connection); match(k) {
				c.metrics.evicted.Inc()
				c.leave(k)
				k.Conn.Close() // whoever reads from it finds out
				return true
			}
		}
	}
	return false
}

// rest puts a connection among the idle.
func (c *connections) rest(k *connection) {
	if k.closed || k.idle != nil {
		return
	}
	k.since = c.now()
	l := c.strange
	if k.known {
		l = c.familiar
	}
	k.idle = l.PushBack(k)
}

// wake takes a connection from among the idle.
func (c *connections) wake(k *connection) {
	if k.idle == nil {
		return
	}
	c.strange.Remove(k.idle) // a list knows which elements are its own
	c.familiar.Remove(k.idle)
	k.idle = nil
}

// leave no longer counts a connection.
func (c *connections) leave(k *connection) {
	if k.closed {
		return
	}
	c.wake(k)
	k.closed = true
	c.open--
	if c.of[k.network]--; c.of[k.network] <= 0 {
		delete(c.of, k.network)
	}
}

// refuse says why, where the connection begins in the clear, and closes it.
func (c *connections) refuse(conn net.Conn, why string) {
	c.metrics.refused.WithLabelValues(why).Inc()
	c.told.warn("connections to the HTTP listener were refused: "+
		"see who opens so many, or raise --http-max-connections or --http-max-per-address", "remote", conn.RemoteAddr().String(), "full", why)
	_ = conn.SetDeadline(c.now().Add(time.Second)) // an error means that it is gone
	io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+
		"Quá nhiều kết nối; hãy thử lại sau 5 giây.\nToo many connections are open: try again in 5 seconds.\n")
	conn.Close()
}

// Close implements net.Conn.
func (k *connection) Close() error {
	k.all.mu.Lock()
	k.all.leave(k)
	k.all.mu.Unlock()
	return k.Conn.Close()
}

// state is http.Server's ConnState: a connection is busy from when the whole header
// of a request is there.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	k := connectionOf(conn)
	if k == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateActive:
		c.wake(k)
	case http.StateIdle:
		c.rest(k)
	case http.StateHijacked: // MQTT by WebSocket, which has bounds of its own
		c.leave(k)
	}
}

// connectionKey is where a request's context holds its connection.
type connectionKey struct{}

// context is http.Server's ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
}

// known notes that somebody who is logged in has asked by a request's connection.
func (c *connections) known(ctx context.Context) {
	k, _ := ctx.Value(connectionKey{}).(*connection)
	if k == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k.known = true
}

// connectionOf is ours in what net/http hands over.
func connectionOf(conn net.Conn) *connection {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	k, _ := conn.(*connection)
	return k
}

// sweep closes until ctx ends what has been idle for too long.
func (c *connections) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.close(c.strange, idleStranger)
			c.close(c.familiar, idleKnown)
		}
	}
}

// close closes what has been idle for longer than a time.
func (c *connections) close(l *list.List, most time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := l.Front(); e != nil; e = l.Front() {
		k := e.Value.(*connection)
		if c.now().Sub(k.since) < most {
			return
		}
		c.leave(k)
		k.Conn.Close()
	}
}

// opened is how many there are.
func (c *connections) opened() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(c.open)
}

func addressOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}

// seldom writes into a log at most once in a while, and then how often it did not.
type seldom struct {
	log   *slog.Logger
	every time.Duration

	mu     sync.Mutex
	last   time.Time
	silent int
}

func (s *seldom) warn(text string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.last) < s.every {
		s.silent++
		return
	}
	s.log.Warn(text, append(args, "not_told_before", s.silent)...)
	s.last, s.silent = now, 0
}

// httpMetrics count what the HTTP listener refused.
type httpMetrics struct {
	refused  *prometheus.CounterVec
	evicted  prometheus.Counter
	requests *prometheus.CounterVec
}

func newHTTPMetrics() *httpMetrics {
	m := &httpMetrics{
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_http_connections_refused_total", Help: "Connections refused because an address had too many (address), or all together were too many (all)."}, []string{"full"}),
		evicted:  prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_http_connections_evicted_total", Help: "Idle connections closed to make room for a new one."}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_http_requests_refused_total", Help: "Requests refused because too many of the same account (account), of an address without log-in (address), or files of all together (all), were being answered."}, []string{"full"}),
	}
	for _, full := range []string{"address", "all"} {
		m.refused.WithLabelValues(full)
	}
	for _, full := range []string{"address", "account", "all"} {
		m.requests.WithLabelValues(full)
	}
	return m
}

// register makes the metrics those of the process.
func (m *httpMetrics) register(reg prometheus.Registerer, c *connections) {
	reg.MustRegister(m.refused, m.evicted, m.requests, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "haidang_http_connections", Help: "Open connections to the HTTP listener.",
	}, c.opened))
}

// checkConnections finds what is wrong in the bounds.
func (f listenFlags) checkConnections() error {
	switch {
	case f.HTTPMaxConnections < 2 || f.HTTPMaxConnections > 1<<20:
		return fmt.Errorf("--http-max-connections is %d: give 2 to %d", f.HTTPMaxConnections, 1<<20)
	case f.HTTPMaxPerAddress < 1 || f.HTTPMaxPerAddress > f.HTTPMaxConnections:
		return fmt.Errorf("--http-max-per-address is %d: give 1 to --http-max-connections, which is %d", f.HTTPMaxPerAddress, f.HTTPMaxConnections)
	}
	return nil
}
