package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

const (
	// patience is how long a request waits for its turn at work that is done one at a
	// time; then it is told to come again.
	patience = 30 * time.Second
	// busyAfter is when who was refused should come again.
	busyAfter = 10 * time.Second
)

// workplace is for work that takes much memory or time, such as reading a
// spreadsheet: so much of it at once, and so much that waits with its file in memory.
type workplace struct {
	places  chan struct{}
	waiting chan struct{} // has a place for each that waits or is at work
}

func newWorkplace(places, waiting int) *workplace {
	return &workplace{places: make(chan struct{}, places), waiting: make(chan struct{}, places+waiting)}
}

// begin waits for a place; after the work end must be called. The error is a
// [Problem], or ctx's.
func (w *workplace) begin(ctx context.Context) (end func(), err error) {
	select {
	case w.waiting <- struct{}{}:
	default:
		return nil, busy()
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case w.places <- struct{}{}:
		return func() { <-w.places; <-w.waiting }, nil
	case <-ctx.Done():
		err = fmt.Errorf("wait for a place: %w", ctx.Err())
	case <-late.C:
		err = busy()
	}
	<-w.waiting
	return nil, err
}

// busy says that others are at work. Nothing was done of what was asked for.
func busy() *Problem {
	s := int(busyAfter / time.Second)
	p := problem(http.StatusServiceUnavailable, "busy", fmt.Sprintf("Hệ thống đang xử lý tệp của người khác; hãy gửi lại sau %d giây.", s),
		fmt.Sprintf("Others' files are being worked on: send it again in %d seconds.", s))
	p.RetryAfter = busyAfter
	return p
}
