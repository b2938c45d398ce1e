package api_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestPlaces(t *testing.T) {
	c := newTown(t)
	l := into[api.Localities](c.do("GET", "/localities", nil).want(200))
	if len(l.Localities) != 4 || len(l.OtherWards) == 0 || l.Province.West == 0 {
		t.Errorf("localities: %+v", l)
	}
	for _, v := range l.Localities {
		if len(v.Wards) == 0 {
			t.Errorf("locality %s has no wards", v.ID)
		}
	}
	k := into[struct{ Kinds, Computed []api.Kind }](c.do("GET", "/kinds", nil).want(200))
	aq := k.Kinds[slices.IndexFunc(k.Kinds, func(k api.Kind) bool { return k.Kind == telemetry.AirQuality })]
	pm := aq.Metrics[slices.IndexFunc(aq.Metrics, func(m api.Metric) bool { return m.Name == telemetry.PM25 })]
	if pm.Unit == "" || pm.Max == 0 || pm.NameVI == "" || pm.Common || aq.CadenceSeconds == 0 {
		t.Errorf("air quality: %+v", aq)
	}
	isIndex := func(k api.Kind) bool { return k.Kind == telemetry.AirQualityIndex }
	if slices.ContainsFunc(k.Kinds, isIndex) || !slices.ContainsFunc(k.Computed, isIndex) {
		t.Errorf("the index is to be among what is computed, and not among what devices report")
	}
	c.do("GET", "/profiles", nil).want(200)
}

func TestSitesList(t *testing.T) {
	c := newTown(t)
	c.do("POST", "/registrations", registration("r1", "aq-1", "a", "air_quality")).want(200)
	cases := []struct {
		query string
		has   string // in the answer; empty is that nothing is
	}{
		{"?limit=1000", "a"},
		{"?q=diem+a", "a"},
		{"?q=%C4%90i%E1%BB%83m+a", "a"}, // Điểm
		{"?q=nothing-of-this-name", ""},
		{"?kind=air_quality", "a"},
		{"?kind=noise", ""},
		{"?kind=air_quality&locality=cam-ranh", ""},
		{"?locality=nha-trang&ward=22366&state=active", "a"},
		{"?bbox=109.18,12.23,109.2,12.25", "a"},
		{"?bbox=108.5,11.3,108.6,11.4", ""},
	}
	for _, tt := range cases {
		p := into[api.SitePage](c.do("GET", "/sites"+tt.query, nil).want(200))
		has := slices.ContainsFunc(p.Sites, func(s api.Site) bool { return string(s.ID) == tt.has })
		if tt.has != "" && !has || tt.has == "" && len(p.Sites) > 0 {
			t.Errorf("%s: %d sites", tt.query, len(p.Sites))
		}
	}
	for _, bad := range []string{"1,2,3", "a,b,c,d", "109,12,108,13", "NaN,0,1,1"} {
		c.do("GET", "/sites?bbox="+bad, nil).fault(422, "bad_value", "bbox")
	}
	c.do("GET", "/sites?limit=100000", nil).fault(422, "bad_form", "limit")
	s := into[api.Site](c.do("GET", "/sites/a", nil).want(200))
	if len(s.Devices) != 1 || s.Devices[0].Device != "aq-1" || s.Kinds[0] != telemetry.AirQuality {
		t.Errorf("site: %+v", s)
	}
}

func TestSitesPaging(t *testing.T) {
	c := newTown(t)
	all := into[api.SitePage](c.do("GET", "/sites?limit=1000", nil).want(200))
	var paged []api.Site
	cursor := ""
	for range 100 {
		p := into[api.SitePage](c.do("GET", "/sites?limit=7&cursor="+cursor, nil).want(200))
		if p.Total != len(all.Sites) {
			t.Fatalf("total %d, want %d", p.Total, len(all.Sites))
		}
		paged = append(paged, p.Sites...)
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(paged) != len(all.Sites) {
		t.Errorf("%d sites by pages, %d at once", len(paged), len(all.Sites))
	}
}

func TestSiteLife(t *testing.T) {
	c := newTown(t)
	made := c.do("POST", "/sites", merge(site("x"), object{"why": "mới khảo sát"})).want(201)
	if made.header.Get("ETag") != `"1"` {
		t.Errorf("etag %q", made.header.Get("ETag"))
	}
	c.do("POST", "/sites", site("x")).fault(409, "duplicate_id", "id")
	changed := merge(site("x"), object{"name": "Tên mới"})
	c.do("PUT", "/sites/x", changed).fault(428, "version_required", "If-Match")
	c.do("PUT", "/sites/x", changed, "If-Match", `"1"`).want(200)
	f := c.do("PUT", "/sites/x", changed, "If-Match", `"1"`).fault(412, "changed_meanwhile", "If-Match")
	if f.Current.(object)["name"] != "Tên mới" {
		t.Errorf("current: %v", f.Current)
	}
	c.do("PUT", "/sites/x", changed, "If-Match", "*").want(200)
	c.do("PUT", "/sites/x", site("y"), "If-Match", "*").fault(422, "bad_value", "id")
	c.do("PUT", "/sites/none", site("none"), "If-Match", "*").want(404)
	c.do("POST", "/sites/x/retire", object{"why": "dỡ"}).want(200)
	if s := into[api.Site](c.do("POST", "/sites/x/reopen", object{}).want(200)); s.State != devices.Planned {
		t.Errorf("state %s", s.State)
	}
	h := into[api.ChangePage](c.do("GET", "/sites/x/changes?limit=3", nil).want(200))
	if len(h.Changes) != 3 || h.Next == "" {
		t.Fatalf("changes: %+v", h)
	}
	h = into[api.ChangePage](c.do("GET", "/sites/x/changes?cursor="+h.Next, nil).want(200))
	first := h.Changes[len(h.Changes)-1]
	if first.Who != "lan" || first.Why != "mới khảo sát" || first.Action != devices.Created {
		t.Errorf("first change: %+v", first)
	}
	c.do("GET", "/sites/x/changes?cursor=x", nil).fault(422, "bad_value", "cursor")
	c.do("GET", "/sites/none/changes", nil).want(404)
}

// merge is an object with some of its fields replaced.
func merge(a, b object) object {
	out := object{}
	for _, o := range []object{a, b} {
		for k, v := range o {
			out[k] = v
		}
	}
	return out
}

func TestBadSites(t *testing.T) {
	c := newTown(t)
	at := func(lat, lon float64) object { return object{"lat": lat, "lon": lon} }
	cases := []struct {
		name, code, field string
		change            object
	}{
		{"no name", "required", "name", object{"name": ""}},
		{"bad id", "bad_id", "id", object{"id": "a b"}},
		{"no ward", "required", "ward", object{"ward": ""}},
		{"ward that is none", "unknown_ward", "ward", object{"ward": "00000"}},
		{"locality that is none", "unknown_locality", "locality", object{"locality": "atlantis"}},
		{"no position", "required", "position", object{"position": at(0, 0)}},
		{"swapped", "swapped_coordinates", "position", object{"position": at(109.19, 12.24)}},
		{"outside", "outside_province", "position", object{"position": at(21.03, 105.85)}},
		{"height", "bad_number", "mount_height", object{"mount_height": 5000}},
		{"control character", "bad_text", "name", object{"name": "a\u202eb"}},
	}
	for _, tt := range cases {
		f := c.do("POST", "/sites", merge(site("s"), tt.change)).fault(422, tt.code, tt.field)
		if tt.code == "swapped_coordinates" && f.Suggestion != "12.24, 109.19" {
			t.Errorf("suggestion %q", f.Suggestion)
		}
	}
	c.do("POST", "/sites", object{"name": "x", "oops": 1}).want(422)
	c.do("POST", "/sites", []byte("{")).want(400)
	c.do("POST", "/sites", append([]byte(`{"name":"`), make([]byte, 1<<20)...)).want(http.StatusRequestEntityTooLarge)
	// Outside is asked, and then allowed with a reason.
	ok := object{"position": object{"lat": 8.64, "lon": 111.92, "outside_reason": "Trường Sa"}}
	c.do("POST", "/sites", merge(site("truong-sa"), ok)).want(201)
}

func TestScriptInNameIsText(t *testing.T) {
	c := newTown(t)
	const name = `<script>alert("1")</script> & 'x'`
	c.do("POST", "/sites", merge(site("evil"), object{"name": name})).want(201)
	a := c.do("GET", "/sites/evil", nil).want(200)
	if s := into[api.Site](a); s.Name != name {
		t.Errorf("name %q", s.Name)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q, body %s", ct, a.body)
	}
}

func TestNearbyAndGeoJSON(t *testing.T) {
	c := newTown(t)
	c.do("POST", "/registrations", registration("r1", "aq-1", "a", "air_quality")).want(200)
	n := into[api.NearbySites](c.do("GET", "/nearby?lat=12.2401&lon=109.1901&radius=100", nil).want(200))
	if len(n.Sites) == 0 || n.Sites[0].Site.ID != "a" || n.Sites[0].Distance > 20 || !n.Inside || len(n.Wards) == 0 {
		t.Errorf("nearby: %+v", n)
	}
	n = into[api.NearbySites](c.do("GET", "/nearby?lat=109.19&lon=12.24", nil).want(200))
	if n.Inside || n.Swapped == nil || n.Swapped.Lat != 12.24 {
		t.Errorf("swapped: %+v", n)
	}
	a := c.do("GET", "/sites.geojson?kind=air_quality", nil).want(200)
	g := into[api.FeatureCollection](a)
	if a.header.Get("Content-Type") != "application/geo+json" || len(g.Features) != 1 || g.Features[0].Geometry.Coordinates[0] != 109.19 {
		t.Errorf("geojson: %+v", g)
	}
}

func TestDeviceLife(t *testing.T) {
	c := newTown(t)
	c.do("POST", "/sites", site("a")).want(201)
	c.do("POST", "/devices", merge(device("d1", "noise"), object{"why": "mua mới"})).want(201)
	c.do("POST", "/devices", device("d1", "noise")).fault(409, "duplicate_id", "id")
	c.do("POST", "/devices", device("d2")).fault(422, "required", "kinds")
	c.do("POST", "/devices", device("d2", "nonsense")).fault(422, "unknown_kind", "kinds")
	c.do("PUT", "/devices/d1", merge(device("d1", "noise"), object{"model": "X"})).want(428)
	c.do("PUT", "/devices/d1", merge(device("d1", "noise"), object{"model": "X"}), "If-Match", `"1"`).want(200)
	c.do("PUT", "/devices/d1", merge(device("d1", "noise"), object{"model": "Y"}), "If-Match", `"1"`).fault(412, "changed_meanwhile", "If-Match")
	i := c.do("POST", "/devices/d1/install", object{"site": "a", "from": time.Now().Add(-time.Hour)}).want(201)
	c.do("POST", "/devices/d1/install", object{"site": "a"}).fault(409, "stands_elsewhere", "device")
	c.do("POST", "/devices", device("d2", "noise")).want(201)
	f := c.do("POST", "/devices/d2/install", object{"site": "a"}).fault(409, "kind_taken", "site")
	if f.Current.(object)["device"] != "d1" {
		t.Errorf("current: %v", f.Current)
	}
	id := into[api.Installation](i)
	c.do("PUT", "/installations/1", object{"from": id.From}, "If-Match", `"9"`).want(412)
	c.do("PUT", "/installations/1", object{"from": id.From, "cadence_seconds": 30}, "If-Match", i.header.Get("ETag")).want(200)
	m := into[api.Device](c.do("POST", "/devices/d1/maintenance", object{"action": "begin", "why": "lau"}).want(200))
	if m.State != devices.Maintenance || m.Installation == nil || m.SiteName == "" {
		t.Errorf("maintained: %+v", m)
	}
	c.do("POST", "/devices/d1/maintenance", object{"action": "dance"}).want(422)
	c.do("POST", "/devices/d1/maintenance", object{"action": "end"}, "If-Match", `"2"`).fault(412, "changed_meanwhile", "If-Match")
	c.do("POST", "/devices/d1/maintenance", object{"action": "end"}).want(200)
	s := into[api.Swapped](c.do("POST", "/devices/d1/swap", object{"new": "d2", "retire": true, "why": "hỏng"}).want(200))
	if s.Site.ID != "a" || s.Device.State != devices.Active || s.Replaced.State != devices.Retired || s.Site.Devices[0].Device != "d2" {
		t.Errorf("swapped: %+v", s)
	}
	c.do("POST", "/devices/d2/swap", object{"create": device("d3", "weather")}).fault(409, "no_common_kind", "new")
	c.do("GET", "/devices/d3", nil).want(404)
	c.do("POST", "/devices/d2/remove", object{"at": time.Now().Add(time.Hour)}).fault(422, "in_the_future", "at")
	c.do("POST", "/devices/d2/retire", object{}).want(200)
	if l := into[api.Installations](c.do("GET", "/sites/a/installations", nil).want(200)); len(l.Installations) != 2 {
		t.Errorf("installations: %+v", l)
	}
	c.do("GET", "/devices/d1/installations", nil).want(200)
	if h := into[api.ChangePage](c.do("GET", "/devices/d1/changes?limit=50", nil).want(200)); len(h.Changes) < 6 {
		t.Errorf("%d changes", len(h.Changes))
	}
	p := into[api.DevicePage](c.do("GET", "/devices?q=d&limit=1", nil).want(200))
	if p.Total != 2 || p.Next != "d1" {
		t.Errorf("page: %+v", p)
	}
	c.do("GET", "/devices?kind=noise&provisional=false&simulated=false&bbox=109,12,110,13", nil).want(200)
}
