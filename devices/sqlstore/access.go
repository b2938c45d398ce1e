package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// accessStore is the part of the store that [access] keeps its tables in.
type accessStore struct{ s *Store }

// Access is the store of accounts, sessions, tokens, links, credentials and the
// journal of access. Its transactions are the registry's: they come one after the
// other with all others.
func (s *Store) Access() access.Store { return accessStore{s} }

// Read implements [access.Store].
func (a accessStore) Read(ctx context.Context, f func(access.Reader) error) error {
	return a.s.Read(ctx, func(r devices.Reader) error {
		t, ok := r.(*transaction)
		if !ok {
			return fmt.Errorf("read access: the transaction is a %T", r)
		}
		return f(&accessTx{t})
	})
}

// Write implements [access.Store].
func (a accessStore) Write(ctx context.Context, f func(access.Tx) error) error {
	return a.s.Write(ctx, func(tx devices.Tx) error {
		t, ok := tx.(*transaction)
		if !ok {
			return fmt.Errorf("write access: the transaction is a %T", tx)
		}
		return f(&accessTx{t})
	})
}

// accessTx implements [access.Tx].
type accessTx struct{ t *transaction }

var _ access.Tx = (*accessTx)(nil)

// oneOf reads the one row that a condition selects.
func oneOf[T any](ctx context.Context, t table[T], q querier, where string, args ...any) (v T, err error) {
	rows, err := t.all(ctx, q, "WHERE "+where, args...)
	if err == nil && len(rows) == 0 {
		err = access.ErrMissing
	}
	if err != nil {
		return v, err
	}
	return rows[0], nil
}

// Account implements [access.Reader].
func (x *accessTx) Account(ctx context.Context, name string) (access.Account, error) {
	return oneOf(ctx, accounts(), x.t.q, "name = $1", name)
}

// AccountOf implements [access.Reader].
func (x *accessTx) AccountOf(ctx context.Context, issuer, subject string) (access.Account, error) {
	return oneOf(ctx, accounts(), x.t.q, "issuer = $1 AND subject = $2", issuer, subject)
}

// Accounts implements [access.Reader].
func (x *accessTx) Accounts(ctx context.Context) ([]access.Account, error) {
	return accounts().all(ctx, x.t.q, "ORDER BY name")
}

// Session implements [access.Reader].
func (x *accessTx) Session(ctx context.Context, hash string) (access.Session, error) {
	return oneOf(ctx, sessions(), x.t.q, "hash = $1", hash)
}

// Sessions implements [access.Reader].
func (x *accessTx) Sessions(ctx context.Context, account string) ([]access.Session, error) {
	return sessions().all(ctx, x.t.q, "WHERE account = $1 ORDER BY seen DESC, hash", account)
}

// Token implements [access.Reader].
func (x *accessTx) Token(ctx context.Context, hash string) (access.Token, error) {
	return oneOf(ctx, tokens(), x.t.q, "hash = $1", hash)
}

// TokenByID implements [access.Reader].
func (x *accessTx) TokenByID(ctx context.Context, id string) (access.Token, error) {
	return oneOf(ctx, tokens(), x.t.q, "id = $1", id)
}

// Tokens implements [access.Reader].
func (x *accessTx) Tokens(ctx context.Context, account string) ([]access.Token, error) {
	var c conditions
	c.equal("account", account)
	return tokens().all(ctx, x.t.q, c.where()+" ORDER BY created, id", c.args...)
}

// Link implements [access.Reader].
func (x *accessTx) Link(ctx context.Context, hash string) (access.Link, error) {
	r, err := oneOf(ctx, links(), x.t.q, "hash = $1", hash)
	r.First = r.purpose == linkFirst
	return r.Link, err
}

// Credentials implements [access.Reader].
func (x *accessTx) Credentials(ctx context.Context, device telemetry.Device) ([]access.Credential, error) {
	return credentials().all(ctx, x.t.q, "WHERE device = $1 ORDER BY id DESC", string(device))
}

// LiveCredentials implements [access.Reader].
func (x *accessTx) LiveCredentials(ctx context.Context, at time.Time, f func(access.Credential) error) error {
	t := credentials()
	query := "SELECT " + t.list("") + " FROM " + t.name + " WHERE revoked IS NULL AND (expires IS NULL OR expires > $1) ORDER BY device, id DESC"
	return each(ctx, x.t.q, query, []any{at.UnixMilli()}, func(scan func(...any) error) error {
		var c access.Credential
		if err := scan(t.fields(&c)...); err != nil {
			return err
		}
		return f(c)
	})
}

// Ended implements [access.Reader].
func (x *accessTx) Ended(ctx context.Context, after, until time.Time) ([]access.Credential, error) {
	return credentials().all(ctx, x.t.q, "WHERE revoked > $1 AND revoked <= $2 OR expires > $1 AND expires <= $2 ORDER BY id", after.UnixMilli(), until.UnixMilli())
}

// Standings implements [access.Reader].
func (x *accessTx) Standings(ctx context.Context, ids []telemetry.Device, f func(devices.Standing) error) error {
	return x.t.Standings(ctx, ids, f)
}

// Events implements [access.Reader].
func (x *accessTx) Events(ctx context.Context, f access.EventFilter) ([]access.Event, error) {
	var c conditions
	c.equal("action", string(f.Action))
	c.equal("who", f.Who)
	c.equal("subject", f.Subject)
	c.equal("reason", f.Reason)
	if !f.From.IsZero() {
		c.add("at >= ?", f.From.UnixMilli())
	}
	if f.Before > 0 {
		c.add("seq < ?", f.Before)
	}
	return events().all(ctx, x.t.q, c.where()+" ORDER BY seq DESC LIMIT "+strconv.Itoa(f.Size()), c.args...)
}
