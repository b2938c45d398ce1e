package score

import (
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// reading is what must be in the store of one message: the values of a device at
// a moment.
type reading struct {
	at  int64 // Unix milliseconds
	due int64
	// fault in the course of which it was sent.
	fault simulator.FaultClass
	// counted says that it is of the period; others are known so that they are not
	// taken for something else.
	counted bool
	// undecided says that the truth depends on when it was received.
	undecided bool
	values    []value
}

type value struct {
	metric telemetry.Metric
	number float64
}

func (r *reading) value(m telemetry.Metric) (float64, bool) {
	for i := range r.values {
		if r.values[i].metric == m {
			return r.values[i].number, true
		}
	}
	return 0, false
}

// Messages are what became of messages, as the truth has it.
type Messages struct {
	Planned      int64 `json:"planned"`
	Unsent       int64 `json:"unsent"`
	Stored       int64 `json:"stored"`
	Partial      int64 `json:"partial"`
	Quarantined  int64 `json:"quarantined"`
	Repeated     int64 `json:"duplicate"`
	Unsubscribed int64 `json:"unsubscribed"`
	// Undecided depend on when they were received, which nobody said.
	Undecided int64 `json:"undecided"`
}

func (m *Messages) add(o Messages) {
	m.Planned += o.Planned
	m.Unsent += o.Unsent
	m.Stored += o.Stored
	m.Partial += o.Partial
	m.Quarantined += o.Quarantined
	m.Repeated += o.Repeated
	m.Unsubscribed += o.Unsubscribed
	m.Undecided += o.Undecided
}

// expected is what a device's part of the period must leave behind.
type expected struct {
	readings []reading // in order of at
	messages Messages
	reasons  map[reasonKey]int64
}

type reasonKey struct {
	reason  telemetry.Reason
	partial bool
}

// expect goes through what a device sends from a time until just before another,
// and margin around it.
func (s *Scorer) expect(device int, from, to time.Time, margin time.Duration) expected {
	x := expected{reasons: map[reasonKey]int64{}}
	for e := range s.fleet.Feed(device, from.Add(-margin), to.Add(margin)) {
		counted := !e.Due.Before(from) && e.Due.Before(to)
		truth, undecided := s.truth(&e)
		if counted {
			x.count(truth, undecided)
		}
		if len(truth.Points) == 0 {
			continue
		}
		r := reading{at: truth.Points[0].Time.UnixMilli(), due: e.Due.UnixMilli(), fault: truth.Fault, counted: counted, undecided: undecided,
			values: make([]value, len(truth.Points))}
		for i, p := range truth.Points {
			r.values[i] = value{p.Metric, p.Value}
		}
		x.readings = append(x.readings, r)
	}
	slices.SortStableFunc(x.readings, func(a, b reading) int { return int(a.at - b.at) })
	return x
}

// truth of a message, and whether it hangs on when that was received.
func (s *Scorer) truth(e *simulator.Emission) (t simulator.Truth, undecided bool) {
	if s.o.Received != nil {
		return e.Received(s.o.Received(e.Due), s.o.Retention), false
	}
	t, late := e.Received(e.Due, s.o.Retention), e.Received(s.now, s.o.Retention)
	if t.Fate == late.Fate {
		return t, false
	}
	if len(t.Points) == 0 {
		t = late
	}
	return t, true
}

func (x *expected) count(t simulator.Truth, undecided bool) {
	m := &x.messages
	m.Planned++
	if undecided {
		m.Undecided++
		return
	}
	switch t.Fate {
	case simulator.Unsent:
		m.Unsent++
	case simulator.Stored:
		m.Stored++
	case simulator.Partial:
		m.Partial++
		x.reasons[reasonKey{t.Reason, true}]++
	case simulator.Quarantined:
		m.Quarantined++
		x.reasons[reasonKey{t.Reason, false}]++
	case simulator.Repeated:
		m.Repeated++
	case simulator.Unsubscribed:
		m.Unsubscribed++
	}
}
