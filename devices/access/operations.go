package access

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// operations are the handlers of the REST interface.
type operations struct{ c *Control }

// Register adds the operations to a huma API that uses [Control.Operations].
func (c *Control) Register(api huma.API) {
	o := operations{c}
	o.registerSession(api)
	o.registerPeople(api)
	o.registerTokens(api)
	o.registerDevices(api)
}

func operation(id, method, path string, least Role, summary string) huma.Operation {
	o := huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, Tags: []string{"access"},
		Metadata: map[string]any{RoleKey: least}, MaxBodyBytes: 64 << 10}
	if method == http.MethodDelete {
		o.DefaultStatus = http.StatusNoContent
	}
	return o
}

func (o operations) registerSession(api huma.API) {
	huma.Register(api, operation("get-session", http.MethodGet, "/session", Anyone, "Who is logged in, and how one can log in"), o.me)
	huma.Register(api, operation("log-in", http.MethodPost, "/session", Anyone, "Log in by name and password"), o.logIn)
	huma.Register(api, operation("log-out", http.MethodDelete, "/session", Viewer, "Log out"), o.logOut)
	huma.Register(api, operation("list-sessions", http.MethodGet, "/sessions", Viewer, "Where one is logged in"), o.sessions)
	huma.Register(api, operation("end-sessions", http.MethodDelete, "/sessions", Viewer, "Log out everywhere"), o.endSessions)
	huma.Register(api, operation("change-password", http.MethodPut, "/password", Viewer, "Change one's password; ends all other sessions"), o.password)
	huma.Register(api, operation("look-link", http.MethodPost, "/links/look", Anyone, "What a link is for"), o.lookLink)
	huma.Register(api, operation("redeem-link", http.MethodPost, "/links/redeem", Anyone, "Use a link: make the account, or set the password, and log in"), o.redeem)
}

// Me is who is logged in.
type Me struct {
	SignedIn   bool                 `json:"signedIn"`
	Name       string               `json:"name,omitempty"`
	Role       Role                 `json:"role,omitempty"`
	Localities []telemetry.Locality `json:"localities,omitempty" doc:"Those that may be changed; absent: all"`
	Mode       string               `json:"mode" enum:"open,guarded" doc:"open: nobody has an account yet and this machine's user may do all"`
	OIDC       bool                 `json:"oidc" doc:"Logging in through the identity provider is possible"`
	CSRF       string               `json:"csrf,omitempty" doc:"To be sent as X-CSRF-Token with every change"`
}

type answer[T any] struct {
	CacheControl string `header:"Cache-Control"`
	Body         T
}

func answered[T any](v T, err error) (*answer[T], error) {
	if err != nil {
		return nil, err
	}
	return &answer[T]{"no-store", v}, nil
}

type entered struct {
	CacheControl string   `header:"Cache-Control"`
	Cookie       []string `header:"Set-Cookie"`
	Body         Me
}

func (o operations) describe(p Principal, secret Secret) Me {
	m := Me{SignedIn: p.Account != "", Name: p.String(), Role: p.Role, Localities: p.Localities, Mode: o.c.Mode().String(), OIDC: o.c.oidc != nil}
	if secret != "" {
		m.CSRF = csrfToken(secret)
	}
	return m
}

func (o operations) me(ctx context.Context, _ *struct{}) (*answer[Me], error) {
	q := requestOf(ctx)
	return answered(o.describe(q.Principal, q.secret), nil)
}

// enter is the answer to a log-in: who it is, and the cookies.
func (o operations) enter(ctx context.Context, in SignedIn, err error) (*entered, error) {
	if err != nil {
		return nil, err
	}
	q := requestOf(ctx)
	cookies := []string{o.c.cookie(q, in.Secret, in.Expires).String()}
	if sign := familiarize(in.Account, q.familiar); sign != "" {
		cookies = append(cookies, q.familiarCookie(sign).String())
	}
	return &entered{"no-store", cookies, o.describe(in.Account.principal(), in.Secret)}, nil
}

func (o operations) logIn(ctx context.Context, in *struct {
	Body struct {
		Name     string `json:"name" maxLength:"256"`
		Password string `json:"password" maxLength:"1024"`
	}
}) (*entered, error) {
	q := requestOf(ctx)
	if err := q.canKeep(); err != nil {
		return nil, err
	}
	s, err := o.c.LogIn(ctx, in.Body.Name, Secret(in.Body.Password), q.caller())
	return o.enter(ctx, s, err)
}

type left struct {
	Cookie []string `header:"Set-Cookie"`
}

func (o operations) logOut(ctx context.Context, _ *struct{}) (*left, error) {
	q := requestOf(ctx)
	if err := o.c.LogOut(ctx, q.Principal, q.caller()); err != nil {
		return nil, err
	}
	return o.leave(q), nil
}

func (o operations) leave(q request) *left {
	return &left{[]string{o.c.cookie(q, "", time.Time{}).String()}}
}

func (o operations) sessions(ctx context.Context, _ *struct{}) (*answer[[]Session], error) {
	var all []Session
	err := o.c.store.Read(ctx, func(r Reader) (err error) {
		all, err = r.Sessions(ctx, Actor(ctx).Account)
		return err
	})
	return answered(all, wrapped("read sessions", err))
}

func (o operations) endSessions(ctx context.Context, _ *struct{}) (*left, error) {
	q := requestOf(ctx)
	if err := o.c.RevokeSessions(ctx, q.Principal, q.Account, q.caller()); err != nil {
		return nil, err
	}
	return o.leave(q), nil
}

func (o operations) password(ctx context.Context, in *struct {
	Body struct {
		Old      string `json:"old" maxLength:"1024"`
		Password string `json:"password" maxLength:"1024"`
	}
}) (*entered, error) {
	q := requestOf(ctx)
	if q.Token != "" { // a program has no password to change
		return nil, fault(ReasonPerson, "")
	}
	if err := q.canKeep(); err != nil {
		return nil, err
	}
	s, err := o.c.ChangePassword(ctx, q.Principal, Secret(in.Body.Old), Secret(in.Body.Password), q.caller())
	return o.enter(ctx, s, err)
}

// LinkInfo is what a link is for.
type LinkInfo struct {
	Account string `json:"account,omitempty" doc:"Set a new password for this account"`
	Role    Role   `json:"role,omitempty" doc:"Make an account of this role"`
}

func (o operations) lookLink(ctx context.Context, in *struct {
	Body struct {
		Link string `json:"link" maxLength:"256"`
	}
}) (*answer[LinkInfo], error) {
	i, err := o.c.LookLink(ctx, Secret(in.Body.Link), requestOf(ctx).caller())
	return answered(LinkInfo{i.Account, i.Role}, err)
}

func (o operations) redeem(ctx context.Context, in *struct {
	Body struct {
		Link     string `json:"link" maxLength:"256"`
		Name     string `json:"name,omitempty" maxLength:"256"`
		Display  string `json:"display,omitempty" maxLength:"256"`
		Password string `json:"password" maxLength:"1024"`
	}
}) (*entered, error) {
	q, b := requestOf(ctx), in.Body
	if err := q.canKeep(); err != nil {
		return nil, err
	}
	s, err := o.c.Redeem(ctx, Secret(b.Link), b.Name, b.Display, Secret(b.Password), q.caller())
	return o.enter(ctx, s, err)
}
