package access_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
)

// issuer is an OpenID Connect provider that keeps the contract: discovery, keys,
// codes that are good once, PKCE, the client's secret, and the nonce.
type issuer struct {
	t   testing.TB
	url string
	key *rsa.PrivateKey

	mu     sync.Mutex
	codes  map[string]url.Values // by code: what was asked for at authorisation
	claims map[string]any        // of who logs in next
	// spoil changes the ID token's claims, sign its signature.
	spoil func(map[string]any)
	sign  func(header, claims map[string]any) string
}

func startIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, codes: map[string]url.Values{}, claims: map[string]any{}}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	i.url = s.URL
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
			"jwks_uri": i.url + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		e := big.NewInt(int64(key.E)).Bytes()
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1",
			"n": b64(key.N.Bytes()), "e": b64(e)}}})
	})
	mux.HandleFunc("/authorize", i.authorize)
	mux.HandleFunc("/token", i.token)
	return i
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (i *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != "haidang" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" ||
		q.Get("state") == "" || q.Get("nonce") == "" || !strings.Contains(q.Get("scope"), "openid") {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	code := fmt.Sprintf("code-%d", len(i.codes))
	i.codes[code] = q
	http.Redirect(w, r, q.Get("redirect_uri")+"?code="+code+"&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	asked, ok := i.codes[r.FormValue("code")]
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != "haidang" || secret != "s3cret" || b64(sum[:]) != asked.Get("code_challenge") || r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	i.codes[r.FormValue("code")] = nil // good once: nothing hashes to its challenge now
	c := map[string]any{"iss": i.url, "aud": "haidang", "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	for k, v := range i.claims {
		c[k] = v
	}
	if i.spoil != nil {
		i.spoil(c)
	}
	header := map[string]any{"alg": "RS256", "kid": "k1"}
	sign := i.rs256
	if i.sign != nil {
		sign = i.sign
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": sign(header, c)})
}

func part(v any) string {
	text, _ := json.Marshal(v)
	return b64(text)
}

func (i *issuer) rs256(header, claims map[string]any) string {
	text := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Error(err)
	}
	return text + "." + b64(sig)
}

// next says who logs in next.
func (i *issuer) next(sub, name string, groups ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = map[string]any{"sub": sub, "preferred_username": name, "name": "Nguyễn " + name, "realm_access": map[string]any{"roles": groups}}
	i.spoil, i.sign = nil, nil
}

// oidcWorld is a world with an issuer and a server.
func oidcWorld(t *testing.T) (*world, *issuer, string) {
	i := startIssuer(t)
	// The redirect URL is known before the server's port is: the test sends the
	// browser to the right place by itself.
	w := newWorld(t, func(o *access.Options) {
		o.OIDC = &access.OIDC{Issuer: i.url, ClientID: "haidang", ClientSecret: "s3cret", RedirectURL: "https://haidang.example" + access.OIDCCallbackPath,
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
	i.next("u-1", "Minh", "city-field", "other")
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
	i.next("u-1", "minh2", "city-admin")
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
		i.next(c.sub, c.name, c.group)
		nb := newBrowser(t, base)
		if to := enter(nb, nil); to != "/login?error="+c.want {
			t.Errorf("%+v ended at %s", c, to)
		}
		nb.is(401, "POST", "/as/viewer", nil, nil)
	}
	w.person("another", access.Admin)
	a := account(t, w, "minh")
	change(t, w, a, access.AccountChange{Disabled: ptr(true)})
	i.next("u-1", "minh", "city-admin")
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
		"another's key":     func(map[string]any) { i.sign = (&issuer{t: t, key: other}).rs256 },
		"no signature":      func(map[string]any) { i.sign = unsigned },
		"HMAC with the key": func(map[string]any) { i.sign = i.hs256 },
	} {
		i.next("u-1", "minh", "city-admin")
		i.spoil = spoil
		b := newBrowser(t, base)
		if to := enter(b, nil); to != "/login?error=oidc_failed" {
			t.Errorf("%s: ended at %s", name, to)
		}
		b.is(401, "POST", "/as/viewer", nil, nil)
	}
	i.next("u-1", "minh", "city-admin")
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
	return part(header) + "." + part(claims) + "."
}

// hs256 signs with the public key as if it were a shared secret.
func (i *issuer) hs256(header, claims map[string]any) string {
	header["alg"] = "HS256"
	text := part(header) + "." + part(claims)
	m := hmac.New(sha256.New, i.key.N.Bytes())
	m.Write([]byte(text))
	return text + "." + b64(m.Sum(nil))
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
