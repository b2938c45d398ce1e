package door

import (
	"bytes"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// conn is one client's connection. One goroutine reads it; what is to be written is
// written by whoever has it, or by a goroutine of its own while the client is slow. A
// connection that is idle holds no buffer.
type conn struct {
	output
	d      *Door
	nc     net.Conn
	raw    syscall.RawConn // of plain TCP
	remote netip.AddrPort
	local  bool // from this machine
	tls    bool

	// The clients' own, with their lock.
	place   *list.Element
	since   time.Time
	asking  bool
	revoked []string
	entered bool

	// Of CONNECT. They do not change once it is welcomed.
	version    byte
	clientID   string
	username   string
	grant      Grant
	limited    bool
	keepAlive  time.Duration
	maxPacket  uint32
	noProblems bool
	// sessionless says that the session ends with the connection, of MQTT 5.
	sessionless bool
	welcomed    bool // CONNACK has been given; with output's lock
	session     *session.Session
	rate        *rate

	// heard is when the client was heard last, Unix nanoseconds; blocked says that it is
	// not being read from, and deadline until when it must have said who it is.
	heard    atomic.Int64
	blocked  atomic.Bool
	deadline atomic.Int64
	// answered is when the client was last given an acknowledgement.
	answered atomic.Int64
	// largeSince is since when a large packet has been coming; 0 is none.
	largeSince atomic.Int64
	large      atomic.Int64 // its memory

	// The reader's own.
	rest    []byte // what was read of a packet that is not complete
	now     time.Time
	scratch *scratch
	readErr error
	topic   topic
	aliases []string
	// unreleased are the identifiers of QoS 2 whose PUBREL has not come, of MQTT 5.
	unreleased map[uint16]struct{}
	graceful   bool
	expiry     *time.Duration

	// done says that the connection has ended or is about to, leaving that it does so with
	// the door.
	done, leaving atomic.Bool
	// dirty is the finisher's: there is something to be written.
	dirty bool

	writeReady, readReady func(fd uintptr) bool
	// group and window tell the committer whether a sender is new in its time; with
	// pending's lock.
	group, window uint64
}

// scratch is what reading needs while there is something to read.
type scratch struct {
	buf [8 << 10]byte
	n   int
	pk  packets.Packet
}

// ownBuffer is the read buffer of a connection that cannot say when it is readable.
const ownBuffer = 2 << 10

const (
	// packetTimeout is how long a large packet may take to come, and maxLarge what all
	// that are not complete may take of memory.
	packetTimeout = time.Minute
	maxLarge      = 32 << 20
)

var (
	errStopping = errors.New("the door is stopping")
	errEnded    = errors.New("the connection has been ended")
)

func newConn(d *Door, nc net.Conn, encrypted bool, remote netip.AddrPort, local bool) *conn {
	c := &conn{d: d, nc: nc, remote: remote, local: local, tls: encrypted}
	c.room.L = &c.mu
	now := d.o.Now()
	c.heard.Store(now.UnixNano())
	c.deadline.Store(now.Add(d.o.Limits.ConnectTimeout).UnixNano())
	c.writeReady, c.readReady = c.writeNow, c.readNow
	return c
}

// serve reads the connection until it ends. It is its goroutine.
func (c *conn) serve(ctx context.Context) {
	err := c.open(ctx)
	for err == nil {
		err = c.turn(ctx)
	}
	c.finish(err)
	c.grown()
	if c.session != nil {
		c.session.Detach(c.graceful, c.expiry)
	}
	if !errors.Is(err, errHeld) {
		c.waitShut()
	}
}

// finish ends the connection for a reason that the reader has found.
func (c *conn) finish(err error) {
	var code packets.Code
	switch {
	case errors.Is(err, errHeld): // it is answered later
		return
	case errors.Is(err, errStopping):
		// What was taken is acknowledged first.
		<-c.d.drained
		c.leaving.Store(true)
		c.end(packets.ErrServerShuttingDown, "")
	case errors.As(err, &code):
		c.end(code, "")
	case c.done.Load(): // the last is being written
	default:
		c.shut()
	}
	if c.leaving.Load() {
		c.graceful = true // a restart is not the device's failure
	}
	c.d.clients.leave(c)
}

// turn reads once and deals with the packets that are complete.
func (c *conn) turn(ctx context.Context) error {
	data, err := c.read()
	if err != nil {
		return err
	}
	c.now = c.d.o.Now()
	c.heard.Store(c.now.UnixNano())
	used, err := c.packets(ctx, data)
	c.keep(data[used:])
	c.flush()
	c.relieve()
	return err
}

// read waits until there is something and returns it after what was left.
func (c *conn) read() ([]byte, error) {
	if len(c.rest) >= len(scratch{}.buf)/2 || cap(c.rest) > len(scratch{}.buf) {
		return c.readMore()
	}
	if c.raw == nil {
		return c.readOwn()
	}
	c.readErr = nil
	err := c.raw.Read(c.readReady)
	if err = errors.Join(err, c.readErr); err != nil {
		return nil, err
	}
	return c.scratch.buf[:c.scratch.n], nil
}

// readNow reads once into a scratch, if there is something.
func (c *conn) readNow(fd uintptr) bool {
	s := c.d.takeScratch()
	s.n = copy(s.buf[:], c.rest)
	for {
		n, err := syscall.Read(int(fd), s.buf[s.n:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.d.scratches.Put(s)
			return false
		case err != nil:
			c.readErr = err
		case n == 0:
			c.readErr = io.EOF
		}
		s.n += max(n, 0)
		c.scratch, c.rest = s, nil
		return true
	}
}

// readOwn reads through a layer that has to be given a buffer while it waits.
func (c *conn) readOwn() ([]byte, error) {
	have := len(c.rest)
	buf := make([]byte, have+ownBuffer)
	copy(buf, c.rest)
	n, err := c.nc.Read(buf[have:])
	c.rest = nil
	if n > 0 {
		err = nil
	}
	return buf[:have+n], err
}

// readMore reads the rest of a large packet into a buffer that grows with what has come,
// not with what was promised.
func (c *conn) readMore() ([]byte, error) {
	if len(c.rest) == cap(c.rest) {
		if err := c.growing(int64(cap(c.rest))); err != nil {
			return nil, err
		}
		grown := make([]byte, len(c.rest), 2*cap(c.rest))
		copy(grown, c.rest)
		c.rest = grown
	}
	n, err := c.nc.Read(c.rest[len(c.rest):cap(c.rest)])
	if n == 0 {
		return nil, err
	}
	data := c.rest[:len(c.rest)+n]
	c.rest = nil
	return data, nil
}

// growing waits until there is memory for more of a large packet. Who has had his time
// makes room.
func (c *conn) growing(by int64) error {
	if c.large.Load() == 0 {
		c.largeSince.Store(c.now.UnixNano())
	}
	for n := 1; c.d.large.Add(by) > maxLarge; n++ {
		c.d.large.Add(-by)
		if c.done.Load() {
			return errEnded
		}
		if n%int(patience/acceptPause) == 0 {
			if out := c.d.clients.largest(c.d.o.Now()); out != nil {
				out.slowPacket("others need the memory that a packet takes which does not come")
			}
		}
		time.Sleep(acceptPause)
	}
	c.large.Add(by)
	return nil
}

// slowPacket ends a connection whose packet does not come.
func (c *conn) slowPacket(why string) {
	c.refused(RefusedPublish, "", why, packets.ErrPacketTooLarge)
	c.end(packets.ErrPacketTooLarge, why)
}

// grown gives back the memory of a large packet.
func (c *conn) grown() {
	c.d.large.Add(-c.large.Swap(0))
	c.largeSince.Store(0)
}

// keep keeps what has not been used for the next time, and lets the scratch go.
func (c *conn) keep(left []byte) {
	s := c.scratch
	c.scratch = nil
	if c.large.Load() > 0 && len(left) < len(scratch{}.buf) {
		c.grown()
		left = bytes.Clone(left)
	}
	switch {
	case len(left) == 0:
		c.rest = nil
	case s == nil:
		c.rest = left
	case len(left) >= len(s.buf)/2:
		c.rest = append(make([]byte, 0, 2*len(s.buf)), left...)
	default:
		c.rest = bytes.Clone(left)
	}
	if s != nil {
		s.pk = packets.Packet{}
		c.d.scratches.Put(s)
	}
}

// packets deals with what is complete in data and says how much that is.
func (c *conn) packets(ctx context.Context, data []byte) (used int, err error) {
	for used < len(data) {
		head, body, err := c.frame(data[used:])
		if err != nil {
			return used, err
		}
		if body == nil {
			return used, nil
		}
		if c.over() {
			return used, errEnded
		}
		if err := c.packet(ctx, data[used], body); err != nil {
			return used + head + len(body), err
		}
		used += head + len(body)
	}
	return used, nil
}

// maxOther is the largest packet that is no PUBLISH: no list of subscriptions is longer.
const maxOther = 64 << 10

// frame finds the first packet: the length of its head, and its body, nil if it is not
// complete.
func (c *conn) frame(data []byte) (head int, body []byte, err error) {
	length, n := 0, 1
	for shift := 0; ; shift += 7 {
		if shift > 21 {
			return 0, nil, packets.ErrMalformedVariableByteInteger
		}
		if n == len(data) {
			return 0, nil, nil
		}
		b := data[n]
		length |= int(b&0x7f) << shift
		n++
		if b < 0x80 {
			break
		}
	}
	limit := maxOther
	switch {
	case c.session == nil && c.version == 0:
		limit = c.d.o.Limits.ConnectBytes
		if data[0] != packets.Connect<<4 {
			return 0, nil, errNoConnect
		}
	case data[0]>>4 == packets.Publish:
		limit = c.d.o.Limits.Packet
	}
	if n+length > limit {
		c.tooLarge(data[0]>>4, n+length, limit)
		return 0, nil, packets.ErrPacketTooLarge
	}
	if n+length > len(data) {
		return 0, nil, nil
	}
	return n, data[n : n+length : n+length], nil
}

var errNoConnect = errors.New("it does not begin with CONNECT")

// takeScratch takes one from those that are not needed, or makes one.
func (d *Door) takeScratch() *scratch { return d.scratches.Get().(*scratch) }

func newScratches() *sync.Pool { return &sync.Pool{New: func() any { return &scratch{} }} }

// open says hello: TLS, where the client wants it, and CONNECT.
func (c *conn) open(ctx context.Context) error {
	if c.d.o.TLS != nil && !c.tls && c.webSocket() == nil {
		if err := c.sniff(ctx); err != nil {
			return err
		}
	}
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		raw, err := tcp.SyscallConn()
		if err != nil {
			return err
		}
		c.raw = raw
	}
	for !c.entered {
		if err := c.turn(ctx); err != nil {
			if c.version == 0 && !errors.Is(err, errHeld) {
				c.strange(err)
			}
			return err
		}
	}
	return nil
}

// sniff sees by the first byte whether the client speaks TLS.
func (c *conn) sniff(ctx context.Context) error {
	first := make([]byte, 1)
	if _, err := io.ReadFull(c.nc, first); err != nil {
		return err
	}
	if first[0] != 0x16 { // a TLS handshake's record
		c.rest = first
		return nil
	}
	secure := tls.Server(&unread{Conn: c.nc, first: first}, c.d.o.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errEnded
	}
	c.nc, c.tls = secure, true
	c.deadline.Store(c.d.o.Now().Add(c.d.o.Limits.ConnectTimeout).UnixNano())
	return nil
}

// unread is a connection whose first byte has been read already.
type unread struct {
	net.Conn
	first []byte
}

func (u *unread) Read(b []byte) (int, error) {
	if len(u.first) > 0 && len(b) > 0 {
		n := copy(b, u.first)
		u.first = u.first[n:]
		return n, nil
	}
	return u.Conn.Read(b)
}

// strange tells of a connection that has said nothing that can be understood. One that
// has said nothing at all, a port scan or a health check, is not worth a word.
func (c *conn) strange(err error) {
	if errors.Is(err, errNoConnect) || errors.As(err, new(packets.Code)) {
		c.refused(RefusedConnect, "", "not MQTT: "+err.Error(), packets.ErrMalformedPacket)
	}
}

// tooLarge tells of a packet that is over its bound.
func (c *conn) tooLarge(kind byte, size, limit int) {
	what := RefusedPublish
	switch kind {
	case packets.Connect:
		what = RefusedConnect
	case packets.Subscribe, packets.Unsubscribe:
		what = RefusedSubscribe
	}
	c.refused(what, "", limitText("a packet of", size, "bytes", limit), packets.ErrPacketTooLarge)
}

// look ends the connection if its client is silent for longer than it has promised, or
// takes too long over a packet.
func (c *conn) look(now time.Time) {
	if c.blocked.Load() {
		return // it is we who do not read
	}
	silent := now.UnixNano() - c.heard.Load()
	if c.keepAlive > 0 && silent > int64(c.keepAlive+c.keepAlive/2) {
		c.end(packets.ErrKeepAliveTimeout, "")
	}
	if since := c.largeSince.Load(); since > 0 && now.UnixNano()-since > int64(packetTimeout) {
		c.slowPacket(fmt.Sprintf("a packet takes longer than %v", packetTimeout))
	}
}
