package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/haidang-iot/haidang/ingest"
)

// marks are the last records that were committed, by which one that comes again is
// told from one that only has its numbers.
type marks struct {
	ring  []ingest.Mark // in order, the oldest at next once it is full
	next  int
	known map[ingest.Mark]bool
}

func newMarks() marks { return marks{known: map[ingest.Mark]bool{}} }

func (m *marks) remember(committed []ingest.Mark) {
	for _, k := range committed {
		if m.known[k] {
			continue
		}
		m.known[k] = true
		if len(m.ring) < ingest.MarksKept {
			m.ring = append(m.ring, k)
			continue
		}
		delete(m.known, m.ring[m.next])
		m.ring[m.next] = k
		m.next = (m.next + 1) % len(m.ring)
	}
}

// load reads the marks back, oldest first.
func (m *marks) load(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT gateway, epoch, first, past, sum FROM mark ORDER BY id")
	if err != nil {
		return fmt.Errorf("read marks of records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k ingest.Mark
		if err := rows.Scan(&k.Gateway, &k.Epoch, &k.First, &k.End, &k.Sum); err != nil {
			return fmt.Errorf("read marks of records: %w", err)
		}
		m.remember([]ingest.Mark{k})
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read marks of records: %w", err)
	}
	return nil
}

// write adds marks and deletes those that are too many.
func (m *marks) write(ctx context.Context, tx *sql.Tx, committed []ingest.Mark) error {
	if len(committed) == 0 {
		return nil
	}
	add, err := tx.PrepareContext(ctx, "INSERT INTO mark (gateway, epoch, first, past, sum) VALUES (?,?,?,?,?)")
	if err != nil {
		return fmt.Errorf("prepare marks of records: %w", err)
	}
	defer add.Close()
	for _, k := range committed {
		if _, err := add.ExecContext(ctx, k.Gateway, string(k.Epoch), k.First, k.End, k.Sum); err != nil {
			return fmt.Errorf("write mark of a record of gateway %s: %w", k.Sequence, err)
		}
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM mark WHERE id <= (SELECT MAX(id) FROM mark) - ?", ingest.MarksKept); err != nil {
		return fmt.Errorf("trim marks of records: %w", err)
	}
	return nil
}

// Repeated implements [ingest.Ledger].
func (l *Ledger) Repeated(m ingest.Mark) bool { return l.marks.known[m] }
