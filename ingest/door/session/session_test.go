package session_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// link is a connection that keeps what it is given.
type link struct {
	mu    sync.Mutex
	room  int // how many packets it still takes
	got   []packets.Packet
	ended *packets.Code
}

func newLink() *link { return &link{room: 1 << 30} }

func (l *link) Send(p packets.Packet) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.room == 0 {
		return false
	}
	l.room--
	l.got = append(l.got, p)
	return true
}

func (l *link) End(c packets.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = &c
}

// take is what has come since it was last asked.
func (l *link) take() []packets.Packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.got
	l.got = nil
	return got
}

func (l *link) setRoom(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = n
}

// say is packets as a test writes them: "1:a=x" is QoS 1 of topic a with payload x; R is
// retained, D is DUP.
func say(all []packets.Packet) string {
	var out []string
	for _, p := range all {
		switch p.FixedHeader.Type {
		case packets.Publish:
			s := fmt.Sprintf("%d:%s=%s", p.FixedHeader.Qos, p.TopicName, p.Payload)
			if p.FixedHeader.Retain {
				s += " R"
			}
			if p.FixedHeader.Dup {
				s += " D"
			}
			out = append(out, s)
		case packets.Pubrel:
			out = append(out, "pubrel")
		default:
			out = append(out, fmt.Sprint("type ", p.FixedHeader.Type))
		}
	}
	return strings.Join(out, ", ")
}

// city is sessions with what tests need.
type city struct {
	*session.Sessions
	t     *testing.T
	clock *clock
	o     session.Options
}

func begin(t *testing.T, l session.Limits) *city {
	t.Helper()
	c := &city{t: t, clock: &clock{now: time.Unix(1_800_000_000, 0)}}
	c.o = session.Options{Dir: t.TempDir(), Limits: l, Now: c.clock.Now}
	c.open()
	t.Cleanup(func() { c.Close() })
	return c
}

func (c *city) open() {
	c.t.Helper()
	var err error
	if c.Sessions, err = session.Open(c.t.Context(), c.o); err != nil {
		c.t.Fatal(err)
	}
}

// connect connects a client of its own user; how changes what it wants.
func (c *city) connect(client string, how ...func(*session.Connect)) (*session.Session, *link, bool) {
	c.t.Helper()
	l := newLink()
	want := session.Connect{Key: session.Key{User: "u-" + client, Client: client}, Version: 5}
	for _, h := range how {
		h(&want)
	}
	x, present, err := c.Attach(c.t.Context(), want, l)
	if err != nil {
		c.t.Fatal(err)
	}
	x.Start()
	return x, l, present
}

func version(v byte) func(*session.Connect) { return func(c *session.Connect) { c.Version = v } }
func clean(c *session.Connect)              { c.Clean = true }
func kept(d time.Duration) func(*session.Connect) {
	return func(c *session.Connect) { c.Expiry = d }
}
func will(topic string, delay time.Duration) func(*session.Connect) {
	return func(c *session.Connect) {
		c.Will = &session.Will{Publication: session.Publication{Topic: topic, Payload: []byte("will"), QoS: 1}, Delay: delay}
	}
}

func anything(string) packets.Code { return packets.CodeSuccess }

func (c *city) subscribe(x *session.Session, subs ...packets.Subscription) []byte {
	c.t.Helper()
	codes, err := x.Subscribe(c.t.Context(), subs, 0, anything)
	if err != nil {
		c.t.Fatal(err)
	}
	return codes
}

func sub(f string, qos byte) packets.Subscription { return packets.Subscription{Filter: f, Qos: qos} }

// publish publishes "qos:topic=payload".
func (c *city) publish(all ...string) []byte {
	c.t.Helper()
	list := make([]session.Publication, len(all))
	for i, s := range all {
		topic, payload, _ := strings.Cut(s[2:], "=")
		payload, retain := strings.CutSuffix(payload, " R")
		list[i] = session.Publication{Topic: topic, Payload: []byte(payload), QoS: s[0] - '0', Retain: retain, Received: c.clock.Now()}
	}
	if err := c.Publish(c.t.Context(), list); err != nil {
		c.t.Fatal(err)
	}
	codes := make([]byte, len(list))
	for i := range list {
		codes[i] = list[i].Code
	}
	return codes
}

func (c *city) want(l *link, want string) []packets.Packet {
	c.t.Helper()
	got := l.take()
	// What waits for the file comes soon.
	for deadline := time.Now().Add(time.Minute); len(say(got)) < len(want) && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got = append(got, l.take()...)
	}
	if say(got) != want {
		c.t.Errorf("sent %q, want %q", say(got), want)
	}
	return got
}

func ack(x *session.Session, kind byte, all ...packets.Packet) {
	for _, p := range all {
		x.Acknowledge(packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: p.PacketID})
	}
}

func TestQoSIsTheLesserOfBoth(t *testing.T) {
	c := begin(t, session.Limits{})
	for granted := range byte(3) {
		x, l, _ := c.connect(fmt.Sprint("c", granted), version(4))
		if got := c.subscribe(x, sub("a/#", granted)); got[0] != granted {
			t.Errorf("granted %d, want %d", got[0], granted)
		}
		c.publish("0:a/x=0", "1:a/x=1", "2:a/x=2", "2:b=2")
		c.want(l, fmt.Sprintf("0:a/x=0, %d:a/x=1, %d:a/x=2", min(1, granted), min(2, granted)))
		x.Detach(true, nil)
	}
	if codes := c.publish("1:a/x=1", "0:a=2"); !slices.Equal(codes, []byte{0x10, 0}) {
		t.Errorf("nobody has subscribed: %x", codes)
	}
}

func TestWantsOnlyWhatIsSubscribedTo(t *testing.T) {
	c := begin(t, session.Limits{})
	x, _, _ := c.connect("a")
	c.subscribe(x, sub("kh/+/command/lamp 1.x*", 1), sub("$share/g/s/#", 0))
	for topic, want := range map[string]bool{"kh/nha-trang/command/lamp 1.x*": true, "s": true, "kh/nha-trang/weather/lamp-1": false} {
		if c.Wants(topic, false) != want || !c.Wants(topic, true) {
			t.Errorf("wants %s: %t", topic, c.Wants(topic, false))
		}
	}
	if codes, err := x.Unsubscribe(t.Context(), []string{"kh/+/command/lamp 1.x*", "no", "$share/g/s/#"}); err != nil || !slices.Equal(codes, []byte{0, 0x11, 0}) {
		t.Errorf("%x, %v", codes, err)
	}
	if c.Wants("s", false) || c.Wants("kh/nha-trang/command/lamp 1.x*", false) {
		t.Error("wants what nobody has subscribed to any more")
	}
}

func TestOverlappingSubscriptionsGiveOneMessage(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("a")
	for i, f := range []string{"a/#", "a/+", "a/b"} {
		if _, err := x.Subscribe(t.Context(), packets.Subscriptions{sub(f, byte(i))}, i+1, anything); err != nil {
			t.Fatal(err)
		}
	}
	c.publish("2:a/b=x")
	got := c.want(l, "2:a/b=x")
	ids := got[0].Properties.SubscriptionIdentifier
	slices.Sort(ids)
	if !slices.Equal(ids, []int{1, 2, 3}) {
		t.Errorf("identifiers %v", ids)
	}
}

func TestNoLocalAndRetainAsPublished(t *testing.T) {
	c := begin(t, session.Limits{})
	x, lx, _ := c.connect("x")
	y, ly, _ := c.connect("y")
	c.subscribe(x, packets.Subscription{Filter: "a", NoLocal: true})
	c.subscribe(y, packets.Subscription{Filter: "a", RetainAsPublished: true})
	if err := c.Publish(t.Context(), []session.Publication{{Topic: "a", Payload: []byte("1"), Retain: true, From: x, Received: c.clock.Now()}}); err != nil {
		t.Fatal(err)
	}
	c.want(lx, "")
	c.want(ly, "0:a=1 R")
	c.publish("0:a=2")
	c.want(lx, "0:a=2")
	c.want(ly, "0:a=2")
	if _, err := x.Subscribe(t.Context(), packets.Subscriptions{{Filter: "$share/g/a", NoLocal: true}}, 0, anything); err == nil {
		t.Error("a shared subscription with No Local is taken")
	}
}

func TestRetained(t *testing.T) {
	c := begin(t, session.Limits{})
	c.publish("1:a/b=1 R", "1:a/b=2 R", "2:a/c=3 R", "1:$SYS/x=4 R", "1:gone=5 R", "1:gone= R")
	x, l, _ := c.connect("x")
	for _, s := range []struct {
		sub  packets.Subscription
		want string
	}{
		{sub("a/b", 0), "0:a/b=2 R"},
		{packets.Subscription{Filter: "a/b", Qos: 1, RetainHandling: 1}, ""},
		{packets.Subscription{Filter: "a/b", Qos: 1}, "1:a/b=2 R"},
		{packets.Subscription{Filter: "+/c", Qos: 2, RetainHandling: 1}, "2:a/c=3 R"},
		{packets.Subscription{Filter: "a/+", Qos: 2, RetainHandling: 2}, ""},
		{sub("+/x", 1), ""},
		{sub("$SYS/+", 1), "1:$SYS/x=4 R"},
		{sub("gone", 1), ""},
		{sub("$share/g/a/b", 1), ""},
	} {
		c.subscribe(x, s.sub)
		c.want(l, s.want)
	}
	c.publish("1:a/b= R")
	if got := say(l.take()); !strings.HasPrefix(got, "1:a/b=") || strings.Contains(got, "R") {
		t.Errorf("a deleted retained message goes as %q", got)
	}
	if n := c.Stats().Retained; n != 2 {
		t.Errorf("%d retained", n)
	}
}

func TestMessageExpiry(t *testing.T) {
	c := begin(t, session.Limits{})
	x, _, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a", 1))
	x.Detach(true, nil)
	publish := func(payload string, seconds uint32) {
		if err := c.Publish(t.Context(), []session.Publication{{Topic: "a", Payload: []byte(payload), QoS: 1, Received: c.clock.Now(),
			Properties: packets.Properties{MessageExpiryInterval: seconds, TopicAlias: 3, SubscriptionIdentifier: []int{7}, User: []packets.UserProperty{{Key: "k", Val: "v"}}}}}); err != nil {
			t.Fatal(err)
		}
	}
	publish("short", 10)
	publish("long", 100)
	c.clock.pass(30 * time.Second)
	_, l, present := c.connect("x", kept(time.Hour))
	got := c.want(l, "1:a=long")
	if p := got[0].Properties; !present || p.MessageExpiryInterval != 70 || p.TopicAlias != 0 || p.SubscriptionIdentifier != nil || len(p.User) != 1 {
		t.Errorf("present %t, properties %+v", present, p)
	}
	if n := c.Stats().Dropped["expired"]; n != 1 {
		t.Errorf("%d expired", n)
	}
}

func TestWindowAndOrder(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x", func(w *session.Connect) { w.ReceiveMaximum = 2 })
	c.subscribe(x, sub("#", 2))
	c.publish("1:a=1", "2:a=2", "1:a=3", "0:a=0", "1:a=4")
	got := c.want(l, "1:a=1, 2:a=2, 0:a=0")
	ack(x, packets.Puback, got[1]) // the wrong acknowledgement
	ack(x, packets.Pubcomp, got[1])
	c.want(l, "")
	ack(x, packets.Puback, got[0])
	c.want(l, "1:a=3")
	ack(x, packets.Pubrec, got[1])
	c.want(l, "pubrel")
	ack(x, packets.Pubcomp, got[1])
	c.want(l, "1:a=4")
	ack(x, packets.Pubrec, packets.Packet{PacketID: 999})
	if got := c.want(l, "pubrel"); got[0].ReasonCode != 0x92 {
		t.Errorf("the PUBREL of nothing says %x", got[0].ReasonCode)
	}
}

func TestAFullLinkLosesOnlyQoS0(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x")
	c.subscribe(x, sub("#", 2))
	l.setRoom(1)
	c.publish("1:a=1", "0:a=0", "1:a=2", "2:a=3")
	c.want(l, "1:a=1")
	l.setRoom(10)
	x.Writable()
	c.want(l, "1:a=2, 2:a=3")
	if n := c.Stats().Dropped["slow"]; n != 1 {
		t.Errorf("%d dropped", n)
	}
}

func TestWhatWasUnderWayComesAgain(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("#", 2))
	c.publish("1:a=1", "2:a=2", "2:a=3", "1:a=4")
	got := l.take()
	ack(x, packets.Puback, got[0])
	ack(x, packets.Pubrec, got[1])
	c.want(l, "pubrel")
	x.Detach(false, nil)
	c.publish("0:a=0", "1:a=5")
	x, l, present := c.connect("x", kept(time.Hour), func(w *session.Connect) { w.ReceiveMaximum = 3 })
	again := c.want(l, "pubrel, 2:a=3 D, 1:a=4 D")
	if !present || again[0].PacketID != got[1].PacketID || again[1].PacketID != got[2].PacketID {
		t.Errorf("present %t, with other identifiers", present)
	}
	ack(x, packets.Pubcomp, again[0])
	c.want(l, "1:a=5")
}

func TestTakeOver(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a", 1))
	c.publish("1:a=1")
	y, ly, present := c.connect("x", kept(time.Hour))
	if !present || l.ended == nil || l.ended.Code != 0x8e || !x.Taken() || y.Taken() {
		t.Errorf("present %t, ended %v, taken %t", present, l.ended, x.Taken())
	}
	ack(x, packets.Puback, l.take()...) // comes too late
	x.Detach(false, nil)
	got := c.want(ly, "1:a=1 D")
	ack(y, packets.Puback, got...)
	c.publish("1:a=2")
	c.want(ly, "1:a=2")
	_, _, present = c.connect("x", clean)
	if present || c.Wants("a", false) {
		t.Error("a clean start finds the session of before")
	}
	if other, _, present := c.connect("x", func(w *session.Connect) { w.Key.User = "other" }); present || other.Taken() {
		t.Error("another user's session is the same")
	}
}

func TestSessionsExpire(t *testing.T) {
	c := begin(t, session.Limits{Expiry: time.Hour})
	x, _, _ := c.connect("x", kept(24*time.Hour))
	if x.Expiry() != time.Hour {
		t.Errorf("stays %s, more than the limit", x.Expiry())
	}
	c.subscribe(x, sub("a", 1))
	x.Detach(true, nil)
	c.clock.pass(time.Hour - time.Second)
	x, _, present := c.connect("x", kept(time.Hour))
	short := time.Second
	x.Detach(true, &short)
	c.clock.pass(time.Second)
	_, _, again := c.connect("x", kept(time.Hour))
	if !present || again {
		t.Errorf("present %t, after it expired %t", present, again)
	}
	y, _, _ := c.connect("y")
	y.Detach(true, nil)
	if _, _, present := c.connect("y"); present {
		t.Error("a session of expiry 0 outlives its connection")
	}
}

func TestSessionsOfOneUser(t *testing.T) {
	c := begin(t, session.Limits{})
	try := func(client string, d time.Duration, internal bool) (*session.Session, error) {
		x, _, err := c.Attach(t.Context(), session.Connect{Key: session.Key{User: "lamp", Client: client}, Version: 5, Expiry: d, Internal: internal}, newLink())
		return x, err
	}
	a, err := try("a", time.Minute, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := try("b", time.Hour, false); err != nil {
		t.Fatal(err)
	}
	_, err = try("c", time.Hour, false)
	if code, ok := err.(packets.Code); !ok || code.Code != 0x97 || !strings.Contains(code.Reason, "2 sessions") {
		t.Errorf("a third: %v", err)
	}
	for _, ok := range []struct {
		client   string
		d        time.Duration
		internal bool
	}{{"c", 0, false}, {"b", time.Hour, false}, {"d", time.Hour, true}} {
		if _, err := try(ok.client, ok.d, ok.internal); err != nil {
			t.Errorf("%v: %v", ok, err)
		}
	}
	a.Detach(true, nil)
	c.clock.pass(time.Minute)
	if n := c.Forget("nobody"); n != 0 {
		t.Errorf("forgot %d", n)
	}
	if n := c.Forget("lamp"); n != 4 {
		t.Errorf("forgot %d", n)
	}
	if _, err := try("c", time.Hour, false); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
}

func TestWills(t *testing.T) {
	c := begin(t, session.Limits{})
	ctx, stop := context.WithCancel(t.Context())
	published := make(chan string, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx, func(p session.Publication) { published <- p.Topic })
	}()
	defer func() { stop(); <-ended }()
	ready(c)
	want := func(topic string) {
		t.Helper()
		select {
		case got := <-published:
			if got != topic {
				t.Errorf("will %q, want %q", got, topic)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no will %q", topic)
		}
	}
	x, _, _ := c.connect("x", will("graceful", 0))
	x.Detach(true, nil)
	x, _, _ = c.connect("x", will("lost", 0))
	x.Detach(false, nil)
	want("lost")
	c.connect("x", will("taken", 0))
	c.connect("x", will("", 0)) // Attach returns when the will is published
	if len(published) != 1 {
		t.Error("the will of the connection before comes after the new one")
	}
	want("taken")
	x, _, _ = c.connect("y", kept(time.Hour), will("cancelled", time.Minute))
	x.Detach(false, nil)
	x, _, _ = c.connect("y", kept(time.Hour), will("delayed", time.Minute))
	c.clock.pass(time.Hour)
	x.Detach(false, nil)
	c.clock.pass(time.Minute)
	want("delayed")
	x, _, _ = c.connect("z", kept(time.Second), will("session ended", time.Hour))
	x.Detach(false, nil)
	c.clock.pass(time.Second)
	want("session ended")
	x, _, _ = c.connect("z", kept(time.Hour), will("begun anew", time.Hour))
	x.Detach(false, nil)
	c.connect("z", clean)
	want("begun anew")
}

// ready waits until wills are published.
func ready(c *city) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if c.Publishes() {
			return
		}
	}
	c.t.Fatal("Run does not run")
}

func TestSharedSubscriptions(t *testing.T) {
	c := begin(t, session.Limits{})
	var links []*link
	var all []*session.Session
	for i := range 3 {
		x, l, _ := c.connect(fmt.Sprint(i), kept(time.Hour))
		c.subscribe(x, sub("$share/g/a/+", 1))
		all, links = append(all, x), append(links, l)
	}
	lone, l, _ := c.connect("lone")
	c.subscribe(lone, sub("a/b", 1))
	for range 6 {
		c.publish("1:a/b=x")
	}
	for i, l := range links {
		if n := len(l.take()); n != 2 {
			t.Errorf("member %d got %d", i, n)
		}
	}
	if n := len(l.take()); n != 6 {
		t.Errorf("who does not share got %d", n)
	}
	all[0].Detach(true, nil)
	all[1].Detach(true, nil)
	for range 4 {
		c.publish("1:a/b=x")
	}
	if n := len(links[2].take()); n != 4 {
		t.Errorf("the only one that is there got %d", n)
	}
	all[2].Detach(true, nil)
	lone.Detach(true, nil)
	if codes := c.publish("1:a/b=kept"); codes[0] != 0 {
		t.Errorf("code %x", codes[0])
	}
	if n := c.Stats().Waiting; n < 3 {
		t.Errorf("%d wait", n)
	}
}
