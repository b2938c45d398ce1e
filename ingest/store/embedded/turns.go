package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// maxAPIBody bounds a request's body in bytes. Queries come in it.
	maxAPIBody = 1 << 20
	// bodyWithin is how long a body may take to come.
	bodyWithin = 10 * time.Second
	// waitingPerPlace is how many requests may wait for each place.
	waitingPerPlace = 8
)

// turns bounds how many requests are answered at once. Others wait; one caller
// cannot have all places.
type turns struct {
	places  chan struct{}
	share   int           // of the places that one caller may have
	waiting chan struct{} // has a place for each request that waits or is answered

	mu      sync.Mutex
	callers map[string]*caller
}

// caller is one who has requests here.
type caller struct {
	places   chan struct{}
	requests int
}

func newTurns(places int) *turns {
	return &turns{places: make(chan struct{}, places), share: max(1, places*3/4),
		waiting: make(chan struct{}, places*(1+waitingPerPlace)), callers: map[string]*caller{}}
}

type callerKey struct{}

// WithCaller says who asks in a context, so that one who asks much leaves places for
// others. Who is not told apart shares a caller's places.
func WithCaller(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

// begin waits for a turn; after it end must be called. It reports false if there are
// too many who wait, or ctx ended before the turn came.
func (t *turns) begin(ctx context.Context) (end func(), ok bool) {
	select {
	case t.waiting <- struct{}{}:
	default:
		return nil, false
	}
	name, _ := ctx.Value(callerKey{}).(string)
	c := t.join(name)
	select {
	case c.places <- struct{}{}:
		select {
		case t.places <- struct{}{}:
			return func() {
				<-t.places
				<-c.places
				t.leave(name, c)
			}, true
		case <-ctx.Done():
			<-c.places
		}
	case <-ctx.Done():
	}
	t.leave(name, c)
	return nil, false
}

func (t *turns) join(name string) *caller {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.callers[name]
	if c == nil {
		c = &caller{places: make(chan struct{}, t.share)}
		t.callers[name] = c
	}
	c.requests++
	return c
}

func (t *turns) leave(name string, c *caller) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.requests--; c.requests == 0 {
		delete(t.callers, name)
	}
	<-t.waiting
}

// wholeBody reads a request's body to its end, so that who sends it slowly waits for
// himself alone. It has answered where it reports false.
func wholeBody(w http.ResponseWriter, r *http.Request) bool {
	control := http.NewResponseController(w)
	// An error means that there is no connection to wait for: the body is there.
	_ = control.SetReadDeadline(time.Now().Add(bodyWithin))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	_ = control.SetReadDeadline(time.Time{}) // past it the client would be taken for gone
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil {
		return true
	}
	status := http.StatusRequestTimeout
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	w.Header().Set("Connection", "close")
	http.Error(w, fmt.Sprintf("the request's body did not come whole: it may have %d KiB and take %v", maxAPIBody>>10, bodyWithin), status)
	return false
}
