package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// province is how many devices stand in the town of the benchmark, each at its own
// site.
const province = 100_000

// settle fills a town, past the registry's rules, which are not what is measured.
func (c *town) settle(n int) {
	c.t.Helper()
	places := seed.Sites()
	kinds := []telemetry.Kind{telemetry.AirQuality, telemetry.StreetLight, telemetry.Noise, telemetry.WaterLevel}
	at := time.Now().UTC().Truncate(time.Millisecond)
	ctx := c.t.Context()
	for from := 0; from < n; from += 5000 {
		err := c.registry.Store.Write(ctx, func(tx devices.Tx) error {
			for i := from; i < min(n, from+5000); i++ {
				s := places[i%len(places)]
				s.ID = telemetry.Site(fmt.Sprintf("%s-%06d", s.ID, i))
				s.Name = fmt.Sprintf("%s, cột %d", s.Name, i)
				s.Position.Lat += float64(i%1000) * 1e-6
				s.State, s.Version, s.Updated = devices.Active, 1, at
				d := devices.Device{ID: telemetry.Device(fmt.Sprintf("24e124%010x", i)), Kinds: kinds[i%4 : i%4+1], Model: "EM500",
					Serial: fmt.Sprint(6_000_000 + i), State: devices.Active, Version: 1, Created: at, Updated: at}
				if err := tx.PutSite(ctx, s); err != nil {
					return err
				}
				if err := tx.PutDevice(ctx, d); err != nil {
					return err
				}
				if _, err := tx.PutInstallation(ctx, devices.Installation{Device: d.ID, Site: s.ID, From: at, Version: 1}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.registry.Open(ctx); err != nil {
		c.t.Fatal(err)
	}
	silence := devices.NewSilence(at)
	c.api.Presences = func() devices.Silences { return silence.At(time.Now(), c.registry.Snapshot().Expectations()) }
}

// BenchmarkProvince asks the interface, over the loopback, what people ask of
// 100,000 devices, and reports the medians.
func BenchmarkProvince(b *testing.B) {
	c := newTown(b)
	c.settle(province)
	for _, q := range []struct{ name, path string }{
		{"devices/list", "/devices"},
		{"devices/list of 1000", "/devices?limit=1000"},
		{"devices/far down", "/devices?cursor=24e124000000c350"},
		{"devices/locality and kind", "/devices?locality=cam-ranh&kind=noise"},
		{"devices/state", "/devices?state=maintenance"},
		{"devices/search of many", "/devices?q=nha+trang"},
		{"devices/search of a rare word", "/devices?q=6054321"},
		{"devices/search of nothing", "/devices?q=kh%C3%B4ng+c%C3%B3"},
		{"devices/box", "/devices?bbox=109.19,12.23,109.2,12.26"},
		{"sites/list", "/sites"},
		{"sites/far down", "/sites?cursor=thap-ba-050000"},
		{"sites/kind", "/sites?kind=noise"},
		{"sites/locality and kind", "/sites?kind=noise&locality=ninh-hoa"},
		{"sites/search of many", "/sites?q=" + url.QueryEscape("tháp bà")},
		{"sites/search of a rare word", "/sites?q=54321"},
		{"sites/box", "/sites?bbox=109.19,12.23,109.2,12.26"},
		{"sites/geojson of a box", "/sites.geojson?bbox=109.19,12.23,109.2,12.245"},
		{"sites/geojson of 20000", "/sites.geojson"},
		{"nearby", "/nearby?lat=12.2389&lon=109.1967&radius=200"},
	} {
		b.Run(q.name, func(b *testing.B) {
			c.t = b
			median(b, func() { c.do("GET", q.path, nil).want(200) })
		})
	}
	b.Run("start", func(b *testing.B) {
		median(b, func() {
			if err := c.registry.Open(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	})
	c.t = b
}

// median reports the median besides the mean.
func median(b *testing.B, f func()) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		f()
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}
