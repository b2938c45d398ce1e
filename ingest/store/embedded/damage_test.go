package embedded_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// damagedPoints are enough for logs of many pages.
const damagedPoints = 6000

// written makes a store's folder with timely and late points, ten in a record, and
// closes it. The series are told of in the first record.
func written(t *testing.T) (dir string, points []telemetry.Point) {
	t.Helper()
	dir = t.TempDir()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Retention: year})
	if err != nil {
		t.Fatal(err)
	}
	begin := storetest.Now().Add(-time.Hour)
	for i := range damagedPoints {
		points = append(points, childPoint(begin, i))
	}
	for some := range slices.Chunk(points, 42) {
		if err := s.Write(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, points
}

// held is how many of the points' values a store has.
func held(t *testing.T, dir string, points []telemetry.Point) (values int) {
	t.Helper()
	s := open(t, embedded.Options{Dir: dir})
	series := map[telemetry.Series]bool{}
	for _, p := range points {
		series[p.Series] = true
	}
	for one := range series {
		samples, err := read(s)(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		values += len(samples)
	}
	return values
}

// change changes a file of a folder.
func change(t *testing.T, path string, f func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flipAt flips a bit a part of the way into a file.
func flipAt(part float64) func([]byte) []byte {
	return func(b []byte) []byte { b[int(part*float64(len(b)))] ^= 4; return b }
}

// What is damaged in a log costs a record or a page, not all that came behind it, and
// is counted.
func TestDamagedLogLosesOnlyWhatIsDamaged(t *testing.T) {
	const all = 2 * damagedPoints
	dir, points := written(t)
	if n := held(t, copyOf(t, dir), points); n != all {
		t.Fatalf("undamaged, the store has %d values", n)
	}
	for name, c := range map[string]struct {
		log    string
		change func(b []byte) []byte
		most   int // values that may be lost
	}{
		"a bit in the middle of wal":   {"wal", flipAt(0.5), 200},
		"a bit of a record in wal":     {"wal", flipAt(0.33), 200},
		"a bit in the middle of wbl":   {"wbl", flipAt(0.5), 200},
		"zeros over some pages of wal": {"wal", func(b []byte) []byte { clear(b[len(b)/2 : len(b)/2+40_000]); return b }, all / 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, dir)
			change(t, filepath.Join(dir, c.log, "00000000"), c.change)
			bare := held(t, copyOf(t, dir), points) // what the TSDB makes of it by itself
			found, err := embedded.InspectLogs(dir, t.TempDir(), nil, true)
			if err != nil || len(found) != 1 || found[0].Log != c.log || found[0].Aside == "" {
				t.Fatalf("%+v, %v", found, err)
			}
			lost := all - held(t, dir, points)
			t.Logf("%d values are lost, %d by the TSDB's own repair; told: %+v", lost, all-bare, found[0])
			if lost > c.most || lost >= all-bare && lost > 0 && c.log == "wal" {
				t.Errorf("%d of %d values are lost", lost, all)
			}
			// What was in a chunk on disk already is not lost, so it may be fewer.
			if found[0].Samples < max(1, lost/2) || found[0].Samples > 2*c.most {
				t.Errorf("%d values are lost, and %d said to be", lost, found[0].Samples)
			}
			if again, err := embedded.InspectLogs(dir, t.TempDir(), nil, true); err != nil || len(again) > 0 {
				t.Errorf("after mending: %+v, %v", again, err)
			}
		})
	}
}

// A log that ends before where it ended is told of; one that ends in the middle of a
// record, as a kill leaves it, is not.
func TestCutLogIsToldByItsMark(t *testing.T) {
	dir, _ := written(t)
	ends := embedded.LogEnds(dir)
	path := filepath.Join(dir, "wal", "00000000")
	change(t, path, func(b []byte) []byte { return b[:len(b)-10_001] })
	if found, err := embedded.InspectLogs(dir, t.TempDir(), nil, true); err != nil || len(found) > 0 {
		t.Errorf("without marks: %+v, %v", found, err)
	}
	found, err := embedded.InspectLogs(dir, t.TempDir(), ends, true)
	if err != nil || len(found) != 1 || !found[0].Cut || found[0].Bytes != 10_001 || found[0].Samples < 500 {
		t.Errorf("%+v, %v", found, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if found, err := embedded.InspectLogs(dir, t.TempDir(), ends, true); err != nil || len(found) != 1 || !found[0].Cut {
		t.Errorf("without the segment: %+v, %v", found, err)
	}
}

// blocked makes a folder whose values are in blocks.
func blocked(t *testing.T) (dir string) {
	t.Helper()
	dir, _ = written(t)
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Retention: year})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CompactAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Blocks() == 0 {
		t.Fatal("no block was made")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamagedBlocks(t *testing.T) {
	dir := blocked(t)
	marks, err := embedded.BlockMarks(dir)
	if err != nil || len(marks) == 0 {
		t.Fatalf("%v, %v", marks, err)
	}
	read := 0
	count := func(string, int) error { read++; return nil }
	if found, err := embedded.CheckBlocks(t.Context(), dir, count); err != nil || len(found) > 0 || read == 0 {
		t.Fatalf("undamaged: %+v, %v, %d chunks read", found, err, read)
	}
	var id string
	for id = range marks {
		break
	}
	t.Run("a truncated chunk file", func(t *testing.T) {
		dir := copyOf(t, dir)
		change(t, filepath.Join(dir, id, "chunks", "000001"), func(b []byte) []byte { return b[:len(b)/2] })
		found, err := embedded.CheckBlocks(t.Context(), dir, count)
		if err != nil || len(found) != 1 || found[0].Block != id || found[0].Chunks == 0 || found[0].Samples == 0 || len(found[0].Sites) == 0 || found[0].From.IsZero() {
			t.Errorf("%+v, %v", found, err)
		}
	})
	t.Run("an index that cannot be opened", func(t *testing.T) {
		dir, aside := copyOf(t, dir), t.TempDir()
		change(t, filepath.Join(dir, id, "index"), func(b []byte) []byte { return b[:len(b)/2] })
		// The TSDB would not open with it, and leave goroutines behind.
		found, err := embedded.SetAsideBlocks(dir, aside, marks)
		if err != nil || len(found) != 1 || found[0].Samples != marks[id].Samples || found[0].Samples == 0 {
			t.Errorf("%+v, %v", found, err)
		}
		if _, err := os.Stat(filepath.Join(aside, id, "index")); err != nil {
			t.Error(err)
		}
		open(t, embedded.Options{Dir: dir})
	})
	t.Run("a block that is gone", func(t *testing.T) {
		dir := copyOf(t, dir)
		if err := os.RemoveAll(filepath.Join(dir, id)); err != nil {
			t.Fatal(err)
		}
		found, err := embedded.AbsentBlocks(dir, marks, marks[id].To.Add(-time.Hour))
		if err != nil || len(found) != 1 || found[0].Samples != marks[id].Samples {
			t.Errorf("%+v, %v", found, err)
		}
		if found, err = embedded.AbsentBlocks(dir, marks, marks[id].To.Add(time.Hour)); err != nil || len(found) > 0 {
			t.Errorf("beyond the retention: %+v, %v", found, err)
		}
	})
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
