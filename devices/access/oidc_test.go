package access_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/access/oidctest"
)

// oidcWorld is a world with an issuer and a server.
func oidcWorld(t *testing.T) (*world, *oidctest.Issuer, string) {
	i := oidctest.Start(t)
	// The redirect URL is known before the server's port is: the test sends the
	// browser to the right place by itself.
	w := newWorld(t, func(o *access.Options) {
		o.OIDC = &access.OIDC{Issuer: i.URL, ClientID: oidctest.Client, ClientSecret: oidctest.Secret, RedirectURL: "https://haidang.example" + access.OIDCCallbackPath,
			RoleClaim: "realm_access.roles", Roles: map[string]access.Role{"city-admin": access.Admin, "city-field": access.Field}}
		tr := &http.Transport{}
		t.Cleanup(tr.CloseIdleConnections)
		o.OIDC.Client = &http.Client{Transport: tr, Timeout: 10 * time.Second}
	})
	return w, i, w.serve(t, true)
}

// enter goes the whole way of a log-in and gives where it ends. change may alter
// what the issuer sends the browser back with.
func enter(b *browser, change func(url.Values)) string {
	b.t.Helper()
	resp := b.is(303, "GET", access.OIDCStartPath+"?next=/sites/thap-ba", nil, nil)
	to := resp.Header.Get("Location")
	if strings.HasPrefix(to, "/") {
		return to
	}
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", to, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err = b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != 302 {
		b.t.Fatalf("the issuer answered %s, %v", resp.Status, err)
	}
	q := back.Query()
	if change != nil {
		change(q)
	}
	return b.is(303, "GET", back.Path+"?"+q.Encode(), nil, nil).Header.Get("Location")
}

func TestOIDC(t *testing.T) {
	w, i, base := oidcWorld(t)
	w.person("lan", access.Viewer)
	i.Next("u-1", "Minh", "city-field", "other")
	b := newBrowser(t, base)
	if to := enter(b, nil); to != "/sites/thap-ba" {
		t.Fatalf("ended at %s", to)
	}
	var me access.Me
	b.is(200, "GET", "/api/v1/session", nil, &me)
	if me.Name != "minh" || me.Role != access.Field || !me.OIDC {
		t.Errorf("have %+v", me)
	}
	b.csrf = me.CSRF
	b.is(200, "POST", "/as/field", nil, nil)
	b.is(409, "PUT", "/api/v1/password", map[string]any{"old": "x", "password": string(good)}, nil)
	_, err := w.LogIn(t.Context(), "minh", "", from("10.0.0.1"))
	wants(t, "an empty password for who has none", err, access.ReasonWrongLogIn)
	// The role follows the issuer, in the journal too; the name does not matter.
	i.Next("u-1", "minh2", "city-admin")
	b2 := newBrowser(t, base)
	enter(b2, nil)
	b2.is(200, "GET", "/api/v1/session", nil, &me)
	if me.Name != "minh" || me.Role != access.Admin {
		t.Errorf("have %+v", me)
	}
	if w.count(access.EventFilter{Action: access.RoleChanged, Subject: "minh"}) != 1 {
		t.Error("the journal does not know of the new role")
	}
	for _, c := range []struct{ sub, name, group, want string }{
		{"u-2", "lan", "city-admin", "name_taken"}, // a local account is not taken over
		{"u-3", "hoa", "visitors", "oidc_without_role"},
		{"", "hoa", "city-field", "oidc_failed"},
		{"u-4", "Đặng Hoa", "city-field", "bad_name"},
		{"u-5", "local", "city-admin", "bad_name"},
	} {
		i.Next(c.sub, c.name, c.group)
		nb := newBrowser(t, base)
		if to := enter(nb, nil); to != "/login?error="+c.want {
			t.Errorf("%+v ended at %s", c, to)
		}
		nb.is(401, "POST", "/as/viewer", nil, nil)
	}
	w.person("another", access.Admin)
	a := account(t, w, "minh")
	change(t, w, a, access.AccountChange{Disabled: ptr(true)})
	i.Next("u-1", "minh", "city-admin")
	if to := enter(newBrowser(t, base), nil); to != "/login?error=oidc_without_role" {
		t.Errorf("a disabled account ended at %s", to)
	}
}

func TestOIDCRefusals(t *testing.T) {
	_, i, base := oidcWorld(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(map[string]any){
		"another nonce":     func(c map[string]any) { c["nonce"] = "x" },
		"no nonce":          func(c map[string]any) { delete(c, "nonce") },
		"another audience":  func(c map[string]any) { c["aud"] = "grafana" },
		"two audiences":     func(c map[string]any) { c["aud"] = []string{"haidang", "grafana"} },
		"another party":     func(c map[string]any) { c["azp"] = "grafana" },
		"another issuer":    func(c map[string]any) { c["iss"] = "https://evil.example" },
		"expired":           func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"another's key":     func(map[string]any) { i.Sign = (&oidctest.Issuer{Key: other}).RS256 },
		"no signature":      func(map[string]any) { i.Sign = unsigned },
		"HMAC with the key": func(map[string]any) { i.Sign = hs256(i) },
	} {
		i.Next("u-1", "minh", "city-admin")
		i.Spoil = spoil
		b := newBrowser(t, base)
		if to := enter(b, nil); to != "/login?error=oidc_failed" {
			t.Errorf("%s: ended at %s", name, to)
		}
		b.is(401, "POST", "/as/viewer", nil, nil)
	}
	i.Next("u-1", "minh", "city-admin")
	for name, change := range map[string]func(url.Values){
		"another state": func(q url.Values) { q.Set("state", "x") },
		"no state":      func(q url.Values) { q.Del("state") },
		"no code":       func(q url.Values) { q.Del("code") },
		"unknown code":  func(q url.Values) { q.Set("code", "x") },
		"an error":      func(q url.Values) { q.Set("error", "access_denied") },
	} {
		if to := enter(newBrowser(t, base), change); to != "/login?error=oidc_failed" {
			t.Errorf("%s: ended at %s", name, to)
		}
	}
	// Another browser's answer, and one's own a second time.
	var stolen url.Values
	victim, thief := newBrowser(t, base), newBrowser(t, base)
	if to := enter(victim, func(q url.Values) { stolen = url.Values{"code": q["code"], "state": q["state"]} }); to != "/sites/thap-ba" {
		t.Fatalf("ended at %s", to)
	}
	for _, b := range []*browser{victim, thief} {
		if to := b.is(303, "GET", access.OIDCCallbackPath+"?"+stolen.Encode(), nil, nil).Header.Get("Location"); to != "/login?error=oidc_failed" {
			t.Errorf("a used answer ended at %s", to)
		}
	}
}

func unsigned(header, claims map[string]any) string {
	header["alg"] = "none"
	return oidctest.Part(header) + "." + oidctest.Part(claims) + "."
}

// hs256 signs with the public key as if it were a shared secret.
func hs256(i *oidctest.Issuer) func(header, claims map[string]any) string {
	return func(header, claims map[string]any) string {
		header["alg"] = "HS256"
		text := oidctest.Part(header) + "." + oidctest.Part(claims)
		m := hmac.New(sha256.New, i.Key.N.Bytes())
		m.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
}

func TestOIDCConfiguration(t *testing.T) {
	ok := access.OIDC{Issuer: "https://id.example", ClientID: "haidang", RedirectURL: "https://h.example" + access.OIDCCallbackPath, Default: access.Viewer}
	for name, change := range map[string]func(*access.OIDC){
		"plain issuer":      func(o *access.OIDC) { o.Issuer = "http://id.example" },
		"no issuer":         func(o *access.OIDC) { o.Issuer = "" },
		"another path":      func(o *access.OIDC) { o.RedirectURL = "https://h.example/x" },
		"no client":         func(o *access.OIDC) { o.ClientID = "" },
		"no role":           func(o *access.OIDC) { o.Default = "" },
		"unknown role":      func(o *access.OIDC) { o.RoleClaim, o.Roles = "g", map[string]access.Role{"x": "root"} },
		"unknown default":   func(o *access.OIDC) { o.Default = "root" },
		"anyone is no role": func(o *access.OIDC) { o.Default = access.Anyone },
	} {
		o := ok
		change(&o)
		if _, err := access.New(access.Options{Store: newWorld(t).store.Access(), OIDC: &o}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := access.New(access.Options{Store: newWorld(t).store.Access(), OIDC: &ok}); err != nil {
		t.Error(err)
	}
}

// endless answers with a body that has no end, and counts what is read of it.
type endless struct{ read atomic.Int64 }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(e), Request: r}, nil
}

func (e *endless) Read(b []byte) (int, error) {
	for n := range b {
		b[n] = ' '
	}
	if e.read.Add(int64(len(b))) > 8<<20 {
		return 0, io.EOF // else the test would never fail
	}
	return len(b), nil
}

// TestOIDCAnswersAreBounded: what an issuer answers is read to a bound.
func TestOIDCAnswersAreBounded(t *testing.T) {
	e := &endless{}
	w := newWorld(t, func(o *access.Options) {
		o.OIDC = &access.OIDC{Issuer: "https://issuer.example", ClientID: "haidang", RedirectURL: "https://haidang.example" + access.OIDCCallbackPath,
			Default: access.Viewer, Client: &http.Client{Transport: e}}
	})
	b := newBrowser(t, w.serve(t, true))
	if to := b.is(303, "GET", access.OIDCStartPath, nil, nil).Header.Get("Location"); !strings.Contains(to, "error=") {
		t.Errorf("sent to %s", to)
	}
	if n := e.read.Load(); n == 0 || n > 2<<20 {
		t.Errorf("%d bytes of an answer were read", n)
	}
}
