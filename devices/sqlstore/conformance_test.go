package sqlstore_test

import (
	"fmt"
	"path/filepath"
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
		{"limits", testLimits},
		{"limits of the seed", testSeedLimits},
		{"a registry of before", testOldRegistry},
		{"search and pages", testSearch},
		{"order of bytes", testOrder},
		{"journal", testJournal},
		{"heard", testHeard},
		{"one open installation", testOneOpen},
		{"concurrent writers", testConcurrent},
		{"another process", testFollow},
		{"localities", testLocalities},
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

func me() devices.By { return devices.By{Who: "lan", Scope: devices.Everywhere(), Why: "test"} }

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
	if len(wards) != 65 {
		t.Errorf("have %d wards, want the province's 65", len(wards))
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

func testJournal(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	must[devices.Registered](t)(r.RegisterDevice(ctx, devices.By{Who: "minh", Scope: devices.Everywhere(), Why: "cột 12"}, devices.Registration{Request: "q1",
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
