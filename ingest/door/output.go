package door

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// maxOut is what may wait for a client to read before its session is told to wait, and
	// how much of answers before it is not read from any more: or a flood of PINGREQ from
	// who reads nothing would fill the memory.
	maxOut = 64 << 10
	// pieceSize is what is written at a time to a client that does not keep up.
	pieceSize = 16 << 10
	// writeTimeout is how long a client may read nothing of what waits for it, and
	// lastTimeout how long it may take for what ends the connection.
	writeTimeout = 30 * time.Second
	lastTimeout  = 5 * time.Second
	// linger is how long after the last packet a connection is still read from: closing
	// it with something unread would take the packet back.
	linger = 500 * time.Millisecond
)

// output is what waits to be written to a client.
type output struct {
	mu   sync.Mutex
	room sync.Cond // there is room for messages in flight, or the connection ends
	out  []byte
	// writing says that somebody writes; only he touches the connection then.
	writing bool
	// answers is how much of out are answers to what the client has sent.
	answers int
	// full says that the session has been told to wait.
	full bool
	// ending says that out is the last, closed that nothing is written any more.
	ending, closed bool
	// inFlight and held are messages and bytes that wait for the journal.
	inFlight int
	held     int64

	// burst and burstDone are what is being written without waiting, and how much was.
	burst     []byte
	burstDone int
}

// put appends bytes to what is written, and reports false if the connection has ended.
func (c *conn) put(b ...byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.putLocked(b...)
}

func (c *conn) putLocked(b ...byte) bool {
	if c.closed || c.ending {
		return false
	}
	c.out = append(c.out, b...)
	c.answers += len(b)
	return true
}

// taken notes that what waited is being written. It needs mu.
func (c *conn) taken() {
	if c.answers > maxOut {
		c.room.Broadcast()
	}
	c.answers = 0
}

// relieve waits while too many answers wait to be written.
func (c *conn) relieve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers <= maxOut {
		return
	}
	c.blocked.Store(true)
	defer c.unblock()
	c.writeSoon()
	for c.answers > maxOut && !c.closed && !c.ending {
		c.room.Wait()
	}
}

// encode writes a packet as the client's version has it.
func (c *conn) encode(p *packets.Packet) ([]byte, error) {
	var b bytes.Buffer
	p.ProtocolVersion = c.version
	p.Mods.AllowResponseInfo = true
	p.Mods.MaxSize = c.maxPacket
	p.Mods.DisallowProblemInfo = c.noProblems
	err := errUnknownPacket
	switch p.FixedHeader.Type {
	case packets.Connack:
		err = p.ConnackEncode(&b)
	case packets.Publish:
		p.Mods.DisallowProblemInfo = false // of a PUBLISH these are the sender's
		err = p.PublishEncode(&b)
	case packets.Puback:
		err = p.PubackEncode(&b)
	case packets.Pubrec:
		err = p.PubrecEncode(&b)
	case packets.Pubrel:
		p.FixedHeader.Qos = 1
		err = p.PubrelEncode(&b)
	case packets.Pubcomp:
		err = p.PubcompEncode(&b)
	case packets.Suback:
		err = p.SubackEncode(&b)
	case packets.Unsuback:
		err = p.UnsubackEncode(&b)
	case packets.Disconnect:
		err = p.DisconnectEncode(&b)
	}
	return b.Bytes(), err
}

var errUnknownPacket = errors.New("a packet that is not sent to clients")

// Send implements [session.Link].
func (c *conn) Send(p packets.Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ending {
		return false
	}
	if len(c.out) >= maxOut {
		c.full = true
		return false
	}
	b, err := c.encode(&p)
	if err != nil {
		c.d.o.Logger.Error("cannot encode a packet", "identity", c.grant.Identity, "client", clip(c.clientID), "type", p.FixedHeader.Type, "error", err)
		return true
	}
	c.out = append(c.out, b...)
	c.writeSoon()
	return true
}

// answer sends what the connection itself has to say.
func (c *conn) answer(p packets.Packet) {
	b, err := c.encode(&p)
	if err == nil {
		c.put(b...)
	}
}

// writeSoon has what waits written by a goroutine that lives as long as there is
// something. It needs mu.
func (c *conn) writeSoon() {
	if !c.writing && !c.closed {
		c.writing = true
		go c.write()
	}
}

// flush writes what waits: at once where that does not block, so that a group's
// acknowledgements need no goroutine.
func (c *conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing || c.closed || len(c.out) == 0 {
		return
	}
	if c.raw == nil || c.ending {
		c.writeSoon()
		return
	}
	c.writing = true
	c.burst, c.burstDone, c.out = c.out, 0, nil
	c.taken()
	c.mu.Unlock()
	err := c.raw.Write(c.writeReady)
	c.mu.Lock()
	b := c.burst
	c.burst = nil
	rest := b[c.burstDone:]
	if len(rest) == 0 && err == nil && len(c.out) == 0 && !c.ending && !c.full {
		c.writing = false
		if cap(b) <= 1024 && c.inFlight > 0 {
			c.out = b[:0] // it will be needed again soon
		}
		return
	}
	if len(rest) > 0 {
		c.out = append(rest, c.out...)
	}
	go c.write()
}

// writeNow writes once and does not wait.
func (c *conn) writeNow(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), c.burst)
		if err == syscall.EINTR {
			continue
		}
		if n > 0 {
			c.burstDone = n
		}
		return true
	}
}

// write writes until nothing waits.
func (c *conn) write() {
	for {
		c.mu.Lock()
		b := c.out
		c.out = nil
		c.taken()
		last := c.ending
		if len(b) == 0 && !last || c.closed {
			c.writing = false
			tell := c.full && !c.closed
			c.full = false
			c.mu.Unlock()
			if tell && c.session != nil {
				c.session.Writable()
			}
			return
		}
		c.mu.Unlock()
		if len(b) == 0 {
			c.lingerAndShut()
			return
		}
		timeout := writeTimeout
		if last {
			timeout = lastTimeout
		}
		if err := c.writeAll(b, timeout); err != nil {
			var slow net.Error
			if errors.As(err, &slow) && slow.Timeout() && !last {
				c.d.metrics.unread.Inc()
			}
			c.shut()
			return
		}
	}
}

// writeAll writes piece by piece: a client is slow by what it does not read at all.
func (c *conn) writeAll(b []byte, timeout time.Duration) error {
	for len(b) > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(timeout))
		n, err := c.nc.Write(b[:min(len(b), pieceSize)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// lingerAndShut lets the client read the last packet before the connection is closed.
func (c *conn) lingerAndShut() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(linger))
		_, _ = io.CopyN(io.Discard, c.nc, 1<<20)
	}
	c.shut()
}

// End implements [session.Link]: it ends the connection, and tells MQTT 5 clients why.
func (c *conn) End(code packets.Code) {
	if code.Code == packets.ErrSessionTakenOver.Code {
		c.refused(RefusedConnect, "", "taken over by another connection of the same client id", code)
	}
	c.end(code, "")
}

// end is End with a reason in words. What is said last is CONNACK where that has not been
// said yet.
func (c *conn) end(code packets.Code, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ending {
		return
	}
	if c.version == 5 && c.welcomed && code.Code != packets.CodeDisconnect.Code {
		p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: code.Code}
		p.Properties.ReasonString = reason
		if b, err := c.encode(&p); err == nil {
			c.out = append(c.out, b...)
		}
	}
	c.ending = true
	c.done.Store(true)
	c.writeSoon()
	c.wake()
}

// shut closes the connection at once.
func (c *conn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed, c.writing, c.out = true, false, nil
		c.done.Store(true)
		c.wake()
		// A TLS connection may take a while to say good bye.
		go func() { _ = c.nc.Close() }()
	}
}

// wake has a reader that waits look again. It needs mu.
func (c *conn) wake() {
	c.room.Broadcast()
	c.d.roomMu.Lock()
	c.d.room.Broadcast()
	c.d.roomMu.Unlock()
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // a reader that waits for the client
}

// waitShut waits until the last has been written, if the connection ends in order.
func (c *conn) waitShut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed {
		c.room.Wait()
	}
}

// over says whether the connection is ending.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed || c.ending
}
