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
	byUser  map[string]int
	bytes   int64
	running bool
	wake    chan struct{}
}

// mostOwed is how many wills of one user may wait to be published: as many as connections
// of one device, several times over.
const mostOwed = 32

func (w *wills) begin() {
	w.last, w.byUser, w.wake = map[Key]*owed{}, map[string]int{}, make(chan struct{}, 1)
}

// many says that so many wills wait, as the journal is away, that a client is to leave no
// other.
func (w *wills) many(user string, most int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes > most || user != "" && w.byUser[user] >= mostOwed
}

func (o *owed) size() int64 {
	return (&Will{Publication: o.p}).size()
}

// gave takes a will out of what is counted. It needs mu.
func (w *wills) gave(o *owed) {
	close(o.gone)
	w.bytes -= o.size()
	if w.byUser[o.key.User]--; w.byUser[o.key.User] == 0 {
		delete(w.byUser, o.key.User)
	}
}

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
	w.byUser[o.key.User]++
	w.bytes += o.size()
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
	w.gave(o)
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
			w.gave(o)
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
