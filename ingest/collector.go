package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// LedgerReader is the part of the ledger that reports.
type LedgerReader interface {
	Accounts() []Account
	// Books are the accounts with their rows, of one moment.
	Books() ([]Account, []Row)
	Said() map[Sequence]uint64
	Settlements() []Settlement
	// CountReason counts the messages that wait in quarantine for one reason.
	CountReason(context.Context, telemetry.Reason) (int64, error)
	// Use is how full the quarantine is.
	Use(context.Context) (QuarantineUse, error)
}

// Audit holds the ledger against the journal.
type Audit struct {
	Ledger  LedgerReader
	Journal JournalInspector
	// Store holds the store against the ledger; nil where that is not done.
	Store *StoreAudit
	// Sides holds broker, gateways and journal against each other; nil where that is not
	// done.
	Sides *Sides
	// Whole is the gateway through which messages of all localities may come, Localities
	// are those that there are: each has a row there. Nil is not known.
	Whole      string
	Localities func() []telemetry.Locality
}

// Report is the ledger at one moment.
type Report struct {
	Time     time.Time `json:"time"`
	Balanced bool      `json:"balanced"`
	// Gateways are the sums of Epochs by gateway.
	Gateways []Balance `json:"gateways"`
	Epochs   []Balance `json:"epochs"`
	// Localities are the rows of Gateways.
	Localities []Row `json:"localities" doc:"What became of the messages of each locality, by gateway: each gateway's rows add up to it"`
	// Differences are the accounts to which their rows do not add up.
	Differences []Difference `json:"differences,omitempty" doc:"Accounts to which their rows do not add up: one of them is wrong"`
	// Conflicts is how many messages wait in quarantine because another value is
	// stored for the same series and time.
	Conflicts int64        `json:"conflicts"`
	Journal   JournalState `json:"journal"`
	// Store is when the store was last held against the ledger, and what was found.
	Store *StoreReport `json:"store,omitempty"`
	// Sides is what broker, gateways and journal have counted, each by itself; only
	// where it was asked for. SidesProblem says why it could not be read.
	Sides        []Side `json:"sides,omitempty"`
	SidesProblem string `json:"sides_problem,omitempty"`
	// Settlements are the losses that somebody has acknowledged.
	Settlements []Settlement `json:"settlements" doc:"Losses that somebody has acknowledged, the oldest first: they stay counted, and make nothing unbalanced"`
	// Losses are those that nobody has acknowledged yet.
	Losses []Loss `json:"losses,omitempty" doc:"What was found lost by comparing the sides, until somebody acknowledges its alarm"`
}

// Loss is something that a comparison of sides has found.
type Loss struct {
	Rule    string    `json:"rule"`
	Gateway string    `json:"gateway,omitempty"`
	Lost    float64   `json:"lost"`
	Since   time.Time `json:"since"`
	Summary string    `json:"summary"`
}

// Compare is Report with all sides read now: what the broker, the gateways and the
// journal have counted. It is balanced only if none of them has lost anything that
// nobody has acknowledged.
func (a Audit) Compare(ctx context.Context, now time.Time) (Report, error) {
	r, err := a.Report(ctx, now)
	if err != nil || a.Sides == nil {
		return r, err
	}
	if r.Sides, err = a.Sides.Look(ctx); err != nil {
		r.SidesProblem, r.Balanced = err.Error(), false
	}
	for _, f := range a.Sides.Findings.List() {
		switch f.Rule {
		case ruleDoorLoss, ruleJournalLoss, ruleStoreLoss, ruleBrokerDropped, ruleBrokerForgot:
			r.Losses = append(r.Losses, Loss{Rule: f.Rule, Gateway: string(f.Device), Lost: f.Value, Since: f.Since, Summary: f.SummaryEN})
			r.Balanced = false
		}
	}
	return r, nil
}

// Numbered is how many messages of each gateway the journal has numbered.
func (a Audit) Numbered(ctx context.Context) (map[string]uint64, error) {
	r, err := a.Report(ctx, time.Time{})
	out := make(map[string]uint64, len(r.Gateways))
	for _, b := range r.Gateways {
		out[b.Gateway] = b.Received + b.Again
	}
	return out, err
}

// Report reads both sides, the ledger first: see [Balances].
func (a Audit) Report(ctx context.Context, now time.Time) (Report, error) {
	accounts, rows := a.Ledger.Books()
	said, settled := a.Ledger.Said(), a.Ledger.Settlements()
	state, err := a.Journal.State(ctx)
	if err != nil {
		return Report{}, err
	}
	conflicts, err := a.Ledger.CountReason(ctx, telemetry.Conflict)
	if err != nil {
		return Report{}, err
	}
	r := Report{Time: now, Balanced: true, Conflicts: conflicts, Epochs: Balances(accounts, said, settled, state), Settlements: settled, Journal: state, Store: a.Store.Last()}
	r.Gateways = ByGateway(r.Epochs)
	var localities []telemetry.Locality
	if a.Localities != nil {
		localities = a.Localities()
	}
	r.Localities, r.Differences = byLocality(rows, a.Whole, localities), differences(accounts, rows)
	r.Balanced = len(r.Differences) == 0
	for _, b := range r.Epochs {
		r.Balanced = r.Balanced && b.Balanced()
	}
	return r, nil
}

// LedgerCollector shows the ledger and the journal as metrics. They are read when
// asked for, so they are right after a restart too.
type LedgerCollector struct {
	audit Audit
	now   func() time.Time
	mu    sync.Mutex // one reading at a time

	messages, received, missing, settled, partial, conflicts, held, gone *prometheus.Desc
	byLocality, differences                                              *prometheus.Desc
	records, bytes, maxBytes, oldestAge, journalUp                       *prometheus.Desc
}

// NewLedgerCollector makes a collector; now is the clock.
func NewLedgerCollector(a Audit, now func() time.Time) *LedgerCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("haidang_"+name, help, labels, nil)
	}
	return &LedgerCollector{
		audit: a, now: now,
		messages:    desc("messages", "Messages by what has become of them: stored, duplicate, quarantined, discarded, queued or canary (the gateway's own, by which it proves its way to the store). Re-driving moves them between outcomes, so this is no counter.", "gateway", "outcome"),
		received:    desc("messages_received_total", "Messages ever received into the journal.", "gateway"),
		missing:     desc("messages_missing", "Received minus stored, duplicate, quarantined, discarded, canary and queued, beyond what is settled. Anything but 0 is a loss (or, below 0, a double count) that nobody has acknowledged.", "gateway"),
		settled:     desc("messages_settled", "Messages missing whose loss somebody has acknowledged; haidang_messages_missing leaves them out.", "gateway"),
		partial:     desc("messages_partial", "Stored messages of which some fields wait in quarantine.", "gateway"),
		byLocality:  desc("locality_messages", "Messages by the locality of their topics and what has become of them: stored (partial ones too), partial, duplicate, quarantined, discarded or canary. Of a gateway they add up to haidang_messages. (none) is no locality that there is, (earlier) what was counted before these were kept.", "gateway", "locality", "outcome"),
		differences: desc("ledger_differences", "Accounts to which what is counted by locality does not add up. Anything but 0 is a fault of the ledger: see haidang audit."),
		held:        desc("quarantine_bytes", "What waits in quarantine takes of its budget (--quarantine-budget)."),
		gone:        desc("quarantine_discarded_total", "Messages, or parts of them, that left the quarantine for good, by what (person, or the bound that was reached) and why they waited.", "cause", "reason"),
		conflicts:   desc("quarantine_conflicts", "Messages in quarantine because another value is stored for the same series and time."),
		records:     desc("journal_records", "Records in the journal."),
		bytes:       desc("journal_bytes", "Bytes in the journal."),
		maxBytes:    desc("journal_max_bytes", "The journal's budget."),
		oldestAge:   desc("journal_oldest_age_seconds", "Age of the oldest record that is not stored; 0 if there is none."),
		journalUp:   desc("journal_up", "1 if the journal answers."),
	}
}

// Describe implements [prometheus.Collector].
func (c *LedgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.messages, c.received, c.missing, c.settled, c.partial, c.conflicts, c.held, c.gone, c.byLocality, c.differences, c.records, c.bytes, c.maxBytes, c.oldestAge, c.journalUp} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *LedgerCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := c.now()
	r, err := c.audit.Report(ctx, now)
	if err != nil {
		gauge(c.journalUp, 0)
		return
	}
	gauge(c.journalUp, 1)
	for _, b := range r.Gateways {
		gauge(c.messages, float64(b.Stored), b.Gateway, "stored")
		gauge(c.messages, float64(b.Duplicate), b.Gateway, "duplicate")
		gauge(c.messages, float64(b.Quarantined), b.Gateway, "quarantined")
		gauge(c.messages, float64(b.Discarded), b.Gateway, "discarded")
		gauge(c.messages, float64(b.Canary), b.Gateway, "canary")
		gauge(c.messages, float64(b.Queued), b.Gateway, "queued")
		ch <- prometheus.MustNewConstMetric(c.received, prometheus.CounterValue, float64(b.Received), b.Gateway)
		gauge(c.missing, float64(b.Unsettled), b.Gateway)
		gauge(c.settled, float64(b.Settled), b.Gateway)
		gauge(c.partial, float64(b.Partial), b.Gateway)
	}
	for _, row := range r.Localities {
		for outcome, n := range map[string]uint64{"stored": row.Stored, "partial": row.Partial, "duplicate": row.Duplicate,
			"quarantined": row.Quarantined, "discarded": row.Discarded, "canary": row.Canary} {
			gauge(c.byLocality, float64(n), row.Gateway, string(row.Locality), outcome)
		}
	}
	gauge(c.differences, float64(len(r.Differences)))
	gauge(c.conflicts, float64(r.Conflicts))
	c.collectQuarantine(ctx, ch)
	gauge(c.records, float64(r.Journal.Records))
	gauge(c.bytes, float64(r.Journal.Bytes))
	gauge(c.maxBytes, float64(r.Journal.MaxBytes))
	age := 0.0
	if !r.Journal.Oldest.IsZero() {
		age = max(0, now.Sub(r.Journal.Oldest).Seconds())
	}
	gauge(c.oldestAge, age)
}

// collectQuarantine shows how full the quarantine is and what has left it.
func (c *LedgerCollector) collectQuarantine(ctx context.Context, ch chan<- prometheus.Metric) {
	use, err := c.audit.Ledger.Use(ctx)
	if err != nil {
		return // as missing as the ledger is; the loader says so
	}
	ch <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, float64(use.Bytes))
	counts := map[[2]string]int64{}
	for _, d := range use.Discarded {
		counts[[2]string{string(d.Cause), string(d.Reason)}] += d.Count
	}
	for labels, n := range counts {
		ch <- prometheus.MustNewConstMetric(c.gone, prometheus.CounterValue, float64(n), labels[0], labels[1])
	}
}
