package sqlstore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// province is how many devices the benchmarks register, each at its own site.
const province = 100_000

// fill puts a province's devices into a store, past the registry: its rules would
// be measured otherwise.
func fill(b *testing.B, s *sqlstore.Store, n int) *devices.Registry {
	b.Helper()
	r := registry(b, s)
	places := seed.Sites()
	kinds := []telemetry.Kind{telemetry.AirQuality, telemetry.StreetLight, telemetry.Noise, telemetry.WaterLevel}
	err := s.Write(b.Context(), func(tx devices.Tx) error {
		for i := range n {
			p := places[i%len(places)]
			p.ID = telemetry.Site(fmt.Sprintf("%s-%06d", p.ID, i))
			p.Name = fmt.Sprintf("%s, cột %d", p.Name, i)
			p.Position.Lat += float64(i%1000) * 1e-6
			p.State, p.Version, p.Updated = devices.Active, 1, noon()
			d := devices.Device{ID: telemetry.Device(fmt.Sprintf("24e124%010x", i)), Kinds: kinds[i%4 : i%4+1], Model: "EM500", Serial: fmt.Sprint(6_000_000 + i),
				State: devices.Active, Version: 1, Created: noon(), Updated: noon()}
			if err := tx.PutSite(b.Context(), p); err != nil {
				return err
			}
			if err := tx.PutDevice(b.Context(), d); err != nil {
				return err
			}
			if _, err := tx.PutInstallation(b.Context(), devices.Installation{Device: d.ID, Site: p.ID, From: noon(), Version: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func BenchmarkSQLite(b *testing.B) { benchmark(b, sqliteFile(b)) }

func BenchmarkPostgreSQL(b *testing.B) { benchmark(b, startPostgres(b).database(b)) }

func benchmark(b *testing.B, place string) {
	r := fill(b, open(b, place), province)
	ctx := b.Context()
	for _, c := range []struct {
		name   string
		filter devices.DeviceFilter
	}{
		{"first page", devices.DeviceFilter{}},
		{"page in the middle", devices.DeviceFilter{Page: devices.Page{After: "24e12400000c350"}}},
		{"page of 1000", devices.DeviceFilter{Page: devices.Page{Limit: 1000}}},
		{"search of many", devices.DeviceFilter{Query: "trang"}},
		{"search of two words", devices.DeviceFilter{Query: "tháp 777"}},
		{"search of one", devices.DeviceFilter{Query: "6054321"}},
		{"search of none", devices.DeviceFilter{Query: "không có"}},
		{"locality", devices.DeviceFilter{Locality: "cam-ranh"}},
		{"kind", devices.DeviceFilter{Kind: telemetry.Noise}},
		{"kind, locality and search", devices.DeviceFilter{Kind: telemetry.Noise, Locality: "nha-trang", Query: "cầu"}},
		{"box", devices.DeviceFilter{Box: &devices.Box{West: 109.19, South: 12.23, East: 109.2, North: 12.26}}},
	} {
		b.Run("devices/"+c.name, func(b *testing.B) {
			median(b, func() error { _, _, err := r.Devices(ctx, c.filter); return err })
		})
	}
	b.Run("sites/search", func(b *testing.B) {
		median(b, func() error { _, _, err := r.Sites(ctx, devices.SiteFilter{Query: "tháp bà"}); return err })
	})
	for name, f := range map[string]devices.SiteFilter{"kind": {Kind: telemetry.Noise}, "kind and ward": {Kind: telemetry.Noise, Locality: "nha-trang", Ward: "22366"},
		"kind and search": {Kind: telemetry.Noise, Query: "cầu"}, "kind and state": {Kind: telemetry.Noise, State: devices.Active}, "kind and box": {Kind: telemetry.Noise, Box: &devices.Box{West: 109.19, South: 12.23, East: 109.2, North: 12.26}}} {
		b.Run("sites/"+name, func(b *testing.B) {
			median(b, func() error { _, _, err := r.Sites(ctx, f); return err })
		})
	}
	b.Run("sites/near by", func(b *testing.B) {
		median(b, func() error {
			_, err := r.NearbySites(ctx, devices.Position{Lat: 12.2389, Lon: 109.1967}, 200, 10)
			return err
		})
	})
	b.Run("start", func(b *testing.B) { median(b, func() error { return r.Open(ctx) }) })
	b.Run("register", func(b *testing.B) { benchmarkRegister(ctx, b, r) })
}

func benchmarkRegister(ctx context.Context, b *testing.B, r *devices.Registry) {
	median(b, func() error {
		id := fmt.Sprintf("new-%d", time.Now().UnixNano())
		_, err := r.RegisterDevice(ctx, me(), devices.Registration{Request: id, NewSite: true,
			Device: devices.Device{ID: telemetry.Device(id), Kinds: []telemetry.Kind{telemetry.Noise}},
			Site: devices.Site{ID: telemetry.Site(id), Name: strings.ToUpper(id), Locality: "nha-trang", Ward: "22366",
				Position: devices.Position{Lat: 12.24, Lon: 109.19, Accuracy: 5}}})
		return err
	})
}

// median reports the median besides the mean.
func median(b *testing.B, f func() error) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}
