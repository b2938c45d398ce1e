package embedded_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// TestLateSamplesSurviveACrashDuringCompaction is the case that made the TSDB
// forget late samples which it had in its log: the compaction had moved them to
// a chunk that was still in a buffer when the process was killed.
func TestLateSamplesSurviveACrashDuringCompaction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, embedded.Options{Dir: dir})
	m, now := storetest.NewMaker(t), storetest.Now()
	all := []telemetry.Point{m.Air(1, now, 0)}
	write := func(p telemetry.Point) {
		if err := s.Write(t.Context(), []telemetry.Point{p}); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	write(all[0])
	for round := range 3 {
		for i := range 10 {
			write(m.Air(1, now.Add(-time.Duration(100*round+i+5)*time.Hour), float64(i)))
		}
		// The first step of a compaction of late samples.
		if _, err := tsdb.NewOOOCompactionHead(t.Context(), s.TSDB().Head()); err != nil {
			t.Fatal(err)
		}
		write(m.Air(1, now.Add(-time.Duration(100*round+50)*time.Hour), 99))

		// What a kill leaves; and leaves again before anything else is done.
		for range 2 {
			copied := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			dir = copied
			s = open(t, embedded.Options{Dir: dir})
			storetest.WantStored(t, read(s), all...)
		}
	}
}
