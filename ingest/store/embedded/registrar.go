package embedded

import (
	"errors"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// registrar passes registrations on to the registry of the API's status pages
// and to the caller's, and takes all of them back at once: the TSDB registers
// its metrics anew each time the folder is opened, and does not take all back
// when it is closed.
type registrar struct {
	targets []prometheus.Registerer

	mu  sync.Mutex
	all []prometheus.Collector
	// lostWrites is the TSDB's count of late samples it could not log.
	lostWrites prometheus.Collector
}

// lostWritesName is the metric of [registrar.failedLateWrites].
const lostWritesName = "prometheus_tsdb_out_of_order_wbl_writes_failed_total"

func newRegistrar(targets ...prometheus.Registerer) *registrar {
	r := &registrar{}
	for _, t := range targets {
		if t != nil {
			r.targets = append(r.targets, t)
		}
	}
	return r
}

// Register implements [prometheus.Registerer].
func (r *registrar) Register(c prometheus.Collector) error {
	for i, t := range r.targets {
		if err := t.Register(c); err != nil {
			for _, done := range r.targets[:i] {
				done.Unregister(c)
			}
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, c)
	if describes(c, lostWritesName) {
		r.lostWrites = c
	}
	return nil
}

// MustRegister implements [prometheus.Registerer].
func (r *registrar) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements [prometheus.Registerer].
func (r *registrar) Unregister(c prometheus.Collector) bool {
	all := len(r.targets) > 0
	for _, t := range r.targets {
		all = t.Unregister(c) && all
	}
	return all
}

// unregisterAll takes back all that was registered.
func (r *registrar) unregisterAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		r.Unregister(c)
	}
	r.all = nil
}

// failedLateWrites counts the times that the TSDB took late samples into memory
// but could not write them to the log that brings them back after a crash. It
// reports this nowhere but in this metric.
func (r *registrar) failedLateWrites() (float64, error) {
	if r.lostWrites == nil {
		return 0, errors.New("the TSDB has no metric " + lostWritesName)
	}
	metrics := make(chan prometheus.Metric, 1)
	r.lostWrites.Collect(metrics)
	var m dto.Metric
	if err := (<-metrics).Write(&m); err != nil {
		return 0, err
	}
	return m.GetCounter().GetValue(), nil
}

// describes reports whether the collector's only metric has the name.
func describes(c prometheus.Collector, name string) bool {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		c.Describe(descriptions)
		close(descriptions)
	}()
	found := false
	for d := range descriptions {
		found = found || strings.Contains(d.String(), `"`+name+`"`)
	}
	return found
}
