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
		c, changed, err := l.outcomes(ctx, w, now)
		if c.Written = written; err == nil {
			err = l.Ledger.Commit(ctx, c)
		}
		if err == nil {
			l.adopt(changed)
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
func (l *Loader) outcomes(ctx context.Context, w *batchWork, now time.Time) (Commit, map[Sequence]Account, error) {
	c := Commit{Fates: w.fates[:0], Marks: w.marks}
	changed := map[Sequence]Account{}
	for s, position := range w.positions {
		a := *l.account(s)
		a.Position, a.Again = position, a.Again+w.again[s]
		changed[s] = a
	}
	for i := range w.items {
		it := &w.items[i]
		a := changed[it.sequence]
		l.settle(it, &a, &c, now)
		changed[it.sequence] = a
	}
	for _, d := range w.corrupt {
		c.Quarantine = append(c.Quarantine, Quarantined{Gateway: d.Record.Gateway, Epoch: d.Record.Epoch, At: now,
			Message:  Message{Payload: d.Raw, FullSize: len(d.Raw), Received: now},
			Problems: []telemetry.Problem{{Reason: telemetry.CorruptRecord, Detail: d.Err.Error()}}})
	}
	w.fates = c.Fates
	if err := l.makeRoom(ctx, &c, changed); err != nil {
		return c, nil, err
	}
	for _, a := range changed {
		c.Accounts = append(c.Accounts, a)
	}
	return c, changed, nil
}

// makeRoom cuts what comes into quarantine and chooses what must leave for it.
func (l *Loader) makeRoom(ctx context.Context, c *Commit, changed map[Sequence]Account) (err error) {
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

// commitAccounts commits with the changed accounts, until the ledger takes it.
func (l *Loader) commitAccounts(ctx context.Context, changed map[Sequence]Account, c Commit) error {
	for _, a := range changed {
		c.Accounts = append(c.Accounts, a)
	}
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
	l.adopt(changed)
	return nil
}

// refused logs that the ledger did not take a commit, once.
func (l *Loader) refused(attempt int, err error) {
	if attempt == 0 {
		l.Logger.Error("ledger does not accept (is the disk of --data full?); the journal holds the messages until it does", "error", err)
	}
}

// adopt takes over the accounts that have been committed.
func (l *Loader) adopt(changed map[Sequence]Account) {
	for s, a := range changed {
		*l.account(s) = a
	}
}

// settle decides what became of a message and adds it to its account.
func (l *Loader) settle(it *item, a *Account, c *Commit, now time.Time) {
	switch {
	case it.canary != 0:
		a.Canary++
		return
	case it.duplicate:
		a.Duplicate++
		return
	case it.stored > 0:
		a.Stored++
		it.fate = Kept
	default:
		a.Quarantined++
		it.fate = Held
	}
	c.Fates = append(c.Fates, KeyFate{Key: it.key, Fate: it.fate})
	if len(it.problems) == 0 {
		return
	}
	if it.fate == Kept {
		a.Partial++
	}
	c.Quarantine = append(c.Quarantine, Quarantined{Gateway: it.sequence.Gateway, Epoch: it.sequence.Epoch, Device: it.owner(), Message: it.message, Partial: it.fate == Kept, Problems: it.problems, At: now})
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
