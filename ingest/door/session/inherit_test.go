package session_test

import (
	"testing"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// A session of another broker's is as if its client had been here: subscribed, with what
// waits for it, also after a restart; what was retained before it does not come again.
func TestInherit(t *testing.T) {
	t.Parallel()
	c := begin(t, session.Limits{PerUser: 1})
	ctx := t.Context()
	publish := func(topic, payload string, retain bool) {
		t.Helper()
		if err := c.Publish(ctx, []session.Publication{{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: retain, Received: c.clock.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	publish("command/d1", "retained", true)
	keys := []session.Key{{User: "u-d1", Client: "d1"}, {User: "u-d1", Client: "d1/b"}}
	for _, k := range keys {
		if err := c.Inherit(ctx, k, map[string]byte{"command/+": 1}); err != nil {
			t.Fatal(err)
		}
	}
	queued := func(k session.Key, payload string) session.Queued {
		return session.Queued{Key: k, Publication: session.Publication{Topic: "command/d1", Payload: []byte(payload), QoS: 1, Received: c.clock.Now()}}
	}
	dropped, err := c.Queue(ctx, []session.Queued{queued(keys[0], "a"), queued(keys[1], "b"), queued(keys[0], "c"), queued(session.Key{Client: "nobody"}, "x")})
	if err != nil || dropped != 1 {
		t.Fatalf("%d are dropped, not 1: %v", dropped, err)
	}
	publish("command/d1", "news", false)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c.open()
	for i, want := range []string{"1:command/d1=a, 1:command/d1=c, 1:command/d1=news", "1:command/d1=b, 1:command/d1=news"} {
		_, l, present := c.connect(keys[i].Client, func(w *session.Connect) { w.Key, w.Expiry = keys[i], c.o.Limits.Expiry })
		if got := say(l.take()); !present || got != want {
			t.Errorf("%s gets %s, not %s", keys[i].Client, got, want)
		}
	}
}
