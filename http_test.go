package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestForeignPagesAreKeptOut sends what a web page elsewhere could make a browser
// on this machine send.
func TestForeignPagesAreKeptOut(t *testing.T) {
	h := protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		name, method, host string
		header             map[string]string
		want               int
	}{
		{"own address", "GET", "127.0.0.1:8080", nil, 200},
		{"own name", "GET", "localhost:8080", nil, 200},
		{"own address, IPv6", "GET", "[::1]:8080", nil, 200},
		{"rebound name", "GET", "evil.example:8080", nil, 421},
		{"rebound to a private address", "GET", "192.168.1.1:8080", nil, 421},
		{"program without origin", "POST", "127.0.0.1:8080", nil, 200},
		{"own page", "POST", "127.0.0.1:8080", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"foreign page", "POST", "127.0.0.1:8080", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"foreign page of an old browser", "POST", "127.0.0.1:8080", map[string]string{"Origin": "https://evil.example"}, 403},
	} {
		r := httptest.NewRequest(c.method, "/api/v1/quarantine/redrive", strings.NewReader("{}"))
		r.Host = c.host
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.want)
		}
	}
}
