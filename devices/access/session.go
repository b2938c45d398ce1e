package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Caller is where a request comes from.
type Caller struct {
	Remote netip.Addr
	Agent  string
	// Familiar is the sign that a browser keeps of earlier log-ins.
	Familiar Secret
}

func (c Caller) remote() string {
	if !c.Remote.IsValid() {
		return ""
	}
	return c.Remote.Unmap().String()
}

// SignedIn is a new session. Its Secret goes into the cookie and nowhere else.
type SignedIn struct {
	Secret  Secret
	Account Account
	Expires time.Time
}

// LogIn lets a person in by name and password. The answer to a wrong name and to
// a wrong password is the same and costs the same.
func (c *Control) LogIn(ctx context.Context, name string, password Secret, from Caller) (SignedIn, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	refused := Event{Action: LogInFailed, Subject: name, Remote: from.remote()}
	account, err := c.account(ctx, name)
	if err != nil && !errors.Is(err, ErrMissing) {
		return SignedIn{}, wrapped("read account", err)
	}
	if err != nil {
		account = Account{}
	}
	device := familiar(account, from.Familiar)
	done, wait := c.limits.attempt(clip(name, 64), device, from.Remote, c.now())
	if wait > 0 {
		refused.Reason = string(ReasonTooMany)
		c.journal.refused(refused)
		return SignedIn{}, tooMany(wait)
	}
	ok, renew, err := c.hasher.verify(ctx, password, account.Password, seat{device != "", from.Remote})
	if err != nil {
		done(unlooked)
		return SignedIn{}, wrapped("check password", err)
	}
	if !ok || !account.Disabled.IsZero() {
		done(failed)
		refused.Reason = logInReason(account, ok)
		c.journal.refused(refused)
		return SignedIn{}, fault(ReasonWrongLogIn, "")
	}
	done(right)
	hash := ""
	if renew {
		if hash, err = c.hasher.hash(ctx, password); err != nil {
			hash = "" // the old one is as good; next time
		}
	}
	return c.begin(ctx, account, hash, from, Event{Action: LoggedIn, Detail: "password"})
}

// logInReason is for the journal only: the person learns less.
func logInReason(a Account, right bool) string {
	switch {
	case a.Name == "":
		return "unknown_account"
	case !a.Disabled.IsZero():
		return "disabled"
	case a.Password == "":
		return "no_password"
	case !right:
		return "wrong_password"
	}
	return ""
}

func tooMany(wait time.Duration) *Error {
	e := fault(ReasonTooMany, "", int64((wait+time.Second-1)/time.Second))
	e.RetryAfter = wait
	return e
}

func (c *Control) account(ctx context.Context, name string) (a Account, err error) {
	if checkName(name) != nil {
		return a, ErrMissing
	}
	err = c.store.Read(ctx, func(r Reader) error {
		a, err = r.Account(ctx, name)
		return err
	})
	return a, err
}

// begin begins a session of an account that has proved itself. hash is a renewed
// password hash, or empty.
func (c *Control) begin(ctx context.Context, account Account, hash string, from Caller, e Event) (in SignedIn, err error) {
	err = c.store.Write(ctx, func(tx Tx) error {
		now, err := tx.Account(ctx, account.Name)
		if err != nil {
			return err
		}
		if !now.Disabled.IsZero() || now.Password != account.Password {
			return fault(ReasonWrongLogIn, "") // changed while the password was checked
		}
		if hash != "" {
			now.Password = hash
			if err := tx.PutAccount(ctx, now); err != nil {
				return err
			}
		}
		in, err = c.beginIn(ctx, tx, now, from)
		if err != nil {
			return err
		}
		e.Who, e.Subject, e.Remote = now.Name, now.Name, from.remote()
		return c.record(ctx, tx, e)
	})
	return in, wrapped("begin session", err)
}

func (c *Control) beginIn(ctx context.Context, tx Tx, a Account, from Caller) (SignedIn, error) {
	in := SignedIn{Secret: newSecret(), Account: a, Expires: c.now().Add(c.o.Session)}
	return in, tx.PutSession(ctx, Session{Hash: digest(in.Secret), Account: a.Name, Created: c.now(), Seen: c.now(), Expires: in.Expires,
		Remote: from.remote(), Agent: clip(from.Agent, 200)})
}

// record adds an event to a transaction.
func (c *Control) record(ctx context.Context, tx Tx, e Event) error {
	e.At = c.now()
	e.Count = max(e.Count, 1)
	return tx.AddEvent(ctx, e)
}

// bySession is who a session's secret belongs to; ErrMissing where it is none, or
// is no longer good.
func (c *Control) bySession(ctx context.Context, secret Secret) (Principal, error) {
	if !parseSecret(string(secret)) {
		return Principal{}, ErrMissing
	}
	hash, now := digest(secret), c.now()
	var s Session
	var p Principal
	err := c.store.Read(ctx, func(r Reader) (err error) {
		p, s, err = c.sessionActs(ctx, r, hash, now)
		return err
	})
	if err != nil {
		return Principal{}, err
	}
	if now.Sub(s.Seen) >= min(touchEvery, c.o.Idle/4) && c.due("session:"+hash, now) {
		if err := c.touchSession(ctx, hash, now); err != nil {
			c.log.Warn("cannot write when a session was last used", "error", err)
		}
	}
	return p, nil
}

// sessionActs is who a session acts for at a moment; ErrMissing if it is no longer
// good.
func (c *Control) sessionActs(ctx context.Context, r Reader, hash string, now time.Time) (Principal, Session, error) {
	s, err := r.Session(ctx, hash)
	if err != nil {
		return Principal{}, s, err
	}
	a, err := r.Account(ctx, s.Account)
	if err != nil {
		return Principal{}, s, err
	}
	if !now.Before(s.Expires) || now.Sub(s.Seen) >= c.o.Idle || !a.Disabled.IsZero() {
		return Principal{}, s, ErrMissing
	}
	p := a.principal()
	p.session = hash
	return p, s, nil
}

func (c *Control) touchSession(ctx context.Context, hash string, now time.Time) error {
	return c.store.Write(ctx, func(tx Tx) error {
		s, err := tx.Session(ctx, hash)
		if errors.Is(err, ErrMissing) {
			return nil // logged out meanwhile
		}
		if err != nil {
			return err
		}
		s.Seen = now
		return tx.PutSession(ctx, s)
	})
}

// LogOut ends the session by which p came.
func (c *Control) LogOut(ctx context.Context, p Principal, from Caller) error {
	if err := p.ownAffairs(); err != nil {
		return err
	}
	if p.session == "" {
		return nil
	}
	err := c.store.Write(ctx, func(tx Tx) error {
		if err := tx.DropSession(ctx, p.session); err != nil {
			return err
		}
		return c.record(ctx, tx, Event{Action: LoggedOut, Who: p.String(), Subject: p.Account, Remote: from.remote()})
	})
	return wrapped("end session", err)
}

// RevokeSessions ends all sessions of an account: its own, or an admin's wish.
func (c *Control) RevokeSessions(ctx context.Context, p Principal, name string, from Caller) error {
	if err := p.ownAffairs(); err != nil {
		return err
	}
	if name != p.Account && !p.May(Admin) {
		return fault(ReasonRole, "", Admin, p.Role)
	}
	err := c.store.Write(ctx, func(tx Tx) error {
		if _, err := tx.Account(ctx, name); err != nil {
			return missing(err, name)
		}
		return c.dropSessions(ctx, tx, p, name, from)
	})
	return wrapped("end sessions", err)
}

func (c *Control) dropSessions(ctx context.Context, tx Tx, p Principal, name string, from Caller) error {
	n, err := tx.DropSessions(ctx, name)
	if err != nil || n == 0 {
		return err
	}
	return c.record(ctx, tx, Event{Action: SessionsRevoked, Who: p.String(), Subject: name, Detail: fmt.Sprintf("%d sessions", n), Remote: from.remote()})
}

// missing makes the error for people of one of the store.
func missing(err error, what string) error {
	if errors.Is(err, ErrMissing) {
		return fault(ReasonNotFound, "", clip(what, 128))
	}
	return err
}
