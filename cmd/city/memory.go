package city

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// heapShare of what the unit or container may have is for Go's heap: the rest is
// for SQLite's and the store's mapped pages, and for stacks.
const heapShare = 0.8

// garbage is how much memory may become garbage before it is collected, in percent of
// what is in use; GOGC says otherwise. A city holds much that stays (series, sessions,
// what it remembers of messages) and makes little garbage, so collecting twice as often
// as Go does by itself costs little and takes a quarter less memory.
const garbage = 50

// limitMemory has the garbage collector work harder before the kernel ends the
// process for its memory. The limit is the control group's (MemoryMax= of the
// unit, mem_limit of the container) unless GOMEMLIMIT is set.
func limitMemory(log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	limit, err := memlimit.Set(memlimit.WithRatio(heapShare), memlimit.WithProvider(memlimit.FromCgroup))
	switch {
	case limit < math.MaxInt64:
		log.Info("memory is limited", "limit", terminal.BytesText(limit), "of", "GOMEMLIMIT, or 80 % of the control group's")
	case err != nil:
		log.Info("memory is not limited: no control group says how much there is; GOMEMLIMIT would", "error", err)
	default:
		log.Info("memory is not limited: neither by a control group (MemoryMax=, mem_limit) nor by GOMEMLIMIT")
	}
}
