package access

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// hashersAtOnce passwords are hashed at the same time, so log-in takes at most
	// 2 × 46 MiB. Strangers have all but one of the places.
	hashersAtOnce   = 2
	strangersAtOnce = hashersAtOnce - 1
	// waitingAtMost may wait in each of the two queues for hashWait, and of
	// strangers fromOneNet of one network.
	waitingAtMost = 32
	fromOneNet    = 4
	hashWait      = 5 * time.Second
)

// turnstile lets those hash who have to: who is known (has a session, a link, or a
// browser that has been in the account before) has a queue and a place that
// strangers do not have, so that no flood of strangers keeps them out; strangers
// come one after the other, a few of each network.
type turnstile struct {
	mu              sync.Mutex
	inside, strange int // hashing now; of them strangers
	known, queue    []*turn
}

// turn is somebody who waits.
type turn struct {
	net  netip.Prefix
	open chan struct{}
}

// seat is who wants to hash.
type seat struct {
	known bool
	from  netip.Addr
}

// broad is the network whose strangers share a few places in the queue: what one
// provider's customer may well have whole.
func (s seat) broad() netip.Prefix { return prefix(s.from, 24, 48) }

// enter waits for leave to hash.
func (t *turnstile) enter(ctx context.Context, s seat) (leave func(), err error) {
	mine := &turn{net: s.broad(), open: make(chan struct{})}
	if !t.line(s, mine) {
		return nil, busy()
	}
	leave = func() { t.leave(s.known) }
	wait := time.NewTimer(hashWait)
	defer wait.Stop()
	select {
	case <-mine.open:
		return leave, nil
	case <-wait.C:
		err = busy()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !t.giveUp(s.known, mine) { // called in at the same moment
		leave()
	}
	return nil, err
}

// line has somebody wait, or go in at once; false if too many wait.
func (t *turnstile) line(s seat, mine *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := &t.queue
	if s.known {
		queue = &t.known
	}
	same := 0
	for _, other := range *queue {
		if other.net == mine.net {
			same++
		}
	}
	if len(*queue) >= waitingAtMost || !s.known && same >= fromOneNet {
		return false
	}
	*queue = append(*queue, mine)
	t.call()
	return true
}

// call lets in whoever may go in now; t.mu is held.
func (t *turnstile) call() {
	for t.inside < hashersAtOnce {
		switch {
		case len(t.known) > 0:
			close(t.known[0].open)
			t.known = t.known[1:]
		case len(t.queue) > 0 && t.strange < strangersAtOnce:
			close(t.queue[0].open)
			t.queue = t.queue[1:]
			t.strange++
		default:
			return
		}
		t.inside++
	}
}

func (t *turnstile) leave(known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside--
	if !known {
		t.strange--
	}
	t.call()
}

// giveUp stops waiting; false if it was let in already.
func (t *turnstile) giveUp(known bool, mine *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := &t.queue
	if known {
		queue = &t.known
	}
	at := slices.Index(*queue, mine)
	if at < 0 {
		return false
	}
	*queue = slices.Delete(*queue, at, at+1)
	return true
}

func busy() *Error {
	e := fault(ReasonBusy, "")
	e.RetryAfter = hashWait
	return e
}
