package city

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
)

// reached is a request, and what the server makes of where it comes from.
type reached struct {
	name, method, host string
	header             map[string]string
	want               int
}

func (c reached) send(h http.Handler, remote string) int {
	r := httptest.NewRequest(c.method, "/api/v1/quarantine/redrive", strings.NewReader("{}"))
	r.Host = c.host
	if remote != "" {
		r.RemoteAddr = remote
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// answering is a server's handler around one that answers everything.
func answering(s *server) http.Handler {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return s.handler()
}

// served is a server whose listener nobody uses.
func served(t *testing.T) *server {
	t.Helper()
	s, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.listener.Close() })
	return s
}

// TestForeignPagesAreKeptOut sends what a web page elsewhere could make a browser
// on this machine send.
func TestForeignPagesAreKeptOut(t *testing.T) {
	h := answering(served(t))
	for _, c := range []reached{
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
		if got := c.send(h, ""); got != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got, c.want)
		}
	}
}

// TestNamesBeyondTheLoopback: a bare address cannot be rebound, a name must be
// ours, and where only a proxy encrypts nobody goes round it.
func TestNamesBeyondTheLoopback(t *testing.T) {
	s := served(t)
	s.beyond, s.public = true, &url.URL{Scheme: "https", Host: "haidang.example:8443"}
	h := answering(s)
	for _, c := range []reached{
		{"public name", "GET", "haidang.example:8443", nil, 200},
		{"public name, as a proxy says it", "GET", "HaiDang.example", nil, 200},
		{"address", "GET", "192.0.2.7:8443", nil, 200},
		{"address, IPv6", "GET", "[2001:db8::7]:8443", nil, 200},
		{"address, IPv6, usual port", "GET", "[2001:db8::7]", nil, 200},
		{"this machine", "GET", "127.0.0.1:8443", nil, 200},
		{"rebound name", "GET", "evil.example:8443", nil, 421},
		{"name below ours", "GET", "evil.haidang.example:8443", nil, 421},
		{"no name", "GET", "", nil, 421},
		{"foreign page", "POST", "haidang.example:8443", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
	} {
		if got := c.send(h, "192.0.2.9:5555"); got != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got, c.want)
		}
	}
	s.only = []netip.Prefix{netip.MustParsePrefix("10.0.3.0/24")}
	asks := reached{"", "GET", "haidang.example:8443", nil, 0}
	for remote, want := range map[string]int{"10.0.3.9:1": 200, "[::ffff:10.0.3.9]:1": 200, "127.0.0.1:1": 200, "192.0.2.9:1": 403, "nonsense": 403} {
		if got := asks.send(h, remote); got != want {
			t.Errorf("from %s: status %d, want %d", remote, got, want)
		}
	}
	probe := httptest.NewRequest("GET", "/healthz", nil)
	probe.Host, probe.RemoteAddr = "haidang.svc", "192.0.2.9:1"
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, probe); w.Code != 200 {
		t.Errorf("a probe of the health is answered with %d", w.Code)
	}
}

// TestOperationsNameWhoMayAsk builds the whole REST interface: operations that
// name no role, or two types of one schema name, stop it.
func TestOperationsNameWhoMayAsk(t *testing.T) {
	var open openLog
	defer open.close()
	r, err := openRegistry(t.Context(), registryFlags{Admission: "open", AdmitLimit: 1}, config.Default(), t.TempDir(), slog.New(slog.DiscardHandler), &open)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := r.control(t.Context(), accessFlags{}, access.Exposure{HTTP: "127.0.0.1:1"}, access.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	s.guard(c)
	l := &loading{loader: &ingest.Loader{}, registry: r}
	l.serve(s, c)
	if _, err := l.serveRegistry(s, c, accessFlags{EMQXSecret: "between EMQX and us"}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}
