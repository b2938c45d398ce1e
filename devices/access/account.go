package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// NewAccount is an account to be made.
type NewAccount struct {
	Name       string
	Display    string
	Role       Role
	Localities []telemetry.Locality
	Password   Secret
}

// AccountChange is what is to change of an account; nil stays.
type AccountChange struct {
	Version    int64
	Display    *string
	Role       *Role
	Localities *[]telemetry.Locality
	Disabled   *bool
}

// checkName allows what is easy to type and to tell apart.
func checkName(name string) *Error {
	bad := fault(ReasonBadName, "name")
	if name == "" || len(name) > 64 || slices.Contains([]string{Local, "system", "seed", "anyone", "terminal"}, name) {
		return bad
	}
	for _, r := range name {
		if ('a' > r || r > 'z') && ('0' > r || r > '9') && !strings.ContainsRune(".-_@+", r) {
			return bad
		}
	}
	return nil
}

func checkRole(r Role) *Error {
	if r.rank() == 0 {
		return fault(ReasonBadRole, "role", clip(string(r), 32))
	}
	return nil
}

// checkLocalities also refuses them to admins: who makes accounts could lift the
// limit anyway.
func checkLocalities(r Role, ls []telemetry.Locality) *Error {
	if r == Admin && len(ls) > 0 {
		return fault(ReasonEverywhere, "localities")
	}
	for _, l := range ls {
		if len(ls) > 64 || telemetry.CheckID(string(l)) != nil {
			return fault(ReasonNotFound, "localities", clip(string(l), 64))
		}
	}
	return nil
}

// display is a person's name as it is shown.
func display(s string) string {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return clip(s, 200)
}

// needs refuses who has not the role.
func (p Principal) needs(least Role) error {
	if p.Account == "" {
		return fault(ReasonLogInNeeded, "")
	}
	if !p.May(least) {
		return fault(ReasonRole, "", least, p.Role)
	}
	return nil
}

// CreateAccount makes a local account. Only admins may.
func (c *Control) CreateAccount(ctx context.Context, p Principal, n NewAccount, from Caller) (a Account, err error) {
	if err := p.needs(Admin); err != nil {
		return a, err
	}
	hash, err := c.prepare(ctx, &n)
	if err != nil {
		return a, err
	}
	err = c.store.Write(ctx, func(tx Tx) error {
		a, err = c.create(ctx, tx, n, hash, p.String(), from)
		return err
	})
	if err == nil {
		c.guard()
	}
	return a, wrapped("make account", err)
}

// prepare checks a new account by itself and hashes its password.
func (c *Control) prepare(ctx context.Context, n *NewAccount) (hash string, err error) {
	n.Name, n.Display = strings.ToLower(strings.TrimSpace(n.Name)), display(n.Display)
	if err := checkName(n.Name); err != nil {
		return "", err
	}
	if err := checkRole(n.Role); err != nil {
		return "", err
	}
	if err := checkLocalities(n.Role, n.Localities); err != nil {
		return "", err
	}
	if err := checkPassword(n.Password, n.Name, append(c.o.Words, n.Display)...); err != nil {
		return "", err
	}
	hash, err = c.hasher.hash(ctx, n.Password)
	return hash, wrapped("hash password", err)
}

func (c *Control) create(ctx context.Context, tx Tx, n NewAccount, hash, by string, from Caller) (Account, error) {
	if _, err := tx.Account(ctx, n.Name); err == nil {
		return Account{}, fault(ReasonNameTaken, "name", n.Name)
	} else if !errors.Is(err, ErrMissing) {
		return Account{}, err
	}
	a := Account{Name: n.Name, Display: n.Display, Role: n.Role, Localities: n.Localities, Password: hash, Created: c.now(), Updated: c.now(), Version: 1}
	if err := tx.PutAccount(ctx, a); err != nil {
		return Account{}, err
	}
	return a, c.record(ctx, tx, Event{Action: AccountMade, Who: by, Subject: a.Name, Detail: describe(a), Remote: from.remote()})
}

// describe is an account's powers, for the journal.
func describe(a Account) string {
	if len(a.Localities) == 0 {
		return string(a.Role)
	}
	names := make([]string, len(a.Localities))
	for i, l := range a.Localities {
		names[i] = string(l)
	}
	return clip(string(a.Role)+" in "+strings.Join(names, ", "), 120)
}

// Accounts lists the accounts. Only admins may.
func (c *Control) Accounts(ctx context.Context, p Principal) (out []Account, err error) {
	if err := p.needs(Admin); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(r Reader) error {
		out, err = r.Accounts(ctx)
		return err
	})
	return out, wrapped("read accounts", err)
}

// ChangeAccount changes an account. Only admins may, and the last admin stays
// one. Who is disabled is logged out everywhere.
func (c *Control) ChangeAccount(ctx context.Context, p Principal, name string, ch AccountChange, from Caller) (a Account, err error) {
	if err := p.needs(Admin); err != nil {
		return a, err
	}
	if ch.Role != nil {
		if err := checkRole(*ch.Role); err != nil {
			return a, err
		}
	}
	err = c.store.Write(ctx, func(tx Tx) error {
		before, err := tx.Account(ctx, name)
		if err != nil {
			return missing(err, name)
		}
		if ch.Version != before.Version {
			return fault(ReasonStale, "version")
		}
		a = c.changed(before, ch)
		if err := checkLocalities(a.Role, a.Localities); err != nil {
			return err
		}
		if err := lastAdmin(ctx, tx, before, a); err != nil {
			return err
		}
		if err := tx.PutAccount(ctx, a); err != nil {
			return err
		}
		return c.recordChange(ctx, tx, p, before, a, from)
	})
	return a, wrapped("change account", err)
}

func (c *Control) changed(a Account, ch AccountChange) Account {
	if ch.Display != nil {
		a.Display = display(*ch.Display)
	}
	if ch.Role != nil {
		a.Role = *ch.Role
	}
	if ch.Localities != nil {
		a.Localities = *ch.Localities
	}
	switch {
	case ch.Disabled == nil:
	case !*ch.Disabled:
		a.Disabled = time.Time{}
	case a.Disabled.IsZero():
		a.Disabled = c.now()
	}
	a.Updated = c.now()
	a.Version++
	return a
}

// lastAdmin refuses to leave the system without an administrator.
func lastAdmin(ctx context.Context, r Reader, before, after Account) error {
	rules := func(a Account) bool { return a.Role == Admin && a.Disabled.IsZero() }
	if !rules(before) || rules(after) {
		return nil
	}
	all, err := r.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Name != before.Name && rules(a) {
			return nil
		}
	}
	return fault(ReasonLastAdmin, "")
}

func (c *Control) recordChange(ctx context.Context, tx Tx, p Principal, before, after Account, from Caller) error {
	e := Event{Action: AccountChanged, Who: p.String(), Subject: after.Name, Remote: from.remote()}
	if was, is := describe(before), describe(after); was != is {
		e.Action, e.Detail = RoleChanged, clip(was+" → "+is, 256)
	}
	if after.Disabled.IsZero() != before.Disabled.IsZero() {
		e.Reason = "enabled"
		if !after.Disabled.IsZero() {
			e.Reason = "disabled"
		}
	}
	if err := c.record(ctx, tx, e); err != nil || after.Disabled.IsZero() {
		return err
	}
	return c.dropSessions(ctx, tx, p, after.Name, from)
}

// ChangePassword sets one's own password and ends all of one's sessions; the new
// one is where the person goes on.
func (c *Control) ChangePassword(ctx context.Context, p Principal, old, password Secret, from Caller) (in SignedIn, err error) {
	a, err := c.account(ctx, p.Account)
	if err != nil {
		return in, wrapped("read account", missing(err, p.Account))
	}
	if a.Password == "" {
		return in, fault(ReasonForeign, "")
	}
	done, wait := c.limits.attempt(a.Name, "session "+p.session, from.Remote, c.now())
	if wait > 0 {
		return in, tooMany(wait)
	}
	ok, _, err := c.hasher.verify(ctx, old, a.Password, seat{known: true})
	if err != nil || !ok {
		if err != nil {
			done(unlooked)
		} else {
			done(failed)
			c.journal.refused(Event{Action: LogInFailed, Who: p.String(), Subject: a.Name, Reason: "wrong_password", Detail: "password change", Remote: from.remote()})
			err = fault(ReasonWrongLogIn, "old")
		}
		return in, wrapped("check password", err)
	}
	done(right)
	if err := checkPassword(password, a.Name, append(c.o.Words, a.Display)...); err != nil {
		return in, err
	}
	hash, err := c.hasher.hash(ctx, password)
	if err != nil {
		return in, wrapped("hash password", err)
	}
	err = c.store.Write(ctx, func(tx Tx) error {
		in, err = c.setPassword(ctx, tx, a, hash, p.String(), from)
		return err
	})
	return in, wrapped("change password", err)
}

// setPassword replaces the password that seen had.
func (c *Control) setPassword(ctx context.Context, tx Tx, seen Account, hash, by string, from Caller) (in SignedIn, err error) {
	a, err := tx.Account(ctx, seen.Name)
	if err != nil {
		return in, missing(err, seen.Name)
	}
	if a.Password != seen.Password || !a.Disabled.IsZero() {
		return in, fault(ReasonStale, "")
	}
	a.Password, a.Updated = hash, c.now()
	a.Version++
	if err := tx.PutAccount(ctx, a); err != nil {
		return in, err
	}
	n, err := tx.DropSessions(ctx, a.Name)
	if err != nil {
		return in, err
	}
	e := Event{Action: PasswordChanged, Who: by, Subject: a.Name, Detail: fmt.Sprintf("%d sessions ended", n), Remote: from.remote()}
	if err := c.record(ctx, tx, e); err != nil {
		return in, err
	}
	return c.beginIn(ctx, tx, a, from)
}
