package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

func TestFullQueues(t *testing.T) {
	c := begin(t, session.Limits{Messages: 3})
	x, _, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a", 1))
	x.Detach(true, nil)
	if codes := c.publish("1:a=1", "1:a=2", "1:a=3", "1:a=4"); !slices.Equal(codes, []byte{0, 0, 0, 0x97}) {
		t.Errorf("codes %x", codes)
	}
	if n := c.Stats().Dropped["full"]; n != 1 {
		t.Errorf("%d dropped", n)
	}
	x, l, _ := c.connect("x", kept(time.Hour))
	got := c.want(l, "1:a=1, 1:a=2, 1:a=3")
	ack(x, packets.Puback, got...)
	if s := c.Stats(); s.Waiting != 0 || s.Bytes > 2000 {
		t.Errorf("%+v", s)
	}
}

// A few that take much cannot take all from the others.
func TestTheRestIsShared(t *testing.T) {
	c := begin(t, session.Limits{TotalBytes: 1 << 20, Bytes: 1 << 20, Messages: 10_000})
	payload := strings.Repeat("x", 1000)
	for i := range 40 {
		x, _, _ := c.connect(fmt.Sprint(i), kept(time.Hour))
		c.subscribe(x, sub(fmt.Sprint("t/", i), 1))
		x.Detach(true, nil)
	}
	for i := range 39 {
		batch := make([]string, 200)
		for n := range batch {
			batch[n] = fmt.Sprintf("1:t/%d=%s", i, payload)
		}
		c.publish(batch...)
	}
	if codes := c.publish("1:t/39=a command"); codes[0] != 0 {
		t.Errorf("nothing is left for the last: %+v", c.Stats())
	}
	if s := c.Stats(); s.Bytes > 1<<20 || s.Dropped["total"] == 0 {
		t.Errorf("%+v", s)
	}
	x, _, _ := c.connect("r")
	for i := range 2000 {
		if err := c.Publish(t.Context(), []session.Publication{{Topic: fmt.Sprint("r/", i), Payload: []byte(payload), Retain: true, From: x, Received: c.clock.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Bytes > 1<<20 || s.Dropped["retained"] == 0 || s.Retained == 0 {
		t.Errorf("%+v", s)
	}
}

func TestLargestPacket(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x", func(w *session.Connect) { w.MaximumPacket = 12 })
	c.subscribe(x, sub("#", 1))
	c.publish("1:a=1234", "1:a=12345", "0:a=123456", "0:a=1234567")
	c.want(l, "1:a=1234, 0:a=123456")
	if n := c.Stats().Dropped["too_large"]; n != 2 {
		t.Errorf("%d dropped", n)
	}
}

func TestSubscribeCodes(t *testing.T) {
	c := begin(t, session.Limits{Subscriptions: 3})
	refuse := func(f string) packets.Code {
		if f == "secret" {
			return packets.ErrNotAuthorized
		}
		return packets.CodeSuccess
	}
	subs := packets.Subscriptions{sub("a", 2), sub("secret", 0), sub("$share/g/secret", 0), sub("a#", 0), sub("a", 1), sub("b", 0), sub("$share/g/c", 1), sub("d", 0)}
	for v, want := range map[byte][]byte{4: {2, 0x80, 0x80, 0x80, 1, 0, 1, 0x80}, 5: {2, 0x87, 0x87, 0x8f, 1, 0, 1, 0x97}} {
		x, _, _ := c.connect("x", version(v), clean)
		if got, err := x.Subscribe(t.Context(), slices.Clone(subs), 0, refuse); err != nil || !slices.Equal(got, want) {
			t.Errorf("version %d: %x, %v, want %x", v, got, err, want)
		}
	}
}

func TestIdentifiersOfQoS2(t *testing.T) {
	c := begin(t, session.Limits{})
	x, _, _ := c.connect("x", kept(time.Hour))
	p := []session.Publication{{Topic: "a", QoS: 2, ID: 7, From: x, Received: c.clock.Now()}}
	if err := c.Publish(t.Context(), p); err != nil || p[0].Code != 0x10 {
		t.Fatal(err, p[0].Code)
	}
	x, _, _ = c.connect("x", kept(time.Hour))
	if !x.Knows(7) || x.Knows(8) || !x.Release(7) || x.Release(7) || x.Knows(7) {
		t.Error("an identifier is not remembered until it is released")
	}
}

// Of what is refused, no PUBREL will come: another message may have the identifier.
func TestIdentifiersOfWhatIsRefused(t *testing.T) {
	c := begin(t, session.Limits{Messages: 1})
	asleep, _, _ := c.connect("asleep", kept(time.Hour))
	c.subscribe(asleep, sub("a", 1))
	asleep.Detach(true, nil)
	x, _, _ := c.connect("x", kept(time.Hour))
	for i, one := range []struct {
		journalled, repeated bool
		code                 byte
	}{{false, true, 0}, {false, false, 0x97}, {true, true, 0x97}} {
		id := uint16(i + 1)
		p := []session.Publication{{Topic: "a", QoS: 2, ID: id, From: x, Received: c.clock.Now(), Journalled: one.journalled}}
		if err := c.Publish(t.Context(), p); err != nil || p[0].Code != one.code || x.Knows(id) != one.repeated {
			t.Errorf("%+v: %v, code %x, repeated %t", one, err, p[0].Code, x.Knows(id))
		}
	}
	c.reopen(true)
	x, _, _ = c.connect("x", kept(time.Hour))
	if !x.Knows(1) || x.Knows(2) || !x.Knows(3) {
		t.Error("after a crash it is otherwise")
	}
}

// A client that answers what was not sent, and reads nothing, takes no memory.
func TestAnswersToNothing(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x")
	l.setRoom(0)
	for i := range 3000 {
		ack(x, packets.Pubrec, packets.Packet{PacketID: uint16(i + 1)})
	}
	if l.ended == nil {
		t.Error("its connection goes on")
	}
}

func TestLargeSubscriptionsAndWills(t *testing.T) {
	c := begin(t, session.Limits{Bytes: 1 << 20, TotalBytes: 4 << 20})
	x, _, _ := c.connect("x")
	for i, want := range []byte{0, 0, 0x97} {
		if got := c.subscribe(x, sub(strings.Repeat("x", 60_000)+fmt.Sprint(i), 0)); got[0] != want {
			t.Errorf("subscription %d: %x", i, got[0])
		}
	}
	w := &session.Will{Publication: session.Publication{Topic: "w", Payload: make([]byte, 400_000)}}
	var err error
	for i := 0; err == nil && i < 100; i++ {
		_, _, err = c.Attach(t.Context(), session.Connect{Key: session.Key{User: fmt.Sprint(i), Client: "c"}, Will: w}, newLink())
	}
	if err == nil || c.Stats().Bytes > 4<<20 {
		t.Errorf("wills take %d bytes: %v", c.Stats().Bytes, err)
	}
}

// Who may have less than before gets no more of it, neither what waits nor what comes.
func TestRightsThatHaveBecomeLess(t *testing.T) {
	c := begin(t, session.Limits{})
	x, _, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a/#", 1), sub("b", 1), sub("$share/g/c", 1))
	x.Detach(true, nil)
	c.publish("1:a/1=waits", "1:b=waits")
	x, l, present := c.connect("x", kept(time.Hour), func(w *session.Connect) { w.Allowed = func(f string) bool { return f == "b" } })
	c.publish("1:a/1=comes", "1:b=comes", "1:c=comes")
	got := c.want(l, "1:b=waits, 1:b=comes")
	if !present || c.Wants("a/1", false) || c.Wants("c", false) || c.Stats().Dropped["rights"] != 1 {
		t.Errorf("present %t, %+v", present, c.Stats())
	}
	ack(x, packets.Puback, got...)
	c.reopen(true)
	if c.Wants("a/1", false) || c.Wants("c", false) || !c.Wants("b", false) {
		t.Error("what was taken away is back after a crash")
	}
}
