package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/haidang-iot/haidang/ingest"
)

// loadSettled reads the losses that were acknowledged.
func (l *Ledger) loadSettled(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, "SELECT at, who, why, rule, what, gateway, epoch, lost FROM settled ORDER BY id")
	if err != nil {
		return fmt.Errorf("read settled losses: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s ingest.Settlement
		var at int64
		if err := rows.Scan(&at, &s.Who, &s.Why, &s.Rule, &s.What, &s.Gateway, &s.Epoch, &s.Lost); err != nil {
			return fmt.Errorf("read settled losses: %w", err)
		}
		s.At = moment(at)
		l.settled = append(l.settled, s)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read settled losses: %w", err)
	}
	return nil
}

// Settlements implements [ingest.Ledger].
func (l *Ledger) Settlements() []ingest.Settlement {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return append([]ingest.Settlement{}, l.settled...)
}

// AddSettlements implements [ingest.History].
func (l *Ledger) AddSettlements(ctx context.Context, all []ingest.Settlement) error {
	if len(all) == 0 {
		return nil
	}
	if err := l.inTx(ctx, "write settled losses", func(tx *sql.Tx) error { return writeSettled(ctx, tx, all) }); err != nil {
		return err
	}
	l.adoptSettled(all)
	return nil
}

func (l *Ledger) adoptSettled(all []ingest.Settlement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = append(l.settled, all...)
}

func writeSettled(ctx context.Context, tx *sql.Tx, all []ingest.Settlement) error {
	for _, s := range all {
		if _, err := tx.ExecContext(ctx, "INSERT INTO settled (at, who, why, rule, what, gateway, epoch, lost) VALUES (?,?,?,?,?,?,?,?)",
			milliseconds(s.At), s.Who, s.Why, s.Rule, string(s.What), s.Gateway, string(s.Epoch), s.Lost); err != nil {
			return err
		}
	}
	return nil
}

// settleAlarm writes down what an acknowledged alarm settles. Of the store's hours that
// is what people have been told of: what is missing by now may be more.
func settleAlarm(ctx context.Context, tx *sql.Tx, a ingest.Alarm, settle []ingest.Settlement) ([]ingest.Settlement, error) {
	settle = slices.Clone(settle)
	for i := range settle {
		s := &settle[i]
		s.At, s.Who, s.Why, s.Rule = a.Acknowledged, a.AcknowledgedBy, a.Note, a.Rule
		if s.What != ingest.LackValues {
			continue
		}
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(told - settled), 0) FROM hour WHERE told > settled").Scan(&s.Lost); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE hour SET settled = told WHERE told > settled"); err != nil {
			return nil, err
		}
	}
	settle = slices.DeleteFunc(settle, func(s ingest.Settlement) bool { return s.Lost == 0 })
	return settle, writeSettled(ctx, tx, settle)
}
