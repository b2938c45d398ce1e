package score_test

import (
	"testing"
	"time"
)

// BenchmarkHundredThousand scores 100,000 devices in an embedded store of this
// process, which takes some 2.5 GB; most of the time is the store's.
func BenchmarkHundredThousand(b *testing.B) {
	city := open(b, "hundred-thousand", 20*time.Minute, time.Minute)
	city.fill(nil)
	var values int64
	for b.Loop() {
		r := city.score()
		if !r.Perfect {
			b.Fatal(text(r))
		}
		values += r.Total.Expected
	}
	b.ReportMetric(float64(values)/b.Elapsed().Seconds(), "values/s")
	b.ReportMetric(float64(len(city.fleet.Devices())*b.N)/b.Elapsed().Seconds(), "devices/s")
}
