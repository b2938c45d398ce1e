package devices_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func registration(request string) devices.Registration {
	return devices.Registration{Request: request, Device: devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}}, Site: goodSite(), NewSite: true}
}

func TestRegisterTwiceIsOnce(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	reg := registration("q")
	reg.Photo = picture(t, "a")
	first, err := c.RegisterDevice(ctx, by("lan"), reg)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := c.History(ctx, devices.ChangeFilter{Limit: 1})
	reg.SentAt = noon() // sent again later
	again, err := c.RegisterDevice(ctx, by("lan"), reg)
	if err != nil || !again.Repeated {
		t.Fatal(again, err)
	}
	again.Repeated = false
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	if after, _ := c.History(ctx, devices.ChangeFilter{Limit: 1}); after[0].Seq != before[0].Seq {
		t.Error("the repetition changed something")
	}
	reg.Device.Notes = "other"
	_, err = c.RegisterDevice(ctx, by("lan"), reg)
	c.want(err, devices.Conflict, "request", devices.ReasonRequestReused)
	photos, err := c.Photos(ctx, devices.PhotoFilter{Installation: first.Installation.ID})
	if err != nil || len(photos) != 1 || photos[0].Type != "image/jpeg" || photos[0].ID != first.PhotoID {
		t.Errorf("photos: %v, %v", photos, err)
	}
}

func TestTwoPhonesRegisterTheSameDevice(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	if _, err := c.RegisterDevice(ctx, by("lan"), registration("phone-1")); err != nil {
		t.Fatal(err)
	}
	second := registration("phone-2")
	second.Site.ID, second.Site.Name, second.Device.Model = "cot-13", "Cột 13", "Other"
	_, err := c.RegisterDevice(ctx, by("minh"), second)
	e := c.want(err, devices.Conflict, "device.id", devices.ReasonAlreadyThere)
	h := e.Current.(devices.Holder)
	if h.Who != "lan" || h.Site.ID != "cot-12" || !h.At.Equal(noon()) {
		t.Errorf("the conflict explains %+v", h)
	}
	p, err := c.Device(ctx, "d")
	if err != nil || p.Device.Model != "" || p.Site.ID != "cot-12" {
		t.Errorf("overwritten: %+v, %v", p, err)
	}
	if _, err := c.Site(ctx, "cot-13"); devices.CodeOf(err) != devices.NotFound {
		t.Errorf("half of the second phone's is there: %v", err)
	}
	// The corrected request of the second phone is not the one that failed.
	second.Device.ID = "d2"
	if _, err := c.RegisterDevice(ctx, by("minh"), second); err != nil {
		t.Error(err)
	}
}

func TestRegisterTellsAllThatIsWrong(t *testing.T) {
	c := newCity(t)
	reg := registration("q")
	reg.Device.Kinds = nil
	reg.Site.Position = devices.Position{Lat: 109.19, Lon: 12.24}
	_, err := c.RegisterDevice(t.Context(), by("lan"), reg)
	c.want(err, devices.Invalid, "device.kinds", devices.ReasonRequired)
	if e := c.want(err, devices.Invalid, "site.position", devices.ReasonSwapped); e.Suggestion != "12.24, 109.19" {
		t.Errorf("suggested %q", e.Suggestion)
	}
	reg = registration("")
	_, err = c.RegisterDevice(t.Context(), by("lan"), reg)
	c.want(err, devices.Invalid, "request", devices.ReasonRequired)
	reg = registration("r")
	reg.NewSite, reg.Site = false, devices.Site{ID: "nowhere"}
	_, err = c.RegisterDevice(t.Context(), by("lan"), reg)
	c.want(err, devices.NotFound, "site", devices.ReasonNotFound)
}

func TestPhoneWithAWrongClock(t *testing.T) {
	c := newCity(t)
	reg := registration("q")
	// It is a day ahead; the sensor was mounted an hour before sending.
	reg.SentAt = noon().Add(24 * time.Hour)
	reg.From = reg.SentAt.Add(-time.Hour)
	r, err := c.RegisterDevice(t.Context(), by("lan"), reg)
	if err != nil || !r.Installation.From.Equal(noon().Add(-time.Hour)) || r.Skew != 24*time.Hour {
		t.Errorf("have %v, skew %v, %v", r.Installation.From, r.Skew, err)
	}
}

func TestPlannedDeviceIsRegisteredAsItIs(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	planned := devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise, telemetry.Weather}, Model: "WS302", Serial: "7"}
	if _, err := c.CreateDevice(ctx, by("office"), planned); err != nil {
		t.Fatal(err)
	}
	reg := registration("q")
	reg.Device.Model, reg.Device.Notes = "typed on a phone", "cột nghiêng"
	r, err := c.RegisterDevice(ctx, by("lan"), reg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Device.Model != "WS302" || r.Device.Notes != "cột nghiêng" || len(r.Device.Kinds) != 2 || r.Device.State != devices.Active {
		t.Errorf("have %+v", r.Device)
	}
}
