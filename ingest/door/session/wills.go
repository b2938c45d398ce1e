package session

import (
	"context"
	"sync"
	"time"
)

// owed is a will that is to be published.
type owed struct {
	p    Publication
	key  Key
	due  time.Time
	gone chan struct{} // closed when it has been published
}

// wills are those whose time has come, in order.
type wills struct {
	mu      sync.Mutex
	list    []*owed
	last    map[Key]*owed // of each client, until it is published
	running bool
	wake    chan struct{}
}

func (w *wills) begin() { w.last, w.wake = map[Key]*owed{}, make(chan struct{}, 1) }

// add puts a will into the order. Without anybody to publish it, it is forgotten.
func (w *wills) add(o *owed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running {
		return
	}
	o.gone = make(chan struct{})
	w.list = append(w.list, o)
	w.last[o.key] = o
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *wills) take() *owed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		return nil
	}
	o := w.list[0]
	w.list = w.list[1:]
	return o
}

func (w *wills) done(o *owed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(o.gone)
	if w.last[o.key] == o {
		delete(w.last, o.key)
	}
}

// run says whether wills are published. When they are not any more, nobody waits for
// them.
func (w *wills) run(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = on
	if !on {
		for _, o := range w.list {
			close(o.gone)
		}
		w.list, w.last = nil, map[Key]*owed{}
	}
}

// wait returns when a client's last will has been published.
func (w *wills) wait(ctx context.Context, key Key) {
	w.mu.Lock()
	o := w.last[key]
	w.mu.Unlock()
	if o == nil {
		return
	}
	select {
	case <-o.gone:
	case <-ctx.Done():
	}
}
