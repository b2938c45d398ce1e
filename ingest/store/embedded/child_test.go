package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// The environment that makes the test's binary a child that writes until it is
// killed.
const (
	childDir  = "HAIDANG_TEST_CHILD_DIR"
	childMode = "HAIDANG_TEST_CHILD_MODE"
)

// childPoint is the child's i-th point: every third is late.
func childPoint(begin time.Time, i int) telemetry.Point {
	c := telemetry.NewCatalogue()
	kind := c.Kind(telemetry.AirQuality)
	at := begin.Add(time.Duration(i) * 100 * time.Millisecond)
	if i%3 == 0 {
		at = at.Add(-30 * time.Hour)
	}
	return telemetry.Point{
		Series: telemetry.Series{Kind: kind.Kind, Locality: "cam-lam", Site: telemetry.Site("s" + strconv.Itoa(i%7)), Device: "d"},
		Time:   at,
		Values: []telemetry.Value{{Spec: &kind.Metrics[0], Number: float64(i)}, {Spec: &kind.Metrics[1], Number: -float64(i)}},
	}
}

// runAsChild is the whole of a child's life; it returns its exit code.
func runAsChild(dir, mode string) int {
	if mode == fullDisk {
		return fullDiskChild(dir)
	}
	return child(dir, mode)
}

// child writes points one after the other and says after each that it is
// written.
func child(dir, mode string) int {
	s, err := embedded.Open(context.Background(), embedded.Options{Dir: dir, Retention: year, SyncWrites: mode == "power"})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	begin, from, err := childBegin(os.Stdin)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	for i := from; ; i++ {
		if err := s.Write(context.Background(), []telemetry.Point{childPoint(begin, i)}); err != nil {
			fmt.Println("error", err)
			return 1
		}
		if _, err := fmt.Println("written", i); err != nil {
			return 1
		}
	}
}

func childBegin(in *os.File) (begin time.Time, from int, err error) {
	var ms int64
	_, err = fmt.Fscan(in, &ms, &from)
	return time.UnixMilli(ms), from, err
}

func TestSurvivesKill(t *testing.T) {
	for _, mode := range []string{"process", "power"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			begin := storetest.Now().Add(-time.Hour)
			written := 0
			for range 5 {
				written = runChild(t, dir, mode, begin, written)
			}
			s := open(t, embedded.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
			// The point in progress at the last kill may be there or not; its
			// writer would write it again.
			if err := s.Write(t.Context(), []telemetry.Point{childPoint(begin, written)}); err != nil {
				t.Fatal(err)
			}
			want := map[telemetry.Series][]telemetry.Point{}
			for i := range written + 1 {
				p := childPoint(begin, i)
				want[p.Series] = append(want[p.Series], p)
			}
			for _, points := range want {
				storetest.WantStored(t, read(s), points...)
			}
			t.Logf("%d points survived five kills", written)
		})
	}
}

// runChild has a child write from the point number on, kills it and returns the
// number of the first point that it may not have written.
func runChild(t *testing.T, dir, mode string, begin time.Time, from int) int {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childMode+"="+mode)
	cmd.Stdin = strings.NewReader(fmt.Sprintln(begin.UnixMilli(), from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	next, goal := from, from+200
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		number, ok := strings.CutPrefix(lines.Text(), "written ")
		if !ok {
			t.Errorf("child says %q", lines.Text())
			break
		}
		if next, err = strconv.Atoi(number); err != nil {
			t.Errorf("child says %q", lines.Text())
			break
		}
		if next++; next == goal {
			// It goes on writing and is killed in the middle of something; what
			// it says until then is in the pipe, and counts.
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if next < goal {
		t.Fatalf("child wrote up to %d, not to %d", next, goal)
	}
	return next
}
