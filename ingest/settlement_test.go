package ingest_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// audited is what is held against each other in a city.
func (c *city) audited() ingest.Audit { return ingest.Audit{Ledger: c.ledger, Journal: c.journal} }

// acknowledge acknowledges the alarms of all findings, as a person would.
func (c *city) acknowledge(a ingest.Audit, findings *ingest.Findings, why string) {
	c.t.Helper()
	e, err := alarm.Open(c.t.Context(), alarm.Options{Findings: findings, Alarms: c.ledger, Settle: a.Settling})
	c.must(err)
	c.must(e.Evaluate(c.t.Context(), time.Now()))
	for _, f := range e.Firing() {
		if f.Acknowledged.IsZero() {
			_, err = e.Acknowledge(c.t.Context(), f.ID, "lan", why)
			c.must(err)
		}
	}
	c.must(e.Evaluate(c.t.Context(), time.Now()))
	if f := findings.List(); len(f) > 0 {
		c.t.Errorf("acknowledged, and found all the same: %+v", f)
	}
}

// missing is what the metric says.
func (c *city) missing() float64 {
	c.t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(ingest.NewLedgerCollector(c.audited(), time.Now))
	families, err := r.Gather()
	c.must(err)
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "haidang_messages_missing" })
	return families[i].Metric[0].GetGauge().GetValue()
}

// unsettled demands what is missing of nha-trang, and what of it beyond the settled.
func (c *city) unsettled(received uint64, missing, unsettled int64) {
	c.t.Helper()
	b := c.settled("nha-trang", received)
	if b.Missing != missing || b.Unsettled != unsettled || b.Balanced() != (unsettled == 0) || c.report().Balanced != (unsettled == 0) || c.missing() != float64(unsettled) {
		c.t.Errorf("balance is %+v and the metric %v, want %d missing and %d unsettled", b, c.missing(), missing, unsettled)
	}
}

// A loss that somebody has acknowledged stays counted and makes nothing unbalanced, also
// after a restart; what is lost after it does, and is told by itself.
func TestAcknowledgedLossIsSettled(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	c.readings(0, 1)
	c.position += 7
	c.readings(1, 1)
	c.unsettled(9, 7, 7)
	c.acknowledge(c.audited(), c.loader.Findings, "đĩa hỏng")
	c.unsettled(9, 7, 0)
	stop()
	c.record()
	c.restart(func() {})
	c.unsettled(9, 7, 0)
	want := ingest.Settlement{Who: "lan", Why: "đĩa hỏng", Rule: "messages-lost", What: ingest.LackMessages, Gateway: "nha-trang", Epoch: c.epoch, Lost: 7}
	all := c.report().Settlements
	if len(all) != 1 || time.Since(all[0].At) > time.Hour {
		t.Fatalf("settled are %+v", all)
	}
	if all[0].At = (time.Time{}); all[0] != want {
		t.Errorf("settled is %+v, want %+v", all[0], want)
	}

	c.load()
	c.resume()
	c.position += 5
	c.readings(2, 1)
	c.unsettled(15, 12, 5)
	f := c.loader.Findings.List()
	if len(f) != 1 || f[0].Rule != "messages-lost" || f[0].Value != 5 || !strings.Contains(f[0].DescriptionEN, "7 of them were acknowledged before") {
		t.Errorf("found %+v, want 5 lost", f)
	}
	c.acknowledge(c.audited(), c.loader.Findings, "")
	c.unsettled(15, 12, 0)
}

// A journal that is gone is settled by its alarm; put back, as much may not be lost
// again unseen.
func TestSettledIsFoundAgain(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	c.readings(0, 5)
	c.settled("nha-trang", 5)
	stop()
	c.readings(5, 3)
	c.record()
	copied := t.TempDir()
	c.restart(func() {
		c.must(os.CopyFS(copied, os.DirFS(c.dir+"/broker")))
		c.must(os.RemoveAll(c.dir + "/broker"))
	})
	stop = c.load()
	c.eventually("it is told", func() bool { return len(c.loader.Findings.List()) > 0 })
	c.acknowledge(c.audited(), c.loader.Findings, "ai đó đã xóa")
	c.unsettled(8, 3, 0)
	stop()
	c.record()
	if n := len(c.report().Settlements); n != 1 {
		t.Errorf("settled are %+v", c.report().Settlements)
	}
	c.restart(func() {
		c.must(os.RemoveAll(c.dir + "/broker"))
		c.must(os.CopyFS(c.dir+"/broker", os.DirFS(copied)))
	})
	c.load()
	c.eventually("the three are stored", func() bool { return len(c.samples("air_quality_pm25")) == 8 })
	c.unsettled(8, 0, 0)
	c.record()
	if all := c.report().Settlements; len(all) != 2 || all[1].Lost != -3 || all[1].Who != "" || c.report().Epochs[0].Settled != 0 {
		t.Errorf("settled are %+v", all)
	}
}

// What only a newer ledger knew of is settled, and what was acknowledged by a program
// that did not settle is told once more.
func TestForgottenIsSettled(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	c.readings(0, 5)
	c.settled("nha-trang", 5)
	stop()
	c.restart(func() { c.must(os.Remove(c.dir + "/" + ledger.FileName)) })
	stop = c.load()
	c.eventually("it is told", func() bool { return len(c.loader.Findings.List()) > 0 })
	c.loader.Findings.Acknowledged("ledger-older", "", "nha-trang", time.Now())
	stop()
	if c.report().Balanced || len(c.loader.Findings.List()) > 0 {
		t.Fatalf("what was forgotten is balanced: %+v", c.report())
	}
	c.load()
	c.eventually("it is told again", func() bool { return len(c.loader.Findings.List()) > 0 })
	if f := c.loader.Findings.List()[0]; f.Rule != "ledger-older" || f.Value != 5 {
		t.Errorf("found %+v", f)
	}
	c.acknowledge(c.audited(), c.loader.Findings, "")
	if b := c.report().Gateways[0]; !c.report().Balanced || b.Forgotten != 5 || b.SettledForgotten != 5 {
		t.Errorf("the audit says %+v", b)
	}
}

// Alarms of anything else settle nothing.
func TestOtherAlarmsSettleNothing(t *testing.T) {
	c := newCity(t)
	c.load()
	c.readings(0, 1)
	c.position += 2
	c.readings(1, 1)
	c.unsettled(4, 2, 2)
	for rule, gateway := range map[string]telemetry.Device{"damage-stream": "nha-trang", "messages-lost": "cam-ranh", "ledger-older": "nha-trang", "door-loss": "nha-trang"} {
		all, err := c.audited().Settling(t.Context(), rule, gateway)
		if err != nil || len(all) > 0 {
			t.Errorf("%s of %s settles %+v, %v", rule, gateway, all, err)
		}
	}
}
