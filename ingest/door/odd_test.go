package door_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door"
)

// guard lets in who has the password "right" and may publish below kh/a.
type guard struct{}

func (guard) Authenticate(_ context.Context, l door.Login) (door.Grant, error) {
	switch {
	case l.Username == "later":
		return door.Grant{}, fmt.Errorf("the city is away: %w", door.ErrUnavailable)
	case l.Username == "banned":
		return door.Grant{}, errors.Join(errors.New("revoked"), packets.ErrNotAuthorized)
	case l.Password != "right":
		return door.Grant{}, errors.New("wrong secret")
	}
	return door.Grant{Identity: l.Username, Publish: []string{"kh/a/weather/" + l.Username, "kh/a/status/" + l.Username}, Subscribe: []string{"kh/a/command/" + l.Username + "/#"}, Internal: l.Username == "inside"}, nil
}

func guarded(o *door.Options) { o.Authenticator, o.RefusalDelay = guard{}, 50*time.Millisecond }

func bad(level byte, name string) func(*packets.Packet) {
	return func(p *packets.Packet) { p.Connect.ProtocolName = []byte(name) }
}

// TestOddConnects sends what is no CONNECT as it should be: each has its answer, and what
// is worth telling is told.
func TestOddConnects(t *testing.T) {
	x := open(t, guarded)
	connect := func(change ...func(*packets.Packet)) packets.Packet {
		p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}}
		p.Connect.ClientIdentifier, p.Connect.Clean = "c", true
		for _, f := range change {
			f(&p)
		}
		return p
	}
	id := func(s string, clean bool) func(*packets.Packet) {
		return func(p *packets.Packet) { p.Connect.ClientIdentifier, p.Connect.Clean = s, clean }
	}
	will := func(topic string, qos byte) func(*packets.Packet) {
		return func(p *packets.Packet) {
			p.Connect.WillFlag, p.Connect.WillTopic, p.Connect.WillQos = true, topic, qos
		}
	}
	in := user("d1", "right")
	for _, c := range []struct {
		name    string
		version byte
		packet  packets.Packet
		bytes   []byte // instead of packet
		code    int    // of CONNACK; -1 is none
		told    byte   // the refusal's; 0 is none
	}{
		{"3.1", 3, connect(in), nil, 0, 0},
		{"3.1.1", 4, connect(in), nil, 0, 0},
		{"5", 5, connect(in), nil, 0, 0},
		{"a client id with a dot", 4, connect(in, id("gw.01", true)), nil, 0, 0},
		{"a client id with spaces and wildcards", 5, connect(in, id("a b*#+/", true)), nil, 0, 0},
		{"an empty client id, 3.1.1, clean", 4, connect(in, id("", true)), nil, 0, 0},
		{"an empty client id, 3.1.1, not clean", 4, connect(in, id("", false)), nil, 2, 0x85},
		{"an empty client id, 3.1", 3, connect(in, id("", true)), nil, 2, 0x85},
		{"an empty client id, 5", 5, connect(in, id("", false)), nil, 0, 0},
		{"a client id of 300 bytes", 5, connect(in, id(strings.Repeat("x", 300), true)), nil, 0x85, 0x85},
		{"a wrong secret, 3.1.1", 4, connect(user("d1", "wrong")), nil, 4, 0x86},
		{"a wrong secret, 5", 5, connect(user("d1", "wrong")), nil, 0x86, 0x86},
		{"revoked, 3.1.1", 4, connect(user("banned", "right")), nil, 5, 0x87},
		{"revoked, 5", 5, connect(user("banned", "right")), nil, 0x87, 0x87},
		{"nobody knows, 5", 5, connect(user("later", "right")), nil, 0x88, 0x88},
		{"nobody knows, 3.1.1", 4, connect(user("later", "right")), nil, 3, 0x88},
		{"nobody, 3.1.1", 4, connect(), nil, 5, 0x87},
		{"nobody, 5", 5, connect(), nil, 0x87, 0x87},
		{"version 6", 6, connect(in), nil, 0x84, 0x84},
		{"a bridge's version", 0x84, connect(in), nil, 1, 0x84},
		{"version 2", 2, connect(in), nil, 1, 0x84},
		{"3.1 by the name of 3.1.1", 3, connect(in, bad(3, "MQTT")), nil, 1, 0x84},
		{"another protocol", 4, connect(in, bad(4, "AMQP")), nil, -1, 0x81},
		{"a will that is granted", 4, connect(in, will("kh/a/status/d1", 1)), nil, 0, 0},
		{"a will that is not granted, 3.1.1", 4, connect(in, will("kh/b/status/d1", 1)), nil, 5, 0x87},
		{"a will that is not granted, 5", 5, connect(in, will("kh/b/status/d1", 1)), nil, 0x87, 0x87},
		{"a will with a wildcard", 5, connect(in, will("kh/#", 1)), nil, 0x90, 0x90},
		{"a will of QoS 3", 4, connect(in, will("kh/a/status/d1", 3)), nil, -1, 0x82},
		{"an authentication method", 5, connect(in, func(p *packets.Packet) { p.Properties.AuthenticationMethod = "SCRAM" }), nil, 0x8c, 0x8c},
		{"a reserved bit", 4, packets.Packet{}, []byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 3, 0, 0, 0, 0}, -1, 0x82},
		{"half a packet of 70,000 bytes", 4, packets.Packet{}, []byte{0x10, 0xf0, 0xa2, 4, 0, 4, 'M', 'Q', 'T', 'T'}, -1, 0x95},
		{"a length of five bytes", 4, packets.Packet{}, []byte{0x10, 0xff, 0xff, 0xff, 0xff, 1}, -1, 0x81},
		{"HTTP", 4, packets.Packet{}, []byte("GET / HTTP/1.1\r\n\r\n"), -1, 0x81},
		{"PINGREQ first", 4, packets.Packet{}, []byte{0xc0, 0}, -1, 0x81},
		{"flags of CONNECT", 4, packets.Packet{}, []byte{0x12, 0}, -1, 0x81},
		{"an empty CONNECT", 4, packets.Packet{}, []byte{0x10, 0}, -1, 0x81},
		{"a user name that is not UTF-8", 4, connect(user("\xff\xfe", "right")), nil, -1, 0x81},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(x.refused.list())
			r := dial(t, x.addr())
			r.version = c.version
			if c.bytes != nil {
				r.send(c.bytes...)
			} else {
				r.write(c.packet)
			}
			if c.version > 5 {
				r.version = 5
				if c.version >= 0x80 {
					r.version = 4
				}
			}
			if c.code >= 0 {
				if ack := r.want(packets.Connack); int(ack.ReasonCode) != c.code {
					t.Errorf("CONNACK has code 0x%02x %q, want 0x%02x", ack.ReasonCode, ack.Properties.ReasonString, c.code)
				}
			}
			if c.code != 0 {
				r.ended()
			}
			if c.told == 0 {
				return
			}
			x.eventually("the refusal is told", func() bool { return len(x.refused.list()) > before })
			if told := x.refused.list()[before]; told.Code != c.told || told.Reason == "" || strings.Contains(told.Reason, "right") {
				t.Errorf("told is %+v, want code 0x%02x", told, c.told)
			} else if told.Code == 0x84 && (told.Username != "d1" || told.ClientID != "c") {
				t.Errorf("told is %+v; who comes in a version that is not known is not said", told)
			}
		})
	}
}

// TestOddPublishes publishes what is not granted or malformed.
func TestOddPublishes(t *testing.T) {
	x := open(t, guarded)
	const own = "kh/a/weather/d1"
	for _, c := range []struct {
		name    string
		version byte
		packet  packets.Packet
		bytes   []byte
		// answer is the type of packet that comes, 0 the end; code is what it says.
		answer, code byte
		told         byte
	}{
		{"granted", 4, message(own, 1, 1, "x"), nil, packets.Puback, 0, 0},
		{"granted, 5", 5, message(own, 1, 1, "x"), nil, packets.Puback, 0, 0},
		{"granted, QoS 2", 4, message(own, 2, 1, "x"), nil, packets.Pubrec, 0, 0},
		{"an empty payload", 5, message(own, 1, 1, ""), nil, packets.Puback, 0, 0},
		{"not granted, 3.1.1", 4, message("kh/b/weather/d1", 1, 1, "x"), nil, 0, 0, 0x87},
		{"not granted, 3.1", 3, message("kh/b/weather/d1", 2, 1, "x"), nil, 0, 0, 0x87},
		{"not granted, QoS 0, 3.1.1", 4, message("kh/b/weather/d1", 0, 0, "x"), nil, 0, 0, 0x87},
		{"not granted, QoS 1, 5", 5, message("kh/b/weather/d1", 1, 1, "x"), nil, packets.Puback, 0x87, 0x87},
		{"not granted, QoS 2, 5", 5, message("kh/b/weather/d1", 2, 1, "x"), nil, packets.Pubrec, 0x87, 0x87},
		{"not granted, QoS 0, 5", 5, message("kh/b/weather/d1", 0, 0, "x"), nil, packets.Disconnect, 0x87, 0x87},
		{"wrong case", 5, message("kh/a/Weather/d1", 1, 1, "x"), nil, packets.Puback, 0x87, 0x87},
		{"a wildcard, 5", 5, message("kh/a/+/d1", 1, 1, "x"), nil, packets.Puback, 0x90, 0x90},
		{"a wildcard, 3.1.1", 4, message("kh/a/#", 1, 1, "x"), nil, 0, 0, 0x90},
		{"no topic, 3.1.1", 4, message("", 1, 1, "x"), nil, 0, 0, 0x90},
		{"no topic, 5", 5, message("", 1, 1, "x"), nil, packets.Puback, 0x90, 0x90},
		{"$SYS", 5, message("$SYS/x", 1, 1, "x"), nil, packets.Puback, 0x87, 0x87},
		{"a topic that is not UTF-8", 5, message("kh/a/\xff", 1, 1, "x"), nil, packets.Disconnect, 0x81, 0x81},
		{"a topic with a null", 4, message("kh/a/\x00", 1, 1, "x"), nil, 0, 0, 0x81},
		{"packet identifier 0", 4, packets.Packet{}, []byte{0x32, 5, 0, 1, 'a', 0, 0}, 0, 0, 0x82},
		{"QoS 3", 4, packets.Packet{}, []byte{0x36, 5, 0, 1, 'a', 0, 1}, 0, 0, 0},
		{"QoS 0 with DUP", 5, packets.Packet{}, []byte{0x38, 4, 0, 1, 'a', 0}, packets.Disconnect, 0x82, 0},
		{"half a topic", 5, packets.Packet{}, []byte{0x32, 3, 0, 9, 'a'}, packets.Disconnect, 0x81, 0x81},
		{"properties that go on", 5, packets.Packet{}, []byte{0x32, 6, 0, 1, 'a', 0, 1, 9}, packets.Disconnect, 0x81, 0x81},
		{"larger than allowed", 5, packets.Packet{}, []byte{0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, packets.Disconnect, 0x95, 0x95},
		{"larger than allowed, 3.1.1", 4, packets.Packet{}, []byte{0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, 0, 0, 0x95},
		{"an alias that is not known", 5, message("", 1, 1, "x"), []byte{0x32, 8, 0, 0, 0, 1, 3, 35, 0, 5}, packets.Disconnect, 0x82, 0x82},
		{"an alias above the maximum", 5, packets.Packet{}, []byte{0x32, 8, 0, 0, 0, 1, 3, 35, 0, 99}, packets.Disconnect, 0x94, 0x94},
		{"a subscription identifier", 5, packets.Packet{}, []byte{0x32, 8, 0, 1, 'a', 0, 1, 2, 11, 5}, packets.Disconnect, 0x82, 0x82},
		{"AUTH", 5, packets.Packet{}, []byte{0xf0, 2, 0x18, 0}, packets.Disconnect, 0x82, 0},
		{"a second CONNECT", 4, packets.Packet{}, []byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0}, 0, 0, 0},
		{"SUBSCRIBE without options", 5, packets.Packet{}, []byte{0x82, 6, 0, 1, 0, 0, 1, 'a'}, packets.Disconnect, 0x81, 0},
		{"SUBSCRIBE without filters", 5, packets.Packet{}, []byte{0x82, 3, 0, 1, 0}, packets.Disconnect, 0x82, 0},
		{"PUBREL of nothing", 5, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: 7}, nil, packets.Pubcomp, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(x.refused.list())
			r := x.in(c.version, "c", user("d1", "right"))
			if c.bytes != nil {
				r.send(c.bytes...)
			} else {
				r.write(c.packet)
			}
			switch p, err := r.read(); {
			case c.answer == 0 && err == nil:
				t.Errorf("got a packet of type %s with code 0x%02x, want the end", packets.PacketNames[p.FixedHeader.Type], p.ReasonCode)
			case c.answer != 0 && (err != nil || p.FixedHeader.Type != c.answer || p.ReasonCode != c.code):
				t.Errorf("got a packet of type %s with code 0x%02x, %v; want %s with 0x%02x", packets.PacketNames[p.FixedHeader.Type], p.ReasonCode, err, packets.PacketNames[c.answer], c.code)
			case c.answer == packets.Disconnect:
				r.ended()
			}
			if c.told == 0 {
				return
			}
			x.eventually("the refusal is told", func() bool { return len(x.refused.list()) > before })
			if told := x.refused.list()[before]; told.Code != c.told || told.Identity != "d1" || told.ClientID != "c" {
				t.Errorf("told is %+v, want code 0x%02x", told, c.told)
			}
		})
	}
}
