package score_test

import (
	"runtime"
	"testing"
	"time"
)

// BenchmarkHundredThousand scores 100,000 devices in an embedded store of this
// process. heap-MB is the most that scoring and the store's answers took beyond
// what the store had, fleet included.
func BenchmarkHundredThousand(b *testing.B) {
	city := open(b, "hundred-thousand", 20*time.Minute, time.Minute)
	city.fill(nil)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before := heap()
	most, done, sampled := before, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, heap())
			case <-done:
				return
			}
		}
	}()
	var values int64
	for b.Loop() {
		r := city.score()
		if !r.Perfect {
			b.Fatal(text(r))
		}
		values += r.Total.Expected
	}
	close(done)
	<-sampled
	b.ReportMetric(float64(most-before)/1e6, "heap-MB")
	b.ReportMetric(float64(values)/b.Elapsed().Seconds(), "values/s")
	b.ReportMetric(float64(len(city.fleet.Devices())*b.N)/b.Elapsed().Seconds(), "devices/s")
}
