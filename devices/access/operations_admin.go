package access

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func (o operations) registerPeople(api huma.API) {
	huma.Register(api, operation("list-accounts", http.MethodGet, "/accounts", Admin, "All accounts"), o.accounts)
	huma.Register(api, operation("change-account", http.MethodPatch, "/accounts/{name}", Admin, "Change role, localities or name, disable or enable"), o.change)
	huma.Register(api, operation("end-account-sessions", http.MethodDelete, "/accounts/{name}/sessions", Admin, "Log a person out everywhere"), o.endTheirSessions)
	huma.Register(api, operation("create-link", http.MethodPost, "/links", Admin, "A link, good once and for 24 hours, for a new account or a new password"), o.invite)
	huma.Register(api, operation("list-access-events", http.MethodGet, "/access/events", Admin, "The journal of access, the newest first"), o.events)
}

func (o operations) registerTokens(api huma.API) {
	huma.Register(api, operation("list-tokens", http.MethodGet, "/tokens", Viewer, "One's API tokens; an admin sees all"), o.tokens)
	huma.Register(api, operation("create-token", http.MethodPost, "/tokens", Viewer, "A new API token; it is shown once"), o.newToken)
	huma.Register(api, operation("revoke-token", http.MethodDelete, "/tokens/{id}", Viewer, "Revoke an API token"), o.revokeToken)
}

func (o operations) registerDevices(api huma.API) {
	huma.Register(api, operation("list-credentials", http.MethodGet, "/devices/{id}/credentials", Field, "A device's credentials, without secrets"), o.credentials)
	huma.Register(api, operation("issue-credential", http.MethodPost, "/devices/{id}/credentials", Field, "A new secret for a device; it is shown once"), o.issue)
	huma.Register(api, operation("revoke-credentials", http.MethodDelete, "/devices/{id}/credentials", Field, "Revoke a device's credentials and end its connections"), o.revoke)
	huma.Register(api, operation("export-mosquitto-passwords", http.MethodGet, "/access/mosquitto/password_file", Admin, "Mosquitto's password_file"), o.passwordFile)
	huma.Register(api, operation("export-mosquitto-acl", http.MethodGet, "/access/mosquitto/acl_file", Admin, "Mosquitto's acl_file"), o.aclFile)
}

func (o operations) accounts(ctx context.Context, _ *struct{}) (*answer[[]Account], error) {
	return answered(o.c.Accounts(ctx, Actor(ctx)))
}

func (o operations) change(ctx context.Context, in *struct {
	Name string `path:"name" maxLength:"64"`
	Body struct {
		Version    int64                 `json:"version" minimum:"1" doc:"The version that was seen"`
		Display    *string               `json:"display,omitempty" maxLength:"200"`
		Role       *Role                 `json:"role,omitempty"`
		Localities *[]telemetry.Locality `json:"localities,omitempty" maxItems:"64"`
		Disabled   *bool                 `json:"disabled,omitempty"`
	}
}) (*answer[Account], error) {
	q, b := requestOf(ctx), in.Body
	return answered(o.c.ChangeAccount(ctx, q.Principal, in.Name, AccountChange{b.Version, b.Display, b.Role, b.Localities, b.Disabled}, q.caller()))
}

func (o operations) endTheirSessions(ctx context.Context, in *struct {
	Name string `path:"name" maxLength:"64"`
}) (*struct{}, error) {
	q := requestOf(ctx)
	return nil, o.c.RevokeSessions(ctx, q.Principal, in.Name, q.caller())
}

// LinkAnswer is a new link. It is shown once.
type LinkAnswer struct {
	Link    string    `json:"link" doc:"Its secret; the console makes the URL /welcome#link of it"`
	Expires time.Time `json:"expires"`
}

func (o operations) invite(ctx context.Context, in *struct {
	Body struct {
		Account    string               `json:"account,omitempty" maxLength:"64" doc:"A new password for this account; else a new account"`
		Role       Role                 `json:"role,omitempty"`
		Localities []telemetry.Locality `json:"localities,omitempty" maxItems:"64"`
	}
}) (*answer[LinkAnswer], error) {
	q, b := requestOf(ctx), in.Body
	l, err := o.c.Invite(ctx, q.Principal, Invitation{b.Account, b.Role, b.Localities}, q.caller())
	return answered(LinkAnswer{string(l.Secret), l.Expires}, err)
}

func (o operations) events(ctx context.Context, in *struct {
	Action  Action    `query:"action" maxLength:"64"`
	Who     string    `query:"who" maxLength:"128"`
	Subject string    `query:"subject" maxLength:"128"`
	Reason  string    `query:"reason" maxLength:"64"`
	From    time.Time `query:"from"`
	Before  int64     `query:"before" minimum:"0" doc:"Only smaller seq: the next page"`
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*answer[[]Event], error) {
	return answered(o.c.Events(ctx, EventFilter{in.Action, in.Who, in.Subject, in.Reason, in.From, in.Before, in.Limit}))
}

func (o operations) tokens(ctx context.Context, _ *struct{}) (*answer[[]Token], error) {
	return answered(o.c.Tokens(ctx, Actor(ctx)))
}

// TokenAnswer is a new token. It is shown once.
type TokenAnswer struct {
	Token
	Secret string `json:"secret" doc:"hd_…; to be sent as Authorization: Bearer"`
}

func (o operations) newToken(ctx context.Context, in *struct {
	Body struct {
		Name   string  `json:"name" minLength:"1" maxLength:"100"`
		Scopes []Scope `json:"scopes" minItems:"1" maxItems:"4" doc:"read, register, operate, admin"`
		Days   int     `json:"days" minimum:"1" maximum:"730" default:"90" doc:"How long it is good"`
	}
}) (*answer[TokenAnswer], error) {
	q, b := requestOf(ctx), in.Body
	t, err := o.c.CreateToken(ctx, q.Principal, b.Name, b.Scopes, time.Duration(b.Days)*day, q.caller())
	return answered(TokenAnswer{t.Token, string(t.Secret)}, err)
}

func (o operations) revokeToken(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	q := requestOf(ctx)
	return nil, o.c.RevokeToken(ctx, q.Principal, in.ID, q.caller())
}

func (o operations) credentials(ctx context.Context, in *struct {
	ID telemetry.Device `path:"id" maxLength:"64"`
}) (*answer[[]Credential], error) {
	return answered(o.c.Credentials(ctx, Actor(ctx), in.ID))
}

// IssuedAnswer is a new credential. It is shown once.
type IssuedAnswer struct {
	Credential
	Username string `json:"username"`
	Secret   string `json:"secret"`
}

func (o operations) issue(ctx context.Context, in *struct {
	ID   telemetry.Device `path:"id" maxLength:"64"`
	Body struct {
		OverlapHours int `json:"overlapHours,omitempty" minimum:"0" maximum:"720" doc:"How long the secret before it stays good"`
	}
}) (*answer[IssuedAnswer], error) {
	q := requestOf(ctx)
	i, err := o.c.Issue(ctx, q.Principal, in.ID, time.Duration(in.Body.OverlapHours)*time.Hour, q.caller())
	return answered(IssuedAnswer{i.Credential, i.Username, string(i.Secret)}, err)
}

func (o operations) revoke(ctx context.Context, in *struct {
	ID  telemetry.Device `path:"id" maxLength:"64"`
	Why string           `query:"why" maxLength:"200"`
}) (*struct{}, error) {
	q := requestOf(ctx)
	return nil, o.c.Revoke(ctx, q.Principal, in.ID, in.Why, q.caller())
}

type file struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func written(write func(io.Writer) error) (*file, error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return nil, err
	}
	return &file{"text/plain; charset=utf-8", "no-store", b.Bytes()}, nil
}

func (o operations) passwordFile(ctx context.Context, _ *struct{}) (*file, error) {
	return written(func(w io.Writer) error { return o.c.MosquittoPasswords(ctx, Actor(ctx), w) })
}

func (o operations) aclFile(ctx context.Context, _ *struct{}) (*file, error) {
	return written(func(w io.Writer) error { return o.c.MosquittoACL(ctx, Actor(ctx), w) })
}
