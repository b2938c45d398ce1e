package journal

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
)

// errConnectionLost ends the requests that were under way: their answers are lost
// with the connection, and the client would wait for them until the timeout.
var errConnectionLost = errors.New("there is no connection to the journal's server")

// request is one that waits for an answer.
type request struct{ cancel context.CancelCauseFunc }

// untilLost returns a context for a request, which ends when the connection does.
// The function it returns releases it.
func (j *Journal) untilLost(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &request{cancel}
	j.mu.Lock()
	j.waiting[r] = struct{}{}
	j.mu.Unlock()
	return ctx, func() {
		j.mu.Lock()
		delete(j.waiting, r)
		j.mu.Unlock()
		cancel(nil)
	}
}

// watch ends the waiting requests whenever the connection is lost.
func (j *Journal) watch(status chan nats.Status) {
	defer close(j.watching)
	// The listener by its value now: below, nil stands for one that is closed.
	defer j.nc.RemoveStatusListener(status)
	for {
		select {
		case _, open := <-status:
			if !open {
				status = nil // the connection is closed for good
				continue
			}
			j.mu.Lock()
			for r := range j.waiting {
				r.cancel(errConnectionLost)
			}
			j.mu.Unlock()
		case <-j.stop:
			return
		}
	}
}

// reason is why a request failed: the loss of the connection rather than the
// cancellation that it led to.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && errors.Is(cause, errConnectionLost) {
		return cause
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		// What the client says of a buffer that is turned off.
		return errConnectionLost
	}
	return err
}
