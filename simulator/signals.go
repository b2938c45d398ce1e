package simulator

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

// Signal is one metric of what is true where a device stands: without its noise,
// its resolution and its faults.
type Signal struct {
	Spec   *telemetry.MetricSpec
	signal city.Signal
	shift  time.Duration
	error  precision
}

// At is what is true at a moment of the fleet's time line, moved as [Fleet.At]
// says.
func (s Signal) At(t time.Time) float64 { return s.signal.At(t.Add(-s.shift)) }

// Off is by how much the mean of n readings of a value may differ from it, because
// instruments are not exact; nothing that is wrong with one counts.
func (s Signal) Off(value float64, n int) float64 { return s.error.off(value, n) }

// Truth is what is true where a device stands, in the catalogue's order. Devices
// at one spot share it: spot is the same for them, and for no others of the
// fleet. Signals of one spot share their memory of a moment, so ask all of them
// for one time before the next.
func (f *Fleet) Truth(device int) (spot any, signals []Signal) {
	st := f.devices[device].station
	for i := range st.channels {
		signals = append(signals, Signal{Spec: st.channels[i].spec, signal: st.channels[i].signal, shift: f.shift, error: st.channels[i].error})
	}
	return st, signals
}
