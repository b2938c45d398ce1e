package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// heardAtOnce is how many devices one transaction writes: some milliseconds, for
// which the loader may have to wait.
const heardAtOnce = 1000

// runsKept is how many times of listening are remembered.
const runsKept = 1000

// Heard is when a device was last heard: by whom, when it was received, and the
// newest time that it measured.
type Heard struct {
	Device          telemetry.Device
	Received, Event time.Time
	Gateway         string
}

// Run is a time in which a loader listened, from its start to when it last said
// so.
type Run struct{ Began, Until time.Time }

// KeepHeard keeps when devices were last heard, and that the run that began at a
// moment listens until now. A crash in the middle keeps some of it.
func (l *Ledger) KeepHeard(ctx context.Context, run Run, heard []Heard) error {
	for len(heard) > 0 {
		page := heard[:min(len(heard), heardAtOnce)]
		heard = heard[len(page):]
		if err := l.inTx(ctx, "write when devices were heard", func(tx *sql.Tx) error { return keepPage(ctx, tx, page) }); err != nil {
			return err
		}
	}
	_, err := l.db.ExecContext(ctx, "INSERT INTO listening (began, until) VALUES (?1, ?2) ON CONFLICT (began) DO UPDATE SET until = ?2",
		run.Began.UnixMilli(), run.Until.UnixMilli())
	if err != nil {
		return fmt.Errorf("write until when was listened: %w", err)
	}
	return nil
}

func keepPage(ctx context.Context, tx *sql.Tx, page []Heard) error {
	keep, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO heard (device, received, event, gateway) VALUES (?,?,?,?)")
	if err != nil {
		return err
	}
	defer keep.Close()
	for _, h := range page {
		if _, err := keep.ExecContext(ctx, string(h.Device), h.Received.UnixMilli(), h.Event.UnixMilli(), h.Gateway); err != nil {
			return err
		}
	}
	return nil
}

// Heard is what KeepHeard has kept of earlier runs, these in order of time. What
// is older than the history is forgotten.
func (l *Ledger) Heard(ctx context.Context) (runs []Run, heard []Heard, err error) {
	old := l.now().Add(-hoursKept).UnixMilli()
	for _, forget := range []struct {
		query string
		arg   int64
	}{
		{"DELETE FROM heard WHERE received < ?", old},
		{"DELETE FROM listening WHERE until < ?", old},
		{"DELETE FROM listening WHERE began NOT IN (SELECT began FROM listening ORDER BY began DESC LIMIT ?)", runsKept},
	} {
		if _, err := l.db.ExecContext(ctx, forget.query, forget.arg); err != nil {
			return nil, nil, fmt.Errorf("forget when devices were heard: %w", err)
		}
	}
	if runs, err = l.runs(ctx); err != nil {
		return nil, nil, fmt.Errorf("read when was listened: %w", err)
	}
	rows, err := l.db.QueryContext(ctx, "SELECT device, received, event, gateway FROM heard")
	if err != nil {
		return nil, nil, fmt.Errorf("read when devices were heard: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h Heard
		var received, event int64
		if err := rows.Scan(&h.Device, &received, &event, &h.Gateway); err != nil {
			return nil, nil, fmt.Errorf("read when devices were heard: %w", err)
		}
		h.Received, h.Event = time.UnixMilli(received).UTC(), time.UnixMilli(event).UTC()
		heard = append(heard, h)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read when devices were heard: %w", err)
	}
	return runs, heard, nil
}

func (l *Ledger) runs(ctx context.Context) (out []Run, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT began, until FROM listening ORDER BY began")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var began, until int64
		if err := rows.Scan(&began, &until); err != nil {
			return nil, err
		}
		out = append(out, Run{time.UnixMilli(began).UTC(), time.UnixMilli(until).UTC()})
	}
	return out, rows.Err()
}
