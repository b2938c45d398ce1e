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

// Heard is when a device was last heard: by whom, when its last reading was received,
// and the newest time that it measured; both are zero if it never sent one.
type Heard struct {
	Device          telemetry.Device
	Received, Event time.Time
	Gateway         string
	// Memory is what the judge of silence remembers besides, as it writes it.
	Memory string
}

// Run is a time in which a loader listened, from its start to when it last said
// so.
type Run struct{ Began, Until time.Time }

// Deaf is a time in which some of what a loader listens through did not hear.
type Deaf struct {
	Ear          string
	Began, Until time.Time
}

// deafKept is how many times of deafness are remembered.
const deafKept = 10_000

// KeepHeard keeps when devices were last heard, when was not listened, and that the
// run that began at a moment listens until now. A crash in the middle keeps some of it.
func (l *Ledger) KeepHeard(ctx context.Context, run Run, deaf []Deaf, heard []Heard) error {
	if err := l.room(); err != nil {
		return fmt.Errorf("write when devices were heard: %w", err)
	}
	for len(heard) > 0 {
		page := heard[:min(len(heard), heardAtOnce)]
		heard = heard[len(page):]
		if err := l.inTx(ctx, "write when devices were heard", func(tx *sql.Tx) error { return l.keepPage(ctx, tx, page) }); err != nil {
			return err
		}
	}
	err := l.inTx(ctx, "write when was not listened", func(tx *sql.Tx) error {
		for _, d := range deaf {
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO deaf (ear, began, until) VALUES (?,?,?)", d.Ear, d.Began.UnixMilli(), d.Until.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = l.db.ExecContext(ctx, "INSERT INTO listening (began, until) VALUES (?1, ?2) ON CONFLICT (began) DO UPDATE SET until = ?2",
		run.Began.UnixMilli(), run.Until.UnixMilli())
	if err != nil {
		return fmt.Errorf("write until when was listened: %w", err)
	}
	return nil
}

func (l *Ledger) keepPage(ctx context.Context, tx *sql.Tx, page []Heard) error {
	now := l.now().UnixMilli()
	keep, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO heard (device, received, event, gateway, memory, noted) VALUES (?,?,?,?,?,?)")
	if err != nil {
		return err
	}
	defer keep.Close()
	for _, h := range page {
		if _, err := keep.ExecContext(ctx, string(h.Device), milliseconds(h.Received), milliseconds(h.Event), h.Gateway, h.Memory, now); err != nil {
			return err
		}
	}
	return nil
}

// Heard is what KeepHeard has kept of earlier runs, these and their deafness in order
// of time. What is older than the history is forgotten.
func (l *Ledger) Heard(ctx context.Context) (runs []Run, deaf []Deaf, heard []Heard, err error) {
	old := l.now().Add(-hoursKept).UnixMilli()
	for _, forget := range []struct {
		query string
		arg   int64
	}{
		{"DELETE FROM heard WHERE noted < ?", old},
		{"DELETE FROM listening WHERE until < ?", old},
		{"DELETE FROM listening WHERE began NOT IN (SELECT began FROM listening ORDER BY began DESC LIMIT ?)", runsKept},
		{"DELETE FROM deaf WHERE until < ?", old},
		{"DELETE FROM deaf WHERE began < (SELECT began FROM deaf ORDER BY began DESC LIMIT 1 OFFSET ?)", deafKept},
	} {
		if _, err := l.db.ExecContext(ctx, forget.query, forget.arg); err != nil {
			return nil, nil, nil, fmt.Errorf("forget when devices were heard: %w", err)
		}
	}
	if runs, err = l.runs(ctx); err != nil {
		return nil, nil, nil, fmt.Errorf("read when was listened: %w", err)
	}
	if deaf, err = l.deaf(ctx); err != nil {
		return nil, nil, nil, fmt.Errorf("read when was not listened: %w", err)
	}
	rows, err := l.db.QueryContext(ctx, "SELECT device, received, event, gateway, memory FROM heard")
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read when devices were heard: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h Heard
		var received, event int64
		if err := rows.Scan(&h.Device, &received, &event, &h.Gateway, &h.Memory); err != nil {
			return nil, nil, nil, fmt.Errorf("read when devices were heard: %w", err)
		}
		h.Received, h.Event = moment(received), moment(event)
		heard = append(heard, h)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, nil, fmt.Errorf("read when devices were heard: %w", err)
	}
	return runs, deaf, heard, nil
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

func (l *Ledger) deaf(ctx context.Context) (out []Deaf, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT ear, began, until FROM deaf ORDER BY began")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Deaf
		var began, until int64
		if err := rows.Scan(&d.Ear, &began, &until); err != nil {
			return nil, err
		}
		d.Began, d.Until = moment(began), moment(until)
		out = append(out, d)
	}
	return out, rows.Err()
}
