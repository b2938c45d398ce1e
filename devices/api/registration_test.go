package api_test

import (
	"encoding/base64"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
)

// png is the smallest picture.
func png(t *testing.T) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRegistrationIsDoneOnce(t *testing.T) {
	c := newTown(t)
	r := merge(registration("req-1", "aq-1", "a", "air_quality"), object{"photo": png(t), "why": "lắp mới"})
	first := into[api.Registered](c.do("POST", "/registrations", r).want(200))
	if first.Repeated || first.Installation.Site != "a" || first.Device.State != devices.Active || first.PhotoID == 0 {
		t.Fatalf("registered: %+v", first)
	}
	again := into[api.Registered](c.do("POST", "/registrations", merge(r, object{"sent_at": time.Now().Add(time.Minute)})).want(200))
	if !again.Repeated || again.Installation.ID != first.Installation.ID {
		t.Errorf("again: %+v", again)
	}
	looked := into[api.Registered](c.do("GET", "/registrations/req-1", nil).want(200))
	if looked.Installation.ID != first.Installation.ID || looked.Device.ID != "aq-1" {
		t.Errorf("looked: %+v", looked)
	}
	c.do("GET", "/registrations/other", nil).want(404)
	c.do("POST", "/registrations", merge(r, object{"device": device("aq-2", "noise")})).fault(409, "request_reused", "request_id")

	p := into[api.Photos](c.do("GET", "/installations/1/photos", nil).want(200))
	a := c.do("GET", p.Photos[0].URL[len("/api/v1"):], nil).want(200)
	if a.header.Get("Content-Type") != "image/jpeg" || a.header.Get("X-Content-Type-Options") != "nosniff" || len(a.body) == 0 {
		t.Errorf("photo: %v", a.header)
	}
}

func TestRegistrationTellsAllThatIsWrong(t *testing.T) {
	c := newTown(t)
	r := object{"request_id": "q", "new_site": true, "device": object{"id": "x y", "kinds": []string{}},
		"site": object{"id": "s", "name": "", "locality": "nha-trang", "position": object{"lat": 109.19, "lon": 12.24}}}
	a := c.do("POST", "/registrations", r)
	for field, code := range map[string]string{"device.id": "bad_id", "device.kinds": "required", "site.name": "required", "site.ward": "required",
		"site.position": "swapped_coordinates"} {
		a.fault(422, code, field)
	}
	bad := merge(registration("q", "d", "s", "noise"), object{"photo": []byte("<svg onload=alert(1)>")})
	c.do("POST", "/registrations", bad).fault(422, "bad_photo", "photo")
	c.do("POST", "/registrations", merge(bad, object{"photo": append(png(t), make([]byte, devices.MaxPhoto)...)})).fault(422, "photo_too_large", "photo")
	c.do("POST", "/registrations", merge(bad, object{"photo": make([]byte, 5<<20)})).want(413)
	missing := merge(registration("q", "d", "nowhere", "noise"), object{"new_site": false})
	c.do("POST", "/registrations", missing).want(404)
	c.do("GET", "/sites/s", nil).want(404) // nothing was half done
}

// An id that is made of the name is made free; one that somebody gave is not
// changed.
func TestSiteIDOfAName(t *testing.T) {
	c := newTown(t)
	at := func(given string) object {
		s := merge(site("x"), object{"name": "Chợ Đầm"})
		delete(s, "id")
		if given != "" {
			s["id"] = given
		}
		return s
	}
	reg := func(n string, s object) object {
		return object{"request_id": n, "device": device("dev-"+n, "noise"), "site": s, "new_site": true}
	}
	if r := into[api.Registered](c.do("POST", "/registrations", reg("1", at(""))).want(200)); r.Site.ID != "cho-dam-2" { // cho-dam is of the seed
		t.Errorf("the second has the id %q", r.Site.ID)
	}
	if s := into[api.Site](c.do("POST", "/sites", at("")).want(201)); s.ID != "cho-dam-3" {
		t.Errorf("the third has the id %q", s.ID)
	}
	again := into[api.Registered](c.do("POST", "/registrations", reg("1", at(""))).want(200))
	if again.Site.ID != "cho-dam-2" || !again.Repeated {
		t.Errorf("sent again: %+v", again)
	}
	c.do("POST", "/registrations", reg("2", at("cho-dam"))).fault(409, "duplicate_id", "site.id")
	c.do("POST", "/sites", at("cho-dam")).fault(409, "duplicate_id", "id")
	c.do("POST", "/registrations", merge(reg("3", object{"id": "nowhere"}), object{"new_site": false})).fault(404, "not_found", "site")
}

func TestPhotos(t *testing.T) {
	c := newTown(t)
	c.do("POST", "/registrations", registration("r", "aq-1", "a", "air_quality")).want(200)
	made := c.do("POST", "/installations/1/photos?why=sau+b%C3%A3o", png(t), "Content-Type", "image/png").want(201)
	p := into[api.Photo](made)
	if made.header.Get("Location") != p.URL || p.Device != "aq-1" || p.Site != "a" || p.Width != 1 || p.Who != "lan" {
		t.Errorf("photo: %+v, %v", p, made.header)
	}
	if again := into[api.Photo](c.do("POST", "/installations/1/photos", png(t)).want(201)); again != p {
		t.Errorf("sent again: %+v", again)
	}
	path := p.URL[len("/api/v1"):]
	got := c.do("GET", path, nil).want(200)
	if got.header.Get("Content-Type") != "image/jpeg" || int64(len(got.body)) != p.Bytes || got.header.Get("Cache-Control") == "" {
		t.Errorf("bytes: %v", got.header)
	}
	same := c.do("GET", path, nil, "If-None-Match", got.header.Get("ETag")).want(304)
	if len(same.body) != 0 || same.header.Get("ETag") != got.header.Get("ETag") {
		t.Errorf("not modified: %v, %d bytes", same.header, len(same.body))
	}
	for _, list := range []string{"/installations/1/photos", "/sites/a/photos"} {
		if l := into[api.Photos](c.do("GET", list, nil).want(200)); len(l.Photos) != 1 || l.Photos[0] != p {
			t.Errorf("%s: %+v", list, l)
		}
	}
	c.do("GET", "/installations/9/photos", nil).want(404)
	c.do("GET", "/sites/none/photos", nil).want(404)
	c.do("GET", "/installations/2/photos/1", nil).want(404)
	c.do("POST", "/installations/9/photos", png(t)).want(404)
	c.do("POST", "/installations/1/photos", []byte("<svg onload=alert(1)>")).fault(422, "bad_photo", "photo")
	c.do("POST", "/installations/1/photos", make([]byte, devices.MaxPhoto+2)).want(413)
	c.do("DELETE", path+"?why=c%C3%B3+ng%C6%B0%E1%BB%9Di", nil).want(204)
	c.do("GET", path, nil).want(404)
	h := into[api.ChangePage](c.do("GET", "/sites/a/changes", nil).want(200))
	if h.Changes[0].Action != devices.Deleted || h.Changes[0].Why != "có người" || h.Changes[1].Why != "sau bão" {
		t.Errorf("journal: %+v", h.Changes[:2])
	}
}

// Two phones that were offline register the same device at two sites at once.
func TestTwoPhones(t *testing.T) {
	c := newTown(t)
	answers := make([]*answer, 2)
	var group sync.WaitGroup
	for i, at := range []string{"a", "b"} {
		group.Go(func() {
			answers[i] = c.do("POST", "/registrations", registration("phone-"+at, "aq-1", at, "air_quality"))
		})
	}
	group.Wait()
	if answers[0].status+answers[1].status != 200+409 {
		t.Fatalf("statuses %d and %d", answers[0].status, answers[1].status)
	}
	for _, a := range answers {
		if a.status != 409 {
			continue
		}
		f := a.fault(409, "already_registered", "device.id")
		h := f.Current.(object)
		if h["who"] != "lan" || h["at"] == "" || h["site"] == nil || h["installation"] == nil {
			t.Errorf("holder: %v", h)
		}
	}
}

func TestPhoneWithAWrongClock(t *testing.T) {
	c := newTown(t)
	ahead := 3 * 24 * time.Hour
	now := time.Now().Add(ahead)
	r := merge(registration("r", "d", "s", "noise"), object{"from": now.Add(-time.Hour), "sent_at": now})
	got := into[api.Registered](c.do("POST", "/registrations", r).want(200))
	if skew := got.ClockSkewSeconds; skew < ahead.Seconds()-60 || skew > ahead.Seconds()+60 {
		t.Errorf("skew %v s", skew)
	}
	if since := time.Since(got.Installation.From); since < 59*time.Minute || since > 61*time.Minute {
		t.Errorf("it stands there since %v ago", since)
	}
	r = merge(registration("r2", "d2", "s2", "noise"), object{"from": now})
	c.do("POST", "/registrations", r).fault(422, "in_the_future", "from")
}

func TestHeard(t *testing.T) {
	c := newTown(t)
	adm := devices.NewAdmission(c.registry, devices.Closed)
	for range 3 {
		if _, err := adm.Admit("nha-trang", "noise", "n-1", time.Now().Add(-time.Minute)); err == nil {
			t.Fatal("admitted")
		}
	}
	adm.Describe("n-1", "kh/nha-trang/noise/n-1", "gw", []byte(`{"laeq":"<b>"}`))
	if err := adm.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := into[api.HeardPage](c.do("GET", "/heard?limit=1", nil).want(200))
	if p.Total != 1 || p.Heard[0].Count != 3 || p.Heard[0].Sample != `{"laeq":"<b>"}` || p.Heard[0].Draft.Device.Kinds[0] != "noise" {
		t.Fatalf("heard: %+v", p)
	}
	h := into[api.Heard](c.do("GET", "/heard/n-1", nil).want(200))
	c.do("GET", "/heard/n-2", nil).want(404)
	c.do("GET", "/heard?cursor=-1", nil).fault(422, "bad_value", "cursor")
	c.do("POST", "/registrations", merge(registration("r", "n-1", "s", "noise"), object{"from": h.Draft.From})).want(200)
	if p := into[api.HeardPage](c.do("GET", "/heard", nil).want(200)); p.Total != 0 {
		t.Errorf("still heard: %+v", p)
	}
}
