package session_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// answering is a link whose client answers all that it gets, from another goroutine.
type answering struct {
	*link
	got atomic.Int64
}

func (l *answering) serve(x *session.Session, stop <-chan struct{}) {
	for {
		for _, p := range l.take() {
			switch {
			case p.FixedHeader.Type == packets.Pubrel:
				ack(x, packets.Pubcomp, p)
			case p.FixedHeader.Qos == 2:
				l.got.Add(1)
				ack(x, packets.Pubrec, p)
			default:
				l.got.Add(1)
				ack(x, packets.Puback, p)
			}
		}
		x.Writable()
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// Many publish, subscribe, come and go at once; a subscriber that stays gets all.
func TestManyAtOnce(t *testing.T) {
	const publishers, messages = 4, 400
	c := begin(t, session.Limits{})
	stays, l, _ := c.connect("stays", kept(time.Hour))
	c.subscribe(stays, sub("t/#", 2))
	own := &answering{link: l}
	stop := make(chan struct{})
	var others, all sync.WaitGroup
	others.Go(func() { own.serve(stays, stop) })
	for i := range 4 {
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				x, l, _ := c.connect(fmt.Sprint("comes", i%2), kept(time.Duration(n%2)*time.Hour), will("w", 0))
				if codes, err := x.Subscribe(t.Context(), packets.Subscriptions{sub("t/+", byte(n%3)), sub("$share/g/t/#", 1)}, 0, anything); err == nil && codes[0] > 2 {
					t.Errorf("refused with %x", codes[0])
				}
				ack(x, packets.Puback, l.take()...)
				if n%3 == 0 {
					_, _ = x.Unsubscribe(t.Context(), []string{"$share/g/t/#"})
				}
				x.Detach(n%2 == 0, nil)
				c.Stats()
				c.List()
			}
		})
	}
	for i := range publishers {
		all.Go(func() {
			for n := 0; n < messages; n += 4 {
				var batch []session.Publication
				for range 4 {
					batch = append(batch, session.Publication{Topic: fmt.Sprint("t/", i), QoS: 1 + byte(rand.IntN(2)), Retain: n%40 == 0, Payload: []byte("x"), Received: c.clock.Now()})
				}
				if err := c.Publish(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for deadline := time.Now().Add(time.Minute); own.got.Load() < publishers*messages && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	others.Wait()
	if n := own.got.Load(); n != publishers*messages {
		t.Errorf("got %d of %d", n, publishers*messages)
	}
	for _, user := range []string{"u-stays", "u-comes0", "u-comes1"} {
		c.Forget(user)
	}
	for topic := range publishers {
		c.publish(fmt.Sprintf("0:t/%d= R", topic))
	}
	if s := c.Stats(); s.Waiting != 0 || s.Bytes != 0 || s.Subscriptions != 0 || s.Connected+s.Away != 0 || c.Wants("t/1", false) {
		t.Errorf("left behind: %+v", s)
	}
	c.reopen(false)
	if rows, err := c.Rows(t.Context()); err != nil || rows["message"]+rows["delivery"]+rows["session"]+rows["retained"] != 0 {
		t.Errorf("left in the file: %v, %v", rows, err)
	}
}
