package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// writeHours adds what was newly written to the figures of its hours, in the
// transaction that counts the outcomes.
func writeHours(ctx context.Context, tx *sql.Tx, written map[store.KindHour]int64) error {
	if len(written) == 0 {
		return nil
	}
	// Parsing it for each kind would cost as much as the rest of a commit.
	add, err := tx.PrepareContext(ctx, `INSERT INTO hour (hour, kind, written) VALUES (?,?,?)
		ON CONFLICT (hour, kind) DO UPDATE SET written = written + excluded.written`)
	if err != nil {
		return fmt.Errorf("prepare figures of hours: %w", err)
	}
	defer add.Close()
	for k, n := range written {
		if _, err := add.ExecContext(ctx, k.Hour, string(k.Kind), n); err != nil {
			return fmt.Errorf("write figures of an hour: %w", err)
		}
	}
	return nil
}

// Hours implements [ingest.HourLedger].
func (l *Ledger) Hours(ctx context.Context, from, to time.Time) (out []ingest.HourFigure, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT hour, kind, written, seen, told, settled FROM hour WHERE hour >= ? AND hour < ? ORDER BY hour, kind", from.Unix(), to.Unix())
	if err != nil {
		return nil, fmt.Errorf("read figures of hours: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h ingest.HourFigure
		var kind string
		if err := rows.Scan(&h.Hour, &kind, &h.Written, &h.Seen, &h.Told, &h.Settled); err != nil {
			return nil, fmt.Errorf("read figures of hours: %w", err)
		}
		h.Kind = telemetry.Kind(kind)
		out = append(out, h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read figures of hours: %w", err)
	}
	return out, nil
}

// SawHours implements [ingest.HourLedger].
func (l *Ledger) SawHours(ctx context.Context, seen []ingest.HourFigure) error {
	return l.inTx(ctx, "keep the store's counts", func(tx *sql.Tx) error {
		for _, h := range seen {
			if _, err := tx.ExecContext(ctx, `UPDATE hour SET seen = MAX(seen, ?1), told = CASE WHEN settled > ?2 THEN ?2 ELSE MAX(told, ?2) END, settled = MIN(settled, ?2)
				WHERE hour = ?3 AND kind = ?4`, h.Seen, h.Told, h.Hour, string(h.Kind)); err != nil {
				return err
			}
		}
		return nil
	})
}

// ForgetHours implements [ingest.HourLedger].
func (l *Ledger) ForgetHours(ctx context.Context, before time.Time) error {
	if _, err := l.db.ExecContext(ctx, "DELETE FROM hour WHERE hour < ?", before.Unix()); err != nil {
		return fmt.Errorf("forget figures of hours: %w", err)
	}
	return nil
}
