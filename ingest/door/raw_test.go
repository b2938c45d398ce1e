package door_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// raw is a client that says what a test wants.
type raw struct {
	t       testing.TB
	c       net.Conn
	in      *bufio.Reader
	version byte
}

func dial(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{t: t, c: c, in: bufio.NewReader(c), version: 4}
}

func (r *raw) send(b ...byte) {
	r.t.Helper()
	if _, err := r.c.Write(b); err != nil && !errors.Is(err, net.ErrClosed) {
		r.t.Logf("write: %v", err)
	}
}

// write encodes a packet and sends it.
func (r *raw) write(p packets.Packet) {
	r.t.Helper()
	r.send(encode(r.t, r.version, p)...)
}

func encode(t testing.TB, version byte, p packets.Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	p.ProtocolVersion = version
	p.Mods.AllowResponseInfo = true
	var err error
	switch p.FixedHeader.Type {
	case packets.Connect:
		if p.Connect.ProtocolName == nil {
			p.Connect.ProtocolName = []byte("MQTT")
			if version == 3 {
				p.Connect.ProtocolName = []byte("MQIsdp")
			}
		}
		err = p.ConnectEncode(&b)
	case packets.Publish:
		err = p.PublishEncode(&b)
	case packets.Pubrel:
		p.FixedHeader.Qos = 1
		err = p.PubrelEncode(&b)
	case packets.Puback:
		err = p.PubackEncode(&b)
	case packets.Pubrec:
		err = p.PubrecEncode(&b)
	case packets.Subscribe:
		p.FixedHeader.Qos = 1
		err = p.SubscribeEncode(&b)
	case packets.Unsubscribe:
		p.FixedHeader.Qos = 1
		err = p.UnsubscribeEncode(&b)
	case packets.Disconnect:
		err = p.DisconnectEncode(&b)
	case packets.Pingreq:
		err = p.PingreqEncode(&b)
	default:
		t.Fatalf("packets of type %d are not written", p.FixedHeader.Type)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read reads the next packet; io.EOF says that the connection has ended.
func (r *raw) read() (packets.Packet, error) {
	r.t.Helper()
	_ = r.c.SetReadDeadline(time.Now().Add(deadline))
	first, err := r.in.ReadByte()
	if err != nil {
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
			r.t.Fatal("nothing comes, and the connection stays")
		}
		return packets.Packet{}, io.EOF
	}
	var p packets.Packet
	if err := p.FixedHeader.Decode(first); err != nil {
		r.t.Fatal(err)
	}
	n, _, err := packets.DecodeLength(r.in)
	if err != nil {
		return p, io.EOF
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return p, io.EOF
	}
	p.FixedHeader.Remaining, p.ProtocolVersion = n, r.version
	switch p.FixedHeader.Type {
	case packets.Connack:
		err = p.ConnackDecode(body)
	case packets.Publish:
		err = p.PublishDecode(body)
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		err = p.PubackDecode(body)
	case packets.Suback:
		err = p.SubackDecode(body)
	case packets.Unsuback:
		err = p.UnsubackDecode(body)
	case packets.Disconnect:
		err = p.DisconnectDecode(body)
		if n == 1 {
			p.ReasonCode = body[0]
		}
	}
	if err != nil {
		r.t.Fatalf("decode a packet of type %d: %v", p.FixedHeader.Type, err)
	}
	return p, nil
}

// want reads a packet of a type, or fails.
func (r *raw) want(kind byte) packets.Packet {
	r.t.Helper()
	p, err := r.read()
	if err != nil || p.FixedHeader.Type != kind {
		r.t.Fatalf("got a packet of type %s with code 0x%02x, %v; want %s", packets.PacketNames[p.FixedHeader.Type], p.ReasonCode, err, packets.PacketNames[kind])
	}
	return p
}

// ended wants the connection to end with nothing more said.
func (r *raw) ended() {
	r.t.Helper()
	if p, err := r.read(); err == nil {
		r.t.Fatalf("got a packet of type %s with code 0x%02x; want the end", packets.PacketNames[p.FixedHeader.Type], p.ReasonCode)
	}
}

// connect says who it is and gives the answer.
func (x *opened) connect(version byte, client string, change ...func(*packets.Packet)) (*raw, packets.Packet) {
	x.t.Helper()
	r := dial(x.t, x.addr())
	r.version = version
	p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}}
	p.Connect.ClientIdentifier, p.Connect.Clean = client, true
	for _, f := range change {
		f(&p)
	}
	r.write(p)
	return r, r.want(packets.Connack)
}

// in is a client that has been let in.
func (x *opened) in(version byte, client string, change ...func(*packets.Packet)) *raw {
	x.t.Helper()
	r, ack := x.connect(version, client, change...)
	if ack.ReasonCode != 0 {
		x.t.Fatalf("CONNACK has code 0x%02x %s", ack.ReasonCode, ack.Properties.ReasonString)
	}
	return r
}

func user(name, password string) func(*packets.Packet) {
	return func(p *packets.Packet) {
		p.Connect.UsernameFlag, p.Connect.PasswordFlag = true, true
		p.Connect.Username, p.Connect.Password = []byte(name), []byte(password)
	}
}

func message(topic string, qos byte, id uint16, payload string) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, TopicName: topic, PacketID: id, Payload: []byte(payload)}
}
