package ingest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Finding is something that is wrong with the platform itself: damage, a loss, a part
// that stands still, a bound that is reached. Each is an alarm and a metric, and where
// it says so the process is not ready.
type Finding struct {
	// Rule names the kind, as an alarm's rule: journal-behind. With Locality and
	// Device it tells findings apart.
	Rule string
	// Severity is watch, warning, danger or extreme.
	Severity string
	// Locality is empty where it is about the whole process; Device is a gateway's
	// name, or empty.
	Locality telemetry.Locality
	Device   telemetry.Device
	// Value is how much is lost, missing or left, in Unit ("" counts).
	Value float64
	Unit  string
	// Since is when it was reported first; Report sets it.
	Since                        time.Time
	SummaryVI, SummaryEN         string
	DescriptionVI, DescriptionEN string
	// RunbookVI and RunbookEN say what to do.
	RunbookVI, RunbookEN string
	// NotReady turns /readyz red while it lasts.
	NotReady bool
	// Lasting is not a state but something that has happened, a loss: it stays,
	// through restarts, until somebody acknowledges its alarm.
	Lasting bool
}

// findingKey tells findings apart.
type findingKey struct {
	rule     string
	locality telemetry.Locality
	device   telemetry.Device
}

func (f Finding) key() findingKey { return findingKey{f.Rule, f.Locality, f.Device} }

// Findings are what is wrong now. They are safe for concurrent use.
type Findings struct {
	now func() time.Time

	mu      sync.Mutex
	found   map[findingKey]Finding
	changed chan struct{} // has one place: something has changed since it was read
}

// NewFindings makes an empty set; now is the clock.
func NewFindings(now func() time.Time) *Findings {
	return &Findings{now: now, found: map[findingKey]Finding{}, changed: make(chan struct{}, 1)}
}

// Report adds a finding, or replaces the one of the same rule, locality and device,
// whose Since stays.
func (f *Findings) Report(n Finding) {
	f.mu.Lock()
	before, old := f.found[n.key()]
	if n.Since = f.now(); old {
		n.Since, n.Lasting = before.Since, n.Lasting || before.Lasting
	}
	f.found[n.key()] = n
	f.mu.Unlock()
	if n != before {
		f.wake()
	}
}

// Resolve ends a finding. Of one that lasts it ends only that the process is not
// ready: what has happened stays until somebody acknowledges it.
func (f *Findings) Resolve(rule string, l telemetry.Locality, d telemetry.Device) {
	key := findingKey{rule, l, d}
	f.mu.Lock()
	n, old := f.found[key]
	if old && n.Lasting {
		n.NotReady = false
		f.found[key] = n
	} else {
		delete(f.found, key)
	}
	f.mu.Unlock()
	if old {
		f.wake()
	}
}

// Restore adds what an earlier run has found and nobody has acknowledged; what has
// been reported since counts instead.
func (f *Findings) Restore(n Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.found[n.key()]; !known {
		f.found[n.key()] = n
	}
}

// Acknowledged ends a lasting finding that was reported before a moment.
func (f *Findings) Acknowledged(rule string, l telemetry.Locality, d telemetry.Device, at time.Time) {
	key := findingKey{rule, l, d}
	f.mu.Lock()
	n, old := f.found[key]
	end := old && n.Lasting && !n.Since.After(at)
	if end {
		delete(f.found, key)
	}
	f.mu.Unlock()
	if end {
		f.wake()
	}
}

// List is all findings, in the order of rule, locality and device.
func (f *Findings) List() []Finding {
	f.mu.Lock()
	out := make([]Finding, 0, len(f.found))
	for _, n := range f.found {
		out = append(out, n)
	}
	f.mu.Unlock()
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Rule, b.Rule), strings.Compare(string(a.Locality), string(b.Locality)), strings.Compare(string(a.Device), string(b.Device)))
	})
	return out
}

// Changed has a value once something has changed; one reader may wait for it.
func (f *Findings) Changed() <-chan struct{} { return f.changed }

func (f *Findings) wake() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func findingsDesc() *prometheus.Desc {
	return prometheus.NewDesc("haidang_findings", "What is wrong with the platform itself: damage, losses, parts that stand still, bounds that are reached.", []string{"rule", "severity"}, nil)
}

// Describe implements [prometheus.Collector].
func (f *Findings) Describe(ch chan<- *prometheus.Desc) { ch <- findingsDesc() }

// Collect implements [prometheus.Collector].
func (f *Findings) Collect(ch chan<- prometheus.Metric) {
	count := map[[2]string]int{}
	for _, n := range f.List() {
		count[[2]string{n.Rule, n.Severity}]++
	}
	for labels, n := range count {
		ch <- prometheus.MustNewConstMetric(findingsDesc(), prometheus.GaugeValue, float64(n), labels[0], labels[1])
	}
}
