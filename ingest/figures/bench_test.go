package figures_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// BenchmarkHour computes one hour of a city of 500 sites, all of which measure air
// every five minutes, with all its indices: the most that 500 sites can ask for.
func BenchmarkHour(b *testing.B) {
	const sites = 500
	now := midnight
	clock := func() time.Time { return now }
	dir := b.TempDir()
	s, err := embedded.Open(b.Context(), embedded.Options{Dir: filepath.Join(dir, "store"), Retention: 400 * 24 * time.Hour, Now: clock})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	h, err := figures.OpenHours(figures.Options{Store: s, Reader: s, Dir: dir, Now: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	air := telemetry.NewCatalogue().Kind(telemetry.AirQuality)
	hour := func() {
		var points []telemetry.Point
		for m := range 12 {
			for i := range sites {
				name := fmt.Sprintf("site-%d", i)
				p := telemetry.Point{Time: now.Add(time.Duration(5*m+1) * time.Minute),
					Series: telemetry.Series{Kind: telemetry.AirQuality, Locality: "nha-trang", Site: telemetry.Site(name), Device: telemetry.Device(name)}}
				for j := range 10 {
					p.Values = append(p.Values, telemetry.Value{Spec: &air.Metrics[j], Number: float64(20 + (i+m+j)%30)})
				}
				points = append(points, p)
			}
		}
		now = now.Add(time.Hour)
		if err := (figures.Noting{Store: s, Hours: h}).Write(b.Context(), points); err != nil {
			b.Fatal(err)
		}
		now = figures.NextRun(now)
	}
	compute := func() {
		if err := h.Compute(b.Context(), now); err != nil {
			b.Fatal(err)
		}
		now = now.Truncate(time.Hour)
	}
	for range 12 { // NowCast looks at so many, and the first run at a month
		hour()
		compute()
	}
	var used time.Duration
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		hour()
		b.StartTimer()
		before := cpu()
		compute()
		used += cpu() - before
	}
	b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkNoting is what the note of late points adds to a batch of 5000 that has
// none.
func BenchmarkNoting(b *testing.B) {
	now := midnight.Add(30 * time.Minute)
	h, err := figures.OpenHours(figures.Options{Dir: b.TempDir(), Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	points := make([]telemetry.Point, 5000)
	for i := range points {
		points[i] = telemetry.Point{Time: now, Series: telemetry.Series{Kind: telemetry.AirQuality, Locality: "nha-trang", Site: "a", Device: "d"}}
	}
	n := figures.Noting{Store: &kept{}, Hours: h}
	for b.Loop() {
		if err := n.Write(b.Context(), points); err != nil {
			b.Fatal(err)
		}
	}
}

func cpu() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r) // it fails for a wrong argument only
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
