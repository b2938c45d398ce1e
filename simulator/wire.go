package simulator

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
	// writeTimeout bounds a write to a broker that does not read: generous, for
	// a slow broker is to be waited for and not to be made slower by reconnects.
	writeTimeout = 30 * time.Second
	// keepAlive is how long a broker waits for a sign of us; we give one twice
	// as often.
	keepAlive = 60 * time.Second
)

// wire is one MQTT connection of a device that only publishes. One goroutine
// writes; another, its own, reads acknowledgements.
type wire struct {
	conn net.Conn
	out  *bufio.Writer
	// acks are packet ids as they are acknowledged.
	acks chan uint16
	// broken is closed when reading has ended; err then says why.
	broken chan struct{}
	err    error
	// closing ends the reader where it waits for somebody to take an ack.
	closing chan struct{}
}

// credentials are what a CONNECT says.
type credentials struct {
	client             string
	username, password string
	// statusTopic is where the will says offline; empty is no will.
	statusTopic string
}

// openWire connects and waits for the broker's consent.
func openWire(ctx context.Context, broker *url.URL, c credentials, acks int) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := dial(ctx, broker)
	if err != nil {
		return nil, fmt.Errorf("dial broker: %w", err)
	}
	w := &wire{conn: conn, out: bufio.NewWriterSize(conn, 4096), acks: make(chan uint16, acks),
		broken: make(chan struct{}), closing: make(chan struct{})}
	unblock := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	in := bufio.NewReaderSize(conn, 512)
	err = w.handshake(in, c)
	if !unblock() && err == nil {
		err = context.Cause(ctx) // the deadline in the past may be there to stay
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	go w.read(in)
	return w, nil
}

// dial opens the network connection.
func dial(ctx context.Context, broker *url.URL) (net.Conn, error) {
	switch broker.Scheme {
	case "ssl", "tls", "mqtts":
		return (&tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", broker.Host)
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
		return fmt.Errorf("connect as %q: the broker refuses: %w", c.client, why)
	}
	return nil
}

// read hands on acknowledgements until the connection ends.
func (w *wire) read(in *bufio.Reader) {
	defer close(w.broken)
	for {
		// The broker answers our pings, so silence means that it is gone.
		if w.err = w.conn.SetReadDeadline(time.Now().Add(keepAlive + keepAlive/2)); w.err != nil {
			return
		}
		var p packets.ControlPacket
		if p, w.err = packets.ReadPacket(in); w.err != nil {
			return
		}
		if ack, ok := p.(*packets.PubackPacket); ok {
			select {
			case w.acks <- ack.MessageID:
			case <-w.closing:
				w.err = net.ErrClosed
				return
			}
		}
	}
}

// publish writes a PUBLISH into the buffer; flush sends it.
func (w *wire) publish(topic string, payload []byte, id uint16, retained bool) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.MessageID, p.Retain = topic, payload, id, retained
	if id != 0 {
		p.Qos = 1
	}
	return w.write(p)
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
	// A full buffer flushes itself within Write, so this too needs the deadline.
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if err := p.Write(w.out); err != nil {
		return fmt.Errorf("write to broker: %w", err)
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
	close(w.closing)
	_ = w.conn.Close()
	<-w.broken
}
