package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Options says how a store is opened. Dir and Retention must be set; every other
// field has a default.
type Options struct {
	// Dir is the data folder; it is made if it is not there. One process at a
	// time may have it open.
	Dir string
	// Retention is how long data is kept, and so how late a point may come: at
	// least two hours. Data leaves in blocks, so it may stay up to a tenth
	// longer.
	Retention time.Duration
	// SyncWrites makes Write wait until the disk has the data, so that it
	// survives a loss of power. Without it, it survives the death of the process.
	SyncWrites bool

	// Room says why nothing may be written now, for want of space; nil is that it always
	// may. Write then fails before it could tear a log.
	Room func() error

	// Logger is silent when nil.
	Logger *slog.Logger
	// Registerer takes the metrics of the TSDB and of the query engine; nil
	// keeps them within the API's own status pages.
	Registerer prometheus.Registerer
	// Catalogue is what the API tells about metrics: their help and units; nil
	// makes [telemetry.NewCatalogue].
	Catalogue *telemetry.Catalogue
	// Now is the clock; nil is [time.Now].
	Now func() time.Time

	// QueryTimeout bounds one query; 0 is 30 s.
	QueryTimeout time.Duration
	// QuerySamples bounds the samples one query may hold in memory, at some
	// 16 bytes each; 0 is 10 million.
	QuerySamples int
	// Queries bounds how many requests are answered at once, the others wait;
	// 0 is 16.
	Queries int
	// SeriesCache bounds how many telemetry series' places are remembered, at
	// some 500 bytes each; beyond it, writing gets slower, nothing else. 0 is
	// 100,000.
	SeriesCache int
}

const (
	minRetention = 2 * time.Hour
	// maxAhead is how far beyond the clock a point may lie. The loader is far
	// stricter; this only keeps one mad time from making all others too old.
	maxAhead = 24 * time.Hour
)

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("data folder is not set")
	}
	if o.Retention < minRetention {
		return o, fmt.Errorf("retention is %v, the least is %v", o.Retention, minRetention)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Catalogue == nil {
		o.Catalogue = telemetry.NewCatalogue()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.QueryTimeout <= 0 {
		o.QueryTimeout = 30 * time.Second
	}
	if o.QuerySamples <= 0 {
		o.QuerySamples = 10_000_000
	}
	if o.Queries <= 0 {
		o.Queries = 16
	}
	if o.SeriesCache <= 0 {
		o.SeriesCache = 100_000
	}
	return o, nil
}

// tsdb is the TSDB's part of the options.
func (o Options) tsdb() *tsdb.Options {
	t := tsdb.DefaultOptions()
	t.RetentionDuration = o.Retention.Milliseconds()
	t.OutOfOrderTimeWindow = o.Retention.Milliseconds()
	// A block is thrown away whole, once all of it is too old: blocks of a tenth
	// of the retention bound what is kept too long, as Prometheus has it.
	t.MaxBlockDuration = max(t.MinBlockDuration, min(o.Retention/10, 31*24*time.Hour).Milliseconds())
	t.WALCompression = compression.Snappy
	// Late samples gather in memory in chunks of this many before they are put
	// on disk. A backlog that is caught up with comes in runs, so the chunks are
	// as large as they may usefully be.
	t.OutOfOrderCapMax = 120
	// The defaults are made for millions of series and disks without limits; a
	// province has tens of thousands on a small machine.
	t.StripeSize = 1 << 12
	t.HeadChunksWriteBufferSize = 512 << 10
	t.MaxBlockChunkSegmentSize = 128 << 20
	// Queries need not see a batch whole or not at all, and telling them apart
	// costs on every sample.
	t.IsolationDisabled = true
	return t
}
