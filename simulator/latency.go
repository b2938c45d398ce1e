package simulator

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is the time from when a message was due to its acknowledgement, so it
// has in it how long the message could not be sent. In milliseconds.
type Latency struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// latencies remembers how long acknowledgements took, from 1 µs to a day and to
// three digits. It is safe for concurrent use.
type latencies struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

const longestLatency = 24 * time.Hour

func newLatencies() *latencies {
	return &latencies{h: hdrhistogram.New(1, longestLatency.Microseconds(), 3)}
}

// took adds one.
func (l *latencies) took(d time.Duration) {
	us := min(max(d.Microseconds(), 1), longestLatency.Microseconds())
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.h.RecordValue(us) // it is within the limits
}

func (l *latencies) summary() Latency {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(percent float64) float64 { return float64(l.h.ValueAtPercentile(percent)) / 1000 }
	return Latency{Count: uint64(l.h.TotalCount()), Mean: l.h.Mean() / 1000, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: float64(l.h.Max()) / 1000}
}
