package access_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1883)
}

func (w *world) issue(d telemetry.Device, overlap time.Duration) access.Issued {
	w.t.Helper()
	i, err := w.Issue(w.t.Context(), root(), d, overlap, from("10.0.0.1"))
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func TestDeviceAuthentication(t *testing.T) {
	w := newWorld(t)
	aq, mac, wl := w.issue("aq-1", 0), w.issue("a4:cf:12", 0), w.issue("wl-2", 0)
	idle := w.issue("idle-3", 0)
	for _, c := range []struct {
		username string
		password access.Secret
		want     error
	}{
		{"aq-1", aq.Secret, nil},
		{"a4~cf~12", mac.Secret, nil},
		{"a4:cf:12", mac.Secret, nil},
		{"wl-2", wl.Secret, nil},
		{"aq-1", wl.Secret, access.RefusedSecret},
		{"aq-1", "", access.RefusedSecret},
		{"aq-1", access.Secret(strings.ToUpper(string(aq.Secret))), access.RefusedSecret},
		{"idle-3", idle.Secret, access.RefusedNowhere},
		{"idle-3", "x", access.RefusedSecret},
		{"old-4", "x", access.RefusedNoCredential},
		{"nothing", aq.Secret, access.RefusedUnknown},
		{"", "", access.RefusedUnknown},
		{"+", aq.Secret, access.RefusedUnknown},
		{"aq-1/#", aq.Secret, access.RefusedUnknown},
	} {
		g, err := w.Authenticate(t.Context(), c.username, c.username, c.password, addr(1))
		if !errors.Is(err, c.want) {
			t.Errorf("%q: have %v, want %v", c.username, err, c.want)
		}
		if err != nil && len(g.Publish) > 0 {
			t.Errorf("%q: refused and granted %v", c.username, g)
		}
	}
	g, _ := w.Authenticate(t.Context(), "a4~cf~12", "a4~cf~12", mac.Secret, addr(1))
	want := access.Grant{Identity: "a4:cf:12", Publish: []string{"kh/nha-trang/noise/a4:cf:12", "kh/nha-trang/status/a4:cf:12"},
		Subscribe: []string{"kh/nha-trang/command/a4:cf:12"}}
	if d := cmp.Diff(want, g); d != "" {
		t.Error(d)
	}
	if n := w.count(access.EventFilter{Action: access.CredentialRefused, Subject: "aq-1", Reason: "wrong_secret"}); n != 3 {
		t.Errorf("the journal has %d wrong secrets of aq-1, want 3", n)
	}
}

// What a technician has put right is told as a refusal no more, also by a program
// that was started since.
func TestRefusalIsOverOnceLetIn(t *testing.T) {
	w := newWorld(t)
	mac := w.issue("a4:cf:12", 0)
	knock := func(c *access.Control, secret access.Secret) {
		t.Helper()
		w.pass(time.Second)
		_, err := c.Authenticate(t.Context(), "a4~cf~12", "a4~cf~12", secret, addr(1))
		if (err == nil) != (secret == mac.Secret) {
			t.Fatal(err)
		}
	}
	look := func(when string, c *access.Control, want string) {
		t.Helper()
		e, refused, err := c.LastRefusal(t.Context(), "a4:cf:12")
		if err != nil || refused != (want != "") || refused && (e.Reason != want || !e.At.Equal(w.now)) {
			t.Errorf("%s: %+v, %v, %v; want %q at %v", when, e, refused, err, want, w.now)
		}
	}
	look("never tried", w.Control, "")
	knock(w.Control, "wrong")
	look("refused", w.Control, "wrong_secret")
	w.Events(t.Context(), access.EventFilter{}) // writes what waits
	look("refused, after a restart", w.restarted(), "wrong_secret")
	again := w.restarted()
	knock(again, mac.Secret) // the first that it hears of the device
	look("let in", again, "")
	again.Events(t.Context(), access.EventFilter{}) // writes what waits
	look("let in, after a restart", w.restarted(), "")
	for range 20 {
		knock(again, "wrong")
		look("refused again", again, "wrong_secret")
		knock(again, mac.Secret)
		look("let in again", again, "")
	}
	accepted, err := again.Events(t.Context(), access.EventFilter{Action: access.CredentialAccepted})
	if err != nil || len(accepted) != 1 || accepted[0].Subject != "a4~cf~12" {
		t.Errorf("20 times within minutes are in the journal as %+v, %v", accepted, err)
	}
}

func TestRotateAndRevoke(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	enter := func(s access.Secret) error {
		_, err := w.Authenticate(ctx, "aq-1", "aq-1", s, addr(1))
		return err
	}
	a := w.issue("aq-1", time.Hour)
	b := w.issue("aq-1", time.Hour)
	if err := errors.Join(enter(a.Secret), enter(b.Secret)); err != nil {
		t.Errorf("in the overlap: %v", err)
	}
	c := w.issue("aq-1", time.Hour) // a third ends the first
	if err := errors.Join(enter(b.Secret), enter(c.Secret)); err != nil {
		t.Errorf("after another rotation: %v", err)
	}
	if err := enter(a.Secret); !errors.Is(err, access.RefusedOldSecret) {
		t.Errorf("the first of three: %v", err)
	}
	if d := w.endedDevices(); len(d) != 1 {
		t.Errorf("told of %v, want one end", d)
	}
	w.pass(2 * time.Hour)
	if err := enter(b.Secret); !errors.Is(err, access.RefusedOldSecret) {
		t.Errorf("after the overlap: %v", err)
	}
	if err := w.Revoke(ctx, root(), "aq-1", "stolen", from("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := enter(c.Secret); !errors.Is(err, access.RefusedOldSecret) {
		t.Errorf("revoked: %v", err)
	}
	if d := w.endedDevices(); len(d) != 1 {
		t.Errorf("told of %v, want one end", d)
	}
	for action, want := range map[access.Action]int64{access.CredentialIssued: 1, access.CredentialRotated: 2, access.CredentialRevoked: 1, access.CredentialRefused: 3} {
		if n := w.count(access.EventFilter{Action: action, Subject: "aq-1"}); n != want {
			t.Errorf("the journal has %d × %s, want %d", n, action, want)
		}
	}
}

// What another process revokes, and an overlap that runs out, end connections
// too, once.
func TestEndsAreTold(t *testing.T) {
	w := newWorld(t)
	other, err := access.New(access.Options{Store: w.store.Access(), Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.issue("wl-2", 0)
	w.issue("aq-1", 0)
	w.issue("aq-1", time.Minute)
	if err := other.Revoke(t.Context(), root(), "wl-2", "", from("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	w.pass(61 * time.Second)
	for range 3 {
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Second)
	}
	if d := w.endedDevices(); len(d) != 2 {
		t.Errorf("told of %v, want wl-2 and aq-1 once each", d)
	}
}

func TestIssueIsRefused(t *testing.T) {
	w := newWorld(t)
	here := access.Principal{Account: "tuan", Role: access.Field, Localities: []telemetry.Locality{"nha-trang"}}
	for _, c := range []struct {
		who     access.Principal
		device  telemetry.Device
		overlap time.Duration
		want    access.Reason
	}{
		{here, "aq-1", 0, ""},
		{here, "idle-3", 0, access.Reason(devices.ReasonInStock)},
		{here, "wl-2", 0, access.Reason(devices.ReasonOtherLocality)},
		{access.System("test"), "old-4", 0, access.ReasonRetired},
		{here, "nothing", 0, access.ReasonNotFound},
		{here, "../x", 0, access.ReasonNotFound},
		{here, "aq-1", -1, access.ReasonBadExpiry},
		{here, "aq-1", 31 * 24 * time.Hour, access.ReasonBadExpiry},
		{access.Principal{Account: "v", Role: access.Viewer}, "aq-1", 0, access.ReasonRole},
		{access.Principal{}, "aq-1", 0, access.ReasonLogInNeeded},
	} {
		_, err := w.Issue(t.Context(), c.who, c.device, c.overlap, from("10.0.0.1"))
		wants(t, fmt.Sprintf("issue %s by %q", c.device, c.who), err, c.want)
	}
	wants(t, "revoke elsewhere", w.Revoke(t.Context(), here, "wl-2", "", from("10.0.0.1")), access.Reason(devices.ReasonOtherLocality))
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		action access.TopicAction
		topic  string
		want   error
	}{
		{access.Publish, "kh/nha-trang/air_quality/aq-1", nil},
		{access.Publish, "kh/nha-trang/status/aq-1", nil},
		{access.Subscribe, "kh/nha-trang/command/aq-1", nil},
		{access.Publish, "kh/nha-trang/noise/aq-1", access.RefusedTopic},
		{access.Publish, "kh/cam-ranh/air_quality/aq-1", access.RefusedTopic},
		{access.Publish, "kh/nha-trang/air_quality/wl-2", access.RefusedTopic},
		{access.Publish, "kh/nha-trang/command/aq-1", access.RefusedTopic},
		{access.Publish, "kh/nha-trang/canary/~nha-trang", access.RefusedTopic}, // a gateway's own
		{access.Subscribe, "kh/nha-trang/air_quality/aq-1", access.RefusedTopic},
		{access.Subscribe, "kh/nha-trang/command/#", access.RefusedWildcard},
		{access.Subscribe, "kh/nha-trang/command/+", access.RefusedWildcard},
		{access.Subscribe, "#", access.RefusedWildcard},
		{access.Subscribe, "$share/g/kh/nha-trang/command/aq-1", access.RefusedTopic},
		{"", "kh/nha-trang/status/aq-1", access.RefusedTopic},
	} {
		if err := w.Authorize(t.Context(), "aq-1", c.action, c.topic, addr(1)); !errors.Is(err, c.want) {
			t.Errorf("%s %s: have %v, want %v", c.action, c.topic, err, c.want)
		}
	}
	w.NoteRefused(access.Refusal{Kind: "subscribe", Username: "aq-1", Known: true, ClientID: "aq-1", Topic: "kh/#", Reason: "subscribing to this filter is not granted", Code: 0x87, Remote: addr(1)})
	w.NoteRefused(access.Refusal{Kind: "connect", Username: "aq-1", ClientID: "aq-1", Reason: "wrong_secret", Code: 0x87, Remote: addr(1)}) // Authenticate wrote it
	if n := w.count(access.EventFilter{Action: access.TopicRefused, Reason: "wildcard"}); n != 4 {
		t.Errorf("the journal has %d wildcards, want 4", n)
	}
	if n := w.count(access.EventFilter{Action: access.TopicRefused, Reason: "not_its_topic"}); n != 8 {
		t.Errorf("the journal has %d topics of others, want 8", n)
	}
	if n := w.count(access.EventFilter{Action: access.CredentialRefused}); n != 0 {
		t.Errorf("the journal has %d refused connections twice", n)
	}
}

// A real Mosquitto reads the exported files.
func TestMosquitto(t *testing.T) {
	w := newWorld(t)
	aq, mac, _ := w.issue("aq-1", 0), w.issue("a4:cf:12", 0), w.issue("wl-2", 0)
	dir := t.TempDir()
	gateway := access.Service{Username: "gateway", Password: "the gateway's own", Read: []string{"kh/#"}, Published: []string{"kh/+/command/+"}}
	var passwords, acl bytes.Buffer
	if err := errors.Join(w.MosquittoPasswords(t.Context(), root(), &passwords, gateway), w.MosquittoACL(t.Context(), root(), &acl, gateway)); err != nil {
		t.Fatal(err)
	}
	files := map[string]*bytes.Buffer{"passwords": &passwords, "acl": &acl}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := realserver.Mosquitto(t, realserver.MosquittoOptions{Config: fmt.Sprintf(
		// With 0, no limit, this version hangs up on whoever publishes what is denied.
		"max_queued_messages 1000\npassword_file %s\nacl_file %s\n", filepath.Join(dir, "passwords"), filepath.Join(dir, "acl"))})
	for user, secret := range map[string]access.Secret{"aq-1": mac.Secret, "a4~cf~12": "", "wl-2": "wrong", "idle-3": aq.Secret, "nobody": aq.Secret} {
		if c, err := connect(s.Address, user, secret, nil); err == nil {
			c.Disconnect(0)
			t.Errorf("%s came in with a wrong secret", user)
		}
	}
	heard := make(chan string, 100)
	hear := func(_ mqtt.Client, m mqtt.Message) { heard <- m.Topic() }
	watch, err := connect(s.Address, "gateway", gateway.Password, hear)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Disconnect(0)
	subscribe(t, watch, "kh/#")
	overheard := make(chan string, 100)
	dev, err := connect(s.Address, "aq-1", aq.Secret, func(_ mqtt.Client, m mqtt.Message) { overheard <- m.Topic() })
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Disconnect(0)
	for _, f := range []string{"kh/nha-trang/command/aq-1", "#", "kh/#", "kh/nha-trang/command/+", "kh/cam-ranh/command/wl-2"} {
		subscribe(t, dev, f)
	}
	for _, topic := range []string{"kh/cam-ranh/water_level/wl-2", "kh/nha-trang/noise/a4:cf:12", "kh/nha-trang/noise/aq-1", "kh/nha-trang/command/aq-1", "kh/nha-trang/air_quality/aq-1"} {
		publish(t, dev, topic)
	}
	if got := <-heard; got != "kh/nha-trang/air_quality/aq-1" { // the last of them: those before would have come before
		t.Errorf("aq-1 published to %s", got)
	}
	for _, topic := range []string{"kh/cam-ranh/command/wl-2", "kh/nha-trang/command/a4:cf:12", "kh/nha-trang/command/aq-1"} {
		publish(t, watch, topic)
	}
	if got := <-overheard; got != "kh/nha-trang/command/aq-1" {
		t.Errorf("aq-1 heard %s", got)
	}
	other, err := connect(s.Address, mac.Username, mac.Secret, nil)
	if err != nil {
		t.Fatalf("the device with colons in its id: %v", err)
	}
	other.Disconnect(0)
}

func connect(address, user string, secret access.Secret, hear mqtt.MessageHandler) (mqtt.Client, error) {
	o := mqtt.NewClientOptions().AddBroker("tcp://" + address).SetClientID(user).SetUsername(user).SetPassword(string(secret)).
		SetAutoReconnect(false).SetConnectTimeout(10 * time.Second).SetDefaultPublishHandler(hear)
	c := mqtt.NewClient(o)
	token := c.Connect()
	token.Wait()
	return c, token.Error()
}

func subscribe(t *testing.T, c mqtt.Client, filter string) {
	t.Helper()
	if token := c.Subscribe(filter, 1, nil); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Logf("subscribe to %s: %v", filter, token.Error())
	}
}

func publish(t *testing.T, c mqtt.Client, topic string) {
	t.Helper()
	if token := c.Publish(topic, 1, false, "{}"); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatalf("publish to %s: %v", topic, token.Error())
	}
}

func TestExportRefusals(t *testing.T) {
	w := newWorld(t)
	var b bytes.Buffer
	for _, s := range []access.Service{{Username: "a:b"}, {Username: "a\nuser b"}, {Username: "a", Read: []string{"kh/#\ntopic #"}}, {Username: ""}} {
		if err := w.MosquittoACL(t.Context(), root(), &b, s); err == nil {
			t.Errorf("%q was exported", s.Username)
		}
	}
	wants(t, "an operator", w.MosquittoPasswords(t.Context(), access.Principal{Account: "o", Role: access.Operator}, &b), access.ReasonRole)
}

func TestConcurrentDevices(t *testing.T) {
	w := newWorld(t)
	i := w.issue("aq-1", 0)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 30 {
				if _, err := w.Authenticate(t.Context(), "aq-1", "aq-1", i.Secret, addr(n)); err != nil {
					t.Error(err)
				}
				w.Authenticate(t.Context(), "wl-2", "wl-2", "x", addr(n*1000+k))
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			w.Look(t.Context())
			w.issue("wl-2", 0)
		}
	})
	wg.Wait()
	if n := w.count(access.EventFilter{Action: access.CredentialRefused}); n > 240 || n == 0 {
		t.Errorf("the journal counts %d refusals", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b)
	i := w.issue("aq-1", 0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Authenticate(b.Context(), "aq-1", "aq-1", i.Secret, addr(1)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "devices/s")
}

func BenchmarkDeviceSecret(b *testing.B) {
	sealed := access.SealDevice("abcdefghjkmnpqrstvwxyz0123456789", make([]byte, 16))
	for b.Loop() {
		access.DeviceSecretIs("abcdefghjkmnpqrstvwxyz0123456789", sealed)
	}
}

// What the door refuses by itself is told of a device too: under one word, whatever it
// called itself, and until it is let in; of its topics also after that.
func TestDoorsRefusalsAreTold(t *testing.T) {
	w := newWorld(t)
	gw := w.issue("aq-1", 0)
	look := func(when, reason, detail string) {
		t.Helper()
		e, refused, err := w.LastRefusal(t.Context(), "aq-1")
		if err != nil || refused != (reason != "") || refused && (e.Reason != reason || !strings.Contains(e.Detail, detail)) {
			t.Errorf("%s: %+v, %v, %v; want %q with %q", when, e, refused, err, reason, detail)
		}
		w.pass(time.Second)
	}
	w.NoteRefused(access.Refusal{Kind: "connect", Username: "aq-1", ClientID: "gw.01", Reason: "protocol version 6", Code: 0x84, Remote: addr(1)})
	look("another version", "protocol_version", "client gw.01, 0x84, protocol version 6")
	if _, err := w.Authenticate(t.Context(), "192.168.1.10", "aq-1", gw.Secret, addr(1)); err != nil {
		t.Errorf("another client id: %v", err)
	}
	look("let in", "", "")
	w.NoteRefused(access.Refusal{Kind: "subscribe", Username: "aq-1", Known: true, ClientID: "gw.01", Topic: "kh/x/command/y", Code: 0x87, Remote: addr(1)})
	look("a subscription", "", "")
	w.NoteRefused(access.Refusal{Kind: "publish", Username: "aq-1", Known: true, ClientID: "gw.01", Topic: "kh/Nha-Trang/noise/aq-1", Code: 0x87, Remote: addr(1)})
	look("a topic", "not_its_topic", "publish kh/Nha-Trang/noise/aq-1, client gw.01, 0x87")
	if _, err := w.Authenticate(t.Context(), "gw.01", "aq-1", gw.Secret, addr(1)); err != nil {
		t.Error(err)
	}
	look("let in again, and not mended", "not_its_topic", "")
	w.NoteRefused(access.Refusal{Kind: "connect", Username: "aq-1", Known: true, ClientID: "gw.01", Reason: "taken over", Code: 0x8e, Remote: addr(1)})
	look("taken over", "session_taken_over", "0x8e")
	for reason, want := range map[string]int64{"protocol_version": 1, "session_taken_over": 1} {
		if n := w.count(access.EventFilter{Action: access.CredentialRefused, Subject: "aq-1", Reason: reason}); n != want {
			t.Errorf("the journal has %d × %s, want %d", n, reason, want)
		}
	}
}

// TestSecretsAreNotGuessedByHTTP: who sends wrong secrets from an address is not looked at
// for a while; a device there that was right the last time is, and so is everybody elsewhere.
func TestSecretsAreNotGuessedByHTTP(t *testing.T) {
	w := newWorld(t)
	good, other := w.issue("aq-1", 0), w.issue("wl-2", 0)
	from, elsewhere := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	ask := func(when string, at netip.Addr, name string, s access.Secret, want access.Reason) {
		t.Helper()
		if _, err := w.AuthenticateHTTP(t.Context(), at, name, s); access.ReasonOf(err) != want {
			t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
	ask("the right secret", from, "aq-1", good.Secret, "")
	for range 20 {
		ask("a wrong secret", from, "wl-2", "wrong", access.ReasonDevice)
	}
	ask("the next guess", from, "wl-2", "wrong", access.ReasonTooMany)
	ask("even the right one", from, "wl-2", other.Secret, access.ReasonTooMany)
	ask("who was right before", from, "aq-1", good.Secret, "")
	ask("from elsewhere", elsewhere, "wl-2", "wrong", access.ReasonDevice)
	w.pass(time.Second)
	ask("a second later", from, "wl-2", other.Secret, "")
}
