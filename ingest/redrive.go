package ingest

import (
	"context"
	"fmt"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxRedrive is at most how many quarantined messages are driven through in one step;
// between steps the loader takes what has come meanwhile.
const maxRedrive = 500

// RedriveResult says what became of the quarantined messages that were driven
// through again.
type RedriveResult struct {
	Tried int `json:"tried"`
	// Stored left the quarantine wholly stored, Duplicate left it because the
	// same message had been stored meanwhile.
	Stored    int `json:"stored"`
	Duplicate int `json:"duplicate"`
	// Partial had some fields stored and wait with the others; Waiting had none.
	Partial int `json:"partial"`
	Waiting int `json:"waiting"`
	// Next continues after this page, as the filter's After; 0 if there is no
	// more.
	Next int64 `json:"next"`
}

// redrive asks the loader's goroutine for one page.
type redrive struct {
	filter QuarantineFilter
	done   chan<- redriven
}

type redriven struct {
	result RedriveResult
	err    error
}

// Redrive drives a page of quarantined messages through decoding, registry and
// store again, with codecs, catalogue and registry as they are now. The running
// loader does it between two batches. It is safe to call from any goroutine; to
// go through all of a filter, call it with After set to Next until that is 0.
func (l *Loader) Redrive(ctx context.Context, f QuarantineFilter) (RedriveResult, error) {
	if f.Limit <= 0 || f.Limit > maxRedrive {
		f.Limit = maxRedrive
	}
	done := make(chan redriven, 1)
	select {
	case l.redrives <- redrive{filter: f, done: done}:
	case <-ctx.Done():
		return RedriveResult{}, fmt.Errorf("wait for loader: %w", ctx.Err())
	}
	select {
	case r := <-done:
		return r.result, r.err
	case <-ctx.Done():
		return RedriveResult{}, fmt.Errorf("wait for loader: %w", ctx.Err())
	}
}

// redrivePage drives one page through the loader's steps.
func (l *Loader) redrivePage(ctx context.Context, f QuarantineFilter) redriven {
	rows, err := l.Ledger.Quarantine(ctx, f)
	if err != nil || len(rows) == 0 {
		return redriven{err: err}
	}
	var out redriven
	if len(rows) == f.Limit {
		out.result.Next = rows[len(rows)-1].ID
	}
	w := newBatchWork(nil)
	for i := range rows {
		q := &rows[i]
		if len(q.Problems) > 0 && q.Problems[0].Reason == telemetry.CorruptRecord {
			continue // not a message
		}
		w.items = append(w.items, item{gateway: q.Gateway, message: q.Message, redriven: q})
	}
	l.decode(w)
	if out.err = l.write(ctx, w); out.err != nil {
		return out
	}
	var c Commit
	changed := map[string]Account{}
	for i := range w.items {
		it := &w.items[i]
		a, ok := changed[it.gateway]
		if !ok {
			a = *l.account(it.gateway)
		}
		l.resettle(it, &a, &c, &out.result)
		changed[it.gateway] = a
	}
	out.err = l.commitAccounts(ctx, changed, c)
	return out
}

// resettle decides what became of a message that was quarantined, and moves it
// from one column of its account to another.
func (l *Loader) resettle(it *item, a *Account, c *Commit, r *RedriveResult) {
	q := *it.redriven
	r.Tried++
	if it.duplicate {
		r.Duplicate++
		a.Quarantined--
		a.Duplicate++
		c.Release = append(c.Release, q.ID)
		return
	}
	if it.stored > 0 && !q.Partial {
		a.Quarantined--
		a.Stored++
		a.Partial++ // taken back below if nothing is left to mend
		q.Partial = true
		if it.content { // else its key was another one when it came
			c.Fates = append(c.Fates, KeyFate{Key: it.key, Fate: Kept})
		}
	}
	switch {
	case len(it.problems) == 0 && it.stored > 0:
		r.Stored++
		a.Partial--
		c.Release = append(c.Release, q.ID)
		return
	case it.stored > 0:
		r.Partial++
	default:
		r.Waiting++
	}
	q.Problems = it.problems
	c.Retry = append(c.Retry, q)
}
