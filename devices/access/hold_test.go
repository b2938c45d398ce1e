package access_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// lasting are handlers whose answers last, good-natured and other; a request that
// is in one says so.
func lasting(w *world, entered chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/stream", func(rw http.ResponseWriter, r *http.Request) { // as an event stream does
		fmt.Fprintln(rw, "begun")
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/deaf", func(rw http.ResponseWriter, _ *http.Request) { // heeds no context, and writes for ever
		for {
			if _, err := rw.Write(make([]byte, 64<<10)); err != nil {
				return
			}
			_ = http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(time.Hour))
		}
	})
	mux.HandleFunc("/query", func(rw http.ResponseWriter, r *http.Request) { // says nothing until it has an answer
		<-r.Context().Done()
		http.Error(rw, "the query was cut off", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/upload", func(rw http.ResponseWriter, r *http.Request) { // reads for as long as somebody sends
		_ = http.NewResponseController(rw).EnableFullDuplex()
		fmt.Fprintln(rw, "begun")
		_ = http.NewResponseController(rw).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	return w.Middleware(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		mux.ServeHTTP(rw, r)
	}))
}

// TestRequestsEndWithTheRight: whatever lasts ends when who asked may no longer
// ask, whichever way they lost the right.
func TestRequestsEndWithTheRight(t *testing.T) {
	w := newWorld(t)
	entered := make(chan struct{})
	s := httptest.NewTLSServer(lasting(w, entered))
	t.Cleanup(s.Close)
	for i, c := range []struct {
		name    string
		byToken bool
		lose    func(access.Principal, string) error
	}{
		{"token revoked", true, func(_ access.Principal, token string) error {
			return w.RevokeToken(t.Context(), root(), token, from("10.0.0.1"))
		}},
		{"account disabled, by token", true, func(p access.Principal, _ string) error {
			return w.changed(p, access.AccountChange{Disabled: ptr(true)})
		}},
		{"account disabled", false, func(p access.Principal, _ string) error {
			return w.changed(p, access.AccountChange{Disabled: ptr(true)})
		}},
		{"role changed", false, func(p access.Principal, _ string) error {
			return w.changed(p, access.AccountChange{Role: ptr(access.Viewer)})
		}},
		{"localities changed, by token", true, func(p access.Principal, _ string) error {
			return w.changed(p, access.AccountChange{Localities: &[]telemetry.Locality{"nha-trang"}})
		}},
		{"sessions ended", false, func(p access.Principal, _ string) error {
			return w.RevokeSessions(t.Context(), root(), p.Account, from("10.0.0.1"))
		}},
		{"password changed", false, func(p access.Principal, _ string) error {
			_, err := w.ChangePassword(t.Context(), p, good, good+" mới", from("10.0.0.1"))
			return err
		}},
		{"session idle", false, func(access.Principal, string) error { w.pass(13 * time.Hour); return nil }},
		{"token expired", true, func(access.Principal, string) error { w.pass(25 * time.Hour); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := w.person(fmt.Sprintf("person-%d", i), access.Operator)
			secret, token := w.proof(p, c.byToken)
			answers := map[string]chan ended{}
			for _, path := range []string{"/stream", "/deaf", "/query", "/upload"} {
				answers[path] = make(chan ended, 1)
				began := make(chan struct{})
				go ask(s.Client(), asking(t, s.URL+path, secret), began, answers[path])
				<-entered
				if path != "/query" {
					<-began
				}
			}
			w.rounds(2) // it lasts, and may
			for path, answer := range answers {
				select {
				case e := <-answer:
					t.Fatalf("%s ended before the right did: %+v", path, e)
				default:
				}
			}
			if err := c.lose(p, token); err != nil {
				t.Fatal(err)
			}
			w.rounds(1)
			e := within(t, answers["/query"])
			if e.status != http.StatusUnauthorized && e.status != http.StatusConflict || !bytes.Contains(e.text, []byte(`"vi"`)) {
				t.Errorf("have %d %s, want to be told why", e.status, e.text)
			}
			whole := func(path string) {
				if e := within(t, answers[path]); e.err == nil {
					t.Errorf("%s: half an answer of %d bytes ended as a whole one does", path, len(e.text))
				}
			}
			whole("/stream")
			w.rounds(1) // for those that do not heed their context
			whole("/deaf")
			whole("/upload")
		})
	}
}

type ended struct {
	status int
	text   []byte
	err    error
}

// within waits for the end of a request.
func within(t *testing.T, answer chan ended) ended {
	t.Helper()
	select {
	case e := <-answer:
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on")
		return ended{}
	}
}

// changed changes an account.
func (w *world) changed(p access.Principal, c access.AccountChange) error {
	c.Version = account(w.t, w, p.Account).Version
	_, err := w.ChangeAccount(context.Background(), root(), p.Account, c, from("10.0.0.1"))
	return err
}

// proof is a new session's secret, or a new token's and its id.
func (w *world) proof(p access.Principal, byToken bool) (access.Secret, string) {
	w.t.Helper()
	in, err := w.LogIn(context.Background(), p.Account, good, from("10.0.0.1"))
	if err != nil {
		w.t.Fatal(err)
	}
	if !byToken {
		return in.Secret, ""
	}
	k, err := w.CreateToken(context.Background(), p, "x", []access.Scope{access.ScopeOperate}, 24*time.Hour, from("10.0.0.1"))
	if err != nil {
		w.t.Fatal(err)
	}
	return k.Secret, k.ID
}

// asking is a request with a session or a token.
func asking(t *testing.T, url string, secret access.Secret) *http.Request {
	t.Helper()
	var body io.Reader
	if strings.HasSuffix(url, "/upload") {
		never, sending := io.Pipe() // nothing is ever sent
		t.Cleanup(func() { sending.Close() })
		body = never
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(secret), "hd_") {
		r.Header.Set("Authorization", "Bearer "+string(secret))
	} else {
		r.AddCookie(&http.Cookie{Name: "__Host-haidang", Value: string(secret)})
	}
	return r
}

func ask(c *http.Client, r *http.Request, began chan struct{}, answer chan ended) {
	resp, err := c.Do(r)
	if err != nil {
		close(began)
		answer <- ended{err: err}
		return
	}
	defer resp.Body.Close()
	e := ended{status: resp.StatusCode}
	first := make([]byte, 5)
	_, e.err = io.ReadFull(resp.Body, first)
	close(began)
	var n int64
	if r.URL.Path == "/deaf" {
		n, e.err = io.Copy(io.Discard, resp.Body)
		e.text = make([]byte, min(n, 1))
	} else if e.err == nil {
		e.text, e.err = io.ReadAll(resp.Body)
		e.text = append(first, e.text...)
	}
	answer <- e
}

// rounds looks as often as Run does in so many seconds.
func (w *world) rounds(n int) {
	w.t.Helper()
	for range n {
		if err := w.EndHolds(context.Background()); err != nil {
			w.t.Error(err)
		}
	}
}

// TestTurnstile: strangers keep nobody out who is known, nor other networks.
func TestTurnstile(t *testing.T) {
	var d access.Turnstile
	leaveFirst, err := d.Enter(t.Context(), false, netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	leaveKnown, err := d.Enter(t.Context(), true, netip.MustParseAddr("10.0.0.1"))
	if err != nil {
		t.Fatal("strangers have all places: ", err)
	}
	in := make(chan string, 64)
	wait := func(known bool, name, addr string, waiting int) {
		go func() {
			leave, err := d.Enter(context.Background(), known, netip.MustParseAddr(addr))
			if err == nil {
				in <- name
				leave()
			}
		}()
		for d.Waiting() < waiting {
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 4 {
		wait(false, "flood", fmt.Sprintf("192.0.2.%d", i+2), i+1)
	}
	if _, err := d.Enter(t.Context(), false, netip.MustParseAddr("192.0.2.99")); access.ReasonOf(err) != access.ReasonBusy {
		t.Errorf("a fifth of one network: have %v, want that it is busy", err)
	}
	wait(false, "stranger", "198.51.100.1", 5)
	wait(true, "lan", "192.0.2.1", 6)
	gone, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := d.Enter(gone, true, netip.MustParseAddr("10.0.0.2")); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: have %v", err)
	}
	leaveKnown()
	if first := <-in; first != "lan" {
		t.Errorf("the first is %s, want who is known", first)
	}
	leaveFirst()
	for i := range 5 {
		if name := <-in; (name == "stranger") != (i == 4) {
			t.Errorf("number %d of the strangers is %s", i, name)
		}
	}
	if d.Waiting() != 0 {
		t.Errorf("%d still wait", d.Waiting())
	}
}
