package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// nowhere takes all and holds nothing.
type nowhere struct{}

func (nowhere) Write(context.Context, []telemetry.Point) error                 { return nil }
func (nowhere) Samples(context.Context, store.Query, func(store.Sample)) error { return nil }

// BenchmarkGuard is what a guard costs a point of 10 values that comes in order;
// one operation is one point.
func BenchmarkGuard(b *testing.B) {
	kind := telemetry.NewCatalogue().Kind(telemetry.AirQuality)
	const devices, size = 2000, 1000
	series := make([]telemetry.Series, devices)
	for i := range series {
		series[i] = telemetry.Series{Kind: telemetry.AirQuality, Locality: "nha-trang",
			Site: telemetry.Site(fmt.Sprintf("site-%04d", i)), Device: telemetry.Device(fmt.Sprintf("dev-%04d", i))}
	}
	points := make([]telemetry.Point, size)
	for i := range points {
		for j := range 10 {
			points[i].Values = append(points[i].Values, telemetry.Value{Spec: &kind.Metrics[j], Number: float64(j)})
		}
	}
	for name, visible := range map[string]time.Duration{"shows at once": 0, "shows later": 10 * time.Second} {
		b.Run(name, func(b *testing.B) {
			begin := time.Now().Add(time.Hour) // past the guard's beginning
			g := store.NewGuard(nowhere{}, nowhere{}, time.Now)
			g.Visible = visible
			b.ReportAllocs()
			for n := 0; n < b.N; n += size {
				for i := range points {
					points[i].Series = series[(n+i)%devices]
					points[i].Time = begin.Add(time.Duration((n+i)/devices) * time.Second)
				}
				if err := g.Write(b.Context(), points); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
