package access_test

import (
	"context"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const good = access.Secret("sóng biển Nha Trang 27")

// world is a Control over a real store with a clock that tests move.
type world struct {
	*access.Control
	t     testing.TB
	store *sqlstore.Store

	mu    sync.Mutex
	now   time.Time
	ended []telemetry.Device
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) endedDevices() []telemetry.Device {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.ended
	w.ended = nil
	return out
}

func newWorld(t testing.TB, change ...func(*access.Options)) *world {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{t: t, store: s, now: time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)}
	o := access.Options{Store: s.Access(), Now: w.Now, OnEnded: func(d telemetry.Device) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = append(w.ended, d)
	}}
	for _, f := range change {
		f(&o)
	}
	if w.Control, err = access.New(o); err != nil {
		t.Fatal(err)
	}
	w.Cheapen()
	w.plant()
	return w
}

// restarted is access control as another run of the program has it.
func (w *world) restarted() *access.Control {
	w.t.Helper()
	c, err := access.New(access.Options{Store: w.store.Access(), Now: w.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// plant puts devices into the registry: aq-1 and the colon's one stand in Nha
// Trang, wl-2 in Cam Ranh, idle-3 nowhere, old-4 is retired.
func (w *world) plant() {
	w.t.Helper()
	ctx := w.t.Context()
	err := w.store.Write(ctx, func(tx devices.Tx) error {
		for _, l := range []telemetry.Locality{"nha-trang", "cam-ranh"} {
			if err := tx.PutLocality(ctx, devices.Locality{ID: l, NameVI: string(l), Version: 1}); err != nil {
				return err
			}
			if err := tx.PutSite(ctx, devices.Site{ID: telemetry.Site("site-" + l), Name: "x", Locality: l, State: devices.Active, Version: 1}); err != nil {
				return err
			}
		}
		for _, d := range []struct {
			id    telemetry.Device
			kinds []telemetry.Kind
			site  telemetry.Site
			state devices.State
		}{
			{"aq-1", []telemetry.Kind{"air_quality", "weather"}, "site-nha-trang", devices.Active},
			{"a4:cf:12", []telemetry.Kind{"noise"}, "site-nha-trang", devices.Active},
			{"wl-2", []telemetry.Kind{"water_level"}, "site-cam-ranh", devices.Maintenance},
			{"idle-3", []telemetry.Kind{"noise"}, "", devices.Planned},
			{"old-4", []telemetry.Kind{"noise"}, "", devices.Retired},
		} {
			if err := tx.PutDevice(ctx, devices.Device{ID: d.id, Kinds: d.kinds, State: d.state, Version: 1}); err != nil {
				return err
			}
			if d.site == "" {
				continue
			}
			if _, err := tx.PutInstallation(ctx, devices.Installation{Device: d.id, Site: d.site, From: w.now.Add(-time.Hour), Version: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// root acts as an administrator at the machine.
func root() access.Principal { return access.System("root") }

func from(s string) access.Caller {
	return access.Caller{Remote: netip.MustParseAddr(s), Agent: "test"}
}

// person makes an account and gives its principal by logging in.
func (w *world) person(name string, r access.Role, where ...telemetry.Locality) access.Principal {
	w.t.Helper()
	n := access.NewAccount{Name: name, Role: r, Localities: where, Password: good}
	if _, err := w.CreateAccount(w.t.Context(), root(), n, from("10.0.0.1")); err != nil {
		w.t.Fatal(err)
	}
	return access.Principal{Account: name, Role: r, Localities: where}
}

// wants fails unless an error has the reason; "" is none.
func wants(t testing.TB, what string, err error, r access.Reason) {
	t.Helper()
	switch {
	case r == "" && err != nil:
		t.Errorf("%s: have %v, want no error", what, err)
	case r != "" && access.ReasonOf(err) != r:
		t.Errorf("%s: have %v, want %s", what, err, r)
	}
}

// count is how often something happened, by the journal, once it has written what
// repeats.
func (w *world) count(f access.EventFilter) (n int64) {
	w.t.Helper()
	w.pass(11 * time.Minute)
	f.Limit = 1000
	for {
		page, err := w.Events(context.Background(), f)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page {
			n += e.Count
			f.Before = e.Seq
		}
		if len(page) < f.Limit {
			return n
		}
	}
}
