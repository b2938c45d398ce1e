package embedded_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// The TSDB compacts only once it has begun a file of chunks of its own, in a new
// folder and in one that holds files already: before that, a compaction beside a
// write ends the process.
func TestNoCompactionBeforeTheFirstChunk(t *testing.T) {
	dir, clock := t.TempDir(), storetest.Now()
	for round := range 2 {
		s := open(t, embedded.Options{Dir: dir, Now: func() time.Time { return clock }})
		m := storetest.NewMaker(t)
		write := func(ago time.Duration) {
			t.Helper()
			clock = clock.Add(2 * time.Second) // it does not look at each write
			if err := s.Write(t.Context(), []telemetry.Point{m.Air(1, clock.Add(-ago), 1)}); err != nil {
				t.Fatal(err)
			}
		}
		write(0)
		if s.Compacts() && round == 0 { // later it begins one while it reads its logs
			t.Error("it compacts before there is a chunk")
		}
		for i := 0; i < 1000 && !s.Compacts(); i++ {
			write(100*time.Hour + time.Duration(i)*time.Minute) // late: its chunks are cut while it is written
		}
		if !s.Compacts() {
			t.Error("it never compacts")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
