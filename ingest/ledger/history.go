package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

// Samples are kept of every minute for two days, in which one looks for what
// happened just now, and then of every hour for as long as the store keeps
// readings by default. That is some 12,500 rows of a gateway at most.
const (
	minutesKept = 48 * time.Hour
	hoursKept   = 400 * 24 * time.Hour
)

// minuteOf is the full minute that a moment is nearest to, in Unix seconds: a
// sample that is taken a little late still is that minute's.
func minuteOf(t time.Time) int64 { return t.Round(time.Minute).Unix() }

// AddSamples implements [ingest.History]. A gateway's first sample has one of
// nothing before it, so that what it counts has a beginning.
func (l *Ledger) AddSamples(ctx context.Context, samples []ingest.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	if err := l.room(); err != nil {
		return fmt.Errorf("write history of ledger: %w", err)
	}
	return l.inTx(ctx, "write history of ledger", func(tx *sql.Tx) error {
		for _, s := range samples {
			minute := minuteOf(s.Time)
			if _, err := tx.ExecContext(ctx, `INSERT INTO history (gateway, minute, received, stored, duplicate, quarantined, partial, queued, discarded)
				SELECT ?1, ?2, 0, 0, 0, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM history WHERE gateway = ?1)`, s.Gateway, minute-60); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO history (gateway, minute, received, stored, duplicate, quarantined, partial, queued, discarded, canary, missing)
				VALUES (?,?,?,?,?,?,?,?,?,?,?)`, s.Gateway, minute, s.Received, s.Stored, s.Duplicate, s.Quarantined, s.Partial, s.Queued, s.Discarded, s.Canary, s.Missing); err != nil {
				return err
			}
		}
		return l.thin(ctx, tx, samples)
	})
}

// thin deletes what is too old of the gateways: minutes that are not their hour's
// last, and hours. A gateway's first stays: the second is compared with it. It
// looks only at what became old since it was last called.
func (l *Ledger) thin(ctx context.Context, tx *sql.Tx, samples []ingest.Sample) error {
	l.thinMu.Lock()
	defer l.thinMu.Unlock()
	now := samples[0].Time
	to := now.Add(-minutesKept).Unix()
	for _, s := range samples {
		if _, err := tx.ExecContext(ctx, `DELETE FROM history WHERE gateway = ?1 AND minute > ?2 AND minute <= ?3
			AND minute > (SELECT MIN(minute) FROM history WHERE gateway = ?1) AND EXISTS (SELECT 1 FROM history AS later
			WHERE later.gateway = ?1 AND later.minute > history.minute AND later.minute <= (history.minute + 3599) / 3600 * 3600)`, s.Gateway, l.thinned, to); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM history WHERE gateway = ? AND minute <= ?", s.Gateway, now.Add(-hoursKept).Unix()); err != nil {
			return err
		}
	}
	l.thinned = to
	return nil
}

// Samples implements [ingest.History].
func (l *Ledger) Samples(ctx context.Context, q ingest.HistoryQuery) ([]ingest.Sample, error) {
	gateways, err := l.sampled(ctx, q.Gateway)
	if err != nil {
		return nil, fmt.Errorf("read history of ledger: %w", err)
	}
	var out []ingest.Sample
	for _, gateway := range gateways {
		if out, err = l.samplesOf(ctx, gateway, q, out); err != nil {
			return nil, fmt.Errorf("read history of gateway %s: %w", gateway, err)
		}
	}
	return out, nil
}

// sampled lists the gateways that have a history, found by leaping from one to
// the next in the key.
func (l *Ledger) sampled(ctx context.Context, only string) (out []string, err error) {
	if only != "" {
		return []string{only}, nil
	}
	rows, err := l.db.QueryContext(ctx, `WITH RECURSIVE known (gateway) AS (SELECT MIN(gateway) FROM history UNION ALL
		SELECT (SELECT MIN(gateway) FROM history WHERE gateway > known.gateway) FROM known WHERE known.gateway IS NOT NULL)
		SELECT gateway FROM known WHERE gateway IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	return texts[string](rows)
}

// samplesOf appends what is asked for of one gateway: the last of each step and
// before them what the first is compared with, which is the history's beginning
// where there is nothing before. SQLite takes the other columns from the row that
// has the maximum.
func (l *Ledger) samplesOf(ctx context.Context, gateway string, q ingest.HistoryQuery, out []ingest.Sample) ([]ingest.Sample, error) {
	const ahead = 7 * 3600 // steps are counted from midnight in Vietnam
	rows, err := l.db.QueryContext(ctx, `WITH span (base) AS (SELECT MAX(?2, MIN(minute)) FROM history WHERE gateway = ?1)
		SELECT * FROM (SELECT minute, received, stored, duplicate, quarantined, partial, queued, discarded, canary, missing FROM history, span
			WHERE gateway = ?1 AND minute <= base ORDER BY minute DESC LIMIT 1)
		UNION ALL SELECT MAX(minute), received, stored, duplicate, quarantined, partial, queued, discarded, canary, missing FROM history, span
			WHERE gateway = ?1 AND minute > base AND minute <= ?3 GROUP BY (minute + ?4 - 1) / ?5 ORDER BY 1`,
		gateway, q.From.Unix(), q.To.Unix(), ahead, max(int64(q.Step/time.Second), 60))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		s := ingest.Sample{Balance: ingest.Balance{Account: ingest.Account{Gateway: gateway}}}
		var minute int64
		if err := rows.Scan(&minute, &s.Received, &s.Stored, &s.Duplicate, &s.Quarantined, &s.Partial, &s.Queued, &s.Discarded, &s.Canary, &s.Missing); err != nil {
			return nil, err
		}
		s.Time, s.Position = time.Unix(minute, 0).UTC(), s.Received-s.Queued
		out = append(out, s)
	}
	return out, rows.Err()
}

// texts reads a column of text.
func texts[T ~string](rows *sql.Rows) (out []T, err error) {
	defer rows.Close()
	for rows.Next() {
		var t T
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}
