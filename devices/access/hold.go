package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// holdEvery is how often it is looked whether who asked may still ask. A
	// request is looked at from its second round on, ended in the round that finds
	// it out, and cut off one later: within three rounds, and one for a slow store.
	holdEvery = time.Second
	// holdRead bounds one look into the store; holdBlind is how long requests go
	// on while the store does not answer.
	holdRead  = 2 * time.Second
	holdBlind = 4 * time.Second
)

// errEnded is the cause of the end of a request's context whose asker may no
// longer ask.
var errEnded = errors.New("who asked may no longer ask")

// holds are the requests under way of those who have proved who they are. Each
// lasts as long as its proof: a stream, a long answer and a slow body alike end
// when the token is revoked, the session has ended, or the account may something
// else than when it asked. Handlers need not know of it: their context ends, and
// who does not heed that is cut off.
type holds struct {
	mu    sync.Mutex
	open  map[*hold]struct{}
	asked time.Time // when the store last answered
}

// hold is one request under way, and the ResponseWriter that its handler has.
type hold struct {
	http.ResponseWriter
	principal Principal // as it was let in
	end       context.CancelCauseFunc
	looked    bool // is the request older than a round? of holds' mutex

	mu      sync.Mutex
	ended   *Error // why, or nil
	begun   bool   // the answer has begun
	partial bool   // it had when the request was ended
	cut     bool   // nothing is written any more
	told    bool   // the client was told why instead of what the handler wrote
	over    bool   // the handler has returned
}

// run serves a request as long as who asks may ask.
func (c *Control) hold(next http.Handler, w http.ResponseWriter, r *http.Request, p Principal) {
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	h := &hold{ResponseWriter: w, principal: p, end: end}
	c.holds.add(h)
	defer c.holds.leave(h)
	next.ServeHTTP(h, r.WithContext(ctx))
	h.mu.Lock()
	broken := h.cut || h.partial
	h.mu.Unlock()
	if broken { // else half an answer would end as a whole one does
		panic(http.ErrAbortHandler)
	}
}

func (h *holds) add(one *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[one] = struct{}{}
}

func (h *holds) leave(one *hold) {
	h.mu.Lock()
	delete(h.open, one)
	h.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	one.over = true // the connection is another request's now
}

// lasting are the requests that are older than a round.
func (h *holds) lasting() (all []*hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for one := range h.open {
		if one.looked {
			all = append(all, one)
		}
		one.looked = true
	}
	return all
}

// follow ends requests whose asker may no longer ask, until ctx ends. It only
// reads, so no long transaction of somebody else keeps it waiting.
func (c *Control) followHolds(ctx context.Context) {
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := c.endHolds(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("cannot find out whether those whose requests are under way may still ask; without an answer their requests end", "error", err)
		}
	}
}

// endHolds is one round.
func (c *Control) endHolds(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, holdRead)
	defer cancel()
	var asking []*hold
	for _, h := range c.holds.lasting() {
		if !h.cutOff() {
			asking = append(asking, h)
		}
	}
	now := c.now()
	if len(asking) == 0 {
		c.holds.asked = now
		return nil
	}
	type proof struct{ session, token string }
	known := map[proof]Principal{}
	why := map[proof]error{}
	err := c.store.Read(ctx, func(r Reader) error {
		for _, h := range asking {
			k := proof{h.principal.session, h.principal.Token}
			if _, ok := known[k]; ok {
				continue
			}
			p, err := c.still(ctx, r, h.principal, now)
			if err != nil && asError(err) == nil {
				return err
			}
			known[k], why[k] = p, err
		}
		return nil
	})
	if err != nil {
		if now.Sub(c.holds.asked) >= holdBlind {
			for _, h := range asking {
				h.endFor(fault(ReasonInternal, ""))
			}
		}
		return fmt.Errorf("read sessions and tokens: %w", err)
	}
	c.holds.asked = now
	for _, h := range asking {
		k := proof{h.principal.session, h.principal.Token}
		if e := asError(why[k]); e != nil {
			h.endFor(e)
		} else if now := known[k]; now.Role != h.principal.Role || !slices.Equal(now.Localities, h.principal.Localities) {
			h.endFor(fault(ReasonRights, ""))
		}
	}
	return nil
}

// still is who would ask if a request under way began now; an [Error] where it
// would be refused.
func (c *Control) still(ctx context.Context, r Reader, p Principal, now time.Time) (Principal, error) {
	var err error
	switch {
	case p.Token != "":
		var t Token
		if t, err = r.TokenByID(ctx, p.Token); err == nil {
			p, _, err = c.tokenActs(ctx, r, t, now)
		}
		if errors.Is(err, ErrMissing) {
			return p, fault(ReasonBadToken, "")
		}
	case p.session != "":
		if p, _, err = c.sessionActs(ctx, r, p.session, now); errors.Is(err, ErrMissing) {
			return p, fault(ReasonLogInNeeded, "")
		}
	case c.Mode() != Open: // who is at this machine is nobody since there are accounts
		return p, fault(ReasonLogInNeeded, "")
	}
	return p, err
}

// endFor ends the request's context.
func (h *hold) endFor(e *Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended != nil || h.over {
		return
	}
	h.ended, h.partial = e, h.begun && !h.told
	h.end(errEnded)
}

// cutOff stops a handler that goes on although its context has ended, at its next
// word or in the middle of one. It reports whether the request has been ended.
func (h *hold) cutOff() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil || h.over || h.cut {
		return h.ended != nil
	}
	h.cut = true
	past := time.Unix(1, 0)
	c := http.NewResponseController(h.ResponseWriter)
	// Where deadlines cannot be set, the next write fails by cut.
	_, _ = c.SetWriteDeadline(past), c.SetReadDeadline(past)
	return true
}

// Unwrap gives what is beneath, for http.ResponseController.
func (h *hold) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// WriteHeader tells why the request was ended in place of the error that its end
// made of the handler.
func (h *hold) WriteHeader(status int) {
	h.mu.Lock()
	first := !h.begun
	h.begun = h.begun || status >= 200
	instead := first && h.ended != nil && status >= 400
	h.told = h.told || instead
	e, silent := h.ended, h.told || h.cut
	h.mu.Unlock()
	switch {
	case instead:
		for _, k := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Etag"} {
			h.Header().Del(k)
		}
		writeError(h.ResponseWriter, e)
	case !silent:
		h.ResponseWriter.WriteHeader(status)
	}
}

// Write writes, until the request is cut off.
func (h *hold) Write(b []byte) (int, error) {
	h.mu.Lock()
	h.begun = true
	told, cut := h.told, h.cut
	h.mu.Unlock()
	switch {
	case told:
		return len(b), nil
	case cut:
		return 0, errEnded
	}
	return h.ResponseWriter.Write(b)
}

// Flush sends what was written.
func (h *hold) Flush() { _ = http.NewResponseController(h.ResponseWriter).Flush() }

// FlushError is Flush for http.ResponseController.
func (h *hold) FlushError() error { return http.NewResponseController(h.ResponseWriter).Flush() }

// SetReadDeadline sets it, unless the request is cut off.
func (h *hold) SetReadDeadline(t time.Time) error {
	return h.deadline(func(c *http.ResponseController) error { return c.SetReadDeadline(t) })
}

// SetWriteDeadline sets it, unless the request is cut off.
func (h *hold) SetWriteDeadline(t time.Time) error {
	return h.deadline(func(c *http.ResponseController) error { return c.SetWriteDeadline(t) })
}

func (h *hold) deadline(set func(*http.ResponseController) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut {
		return errEnded
	}
	return set(http.NewResponseController(h.ResponseWriter))
}
