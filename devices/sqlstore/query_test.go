package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func testSearch(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	for i, site := range seed.Sites() {
		d := telemetry.Device(fmt.Sprintf("dev-%03d", i))
		kind := []telemetry.Kind{telemetry.Noise, telemetry.WaterLevel}[i%2]
		must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: d, Kinds: []telemetry.Kind{kind}, Model: "EM500"}))
		must[devices.Installation](t)(r.Install(ctx, me(), devices.Installation{Device: d, Site: site.ID}))
	}
	yes := true
	for _, c := range []struct {
		filter devices.DeviceFilter
		want   int
	}{
		{devices.DeviceFilter{}, 49},
		{devices.DeviceFilter{Query: "thap tram huong"}, 1},
		{devices.DeviceFilter{Query: "HƯƠNG tháp em500"}, 1},
		{devices.DeviceFilter{Query: "%"}, 49}, // nothing is asked for
		{devices.DeviceFilter{Query: "no such thing"}, 0},
		{devices.DeviceFilter{Locality: "cam-ranh"}, 11},
		{devices.DeviceFilter{Ward: "22453"}, 5},
		{devices.DeviceFilter{Site: "thap-ba"}, 1},
		{devices.DeviceFilter{Kind: telemetry.Noise}, 25},
		{devices.DeviceFilter{Kind: "water_leve_"}, 0},
		{devices.DeviceFilter{Kind: telemetry.Noise, Locality: "nha-trang", Query: "cau"}, 1},
		{devices.DeviceFilter{State: devices.Active}, 49},
		{devices.DeviceFilter{Provisional: &yes}, 0},
		{devices.DeviceFilter{Box: &devices.Box{West: 109.19, South: 12.23, East: 109.2, North: 12.26}}, 3},
	} {
		page, n, err := r.Devices(ctx, c.filter)
		if err != nil || n != c.want || len(page) != n {
			t.Errorf("%+v: have %d of %d, %v; want %d", c.filter, len(page), n, err, c.want)
		}
	}
	testPages(t, r)
	for kind, want := range map[telemetry.Kind]int{telemetry.Noise: 25, telemetry.WaterLevel: 24, "water_leve_": 0} {
		if page, n, err := r.Sites(ctx, devices.SiteFilter{Kind: kind}); err != nil || n != want || len(page) != want {
			t.Errorf("sites of %s: have %d of %d, %v; want %d", kind, len(page), n, err, want)
		}
	}
	if _, n, err := r.Sites(ctx, devices.SiteFilter{Kind: telemetry.Noise, Locality: "nha-trang", Query: "cau"}); err != nil || n != 1 {
		t.Errorf("sites of a kind, searched: %d, %v", n, err)
	}
	testSitesOfKind(t, r)
	// A renamed site is found under its new name, and so is its device.
	site := must[devices.Site](t)(r.Site(ctx, "hon-ba"))
	site.Name = "Yersin"
	must[devices.Site](t)(r.UpdateSite(ctx, me(), site))
	if page, _, _ := r.Devices(ctx, devices.DeviceFilter{Query: "yersin"}); len(page) != 1 {
		t.Errorf("the device at a renamed site: %v", page)
	}
	near := must[[]devices.Nearby](t)(r.NearbySites(ctx, devices.Position{Lat: 12.2550, Lon: 109.1920}, 1000, 3))
	if len(near) != 2 || near[0].Site.ID != "cho-dam" || near[0].Distance > 100 {
		t.Errorf("near by: %+v", near)
	}
	if tagged, n, err := r.Sites(ctx, devices.SiteFilter{Tag: "watershed"}); err != nil || n != 5 {
		t.Errorf("tagged: %v, %v", tagged, err)
	}
}

// testSitesOfKind asks for the sites of a kind with all that may stand beside it,
// and holds the answer to what the sites' devices say.
func testSitesOfKind(t *testing.T, r *devices.Registry) {
	t.Helper()
	ctx := t.Context()
	twin := must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: "twin", Kinds: []telemetry.Kind{telemetry.Noise, telemetry.Weather}}))
	must[devices.Installation](t)(r.Install(ctx, me(), devices.Installation{Device: twin.ID, Site: seed.Sites()[0].ID, Redundant: true}))
	must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: "stored", Kinds: []telemetry.Kind{telemetry.Noise}})) // stands nowhere
	box := &devices.Box{West: 109.15, South: 12.2, East: 109.22, North: 12.3}
	for _, f := range []devices.SiteFilter{
		{}, {Locality: "nha-trang"}, {Ward: "22366"}, {Locality: "cam-ranh", Ward: "22420"}, {Box: box}, {Box: box, Locality: "nha-trang"},
		{Query: "song"}, {Query: "song", Locality: "ninh-hoa"}, {State: devices.Active}, {State: devices.Active, Box: box}, {Tag: "watershed"}, {State: devices.Retired},
	} {
		f.Limit = devices.MaxPage
		all, _, err := r.Sites(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		want := []telemetry.Site{}
		for _, s := range all {
			standing, _, err := r.Devices(ctx, devices.DeviceFilter{Site: s.ID, Kind: telemetry.Noise})
			if err != nil {
				t.Fatal(err)
			}
			if len(standing) > 0 {
				want = append(want, s.ID)
			}
		}
		f.Kind = telemetry.Noise
		have := []telemetry.Site{}
		page, total, err := r.Sites(ctx, f)
		for _, s := range page {
			have = append(have, s.ID)
		}
		if diff := cmp.Diff(want, have); err != nil || diff != "" || total != len(want) {
			t.Errorf("%+v: %d in all, %v: %s", f, total, err, diff)
		}
	}
}

// testPages goes through a search page by page.
func testPages(t *testing.T, r *devices.Registry) {
	t.Helper()
	ctx := t.Context()
	var ids []string
	f := devices.SiteFilter{Query: "sông", Page: devices.Page{Limit: 2}}
	for {
		page, _, err := r.Sites(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page {
			ids = append(ids, string(s.ID))
		}
		if len(page) < 2 {
			break
		}
		f.After = string(page[1].ID)
	}
	if diff := cmp.Diff(strings.Fields("binh-tan cua-song-dinh dien-phu dong-trang duc-my trung-tam-ninh-hoa vinh-phuong"), ids); diff != "" {
		t.Error(diff)
	}
}

func testOrder(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	want := strings.Fields("B:1 B_1 Z a-1 a.1 a1 b")
	for _, id := range []string{"a1", "b", "Z", "B_1", "a-1", "B:1", "a.1"} {
		must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: telemetry.Device(id), Kinds: []telemetry.Kind{telemetry.Noise}}))
	}
	var have []string
	for after := ""; ; {
		page, _, err := r.Devices(ctx, devices.DeviceFilter{Page: devices.Page{After: after, Limit: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		after = string(page[0].Device.ID)
		have = append(have, after)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}
