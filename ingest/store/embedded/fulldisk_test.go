//go:build unix

package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// fullDisk is the mode of a child whose files may not grow: for the TSDB that is
// a full disk, which writes the first part of what it is given and then fails.
const fullDisk = "full disk"

const fullDiskPoints = 4000

func TestRecoversFromAFullDisk(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	begin := storetest.Now().Add(-time.Hour)
	cmd := exec.Command(binary, "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childMode+"="+fullDisk)
	cmd.Stdin = strings.NewReader(fmt.Sprintln(begin.UnixMilli(), 0))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v: %s", err, out)
	}
	t.Logf("%s", out)
	s := open(t, embedded.Options{Dir: dir})
	want := map[telemetry.Series][]telemetry.Point{}
	for i := range fullDiskPoints {
		p := childPoint(begin, i)
		want[p.Series] = append(want[p.Series], p)
	}
	for _, points := range want {
		storetest.WantStored(t, read(s), points...)
	}
}

// fullDiskChild writes until files may not grow, again and again, makes room and
// goes on. It exits without closing anything.
func fullDiskChild(dir string) int {
	signal.Ignore(syscall.SIGXFSZ)
	begin, _, err := childBegin(os.Stdin)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	now := time.Now()
	s, err := embedded.Open(context.Background(), embedded.Options{
		Dir: dir, Retention: year, SyncWrites: true, Now: func() time.Time { return now },
	})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	failures := 0
	for i := 0; i < fullDiskPoints; i += 100 {
		var points []telemetry.Point
		for j := range 100 {
			points = append(points, childPoint(begin, i+j))
		}
		if i%1000 == 500 {
			if err := limitFiles(30_000); err != nil {
				fmt.Println("error", err)
				return 1
			}
		}
		err := s.Write(context.Background(), points)
		for err != nil {
			failures++
			now = now.Add(time.Minute)
			if err := expectFullDisk(s, points, err); err != nil {
				fmt.Println("error", err)
				return 1
			}
			now = now.Add(time.Minute)
			err = s.Write(context.Background(), points)
		}
	}
	fmt.Println(failures, "failures")
	if failures == 0 {
		return 1
	}
	return 0
}

// expectFullDisk demands that the error was plain, that the store still answers
// and that writing goes on failing; then it makes room.
func expectFullDisk(s *embedded.Store, points []telemetry.Point, err error) error {
	if rejected := new(store.RejectedError); errors.As(err, &rejected) {
		return fmt.Errorf("points were rejected: %w", err)
	}
	if err := s.Write(context.Background(), points); err == nil {
		return errors.New("a write to a full disk succeeded")
	}
	samples, err := read(s)(context.Background(), points[0].Series)
	if err != nil || len(samples) == 0 {
		return fmt.Errorf("query of a store that cannot write: %d samples: %w", len(samples), err)
	}
	return limitFiles(1 << 40)
}

// limitFiles bounds how long a file of this process may be, in bytes.
func limitFiles(size uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, uint64(limit.Max))
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}
