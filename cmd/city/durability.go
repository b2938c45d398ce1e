package city

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// syncAllowed is how long a small synced append may take for power to cost little. It
	// is an estimate: one sync serves all who wait for it, so that 200 devices that each
	// wait for their acknowledgement could still send 100,000 messages a second, which is
	// more than the rest of the way takes; and each waits for 4 ms at most.
	syncAllowed = 2 * time.Millisecond
	// syncProbes are written at a start, for no longer than syncProbing, but leastProbes
	// at least: a start shall not wait for a slow disk.
	syncProbes  = 21
	leastProbes = 5
	syncProbing = 500 * time.Millisecond
	// probeBytes is what a record of a few messages takes.
	probeBytes = 4 << 10
	// patientDevices wait for each acknowledgement, in the words about a slow disk.
	patientDevices = 200
)

// The words of --durability.
const (
	durabilityAuto    = "auto"
	durabilityProcess = "process"
	durabilityPower   = "power"
)

// durability is what a process promises of what it acknowledges.
type durability struct {
	// power says that it survives the loss of power too: it is synced first.
	power bool
	// asked is the flag.
	asked string
	// sync is how long a small synced append takes on the disk of the data folder;
	// problem says why that is not known.
	sync    time.Duration
	problem error
}

// chooseDurability measures the disk of the data folder and settles what is promised.
// Where the disk cannot be measured, as a full one, auto promises more.
func chooseDurability(asked, dir string, measure func(dir string) (time.Duration, error)) durability {
	d := durability{asked: asked}
	d.sync, d.problem = measure(dir)
	d.power = asked == durabilityPower || asked == durabilityAuto && (d.problem != nil || d.sync <= syncAllowed)
	return d
}

// String is the flag's word for it.
func (d durability) String() string {
	if d.power {
		return durabilityPower
	}
	return durabilityProcess
}

// words say in one line what is promised, what was measured, and what the other choice
// would bring.
func (d durability) words() string {
	if d.problem != nil {
		return fmt.Sprintf("%s (how long the disk takes to sync is not known: %v)", d, d.problem)
	}
	took := d.sync.Round(10 * time.Microsecond)
	pace := fmt.Sprintf("%d devices that wait for each acknowledgement send at most %.0f messages/s", patientDevices, patientDevices/max(d.sync, time.Microsecond).Seconds())
	switch {
	case d.power && d.sync <= syncAllowed:
		return fmt.Sprintf("power: acknowledged is synced to disk, which takes %v here and costs little", took)
	case d.power:
		return fmt.Sprintf("power: acknowledged is synced to disk, which takes %v here: %s", took, pace)
	case d.asked == durabilityAuto:
		return fmt.Sprintf("process: the loss of power may cost the last acknowledged messages, because a sync takes %v here, more than %v; with --durability power %s", took, syncAllowed, pace)
	case d.sync <= syncAllowed:
		return fmt.Sprintf("process: the loss of power may cost the last acknowledged messages; --durability power would prevent it and cost little, a sync takes %v here", took)
	}
	return fmt.Sprintf("process: the loss of power may cost the last acknowledged messages; a sync takes %v here, with --durability power %s", took, pace)
}

// check shows it under /readyz.
func (d durability) check() check { return check{Name: "durability", Note: d.words()} }

// register adds what was measured to the metrics.
func (d durability) register(reg prometheus.Registerer) {
	power := prometheus.NewGauge(prometheus.GaugeOpts{Name: "haidang_durability_power",
		Help: "1 where what is acknowledged is synced to disk first, 0 where it survives the death of the process only."})
	sync := prometheus.NewGauge(prometheus.GaugeOpts{Name: "haidang_disk_sync_seconds",
		Help: "How long a small synced append took at the start, the third quickest of 21; 0 if it could not be measured."})
	if d.power {
		power.Set(1)
	}
	sync.Set(d.sync.Seconds())
	reg.MustRegister(power, sync)
}

// measureSync is the time that a small synced append in a folder takes if the machine is
// quiet: the third quickest of 21. The median would call a good disk slow where the
// machine is busy, as it is after a power cut, and a city would promise less just then.
func measureSync(dir string) (_ time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "sync.tmp"))
	if err != nil {
		return 0, fmt.Errorf("make a file to sync: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	took := make([]time.Duration, 0, syncProbes)
	piece := make([]byte, probeBytes)
	for began := time.Now(); len(took) < syncProbes && (len(took) < leastProbes || time.Since(began) < syncProbing); {
		start := time.Now()
		if _, err := f.Write(piece); err != nil {
			return 0, fmt.Errorf("write to sync: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("sync: %w", err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/8], nil
}
