package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
)

func TestAdministrationOverHTTP(t *testing.T) {
	w := newWorld(t)
	url := w.serve(t, true)
	w.person("an", access.Admin)
	an := newBrowser(t, url)
	an.logIn("an")
	var link access.LinkAnswer
	an.is(422, "POST", "/api/v1/links", map[string]any{"role": "root"}, nil)
	an.is(422, "POST", "/api/v1/links", map[string]any{"role": "admin", "localities": []string{"cam-ranh"}}, nil)
	an.is(404, "POST", "/api/v1/links", map[string]any{"account": "nobody"}, nil)
	an.is(200, "POST", "/api/v1/links", map[string]any{"role": "field", "localities": []string{"cam-ranh"}}, &link)
	tuan := newBrowser(t, url)
	var info access.LinkInfo
	tuan.is(404, "POST", "/api/v1/links/look", map[string]any{"link": strings.Repeat("A", 43)}, nil)
	tuan.is(200, "POST", "/api/v1/links/look", map[string]any{"link": link.Link}, &info)
	if info.Role != access.Field {
		t.Errorf("have %+v", info)
	}
	var me access.Me
	tuan.is(200, "POST", "/api/v1/links/redeem", map[string]any{"link": link.Link, "name": "tuan", "password": string(good)}, &me)
	tuan.csrf = me.CSRF
	tuan.is(404, "POST", "/api/v1/links/redeem", map[string]any{"link": link.Link, "name": "tuan2", "password": string(good)}, nil)
	var sessions []access.Session
	tuan.is(200, "GET", "/api/v1/sessions", nil, &sessions)
	if len(sessions) != 1 || sessions[0].Remote != "127.0.0.1" {
		t.Errorf("have %+v", sessions)
	}
	an.is(204, "DELETE", "/api/v1/accounts/tuan/sessions", nil, nil)
	an.is(404, "DELETE", "/api/v1/accounts/nobody/sessions", nil, nil)
	tuan.is(401, "GET", "/api/v1/sessions", nil, nil)
	tuan.csrf = ""
	tuan.logIn("tuan")
	tuan.is(403, "DELETE", "/api/v1/accounts/an/sessions", nil, nil)
	an.is(409, "PATCH", "/api/v1/accounts/tuan", map[string]any{"version": 9, "role": "viewer"}, nil)
	an.is(422, "PATCH", "/api/v1/accounts/tuan", map[string]any{"version": 1, "role": "anyone"}, nil)
	an.is(422, "PATCH", "/api/v1/accounts/tuan", map[string]any{"version": 1, "role": "admin"}, nil) // of one locality
	an.is(200, "PATCH", "/api/v1/accounts/tuan", map[string]any{"version": 1, "role": "viewer"}, nil)
	tuan.is(403, "POST", "/as/field", nil, nil)
	tuan.is(204, "DELETE", "/api/v1/sessions", nil, nil)
	tuan.is(401, "GET", "/api/v1/sessions", nil, nil)
	resp := an.is(200, "GET", "/api/v1/accounts", nil, nil)
	if text, _ := io.ReadAll(resp.Body); strings.Contains(string(text), "argon2") {
		t.Errorf("the list of accounts shows hashes: %s", text)
	}
	var events []access.Event
	an.is(200, "GET", "/api/v1/access/events?subject=tuan&limit=3", nil, &events)
	if len(events) != 3 || events[1].Action != access.RoleChanged || events[1].Detail != "field in cam-ranh → viewer in cam-ranh" {
		t.Errorf("have %+v", events)
	}
}

// Run writes what was refused before it ends, and leaves nothing running.
func TestRun(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for range 5 {
		w.Authenticate(ctx, "x", "none", "x", addr(1))
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	all, err := w.Events(t.Context(), access.EventFilter{Action: access.CredentialRefused})
	if err != nil || len(all) != 2 || all[0].Count+all[1].Count != 5 || all[0].Since.IsZero() {
		t.Errorf("have %+v, %v; want the first and four more", all, err)
	}
	w.issue("aq-1", 0)
	lapsed, err := w.Lapsed(t.Context(), []string{"aq-1", "wl-2", "nobody", "client of no id"})
	if err != nil || !slices.Equal(lapsed, []string{"wl-2", "nobody"}) {
		t.Errorf("lapsed are %v, %v", lapsed, err)
	}
	if lapsed, err = w.Lapsed(t.Context(), []string{"client of no id"}); len(lapsed) > 0 || err != nil {
		t.Errorf("of no device lapsed %v, %v", lapsed, err)
	}
}

// A store that is away refuses everybody, tells nobody why, and loses no refusal.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	w.person("an", access.Admin)
	url := w.serve(t, true)
	b := newBrowser(t, url)
	b.logIn("an")
	i := w.issue("aq-1", 0)
	for range 3 {
		w.Authenticate(t.Context(), "x", "none", "x", addr(1))
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	resp := b.is(500, "POST", "/as/viewer", nil, nil)
	if text, _ := io.ReadAll(resp.Body); strings.Contains(string(text), "sql") {
		t.Errorf("it tells: %s", text)
	}
	var refused access.Refused
	if _, err := w.Authenticate(t.Context(), "aq-1", "aq-1", i.Secret, addr(1)); err == nil || errors.As(err, &refused) {
		t.Errorf("have %v, want a fault of the store", err)
	}
	wants(t, "log in", func() error { _, err := w.LogIn(t.Context(), "an", good, from("10.0.0.1")); return err }(), access.ReasonInternal)
	if err := w.Look(t.Context()); err == nil {
		t.Error("writing to a closed store is no error")
	}
	if _, _, waiting := w.Remembered(); waiting != 1 {
		t.Errorf("%d refusals wait, want 1", waiting)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	s := access.Secret("geheim")
	text, err := json.Marshal(map[string]any{"a": s, "b": access.Issued{Secret: s}})
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "link", access.NewLink{Secret: s}, "in", access.SignedIn{Secret: s}, "t", access.IssuedToken{Secret: s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "link", access.NewLink{Secret: s})
	for _, got := range []string{string(text), log.String(), fmt.Sprintf("%s %q %x %v %#v %d", s, s, s, s, s, s)} {
		if strings.Contains(got, "geheim") || strings.Contains(got, "67656865696d") || err != nil {
			t.Errorf("shown: %s, %v", got, err)
		}
	}
}

// The limits remember a fixed number of names and addresses.
func TestLimitsAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 45000 {
		w.Attempt(fmt.Sprintf("n%d", i), addr(i).Addr(), time.Duration(i)*time.Millisecond)
	}
	if n, _, _ := w.Remembered(); n > 20000 {
		t.Errorf("%d keys are remembered", n)
	}
}
