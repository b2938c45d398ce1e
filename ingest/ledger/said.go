package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"

	"github.com/haidang-iot/haidang/ingest"
)

// loadSaid reads what the gateways' side has said.
func (l *Ledger) loadSaid(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, "SELECT gateway, epoch, received FROM said")
	if err != nil {
		return fmt.Errorf("read what gateways have said: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s ingest.Sequence
		var received uint64
		if err := rows.Scan(&s.Gateway, &s.Epoch, &received); err != nil {
			return fmt.Errorf("read what gateways have said: %w", err)
		}
		l.said[s] = received
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read what gateways have said: %w", err)
	}
	return nil
}

// Said implements [ingest.Ledger].
func (l *Ledger) Said() map[ingest.Sequence]uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return maps.Clone(l.said)
}

// Say implements [ingest.History].
func (l *Ledger) Say(ctx context.Context, said map[ingest.Sequence]uint64) error {
	before, more := l.Said(), map[ingest.Sequence]uint64{}
	for s, received := range said {
		if received > before[s] {
			more[s] = received
		}
	}
	if len(more) == 0 {
		return nil
	}
	err := l.inTx(ctx, "write what gateways have said", func(tx *sql.Tx) error {
		for s, received := range more {
			if _, err := tx.ExecContext(ctx, "INSERT INTO said (gateway, epoch, received) VALUES (?1,?2,?3) ON CONFLICT (gateway, epoch) DO UPDATE SET received = MAX(received, ?3)",
				s.Gateway, string(s.Epoch), received); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, received := range more {
		l.said[s] = max(l.said[s], received)
	}
	return nil
}
