package access_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/devices/access"
)

// Log-in in the clear is refused beyond this machine, and a proxy is believed
// only where it is named.
func TestPlainHTTP(t *testing.T) {
	w := newWorld(t)
	w.person("lan", access.Viewer)
	b := newBrowser(t, w.serve(t, false))
	b.header.Set("Host", "haidang.example")
	body := map[string]any{"name": "lan", "password": string(good)}
	b.is(403, "POST", "/api/v1/session", body, nil)
	b.header.Set("X-Forwarded-Proto", "https")
	b.is(403, "POST", "/api/v1/session", body, nil)

	w = newWorld(t, func(o *access.Options) { o.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	w.person("lan", access.Viewer)
	b = newBrowser(t, w.serve(t, false))
	b.header.Set("Host", "haidang.example")
	b.is(403, "POST", "/api/v1/session", body, nil)
	b.header.Set("X-Forwarded-Proto", "https")
	b.header.Set("X-Forwarded-For", "203.0.113.9, 192.0.2.5, 127.0.0.3")
	resp := b.is(200, "POST", "/api/v1/session", body, nil)
	if c := resp.Cookies()[0]; !c.Secure {
		t.Errorf("have %v", c)
	}
	all, err := w.Events(t.Context(), access.EventFilter{Action: access.LoggedIn})
	if err != nil || len(all) != 1 || all[0].Remote != "192.0.2.5" {
		t.Errorf("have %+v, %v; want the address that the proxy saw", all, err)
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := newBrowser(t, w.serve(t, true))
	h := b.do("GET", "/api/v1/session", nil, nil).Header
	for name, part := range map[string]string{"Content-Security-Policy": "script-src 'self';", "X-Content-Type-Options": "nosniff",
		"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age", "Cache-Control": "no-store"} {
		if !strings.Contains(h.Get(name), part) {
			t.Errorf("%s is %q", name, h.Get(name))
		}
	}
	resp := b.is(401, "POST", "/as/viewer", nil, nil)
	text, _ := io.ReadAll(resp.Body)
	if resp.Header.Get("Content-Type") != "application/problem+json" || !bytes.Contains(text, []byte("đăng nhập")) || !bytes.Contains(text, []byte("Log in")) {
		t.Errorf("have %s %s", resp.Header.Get("Content-Type"), text)
	}
	resp = b.is(401, "POST", "/api/v1/session", map[string]any{"name": "x", "password": "y"}, nil)
	text, _ = io.ReadAll(resp.Body)
	if !bytes.Contains(text, []byte("mật khẩu không đúng")) || !bytes.Contains(text, []byte(`"status":401`)) {
		t.Errorf("have %s", text)
	}
}

func TestEMQX(t *testing.T) {
	w := newWorld(t)
	aq := w.issue("aq-1", 0)
	b := newBrowser(t, w.serve(t, true))
	ask := map[string]any{"clientid": "aq-1", "username": "aq-1", "password": string(aq.Secret), "peerhost": "192.0.2.4"}
	b.is(401, "POST", "/emqx/auth", ask, nil)
	b.header.Set("Authorization", "Bearer wrong")
	b.is(401, "POST", "/emqx/auth", ask, nil)
	b.header.Set("Authorization", "Bearer "+string(shared))
	b.is(405, "GET", "/emqx/auth", nil, nil)
	b.is(400, "POST", "/emqx/auth", "x", nil)
	result := func(path string, change map[string]any) string {
		body := map[string]any{}
		for _, m := range []map[string]any{ask, change} {
			for k, v := range m {
				body[k] = v
			}
		}
		var got struct {
			Result string `json:"result"`
		}
		b.is(200, "POST", path, body, &got)
		return got.Result
	}
	for _, c := range []struct {
		path   string
		change map[string]any
		want   string
	}{
		{"/emqx/auth", nil, "allow"},
		{"/emqx/auth", map[string]any{"clientid": "aq-1/2"}, "allow"},
		{"/emqx/auth", map[string]any{"clientid": "ESP32_A1"}, "allow"},
		{"/emqx/auth", map[string]any{"clientid": "192.168.1.10"}, "allow"},
		{"/emqx/auth", map[string]any{"clientid": "wl-2"}, "deny"},
		{"/emqx/auth", map[string]any{"clientid": "wl-2/1"}, "deny"},
		{"/emqx/auth", map[string]any{"clientid": "haidang-nha-trang"}, "deny"},
		{"/emqx/auth", map[string]any{"password": "x"}, "deny"},
		{"/emqx/auth", map[string]any{"username": "wl-2"}, "deny"},
		{"/emqx/acl", map[string]any{"action": "publish", "topic": "kh/nha-trang/weather/aq-1"}, "allow"},
		{"/emqx/acl", map[string]any{"action": "subscribe", "topic": "kh/nha-trang/command/aq-1"}, "allow"},
		{"/emqx/acl", map[string]any{"action": "publish", "topic": "kh/cam-ranh/water_level/wl-2"}, "deny"},
		{"/emqx/acl", map[string]any{"action": "subscribe", "topic": "kh/#"}, "deny"},
		{"/emqx/acl", map[string]any{"action": "all", "topic": "kh/nha-trang/weather/aq-1"}, "deny"},
	} {
		if got := result(c.path, c.change); got != c.want {
			t.Errorf("%s %v: have %s, want %s", c.path, c.change, got, c.want)
		}
	}
	all, _ := w.Events(t.Context(), access.EventFilter{Action: access.CredentialRefused, Reason: "wrong_secret"})
	if len(all) != 1 && len(all) != 2 || all[0].Remote != "192.0.2.4" {
		t.Errorf("have %+v", all)
	}
	closed := newWorld(t).EMQXAuthentication("") // nothing configured
	rec := recorder(closed, "Bearer ")
	if rec.Code != 401 {
		t.Errorf("an empty shared secret let in: %d", rec.Code)
	}
}

// Over HTTP: issue, rotate, revoke; secrets once.
func TestCredentialsOverHTTP(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *access.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	url := w.serve(t, true)
	w.person("tuan", access.Field, "nha-trang")
	b := newBrowser(t, url)
	b.logIn("tuan")
	var got access.IssuedAnswer
	b.is(200, "POST", "/api/v1/devices/a4:cf:12/credentials", map[string]any{}, &got)
	if len(got.Secret) != 32 || got.Username != "a4~cf~12" {
		t.Errorf("have a secret of %d characters for %s", len(got.Secret), got.Username)
	}
	b.is(403, "POST", "/api/v1/devices/wl-2/credentials", map[string]any{}, nil)
	b.is(404, "GET", "/api/v1/devices/none/credentials", nil, nil)
	b.is(422, "POST", "/api/v1/devices/aq-1/credentials", map[string]any{"overlapHours": 10000}, nil)
	resp := b.is(200, "GET", "/api/v1/devices/a4:cf:12/credentials", nil, nil)
	if text, _ := io.ReadAll(resp.Body); bytes.Contains(text, []byte(got.Secret)) || bytes.Contains(text, []byte("hmac")) || !bytes.Contains(text, []byte("issued")) {
		t.Errorf("have %s", text)
	}
	b.is(204, "DELETE", "/api/v1/devices/a4:cf:12/credentials?why=lost", nil, nil)
	if _, err := w.Authenticate(t.Context(), "", got.Username, access.Secret(got.Secret), addr(1)); err == nil {
		t.Error("a revoked credential was let in")
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}

func recorder(h http.Handler, authorization string) *responder {
	r := &responder{header: http.Header{}, Code: 200}
	q, _ := http.NewRequest("POST", "/", strings.NewReader("{}"))
	q.Header.Set("Authorization", authorization)
	h.ServeHTTP(r, q)
	return r
}

type responder struct {
	header http.Header
	Code   int
}

func (r *responder) Header() http.Header         { return r.header }
func (r *responder) WriteHeader(c int)           { r.Code = c }
func (r *responder) Write(b []byte) (int, error) { return len(b), nil }

func FuzzParseToken(f *testing.F) {
	for _, s := range []string{"", "hd_", "hd_" + strings.Repeat("A", 43), strings.Repeat("A", 43), strings.Repeat("_", 42) + "9", "hd_\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		secret, ok := access.ParseToken(s)
		if ok && ("hd_"+string(secret) != s || !access.ParseSecret(string(secret))) {
			t.Errorf("%q was read as another", s)
		}
		if access.ParseSecret(s) && len(s) != 43 {
			t.Errorf("%q is no secret", s)
		}
	})
}

func FuzzParseFlow(f *testing.F) {
	f.Add("")
	f.Add("eyJzIjoiYSIsIm4iOiJiIiwidiI6ImMifQ")
	f.Fuzz(func(t *testing.T, s string) {
		if fl, ok := access.ParseFlow(s); ok {
			if again, ok := access.ParseFlow(fl.String()); !ok || again.State != fl.State {
				t.Errorf("%q does not survive", s)
			}
		}
	})
}

func FuzzNextPage(f *testing.F) {
	for _, s := range []string{"/", "/sites/thap-ba?tab=1#x", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example", "/%2f/evil.example", "evil"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := access.NextPage(s)
		if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t") {
			t.Errorf("%q leads to %q", s, p)
		}
	})
}

// What is kept of a device's secret matches it alone, whatever stands there.
func FuzzDeviceSecret(f *testing.F) {
	f.Add("secret", "hmac-sha256$00$00")
	f.Add("", "")
	f.Add("x", "$$")
	f.Fuzz(func(t *testing.T, secret, sealed string) {
		if access.DeviceSecretIs(access.Secret(secret), sealed) {
			salt, err := hex.DecodeString(strings.Split(sealed, "$")[1])
			if err != nil || access.SealDevice(access.Secret(secret), salt) != sealed {
				t.Errorf("%q matches %q", secret, sealed)
			}
		}
		if good := access.SealDevice(access.Secret(secret), []byte("salt")); !access.DeviceSecretIs(access.Secret(secret), good) {
			t.Errorf("%q does not match itself", secret)
		}
		if c := access.Clip(sealed, 64); !utf8.ValidString(c) || strings.ContainsAny(c, "\n\r\x1b\x00") {
			t.Errorf("clipped to %q", c)
		}
	})
}
