package access_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/haidang-iot/haidang/devices/access"
)

const shared = access.Secret("between EMQX and us")

// handler is what main makes of a Control.
func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("test", "1"))
	api.UseMiddleware(w.Operations)
	w.Register(api)
	register(api, "unguarded", nil)
	register(api, "misspelt", map[string]any{access.RoleKey: "viever"})
	for _, r := range access.Roles() {
		register(api, string(r), map[string]any{access.RoleKey: string(r)})
	}
	mux.Handle("/auth/oidc/", w.OIDCHandler())
	mux.Handle("/prometheus/", w.Require(access.Viewer, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	mux.Handle("/emqx/auth", w.EMQXAuthentication(shared))
	mux.Handle("/emqx/acl", w.EMQXAuthorization(shared))
	return w.Middleware(access.Headers{Encrypted: true}.Wrap(mux))
}

// register adds an operation that says who asked.
func register(api huma.API, id string, meta map[string]any) {
	type who struct{ Body string }
	huma.Register(api, huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/as/" + id, Metadata: meta},
		func(ctx context.Context, _ *struct{}) (*who, error) { return &who{access.Actor(ctx).String()}, nil })
}

// browser is a person's browser, or a program.
type browser struct {
	t      testing.TB
	base   string
	client *http.Client
	csrf   string
	header http.Header
}

// serve starts a TLS server, or a plain one.
func (w *world) serve(t testing.TB, encrypted bool) string {
	t.Helper()
	s := httptest.NewUnstartedServer(w.handler())
	if encrypted {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.URL
}

func newBrowser(t testing.TB, base string) *browser {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the test's own certificate
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t: t, base: base, header: http.Header{}, client: &http.Client{Jar: jar, Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do sends JSON and reads the answer.
func (b *browser) do(method, path string, body, into any) *http.Response {
	b.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			b.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, in)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = b.header.Clone()
	r.Header.Set("Content-Type", "application/json")
	if b.csrf != "" {
		r.Header.Set(access.CSRFHeader, b.csrf)
	}
	if h := b.header.Get("Host"); h != "" {
		r.Host = h
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if into != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(text, into); err != nil {
			b.t.Fatalf("%s: %v", text, err)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

// is checks a status.
func (b *browser) is(want int, method, path string, body, into any) *http.Response {
	b.t.Helper()
	resp := b.do(method, path, body, into)
	if resp.StatusCode != want {
		text, _ := io.ReadAll(resp.Body)
		b.t.Errorf("%s %s: have %d %s, want %d", method, path, resp.StatusCode, text, want)
	}
	return resp
}

func (b *browser) logIn(name string) {
	b.t.Helper()
	var me access.Me
	b.is(200, "POST", "/api/v1/session", map[string]any{"name": name, "password": string(good)}, &me)
	b.csrf = me.CSRF
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	url := w.serve(t, true)
	nobody := newBrowser(t, url)
	for _, path := range []string{"/as/unguarded", "/as/misspelt"} {
		nobody.is(403, "POST", path, nil, nil)
	}
	nobody.is(401, "POST", "/as/viewer", nil, nil)
	nobody.is(401, "GET", "/prometheus/x", nil, nil)
	for i, r := range access.Roles() {
		name := "p-" + string(r)
		w.person(name, r)
		b := newBrowser(t, url)
		b.logIn(name)
		b.is(200, "GET", "/prometheus/x", nil, nil)
		for k, least := range access.Roles() {
			want := 200
			if k > i {
				want = 403
			}
			b.is(want, "POST", "/as/"+string(least), nil, nil)
		}
		for _, path := range []string{"/as/unguarded", "/as/misspelt"} {
			b.is(403, "POST", path, nil, nil)
		}
		want := 403
		if r == access.Admin {
			want = 200
		}
		for _, path := range []string{"/accounts", "/access/events", "/access/mosquitto/acl_file", "/access/mosquitto/password_file"} {
			b.is(want, "GET", "/api/v1"+path, nil, nil)
		}
	}
	api := humago.New(http.NewServeMux(), huma.DefaultConfig("test", "1"))
	w.Register(api)
	if u := access.Unguarded(api); len(u) > 0 {
		t.Errorf("our own operations %v have no role", u)
	}
	register(api, "unguarded", nil)
	if u := access.Unguarded(api); !slices.Equal(u, []string{"POST /as/unguarded"}) {
		t.Errorf("have %v", u)
	}
	if w.count(access.EventFilter{Action: access.RequestRefused, Who: "p-viewer", Reason: "role_too_low"}) == 0 {
		t.Error("the journal does not know of the viewer's attempts")
	}
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	url := w.serve(t, true)
	w.person("lan", access.Operator)
	b, other := newBrowser(t, url), newBrowser(t, url)
	resp := b.is(200, "POST", "/api/v1/session", map[string]any{"name": "lan", "password": string(good)}, nil)
	c := resp.Cookies()[0]
	if c.Name != "__Host-haidang" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %v", c)
	}
	b.is(403, "POST", "/as/viewer", nil, nil) // no CSRF token
	b.csrf = "wrong"
	b.is(403, "POST", "/as/viewer", nil, nil)
	var me access.Me
	b.is(200, "GET", "/api/v1/session", nil, &me)
	b.csrf = me.CSRF
	b.is(200, "POST", "/as/viewer", nil, nil)
	other.logIn("lan")
	if b.csrf == other.csrf || other.csrf == "" {
		t.Error("two sessions have one CSRF token")
	}
	b.header.Set("Sec-Fetch-Site", "cross-site")
	b.is(403, "POST", "/as/viewer", nil, nil)
	b.header.Del("Sec-Fetch-Site")
	const next = "gió mùa đông bắc 88"
	b.is(401, "PUT", "/api/v1/password", map[string]any{"old": "wrong", "password": next}, nil)
	b.is(200, "PUT", "/api/v1/password", map[string]any{"old": string(good), "password": next}, &me)
	b.csrf = me.CSRF
	b.is(200, "POST", "/as/viewer", nil, nil)
	other.is(401, "POST", "/as/viewer", nil, nil) // ended with the old password
	b.is(204, "DELETE", "/api/v1/session", nil, nil)
	b.is(401, "POST", "/as/viewer", nil, nil)
	_, err := w.LogIn(t.Context(), "lan", next, from("10.0.0.1"))
	wants(t, "the new password", err, "")
	if n := w.count(access.EventFilter{Action: access.PasswordChanged}); n != 1 {
		t.Errorf("the journal has %d changes of password", n)
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	url := w.serve(t, true)
	w.person("lan", access.Operator)
	b := newBrowser(t, url)
	b.logIn("lan")
	w.pass(11 * time.Hour)
	b.is(200, "POST", "/as/viewer", nil, nil)
	w.pass(11 * time.Hour)
	b.is(200, "POST", "/as/viewer", nil, nil) // used in between
	w.pass(12 * time.Hour)
	b.is(401, "POST", "/as/viewer", nil, nil) // idle
	b.csrf = ""
	b.logIn("lan")
	for range 27 {
		w.pass(11 * time.Hour)
		b.is(200, "POST", "/as/viewer", nil, nil)
	}
	w.pass(50 * time.Hour)
	b.is(401, "POST", "/as/viewer", nil, nil)
	b.csrf = ""
	b.logIn("lan")
	w.ChangeAccount(t.Context(), root(), "lan", access.AccountChange{Version: 1, Role: ptr(access.Viewer)}, from("10.0.0.1"))
	b.is(403, "POST", "/as/operator", nil, nil) // at once
	w.ChangeAccount(t.Context(), root(), "lan", access.AccountChange{Version: 2, Disabled: ptr(true)}, from("10.0.0.1"))
	b.is(401, "POST", "/as/viewer", nil, nil)
}

func ptr[T any](v T) *T { return &v }

func TestTokens(t *testing.T) {
	w := newWorld(t)
	url := w.serve(t, true)
	w.person("lan", access.Operator)
	b := newBrowser(t, url)
	b.logIn("lan")
	b.is(422, "POST", "/api/v1/tokens", map[string]any{"name": "x", "scopes": []string{"admin"}, "days": 1}, nil)
	b.is(422, "POST", "/api/v1/tokens", map[string]any{"name": "x", "scopes": []string{"all"}, "days": 1}, nil)
	b.is(422, "POST", "/api/v1/tokens", map[string]any{"name": "x", "scopes": []string{}, "days": 1}, nil)
	b.is(422, "POST", "/api/v1/tokens", map[string]any{"name": "x", "scopes": []string{"read"}, "days": 1000}, nil)
	var got access.TokenAnswer
	b.is(200, "POST", "/api/v1/tokens", map[string]any{"name": "ci", "scopes": []string{"read", "register"}, "days": 1}, &got)
	if !strings.HasPrefix(got.Secret, "hd_") || len(got.Secret) != 46 {
		t.Fatalf("have a token of the form %q", got.Secret[:3])
	}
	program := newBrowser(t, url)
	program.header.Set("Authorization", "Bearer "+got.Secret)
	for role, want := range map[access.Role]int{access.Viewer: 200, access.Field: 200, access.Operator: 403, access.Admin: 403} {
		program.is(want, "POST", "/as/"+string(role), nil, nil)
	}
	program.is(403, "POST", "/api/v1/tokens", map[string]any{"name": "x", "scopes": []string{"read"}, "days": 1}, nil)
	list := b.is(200, "GET", "/api/v1/tokens", nil, nil)
	if text, _ := io.ReadAll(list.Body); bytes.Contains(text, []byte(got.Secret)) || bytes.Contains(text, []byte(access.DigestOf(access.Secret(got.Secret[3:])))) {
		t.Error("the list shows a token or its hash")
	}
	// A token never may more than its owner now.
	w.ChangeAccount(t.Context(), root(), "lan", access.AccountChange{Version: 1, Role: ptr(access.Viewer)}, from("10.0.0.1"))
	program.is(403, "POST", "/as/field", nil, nil)
	program.is(200, "GET", "/api/v1/sessions", nil, nil)
	for _, bad := range []string{"hd_", got.Secret + "x", got.Secret[:45], "hd_" + strings.Repeat("A", 43), "x", "HD_" + got.Secret[3:]} {
		p := newBrowser(t, url)
		p.header.Set("Authorization", "Bearer "+bad)
		p.is(401, "POST", "/as/viewer", nil, nil)
	}
	w.person("minh", access.Field)
	minh := newBrowser(t, url)
	minh.logIn("minh")
	minh.is(404, "DELETE", "/api/v1/tokens/"+got.ID, nil, nil) // another's
	b.is(204, "DELETE", "/api/v1/tokens/"+got.ID, nil, nil)
	program.is(401, "POST", "/as/viewer", nil, nil)
	b.is(200, "POST", "/api/v1/tokens", map[string]any{"name": "short", "scopes": []string{"read"}, "days": 1}, &got)
	program.header.Set("Authorization", "bearer "+got.Secret)
	program.is(200, "GET", "/api/v1/sessions", nil, nil)
	w.pass(24 * time.Hour)
	program.is(401, "POST", "/as/viewer", nil, nil)
	for action, want := range map[access.Action]int64{access.TokenMade: 2, access.TokenFirstUsed: 2, access.TokenRevoked: 1} {
		if n := w.count(access.EventFilter{Action: action}); n != want {
			t.Errorf("the journal has %d × %s, want %d", n, action, want)
		}
	}
	for _, reason := range []string{"revoked", "expired", "unknown", "malformed"} {
		if w.count(access.EventFilter{Action: access.TokenRefused, Reason: reason}) == 0 {
			t.Errorf("the journal has no token that is %s", reason)
		}
	}
}

func TestOpenMode(t *testing.T) {
	w := newWorld(t)
	loop := access.Exposure{HTTP: "127.0.0.1:8080", MQTT: "127.0.0.1:1883"}
	if m, err := w.Start(t.Context(), loop); m != access.Open || err != nil {
		t.Fatal(m, err)
	}
	url := w.serve(t, false)
	b := newBrowser(t, url)
	b.is(200, "POST", "/as/admin", nil, nil)
	var me access.Me
	b.is(200, "GET", "/api/v1/session", nil, &me)
	if me.Mode != "open" || me.Name != "local" || me.Role != access.Admin {
		t.Errorf("have %+v", me)
	}
	b.is(409, "POST", "/api/v1/tokens", map[string]any{"name": "x", "scopes": []string{"read"}, "days": 1}, nil)
	for name, value := range map[string]string{"Host": "evil.example", "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "Authorization": "Bearer x"} {
		other := newBrowser(t, url)
		other.header.Set(name, value)
		other.is(401, "POST", "/as/viewer", nil, nil)
	}
	// Passed on by a program of this machine for somebody at this machine, or not.
	for from, want := range map[string]int{"127.0.0.1": 200, "127.0.0.1, ::1": 200, "203.0.113.9, 127.0.0.1": 401, "127.0.0.1, 203.0.113.9": 401, "localhost": 401, ", 127.0.0.1": 401} {
		other := newBrowser(t, url)
		other.header.Set("X-Forwarded-For", from)
		other.header.Set("Via", "1.1 grafana")
		other.is(want, "POST", "/as/viewer", nil, nil)
	}
	other := newBrowser(t, url)
	other.header.Set("Origin", "http://evil.example")
	other.is(403, "POST", "/as/viewer", nil, nil)
	// The first link's use ends it, for all who are there.
	l, _, err := w.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	resp := b.is(200, "POST", "/api/v1/links/redeem", map[string]any{"link": string(l.Secret), "name": "an", "password": string(good)}, &me)
	if c := resp.Cookies()[0]; c.Name != "haidang" || c.Secure || !c.HttpOnly || me.Mode != "guarded" {
		t.Errorf("have the cookie %v and %+v", c, me)
	}
	newBrowser(t, url).is(401, "POST", "/as/viewer", nil, nil)
	b.csrf = me.CSRF
	b.is(200, "POST", "/as/admin", nil, nil)
	if m, _ := w.Start(t.Context(), loop); m != access.Guarded {
		t.Errorf("the next start is %s", m)
	}
}

// Another process's account ends open mode too.
func TestOpenModeIsWatched(t *testing.T) {
	w := newWorld(t)
	if m, _ := w.Start(t.Context(), access.Exposure{HTTP: "[::1]:1", MQTT: "localhost:2"}); m != access.Open {
		t.Fatal(m)
	}
	other, err := access.New(access.Options{Store: w.store.Access()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateAccount(t.Context(), root(), access.NewAccount{Name: "an", Role: access.Admin, Password: good}, access.Caller{}); err != nil {
		t.Fatal(err)
	}
	w.Look(t.Context())
	if w.Mode() != access.Guarded {
		t.Error("still open")
	}
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		e    access.Exposure
		want access.Mode
		err  string
	}{
		{access.Exposure{HTTP: "127.0.0.1:8080", MQTT: "127.0.0.1:1883"}, access.Open, ""},
		{access.Exposure{HTTP: "localhost:8080"}, access.Open, ""},
		{access.Exposure{HTTP: "[::1]:8080", MQTT: "[::ffff:127.0.0.1]:1883"}, access.Open, ""},
		{access.Exposure{HTTP: "127.0.0.1:8080", Accounts: 1}, access.Guarded, ""},
		{access.Exposure{HTTP: "127.0.0.1:8080", OIDC: true}, access.Guarded, ""},
		{access.Exposure{HTTP: ":8080", Encrypted: true}, 0, "nobody has an account"},
		{access.Exposure{HTTP: "0.0.0.0:8080", Accounts: 1}, 0, `--http is "0.0.0.0:8080"`},
		{access.Exposure{HTTP: "0.0.0.0:8080", Accounts: 1}, 0, "--tls-cert"},
		{access.Exposure{HTTP: "0.0.0.0:8080", Accounts: 1}, 0, "--proxy"},
		{access.Exposure{HTTP: "0.0.0.0:8080", Accounts: 1, Encrypted: true}, access.Guarded, ""},
		{access.Exposure{HTTP: "0.0.0.0:8080", Invited: true, Encrypted: true}, access.Guarded, ""},
		{access.Exposure{HTTP: "10.0.0.1:8080", Accounts: 1, Published: true}, access.Guarded, ""},
		{access.Exposure{HTTP: "127.0.0.1:8080", Published: true}, 0, "nobody has an account"}, // who comes by the proxy is not here
		{access.Exposure{HTTP: "127.0.0.1:8080", Published: true, Invited: true}, access.Guarded, ""},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: "0.0.0.0:1883", Accounts: 1}, 0, "--mqtt-credentials"},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: "0.0.0.0:1883", Accounts: 1, MQTTEncrypted: true, MQTTPlain: true}, 0, "--mqtt-credentials"},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: ":1883", Accounts: 1, Authenticated: true}, 0, "--mqtt-plain"},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: ":1883", Accounts: 1, Authenticated: true, Encrypted: true}, 0, "unencrypted"}, // HTTP's certificate is not MQTT's
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: ":1883", Authenticated: true, MQTTEncrypted: true}, 0, "console needs log-in"},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: ":1883", Authenticated: true, MQTTEncrypted: true, Accounts: 1}, access.Guarded, ""},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: ":1883", Authenticated: true, MQTTPlain: true, Accounts: 1}, access.Guarded, ""},
		{access.Exposure{MQTT: ":1883", Authenticated: true, MQTTEncrypted: true, OIDC: true}, access.Guarded, ""},
		{access.Exposure{HTTP: "example.org:80"}, 0, "unencrypted"},
		{access.Exposure{HTTP: "nonsense", Encrypted: true}, 0, "HOST:PORT"},
		{access.Exposure{HTTP: "127.0.0.1:1", MQTT: "1883", Authenticated: true}, 0, "HOST:PORT"},
		{access.Exposure{HTTP: "127.0.0.1.example:1", Encrypted: true}, 0, "nobody has an account"},
	} {
		m, err := access.Decide(c.e)
		switch {
		case c.err == "" && (err != nil || m != c.want):
			t.Errorf("%+v: have %s, %v", c.e, m, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%+v: have %s, %v; want an error with %q", c.e, m, err, c.err)
		}
	}
}
