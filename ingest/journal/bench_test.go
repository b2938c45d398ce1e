package journal_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
)

// BenchmarkAppend is what a gateway's records cost, for both durabilities and some
// record sizes.
func BenchmarkAppend(b *testing.B) {
	for _, sync := range []bool{false, true} {
		for _, size := range []int{1, 50, 500} {
			b.Run(fmt.Sprintf("sync=%v/messages=%d", sync, size), func(b *testing.B) { benchmarkAppend(b, sync, size) })
		}
	}
}

func benchmarkAppend(b *testing.B, sync bool, size int) {
	j := benchmarkJournal(b, sync)
	r := first(b, j, record("g", 0, size))
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Append(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		r.First = r.End()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/message")
}

// BenchmarkTake is what the loader's side costs for records of 50 messages.
func BenchmarkTake(b *testing.B) {
	j := benchmarkJournal(b, false)
	const size = 50
	r := first(b, j, record("g", 0, size))
	for range b.N {
		if err := j.Append(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		r.First = r.End()
	}
	taken, err := j.Take(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer taken.Close()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		d, err := taken.Next(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		if err := taken.Processed(context.Background(), d.Record.Sequence(), d.Record.End()); err != nil {
			b.Fatal(err)
		}
		if err := d.Ack(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/message")
}

func BenchmarkState(b *testing.B) {
	j := benchmarkJournal(b, false)
	r := first(b, j, record("g", 0, 500))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		if err := j.Append(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		r.First = r.End()
		b.StartTimer()
		if _, err := j.State(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// first is the record in the journal's epoch.
func first(b *testing.B, j *journal.Journal, r ingest.Record) ingest.Record {
	var err error
	if r.Epoch, _, err = j.Position(context.Background(), r.Gateway); err != nil {
		b.Fatal(err)
	}
	return r
}

func benchmarkJournal(b *testing.B, sync bool) *journal.Journal {
	br, err := broker.Start(context.Background(), broker.Options{Dir: b.TempDir(), SyncAlways: sync})
	if err != nil {
		b.Fatal(err)
	}
	nc, err := br.Connect("benchmark")
	if err != nil {
		b.Fatal(err)
	}
	j, err := journal.Open(context.Background(), journal.Options{Conn: nc, MaxBytes: 64 << 30})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		j.Close()
		nc.Close()
		if err := br.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return j
}
