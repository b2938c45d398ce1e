package devices_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func (c *city) admission(mode devices.Mode) *devices.Admission {
	a := devices.NewAdmission(c.Registry, mode)
	a.Now = func() time.Time { return c.now }
	return a
}

func reason(t *testing.T, err error, want telemetry.Reason, about string) {
	t.Helper()
	var p telemetry.Problem
	if !errors.As(err, &p) || p.Reason != want || !strings.Contains(p.Detail, about) {
		t.Errorf("have %v, want %s about %q", err, want, about)
	}
}

func TestUnknownDeviceWaitsUntilRegistered(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	a := c.admission(devices.Closed)
	early := c.now.Add(-2 * time.Hour) // it had stored a reading
	for i, at := range []time.Time{c.now, early, c.now} {
		_, err := a.Admit("nha-trang", telemetry.Noise, "d", at)
		reason(t, err, telemetry.Unregistered, `"d"`)
		if i == 0 {
			if err := a.Flush(ctx); err != nil { // what comes after is not written yet
				t.Fatal(err)
			}
		}
	}
	_, err := a.Admit("hue", telemetry.Noise, "e", c.now)
	reason(t, err, telemetry.UnknownLocality, "cam-lam, cam-ranh, nha-trang, ninh-hoa")
	a.Describe("d", "kh/nha-trang/noise/d", "gw-1", []byte("{}"))
	var told []telemetry.Device
	defer c.Subscribe(func(e devices.Event) {
		for _, d := range e.Devices {
			told = append(told, d)
			if site, err := a.Admit("nha-trang", telemetry.Noise, d, c.now); err != nil {
				t.Errorf("told too early: %v, %v", site, err)
			}
		}
	})()
	c.now = c.now.Add(time.Minute)
	c.device("d", "thap-ba", telemetry.Noise)
	if !slices.Contains(told, "d") {
		t.Errorf("told of %v", told)
	}
	for _, at := range []time.Time{early, noon(), c.now} {
		if site, err := a.Admit("nha-trang", telemetry.Noise, "d", at); site != "thap-ba" || err != nil {
			t.Errorf("what waited since %v: %v, %v", at, site, err)
		}
	}
	if err := a.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	heard, n, err := c.Heard(ctx, devices.HeardFilter{})
	if err != nil || n != 1 || heard[0].Device != "e" || heard[0].Reason != devices.NoLocality {
		t.Errorf("still heard: %+v, %v", heard, err)
	}
	_, err = a.Admit("nha-trang", telemetry.Noise, "d", early.Add(-time.Hour))
	reason(t, err, telemetry.Unregistered, "stood nowhere")
	_, err = a.Admit("cam-ranh", telemetry.Noise, "d", c.now)
	reason(t, err, telemetry.Unregistered, "another locality")
	_, err = a.Admit("nha-trang", telemetry.Waste, "d", c.now)
	reason(t, err, telemetry.Unregistered, "add the kind")
	_, err = a.Admit("nha-trang", telemetry.Status, "unknown", c.now)
	reason(t, err, telemetry.Unregistered, "Heard")
}

func TestHeardIsDescribed(t *testing.T) {
	c := newCity(t)
	a := c.admission(devices.Closed)
	payload := []byte(strings.Repeat("x", 5000))
	a.Admit("nha-trang", telemetry.Noise, "d", c.now)
	a.Describe("d", "kh/nha-trang/noise/d", "gw-1", payload)
	payload[0] = 'y' // the message's memory is used again
	a.Describe("bad id", "t", "g", nil)
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	heard, n, err := c.Heard(t.Context(), devices.HeardFilter{Query: "D"})
	if err != nil || n != 1 {
		t.Fatal(heard, n, err)
	}
	if h := heard[0]; h.Count != 1 || h.Gateway != "gw-1" || len(h.Sample) != 1024 || h.Sample[0] != 'x' || h.Reason != devices.NoDevice {
		t.Errorf("have %+v", h)
	}
}

func TestHeardIsBounded(t *testing.T) {
	c := newCity(t)
	a := c.admission(devices.Closed)
	for i := range 10_100 {
		a.Admit("nha-trang", telemetry.Noise, telemetry.Device(fmt.Sprintf("d%d", i)), c.now)
	}
	if a.Dropped() != 100 {
		t.Errorf("dropped %d", a.Dropped())
	}
}

func TestOpenAdmission(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	a := c.admission(devices.Open)
	a.Cap = 2
	admit := func(kind telemetry.Kind, d telemetry.Device, want string) {
		t.Helper()
		site, err := a.Admit("nha-trang", kind, d, noon().Add(-30*24*time.Hour))
		if want == "" && err != nil || string(site) != want && err == nil {
			t.Errorf("%s: have %q, %v", d, site, err)
		}
		if want == "cap" {
			reason(t, err, telemetry.Unregistered, "2 provisional")
		}
	}
	admit(telemetry.Noise, "a", "a")
	admit(telemetry.Noise, "b", "b")
	admit(telemetry.Noise, "c", "cap")
	admit(telemetry.Weather, "a", "a") // a second kind
	if err := a.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	admit(telemetry.Waste, "b", "b") // a further one after it was written down
	for _, e := range c.Snapshot().Expectations() {
		if len(e.Usual) != len(e.Kinds) {
			t.Errorf("%s is expected with %v, and usual are %v", e.Device, e.Kinds, e.Usual)
		}
	}
	if err := a.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	page, n, err := c.Devices(ctx, devices.DeviceFilter{})
	if err != nil || n != 2 || !page[0].Device.Provisional || len(page[0].Device.Kinds) != 2 || len(page[1].Device.Kinds) != 2 || !page[0].Site.Provisional {
		t.Fatalf("have %+v, %v", page, err)
	}
	heard, _, err := c.Heard(ctx, devices.HeardFilter{})
	shown := map[telemetry.Device]bool{}
	for _, h := range heard {
		shown[h.Device] = h.Provisional
	}
	if err != nil || len(shown) != 3 || !shown["a"] || !shown["b"] || shown["c"] {
		t.Errorf("heard: %v, %v", shown, err)
	}
	if err := c.Open(ctx); err != nil { // as after a start
		t.Fatal(err)
	}
	admit(telemetry.Weather, "a", "a")
	admit(telemetry.Noise, "c", "cap")
	// A person registers it: from then on its site is the real one.
	c.now = noon().Add(time.Hour)
	r := c.device("a", "thap-ba", telemetry.Noise, telemetry.Weather)
	if r.Device.Provisional {
		t.Error("still provisional")
	}
	if have := c.lookup("nha-trang", telemetry.Noise, "a", noon()); have != "a" {
		t.Errorf("before: %s", have)
	}
	if have := c.lookup("nha-trang", telemetry.Noise, "a", c.now); have != "thap-ba" {
		t.Errorf("since: %s", have)
	}
	if s, err := c.Site(ctx, "a"); err != nil || s.State != devices.Retired {
		t.Errorf("the provisional site: %+v, %v", s, err)
	}
	admit(telemetry.Noise, "c", "c") // there is room again
}

func TestProvisionalSiteBecomesReal(t *testing.T) {
	c := newCity(t)
	a := c.admission(devices.Open)
	if _, err := a.Admit("nha-trang", telemetry.Noise, "cot-12", c.now); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	reg := registration("q")
	reg.Device.ID, reg.From = "cot-12", c.now.Add(-time.Hour)
	r, err := c.RegisterDevice(t.Context(), by("lan"), reg)
	if err != nil || r.Site.Provisional || r.Site.Name != "Cột 12" || r.Site.State != devices.Active {
		t.Errorf("have %+v, %v", r, err)
	}
}

func TestAdmissionFromManyGoroutines(t *testing.T) {
	c := newCity(t)
	a := c.admission(devices.Open)
	a.FlushEvery = time.Millisecond
	a.Cap = 50
	ctx, cancel := context.WithCancel(t.Context())
	var running, wg sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				a.Admit("nha-trang", telemetry.Noise, telemetry.Device(fmt.Sprintf("d%d", i%100)), noon())
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			if _, err := c.CreateDevice(ctx, by("lan"), devices.Device{ID: telemetry.Device(fmt.Sprintf("real%d", i)), Kinds: []telemetry.Kind{telemetry.Noise}}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	cancel()
	running.Wait()
	yes := true
	_, n, err := c.Devices(t.Context(), devices.DeviceFilter{Provisional: &yes})
	if err != nil || n != 50 {
		t.Errorf("%d devices are provisional, %v", n, err)
	}
	if all, guests := c.Snapshot().Devices(); all != 70 || guests != 50 {
		t.Errorf("the snapshot has %d devices, %d of them provisional", all, guests)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	c := newCity(t)
	c.device("d", "thap-ba", telemetry.Noise)
	a := c.admission(devices.Closed)
	if n := testing.AllocsPerRun(100, func() { a.Admit("nha-trang", telemetry.Noise, "d", noon()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
