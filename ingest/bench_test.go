package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// BenchmarkJournalToStore measures the CPU of everything behind the door: append to
// the journal, take, decode, check, write, commit. A message has ten metrics; b.N
// counts messages. At a rate, records come when they are due, as small as the door
// makes them then: what each batch costs shows only there.
func BenchmarkJournalToStore(b *testing.B) {
	for _, sync := range []bool{false, true} {
		for _, rate := range []int{0, 5000} {
			for _, perRecord := range []int{10, 50, 250} {
				b.Run(fmt.Sprintf("power=%t/rate=%d/record=%d", sync, rate, perRecord), func(b *testing.B) { benchJournalToStore(b, sync, rate, perRecord) })
			}
		}
	}
}

func benchJournalToStore(b *testing.B, sync bool, rate, perRecord int) {
	ctx, dir := context.Background(), b.TempDir()
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	br, err := broker.Start(ctx, broker.Options{Dir: dir + "/broker", SyncAlways: sync})
	must(err)
	defer br.Close(ctx)
	conn, err := br.Connect("bench")
	must(err)
	defer conn.Close()
	j, err := journal.Open(ctx, journal.Options{Conn: conn})
	must(err)
	defer j.Close()
	led, err := ledger.Open(ctx, ledger.Options{Dir: dir, SyncCommits: sync})
	must(err)
	defer led.Close()
	st, err := embedded.Open(ctx, embedded.Options{Dir: dir + "/store", Retention: 400 * 24 * time.Hour, SyncWrites: sync})
	must(err)
	defer st.Close()
	cd, err := codec.New(codec.NativeName, telemetry.NewCatalogue())
	must(err)
	guard := store.NewGuard(st, st, time.Now)
	l := ingest.NewLoader(j, guard, led)
	l.Written = guard.Written
	l.Codec = func(string, string) codec.Codec { return cd }
	l.Admission = newOpenAdmission([]telemetry.Locality{"nha-trang"}, 1000)
	l.Metrics, l.Logger = ingest.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	run, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); l.Run(run) }()
	defer func() { stop(); <-done }()

	epoch, _, err := j.Position(ctx, "nha-trang")
	must(err)
	const devices = 500
	start := ago(24 * time.Hour)
	b.ResetTimer()
	before, began := cpu(b), time.Now()
	for n := 0; n < b.N; {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		}
		r := ingest.Record{Gateway: "nha-trang", Epoch: epoch, First: uint64(n)}
		for ; len(r.Messages) < perRecord && n < b.N; n++ {
			m := message(fmt.Sprintf("kh/nha-trang/air_quality/d%d", n%devices), fmt.Sprintf(
				`{"ts":%d,"pm25":12.4,"pm10":30.1,"no2":18.2,"so2":4.1,"o3":60.5,"co":420,"temperature":29.3,"humidity":78,"bat":3.71,"seq":%d}`,
				start+int64(n/devices)*1000, n))
			m.FullSize, m.Received = len(m.Payload), time.UnixMilli(start)
			r.Messages = append(r.Messages, m)
		}
		must(j.Append(ctx, r))
	}
	for {
		if a := led.Accounts(); len(a) == 1 && a[0].Position == uint64(b.N) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1000, "cpu-µs/message")
}

// cpu is the process's CPU time so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
