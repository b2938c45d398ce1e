package devices_test

import (
	"context"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// While a long act holds the registry, as the import of a large file does, who is
// known is admitted, who is unknown is let in or heard, and people read. Other
// changes wait, and so does writing down who was let in and heard.
func TestALongChangeHoldsUpOnlyChanges(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	c.device("known", "thap-ba", telemetry.Noise)
	open, closed := c.admission(devices.Open), c.admission(devices.Closed)
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Batch(ctx, by("import"), func(b *devices.Batch) error {
			_, err := b.CreateSite(ctx, goodSite())
			close(begun)
			<-release
			return err
		})
	}()
	<-begun
	later := c.now.Add(time.Minute)
	if site, err := open.Admit("nha-trang", telemetry.Noise, "known", later); err != nil || site != "thap-ba" {
		t.Errorf("a known device: %q, %v", site, err)
	}
	if site, err := open.Admit("nha-trang", telemetry.Noise, "guest", c.now); err != nil || site != "guest" {
		t.Errorf("an unknown device under open admission: %q, %v", site, err)
	}
	_, err := closed.Admit("nha-trang", telemetry.Noise, "stranger", c.now)
	reason(t, err, telemetry.Unregistered, `"stranger"`)
	if page, n, err := c.Devices(ctx, devices.DeviceFilter{Query: "known"}); err != nil || n != 1 || len(page) != 1 {
		t.Errorf("a search: %v, %v", page, err)
	}
	if _, err := c.Site(ctx, goodSite().ID); devices.CodeOf(err) != devices.NotFound {
		t.Errorf("what is not committed is read: %v", err)
	}
	waits := make(chan error, 2)
	for _, a := range []*devices.Admission{open, closed} {
		go func() { waits <- a.Flush(context.WithoutCancel(ctx)) }()
	}
	select {
	case err := <-waits:
		t.Errorf("what was heard is written beside another change: %v", err)
	default:
	}
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-waits; err != nil {
			t.Error(err)
		}
	}
	if d, err := c.Device(ctx, "guest"); err != nil || !d.Device.Provisional {
		t.Errorf("the guest afterwards: %+v, %v", d, err)
	}
	if heard, n, err := c.Heard(ctx, devices.HeardFilter{Device: "stranger"}); err != nil || n != 1 || heard[0].Count != 1 {
		t.Errorf("the stranger afterwards: %+v, %v", heard, err)
	}
}
