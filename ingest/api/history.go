package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	// defaultSpan is what is shown where nothing is asked for, usualPoints how many
	// points, maxPoints how many of a gateway at most.
	defaultSpan = 24 * time.Hour
	usualPoints = 300
	maxPoints   = 2000
)

// History is the ledger's history.
type History struct {
	From        time.Time               `json:"from"`
	To          time.Time               `json:"to"`
	StepSeconds int64                   `json:"step_seconds"`
	Gateways    []ingest.GatewayHistory `json:"gateways" doc:"By name"`
}

type historyQuery struct {
	Gateway string    `query:"gateway" maxLength:"64" doc:"Absent: all"`
	From    time.Time `query:"from" doc:"Absent: a day before to"`
	To      time.Time `query:"to" doc:"Absent: now"`
	Step    string    `query:"step" enum:"1m,5m,15m,1h,6h,1d" doc:"Absent: the shortest that makes at most 300 points. Days end at midnight in Vietnam"`
}

// step is a length that may be asked for, by its word.
type step struct {
	word   string
	length time.Duration
}

// steps are the shortest first.
func steps() []step {
	return []step{{"1m", time.Minute}, {"5m", 5 * time.Minute}, {"15m", 15 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}, {"1d", 24 * time.Hour}}
}

func (g Ingest) history(ctx context.Context, in *historyQuery) (*output[History], error) {
	now := g.Now().UTC()
	q, err := in.query(now)
	if err != nil {
		return nil, err
	}
	samples, err := g.History.Samples(ctx, q)
	if err != nil {
		return nil, huma.Error500InternalServerError("the ledger's history cannot be read", err)
	}
	if !q.To.Before(now) {
		// Without the journal there is no present, but the past is there.
		if present, err := g.Audit.Samples(ctx, now); err == nil {
			samples = withPresent(samples, present, q.Gateway)
		}
	}
	return &output[History]{History{From: q.From, To: q.To, StepSeconds: int64(q.Step / time.Second), Gateways: ingest.Changes(samples, q.Step)}}, nil
}

// query is what is asked for, with borders on whole steps.
func (in *historyQuery) query(now time.Time) (q ingest.HistoryQuery, err error) {
	to := in.To.UTC()
	if in.To.IsZero() {
		to = now
	}
	from := in.From.UTC()
	if in.From.IsZero() {
		from = to.Add(-defaultSpan)
	}
	if !to.After(from) {
		return q, huma.Error422UnprocessableEntity("to must be after from", &huma.ErrorDetail{Location: "query.to", Message: "it is not after from", Value: to})
	}
	step := in.step(to.Sub(from))
	if n := int64(to.Sub(from) / step.length); n > maxPoints {
		return q, huma.Error422UnprocessableEntity(fmt.Sprintf("steps of %s make %d points of this period, and at most %d are given: ask for a longer step or a shorter period",
			step.word, n, maxPoints), &huma.ErrorDetail{Location: "query.step", Message: "too short for the period", Value: step.word})
	}
	q = ingest.HistoryQuery{Gateway: in.Gateway, From: ingest.StepEnd(from, step.length), To: ingest.StepEnd(to, step.length), Step: step.length}
	if q.From.After(from) {
		q.From = q.From.Add(-step.length)
	}
	return q, nil
}

// step is the one asked for, or the shortest that makes no more than the usual
// number of points; days where none does.
func (in *historyQuery) step(span time.Duration) step {
	all := steps()
	for _, s := range all {
		if in.Step == s.word || in.Step == "" && span <= usualPoints*s.length {
			return s
		}
	}
	return all[len(all)-1]
}

// withPresent adds how the gateways stand now to their samples. One that has none
// yet began with nothing.
func withPresent(samples, present []ingest.Sample, only string) []ingest.Sample {
	for _, p := range present {
		if only != "" && p.Gateway != only {
			continue
		}
		if !slices.ContainsFunc(samples, func(s ingest.Sample) bool { return s.Gateway == p.Gateway }) {
			samples = append(samples, ingest.Sample{Time: p.Time, Balance: ingest.Balance{Account: ingest.Account{Gateway: p.Gateway}}})
		}
		samples = append(samples, p)
	}
	slices.SortStableFunc(samples, func(a, b ingest.Sample) int { return strings.Compare(a.Gateway, b.Gateway) })
	return samples
}
