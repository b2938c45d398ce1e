package api

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	// comparedSpan is what of the store is compared where nothing is asked for.
	comparedSpan = 48 * time.Hour
	// maxCompared bounds what a store must count for one question.
	maxCompared = 31 * 24 * time.Hour
)

type storeQuery struct {
	From time.Time `query:"from" doc:"Absent: two days before to"`
	To   time.Time `query:"to" doc:"Absent: now"`
	All  bool      `query:"all" doc:"Give the hours that lack nothing, too"`
}

func (g Ingest) store(ctx context.Context, in *storeQuery) (*output[ingest.StoreReport], error) {
	if g.Audit.Store == nil {
		return nil, huma.Error503ServiceUnavailable("this process does not compare a store")
	}
	to := in.To.UTC()
	if in.To.IsZero() {
		to = g.Now().UTC().Add(time.Hour) // a device's clock may be ahead
	}
	from := in.From.UTC()
	if in.From.IsZero() {
		from = to.Add(-comparedSpan)
	}
	if !to.After(from) {
		return nil, huma.Error422UnprocessableEntity("to must be after from", &huma.ErrorDetail{Location: "query.to", Message: "it is not after from", Value: to})
	}
	if to.Sub(from) > maxCompared {
		return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("at most %d days are compared at once: ask for one part after the other", int(maxCompared.Hours()/24)),
			&huma.ErrorDetail{Location: "query.from", Message: "too long before to", Value: from})
	}
	r, err := g.Audit.Store.Compare(ctx, from, to, in.All)
	if err != nil {
		return nil, huma.Error503ServiceUnavailable("the store does not count, or the ledger cannot be read", err)
	}
	return &output[ingest.StoreReport]{r}, nil
}
