package embedded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// BenchmarkWrite writes points of 10 values; one operation is one point.
func BenchmarkWrite(b *testing.B) {
	for _, synced := range []bool{false, true} {
		for _, size := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("synced=%t/batch=%d", synced, size), func(b *testing.B) {
				benchmarkWrite(b, embedded.Options{Dir: b.TempDir(), SyncWrites: synced}, size, 0)
			})
		}
	}
	b.Run("late/batch=1000", func(b *testing.B) {
		benchmarkWrite(b, embedded.Options{Dir: b.TempDir()}, 1000, 30*24*time.Hour)
	})
}

func benchmarkWrite(b *testing.B, o embedded.Options, size int, late time.Duration) {
	s := open(b, o)
	kind := telemetry.NewCatalogue().Kind(telemetry.AirQuality)
	const devices = 2000
	series := make([]telemetry.Series, devices)
	for i := range series {
		series[i] = telemetry.Series{
			Kind: telemetry.AirQuality, Locality: "nha-trang",
			Site: telemetry.Site(fmt.Sprintf("site-%04d", i)), Device: telemetry.Device(fmt.Sprintf("dev-%04d", i)),
		}
	}
	begin := time.Now().Add(-late)
	points := make([]telemetry.Point, size)
	for i := range points {
		points[i].Values = make([]telemetry.Value, 10)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += size {
		for i := range points {
			p := &points[i]
			p.Series = series[(n+i)%devices]
			// Each device once a second, as on a board of the whole city.
			p.Time = begin.Add(time.Duration((n+i)/devices) * time.Second)
			for j := range p.Values {
				p.Values[j] = telemetry.Value{Spec: &kind.Metrics[j], Number: float64((n + i*j) % 100)}
			}
		}
		if err := s.Write(b.Context(), points); err != nil {
			b.Fatal(err)
		}
	}
}
