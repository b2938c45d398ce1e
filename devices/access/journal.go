package access

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Action is what happened.
type Action string

// The actions in the journal of access.
const (
	LoggedIn          Action = "log_in"
	LogInFailed       Action = "log_in_failed"
	LoggedOut         Action = "log_out"
	AccountMade       Action = "account_created"
	AccountChanged    Action = "account_changed"
	RoleChanged       Action = "role_changed"
	PasswordChanged   Action = "password_changed"
	SessionsRevoked   Action = "sessions_revoked"
	LinkMade          Action = "link_created"
	LinkUsed          Action = "link_used"
	LinkRefused       Action = "link_refused"
	TokenMade         Action = "token_created"
	TokenFirstUsed    Action = "token_first_used"
	TokenRevoked      Action = "token_revoked"
	TokenRefused      Action = "token_refused"
	CredentialIssued  Action = "credential_issued"
	CredentialRotated Action = "credential_rotated"
	CredentialRevoked Action = "credential_revoked"
	CredentialRefused Action = "credential_refused" // a device was not let in
	// CredentialAccepted tells that a device which had been refused was let in. It is
	// not written at each connection.
	CredentialAccepted Action = "credential_accepted"
	TopicRefused       Action = "topic_refused"      // a device asked for what is not its own
	RequestRefused     Action = "request_refused"    // somebody's role or locality was not enough
	AlarmAcknowledged  Action = "alarm_acknowledged" // somebody has seen to an alarm
	MessagesDiscarded  Action = "messages_discarded" // somebody let go of quarantined messages
)

// Event is one entry. Entries are only ever added. A refusal that repeats is
// written when it first happens and then, at intervals, as one entry with a
// Count and the time of the first and last of them.
type Event struct {
	Seq    int64  `json:"seq"`
	Action Action `json:"action"`
	// At is when it happened, or the last of Count happened; Since the first.
	At    time.Time `json:"at"`
	Since time.Time `json:"since,omitzero"`
	Count int64     `json:"count"`
	// Who did it: an account, a token, "" where nobody was recognised.
	Who string `json:"who,omitempty"`
	// Subject is what it was done to or with: an account, token or device.
	Subject string `json:"subject,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Detail is the topic, the roles before and after, and the like.
	Detail string `json:"detail,omitempty"`
	Remote string `json:"remote,omitempty"`
}

// EventFilter selects events; what is zero selects all.
type EventFilter struct {
	Action  Action
	Who     string
	Subject string
	Reason  string
	From    time.Time
	// Before selects smaller Seqs, for the next page.
	Before int64
	Limit  int
}

// maxEvents is the most that a page of the journal has.
const maxEvents = 1000

// Size is how many events a page has at most.
func (f EventFilter) Size() int {
	if f.Limit <= 0 {
		return 100
	}
	return min(f.Limit, maxEvents)
}

const (
	// refusalWindow is how often a repeated refusal is written.
	refusalWindow = 10 * time.Minute
	// refusalsKept are told apart in one window; more are counted together.
	refusalsKept = 300
	// refusalsNew may be written as entries of their own in one window.
	refusalsNew = 150
)

// refusal is what makes two refusals the same.
type refusal struct {
	action                       Action
	who, subject, reason, remote string
}

// tally counts one refusal in a window.
type tally struct {
	last    Event
	since   time.Time // of the first that is not written
	count   int64
	written int64 // of count, those that are in the store or on the way
}

// journal gathers refusals in memory and writes them a few seconds later, so
// that who is refused costs no transaction.
type journal struct {
	store Store
	now   func() time.Time
	log   *slog.Logger

	flushing sync.Mutex
	mu       sync.Mutex
	window   time.Time
	tallies  map[refusal]*tally
	waiting  []Event
	fresh    int // entries of their own in this window
}

func newJournal(s Store, now func() time.Time, log *slog.Logger) *journal {
	return &journal{store: s, now: now, log: log, tallies: map[refusal]*tally{}, window: now()}
}

// refused notes a refusal.
func (j *journal) refused(e Event) {
	e.At, e.Count = j.now(), 1
	e.Who, e.Subject, e.Reason = clip(e.Who, 128), clip(e.Subject, 128), clip(e.Reason, 256)
	e.Detail, e.Remote = clip(e.Detail, 256), clip(e.Remote, 64)
	j.mu.Lock()
	defer j.mu.Unlock()
	key := refusal{e.Action, e.Who, e.Subject, e.Reason, e.Remote}
	t := j.tallies[key]
	if t == nil && len(j.tallies) >= refusalsKept {
		// Too many different ones: only their number is kept.
		key = refusal{action: e.Action, reason: "many"}
		e = Event{Action: e.Action, At: e.At, Count: 1, Reason: "many", Detail: "of more subjects or addresses than are told apart"}
		t = j.tallies[key]
	}
	if t == nil {
		t = &tally{since: e.At}
		j.tallies[key] = t
		if j.fresh < refusalsNew {
			j.fresh++
			t.written = 1
			j.waiting = append(j.waiting, e)
		}
	}
	if t.count == t.written || t.count == 0 {
		t.since = e.At
	}
	t.count++
	t.last = e
}

// add notes what is to be written in a few seconds, if there is room.
func (j *journal) add(e Event) {
	e.At, e.Count = j.now(), 1
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) < 2*refusalsKept {
		j.waiting = append(j.waiting, e)
	}
}

// turn ends a window if it is over, or at the end of all.
func (j *journal) turn(now time.Time, end bool) {
	if !end && now.Sub(j.window) < refusalWindow {
		return
	}
	j.window, j.fresh = now, 0
	for key, t := range j.tallies {
		n := t.count - t.written
		if n == 0 {
			delete(j.tallies, key) // nothing in the whole window since it was written
			continue
		}
		e := t.last
		e.Count = n
		if n > 1 {
			e.Since = t.since
		}
		j.waiting = append(j.waiting, e)
		t.written = t.count
	}
}

// flush writes what waits.
func (j *journal) flush(ctx context.Context) error { return j.write(ctx, false) }

// close writes all, with what was only counted so far.
func (j *journal) close(ctx context.Context) error { return j.write(ctx, true) }

func (j *journal) write(ctx context.Context, end bool) error {
	j.flushing.Lock()
	defer j.flushing.Unlock()
	j.mu.Lock()
	j.turn(j.now(), end)
	events := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	err := j.store.Write(ctx, func(tx Tx) error {
		for _, e := range events {
			if err := tx.AddEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	room := max(0, 2*refusalsKept-len(j.waiting))
	if lost := len(events) - room; lost > 0 {
		j.log.Warn("the journal of access cannot be written and has no more room", "lost", lost)
		events = events[lost:]
	}
	j.waiting = append(events, j.waiting...)
	return fmt.Errorf("write journal of access: %w", err)
}

// Events reads the journal, the newest first. What was refused in the last
// seconds is written first, so that who looks sees it.
func (c *Control) Events(ctx context.Context, f EventFilter) (out []Event, err error) {
	if err := c.journal.flush(ctx); err != nil {
		c.log.Warn("cannot write refusals before reading the journal", "error", err)
	}
	err = c.store.Read(ctx, func(r Reader) error {
		out, err = r.Events(ctx, f)
		return err
	})
	return out, wrapped("read journal of access", err)
}

// Acknowledged writes down that somebody has seen to an alarm; subject is the rule
// and the site.
func (c *Control) Acknowledged(ctx context.Context, who, subject, note string) error {
	return c.note(ctx, Event{Action: AlarmAcknowledged, Who: who, Subject: subject, Detail: note})
}

// Discarded writes down that somebody lets go of quarantined messages: which, and how
// many and why.
func (c *Control) Discarded(ctx context.Context, who, which, why string) error {
	return c.note(ctx, Event{Action: MessagesDiscarded, Who: who, Subject: which, Detail: why})
}

// note writes what somebody does outside of access control.
func (c *Control) note(ctx context.Context, e Event) error {
	e.At, e.Count, e.Who, e.Subject, e.Detail = c.now(), 1, clip(e.Who, 128), clip(e.Subject, 128), clip(e.Detail, 256)
	err := c.store.Write(ctx, func(tx Tx) error { return tx.AddEvent(ctx, e) })
	return wrapped("write journal of access", err)
}
