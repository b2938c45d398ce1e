package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// compareEvery is how often the loader holds its accounts against the journal, besides
// at the start of each taking.
const compareEvery = 10 * time.Second

// compare holds the accounts against the journal's own count. A journal that counts
// less than has been accounted for, or than its gateways have said before, has been
// damaged, deleted or put back: it begins a new epoch, so that no number is given
// twice, and its account is closed with what had been said. One that notes more than
// is accounted for was emptied by a newer ledger than this one.
func (l *Loader) compare(ctx context.Context) error {
	said, known := l.Ledger.Said(), l.Findings.List()
	state, err := l.Journal.State(ctx)
	if err != nil {
		return fmt.Errorf("compare ledger with journal: %w", err)
	}
	for s := range said {
		l.account(s)
	}
	for s := range state.Noted { // also what a ledger that was deleted had accounted for
		l.account(s)
	}
	changed := l.newBooks()
	var found []Finding
	rotate := l.suspect[state.Epoch]
	for _, s := range slices.SortedFunc(maps.Keys(l.accounts), compareSequences) {
		a, current := *l.account(s), s.Epoch == state.Epoch
		before := a
		want, have := max(a.Position, said[s]), state.Positions[s]
		switch {
		case have < want && (current || !a.Closed):
			rotate = rotate || current
			a.Closed = true
			found = append(found, behind(a, have, want, state))
		case have >= want && current && a.Closed:
			a.Closed = false // the journal that was missing is here again
		}
		forgotten, err := l.forgotten(ctx, a, state.Noted[s])
		if err != nil {
			return err
		}
		if forgotten > 0 {
			a.Forgotten, a.Position = a.Forgotten+forgotten, a.Position+forgotten
			found = append(found, ledgerOlder(a))
		}
		if a != before {
			*changed.account(s) = a
		}
	}
	if len(found) == 0 {
		found = unheard(known, l.balances(said, state))
	}
	l.report(found)
	if rotate {
		if err := l.Journal.Rotate(ctx, state.Epoch); err != nil {
			return fmt.Errorf("begin a new epoch of the journal: %w", err)
		}
		delete(l.suspect, state.Epoch)
	}
	if len(changed.accounts) == 0 {
		return nil
	}
	return l.commitBooks(ctx, changed, Commit{})
}

// balances holds the loader's own accounts against the journal.
func (l *Loader) balances(said map[Sequence]uint64, state JournalState) []Balance {
	accounts := make([]Account, 0, len(l.accounts))
	for _, a := range l.accounts {
		accounts = append(accounts, *a)
	}
	return Balances(accounts, said, l.Ledger.Settlements(), state)
}

// forgotten is how many messages a newer ledger had accounted for: the journal has
// noted them as dealt with and does not hold them.
func (l *Loader) forgotten(ctx context.Context, a Account, noted uint64) (uint64, error) {
	if noted <= a.Position {
		return 0, nil
	}
	first, waits, err := l.Journal.Oldest(ctx, a.Sequence())
	if err != nil {
		return 0, fmt.Errorf("compare ledger with journal: %w", err)
	}
	if waits {
		noted = min(noted, first)
	}
	return noted - min(noted, a.Position), nil
}

// tellJournal reports what a batch has shown of the journal, once it is committed.
func (l *Loader) tellJournal(ctx context.Context, w *batchWork) error {
	var found []Finding
	settled := sumSettlements(l.Ledger.Settlements())
	for s := range w.lost {
		found = append(found, messagesLost(s, l.account(s).Lost(), settled.of(LackMessages, s)))
	}
	for s := range w.again {
		l.suspect[s.Epoch] = true
		found = append(found, numberedAgain(*l.account(s)))
	}
	l.report(found)
	if len(w.again) == 0 {
		return nil
	}
	return l.compare(ctx)
}

func (l *Loader) report(found []Finding) {
	for _, f := range found {
		l.Logger.Error(f.SummaryEN, "gateway", string(f.Device), "what", f.DescriptionEN, "remedy", f.RunbookEN)
		l.Findings.Report(f)
	}
}

func compareSequences(a, b Sequence) int {
	return strings.Compare(a.Gateway+"\x00"+string(a.Epoch), b.Gateway+"\x00"+string(b.Epoch))
}
