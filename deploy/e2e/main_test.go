package e2e_test

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// TestMain builds the programs that the tests run, once for all of them.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	letWait()
	os.Exit(runWithPrograms(m))
}

// letWait lets two more tests run at once than there are processors, unless somebody
// has said how many: some mostly wait, for minutes, until something is missed.
func letWait() {
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		_ = flag.Set("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)+2)) // it is a number
	}
}

func runWithPrograms(m *testing.M) int {
	defer os.RemoveAll(programs())
	for name, pkg := range map[string]string{
		"haidang":     "github.com/haidang-iot/haidang",
		"nats-server": "github.com/nats-io/nats-server/v2",
	} {
		// As `make build` has it, so that what that has compiled is used again.
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X github.com/haidang-iot/haidang/cmd/terminal.Version=e2e", "-o", program(name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	return m.Run()
}

// programs is the folder of what this run has built.
func programs() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("haidang-e2e-%d", os.Getpid()))
}

func program(name string) string { return filepath.Join(programs(), name) }

// long skips a test where only quick ones are wanted.
//
// It also looks into all of the module's folders. The go command remembers what
// a test has looked at, and would otherwise not run this one again when the
// program has changed, which it does not import.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes: leave -short out")
	}
	err := filepath.WalkDir("../..", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// chance is a source of random moments; the log says how to repeat them.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("HAIDANG_E2E_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("HAIDANG_E2E_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// times is how often something is done: as a variable of the environment says, for who
// has time, else as usual.
func times(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// outage is how long a store or broker stays away.
func outage() time.Duration {
	if cmp.Or(os.Getenv("HAIDANG_E2E_LONG"), os.Getenv("CI")) != "" {
		return time.Minute
	}
	return 15 * time.Second
}

// eventually waits for a condition. Its deadline only ends what hangs: machines
// that run tests are busy with others.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("after %v still not: %s", within, what)
		case <-t.Context().Done():
			t.Fatalf("the test ends, and still not: %s", what)
		case <-tick.C:
		}
	}
}
