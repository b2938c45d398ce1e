package ingest

import (
	"context"
	"fmt"
	"slices"

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
	// Cut were not tried: only the beginning of their payloads is kept.
	Cut int `json:"cut"`
	// Next continues after this page, as the filter's After; 0 if there is no
	// more.
	Next int64 `json:"next"`
}

// redrive asks the loader's goroutine for one page.
type redrive struct {
	filter QuarantineFilter
	// admits leaves out messages of which it admits no reading; nil none.
	admits func(telemetry.Reading) bool
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
	return l.askRedrive(ctx, redrive{filter: f})
}

// RedriveAdmitted is Redrive of those messages only of which admits, asked by the
// loader's goroutine, says that the registry admits a reading now. The others are
// not tried: nothing is counted of them, and nobody hears of them again. So it may
// be asked whenever something may have changed.
func (l *Loader) RedriveAdmitted(ctx context.Context, f QuarantineFilter, admits func(telemetry.Reading) bool) (RedriveResult, error) {
	return l.askRedrive(ctx, redrive{filter: f, admits: admits})
}

func (l *Loader) askRedrive(ctx context.Context, r redrive) (RedriveResult, error) {
	f := &r.filter
	if f.Limit <= 0 || f.Limit > maxRedrive {
		f.Limit = maxRedrive
	}
	done := make(chan redriven, 1)
	r.done = done
	select {
	case l.redrives <- r:
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
func (l *Loader) redrivePage(ctx context.Context, r redrive) redriven {
	rows, next, err := l.Ledger.Quarantine(ctx, r.filter)
	if err != nil || len(rows) == 0 {
		return redriven{err: err}
	}
	var out redriven
	out.result.Next = next
	w := newBatchWork(nil)
	for i := range rows {
		q := &rows[i]
		if len(q.Problems) > 0 && q.Problems[0].Reason == telemetry.CorruptRecord {
			continue // not a message
		}
		if q.Cut() {
			out.result.Cut++
			continue
		}
		it := item{sequence: Sequence{q.Gateway, q.Epoch}, message: q.Message, redriven: q}
		if r.admits != nil {
			judged := it // what decoding notes is noted when it is driven through
			if d, _ := l.decodeOne(&judged); !slices.ContainsFunc(d.Readings, r.admits) {
				continue
			}
		}
		w.items = append(w.items, it)
	}
	if len(w.items) == 0 {
		return out
	}
	l.decode(w)
	if out.err = l.write(ctx, w); out.err != nil {
		return out
	}
	var c Commit
	b := l.newBooks()
	for i := range w.items {
		l.resettle(&w.items[i], b, &c, &out.result)
	}
	out.err = l.commitBooks(ctx, b, c)
	return out
}

// resettle decides what became of a message that was quarantined, and moves it
// from one column of its account to another, and from the row in which it was counted
// to that of its locality, which there may not have been then.
func (l *Loader) resettle(it *item, b *books, c *Commit, r *RedriveResult) {
	q, a := *it.redriven, b.account(it.sequence)
	r.Tried++
	old, row := b.row(it.sequence, q.Row), b.row(it.sequence, it.row)
	if q.Partial {
		row = old // it is stored there
	}
	if it.duplicate {
		r.Duplicate++
		a.Quarantined--
		a.Duplicate++
		old.Quarantined--
		row.Duplicate++
		c.Release = append(c.Release, q.ID)
		return
	}
	switch {
	case q.Partial:
	case it.stored > 0:
		a.Quarantined--
		a.Stored++
		a.Partial++ // taken back below if nothing is left to mend
		old.Quarantined--
		row.Stored++
		row.Partial++
		q.Partial = true
		if it.content { // else its key was another one when it came
			c.Fates = append(c.Fates, KeyFate{Key: it.key, Fate: Kept})
		}
	default:
		old.Quarantined--
		row.Quarantined++
	}
	q.Row = row.Locality
	switch {
	case len(it.problems) == 0 && it.stored > 0:
		r.Stored++
		a.Partial--
		row.Partial--
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
