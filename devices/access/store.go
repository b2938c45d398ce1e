package access

import (
	"context"
	"errors"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// ErrMissing is the error of a [Store] for what it does not have.
var ErrMissing = errors.New("not in the store")

// Store keeps accounts, sessions, tokens, links, credentials and the journal.
type Store interface {
	// Read runs f on one consistent state.
	Read(ctx context.Context, f func(Reader) error) error
	// Write runs f in one transaction: all of it is kept, or, if f returns an
	// error, nothing. Transactions of all processes come one after the other, so
	// f may check and then write. f runs once.
	Write(ctx context.Context, f func(Tx) error) error
}

// Reader reads. What is not there is [ErrMissing]; lists are in order of their
// keys unless said otherwise.
type Reader interface {
	Account(ctx context.Context, name string) (Account, error)
	AccountOf(ctx context.Context, issuer, subject string) (Account, error)
	Accounts(ctx context.Context) ([]Account, error)
	Session(ctx context.Context, hash string) (Session, error)
	// Sessions of an account, the last used first.
	Sessions(ctx context.Context, account string) ([]Session, error)
	// Token finds a token by its hash, TokenByID by its id.
	Token(ctx context.Context, hash string) (Token, error)
	TokenByID(ctx context.Context, id string) (Token, error)
	// Tokens of an account, or of all where it is empty.
	Tokens(ctx context.Context, account string) ([]Token, error)
	Link(ctx context.Context, hash string) (Link, error)
	// Credentials of a device, the newest first, revoked ones too.
	Credentials(ctx context.Context, device telemetry.Device) ([]Credential, error)
	// LiveCredentials calls f for the credentials of all devices that are good at
	// a moment, in order of the devices, the newest of each first.
	LiveCredentials(ctx context.Context, at time.Time, f func(Credential) error) error
	// Ended lists credentials that were revoked or ran out after one moment and
	// not after another.
	Ended(ctx context.Context, after, until time.Time) ([]Credential, error)
	// Standings is the registry's own.
	Standings(ctx context.Context, ids []telemetry.Device, f func(devices.Standing) error) error
	// Events are the newest first.
	Events(ctx context.Context, f EventFilter) ([]Event, error)
}

// Tx is a transaction. Put methods add what is new and replace what is there.
type Tx interface {
	Reader
	PutAccount(ctx context.Context, a Account) error
	PutSession(ctx context.Context, s Session) error
	// DropSession forgets one session; none is no error.
	DropSession(ctx context.Context, hash string) error
	// DropSessions forgets all of an account and says how many they were.
	DropSessions(ctx context.Context, account string) (int, error)
	PutToken(ctx context.Context, t Token) error
	PutLink(ctx context.Context, l Link) error
	// DropFirstLinks forgets the links for a first admin that were not used.
	DropFirstLinks(ctx context.Context) error
	// PutCredential gives a new credential, whose ID is 0, its ID.
	PutCredential(ctx context.Context, c Credential) (Credential, error)
	// AddEvent gives the event its Seq.
	AddEvent(ctx context.Context, e Event) error
	// Prune forgets sessions and links that ended before now, and events, tokens
	// and credentials that ended before another moment. The newest event stays.
	Prune(ctx context.Context, now, before time.Time) error
}

// Account is a person.
type Account struct {
	// Name is what the person logs in with, in lower case; it never changes.
	Name    string `json:"name"`
	Display string `json:"display,omitempty"`
	Role    Role   `json:"role"`
	// Localities are those that the person may change; none is all.
	Localities []telemetry.Locality `json:"localities,omitempty"`
	// Password is a PHC string; empty where the person logs in elsewhere.
	Password string `json:"-"`
	// Issuer and Subject are who the person is at an OpenID Connect issuer.
	Issuer   string    `json:"issuer,omitempty"`
	Subject  string    `json:"-"`
	Disabled time.Time `json:"disabled,omitzero"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	// Version counts changes from 1; an update names the one it saw.
	Version int64 `json:"version"`
}

// principal is who the account is when it asks.
func (a Account) principal() Principal {
	return Principal{Account: a.Name, Role: a.Role, Localities: a.Localities}
}

// Session is one log-in of a browser.
type Session struct {
	Hash    string    `json:"-"`
	Account string    `json:"account"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen" doc:"Last used, to a few minutes"`
	Expires time.Time `json:"expires"`
	Remote  string    `json:"remote"`
	Agent   string    `json:"agent"`
}

// Token lets a program act for an account.
type Token struct {
	ID      string    `json:"id"`
	Hash    string    `json:"-"`
	Account string    `json:"account"`
	Name    string    `json:"name"`
	Scopes  []Scope   `json:"scopes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	First   time.Time `json:"first,omitzero" doc:"First used"`
	Last    time.Time `json:"last,omitzero" doc:"Last used, to a few minutes"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// Link makes one account, or one new password of Account.
type Link struct {
	Hash string
	// First is a link for a first admin: it is good only while there is none.
	First      bool
	Account    string
	Role       Role
	Localities []telemetry.Locality
	By         string
	Created    time.Time
	Expires    time.Time
	Used       time.Time
}

// Credential is a device's secret at the broker, as it is kept.
type Credential struct {
	ID     int64            `json:"id"`
	Device telemetry.Device `json:"device"`
	// Sealed is what a secret is compared with; Mosquitto is the same for
	// Mosquitto's password file.
	Sealed    string    `json:"-"`
	Mosquitto string    `json:"-"`
	Issued    time.Time `json:"issued"`
	IssuedBy  string    `json:"issuedBy"`
	// Expires is when the overlap with its successor ends; zero is open.
	Expires   time.Time `json:"expires,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero"`
	RevokedBy string    `json:"revokedBy,omitempty"`
}

// live reports whether a credential is good at a moment. It is no method, because
// huma cannot describe an embedded type with methods.
func live(c Credential, at time.Time) bool {
	return c.Revoked.IsZero() && (c.Expires.IsZero() || at.Before(c.Expires))
}
