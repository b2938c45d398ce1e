package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
)

func accounts() table[access.Account] {
	return table[access.Account]{"access_account", strings.Fields("name display role localities password issuer subject disabled created updated version"),
		func(a *access.Account) []any {
			return []any{&a.Name, &a.Display, textOf(&a.Role), wordsOf(&a.Localities), &a.Password, text[string]{&a.Issuer, true},
				text[string]{&a.Subject, true}, moment{&a.Disabled}, moment{&a.Created}, moment{&a.Updated}, &a.Version}
		}}
}

func sessions() table[access.Session] {
	return table[access.Session]{"access_session", strings.Fields("hash account created seen expires remote agent"),
		func(s *access.Session) []any {
			return []any{&s.Hash, &s.Account, moment{&s.Created}, moment{&s.Seen}, moment{&s.Expires}, &s.Remote, &s.Agent}
		}}
}

func tokens() table[access.Token] {
	return table[access.Token]{"access_token", strings.Fields("id hash account name scopes created expires first_used last_used revoked"),
		func(t *access.Token) []any {
			return []any{&t.ID, &t.Hash, &t.Account, &t.Name, wordsOf(&t.Scopes), moment{&t.Created}, moment{&t.Expires}, moment{&t.First},
				moment{&t.Last}, moment{&t.Revoked}}
		}}
}

// The purposes of links.
const (
	linkFirst    = "first"
	linkInvite   = "invite"
	linkPassword = "password"
)

// linkRow is a link with its purpose as a word.
type linkRow struct {
	access.Link
	purpose string
}

func links() table[linkRow] {
	return table[linkRow]{"access_link", strings.Fields("hash purpose account role localities made_by created expires used"),
		func(l *linkRow) []any {
			return []any{&l.Hash, &l.purpose, &l.Account, textOf(&l.Role), wordsOf(&l.Localities), &l.By, moment{&l.Created}, moment{&l.Expires},
				moment{&l.Used}}
		}}
}

func credentials() table[access.Credential] {
	return table[access.Credential]{"access_credential", strings.Fields("id device sealed mosquitto issued issued_by expires revoked revoked_by"),
		func(c *access.Credential) []any {
			return []any{&c.ID, textOf(&c.Device), &c.Sealed, &c.Mosquitto, moment{&c.Issued}, &c.IssuedBy, moment{&c.Expires}, moment{&c.Revoked},
				&c.RevokedBy}
		}}
}

func events() table[access.Event] {
	return table[access.Event]{"access_event", strings.Fields("seq at since count action who subject reason detail remote"),
		func(e *access.Event) []any {
			return []any{&e.Seq, moment{&e.At}, moment{&e.Since}, &e.Count, textOf(&e.Action), &e.Who, &e.Subject, &e.Reason, &e.Detail, &e.Remote}
		}}
}

// accessDumps are the tables of a backup, so that what a row refers to comes
// before it. Sessions and links are not in it: a restored store has nobody logged
// in.
func accessDumps() []dump {
	return []dump{
		{"access_account", accounts().columns}, {"access_token", tokens().columns},
		{"access_credential", credentials().columns}, {"access_event", events().columns},
	}
}

// PutAccount implements [access.Tx].
func (x *accessTx) PutAccount(ctx context.Context, a access.Account) error {
	return upsert(ctx, accounts(), x.t, a)
}

// PutSession implements [access.Tx].
func (x *accessTx) PutSession(ctx context.Context, s access.Session) error {
	return upsert(ctx, sessions(), x.t, s)
}

// DropSession implements [access.Tx].
func (x *accessTx) DropSession(ctx context.Context, hash string) error {
	_, err := x.drop(ctx, "session", "DELETE FROM access_session WHERE hash = $1", hash)
	return err
}

// DropSessions implements [access.Tx].
func (x *accessTx) DropSessions(ctx context.Context, account string) (int, error) {
	return x.drop(ctx, "sessions", "DELETE FROM access_session WHERE account = $1", account)
}

func (x *accessTx) drop(ctx context.Context, what, query string, args ...any) (int, error) {
	r, err := x.t.q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("forget %s: %w", what, err)
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// PutToken implements [access.Tx].
func (x *accessTx) PutToken(ctx context.Context, t access.Token) error {
	return upsert(ctx, tokens(), x.t, t)
}

// PutLink implements [access.Tx].
func (x *accessTx) PutLink(ctx context.Context, l access.Link) error {
	r := linkRow{Link: l, purpose: linkInvite}
	switch {
	case l.First:
		r.purpose = linkFirst
	case l.Account != "":
		r.purpose = linkPassword
	}
	return upsert(ctx, links(), x.t, r)
}

// DropFirstLinks implements [access.Tx].
func (x *accessTx) DropFirstLinks(ctx context.Context) error {
	_, err := x.drop(ctx, "links", "DELETE FROM access_link WHERE purpose = $1 AND used IS NULL", linkFirst)
	return err
}

// PutCredential implements [access.Tx].
func (x *accessTx) PutCredential(ctx context.Context, c access.Credential) (access.Credential, error) {
	if c.ID == 0 {
		last, err := x.t.greatest(ctx, "access_credential", "id")
		if err != nil {
			return c, err
		}
		c.ID = last + 1
	}
	return c, upsert(ctx, credentials(), x.t, c)
}

// AddEvent implements [access.Tx].
func (x *accessTx) AddEvent(ctx context.Context, e access.Event) error {
	last, err := x.t.greatest(ctx, "access_event", "seq")
	if err != nil {
		return err
	}
	e.Seq = last + 1
	return upsert(ctx, events(), x.t, e)
}

// Prune implements [access.Tx]. The newest event and credential stay, so that
// numbers are never given twice.
func (x *accessTx) Prune(ctx context.Context, now, before time.Time) error {
	for _, p := range []struct {
		what, query string
		at          time.Time
	}{
		{"old sessions", "DELETE FROM access_session WHERE expires <= $1", now},
		{"old links", "DELETE FROM access_link WHERE expires <= $1", now},
		{"old tokens", "DELETE FROM access_token WHERE expires <= $1 OR revoked <= $1", before},
		{"old credentials", "DELETE FROM access_credential WHERE (expires <= $1 OR revoked <= $1) AND id < (SELECT MAX(id) FROM access_credential)", before},
		{"old events", "DELETE FROM access_event WHERE at <= $1 AND seq < (SELECT MAX(seq) FROM access_event)", before},
	} {
		if _, err := x.drop(ctx, p.what, p.query, p.at.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}
