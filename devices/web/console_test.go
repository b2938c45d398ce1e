package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() fstest.MapFS {
	return fstest.MapFS{
		"index.html":           {Data: []byte("<!doctype html><title>page</title>")},
		"sw.js":                {Data: []byte("self")},
		"assets/index-abc.js":  {Data: []byte(strings.Repeat("let a = 1;\n", 100))},
		"assets/a-400.woff2":   {Data: []byte("font")},
		"manifest.webmanifest": {Data: []byte("{}")},
	}
}

func get(t *testing.T, h http.Handler, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestConsoleServes(t *testing.T) {
	c := newConsole(built(), Options{})
	for _, tc := range []struct {
		path, contentType, cache string
		status                   int
	}{
		{"/", "text/html; charset=utf-8", "no-cache", 200},
		{"/sites/cau-da", "text/html; charset=utf-8", "no-cache", 200},
		{"/register", "text/html; charset=utf-8", "no-cache", 200},
		{"/index.html", "text/html; charset=utf-8", "no-cache", 200},
		{"/sw.js", "text/javascript; charset=utf-8", "no-cache", 200},
		{"/manifest.webmanifest", "application/manifest+json", "no-cache", 200},
		{"/assets/index-abc.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", 200},
		{"/assets/a-400.woff2", "font/woff2", "public, max-age=31536000, immutable", 200},
		{"/assets/gone-def.js", "text/plain; charset=utf-8", "", 404},
		{"/../console.go", "text/plain; charset=utf-8", "", 404},
	} {
		res := get(t, c, tc.path)
		if res.StatusCode != tc.status {
			t.Errorf("%s: have status %d, want %d", tc.path, res.StatusCode, tc.status)
		}
		if have := res.Header.Get("Content-Type"); have != tc.contentType {
			t.Errorf("%s: have type %q, want %q", tc.path, have, tc.contentType)
		}
		if have := res.Header.Get("Cache-Control"); have != tc.cache {
			t.Errorf("%s: have cache control %q, want %q", tc.path, have, tc.cache)
		}
	}
}

// A site's id may have a dot; its page is a page all the same.
func TestConsoleServesSitesWithDots(t *testing.T) {
	c := newConsole(built(), Options{})
	if res := get(t, c, "/sites/tram.so.1"); res.StatusCode != 200 {
		t.Errorf("have status %d, want 200", res.StatusCode)
	}
}

func TestConsoleCompresses(t *testing.T) {
	c := newConsole(built(), Options{})
	for range 2 {
		res := get(t, c, "/assets/index-abc.js", "Accept-Encoding", "br, gzip")
		if have := res.Header.Get("Content-Encoding"); have != "gzip" {
			t.Fatalf("have encoding %q, want gzip", have)
		}
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		have, err := io.ReadAll(z)
		if err != nil || string(have) != string(built()["assets/index-abc.js"].Data) {
			t.Errorf("have %q, %v", have, err)
		}
	}
	if res := get(t, c, "/assets/a-400.woff2", "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "" {
		t.Error("a font was compressed again")
	}
}

func TestConsoleSettings(t *testing.T) {
	for style, want := range map[string]string{"": `{}`, "https://tiles.example.org/s.json": `{"map_style":"https://tiles.example.org/s.json"}`} {
		res := get(t, newConsole(built(), Options{MapStyle: style}), "/console.json")
		have, err := io.ReadAll(res.Body)
		if err != nil || string(have) != want {
			t.Errorf("have %s, %v, want %s", have, err, want)
		}
	}
}

func TestConsoleOnlyReads(t *testing.T) {
	w := httptest.NewRecorder()
	newConsole(built(), Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("have status %d, want 405", w.Code)
	}
}

func TestConsoleNotBuilt(t *testing.T) {
	res := get(t, newConsole(fstest.MapFS{"README": {Data: []byte("x")}}, Options{}), "/")
	have, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(have), "make build") {
		t.Errorf("have status %d, %q, %v", res.StatusCode, have, err)
	}
}
