package access

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// LinkPath is the console's page that takes a link's secret. The secret stands
// behind #, so that it is in no server's log.
const LinkPath = "/welcome"

// Invitation says what a link makes: a new account of a role, or, where Account
// is given, a new password for it.
type Invitation struct {
	Account    string
	Role       Role
	Localities []telemetry.Locality
}

// NewLink is a link to be handed over. Its Secret is shown once.
type NewLink struct {
	Secret  Secret
	Expires time.Time
}

// URL is the link under the console's address, such as https://haidang.example.
func (l NewLink) URL(base string) string {
	return strings.TrimRight(base, "/") + LinkPath + "#" + string(l.Secret)
}

// FirstLink makes the link that makes the first administrator, good for 24 hours
// and once, in place of any before it. Where there is an administrator it makes
// none and reports false. main prints it at every start until it has been used.
func (c *Control) FirstLink(ctx context.Context) (l NewLink, ok bool, err error) {
	err = c.store.Write(ctx, func(tx Tx) error {
		if there, err := hasAdmin(ctx, tx); err != nil || there {
			return err
		}
		if err := tx.DropFirstLinks(ctx); err != nil {
			return err
		}
		ok = true
		l, err = c.putLink(ctx, tx, Link{First: true, Role: Admin, By: "start"}, Caller{})
		return err
	})
	return l, ok && err == nil, wrapped("make link for the first administrator", err)
}

func hasAdmin(ctx context.Context, r Reader) (bool, error) {
	all, err := r.Accounts(ctx)
	for _, a := range all {
		if a.Role == Admin && a.Disabled.IsZero() {
			return true, err
		}
	}
	return false, err
}

// Invite makes a link for somebody else. Only admins may.
func (c *Control) Invite(ctx context.Context, p Principal, i Invitation, from Caller) (l NewLink, err error) {
	if err := p.needs(Admin); err != nil {
		return l, err
	}
	if i.Account == "" {
		if err := checkRole(i.Role); err != nil {
			return l, err
		}
		if err := checkLocalities(i.Role, i.Localities); err != nil {
			return l, err
		}
	}
	err = c.store.Write(ctx, func(tx Tx) error {
		if i.Account != "" {
			a, err := tx.Account(ctx, i.Account)
			if err != nil {
				return missing(err, i.Account)
			}
			if a.Issuer != "" {
				return fault(ReasonForeign, "account")
			}
		}
		l, err = c.putLink(ctx, tx, Link{Account: i.Account, Role: i.Role, Localities: i.Localities, By: p.String()}, from)
		return err
	})
	return l, wrapped("make link", err)
}

func (c *Control) putLink(ctx context.Context, tx Tx, l Link, from Caller) (NewLink, error) {
	n := NewLink{Secret: newSecret(), Expires: c.now().Add(linkLife)}
	l.Hash, l.Created, l.Expires = digest(n.Secret), c.now(), n.Expires
	if err := tx.PutLink(ctx, l); err != nil {
		return NewLink{}, err
	}
	e := Event{Action: LinkMade, Who: l.By, Subject: l.Account, Remote: from.remote()}
	if l.Account == "" {
		e.Detail = describe(Account{Role: l.Role, Localities: l.Localities})
	} else {
		e.Detail = "new password"
	}
	return n, c.record(ctx, tx, e)
}

// link finds a link that is still good.
func (c *Control) link(ctx context.Context, r Reader, hash string) (Link, error) {
	l, err := r.Link(ctx, hash)
	if err == nil && (!l.Used.IsZero() || !c.now().Before(l.Expires)) {
		err = ErrMissing
	}
	if err == nil && l.First {
		var there bool
		if there, err = hasAdmin(ctx, r); there {
			err = ErrMissing
		}
	}
	if errors.Is(err, ErrMissing) {
		return l, fault(ReasonBadLink, "")
	}
	return l, err
}

// LookLink says what a link would make, without using it.
func (c *Control) LookLink(ctx context.Context, secret Secret, from Caller) (i Invitation, err error) {
	err = c.store.Read(ctx, func(r Reader) error {
		if !parseSecret(string(secret)) {
			return fault(ReasonBadLink, "")
		}
		l, err := c.link(ctx, r, digest(secret))
		i = Invitation{Account: l.Account, Role: l.Role, Localities: l.Localities}
		return err
	})
	if ReasonOf(err) == ReasonBadLink {
		c.journal.refused(Event{Action: LinkRefused, Reason: string(ReasonBadLink), Remote: from.remote()})
	}
	return i, wrapped("read link", err)
}

// Redeem uses a link: makes the account or sets the password, and logs in.
func (c *Control) Redeem(ctx context.Context, secret Secret, name, shown string, password Secret, from Caller) (in SignedIn, err error) {
	i, err := c.LookLink(ctx, secret, from)
	if err != nil {
		return in, err
	}
	n := NewAccount{Name: name, Display: shown, Role: i.Role, Localities: i.Localities, Password: password}
	if i.Account != "" {
		n.Name, n.Role = i.Account, Viewer // only name and password are looked at
	}
	hash, err := c.prepare(ctx, &n) // only for who holds a good link: it is dear
	if err != nil {
		return in, err
	}
	err = c.store.Write(ctx, func(tx Tx) error {
		l, err := c.link(ctx, tx, digest(secret)) // of two at once, one comes first
		if err != nil {
			return err
		}
		l.Used = c.now()
		if err := tx.PutLink(ctx, l); err != nil {
			return err
		}
		if err := c.record(ctx, tx, Event{Action: LinkUsed, Who: n.Name, Subject: n.Name, Detail: "made by " + clip(l.By, 128), Remote: from.remote()}); err != nil {
			return err
		}
		if l.Account != "" {
			a, err := tx.Account(ctx, l.Account)
			if err != nil {
				return missing(err, l.Account)
			}
			in, err = c.setPassword(ctx, tx, a, hash, a.Name, from)
			return err
		}
		a, err := c.create(ctx, tx, n, hash, l.By, from)
		if err != nil {
			return err
		}
		in, err = c.beginIn(ctx, tx, a, from)
		return err
	})
	if err == nil {
		c.guard()
	}
	return in, wrapped("use link", err)
}
