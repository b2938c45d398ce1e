package store

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Query selects samples of a kind: after From and until To.
type Query struct {
	Kind telemetry.Kind
	// Metrics are those that are wanted; at least one.
	Metrics []telemetry.Metric
	// Sites are those that are wanted; none is all.
	Sites    []telemetry.Site
	From, To time.Time
}

// Sample is one number of a series.
type Sample struct {
	Series telemetry.Series
	Metric telemetry.Metric
	Time   time.Time
	Number float64
}

// Reader reads what a store holds back, as it was written: nothing is brought
// together and nothing filled in. It is safe for concurrent use.
type Reader interface {
	// Samples calls f for each sample, those of one series and metric in order of
	// time. After an error f may have been called for some of them.
	Samples(ctx context.Context, q Query, f func(Sample)) error
}
