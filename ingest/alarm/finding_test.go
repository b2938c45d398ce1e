package alarm_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/ledger"
)

// ruleless is an engine that evaluates no rules: findings are its only alarms, as where
// InfluxDB is the store.
type ruleless struct {
	t        *testing.T
	now      time.Time
	ledger   *ledger.Ledger
	findings *ingest.Findings
	engine   *alarm.Engine
}

func startRuleless(t *testing.T) *ruleless {
	p := &ruleless{t: t, now: local(2026, 11, 28, 8, 0)}
	var err error
	if p.ledger, err = ledger.Open(t.Context(), ledger.Options{Dir: t.TempDir(), Now: p.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.ledger.Close() })
	p.open()
	return p
}

func (p *ruleless) clock() time.Time { return p.now }

// open is another start of the process over the same ledger.
func (p *ruleless) open() {
	p.t.Helper()
	p.findings = ingest.NewFindings(p.clock)
	var err error
	if p.engine, err = alarm.Open(p.t.Context(), alarm.Options{Findings: p.findings, Alarms: p.ledger, Now: p.clock}); err != nil {
		p.t.Fatal(err)
	}
}

// pass lets time pass and evaluates, and returns what is active.
func (p *ruleless) pass(d time.Duration) []ingest.Alarm {
	p.t.Helper()
	p.now = p.now.Add(d)
	if err := p.engine.Evaluate(p.t.Context(), p.now); err != nil {
		p.t.Fatal(err)
	}
	return p.engine.Firing()
}

func (p *ruleless) expect(d time.Duration, rules ...string) []ingest.Alarm {
	p.t.Helper()
	active := p.pass(d)
	if len(active) != len(rules) {
		p.t.Fatalf("%d alarms are active, want %q: %+v", len(active), rules, active)
	}
	for i, rule := range rules {
		if active[i].Rule != rule {
			p.t.Errorf("alarm %d is %s, want %s", i, active[i].Rule, rule)
		}
	}
	return active
}

// A finding that is a state is an alarm for as long as it is reported.
func TestFindingOfAState(t *testing.T) {
	p := startRuleless(t)
	p.expect(0)
	p.findings.Report(ingest.Finding{Rule: "canary", Severity: "danger", Locality: "nha-trang", Device: "nha-trang", NotReady: true})
	select {
	case <-p.findings.Changed():
	default:
		t.Error("nobody is told of a new finding")
	}
	p.expect(time.Second, "canary")
	p.findings.Report(ingest.Finding{Rule: "canary", Severity: "danger", Locality: "cam-ranh", Device: "cam-ranh"})
	p.expect(time.Minute, "canary", "canary")
	p.findings.Resolve("canary", "nha-trang", "nha-trang")
	if a := p.expect(time.Minute, "canary"); a[0].Locality != "cam-ranh" {
		t.Errorf("the wrong alarm has ended: %+v", a)
	}
	p.findings.Resolve("canary", "cam-ranh", "cam-ranh")
	p.expect(time.Minute)
}

// What has happened stays through resolving and restarts until somebody acknowledges
// it, is not ready for as long as it said so, and happens again as another alarm.
func TestFindingThatLasts(t *testing.T) {
	p := startRuleless(t)
	lost := ingest.Finding{Rule: "damage-journal", Severity: "extreme", Value: 915, DescriptionEN: "915 messages", NotReady: true, Lasting: true}
	p.findings.Report(lost)
	p.expect(0, "damage-journal")
	p.open()
	if f := p.findings.List(); len(f) != 1 || !f[0].NotReady || f[0].Value != 915 || f[0].DescriptionEN != lost.DescriptionEN || f[0].Locality != "" || f[0].Device != "" {
		t.Fatalf("after a restart the findings are %+v", f)
	}
	p.expect(2*alarm.Grace, "damage-journal")
	p.findings.Resolve("damage-journal", "", "")
	a := p.expect(time.Minute, "damage-journal")
	p.open()
	if f := p.findings.List(); len(f) != 1 || f[0].NotReady {
		t.Fatalf("resolved, after a restart, the findings are %+v", f)
	}
	if _, err := p.engine.Acknowledge(t.Context(), a[0].ID, "lan", "restored"); err != nil {
		t.Fatal(err)
	}
	// It happens again before the next round: nobody has acknowledged that.
	p.now = p.now.Add(time.Second)
	p.findings.Report(lost)
	again := p.expect(time.Second, "damage-journal")
	if again[0].ID == a[0].ID || !again[0].Acknowledged.IsZero() {
		t.Errorf("another loss is taken for the acknowledged one: %+v", again)
	}
	if _, err := p.engine.Acknowledge(t.Context(), again[0].ID, "lan", ""); err != nil {
		t.Fatal(err)
	}
	p.expect(time.Second)
	p.open()
	p.expect(2 * alarm.Grace)
	if f := p.findings.List(); len(f) != 0 {
		t.Errorf("what is acknowledged is found again: %+v", f)
	}
}
