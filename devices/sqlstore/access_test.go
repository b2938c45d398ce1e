package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestAccessSQLite(t *testing.T) { accessConformance(t, sqliteFile) }

func TestAccessPostgreSQL(t *testing.T) { accessConformance(t, startPostgres(t).database) }

func accessConformance(t *testing.T, place places) {
	for _, c := range []struct {
		name string
		test func(*testing.T, places)
	}{
		{"what is put is read", testAccessRoundTrip},
		{"transactions", testAccessTransactions},
		{"credentials", testAccessCredentials},
		{"events and pruning", testAccessEvents},
		{"control", testAccessControl},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, place) })
	}
}

func accessWrite(t testing.TB, s access.Store, f func(context.Context, access.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), func(tx access.Tx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func accessRead(t testing.TB, s access.Store, f func(context.Context, access.Reader) error) {
	t.Helper()
	if err := s.Read(t.Context(), func(r access.Reader) error { return f(t.Context(), r) }); err != nil {
		t.Fatal(err)
	}
}

// same compares one thing that was read with what was put.
func same[T any](t testing.TB, want T) func(T, error) {
	return func(have T, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		} else if d := cmp.Diff(want, have); d != "" {
			t.Error(d)
		}
	}
}

func testAccessRoundTrip(t *testing.T, place places) {
	s := open(t, place(t)).Access()
	local := access.Account{Name: "lan", Display: "Nguyễn Lan", Role: access.Field, Localities: []telemetry.Locality{"cam-ranh", "nha-trang"}, Password: "$argon2id$…",
		Created: noon(), Updated: noon(), Version: 1}
	foreign := access.Account{Name: "minh", Role: access.Admin, Issuer: "https://id", Subject: "u-1", Disabled: noon(), Created: noon(), Updated: noon(), Version: 2}
	session := access.Session{Hash: "h1", Account: "lan", Created: noon(), Seen: noon(), Expires: noon().Add(time.Hour), Remote: "192.0.2.1", Agent: "Firefox"}
	token := access.Token{ID: "t1", Hash: "h2", Account: "lan", Name: "ci", Scopes: []access.Scope{access.ScopeRead, access.ScopeRegister}, Created: noon(), Expires: noon().Add(time.Hour)}
	link := access.Link{Hash: "h3", First: true, Role: access.Admin, By: "start", Created: noon(), Expires: noon().Add(time.Hour)}
	for range 2 { // putting again replaces
		accessWrite(t, s, func(ctx context.Context, tx access.Tx) error {
			return errors.Join(tx.PutAccount(ctx, local), tx.PutAccount(ctx, foreign), tx.PutSession(ctx, session), tx.PutToken(ctx, token), tx.PutLink(ctx, link))
		})
	}
	accessRead(t, s, func(ctx context.Context, r access.Reader) error {
		same(t, local)(r.Account(ctx, "lan"))
		same(t, foreign)(r.AccountOf(ctx, "https://id", "u-1"))
		same(t, []access.Account{local, foreign})(r.Accounts(ctx))
		same(t, session)(r.Session(ctx, "h1"))
		same(t, []access.Session{session})(r.Sessions(ctx, "lan"))
		same(t, token)(r.Token(ctx, "h2"))
		same(t, token)(r.TokenByID(ctx, "t1"))
		same(t, []access.Token{token})(r.Tokens(ctx, ""))
		same(t, []access.Token(nil))(r.Tokens(ctx, "minh"))
		same(t, link)(r.Link(ctx, "h3"))
		var errs []error
		for _, f := range []func() error{
			func() error { _, err := r.Account(ctx, "x"); return err },
			func() error { _, err := r.AccountOf(ctx, "https://id", "u-2"); return err },
			func() error { _, err := r.AccountOf(ctx, "", ""); return err }, // of no local account
			func() error { _, err := r.Session(ctx, "x"); return err },
			func() error { _, err := r.Token(ctx, "x"); return err },
			func() error { _, err := r.Link(ctx, "x"); return err },
		} {
			if err := f(); !errors.Is(err, access.ErrMissing) {
				errs = append(errs, fmt.Errorf("have %v, want ErrMissing", err))
			}
		}
		return errors.Join(errs...)
	})
	accessWrite(t, s, func(ctx context.Context, tx access.Tx) error {
		n, err := tx.DropSessions(ctx, "lan")
		if n != 1 {
			t.Errorf("dropped %d sessions", n)
		}
		return errors.Join(err, tx.DropSession(ctx, "none"), tx.DropFirstLinks(ctx))
	})
	accessRead(t, s, func(ctx context.Context, r access.Reader) error {
		if _, err := r.Link(ctx, "h3"); !errors.Is(err, access.ErrMissing) {
			t.Errorf("the first link is still there: %v", err)
		}
		return nil
	})
}

func testAccessTransactions(t *testing.T, place places) {
	s := open(t, place(t)).Access()
	stop := errors.New("stop")
	err := s.Write(t.Context(), func(tx access.Tx) error {
		return errors.Join(tx.PutAccount(t.Context(), access.Account{Name: "a", Role: access.Viewer, Created: noon(), Updated: noon(), Version: 1}),
			tx.AddEvent(t.Context(), access.Event{At: noon(), Count: 1, Action: access.AccountMade}), stop)
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	accessRead(t, s, func(ctx context.Context, r access.Reader) error {
		same(t, []access.Account(nil))(r.Accounts(ctx))
		same(t, []access.Event(nil))(r.Events(ctx, access.EventFilter{}))
		return nil
	})
	// One subject of an issuer is one account.
	err = s.Write(t.Context(), func(tx access.Tx) error {
		for _, name := range []string{"a", "b"} {
			a := access.Account{Name: name, Role: access.Viewer, Issuer: "i", Subject: "s", Created: noon(), Updated: noon(), Version: 1}
			if err := tx.PutAccount(t.Context(), a); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		t.Error("two accounts of one subject")
	}
	// Numbers have no gap, whoever writes.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := s.Write(t.Context(), func(tx access.Tx) error {
					return tx.AddEvent(t.Context(), access.Event{At: noon(), Count: 1, Action: access.LoggedIn})
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	accessRead(t, s, func(ctx context.Context, r access.Reader) error {
		all, err := r.Events(ctx, access.EventFilter{Limit: 1000})
		if len(all) != 80 || all[0].Seq != 80 || all[79].Seq != 1 {
			t.Errorf("have %d events", len(all))
		}
		return err
	})
}

// installed puts a device at a site.
func installed(t testing.TB, place string) access.Store {
	t.Helper()
	s := open(t, place)
	registry(t, s)
	ctx := t.Context()
	err := s.Write(ctx, func(tx devices.Tx) error {
		for _, id := range []telemetry.Device{"aq-1", "aq-2"} {
			if err := tx.PutDevice(ctx, devices.Device{ID: id, Kinds: []telemetry.Kind{"air_quality"}, State: devices.Active, Version: 1}); err != nil {
				return err
			}
		}
		_, err := tx.PutInstallation(ctx, devices.Installation{Device: "aq-1", Site: "thap-ba", From: noon().Add(-time.Hour), Version: 1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Access()
}

func testAccessCredentials(t *testing.T, place places) {
	s := installed(t, place(t))
	one := access.Credential{Device: "aq-1", Sealed: "s", Mosquitto: "m", Issued: noon(), IssuedBy: "lan"}
	two := one
	two.Expires = noon().Add(time.Hour)
	three := one
	three.Device, three.Revoked, three.RevokedBy = "aq-2", noon().Add(time.Minute), "lan"
	all := []*access.Credential{&one, &two, &three}
	accessWrite(t, s, func(ctx context.Context, tx access.Tx) (err error) {
		for i, c := range all {
			if *c, err = tx.PutCredential(ctx, *c); err != nil || c.ID != int64(i+1) {
				t.Errorf("have id %d, %v", c.ID, err)
			}
		}
		return nil
	})
	accessRead(t, s, func(ctx context.Context, r access.Reader) error {
		same(t, []access.Credential{two, one})(r.Credentials(ctx, "aq-1"))
		same(t, []access.Credential{two, three})(r.Ended(ctx, noon(), noon().Add(time.Hour)))
		same(t, []access.Credential(nil))(r.Ended(ctx, noon().Add(time.Hour), noon().Add(2*time.Hour)))
		for after, want := range map[time.Duration]int{0: 2, time.Hour: 1} {
			n := 0
			if err := r.LiveCredentials(ctx, noon().Add(after), func(access.Credential) error { n++; return nil }); err != nil || n != want {
				t.Errorf("%v later have %d live ones, %v; want %d", after, n, err, want)
			}
		}
		n := 0
		return errors.Join(r.Standings(ctx, []telemetry.Device{"aq-1"}, func(s devices.Standing) error {
			n += len(s.Installations)
			return nil
		}), map[bool]error{false: errors.New("aq-1 does not stand once")}[n == 1])
	})
	err := s.Write(t.Context(), func(tx access.Tx) error {
		_, err := tx.PutCredential(t.Context(), access.Credential{Device: "none", Issued: noon()})
		return err
	})
	if err == nil {
		t.Error("a credential for a device that is not registered")
	}
}

func testAccessEvents(t *testing.T, place places) {
	s := open(t, place(t)).Access()
	accessWrite(t, s, func(ctx context.Context, tx access.Tx) error {
		for i := range 10 {
			e := access.Event{At: noon().Add(time.Duration(i) * time.Hour), Count: 1, Action: access.LoggedIn, Who: "lan", Subject: "lan", Remote: "192.0.2.1"}
			if i%2 == 1 {
				e.Action, e.Who, e.Reason, e.Since, e.Count = access.LogInFailed, "", "wrong_password", noon(), 7
			}
			if err := tx.AddEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	number := func(f access.EventFilter, want ...int64) {
		t.Helper()
		accessRead(t, s, func(ctx context.Context, r access.Reader) error {
			all, err := r.Events(ctx, f)
			var have []int64
			for _, e := range all {
				have = append(have, e.Seq)
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("%+v: %s", f, d)
			}
			return err
		})
	}
	number(access.EventFilter{Limit: 3}, 10, 9, 8)
	number(access.EventFilter{Limit: 2, Before: 8}, 7, 6)
	number(access.EventFilter{Action: access.LogInFailed, Limit: 2}, 10, 8)
	number(access.EventFilter{Who: "lan", From: noon().Add(6 * time.Hour)}, 9, 7)
	number(access.EventFilter{Reason: "wrong_password", Subject: "lan", Before: 5}, 4, 2)
	number(access.EventFilter{Subject: "' OR 1=1 --"})
	accessWrite(t, s, func(ctx context.Context, tx access.Tx) error {
		a := access.Account{Name: "lan", Role: access.Viewer, Created: noon(), Updated: noon(), Version: 1}
		gone := access.Session{Hash: "old", Account: "lan", Created: noon(), Seen: noon(), Expires: noon()}
		kept := gone
		kept.Hash, kept.Expires = "new", noon().Add(time.Second)
		return errors.Join(tx.PutAccount(ctx, a), tx.PutSession(ctx, gone), tx.PutSession(ctx, kept), tx.Prune(ctx, noon(), noon().Add(3*time.Hour)))
	})
	number(access.EventFilter{Limit: 100}, 10, 9, 8, 7, 6, 5)
	accessWrite(t, s, func(ctx context.Context, tx access.Tx) error {
		return tx.Prune(ctx, noon(), noon().Add(1000*time.Hour))
	})
	number(access.EventFilter{}, 10) // the newest stays, for its number
	accessRead(t, s, func(ctx context.Context, r access.Reader) error {
		all, err := r.Sessions(ctx, "lan")
		if len(all) != 1 || all[0].Hash != "new" {
			t.Errorf("have %v", all)
		}
		return err
	})
}

// testAccessControl lets the rules run on the store: a person, a token, a device.
func testAccessControl(t *testing.T, place places) {
	s := installed(t, place(t))
	c, err := access.New(access.Options{Store: s, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	ctx, here := t.Context(), access.Caller{Remote: netip.MustParseAddr("192.0.2.1")}
	l, ok, err := c.FirstLink(ctx)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	const password = "sóng biển Nha Trang 27"
	if _, err := c.Redeem(ctx, l.Secret, "lan", "", password, here); err != nil {
		t.Fatal(err)
	}
	in, err := c.LogIn(ctx, "lan", password, here)
	if err != nil {
		t.Fatal(err)
	}
	lan := access.Principal{Account: in.Account.Name, Role: in.Account.Role}
	if _, err := c.CreateToken(ctx, lan, "ci", access.Scopes(), time.Hour, here); err != nil {
		t.Error(err)
	}
	device, err := c.Issue(ctx, lan, "aq-1", 0, here)
	if err != nil {
		t.Fatal(err)
	}
	remote := netip.MustParseAddrPort("192.0.2.9:1")
	g, err := c.Authenticate(ctx, "aq-1", "aq-1", device.Secret, remote)
	if err != nil || g.Publish[0] != "kh/nha-trang/air_quality/aq-1" {
		t.Error(g, err)
	}
	if _, err := c.Authenticate(ctx, "aq-1", "aq-1", "x", remote); !errors.Is(err, access.RefusedSecret) {
		t.Error(err)
	}
	if err := c.Revoke(ctx, lan, "aq-1", "", here); err != nil {
		t.Error(err)
	}
	all, err := c.Events(ctx, access.EventFilter{})
	if err != nil || len(all) != 8 {
		t.Errorf("have %d events, %v", len(all), err)
	}
	stop, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Run(stop); err != nil {
		t.Error(err)
	}
}
