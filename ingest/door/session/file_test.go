package session_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// reopen ends the program and begins it again; crash is without a proper end: the file is
// as the writer has left it.
func (c *city) reopen(crash bool) {
	c.t.Helper()
	if crash {
		dir := c.t.TempDir()
		for _, name := range []string{session.FileName, session.FileName + "-wal"} {
			b, err := os.ReadFile(filepath.Join(c.o.Dir, name))
			if err != nil {
				c.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
		c.o.Dir = dir
	}
	if err := c.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.open()
}

func TestWhatIsKeptSurvives(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash %t", crash), func(t *testing.T) { whatIsKeptSurvives(t, crash) })
	}
}

func whatIsKeptSurvives(t *testing.T, crash bool) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x", kept(time.Hour))
	if _, err := x.Subscribe(t.Context(), packets.Subscriptions{sub("a/#", 2), sub("gone", 1), {Filter: "b", Qos: 1, RetainAsPublished: true}}, 9, anything); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Unsubscribe(t.Context(), []string{"gone"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), []session.Publication{{Topic: "t", QoS: 2, ID: 7, From: x, Received: c.clock.Now()}, {Topic: "t", QoS: 2, ID: 8, From: x, Received: c.clock.Now()}}); err != nil || !x.Release(8) {
		t.Fatal(err)
	}
	c.publish("2:a/1=released", "2:a/2=under way", "1:a/3=under way too", "1:b=last R")
	got := c.want(l, "2:a/1=released, 2:a/2=under way, 1:a/3=under way too, 1:b=last R")
	ack(x, packets.Pubrec, got[0])
	c.want(l, "pubrel")
	if !crash {
		x.Detach(false, nil)
	}
	if err := c.Publish(t.Context(), []session.Publication{{Topic: "a/4", Payload: []byte("waits"), QoS: 1, Received: c.clock.Now(), Properties: packets.Properties{
		MessageExpiryInterval: 60, PayloadFormat: 1, PayloadFormatFlag: true, ContentType: "text", ResponseTopic: "r", CorrelationData: []byte{0, 255}, User: []packets.UserProperty{{Key: "k", Val: "v"}}}}}); err != nil {
		t.Fatal(err)
	}
	y, _, _ := c.connect("y") // does not outlive its connection
	c.subscribe(y, sub("y", 1))
	before := c.Stats()
	c.clock.pass(10 * time.Second)
	c.reopen(crash)
	if after := c.Stats(); after.Waiting != before.Waiting || after.Retained != 1 || after.Connected != 0 || after.Away != 1 || c.Wants("gone", false) || c.Wants("y", false) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	x, l, present := c.connect("x", kept(time.Hour))
	waits := "1:a/4=waits"
	if crash {
		waits += " D" // it had been sent
	}
	again := c.want(l, "pubrel, 2:a/2=under way D, 1:a/3=under way too D, 1:b=last R D, "+waits)
	if !present || !x.Knows(7) || x.Knows(8) {
		t.Errorf("present %t, identifiers %t %t", present, x.Knows(7), x.Knows(8))
	}
	for i, j := range []int{0, 1, 2, 3} {
		if again[i].PacketID != got[j].PacketID {
			t.Errorf("%s has another identifier", say(again[i:i+1]))
		}
	}
	p := again[4].Properties
	if p.MessageExpiryInterval != 50 || !p.PayloadFormatFlag || p.ContentType != "text" || p.ResponseTopic != "r" || string(p.CorrelationData) != "\x00\xff" || len(p.User) != 1 || !slices.Equal(p.SubscriptionIdentifier, []int{9}) {
		t.Errorf("properties %+v", p)
	}
	ack(x, packets.Pubcomp, again[0])
	ack(x, packets.Puback, again[2:]...)
	ack(x, packets.Pubrec, again[1])
	c.want(l, "pubrel")
	ack(x, packets.Pubcomp, again[1])
	x.Detach(true, nil)
	c.reopen(false)
	if s := c.Stats(); s.Waiting != 0 {
		t.Errorf("what is completed comes again: %+v", s)
	}
	z, l, _ := c.connect("z")
	c.subscribe(z, sub("b", 0))
	c.want(l, "0:b=last R")
	c.publish("1:b= R")
	c.clock.pass(time.Hour)
	c.reopen(false)
	if _, _, present := c.connect("x"); present || c.Stats().Retained != 0 {
		t.Error("an expired session or a deleted retained message is back")
	}
}

// A session that ended leaves nothing in the file.
func TestWhatEndsLeavesNothing(t *testing.T) {
	c := begin(t, session.Limits{})
	for i := range 3 {
		x, _, _ := c.connect("x", kept(time.Hour))
		c.subscribe(x, sub("a", 2))
		if err := c.Publish(t.Context(), []session.Publication{{Topic: "a", QoS: 2, ID: 7, From: x, Received: c.clock.Now()}}); err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			var none time.Duration
			x.Detach(true, &none)
		case 1:
			x, _, _ = c.connect("x", clean)
			x.Detach(true, nil)
		case 2:
			c.Forget("u-x")
		}
	}
	c.reopen(false)
	rows, err := c.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for table, n := range rows {
		if n != 0 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

// A subscriber that acknowledges before its message is written costs nothing.
func TestAcknowledgedBeforeItIsWritten(t *testing.T) {
	c := begin(t, session.Limits{})
	x, l, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a", 1))
	free := c.HoldWriter()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.publish("1:a=1")
	}()
	ack(x, packets.Puback, c.want(l, "1:a=1")...)
	free()
	<-done
	if rows, err := c.Rows(t.Context()); err != nil || rows["message"] != 0 || rows["delivery"] != 0 {
		t.Errorf("rows %v, %v", rows, err)
	}
}

// Where the file cannot be written, who publishes is not held up and hears what is lost;
// who is there gets it, and is let in. Once it can be written, all is as before.
func TestAFileThatCannotBeWritten(t *testing.T) {
	c := begin(t, session.Limits{})
	away, _, _ := c.connect("away", kept(time.Hour))
	c.subscribe(away, sub("a", 1))
	away.Detach(true, nil)
	there, l, _ := c.connect("there", kept(time.Hour))
	c.subscribe(there, sub("a", 2), sub("b", 2))
	c.FailWrites(errors.New("the disk is gone"))
	if codes := c.publish("1:a=1", "2:b=2", "1:c=3", "1:d=4 R"); !slices.Equal(codes, []byte{0x83, 0, 0x10, 0x83}) {
		t.Errorf("codes %x", codes)
	}
	c.want(l, "1:a=1, 2:b=2")
	fresh, _, err := c.Attach(t.Context(), session.Connect{Key: session.Key{User: "y", Client: "y"}, Version: 5, Expiry: time.Hour}, newLink())
	if err != nil {
		t.Fatal(err)
	}
	all := packets.Subscriptions{{Filter: "a", Qos: 1}}
	allowed := func(string) packets.Code { return packets.CodeSuccess }
	if codes, err := fresh.Subscribe(t.Context(), all, 0, allowed); err != nil || codes[0] != 0x83 {
		t.Errorf("a subscription is answered %x, %v", codes, err)
	}
	c.FailWrites(nil)
	if codes, err := fresh.Subscribe(t.Context(), all, 0, allowed); err != nil || codes[0] != 1 {
		t.Errorf("a subscription is answered %x, %v", codes, err)
	}
	fresh.Detach(true, nil)
	if codes := c.publish("1:a=5"); codes[0] != 0 {
		t.Errorf("code %x", codes[0])
	}
	c.reopen(true)
	_, l, _ = c.connect("away", kept(time.Hour))
	c.want(l, "1:a=5")
	again := newLink()
	x, present, err := c.Attach(t.Context(), session.Connect{Key: session.Key{User: "y", Client: "y"}, Version: 5, Expiry: time.Hour}, again)
	if err != nil || !present {
		t.Fatalf("the session is there: %t, %v", present, err)
	}
	x.Start()
	c.want(again, "1:a=5")
}

// What can never be written is no failure of what is written with it.
func TestWhatCannotBeWrittenHoldsNothingUp(t *testing.T) {
	c := begin(t, session.Limits{})
	x, _, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a", 2))
	x.Detach(true, nil)
	c.Poison()
	if codes := c.publish("1:a=1", "2:a=2"); !slices.Equal(codes, []byte{0, 0}) {
		t.Errorf("codes %x", codes)
	}
	if rows, err := c.Rows(t.Context()); err != nil || rows["delivery"] != 2 || rows["message"] != 2 {
		t.Errorf("rows %v, %v", rows, err)
	}
	_, l, _ := c.connect("x", kept(time.Hour))
	c.want(l, "1:a=1, 2:a=2")
}

func TestNoRoomOnTheDisk(t *testing.T) {
	c := begin(t, session.Limits{})
	x, _, _ := c.connect("x", kept(time.Hour))
	c.subscribe(x, sub("a", 1))
	c.Close()
	full := false
	c.o.Room = func() error {
		if full {
			return errors.New("full")
		}
		return nil
	}
	c.open()
	full = true
	if codes := c.publish("1:a=1", "1:a=2 R"); !slices.Equal(codes, []byte{0x97, 0x97}) {
		t.Errorf("codes %x", codes)
	}
	_, l, _ := c.connect("x", kept(time.Hour))
	if codes := c.publish("1:a=3"); codes[0] != 0 {
		t.Errorf("code %x", codes[0])
	}
	c.want(l, "1:a=3")
}

const childDir = "SESSION_TEST_DIR"

// TestChild is the program that [TestKilled] kills: it says what it has acknowledged, and
// what its subscriber has.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("it is for TestKilled")
	}
	s, err := session.Open(t.Context(), session.Options{Dir: dir, Limits: session.Limits{Messages: 50_000, Bytes: 1 << 30, TotalBytes: 1 << 33}})
	if err != nil {
		t.Fatal(err)
	}
	c := &city{Sessions: s, t: t, clock: &clock{now: time.Now()}}
	asleep, _, _ := c.connect("asleep", version(4), kept(time.Hour))
	c.subscribe(asleep, sub("t/#", 1))
	asleep.Detach(true, nil)
	live, l, _ := c.connect("live", version(4), kept(time.Hour))
	c.subscribe(live, sub("t/#", 2))
	var out sync.Mutex
	tell := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format, args...)
	}
	go func() {
		for {
			for _, p := range l.take() {
				switch {
				case p.FixedHeader.Type == packets.Pubrel:
					ack(live, packets.Pubcomp, p)
				case p.FixedHeader.Qos == 2:
					tell("got %s\n", p.Payload)
					ack(live, packets.Pubrec, p)
				default:
					tell("got %s\n", p.Payload)
					ack(live, packets.Puback, p)
				}
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	for n := 0; ; {
		var all []string
		for range 1 + rand.IntN(20) {
			n++
			all = append(all, fmt.Sprintf("%d:t/x=%d", 1+n%2, n))
		}
		c.publish(all...)
		tell("acknowledged %d\n", n)
	}
}

// Whenever the program is killed: what it has acknowledged is there, in order, for the
// client that was away and, if it had not come yet, for the one that was connected.
func TestKilled(t *testing.T) {
	realserver.Plain(t)
	twice := 0
	for range 4 {
		dir := t.TempDir()
		acknowledged, got := kill(t, dir)
		c := &city{t: t, clock: &clock{now: time.Now()}}
		c.o = session.Options{Dir: dir, Limits: session.Limits{Messages: 50_000, Bytes: 1 << 30, TotalBytes: 1 << 33}}
		c.open()
		for client, had := range map[string]map[string]bool{"asleep": {}, "live": got} {
			x, l, present := c.connect(client, version(4), kept(time.Hour))
			last := 0
			for got := l.take(); len(got) > 0; got = l.take() {
				for _, p := range got {
					if p.FixedHeader.Type == packets.Pubrel {
						ack(x, packets.Pubcomp, p)
						continue
					}
					var n int
					fmt.Sscan(string(p.Payload), &n)
					if n <= last {
						t.Errorf("%s: %d comes after %d", client, n, last)
					}
					last = n
					if had[string(p.Payload)] && p.FixedHeader.Qos == 2 && !p.FixedHeader.Dup {
						twice++
					}
					had[string(p.Payload)] = true
					kind := packets.Puback
					if p.FixedHeader.Qos == 2 {
						kind = packets.Pubrec
					}
					ack(x, byte(kind), p)
				}
				if client == "live" {
					time.Sleep(5 * time.Millisecond) // PUBREL waits for the file
				}
			}
			for n := 1; n <= acknowledged; n++ {
				if !had[fmt.Sprint(n)] {
					t.Fatalf("%s (present %t) has not got %d of %d", client, present, n, acknowledged)
				}
			}
		}
		t.Logf("%d acknowledged", acknowledged)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if twice > 0 {
		t.Errorf("%d of QoS 2 came a second time as new", twice)
	}
}

// kill runs the program for a while and kills it.
func kill(t *testing.T, dir string) (acknowledged int, got map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got = map[string]bool{}
	lines := bufio.NewScanner(out)
	until := 200 + rand.IntN(1500)
	for i := 0; lines.Scan(); i++ {
		what, n, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "got":
			got[n] = true
		case "acknowledged":
			fmt.Sscan(n, &acknowledged)
		}
		if i == until {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if acknowledged == 0 {
		t.Fatal("the program has done nothing")
	}
	return acknowledged, got
}
