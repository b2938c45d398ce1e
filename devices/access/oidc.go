package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// OIDCStartPath begins a log-in with the issuer, OIDCCallbackPath ends it.
	OIDCStartPath    = "/auth/oidc/start"
	OIDCCallbackPath = "/auth/oidc/callback"
	// LogInPath is the console's page that a failed log-in goes back to, with the
	// reason as ?error=.
	LogInPath = "/login"

	oidcCookie   = "haidang-oidc"
	oidcLife     = 10 * time.Minute
	oidcTimeout  = 10 * time.Second
	oidcAnswer   = 1 << 20 // bytes
	oidcAtOnce   = 8
	maxIssuerTxt = 1 << 20
)

// OIDC is how people of an OpenID Connect issuer come in. Their accounts are made
// when they first log in, are told apart by issuer and subject, and take their
// role from a claim each time. An account that exists locally is never taken over
// by one of the same name.
type OIDC struct {
	Issuer       string
	ClientID     string
	ClientSecret Secret
	// RedirectURL is this console's OIDCCallbackPath as browsers reach it.
	RedirectURL string
	// Scopes are asked for beside openid; profile if there are none.
	Scopes []string
	// RoleClaim is the claim that holds one or several words, a dot leading into
	// an object ("groups", "realm_access.roles"); Roles says which role a word
	// gives. The greatest counts. Without any the role is Default, or, where that
	// is empty, nobody gets in.
	RoleClaim string
	Roles     map[string]Role
	Default   Role
	// NameClaim is what the account is called: preferred_username.
	NameClaim string
	// LocalityClaim is the claim of the localities, as words; "" is all.
	LocalityClaim string
	// Client makes the requests to the issuer; nil is one with a time limit.
	Client *http.Client
}

// provider is the issuer as it is used.
type provider struct {
	OIDC
	slots chan struct{}

	mu    sync.Mutex
	found *oidc.Provider
}

func newProvider(o OIDC) (*provider, error) {
	for name, raw := range map[string]string{"issuer": o.Issuer, "redirect URL": o.RedirectURL} {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("the %s is no URL", name)
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname())) {
			return nil, fmt.Errorf("the %s must begin with https://", name)
		}
		if name == "redirect URL" && u.Path != OIDCCallbackPath {
			return nil, fmt.Errorf("the path of the redirect URL must be %s", OIDCCallbackPath)
		}
	}
	if o.ClientID == "" {
		return nil, errors.New("the client id is missing")
	}
	for word, r := range o.Roles {
		if r.rank() == 0 {
			return nil, fmt.Errorf("%q gives the role %q, which does not exist", word, r)
		}
	}
	if o.Default != "" && o.Default.rank() == 0 || o.Default == "" && (len(o.Roles) == 0 || o.RoleClaim == "") {
		return nil, errors.New("nothing says which role people get: name a claim and the roles that its words give, or a default role")
	}
	if o.NameClaim == "" {
		o.NameClaim = "preferred_username"
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"profile"}
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: oidcTimeout}
	}
	client := *o.Client // its owner's stays as it is
	client.Transport = boundedTransport{client.Transport}
	o.Client = &client
	return &provider{OIDC: o, slots: make(chan struct{}, oidcAtOnce)}, nil
}

// boundedTransport bounds what is read of an answer: discovery, keys and tokens have
// some kilobytes, and the library reads to the end.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	res, err := next.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, oidcAnswer)
	}
	return res, err
}

// discover asks the issuer where its parts are, until it has answered once: it
// may be down when we start.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	found := p.found
	p.mu.Unlock()
	if found == nil {
		var err error
		if found, err = oidc.NewProvider(ctx, p.Issuer); err != nil {
			return nil, nil, fmt.Errorf("ask issuer: %w", err)
		}
		p.mu.Lock()
		p.found = found
		p.mu.Unlock()
	}
	scopes := append([]string{oidc.ScopeOpenID}, p.Scopes...)
	return found, &oauth2.Config{ClientID: p.ClientID, ClientSecret: string(p.ClientSecret), Endpoint: found.Endpoint(),
		RedirectURL: p.RedirectURL, Scopes: slices.Compact(scopes)}, nil
}

// flow is what a browser keeps, in a cookie that scripts cannot read, between the
// two halves of a log-in.
type flow struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Next     string    `json:"t"`
	Expires  time.Time `json:"e"`
}

func (f flow) String() string {
	text, _ := json.Marshal(f) // strings and a time: cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseFlow(s string) (f flow, ok bool) {
	if len(s) > 4096 {
		return f, false
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(text, &f) != nil {
		return f, false
	}
	return f, f.State != "" && f.Nonce != "" && f.Verifier != ""
}

// sameText compares in constant time.
func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// nextPage is where to go after log-in: a page of ours, whatever was asked for.
func nextPage(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > 1024 || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(s, "/") ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	return s
}

// claims is what the issuer says of a person.
type claims struct {
	subject, name, shown string
	role                 Role
	localities           []telemetry.Locality
}

// exchange turns the code into claims: all that OpenID Connect Core 3.1.3.7 asks
// for is checked here or in go-oidc.
func (p *provider) exchange(ctx context.Context, code string, f flow) (cl claims, err error) {
	found, conf, err := p.discover(ctx)
	if err != nil {
		return cl, err
	}
	token, err := conf.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return cl, fmt.Errorf("exchange code: %w", withoutBody(err))
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" || len(raw) > maxIssuerTxt {
		return cl, errors.New("read answer of issuer: it has no ID token")
	}
	id, err := found.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return cl, fmt.Errorf("verify ID token: %w", err)
	}
	if !sameText(id.Nonce, f.Nonce) {
		return cl, errors.New("verify ID token: its nonce is another log-in's")
	}
	all := map[string]any{}
	if err := id.Claims(&all); err != nil {
		return cl, fmt.Errorf("read claims: %w", err)
	}
	party, _ := all["azp"].(string)
	if (len(id.Audience) > 1 || party != "") && party != p.ClientID {
		return cl, errors.New("verify ID token: it was made for another client")
	}
	return p.read(id.Subject, all)
}

// withoutBody leaves out what the issuer answered: it may repeat secrets.
func withoutBody(err error) error {
	var r *oauth2.RetrieveError
	if errors.As(err, &r) && r.Response != nil {
		return fmt.Errorf("the issuer answered %s %s", r.Response.Status, clip(r.ErrorCode, 64))
	}
	return err
}

// read takes from the claims what the configuration asks for.
func (p *provider) read(subject string, all map[string]any) (cl claims, err error) {
	cl = claims{subject: subject, role: p.Default}
	if subject == "" || len(subject) > 255 {
		return cl, errors.New("read claims: no usable subject")
	}
	for _, word := range wordsAt(all, p.RoleClaim) {
		if r := p.Roles[word]; r.rank() > cl.role.rank() {
			cl.role = r
		}
	}
	if cl.role.rank() == 0 {
		return cl, fault(ReasonNoOIDCRole, "")
	}
	if p.LocalityClaim != "" && cl.role != Admin {
		for _, word := range wordsAt(all, p.LocalityClaim) {
			cl.localities = append(cl.localities, telemetry.Locality(word))
		}
		if len(cl.localities) == 0 || checkLocalities(cl.role, cl.localities) != nil {
			return cl, fault(ReasonNoOIDCRole, "") // none would mean all
		}
	}
	names := wordsAt(all, p.NameClaim)
	if len(names) != 1 || checkName(strings.ToLower(names[0])) != nil {
		return cl, fault(ReasonBadName, "name")
	}
	cl.name = strings.ToLower(names[0])
	if shown := wordsAt(all, "name"); len(shown) == 1 {
		cl.shown = display(shown[0])
	}
	return cl, nil
}

// wordsAt are the texts of a claim, which is one or a list of them. A claim whose
// own name has dots, such as a URL, is found before an object is looked into.
func wordsAt(all map[string]any, path string) []string {
	if path == "" {
		return nil
	}
	v, ok := all[path]
	if !ok {
		first, rest, dotted := strings.Cut(path, ".")
		inner, object := all[first].(map[string]any)
		if !dotted || !object {
			return nil
		}
		return wordsAt(inner, rest)
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v[:min(len(v), 1000)] {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
