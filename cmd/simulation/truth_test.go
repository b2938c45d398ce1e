package simulation_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// pipeline is the real codec and loader, one message at a time, with everything
// around them recorded.
type pipeline struct {
	t        *testing.T
	now      time.Time
	sites    map[telemetry.Device]telemetry.Site
	messages chan ingest.Message
	number   uint64
	done     chan outcome

	fates   map[ingest.MessageKey]ingest.Fate
	last    outcome
	account ingest.Account
	stored  map[string]float64
}

// outcome is what became of one message.
type outcome struct {
	fate     simulator.Fate
	problems []telemetry.Problem
	points   map[string]float64
}

func pointKey(kind telemetry.Kind, l telemetry.Locality, s telemetry.Site, d telemetry.Device, m telemetry.Metric, at time.Time) string {
	return fmt.Sprintf("%s %s %s %s %s %d", kind, l, s, d, m, at.UnixMilli())
}

// Take, Next, Processed and Close make it the journal.
func (p *pipeline) Take(context.Context) (ingest.Taken, error) { return p, nil }

func (p *pipeline) Next(ctx context.Context) (ingest.Delivery, error) {
	select {
	case m := <-p.messages:
		p.number++
		return ingest.Delivery{Record: ingest.Record{Gateway: "all", First: p.number - 1, Messages: []ingest.Message{m}},
			Ack: func() error { p.done <- p.last; return nil }}, nil
	case <-ctx.Done():
		return ingest.Delivery{}, ctx.Err()
	}
}

func (p *pipeline) Acknowledge(_ context.Context, done []ingest.Delivery) error {
	for _, d := range done {
		if err := d.Ack(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) Processed(context.Context, ingest.Sequence, uint64) error { return nil }
func (p *pipeline) Rotate(context.Context, ingest.Epoch) error               { return nil }
func (p *pipeline) State(context.Context) (ingest.JournalState, error) {
	return ingest.JournalState{}, nil
}
func (p *pipeline) Oldest(context.Context, ingest.Sequence) (uint64, bool, error) {
	return 0, false, nil
}
func (p *pipeline) Close() {}

// Admit makes it the registry.
func (p *pipeline) Admit(_ telemetry.Locality, _ telemetry.Kind, d telemetry.Device, _ time.Time) (telemetry.Site, error) {
	site, ok := p.sites[d]
	if !ok {
		return "", telemetry.Problem{Reason: telemetry.Unregistered, Detail: string(d)}
	}
	return site, nil
}

// Locality, Localities and Stands too: there is every locality.
func (p *pipeline) Locality(telemetry.Locality) error                            { return nil }
func (p *pipeline) Localities() []telemetry.Locality                             { return nil }
func (p *pipeline) Stands(telemetry.Device) (telemetry.Locality, telemetry.Kind) { return "", "" }

// Write makes it the store.
func (p *pipeline) Write(_ context.Context, points []telemetry.Point) error {
	for _, pt := range points {
		for _, v := range pt.Values {
			k := pointKey(pt.Series.Kind, pt.Series.Locality, pt.Series.Site, pt.Series.Device, v.Spec.Name, pt.Time)
			if _, twice := p.stored[k]; twice {
				p.t.Errorf("two values of one time: %s", k)
			}
			p.stored[k] = v.Number
			p.last.points[k] = v.Number
		}
	}
	return nil
}

// Accounts and Commit make it the ledger.
func (p *pipeline) Accounts() []ingest.Account                            { return nil }
func (p *pipeline) Books() ([]ingest.Account, []ingest.Row)               { return nil, nil }
func (p *pipeline) Seen(k ingest.MessageKey) ingest.Fate                  { return p.fates[k] }
func (p *pipeline) Repeated(ingest.Mark) bool                             { return false }
func (p *pipeline) Said() map[ingest.Sequence]uint64                      { return nil }
func (p *pipeline) Settlements() []ingest.Settlement                      { return nil }
func (p *pipeline) Reasons(context.Context) ([]ingest.ReasonCount, error) { return nil, nil }
func (p *pipeline) Quarantine(context.Context, ingest.QuarantineFilter) ([]ingest.Quarantined, int64, error) {
	return nil, 0, nil
}
func (p *pipeline) Use(context.Context) (u ingest.QuarantineUse, err error) { return u, nil }
func (p *pipeline) Leaving(context.Context, ingest.QuarantineFilter) ([]ingest.Discard, error) {
	return nil, nil
}
func (p *pipeline) Overflow(context.Context, []ingest.Quarantined, ingest.Bounds) ([]ingest.Discard, error) {
	return nil, nil
}
func (p *pipeline) Shrink(context.Context) (bool, error)                { return false, nil }
func (p *pipeline) Uncut(context.Context) ([]ingest.Quarantined, error) { return nil, nil }

func (p *pipeline) Commit(_ context.Context, c ingest.Commit) error {
	for _, f := range c.Fates {
		p.fates[f.Key] = f.Fate
	}
	for _, a := range c.Accounts {
		switch {
		case a.Duplicate > p.account.Duplicate:
			p.last.fate = simulator.Repeated
		case a.Partial > p.account.Partial:
			p.last.fate = simulator.Partial
		case a.Stored > p.account.Stored:
			p.last.fate = simulator.Stored
		case a.Quarantined > p.account.Quarantined:
			p.last.fate = simulator.Quarantined
		}
		p.account = a
	}
	for _, q := range c.Quarantine {
		p.last.problems = append(p.last.problems, q.Problems...)
	}
	return nil
}

// drive sends a message through and says what became of it.
func (p *pipeline) drive(at time.Time, topic string, payload []byte) outcome {
	p.now, p.last = at, outcome{points: map[string]float64{}}
	p.messages <- ingest.Message{Topic: topic, Payload: payload, FullSize: len(payload), QoS: 1, PacketID: 1, Received: at}
	return <-p.done
}

// What the simulator says must become of a message becomes of it: the whole
// broken fleet, message by message, goes through the real codec and loader.
func TestSimulatedTruth(t *testing.T) {
	realserver.Plain(t)
	s, err := scenario.Load("broken-fleet")
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{t: t, sites: map[telemetry.Device]telemetry.Site{}, messages: make(chan ingest.Message), done: make(chan outcome),
		fates: map[ingest.MessageKey]ingest.Fate{}, stored: map[string]float64{}}
	for i := range fleet.Devices() {
		d := &fleet.Devices()[i]
		p.sites[d.ID] = d.Site()
	}
	native := codec.NewNative(telemetry.NewCatalogue(), 0)
	loader := ingest.NewLoader(p, p, p)
	loader.Admission, loader.BatchMessages = p, 1
	loader.Codec = func(string, string) codec.Codec { return native }
	loader.Metrics, loader.Now = ingest.NewMetrics(prometheus.NewRegistry()), func() time.Time { return p.now }
	if loader.Retention != simulator.Retention {
		t.Errorf("the loader keeps %v, the simulator thinks %v", loader.Retention, simulator.Retention)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loader.Run(ctx) }()

	seen := map[string]int{}
	for plan := fleet.Plan(fleet.Start(), fleet.End()); ; {
		next, ok := plan.Next()
		if !ok {
			break
		}
		e := plan.Write(next)
		if e.Fate == simulator.Unsubscribed {
			seen[string(e.Fate)]++
			continue
		}
		d := &fleet.Devices()[e.Device]
		compareFate(t, d, e, p.drive(e.Due, e.Topic, slices.Clone(e.Payload)))
		seen[fmt.Sprintf("%s %s %s", e.Fault, e.Fate, e.Reason)]++
		if t.Failed() {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d kinds of fate: %v", len(seen), seen)
	for _, class := range simulator.FaultClasses() {
		if !slices.ContainsFunc(fleet.Devices(), func(d simulator.Device) bool { return slices.Contains(d.Faults(), class) }) {
			t.Errorf("no device of the broken fleet has the fault %s", class)
		}
	}
}

func compareFate(t *testing.T, d *simulator.Device, e simulator.Emission, got outcome) {
	t.Helper()
	say := func(format string, args ...any) {
		t.Errorf("%s at %s (%s): %s\n%.300s", d.ID, e.Due.Format(time.RFC3339), e.Fault, fmt.Sprintf(format, args...), e.Payload)
	}
	if got.fate != e.Fate {
		say("it is %s, should be %s; problems %v", got.fate, e.Fate, got.problems)
	}
	if e.Reason != "" && !slices.ContainsFunc(got.problems, func(p telemetry.Problem) bool { return p.Reason == e.Reason }) {
		say("problems %v, should be %s", got.problems, e.Reason)
	}
	if e.Reason == "" && len(got.problems) > 0 {
		say("problems %v, should be none", got.problems)
	}
	if len(got.points) != len(e.Points) {
		say("%d points, should be %d", len(got.points), len(e.Points))
	}
	for _, pt := range e.Points {
		k := pointKey(pt.Kind, d.Locality, d.Site(), d.ID, pt.Metric, pt.Time)
		if v, ok := got.points[k]; !ok || v != pt.Value {
			say("%s is %v (%v), should be %v", k, v, ok, pt.Value)
		}
	}
}
