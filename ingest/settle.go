package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// commit settles every message's outcome and makes it durable in one step, however
// often it must try. Each attempt settles anew: what waits may have been discarded
// in between.
func (l *Loader) commit(ctx context.Context, w *batchWork) error {
	now, written := l.Now(), l.written()
	for attempt := 0; ; attempt++ {
		c, b, err := l.outcomes(ctx, w, now)
		if c.Written = written; err == nil {
			err = l.Ledger.Commit(ctx, c)
		}
		if err == nil {
			b.adopt()
			l.observe(w, now)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.refused(attempt, err)
		if !l.await(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// outcomes settles a batch's messages, and what must leave the quarantine for those
// that come into it.
func (l *Loader) outcomes(ctx context.Context, w *batchWork, now time.Time) (Commit, *books, error) {
	c, b := Commit{Fates: w.fates[:0], Marks: w.marks}, l.newBooks()
	for s, position := range w.positions {
		a := b.account(s)
		a.Position, a.Again = position, a.Again+w.again[s]
	}
	for i := range w.items {
		l.settle(&w.items[i], b, &c, now)
	}
	for _, d := range w.corrupt {
		c.Quarantine = append(c.Quarantine, Quarantined{Gateway: d.Record.Gateway, Epoch: d.Record.Epoch, At: now,
			Message:  Message{Payload: d.Raw, FullSize: len(d.Raw), Received: now},
			Problems: []telemetry.Problem{{Reason: telemetry.CorruptRecord, Detail: d.Err.Error()}}})
	}
	w.fates = c.Fates
	if err := l.makeRoom(ctx, &c, b); err != nil {
		return c, nil, err
	}
	b.into(&c)
	return c, b, nil
}

// makeRoom cuts what comes into quarantine and chooses what must leave for it.
func (l *Loader) makeRoom(ctx context.Context, c *Commit, changed *books) (err error) {
	if len(c.Quarantine) == 0 {
		return nil
	}
	b, most := l.bounds(), MaxHeld
	if b.Tight {
		most = heldTight
	}
	for i := range c.Quarantine {
		c.Quarantine[i].Trim(most)
	}
	if c.Discard, err = l.Ledger.Overflow(ctx, c.Quarantine, b); err != nil {
		return err
	}
	l.dismiss(c.Discard, changed)
	return nil
}

// written is what was newly written since it was asked before; so it is asked once for
// each commit, however often that is tried.
func (l *Loader) written() map[store.KindHour]int64 {
	if l.Written == nil {
		return nil
	}
	return l.Written()
}

// commitBooks commits with the changed accounts and rows, until the ledger takes it.
func (l *Loader) commitBooks(ctx context.Context, b *books, c Commit) error {
	b.into(&c)
	c.Written = l.written()
	for attempt := 0; ; attempt++ {
		err := l.Ledger.Commit(ctx, c)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.refused(attempt, err)
		if !sleep(ctx, time.Second) {
			return ctx.Err()
		}
	}
	b.adopt()
	return nil
}

// refused logs that the ledger did not take a commit, once.
func (l *Loader) refused(attempt int, err error) {
	if attempt == 0 {
		l.Logger.Error("ledger does not accept (is the disk of --data full?); the journal holds the messages until it does", "error", err)
	}
}

// settle decides what became of a message and adds it to its account and the row of its
// locality.
func (l *Loader) settle(it *item, b *books, c *Commit, now time.Time) {
	a, r := b.account(it.sequence), b.row(it.sequence, it.row)
	switch {
	case it.canary != 0:
		a.Canary++
		r.Canary++
		return
	case it.duplicate:
		a.Duplicate++
		r.Duplicate++
		return
	case it.stored > 0:
		a.Stored++
		r.Stored++
		it.fate = Kept
	default:
		a.Quarantined++
		r.Quarantined++
		it.fate = Held
	}
	c.Fates = append(c.Fates, KeyFate{Key: it.key, Fate: it.fate})
	if len(it.problems) == 0 {
		return
	}
	if it.fate == Kept {
		a.Partial++
		r.Partial++
	}
	c.Quarantine = append(c.Quarantine, Quarantined{Gateway: it.sequence.Gateway, Epoch: it.sequence.Epoch, Device: it.owner(), Row: r.Locality, Message: it.message, Partial: it.fate == Kept, Problems: it.problems, At: now})
}

// acknowledge lets the records go from the journal. First the journal notes how
// far the gateways are, lest their count be lost with their last record.
func (l *Loader) acknowledge(ctx context.Context, w *batchWork) error {
	for s, end := range w.noted {
		if err := w.taken.Processed(ctx, s, end); err != nil {
			return fmt.Errorf("note position of gateway %s: %w", s, err)
		}
	}
	if err := w.taken.Acknowledge(ctx, w.done); err != nil {
		return fmt.Errorf("acknowledge records: %w", err)
	}
	return nil
}

// lookEvery is how often the loader looks at the disk while nothing comes.
const lookEvery = time.Second
