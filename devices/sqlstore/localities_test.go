package sqlstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// testLocalities holds both databases to where a device belongs, and to who may change
// it: what is refused is undone, and the batch goes on.
func testLocalities(t *testing.T, place places) {
	r := registry(t, open(t, place(t)))
	ctx := t.Context()
	in := func(l ...telemetry.Locality) devices.By {
		return devices.By{Who: "minh", Scope: devices.Within(l...)}
	}
	for _, s := range []struct {
		id       telemetry.Site
		locality telemetry.Locality
	}{{"a", "nha-trang"}, {"b", "cam-ranh"}} {
		must[devices.Site](t)(r.CreateSite(ctx, me(), devices.Site{ID: s.id, Name: string(s.id), Locality: s.locality, Ward: "22366", Position: devices.Position{Lat: 12.24, Lon: 109.19}}))
	}
	kinds := []telemetry.Kind{telemetry.Noise}
	must[devices.Device](t)(r.CreateDevice(ctx, in("nha-trang"), devices.Device{ID: "theirs", Kinds: kinds}))
	must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: "stock", Kinds: kinds}))
	wants := func(what string, err error, want devices.Reason) {
		t.Helper()
		if want == "" && err != nil || want != "" && !devices.HasReason(err, want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	belongs := func(d telemetry.Device, want ...telemetry.Locality) {
		t.Helper()
		have, err := r.PlaceOf(ctx, d)
		if err != nil || !slices.Equal(have, want) {
			t.Errorf("%s belongs to %v, %v; want %v", d, have, err, want)
		}
	}
	belongs("theirs", "nha-trang")
	belongs("stock")
	ours := in("cam-ranh")
	install := func(by devices.By, d telemetry.Device, s telemetry.Site, from time.Time) error {
		_, err := r.Install(ctx, by, devices.Installation{Device: d, Site: s, From: from, Redundant: true})
		return err
	}
	at := noon().Add(-time.Hour)
	wants("take what others registered", install(ours, "theirs", "b", at), devices.ReasonOtherLocality)
	_, err := r.Maintain(ctx, ours, "stock")
	wants("change the city's stock", err, devices.ReasonInStock)
	_, err = r.RegisterDevice(ctx, ours, devices.Registration{Request: "q", Device: devices.Device{ID: "stock", Kinds: kinds, Serial: "7"}, Site: devices.Site{ID: "b"}, From: at, Redundant: true})
	wants("take from the stock", err, "")
	belongs("stock", "cam-ranh")
	wants("install at home", install(in("nha-trang"), "theirs", "a", at), "")
	err = r.Batch(ctx, ours, func(b *devices.Batch) error {
		_, err := b.Remove(ctx, "theirs", time.Time{})
		wants("remove", err, devices.ReasonOtherLocality)
		_, err = b.RetireSite(ctx, "a", time.Time{})
		wants("retire the site", err, devices.ReasonOtherLocality)
		_, err = b.PutWard(ctx, devices.Ward{Code: "99999", NameVI: "Phường Mới", Form: devices.Phuong, ValidFrom: noon()})
		wants("add a ward", err, devices.ReasonCityWide)
		_, err = b.Remove(ctx, "stock", time.Time{})
		wants("remove what is ours", err, "")
		return nil
	})
	wants("the batch", err, "")
	belongs("stock", "cam-ranh")
	wants("give it to others", install(ours, "stock", "a", time.Time{}), devices.ReasonOtherLocality)
	s := must[devices.Site](t)(r.Site(ctx, "b"))
	s.Locality = "nha-trang"
	_, err = r.UpdateSite(ctx, ours, s)
	wants("move the border", err, devices.ReasonOtherLocality)
	_, err = r.UpdateSite(ctx, in("cam-ranh", "nha-trang"), s)
	wants("move the border with both sides", err, "")
	belongs("stock", "nha-trang")
	wants("nobody", install(devices.By{Who: "x"}, "stock", "b", time.Time{}), devices.ReasonNobodyAsks)
}
