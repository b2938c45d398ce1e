// Package oidctest is an OpenID Connect issuer for tests: of its own process or of
// the program as a whole, which know it by its URL alone.
package oidctest

import (
	"crypto"
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
)

// Client and Secret are those of the one client that an issuer knows.
const (
	Client = "haidang"
	Secret = "s3cret"
)

// Issuer is an OpenID Connect provider that keeps the contract: discovery, keys,
// codes that are good once, PKCE, the client's secret, and the nonce.
type Issuer struct {
	// URL is what it is known by.
	URL string
	// Key signs its tokens.
	Key *rsa.PrivateKey
	t   testing.TB

	mu     sync.Mutex
	codes  map[string]url.Values // by code: what was asked for at authorisation
	claims map[string]any        // of who logs in next
	// Spoil changes the next ID token's claims, Sign makes its signature.
	Spoil func(map[string]any)
	Sign  func(header, claims map[string]any) string
}

// Start starts an issuer that ends with the test. It knows the client [Client]
// with [Secret].
func Start(t testing.TB) *Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{t: t, Key: key, codes: map[string]url.Values{}, claims: map[string]any{}}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	i.URL = s.URL
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
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

// b64 is what tokens are written in.
func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != Client || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" ||
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

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	asked, ok := i.codes[r.FormValue("code")]
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != Client || secret != Secret || b64(sum[:]) != asked.Get("code_challenge") || r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	i.codes[r.FormValue("code")] = nil // good once: nothing hashes to its challenge now
	c := map[string]any{"iss": i.URL, "aud": Client, "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	for k, v := range i.claims {
		c[k] = v
	}
	if i.Spoil != nil {
		i.Spoil(c)
	}
	header := map[string]any{"alg": "RS256", "kid": "k1"}
	sign := i.RS256
	if i.Sign != nil {
		sign = i.Sign
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": sign(header, c)})
}

// Part is one part of a token.
func Part(v any) string {
	text, _ := json.Marshal(v)
	return b64(text)
}

// RS256 signs a token as the issuer does.
func (i *Issuer) RS256(header, claims map[string]any) string {
	text := Part(header) + "." + Part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, i.Key, crypto.SHA256, sum[:])
	if err != nil {
		i.t.Error(err)
	}
	return text + "." + b64(sig)
}

// Next says who logs in next.
func (i *Issuer) Next(sub, name string, groups ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = map[string]any{"sub": sub, "preferred_username": name, "name": "Nguyễn " + name, "realm_access": map[string]any{"roles": groups}}
	i.Spoil, i.Sign = nil, nil
}
