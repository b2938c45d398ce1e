package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func testVersions(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	a := must[devices.Site](t)(r.Site(ctx, "ma-vong"))
	b := a
	a.Notes = "first"
	a = must[devices.Site](t)(r.UpdateSite(ctx, me(), a))
	b.Notes = "second"
	_, err := r.UpdateSite(ctx, me(), b)
	var e *devices.Error
	if !errors.As(err, &e) || e.Reason != devices.ReasonStale || e.Current.(devices.Site).Notes != "first" {
		t.Errorf("a lost update: %v", err)
	}
	// The store itself holds to it too.
	err = s.Write(ctx, func(tx devices.Tx) error { return tx.PutSite(ctx, b) })
	if !devices.HasReason(err, devices.ReasonDuplicateID) {
		t.Errorf("version 1 over another: %v", err)
	}
	b.Version = 7
	err = s.Write(ctx, func(tx devices.Tx) error { return tx.PutSite(ctx, b) })
	if !devices.HasReason(err, devices.ReasonStale) {
		t.Errorf("version 7 over 2: %v", err)
	}
}

func testTransactions(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	before := must[[]devices.Change](t)(r.History(ctx, devices.ChangeFilter{Limit: 1}))
	stop := errors.New("stop")
	err := r.Batch(ctx, me(), func(b *devices.Batch) error {
		must[devices.Device](t)(b.CreateDevice(ctx, devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}}))
		must[devices.Installation](t)(b.Install(ctx, devices.Installation{Device: "d", Site: "thap-ba"}))
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if _, err := r.Device(ctx, "d"); devices.CodeOf(err) != devices.NotFound {
		t.Errorf("half done: %v", err)
	}
	after := must[[]devices.Change](t)(r.History(ctx, devices.ChangeFilter{Limit: 1}))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if _, why := r.Snapshot().Lookup("nha-trang", telemetry.Noise, "d", noon()); why != devices.NoDevice {
		t.Errorf("the snapshot has what was not committed: %q", why)
	}
}

func testNested(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	err := r.Batch(ctx, me(), func(b *devices.Batch) error {
		for n := range 20 {
			d := devices.Device{ID: telemetry.Device(fmt.Sprintf("row-%d", n)), Kinds: []telemetry.Kind{telemetry.Noise}}
			site := telemetry.Site("thap-ba") // taken from the second on
			if n%2 == 1 {
				site = "nowhere"
			}
			_, err := b.RegisterDevice(ctx, devices.Registration{Request: fmt.Sprintf("r%d", n), Device: d, Site: devices.Site{ID: site}})
			if (err == nil) != (n == 0) {
				t.Errorf("row %d: %v", n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, n, err := r.Devices(ctx, devices.DeviceFilter{})
	if err != nil || n != 1 {
		t.Errorf("have %d devices, %v; of a bad row nothing may stay", n, err)
	}
}

// testUndone has a list read in the midst of operations that fail: what they did
// has been written by then, and is to be taken back, with what they changed as it
// was before.
func testUndone(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	kept := must[devices.Registered](t)(r.RegisterDevice(ctx, me(), devices.Registration{Request: "q0",
		Device: devices.Device{ID: "kept", Kinds: []telemetry.Kind{telemetry.Noise}}, Site: devices.Site{ID: "thap-ba"}}))
	var first, second bytes.Buffer
	if err := s.Backup(ctx, &first, noon()); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err := s.Write(ctx, func(tx devices.Tx) error {
		err := tx.Nested(ctx, func() error {
			d := devices.Device{ID: "new", Kinds: []telemetry.Kind{telemetry.Noise}, State: devices.Active, Version: 1}
			site := kept.Site
			site.ID, site.Version = "new-site", 1
			changed := kept.Device
			changed.Serial, changed.Version = "other", changed.Version+1
			ended := kept.Installation
			ended.To, ended.Version = noon().Add(time.Hour), 2
			_, endErr := tx.PutInstallation(ctx, ended)
			if err := errors.Join(tx.PutDevice(ctx, d), tx.PutSite(ctx, site), tx.PutDevice(ctx, changed), endErr,
				tx.AddRequest(ctx, devices.Request{ID: "q1", At: noon()})); err != nil {
				return err
			}
			i := must[devices.Installation](t)(tx.PutInstallation(ctx, devices.Installation{Device: "new", Site: "new-site", From: noon(), Version: 1}))
			must[devices.Installation](t)(tx.PutInstallation(ctx, devices.Installation{Device: "kept", Site: "new-site", From: noon().Add(time.Hour), Version: 1}))
			must[devices.Photo](t)(tx.AddPhoto(ctx, devices.Photo{Installation: i.ID, Type: "image/jpeg", At: noon()}, []byte{1}))
			must[devices.Change](t)(tx.AddChange(ctx, devices.Change{At: noon(), Entity: devices.EntityDevice, ID: "new"}))
			if page, n, err := tx.Devices(ctx, devices.DeviceFilter{Query: "new"}); err != nil || n != 2 || page[1].Site.ID != "new-site" {
				t.Errorf("in its midst: %+v, %v", page, err)
			}
			if same := must[[]devices.Device](t)(tx.DevicesBySerial(ctx, "other")); len(same) != 1 || same[0].ID != "kept" {
				t.Errorf("by serial: %+v", same)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			return err
		}
		if log := must[[]devices.Change](t)(tx.Changes(ctx, devices.ChangeFilter{Entity: devices.EntityDevice, ID: "new"})); len(log) != 0 {
			t.Errorf("the journal has what was undone: %+v", log)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(ctx, &second, noon()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(first.String(), "\n"), strings.Split(second.String(), "\n")); diff != "" {
		t.Error(diff)
	}
}

func testOneOpen(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}}))
	must[devices.Installation](t)(r.Install(ctx, me(), devices.Installation{Device: "d", Site: "thap-ba"}))
	err := s.Write(ctx, func(tx devices.Tx) error { // past the registry's rules
		_, err := tx.PutInstallation(ctx, devices.Installation{Device: "d", Site: "ma-vong", From: noon(), Version: 1})
		return err
	})
	if err == nil {
		t.Error("the table takes a second open installation of a device")
	}
}

func testConcurrent(t *testing.T, place places) {
	where := place(t)
	registries := []*devices.Registry{registry(t, open(t, where)), registry(t, open(t, where))} // as two processes
	ctx := t.Context()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for n := range 8 {
		wg.Go(func() {
			reg := devices.Registration{Request: fmt.Sprintf("phone-%d", n), Device: devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}},
				Site: devices.Site{ID: []telemetry.Site{"thap-ba", "ma-vong"}[n%2]}}
			_, err := registries[n%2].RegisterDevice(ctx, me(), reg)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !devices.HasReason(err, devices.ReasonAlreadyThere) {
				t.Errorf("phone %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d phones registered the same device", won)
	}
	all := must[[]devices.Change](t)(registries[0].History(ctx, devices.ChangeFilter{Limit: 1000}))
	if all[0].Seq != int64(len(all)) {
		t.Errorf("the journal has %d changes and the last is number %d", len(all), all[0].Seq)
	}
}

func testFollow(t *testing.T, place places) {
	where := place(t)
	here, there := registry(t, open(t, where)), registry(t, open(t, where))
	ctx := t.Context()
	var told []telemetry.Device
	defer here.Subscribe(func(e devices.Event) { told = append(told, e.Devices...) })()
	must[devices.Registered](t)(there.RegisterDevice(ctx, me(), devices.Registration{Request: "q",
		Device: devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}}, Site: devices.Site{ID: "thap-ba"}}))
	// A change of our own does not hide theirs.
	must[devices.Device](t)(here.CreateDevice(ctx, me(), devices.Device{ID: "own", Kinds: []telemetry.Kind{telemetry.Noise}}))
	if err := here.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if site, why := here.Snapshot().Lookup("nha-trang", telemetry.Noise, "d", noon()); site != "thap-ba" {
		t.Errorf("have %q, %q", site, why)
	}
	if !strings.Contains(fmt.Sprint(told), "d") {
		t.Errorf("told of %v", told)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := here.Follow(stopped, time.Hour); err != nil {
		t.Error(err)
	}
}
