package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

const (
	minToken   = time.Hour
	maxToken   = 730 * day
	tokenLimit = 100 // good ones an account may have
)

// IssuedToken is a new token. Its Secret, with the prefix hd_, is shown once.
type IssuedToken struct {
	Token
	Secret Secret `json:"-"`
}

// CreateToken makes a token for the person who asks. Its scopes are at most the
// person's role. A token cannot make another: it would outlive its revocation.
func (c *Control) CreateToken(ctx context.Context, p Principal, name string, scopes []Scope, life time.Duration, from Caller) (t IssuedToken, err error) {
	if err := p.needs(Viewer); err != nil {
		return t, err
	}
	if p.Token != "" {
		return t, fault(ReasonPerson, "")
	}
	if life < minToken || life > maxToken {
		return t, fault(ReasonBadExpiry, "expires", minToken, maxToken)
	}
	name = display(name)
	if name == "" {
		return t, fault(ReasonBadName, "name")
	}
	if len(scopes) == 0 {
		return t, fault(ReasonBadScope, "scopes", "")
	}
	for _, s := range scopes {
		if !p.May(s.role()) {
			return t, fault(ReasonBadScope, "scopes", clip(string(s), 32))
		}
	}
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	secret := newSecret()
	now := c.now()
	t = IssuedToken{Secret: tokenPrefix + secret, Token: Token{ID: newID(), Hash: digest(secret), Account: p.Account, Name: name,
		Scopes: scopes, Created: now, Expires: now.Add(life)}}
	err = c.store.Write(ctx, func(tx Tx) error {
		if _, err := tx.Account(ctx, p.Account); errors.Is(err, ErrMissing) {
			return fault(ReasonNoAccount, "")
		} else if err != nil {
			return err
		}
		if err := c.roomForToken(ctx, tx, p.Account, now); err != nil {
			return err
		}
		if err := tx.PutToken(ctx, t.Token); err != nil {
			return err
		}
		return c.record(ctx, tx, Event{Action: TokenMade, Who: p.String(), Subject: t.ID, Detail: name + ": " + joined(scopes), Remote: from.remote()})
	})
	if err != nil {
		return IssuedToken{}, wrapped("make token", err)
	}
	return t, nil
}

func (c *Control) roomForToken(ctx context.Context, r Reader, account string, now time.Time) error {
	all, err := r.Tokens(ctx, account)
	if err != nil {
		return err
	}
	good := 0
	for _, t := range all {
		if t.Revoked.IsZero() && now.Before(t.Expires) {
			good++
		}
	}
	if good >= tokenLimit {
		return fault(ReasonTooMany, "", int64(time.Hour/time.Second))
	}
	return nil
}

func joined(scopes []Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

// Tokens lists one's own tokens, an admin's list all.
func (c *Control) Tokens(ctx context.Context, p Principal) (out []Token, err error) {
	if err := p.needs(Viewer); err != nil {
		return nil, err
	}
	of := p.Account
	if p.May(Admin) {
		of = ""
	}
	err = c.store.Read(ctx, func(r Reader) error {
		out, err = r.Tokens(ctx, of)
		return err
	})
	return out, wrapped("read tokens", err)
}

// RevokeToken ends a token: one's own, or any by an admin.
func (c *Control) RevokeToken(ctx context.Context, p Principal, id string, from Caller) error {
	if err := cmp.Or(p.needs(Viewer), p.ownAffairs()); err != nil {
		return err
	}
	err := c.store.Write(ctx, func(tx Tx) error {
		t, err := tx.TokenByID(ctx, id)
		if err == nil && t.Account != p.Account && !p.May(Admin) {
			err = ErrMissing // whose it is is not this person's matter
		}
		if err != nil {
			return missing(err, id)
		}
		if !t.Revoked.IsZero() {
			return nil
		}
		t.Revoked = c.now()
		if err := tx.PutToken(ctx, t); err != nil {
			return err
		}
		return c.record(ctx, tx, Event{Action: TokenRevoked, Who: p.String(), Subject: t.ID, Detail: t.Name, Remote: from.remote()})
	})
	return wrapped("revoke token", err)
}

// byToken is who a token acts for.
func (c *Control) byToken(ctx context.Context, text string, from Caller) (Principal, error) {
	refuse := func(id, reason string) (Principal, error) {
		c.journal.refused(Event{Action: TokenRefused, Subject: id, Reason: reason, Remote: from.remote()})
		return Principal{}, fault(ReasonBadToken, "")
	}
	secret, ok := parseToken(text)
	if !ok {
		return refuse("", "malformed")
	}
	var t Token
	var p Principal
	var bad string
	now := c.now()
	err := c.store.Read(ctx, func(r Reader) (err error) {
		if t, err = r.Token(ctx, digest(secret)); err != nil {
			return err
		}
		p, bad, err = c.tokenActs(ctx, r, t, now)
		return err
	})
	switch {
	case bad != "":
		return refuse(t.ID, bad)
	case errors.Is(err, ErrMissing):
		return refuse("", "unknown")
	case err != nil:
		return Principal{}, wrapped("read token", err)
	}
	if (t.First.IsZero() || now.Sub(t.Last) >= touchEvery) && c.due("token:"+t.ID, now) {
		if err := c.touchToken(ctx, t.ID, now, from); err != nil {
			c.log.Warn("cannot write when a token was last used", "error", err)
		}
	}
	return p, nil
}

// tokenActs is who a token acts for at a moment; ErrMissing, and why, if it is no
// longer good.
func (c *Control) tokenActs(ctx context.Context, r Reader, t Token, now time.Time) (p Principal, why string, err error) {
	a, err := r.Account(ctx, t.Account)
	switch {
	case err != nil:
		return p, "", err
	case !t.Revoked.IsZero():
		return p, "revoked", ErrMissing
	case !now.Before(t.Expires):
		return p, "expired", ErrMissing
	case !a.Disabled.IsZero():
		return p, "account_disabled", ErrMissing
	}
	p = a.principal()
	p.Role, p.Token = roleOf(t.Scopes, a.Role), t.ID
	return p, "", nil
}

func (c *Control) touchToken(ctx context.Context, id string, now time.Time, from Caller) error {
	return c.store.Write(ctx, func(tx Tx) error {
		t, err := tx.TokenByID(ctx, id)
		if err != nil {
			return err
		}
		first := t.First.IsZero()
		if first {
			t.First = now
		}
		t.Last = now
		if err := tx.PutToken(ctx, t); err != nil || !first {
			return err
		}
		return c.record(ctx, tx, Event{Action: TokenFirstUsed, Who: t.Account + "/token:" + t.ID, Subject: t.ID, Detail: t.Name, Remote: from.remote()})
	})
}
