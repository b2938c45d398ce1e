package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// wire is an MQTT connection that publishes, packet by packet: a client library would
// hide which acknowledgements came. One goroutine writes.
type wire struct {
	dialed
	conn net.Conn
	out  *bufio.Writer
	// acks are the packet ids of PUBACKs, or of PUBRECs, completed those of PUBCOMPs.
	// broken is closed when reading has ended, and err says why.
	acks, completed chan uint16

	broken chan struct{}
	err    error
	// closing ends the reader where nobody takes its acks any more.
	closing chan struct{}
}

// dialed is how a publisher speaks: MQTT 3.1.1 (4) or 5, and QoS 1, or 2 with a session
// that stays.
type dialed struct{ version, qos byte }

// dialMQTT connects with a clean session: what got no PUBACK is the publisher's
// to send again.
func dialMQTT(ctx context.Context, broker, client string) (*wire, error) {
	return dialWith(ctx, broker, client, dialed{4, 1})
}

func dialWith(ctx context.Context, broker, client string, how dialed) (*wire, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", broker)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	if err := greet(conn, in, client, how); err != nil {
		conn.Close()
		return nil, err
	}
	w := &wire{dialed: how, conn: conn, out: bufio.NewWriter(conn), acks: make(chan uint16, 1000), completed: make(chan uint16, 1000), broken: make(chan struct{}), closing: make(chan struct{})}
	go w.read(in)
	return w, nil
}

// greet sends CONNECT and reads CONNACK.
func greet(conn net.Conn, in *bufio.Reader, client string, how dialed) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(how.hello(client)); err != nil {
		return fmt.Errorf("send CONNECT: %w", err)
	}
	answer, err := packets.ReadPacket(in)
	if err != nil {
		return fmt.Errorf("read CONNACK: %w", err)
	}
	if ack, ok := answer.(*packets.ConnackPacket); !ok || ack.ReturnCode != packets.Accepted {
		return fmt.Errorf("broker answers CONNECT with %v", answer)
	}
	return conn.SetDeadline(time.Time{})
}

// hello is a CONNECT. In MQTT 5 its session stays for an hour.
func (d dialed) hello(client string) []byte {
	flags := byte(0)
	if d.qos < 2 {
		flags = 2 // begin anew
	}
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', d.version, flags, 0, 0}
	if d.version == 5 {
		const sessionExpiry, size = 0x11, 5
		body = append(body, size, sessionExpiry, 0, 0, 0x0e, 0x10)
	}
	body = append(append(body, 0, byte(len(client))), client...)
	return append([]byte{packets.Connect << 4, byte(len(body))}, body...) // less than 128
}

func (w *wire) read(in *bufio.Reader) {
	defer close(w.broken)
	for {
		var p packets.ControlPacket
		if p, w.err = packets.ReadPacket(in); w.err != nil {
			return
		}
		to := w.acks
		switch p.(type) {
		case *packets.PubackPacket, *packets.PubrecPacket:
		case *packets.PubcompPacket:
			to = w.completed
		default:
			continue
		}
		select {
		case to <- p.Details().MessageID:
		case <-w.closing:
			w.err = net.ErrClosed
			return
		}
	}
}

// publish writes a PUBLISH; flush sends it.
func (w *wire) publish(topic string, payload []byte, id uint16, again bool) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.Dup, p.MessageID = w.qos, again, id
	p.TopicName, p.Payload = topic, payload
	if w.version == 5 {
		p.Payload = append([]byte{0}, payload...) // of no properties
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	return p.Write(w.out)
}

// release writes a PUBREL.
func (w *wire) release(id uint16) error {
	p := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	p.MessageID = id
	return p.Write(w.out)
}

func (w *wire) flush() error { return w.out.Flush() }

func (w *wire) disconnect() error {
	if err := packets.NewControlPacket(packets.Disconnect).Write(w.out); err != nil {
		return err
	}
	return w.flush()
}

func (w *wire) close() {
	close(w.closing)
	_ = w.conn.Close()
	<-w.broken
}

// send publishes one message over a connection of its own and waits for its
// PUBACK. Its client id is its own too: a broker may bar one that comes again
// before it has taken leave.
func send(t *testing.T, broker, topic string, payload []byte) error {
	t.Helper()
	w, err := dialMQTT(t.Context(), broker, fmt.Sprintf("sender-%x", rand.Uint64()))
	if err != nil {
		return err
	}
	defer w.close()
	if err := errors.Join(w.publish(topic, payload, 1, false), w.flush()); err != nil {
		return err
	}
	select {
	case <-w.acks:
		return w.disconnect()
	case <-w.broken:
		return fmt.Errorf("instead of a PUBACK: %w", w.err)
	case <-time.After(30 * time.Second):
		return errors.New("no PUBACK within 30 s")
	}
}
