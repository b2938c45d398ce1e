package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Guard knows who asks and where they may act.
type Guard interface {
	Who(context.Context) string
	// Localities are those to which who asks is restricted; nil is no restriction.
	Localities(context.Context) []telemetry.Locality
	// May is the error to answer with where who asks may not act on something that
	// belongs to a locality; "" is the whole city.
	May(ctx context.Context, what, id string, at telemetry.Locality) error
}

// mayMessage says whether who asks may see a quarantined message, and act on it.
func (g Ingest) mayMessage(ctx context.Context, q ingest.Quarantined) error {
	return g.Guard.May(ctx, "message", strconv.FormatInt(q.ID, 10), ingest.LocalityOf(q.Message.Topic))
}

// mayMessages refuses messages that were named of which one is not for who asks; what
// a filter selects is only what is for them.
func (g Ingest) mayMessages(ctx context.Context, ids []int64) error {
	if g.Guard.Localities(ctx) == nil {
		return nil
	}
	for len(ids) > 0 {
		rows, next, err := g.Quarantine.Quarantine(ctx, ingest.QuarantineFilter{IDs: ids})
		if err != nil {
			return huma.Error500InternalServerError("the quarantine cannot be read", err)
		}
		for _, q := range rows {
			if err := g.mayMessage(ctx, q); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		ids = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id <= next })
	}
	return nil
}
