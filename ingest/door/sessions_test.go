package door_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// remembering gives the door sessions in a folder.
func remembering(t testing.TB, dir string) func(*door.Options) {
	t.Helper()
	s, err := session.Open(t.Context(), session.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return func(o *door.Options) {
		o.Sessions = s
		o.NotTelemetry = func(topic string) bool { return topic == "kh/a/command/d1" }
	}
}

func subscribe(filter string, qos byte) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1, Filters: packets.Subscriptions{{Filter: filter, Qos: qos}}}
}

func TestSubscribers(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	for _, version := range []byte{3, 4, 5} {
		sub, pub := x.in(version, fmt.Sprint("sub", version)), x.in(version, fmt.Sprint("pub", version))
		sub.write(subscribe("kh/#", 2))
		if p := sub.want(packets.Suback); len(p.ReasonCodes) != 1 || p.ReasonCodes[0] != 2 {
			t.Errorf("version %d: SUBACK is %v", version, p.ReasonCodes)
		}
		for qos := range byte(3) {
			pub.write(message("kh/a/weather/d1", qos, uint16(qos)+1, fmt.Sprint("m", qos)))
			if qos == 1 {
				pub.want(packets.Puback)
			}
			if qos == 2 {
				pub.want(packets.Pubrec)
				pub.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: 3})
				pub.want(packets.Pubcomp)
			}
			p := sub.want(packets.Publish)
			if p.FixedHeader.Qos != qos || p.TopicName != "kh/a/weather/d1" || string(p.Payload) != fmt.Sprint("m", qos) {
				t.Errorf("version %d: the subscriber gets %+v", version, p)
			}
			if qos == 1 {
				sub.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.PacketID})
			}
		}
		sub.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 9, Filters: packets.Subscriptions{{Filter: "kh/#"}}})
		sub.want(packets.Unsuback)
	}
	if n := len(x.journal.all()); n != 9 {
		t.Errorf("the journal has %d messages, want 9", n)
	}
}

// A message of QoS 2 that comes again before it is released is not another one.
func TestRepeatedQoS2(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	r := x.in(4, "c")
	for range 3 {
		r.write(message("kh/a/weather/d1", 2, 5, "x"))
		r.want(packets.Pubrec)
	}
	r.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel}, PacketID: 5})
	r.want(packets.Pubcomp)
	r.write(message("kh/a/weather/d1", 2, 5, "y"))
	r.want(packets.Pubrec)
	if n := len(x.journal.all()); n != 2 {
		t.Errorf("the journal has %d messages, want 2", n)
	}
}

// A command skips the journal and waits for a device that sleeps.
func TestCommands(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	x.journal.set(ingest.ErrJournalFull)
	kept := func(p *packets.Packet) { p.Connect.Clean = false }
	device := x.in(4, "d1", kept)
	device.write(subscribe("kh/a/command/d1", 1))
	device.want(packets.Suback)
	device.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	device.ended()
	boss := x.in(5, "boss")
	boss.write(message("kh/a/command/d1", 1, 1, "dim"))
	if p := boss.want(packets.Puback); p.ReasonCode != 0 {
		t.Errorf("the command is answered with 0x%02x", p.ReasonCode)
	}
	device, ack := x.connect(4, "d1", kept)
	if !ack.SessionPresent {
		t.Error("the session is not there")
	}
	if p := device.want(packets.Publish); string(p.Payload) != "dim" {
		t.Errorf("the device gets %q", p.Payload)
	}
	if n, _ := x.Passed(context.Background(), door.Name); n.Counters[0].Accepted != 0 {
		t.Error("a command counts as telemetry")
	}
}

// Who connects by the name of another connection takes its session; it is told, and so is
// whoever hears of refusals. Its will is telemetry.
func TestTakenOver(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	first := x.in(5, "c", func(p *packets.Packet) {
		p.Connect.WillFlag, p.Connect.WillTopic, p.Connect.WillPayload = true, "kh/a/status/d1", []byte("offline")
	})
	x.in(5, "c")
	if p := first.want(packets.Disconnect); p.ReasonCode != packets.ErrSessionTakenOver.Code {
		t.Errorf("DISCONNECT has code 0x%02x", p.ReasonCode)
	}
	first.ended()
	x.eventually("it is told", func() bool {
		all := x.refused.list()
		return len(all) == 1 && all[0].Code == packets.ErrSessionTakenOver.Code
	})
	x.eventually("the will is in the journal", func() bool { all := x.journal.all(); return len(all) == 1 && string(all[0].Payload) == "offline" })
}

// The properties of a message of MQTT 5 travel with it, and its alias stands for its topic.
func TestProperties(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	sub, pub := x.in(5, "sub"), x.in(5, "pub")
	sub.write(subscribe("kh/#", 0))
	sub.want(packets.Suback)
	m := message("kh/a/weather/d1", 0, 0, "x")
	m.Properties.TopicAlias, m.Properties.TopicAliasFlag = 3, true
	pub.write(m)
	m.TopicName, m.Payload = "", []byte("y")
	m.Properties.User = []packets.UserProperty{{Key: "k", Val: "v"}}
	m.Properties.ResponseTopic, m.Properties.CorrelationData, m.Properties.ContentType = "answer", []byte("7"), "json"
	m.Properties.MessageExpiryInterval = 60
	pub.write(m)
	sub.want(packets.Publish)
	p := sub.want(packets.Publish)
	q := p.Properties
	if p.TopicName != "kh/a/weather/d1" || q.TopicAliasFlag || len(q.User) != 1 || q.User[0].Val != "v" || q.ResponseTopic != "answer" || string(q.CorrelationData) != "7" || q.ContentType != "json" || q.MessageExpiryInterval == 0 {
		t.Errorf("the subscriber gets %+v", p)
	}
}

// A subscriber that does not read holds nobody up, and gets all when it reads again.
func TestSubscriberThatDoesNotRead(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()))
	sub, pub := x.in(4, "sub"), x.in(4, "pub")
	sub.write(subscribe("kh/#", 1))
	sub.want(packets.Suback)
	const n = 3000
	payload := make([]byte, 4000)
	go func() {
		for i := range n {
			pub.write(message("kh/a/weather/d1", 1, uint16(i%60000+1), string(payload)))
		}
	}()
	for range n {
		pub.want(packets.Puback)
	}
	for i := range n {
		p := sub.want(packets.Publish)
		if len(p.Payload) != len(payload) {
			t.Fatalf("message %d has %d bytes", i, len(p.Payload))
		}
		sub.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.PacketID})
	}
}

// CONNACK of MQTT 5 says what the door allows.
func TestConnackSaysLimits(t *testing.T) {
	x := open(t, remembering(t, t.TempDir()), func(o *door.Options) { o.Limits.KeepAliveAtMost = time.Minute })
	_, ack := x.connect(5, "", func(p *packets.Packet) {
		p.Connect.Keepalive = 3600
		p.Properties.SessionExpiryInterval, p.Properties.SessionExpiryIntervalFlag = 0xffffffff, true
	})
	p := ack.Properties
	if p.ReceiveMaximum != 1024 || p.TopicAliasMaximum != 16 || p.MaximumPacketSize != 8<<20 || p.AssignedClientID == "" || p.ServerKeepAlive != 60 || p.SessionExpiryInterval != 7*24*3600 {
		t.Errorf("CONNACK says %+v", p)
	}
}
