package session_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// Wills that cannot be published at the moment are bounded, those of each user and all.
func TestWillsThatWaitAreBounded(t *testing.T) {
	c := begin(t, session.Limits{TotalBytes: 1 << 20})
	ctx, stop := context.WithCancel(t.Context())
	gate, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx, func(session.Publication) { <-gate })
	}()
	defer func() { stop(); <-ended }()
	ready(c)
	leave := func(user string, i int, payload int) error {
		w := &session.Will{Publication: session.Publication{Topic: "w", Payload: make([]byte, payload)}}
		x, _, err := c.Attach(t.Context(), session.Connect{Key: session.Key{User: user, Client: fmt.Sprint(i)}, Version: 4, Will: w}, newLink())
		if err == nil {
			x.Detach(false, nil)
		}
		return err
	}
	until := func(user func(int) string, payload int) (n int) {
		for n < 1000 && leave(user(n), n, payload) == nil {
			n++
		}
		return n
	}
	if n := until(func(int) string { return "one" }, 1); n > 100 {
		t.Errorf("%d wills of one user wait", n)
	}
	if n := until(func(i int) string { return fmt.Sprint("user", i) }, 10_000); n == 0 || n > 100 {
		t.Errorf("%d large wills wait", n)
	}
	close(gate)
	for end := time.Now().Add(time.Minute); leave("one", -1, 1) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("there is no room again when they have gone")
		}
	}
}
