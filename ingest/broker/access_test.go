package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/haidang-iot/haidang/ingest/broker"
)

// people is an authenticator with users in memory, and what it refused.
type people struct {
	mu     sync.Mutex
	users  map[string]user
	asked  []broker.Login
	onAsk  func(broker.Login)
	refuse chan broker.Refusal
}

type user struct {
	secret  string
	revoked bool
	grant   broker.Grant
}

var errWrongSecret = errors.New("wrong secret")

func (p *people) Authenticate(_ context.Context, l broker.Login) (broker.Grant, error) {
	p.mu.Lock()
	p.asked = append(p.asked, l)
	u, ok := p.users[l.Username]
	onAsk := p.onAsk
	p.mu.Unlock()
	if onAsk != nil {
		onAsk(l)
	}
	switch {
	case !ok:
		return broker.Grant{}, errors.New("unknown user")
	case string(l.Password) != u.secret:
		return broker.Grant{}, errWrongSecret
	case u.revoked:
		return broker.Grant{}, errors.New("revoked secret")
	}
	return u.grant, nil
}

func (p *people) revoke(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[name]
	u.revoked = true
	p.users[name] = u
}

func (p *people) logins() []broker.Login {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]broker.Login(nil), p.asked...)
}

// device is granted what a device of Nha Trang is.
func device(id string) user {
	return user{secret: "secret of " + id, grant: broker.Grant{
		Identity:  "device:" + id,
		Publish:   []string{"kh/nha-trang/+/" + id},
		Subscribe: []string{"kh/nha-trang/command/" + id},
	}}
}

// city has two devices and a gateway.
func city() *people {
	return &people{
		refuse: make(chan broker.Refusal, 1000),
		users: map[string]user{
			"d1": device("d1"),
			"d2": device("d2"),
			"gateway": {secret: "g", grant: broker.Grant{
				Identity: "gateway:nha-trang", Subscribe: []string{"kh/nha-trang/#"}, Internal: true,
			}},
			"operator": {secret: "o", grant: broker.Grant{
				Identity: "operator", Publish: []string{"kh/nha-trang/command/+"}, Subscribe: []string{"#"}, Internal: true,
			}},
		},
	}
}

// guarded starts a broker that asks p.
func guarded(t testing.TB, p *people, change ...func(*broker.Options)) *broker.Broker {
	t.Helper()
	o := broker.Options{
		MQTTAddr: "127.0.0.1:0", Authenticator: p, RefusalDelay: -1, CheckEvery: 20 * time.Millisecond,
		OnRefused: func(r broker.Refusal) { p.refuse <- r },
	}
	for _, f := range change {
		f(&o)
	}
	return start(t, o)
}

// as connects with the right secret and a client id that is the user's name.
func (p *people) as(name string) func(*mqtt.ClientOptions) {
	return func(o *mqtt.ClientOptions) {
		o.SetUsername(name).SetPassword(p.users[name].secret)
	}
}

func lostTo(lost chan<- error) func(*mqtt.ClientOptions) {
	return func(o *mqtt.ClientOptions) {
		o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	}
}

// refusal waits for the next one and checks it.
func (p *people) refusal(t testing.TB, want broker.Refusal) broker.Refusal {
	t.Helper()
	select {
	case got := <-p.refuse:
		if got.Kind != want.Kind || got.Identity != want.Identity || got.Topic != want.Topic ||
			got.Username != want.Username || !strings.Contains(got.Reason, want.Reason) {
			t.Errorf("refusal\n got %+v\nwant %+v", got, want)
		}
		if !got.Remote.IsValid() || got.Time.IsZero() {
			t.Errorf("refusal says not where or when: %+v", got)
		}
		return got
	case <-time.After(deadline):
		t.Fatalf("no refusal in time; want %+v", want)
		return broker.Refusal{}
	}
}

func (p *people) noRefusal(t testing.TB) {
	t.Helper()
	select {
	case got := <-p.refuse:
		t.Errorf("unexpected refusal: %+v", got)
	default:
	}
}

// notLetIn connects and expects the CONNACK code.
func notLetIn(t testing.TB, b *broker.Broker, code byte, change ...func(*mqtt.ClientOptions)) {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(b.MQTTURL()).SetAutoReconnect(false).SetProtocolVersion(4).SetConnectTimeout(deadline)
	for _, f := range change {
		f(o)
	}
	c := mqtt.NewClient(o)
	token := c.Connect()
	if !token.WaitTimeout(deadline) {
		t.Fatal("no answer")
	}
	if token.Error() == nil {
		c.Disconnect(0)
		t.Fatal("was let in")
	}
	if got := token.(*mqtt.ConnectToken).ReturnCode(); got != code {
		t.Errorf("CONNACK code %d (%v), want %d", got, token.Error(), code)
	}
}

// retained is the first retained message there is. nats-server notes it a moment
// after it has delivered it, so it is asked for more than once.
func retained(t testing.TB, c mqtt.Client) (m mqtt.Message) {
	t.Helper()
	got := make(chan mqtt.Message, 1000)
	eventually(t, "a message is retained", func() bool {
		wait(t, c.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) { got <- m }))
		wait(t, c.Unsubscribe("#"))
		select {
		case m = <-got:
			return true
		default:
			return false
		}
	})
	if !m.Retained() {
		t.Errorf("%s is not retained", m.Topic())
	}
	return m
}

func gone(t testing.TB, lost <-chan error) {
	t.Helper()
	select {
	case <-lost:
	case <-time.After(deadline):
		t.Fatal("still connected")
	}
}

func TestGrantedIsGranted(t *testing.T) {
	p := city()
	b := guarded(t, p)
	got := subscribe(t, client(t, b, "gateway", p.as("gateway")), "kh/nha-trang/#")
	d := client(t, b, "d1", p.as("d1"), func(o *mqtt.ClientOptions) {
		o.SetWill("kh/nha-trang/status/d1", "offline", 1, true)
	})
	commands := subscribe(t, d, "kh/nha-trang/command/d1")
	for qos := range byte(3) {
		wait(t, d.Publish("kh/nha-trang/weather/d1", qos, qos == 2, []byte{'0' + qos}))
		if m := receive(t, got); m.Topic() != "kh/nha-trang/weather/d1" || string(m.Payload()) != string('0'+rune(qos)) {
			t.Errorf("got %s %q", m.Topic(), m.Payload())
		}
	}
	wait(t, client(t, b, "operator", p.as("operator")).Publish("kh/nha-trang/command/d1", 1, false, "on"))
	if m := receive(t, commands); string(m.Payload()) != "on" {
		t.Errorf("command %q", m.Payload())
	}
	p.noRefusal(t)
	l := p.logins()[1]
	if l.ClientID != "d1" || l.Username != "d1" || string(l.Password) != "secret of d1" || l.TLS || !l.Remote.Addr().IsLoopback() {
		t.Errorf("asked about %+v", l)
	}
}

func TestConnectIsRefused(t *testing.T) {
	p := city()
	p.revoke("d2")
	b := guarded(t, p)
	login := func(id, name, secret string) func(*mqtt.ClientOptions) {
		return func(o *mqtt.ClientOptions) { o.SetClientID(id).SetUsername(name).SetPassword(secret) }
	}
	long := strings.Repeat("x", 60_000)
	for _, c := range []struct {
		name, id, user, secret string
		want                   broker.Refusal
	}{
		{"wrong secret", "d1", "d1", "guess", broker.Refusal{Username: "d1", Reason: "wrong secret"}},
		{"no secret", "d1", "d1", "", broker.Refusal{Username: "d1", Reason: "wrong secret"}},
		{"nobody", "d1", "", "", broker.Refusal{Reason: "unknown user"}},
		{"unknown", "x", "x", "y", broker.Refusal{Username: "x", Reason: "unknown user"}},
		{"revoked", "d2", "d2", "secret of d2", broker.Refusal{Username: "d2", Reason: "revoked secret"}},
		{"the journal's user", "journal", "journal", "", broker.Refusal{Username: "journal", Reason: "unknown user"}},
		{"secret is not UTF-8", "d1", "d1", "\xff\xfe\x00", broker.Refusal{Username: "d1", Reason: "wrong secret"}},
		{"secret too long", "d1", "d1", long, broker.Refusal{Username: "d1", Reason: "password longer"}},
		{"name too long", "d1", long, "x", broker.Refusal{Username: long[:256] + "…", Reason: "longer than 256"}},
		{"client id too long", long, "d1", "secret of d1", broker.Refusal{Username: "d1", Reason: "longer than 256"}},
		{"another's client id", "gateway", "d1", "secret of d1", broker.Refusal{Username: "d1", Identity: "device:d1", Reason: "client id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			notLetIn(t, b, packets.ErrRefusedNotAuthorised, login(c.id, c.user, c.secret))
			c.want.Kind = broker.RefusedConnect
			got := p.refusal(t, c.want)
			if len(got.ClientID) > 300 || len(got.Username) > 300 {
				t.Error("texts are not cut")
			}
		})
	}
	// Refused by nats-server itself, before anyone is asked.
	asked := len(p.logins())
	notLetIn(t, b, packets.ErrRefusedBadUsernameOrPassword, login("d1", "d\xff1", "x"))
	notLetIn(t, b, packets.ErrRefusedIDRejected, login("d 1", "d1", "x"))
	if n := len(p.logins()); n != asked {
		t.Errorf("%d logins, want %d", n, asked)
	}
	p.noRefusal(t)
}

// A message to another's topic reaches nobody, is not stored, and ends the
// connection; what the publisher is told before differs by QoS.
func TestPublishToAnotherTopic(t *testing.T) {
	p := city()
	d1 := p.users["d1"]
	d1.grant.ClientIDs = []string{"d1", "d1-*"}
	p.users["d1"] = d1
	b := guarded(t, p)
	got := subscribe(t, client(t, b, "gateway", p.as("gateway")), "kh/nha-trang/#")
	for i, topic := range []string{
		"kh/nha-trang/weather/d2", "kh/nha-trang/weather/d1/x", "kh/cam-ranh/weather/d1", "kh/nha-trang/weather",
		"$JS/API/STREAM/DELETE/$MQTT_msgs", "$MQTT/msgs/kh/forged", "kh/nha-trang/weather/*", "kh/nha-trang/>", "kh/nha-trang/weather/d1.d2",
	} {
		for qos := range byte(3) {
			lost := make(chan error, 1)
			// nats-server holds up a client id that comes back too soon.
			d := client(t, b, fmt.Sprintf("d1-%d-%d", i, qos), p.as("d1"), lostTo(lost))
			token := d.Publish(topic, qos, true, "forged")
			gone(t, lost)
			acked := token.WaitTimeout(0) && token.Error() == nil
			t.Logf("%s QoS %d: acknowledged %v", topic, qos, acked)
			p.refusal(t, broker.Refusal{Kind: broker.RefusedPublish, Identity: "device:d1", Username: "d1", Topic: topic, Reason: "not granted"})
		}
	}
	d := client(t, b, "d1", p.as("d1"))
	wait(t, d.Publish("kh/nha-trang/weather/d1", 1, false, "own"))
	if m := receive(t, got); string(m.Payload()) != "own" {
		t.Errorf("received %s %q", m.Topic(), m.Payload())
	}
	// Nothing is retained either: who comes later gets only what is granted.
	wait(t, d.Publish("kh/nha-trang/weather/d1", 1, true, "kept"))
	if m := retained(t, client(t, b, "operator", p.as("operator"))); string(m.Payload()) != "kept" {
		t.Errorf("retained %s %q", m.Topic(), m.Payload())
	}
}

func TestSubscribeIsRefused(t *testing.T) {
	p := city()
	b := guarded(t, p)
	d := client(t, b, "d1", p.as("d1"))
	for _, filter := range []string{
		"#", "+/#", "kh/#", "kh/nha-trang/#", "kh/nha-trang/command/#", "kh/nha-trang/command/+", "kh/nha-trang/command/d2",
		"kh/nha-trang/command/d1/#", "kh/nha-trang/weather/d1", "$JS/API/#", "$SYS/#", "kh/nha-trang/command/>", "kh/nha-trang/command/*",
		"%[1]999999d/%s",
	} {
		token := d.Subscribe(filter, 1, nil)
		if !token.WaitTimeout(deadline) {
			t.Fatal("no answer")
		}
		if code := token.(*mqtt.SubscribeToken).Result()[filter]; code != 0x80 {
			t.Errorf("%s: SUBACK %#x", filter, code)
		}
		// Inside the broker these are the same.
		topic := strings.NewReplacer(">", "#", "*", "+").Replace(filter)
		p.refusal(t, broker.Refusal{Kind: broker.RefusedSubscribe, Identity: "device:d1", Username: "d1", Topic: topic, Reason: "not granted"})
	}
	// The connection lives on, and its own filter is granted.
	subscribe(t, d, "kh/nha-trang/command/d1")
	// A gateway may have less than all of its locality, not more.
	g := client(t, b, "gateway", p.as("gateway"))
	subscribe(t, g, "kh/nha-trang/+/+")
	subscribe(t, g, "kh/nha-trang")
	token := g.Subscribe("kh/+/weather/+", 1, nil)
	if !token.WaitTimeout(deadline) || token.(*mqtt.SubscribeToken).Result()["kh/+/weather/+"] != 0x80 {
		t.Error("a gateway may subscribe beyond its locality")
	}
}

// nats-server would stretch a grant of a/+ and a to a/#, and + to #: such a grant
// is an error. A + within is not stretched.
func TestPlusIsNotHash(t *testing.T) {
	p := city()
	p.users["bad"] = user{secret: "u", grant: broker.Grant{Identity: "bad", Subscribe: []string{"a/+"}}}
	p.users["good"] = user{secret: "u", grant: broker.Grant{Identity: "good", Subscribe: []string{"a/b", "a", "b/+/c", "b"}}}
	b := guarded(t, p)
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, p.as("bad"), func(o *mqtt.ClientOptions) { o.SetClientID("bad") })
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Identity: "bad", Username: "bad", Reason: "+"})
	c := client(t, b, "good", p.as("good"))
	for _, filter := range []string{"a/#", "b/#", "b/+/#", "b/+", "#", "+", "a/>", ">"} {
		token := c.Subscribe(filter, 1, nil)
		if !token.WaitTimeout(deadline) {
			t.Fatal("no answer")
		}
		if code := token.(*mqtt.SubscribeToken).Result()[filter]; code != 0x80 {
			t.Errorf("%s: SUBACK %#x", filter, code)
		}
	}
}

func TestWillToAnotherTopic(t *testing.T) {
	p := city()
	b := guarded(t, p)
	got := subscribe(t, client(t, b, "gateway", p.as("gateway")), "kh/nha-trang/#")
	die := func(topic string) {
		t.Helper()
		lost := make(chan error, 1)
		client(t, b, "d1", p.as("d1"), lostTo(lost), func(o *mqtt.ClientOptions) { o.SetWill(topic, "will", 1, true) })
		if n := b.Disconnect("device:d1"); n != 1 {
			t.Fatalf("disconnected %d", n)
		}
		gone(t, lost)
	}
	die("kh/nha-trang/status/d2")
	p.refusal(t, broker.Refusal{Kind: broker.RefusedPublish, Identity: "device:d1", Username: "d1", Topic: "kh/nha-trang/status/d2", Reason: "not granted"})
	die("kh/nha-trang/status/d1")
	if m := receive(t, got); m.Topic() != "kh/nha-trang/status/d1" {
		t.Errorf("received %s", m.Topic())
	}
	if m := retained(t, client(t, b, "operator", p.as("operator"))); m.Topic() != "kh/nha-trang/status/d1" {
		t.Errorf("retained %s", m.Topic())
	}
}

// The journal works beside an authenticator, and its user is not for MQTT.
func TestJournalBesideAuthenticator(t *testing.T) {
	p := city()
	b := guarded(t, p)
	j := newJournal(t, b)
	if err := j.publish(100); err != nil {
		t.Fatal(err)
	}
	j.have(t)
	if n := len(p.logins()); n != 0 {
		t.Errorf("the authenticator was asked about the journal %d times", n)
	}
}
