package simulator

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Paho's packets make and read the bytes here, but not its client: that takes
// nine goroutines and more to a connection, blocks a Publish for up to 30 s when
// the connection breaks under it, and completes a token with an error whose
// message it sends later all the same. A simulator has thousands of connections
// to keep and has to count exactly, and as a device only publishes, a goroutine
// that writes and one that reads are enough.

const (
	// handshakeTimeout bounds dialling and the broker's answer to CONNECT.
	handshakeTimeout = 10 * time.Second
	// writeTimeout bounds a write to a broker that does not read, to between half
	// of it and all: generous, for a slow broker is to be waited for and not to be
	// made slower by reconnects.
	writeTimeout = 60 * time.Second
	// keepAlive is how long a broker waits for a sign of us; we give one twice
	// as often.
	keepAlive = 60 * time.Second
)

// wire is one MQTT connection of a device that only publishes. One goroutine
// writes; another reads acknowledgements.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	// until is to when the write deadline lasts. Setting it costs as much as a
	// write into the buffer, so it is not set for each.
	until time.Time
	// reading is set once read runs. broken is closed when it has ended; err then
	// says why.
	reading bool
	broken  chan struct{}
	err     error
}

// Refusal is a broker's no to a connection, which the same broker would repeat.
type Refusal struct {
	// Client is who wanted to connect.
	Client string
	// Code is MQTT's return code, Err what it means.
	Code byte
	Err  error
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("connect as %q: the broker refuses: %v", r.Client, r.Err)
}

func (r *Refusal) Unwrap() error { return r.Err }

// credentials are what a CONNECT says.
type credentials struct {
	client             string
	username, password string
	// statusTopic is where the will says offline; empty is no will.
	statusTopic string
}

// openWire connects and waits for the broker's consent.
func openWire(ctx context.Context, broker *url.URL, trust *tls.Config, c credentials) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := dial(ctx, broker, trust)
	if err != nil {
		return nil, fmt.Errorf("dial broker: %w", err)
	}
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, 256), out: bufio.NewWriterSize(conn, 2048), broken: make(chan struct{})}
	unblock := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = w.handshake(w.in, c)
	if !unblock() && err == nil {
		err = context.Cause(ctx) // the deadline in the past may be there to stay
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return w, nil
}

// dial opens the network connection.
func dial(ctx context.Context, broker *url.URL, trust *tls.Config) (net.Conn, error) {
	switch broker.Scheme {
	case "ssl", "tls", "mqtts":
		if trust == nil {
			trust = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		return (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", broker.Host)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", broker.Host)
}

// handshake sends CONNECT and reads CONNACK.
func (w *wire) handshake(in *bufio.Reader, c credentials) error {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion = "MQTT", 4
	p.CleanSession = true // a device that only publishes has nothing to come back to
	p.Keepalive = uint16(keepAlive / time.Second)
	p.ClientIdentifier = c.client
	if c.username != "" {
		p.UsernameFlag, p.Username = true, c.username
		p.PasswordFlag, p.Password = true, []byte(c.password)
	}
	if c.statusTopic != "" {
		p.WillFlag, p.WillQos, p.WillRetain = true, 1, true
		p.WillTopic, p.WillMessage = c.statusTopic, []byte(offline)
	}
	if err := p.Write(w.conn); err != nil {
		return fmt.Errorf("send CONNECT: %w", err)
	}
	answer, err := packets.ReadPacket(in)
	if err != nil {
		return fmt.Errorf("read CONNACK: %w", err)
	}
	ack, ok := answer.(*packets.ConnackPacket)
	if !ok {
		return errors.New("read CONNACK: the broker answered with something else")
	}
	if ack.ReturnCode != packets.Accepted {
		why, known := packets.ConnErrors[ack.ReturnCode]
		if !known {
			why = fmt.Errorf("return code %d", ack.ReturnCode)
		}
		if ack.ReturnCode == packets.ErrRefusedServerUnavailable {
			return fmt.Errorf("connect as %q: the broker refuses for now: %w", c.client, why)
		}
		return &Refusal{Client: c.client, Code: ack.ReturnCode, Err: why}
	}
	return nil
}

// read hands on acknowledgements until the connection ends; last says that no
// other has arrived behind it.
func (w *wire) read(acked func(id uint16, last bool)) {
	defer close(w.broken)
	var until time.Time
	for {
		// The broker answers our pings, so silence means that it is gone.
		if now := time.Now(); until.Sub(now) < keepAlive+keepAlive/4 {
			until = now.Add(keepAlive + keepAlive/2)
			if w.err = w.conn.SetReadDeadline(until); w.err != nil {
				return
			}
		}
		var id uint16
		if id, w.err = w.readAck(); w.err != nil {
			return
		}
		if id != 0 {
			acked(id, w.in.Buffered() == 0)
		}
	}
}

// readAck reads a packet: its id if it is a PUBACK, 0 if it is anything else,
// which nobody waits for.
func (w *wire) readAck() (id uint16, err error) {
	kind, err := w.in.ReadByte()
	if err != nil {
		return 0, err
	}
	length, err := binary.ReadUvarint(w.in) // as MQTT's remaining length, which has four bytes at most
	if err != nil {
		return 0, err
	}
	if length >= 1<<28 {
		return 0, errors.New("the broker sends what is no MQTT packet")
	}
	if kind != packets.Puback<<4 || length != 2 {
		_, err = w.in.Discard(int(length))
		return 0, err
	}
	var b [2]byte
	_, err = io.ReadFull(w.in, b[:])
	return binary.BigEndian.Uint16(b[:]), err
}

// publish writes a PUBLISH (MQTT 3.1.1, 3.3) into the buffer; flush sends it.
func (w *wire) publish(topic string, payload []byte, id uint16, retained bool) error {
	first, length := byte(packets.Publish<<4), 2+len(topic)+len(payload)
	if id != 0 {
		first |= 1 << 1
		length += 2
	}
	if retained {
		first |= 1
	}
	var b [8]byte
	head := binary.AppendUvarint(append(b[:0], first), uint64(length))
	head = binary.BigEndian.AppendUint16(head, uint16(len(topic)))
	if err := w.extend(); err != nil {
		return err
	}
	_, _ = w.out.Write(head) // the buffer's error stays until the last write
	_, _ = w.out.WriteString(topic)
	if id != 0 {
		_, _ = w.out.Write(binary.BigEndian.AppendUint16(b[:0], id))
	}
	if _, err := w.out.Write(payload); err != nil {
		return fmt.Errorf("write to broker: %w", err)
	}
	return nil
}

// ping asks the broker for a sign of life.
func (w *wire) ping() error { return w.write(packets.NewControlPacket(packets.Pingreq)) }

// disconnect takes leave, so that the broker does not publish the will.
func (w *wire) disconnect() error {
	if err := w.write(packets.NewControlPacket(packets.Disconnect)); err != nil {
		return err
	}
	return w.flush()
}

func (w *wire) write(p packets.ControlPacket) error {
	if err := w.extend(); err != nil {
		return err
	}
	if err := p.Write(w.out); err != nil {
		return fmt.Errorf("write to broker: %w", err)
	}
	return nil
}

// extend gives a write, and a full buffer that flushes itself within it, the time
// it may take.
func (w *wire) extend() error {
	now := time.Now()
	if w.until.Sub(now) > writeTimeout/2 {
		return nil
	}
	w.until = now.Add(writeTimeout)
	if err := w.conn.SetWriteDeadline(w.until); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	return nil
}

// flush sends what is buffered.
func (w *wire) flush() error {
	if w.out.Buffered() == 0 {
		return nil
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write to broker: %w", err)
	}
	return nil
}

// close ends the connection and waits for the reader to end.
func (w *wire) close() {
	_ = w.conn.Close()
	if w.reading {
		<-w.broken
	}
}
