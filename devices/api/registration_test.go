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
	if a.header.Get("Content-Type") != "image/png" || a.header.Get("X-Content-Type-Options") != "nosniff" || string(a.body) != string(png(t)) {
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
