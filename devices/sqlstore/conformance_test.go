package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// places make empty places for stores.
type places func(t testing.TB) string

func sqliteFile(t testing.TB) string { return filepath.Join(t.TempDir(), "registry one?.db") }

func TestSQLite(t *testing.T) { conformance(t, sqliteFile) }

func TestPostgreSQL(t *testing.T) {
	p := startPostgres(t)
	conformance(t, p.database)
	t.Run("moved from SQLite", func(t *testing.T) { testBackup(t, sqliteFile, p.database) })
	t.Run("moved to SQLite", func(t *testing.T) { testBackup(t, p.database, sqliteFile) })
}

// conformance is what every store must do.
func conformance(t *testing.T, place places) {
	for _, c := range []struct {
		name string
		test func(*testing.T, places)
	}{
		{"seed", testSeed},
		{"what is put is read", testRoundTrip},
		{"versions", testVersions},
		{"transactions", testTransactions},
		{"nested", testNested},
		{"undone after it was written", testUndone},
		{"search and pages", testSearch},
		{"order of bytes", testOrder},
		{"journal", testJournal},
		{"heard", testHeard},
		{"one open installation", testOneOpen},
		{"concurrent writers", testConcurrent},
		{"another process", testFollow},
		{"backup", func(t *testing.T, p places) { testBackup(t, p, p) }},
		{"bad backups", testBadBackups},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, place) })
	}
}

func open(t testing.TB, place string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// registry opens a seeded registry with a clock that stands still.
func registry(t testing.TB, s *sqlstore.Store) *devices.Registry {
	t.Helper()
	r := devices.NewRegistry(s)
	r.Now = func() time.Time { return noon() }
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func noon() time.Time { return time.Date(2026, 11, 21, 5, 0, 0, 123e6, time.UTC) }

func me() devices.By { return devices.By{Who: "lan", Why: "test"} }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func testSeed(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	wards := must[[]devices.Ward](t)(r.Wards(t.Context()))
	if len(wards) != 23 {
		t.Errorf("have %d wards, want 21 and two upstream", len(wards))
	}
	_, n, err := r.Sites(t.Context(), devices.SiteFilter{})
	if err != nil || n != len(seed.Sites()) {
		t.Errorf("have %d sites, %v; want %d", n, err, len(seed.Sites()))
	}
	// An edit survives another seeding.
	site := must[devices.Site](t)(r.Site(t.Context(), "thap-ba"))
	site.Name = "Tháp Bà Ponagar"
	must[devices.Site](t)(r.UpdateSite(t.Context(), me(), site))
	if added, err := seed.Apply(t.Context(), r); err != nil || added != (seed.Applied{}) {
		t.Errorf("seeding again adds %+v, %v", added, err)
	}
	if have := must[devices.Site](t)(r.Site(t.Context(), "thap-ba")); have.Name != "Tháp Bà Ponagar" {
		t.Errorf("the edit is lost: %q", have.Name)
	}
}

func testRoundTrip(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	profile := devices.Profile{ID: "ws302", NameVI: "Đo ồn", NameEN: "Noise", Model: "WS302", Codec: "chirpstack", Kinds: []telemetry.Kind{telemetry.Noise},
		Fields: []devices.Field{{Name: "LAeq", Unit: "dB", Kind: telemetry.Noise, Metric: telemetry.LAeq, Scale: 1}}, Notes: "a\nb"}
	profile = must[devices.Profile](t)(r.PutProfile(ctx, me(), profile))
	site := devices.Site{ID: "truong-hoc", Name: "Trường học", NameEN: "School", Locality: "nha-trang", Ward: "22366", MountHeight: 3.5,
		Position: devices.Position{Lat: 12.24, Lon: 109.19, Accuracy: 4.5}, Tags: []string{"school", "watershed"}, NoiseArea: devices.NoiseSpecial, Notes: "<script>alert(1)</script>"}
	site = must[devices.Site](t)(r.CreateSite(ctx, me(), site))
	d := devices.Device{ID: "24E124", Kinds: []telemetry.Kind{telemetry.Weather, telemetry.Noise}, Model: "WS302", Profile: "ws302", Serial: "S'1\"", Gateway: "gw",
		Notes: "ghi chú", Simulated: true}
	d = must[devices.Device](t)(r.CreateDevice(ctx, me(), d))
	i := must[devices.Installation](t)(r.Install(ctx, me(), devices.Installation{Device: d.ID, Site: site.ID, From: noon().Add(-time.Hour), Redundant: true, Cadence: 90 * time.Second}))
	site.State, site.Version, d.State, d.Version = devices.Active, 2, devices.Active, 2
	placed := must[devices.Placed](t)(r.Device(ctx, d.ID))
	if diff := cmp.Diff(devices.Placed{Device: d, Installation: &i, Site: &site}, placed); diff != "" {
		t.Error(diff)
	}
	page, n, err := r.Devices(ctx, devices.DeviceFilter{})
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if diff := cmp.Diff(placed, page[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]devices.Profile{profile}, must[[]devices.Profile](t)(r.Profiles(ctx))); diff != "" {
		t.Error(diff)
	}
	wards := must[[]devices.Ward](t)(r.Wards(ctx))
	want := seed.Wards()
	for i := range want {
		want[i].Version = 1
	}
	byCode := map[string]devices.Ward{}
	for _, w := range wards {
		byCode[w.Code] = w
	}
	for _, w := range want {
		if diff := cmp.Diff(w, byCode[w.Code]); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := r.Site(ctx, "nowhere"); devices.CodeOf(err) != devices.NotFound {
		t.Errorf("a site that is not there: %v", err)
	}
	if _, err := r.Device(ctx, "nobody"); devices.CodeOf(err) != devices.NotFound {
		t.Errorf("a device that is not there: %v", err)
	}
}

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

func testJournal(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	must[devices.Registered](t)(r.RegisterDevice(ctx, devices.By{Who: "minh", Why: "cột 12"}, devices.Registration{Request: "q1",
		Device: devices.Device{ID: "d1", Kinds: []telemetry.Kind{telemetry.Noise}}, Site: devices.Site{ID: "thap-ba"}}))
	log := must[[]devices.Change](t)(r.History(ctx, devices.ChangeFilter{Site: "thap-ba"}))
	var have []string
	for i, c := range log {
		have = append(have, fmt.Sprintf("%s %s %s %s %s", c.Who, c.Why, c.Request, c.Entity, c.Action))
		if i > 0 && c.Seq >= log[i-1].Seq || len(c.After) == 0 || (len(c.Before) == 0) != (c.Action == devices.Created || c.Entity == devices.EntityInstallation) {
			t.Errorf("change %+v", c)
		}
	}
	if diff := cmp.Diff([]string{"minh cột 12 q1 site installed", "minh cột 12 q1 device installed", "minh cột 12 q1 installation installed",
		"seed wards and places as of 2025-07-01  site created"}, have); diff != "" {
		t.Error(diff)
	}
	all := must[[]devices.Change](t)(r.History(ctx, devices.ChangeFilter{Limit: 1000}))
	if all[0].Seq != int64(len(all)) {
		t.Errorf("the journal has %d changes and the last is number %d", len(all), all[0].Seq)
	}
}

func testHeard(t *testing.T, place places) {
	s := open(t, place(t))
	ctx := t.Context()
	at := func(minute int) time.Time { return noon().Add(time.Duration(minute) * time.Minute) }
	merge := func(keep int, heard ...devices.Heard) {
		t.Helper()
		if err := s.Write(ctx, func(tx devices.Tx) error { return tx.MergeHeard(ctx, heard, keep) }); err != nil {
			t.Fatal(err)
		}
	}
	a := devices.Heard{Device: "a", Locality: "nha-trang", Kind: telemetry.Noise, Reason: devices.NoDevice, First: at(1), Last: at(2), Earliest: at(0), Count: 2}
	merge(10, a, devices.Heard{Device: "b", Locality: "cam-ranh", First: at(1), Last: at(1), Count: 1})
	merge(10, devices.Heard{Device: "a", Topic: "kh/nha-trang/noise/a", Gateway: "g", Sample: []byte{0, 0xff}, First: at(3), Last: at(3)})
	merge(10, devices.Heard{Device: "a", Locality: "nha-trang", Kind: telemetry.Weather, Reason: devices.NoDevice, First: at(4), Last: at(4), Earliest: at(-5), Count: 3})
	a.Topic, a.Gateway, a.Sample, a.Kind, a.Last, a.Earliest, a.Count = "kh/nha-trang/noise/a", "g", []byte{0, 0xff}, telemetry.Weather, at(4), at(-5), 5
	read := func(f devices.HeardFilter) (out []devices.Heard, n int) {
		t.Helper()
		err := s.Read(ctx, func(r devices.Reader) (err error) { out, n, err = r.Heard(ctx, f); return err })
		if err != nil {
			t.Fatal(err)
		}
		return out, n
	}
	have, n := read(devices.HeardFilter{})
	if diff := cmp.Diff(a, have[0]); diff != "" || n != 2 {
		t.Error(n, diff)
	}
	if have, n := read(devices.HeardFilter{Locality: "cam-ranh"}); n != 1 || have[0].Device != "b" {
		t.Errorf("filtered: %v", have)
	}
	merge(2, devices.Heard{Device: "c", Locality: "nha-trang", First: at(9), Last: at(9), Count: 1})
	if have, n := read(devices.HeardFilter{}); n != 2 || have[0].Device != "c" || have[1].Device != "a" {
		t.Errorf("the newest two: %v", have)
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

func testBackup(t *testing.T, from, to places) {
	ctx := t.Context()
	s := open(t, from(t))
	r := registry(t, s)
	must[devices.Registered](t)(r.RegisterDevice(ctx, me(), devices.Registration{Request: "q", Device: devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}},
		Site: devices.Site{ID: "thap-ba"}, Photo: &devices.Picture{Digest: "d1", JPEG: []byte("\xff\xd8\xff\x00\x01")}}))
	heard := []devices.Heard{{Device: "h", Locality: "nha-trang", First: noon(), Last: noon(), Count: 1, Sample: []byte{0xff}}, {Device: "i", First: noon(), Last: noon()}}
	if err := s.Write(ctx, func(tx devices.Tx) error { return tx.MergeHeard(ctx, heard, 10) }); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := s.Backup(ctx, &first, noon()); err != nil {
		t.Fatal(err)
	}
	where := to(t)
	if err := sqlstore.Restore(ctx, where, bytes.NewReader(first.Bytes())); err != nil {
		t.Fatal(err)
	}
	restored := open(t, where)
	if err := restored.Backup(ctx, &second, noon()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(first.String(), "\n"), strings.Split(second.String(), "\n")); diff != "" {
		t.Error(diff)
	}
	again := devices.NewRegistry(restored)
	again.Now = noon
	if err := again.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if site, why := again.Snapshot().Lookup("nha-trang", telemetry.Noise, "d", noon()); site != "thap-ba" {
		t.Errorf("have %q, %q", site, why)
	}
	photo := must[devices.Photo](t)(again.Photo(ctx, 1, 1))
	if data := must[[]byte](t)(again.PictureOf(ctx, 1)); string(data) != "\xff\xd8\xff\x00\x01" || photo.Type != "image/jpeg" || photo.Size != 5 {
		t.Errorf("the photo is %+v", photo)
	}
	must[devices.Device](t)(again.Maintain(ctx, me(), "d")) // it goes on working
	if err := sqlstore.Restore(ctx, where, bytes.NewReader(first.Bytes())); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restored over what was there: %v", err)
	}
}

func testBadBackups(t *testing.T, place places) {
	ctx := t.Context()
	s := open(t, place(t))
	registry(t, s)
	var b bytes.Buffer
	if err := s.Backup(ctx, &b, noon()); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	lines := strings.SplitAfter(good, "\n")
	where := place(t)
	for name, bad := range map[string]struct{ text, about string }{
		"empty":       {"", "cut off"},
		"other file":  {"{}\n", "not a backup"},
		"not JSON":    {"id;name\n", "line 1"},
		"cut off":     {strings.Join(lines[:20], ""), "cut off"},
		"changed":     {strings.Replace(good, "Nha Trang", "Nha Trong", 1), "changed"},
		"row missing": {strings.Join(append(append([]string{}, lines[:5]...), lines[6:]...), ""), ""},
		"newer":       {regexp.MustCompile(`"schema":\d+`).ReplaceAllString(good, `"schema":99`), "99"},
		"other table": {lines[0] + `{"t":"sqlite_master","r":[1]}` + "\n", "sqlite_master"},
	} {
		if err := sqlstore.Restore(ctx, where, strings.NewReader(bad.text)); err == nil || !strings.Contains(err.Error(), bad.about) {
			t.Errorf("%s: have %v, want one about %q", name, err, bad.about)
		}
	}
	if err := sqlstore.Restore(ctx, where, strings.NewReader(good)); err != nil {
		t.Errorf("after the bad ones, the good one: %v", err)
	}
}
