package devices_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func noon() time.Time { return time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC) }

// city is a seeded registry with a clock that a test sets.
type city struct {
	*devices.Registry
	t   *testing.T
	now time.Time
}

func newCity(t *testing.T) *city {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &city{Registry: devices.NewRegistry(s), t: t, now: noon()}
	c.Now = func() time.Time { return c.now }
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Apply(t.Context(), c.Registry); err != nil {
		t.Fatal(err)
	}
	return c
}

func by(who string) devices.By { return devices.By{Who: who, Scope: devices.Everywhere()} }

// device registers a device at a place.
func (c *city) device(id telemetry.Device, site telemetry.Site, kinds ...telemetry.Kind) devices.Registered {
	c.t.Helper()
	r, err := c.RegisterDevice(c.t.Context(), by("lan"), devices.Registration{Request: "put-" + string(id),
		Device: devices.Device{ID: id, Kinds: kinds}, Site: devices.Site{ID: site}})
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *city) want(err error, code devices.Code, field string, reason devices.Reason) *devices.Error {
	c.t.Helper()
	for _, d := range devices.Details(err) {
		if d.Code == code && d.Field == field && d.Reason == reason {
			if d.VI == "" || d.EN == "" || strings.Contains(d.VI+d.EN, "%!") {
				c.t.Errorf("a message with a hole: %q, %q", d.VI, d.EN)
			}
			return d
		}
	}
	c.t.Errorf("have %v, want %s %s %s", err, code, field, reason)
	return &devices.Error{}
}

func (c *city) lookup(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time) string {
	site, why := c.Snapshot().Lookup(locality, kind, device, at)
	return string(site) + string(why)
}

func goodSite() devices.Site {
	return devices.Site{ID: "cot-12", Name: "Cột 12", Locality: "nha-trang", Ward: "22366", Position: devices.Position{Lat: 12.24, Lon: 109.19, Accuracy: 5}}
}

func TestSiteInput(t *testing.T) {
	c := newCity(t)
	for _, tc := range []struct {
		name   string
		spoil  func(*devices.Site)
		field  string
		reason devices.Reason
	}{
		{"no id", func(s *devices.Site) { s.ID = "" }, "id", devices.ReasonRequired},
		{"bad id", func(s *devices.Site) { s.ID = "cột" }, "id", devices.ReasonBadID},
		{"no name", func(s *devices.Site) { s.Name = " \t " }, "name", devices.ReasonRequired},
		{"long name", func(s *devices.Site) { s.Name = strings.Repeat("ă", 201) }, "name", devices.ReasonTooLong},
		{"overridden direction", func(s *devices.Site) { s.Name = "a\u202eb" }, "name", devices.ReasonBadText},
		{"not UTF-8", func(s *devices.Site) { s.Name = "a\xffb" }, "name", devices.ReasonBadText},
		{"no such locality", func(s *devices.Site) { s.Locality = "hue" }, "locality", devices.ReasonUnknownLocality},
		{"no such ward", func(s *devices.Site) { s.Ward = "99999" }, "ward", devices.ReasonUnknownWard},
		{"no ward", func(s *devices.Site) { s.Ward = "" }, "ward", devices.ReasonRequired},
		{"no position", func(s *devices.Site) { s.Position = devices.Position{} }, "position", devices.ReasonRequired},
		{"swapped", func(s *devices.Site) { s.Position.Lat, s.Position.Lon = s.Position.Lon, s.Position.Lat }, "position", devices.ReasonSwapped},
		{"outside", func(s *devices.Site) { s.Position.Lat = 16.05 }, "position", devices.ReasonOutside},
		{"off the earth", func(s *devices.Site) { s.Position.Lat = 95 }, "position.lat", devices.ReasonBadNumber},
		{"negative accuracy", func(s *devices.Site) { s.Position.Accuracy = -1 }, "position.accuracy", devices.ReasonBadNumber},
		{"up high", func(s *devices.Site) { s.MountHeight = 1e6 }, "mountHeight", devices.ReasonBadNumber},
		{"bad tag", func(s *devices.Site) { s.Tags = []string{"a b"} }, "tags", devices.ReasonBadID},
		{"bad area", func(s *devices.Site) { s.NoiseArea = "loud" }, "noiseArea", devices.ReasonBadValue},
		{"in maintenance", func(s *devices.Site) { s.State = devices.Maintenance }, "state", devices.ReasonBadValue},
	} {
		s := goodSite()
		tc.spoil(&s)
		_, err := c.CreateSite(t.Context(), by("lan"), s)
		e := c.want(err, devices.Invalid, tc.field, tc.reason)
		if tc.reason == devices.ReasonSwapped && e.Suggestion != "12.24, 109.19" {
			t.Errorf("%s: suggested %q", tc.name, e.Suggestion)
		}
	}
	s := goodSite()
	s.Position.Lat, s.Position.OutsideReason = 16.05, "trạm đối chứng ở Đà Nẵng"
	s.Name = "Cột  12 " + string([]rune{'H', 'o', 'a', 0x300})
	s, err := c.CreateSite(t.Context(), by("lan"), s)
	if err != nil || s.Name != "Cột 12 Hoà" {
		t.Errorf("have %q, %v", s.Name, err)
	}
	_, err = c.CreateSite(t.Context(), by("lan"), goodSite())
	if e := c.want(err, devices.Conflict, "id", devices.ReasonDuplicateID); e.Current.(devices.Site).Name != s.Name {
		t.Errorf("the conflict shows %v", e.Current)
	}
	_, err = c.CreateSite(t.Context(), devices.By{Scope: devices.Everywhere()}, goodSite())
	c.want(err, devices.Invalid, "who", devices.ReasonRequired)
	several := goodSite()
	several.ID, several.Ward = "", ""
	if _, err := c.CreateSite(t.Context(), by("lan"), several); len(devices.Details(err)) != 2 {
		t.Errorf("two faults are told as %v", err)
	}
}

func TestDeviceInput(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	for _, tc := range []struct {
		device devices.Device
		field  string
		reason devices.Reason
	}{
		{devices.Device{ID: "a/b", Kinds: []telemetry.Kind{telemetry.Noise}}, "id", devices.ReasonBadID},
		{devices.Device{ID: "a"}, "kinds", devices.ReasonRequired},
		{devices.Device{ID: "a", Kinds: []telemetry.Kind{"tides"}}, "kinds", devices.ReasonUnknownKind},
		{devices.Device{ID: "a", Kinds: []telemetry.Kind{telemetry.Status}}, "kinds", devices.ReasonUnknownKind},
		{devices.Device{ID: "a", Kinds: []telemetry.Kind{telemetry.AirQualityIndex}}, "kinds", devices.ReasonUnknownKind},
		{devices.Device{ID: "a", Kinds: []telemetry.Kind{telemetry.Noise}, Profile: "x"}, "profile", devices.ReasonUnknownProfile},
	} {
		_, err := c.CreateDevice(ctx, by("lan"), tc.device)
		c.want(err, devices.Invalid, tc.field, tc.reason)
	}
	a := devices.Device{ID: "a", Kinds: []telemetry.Kind{telemetry.Noise}, Model: "M", Serial: "1"}
	a, err := c.CreateDevice(ctx, by("lan"), a)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateDevice(ctx, by("lan"), a)
	c.want(err, devices.Conflict, "id", devices.ReasonDuplicateID)
	b := a
	b.ID = "b"
	_, err = c.CreateDevice(ctx, by("lan"), b)
	c.want(err, devices.Conflict, "serial", devices.ReasonDuplicateSerial)
	a.State = devices.Retired
	_, err = c.UpdateDevice(ctx, by("lan"), a)
	c.want(err, devices.Invalid, "state", devices.ReasonUseOperation)
	a.State, a.Version = "", 0
	_, err = c.UpdateDevice(ctx, by("lan"), a)
	c.want(err, devices.Invalid, "version", devices.ReasonVersionRequired)
	a.Version = devices.ParseETag(`W/"1"`)
	if a, err = c.UpdateDevice(ctx, by("lan"), a); err != nil || a.ETag() != `"2"` {
		t.Errorf("have %s, %v", a.ETag(), err)
	}
	_, err = c.PutProfile(ctx, by("lan"), devices.Profile{ID: "p", NameVI: "P", Codec: "native", Fields: []devices.Field{{Name: "x", Kind: telemetry.Noise, Metric: "pm25"}}})
	c.want(err, devices.Invalid, "fields", devices.ReasonUnknownMetric)
	_, err = c.PutWard(ctx, by("lan"), devices.Ward{Code: "1", NameVI: "x", Form: devices.Xa})
	c.want(err, devices.Invalid, "code", devices.ReasonUnknownWard)
	_, err = c.PutLocality(ctx, by("lan"), devices.Locality{ID: "x", NameVI: "x", Wards: []devices.Membership{{Ward: "00000"}}})
	c.want(err, devices.Invalid, "wards", devices.ReasonUnknownWard)
}

func TestInstallationsFollowEventTime(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	hour := func(n int) time.Time { return noon().Add(time.Duration(n) * time.Hour) }
	c.device("a", "thap-ba", telemetry.Noise)
	c.now = hour(2)
	swapped, err := c.Swap(ctx, by("lan"), devices.Replacement{Old: "a", Create: &devices.Device{ID: "b", Kinds: []telemetry.Kind{telemetry.Noise}}, Retire: true})
	if err != nil {
		t.Fatal(err)
	}
	if swapped.Site.ID != "thap-ba" || !swapped.Ended.To.Equal(swapped.Began.From) || swapped.Replaced.State != devices.Retired || swapped.Device.State != devices.Active {
		t.Errorf("swapped: %+v", swapped)
	}
	c.now = hour(4)
	if _, err := c.Remove(ctx, by("lan"), "b", hour(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Install(ctx, by("lan"), devices.Installation{Device: "b", Site: "bai-dai"}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		device   telemetry.Device
		locality telemetry.Locality
		kind     telemetry.Kind
		at       time.Time
		want     string
	}{
		{"a", "nha-trang", telemetry.Noise, hour(0), "thap-ba"},
		{"a", "nha-trang", telemetry.Noise, hour(2).Add(-time.Millisecond), "thap-ba"},
		{"a", "nha-trang", telemetry.Noise, hour(2), "not_installed"},
		{"a", "nha-trang", telemetry.Noise, hour(0).Add(-time.Millisecond), "not_installed"},
		{"b", "nha-trang", telemetry.Noise, hour(2), "thap-ba"},
		{"b", "nha-trang", telemetry.Noise, hour(3), "not_installed"},
		{"b", "cam-lam", telemetry.Noise, hour(5), "bai-dai"},
		{"b", "nha-trang", telemetry.Noise, hour(5), "wrong_locality"},
		{"b", "hue", telemetry.Noise, hour(5), "unknown_locality"},
		{"b", "cam-lam", telemetry.Weather, hour(5), "wrong_kind"},
		{"b", "cam-lam", telemetry.Status, hour(5), "bai-dai"},
		{"c", "cam-lam", telemetry.Noise, hour(5), "unregistered"},
		{"c", "hue", telemetry.Noise, hour(5), "unknown_locality"},
	} {
		if have := c.lookup(tc.locality, tc.kind, tc.device, tc.at); have != tc.want {
			t.Errorf("%s %s %s %v: have %s, want %s", tc.locality, tc.kind, tc.device, tc.at, have, tc.want)
		}
	}
	site, err := c.Site(ctx, "thap-ba")
	if err != nil || site.State != devices.Active {
		t.Errorf("have %v, %v", site.State, err)
	}
	history, err := c.Installations(ctx, devices.InstallationFilter{Site: "thap-ba"})
	if err != nil || len(history) != 2 {
		t.Errorf("the site's installations: %v, %v", history, err)
	}
}

func TestPlacesAreNotShared(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	first := c.device("a", "thap-ba", telemetry.Noise, telemetry.Weather)
	for _, d := range []devices.Device{{ID: "b", Kinds: []telemetry.Kind{telemetry.Weather}}, {ID: "w", Kinds: []telemetry.Kind{telemetry.WaterLevel}}} {
		if _, err := c.CreateDevice(ctx, by("lan"), d); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Install(ctx, by("lan"), devices.Installation{Device: "b", Site: "thap-ba"})
	if e := c.want(err, devices.Conflict, "site", devices.ReasonKindTaken); e.Current.(devices.Installation).Device != "a" {
		t.Errorf("in the way: %v", e.Current)
	}
	_, err = c.Install(ctx, by("lan"), devices.Installation{Device: "a", Site: "ma-vong"})
	c.want(err, devices.Conflict, "device", devices.ReasonStandsElsewhere)
	if _, err := c.Install(ctx, by("lan"), devices.Installation{Device: "b", Site: "thap-ba", Redundant: true}); err != nil {
		t.Error(err)
	}
	if _, err := c.Install(ctx, by("lan"), devices.Installation{Device: "w", Site: "thap-ba"}); err != nil {
		t.Errorf("another kind at the same site: %v", err)
	}
	w, _ := c.Device(ctx, "w")
	w.Device.Kinds = append(w.Device.Kinds, telemetry.Noise)
	_, err = c.UpdateDevice(ctx, by("lan"), w.Device)
	c.want(err, devices.Conflict, "site", devices.ReasonKindTaken)
	_, err = c.Swap(ctx, by("lan"), devices.Replacement{Old: "a", New: "w"})
	c.want(err, devices.Conflict, "new", devices.ReasonNoCommonKind)
	_, err = c.Swap(ctx, by("lan"), devices.Replacement{Old: "nobody", New: "w"})
	c.want(err, devices.NotFound, "", devices.ReasonNotFound)
	_, err = c.Install(ctx, by("lan"), devices.Installation{Device: "w", Site: "ma-vong", From: noon().Add(time.Hour)})
	c.want(err, devices.Invalid, "from", devices.ReasonFuture)
	i := first.Installation
	i.From = noon().Add(-24 * time.Hour)
	if i, err = c.CorrectInstallation(ctx, by("lan"), i); err != nil || i.Version != 2 {
		t.Errorf("have %v, %v", i, err)
	}
	if have := c.lookup("nha-trang", telemetry.Noise, "a", noon().Add(-time.Hour)); have != "thap-ba" {
		t.Errorf("after the correction: %s", have)
	}
	s, _ := c.Site(ctx, "thap-ba")
	s.Locality = "cam-ranh"
	_, err = c.UpdateSite(ctx, by("lan"), s)
	c.want(err, devices.Conflict, "locality", devices.ReasonLocalityMismatch)
}

func TestLifeOfDeviceAndSite(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	c.device("a", "thap-ba", telemetry.Noise)
	state := func(want devices.State, d devices.Device, err error) {
		t.Helper()
		if err != nil || d.State != want {
			t.Errorf("have %s, %v; want %s", d.State, err, want)
		}
	}
	c.now = noon().Add(time.Hour)
	d, err := c.Maintain(ctx, by("lan"), "a")
	state(devices.Maintenance, d, err)
	if e := c.Snapshot().Expectations(); len(e) != 1 || !e[0].Muted {
		t.Errorf("in maintenance: %+v", e)
	}
	d, err = c.Resume(ctx, by("lan"), "a")
	state(devices.Active, d, err)
	d, err = c.RetireDevice(ctx, by("lan"), "a", time.Time{})
	state(devices.Retired, d, err)
	_, err = c.Maintain(ctx, by("lan"), "a")
	c.want(err, devices.Conflict, "device", devices.ReasonRetired)
	_, err = c.Install(ctx, by("lan"), devices.Installation{Device: "a", Site: "ma-vong"})
	c.want(err, devices.Conflict, "device", devices.ReasonRetired)
	_, err = c.Remove(ctx, by("lan"), "a", time.Time{})
	c.want(err, devices.Conflict, "device", devices.ReasonNotInstalled)
	if have := c.lookup("nha-trang", telemetry.Noise, "a", noon()); have != "thap-ba" {
		t.Errorf("a late reading of a retired device: %s", have)
	}
	d, err = c.Resume(ctx, by("lan"), "a")
	state(devices.Planned, d, err)
	c.device("b", "thap-ba", telemetry.Noise)
	c.now = noon().Add(2 * time.Hour)
	s, err := c.RetireSite(ctx, by("lan"), "thap-ba", time.Time{})
	if err != nil || s.State != devices.Retired {
		t.Errorf("have %v, %v", s, err)
	}
	b, err := c.Device(ctx, "b")
	if err != nil || b.Site != nil || b.Device.State != devices.Planned {
		t.Errorf("have %+v, %v", b, err)
	}
	_, err = c.Install(ctx, by("lan"), devices.Installation{Device: "b", Site: "thap-ba"})
	c.want(err, devices.Conflict, "site", devices.ReasonRetired)
	if s, err := c.ReopenSite(ctx, by("lan"), "thap-ba"); err != nil || s.State != devices.Planned {
		t.Errorf("have %v, %v", s, err)
	}
}

func TestWardSuggestions(t *testing.T) {
	c := newCity(t)
	wards, err := c.SuggestWards(t.Context(), devices.Position{Lat: 12.2389, Lon: 109.1967})
	if err != nil || len(wards) == 0 {
		t.Fatal(wards, err)
	}
	var codes []string
	for _, w := range wards {
		codes = append(codes, w.Code)
	}
	if diff := cmp.Diff([]string{"22402", "22366"}, codes); diff != "" {
		t.Error(diff)
	}
}

func TestBadStore(t *testing.T) {
	s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	r := devices.NewRegistry(s)
	_, err = r.CreateSite(t.Context(), by("lan"), goodSite())
	if devices.CodeOf(err) != devices.Internal || errors.Unwrap(devices.Details(err)[0]) == nil {
		t.Errorf("have %v", err)
	}
	if devices.CodeOf(fmt.Errorf("x")) != devices.Internal || devices.CodeOf(nil) != "" {
		t.Error("codes of errors that are not ours")
	}
}
