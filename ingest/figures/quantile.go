package figures

import (
	"math"

	dto "github.com/prometheus/client_model/go"
)

// bucket is how many were at most so large, and larger than the bucket before.
type bucket struct {
	upper float64
	count float64
}

// histogram is the first histogram of a family, its buckets not cumulated.
func histogram(f *dto.MetricFamily) []bucket {
	if len(f.GetMetric()) == 0 {
		return nil
	}
	h := f.GetMetric()[0].GetHistogram()
	var out []bucket
	before := uint64(0)
	for _, b := range h.GetBucket() {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		out = append(out, bucket{b.GetUpperBound(), float64(b.GetCumulativeCount() - before)})
		before = b.GetCumulativeCount()
	}
	return append(out, bucket{math.Inf(1), float64(h.GetSampleCount() - before)})
}

// since is what came between two states of a histogram.
func since(before, now []bucket) []bucket {
	if len(before) != len(now) {
		return now
	}
	out := make([]bucket, len(now))
	for i := range now {
		out[i] = bucket{now[i].upper, now[i].count - before[i].count}
	}
	return out
}

// quantile is interpolated within its bucket, whose lower end for the first is 0;
// in the last, which has no end, it is its beginning. NaN if there is nothing.
func quantile(q float64, buckets []bucket) float64 {
	total := 0.0
	for _, b := range buckets {
		total += b.count
	}
	if total <= 0 {
		return math.NaN()
	}
	rank, lower := q*total, 0.0
	for _, b := range buckets {
		if rank <= b.count && b.count > 0 {
			if math.IsInf(b.upper, 1) {
				return lower
			}
			return lower + (b.upper-lower)*rank/b.count
		}
		rank -= b.count
		if !math.IsInf(b.upper, 1) {
			lower = b.upper
		}
	}
	return lower
}
