package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Sample is how a gateway's account stood at a moment, all epochs added up.
type Sample struct {
	Time time.Time
	Balance
}

// HistoryQuery selects the samples of a gateway, or of all if it is "", after From
// and until To, the last of each step.
type HistoryQuery struct {
	Gateway  string
	From, To time.Time
	Step     time.Duration
}

// HistoryPoint is what became of a gateway's messages during a step.
type HistoryPoint struct {
	Time time.Time `json:"t" doc:"The end of the step; the newest step may not be over"`
	// These are changes during the step. A re-drive takes messages out of
	// quarantine: its change may be below 0.
	Received    int64 `json:"received" doc:"Change during the step"`
	Stored      int64 `json:"stored" doc:"Change during the step"`
	Partial     int64 `json:"partial" doc:"Change during the step of those stored in part that wait with their other fields; below 0 where a re-drive stored these"`
	Duplicate   int64 `json:"duplicate" doc:"Change during the step"`
	Quarantined int64 `json:"quarantined" doc:"Change during the step; below 0 where more left the quarantine than came in"`
	Discarded   int64 `json:"discarded" doc:"Change during the step: messages that left the quarantine for good"`
	Canary      int64 `json:"canary" doc:"Change during the step of the messages that the gateway sent itself"`
	// These are as they stood at the step's last sample.
	Queued  uint64 `json:"queued" doc:"At the step's end"`
	Missing int64  `json:"missing" doc:"At the step's end, beyond what was settled then; anything but 0 is a loss (or, below 0, a double count)"`
	Waiting uint64 `json:"waiting" doc:"Messages in quarantine at the step's end, those stored in part not among them"`
}

// GatewayHistory is the history of one gateway's account.
type GatewayHistory struct {
	Gateway string         `json:"gateway"`
	Points  []HistoryPoint `json:"points" doc:"In order of time; a step without a sample is left out, and what was counted in it is in the next"`
}

// History keeps samples.
type History interface {
	// Say keeps what the gateways' side says of each sequence, for when its journal
	// is gone: the most that was ever said.
	Say(context.Context, map[Sequence]uint64) error
	// AddSettlements keeps what was settled or found again without anybody's doing.
	AddSettlements(context.Context, []Settlement) error
	// AddSamples keeps one sample of a gateway for each minute, the newest.
	AddSamples(context.Context, []Sample) error
	// Samples gives the last sample of each step, and before them the last that is
	// not after From, by gateway and time.
	Samples(context.Context, HistoryQuery) ([]Sample, error)
}

// StepEnd is the end of the step that a moment is in: steps are counted from
// midnight in Vietnam, and a step has its end and not its beginning.
func StepEnd(t time.Time, step time.Duration) time.Time {
	const ahead = 7 * time.Hour
	end := t.UTC().Add(ahead).Truncate(step).Add(-ahead)
	if end.Before(t) {
		end = end.Add(step)
	}
	return end
}

// Changes turns samples, in order of gateway and time, into what changed from each
// to the next. The first of a gateway is only what the second is compared with.
func Changes(samples []Sample, step time.Duration) []GatewayHistory {
	out := []GatewayHistory{}
	for i, s := range samples {
		if i == 0 || samples[i-1].Gateway != s.Gateway {
			out = append(out, GatewayHistory{Gateway: s.Gateway, Points: []HistoryPoint{}})
			continue
		}
		g, before := &out[len(out)-1], samples[i-1]
		p := HistoryPoint{Time: StepEnd(s.Time, step),
			Received: int64(s.Received - before.Received), Stored: int64(s.Stored - before.Stored), Partial: int64(s.Partial - before.Partial),
			Duplicate: int64(s.Duplicate - before.Duplicate), Quarantined: int64(s.Quarantined - before.Quarantined), Discarded: int64(s.Discarded - before.Discarded), Canary: int64(s.Canary - before.Canary),
			Queued: s.Queued, Missing: s.Missing, Waiting: s.Quarantined}
		if n := len(g.Points); n > 0 && g.Points[n-1].Time.Equal(p.Time) { // the present, in a step that has a sample already
			p.add(g.Points[n-1])
			g.Points = g.Points[:n-1]
		}
		g.Points = append(g.Points, p)
	}
	return out
}

// add adds the changes of an earlier part of the same step.
func (p *HistoryPoint) add(o HistoryPoint) {
	p.Received += o.Received
	p.Stored += o.Stored
	p.Partial += o.Partial
	p.Duplicate += o.Duplicate
	p.Quarantined += o.Quarantined
	p.Discarded += o.Discarded
	p.Canary += o.Canary
}

// Recorder writes the history: once a minute it holds the ledger against the
// journal and keeps what it saw. The loader's path knows nothing of it. Samples
// are totals, so that one that is missing, because the process was not there or
// the journal did not answer, costs only the hour of what was counted, no count.
type Recorder struct {
	Audit   Audit
	History History
	Now     func() time.Time
	Logger  *slog.Logger
}

// Run records at the start, every full minute, and once more when ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	for failed := false; ; {
		err := r.Record(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			r.Logger.Error("cannot write the ledger's history; trying again each minute", "error", err)
		}
		failed = err != nil
		now := r.Now()
		if !sleep(ctx, now.Truncate(time.Minute).Add(time.Minute).Sub(now)) {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return r.Record(last)
		}
	}
}

// Record takes one sample now.
func (r *Recorder) Record(ctx context.Context) error {
	now := r.Now()
	report, err := r.Audit.Report(ctx, now)
	if err != nil {
		return fmt.Errorf("sample the ledger: %w", err)
	}
	said := make(map[Sequence]uint64, len(report.Epochs))
	for _, b := range report.Epochs {
		said[b.Sequence()] = b.Received
	}
	if err := r.History.Say(ctx, said); err != nil {
		return err
	}
	if err := r.History.AddSettlements(ctx, report.foundAgain()); err != nil {
		return err
	}
	return r.History.AddSamples(ctx, report.samples())
}

// Samples is how all gateways' accounts stand now, by name.
func (a Audit) Samples(ctx context.Context, now time.Time) ([]Sample, error) {
	report, err := a.Report(ctx, now)
	if err != nil {
		return nil, err
	}
	return report.samples(), nil
}

func (r Report) samples() []Sample {
	out := make([]Sample, 0, len(r.Gateways))
	for _, b := range r.Gateways {
		b.Missing = b.Unsettled // what is settled is over; else each later step would seem to have lost it
		out = append(out, Sample{Time: r.Time, Balance: b})
	}
	return out
}
