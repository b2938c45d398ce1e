package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/haidang-iot/haidang/ingest"
)

// keySize is a remembered key on disk: its bytes and its fate.
const keySize = len(ingest.MessageKey{}) + 1

// forgetRows is how many expired rows one commit deletes: more than it adds, so
// that the table keeps up, and few, so that no commit takes long.
const forgetRows = 16

// memory is the fates of recent messages in two generations: when the younger
// is full the older is forgotten. So it holds between size and 2×size keys at a
// fixed cost, and forgetting is a pointer's change. A row on disk holds the keys
// of one commit and their generation.
type memory struct {
	size         int
	generation   int64
	young, older map[ingest.MessageKey]ingest.Fate
}

func newMemory(size int) memory {
	return memory{size: size, young: map[ingest.MessageKey]ingest.Fate{}}
}

func (m *memory) seen(k ingest.MessageKey) ingest.Fate {
	if f, ok := m.young[k]; ok {
		return f
	}
	return m.older[k]
}

func (m *memory) remember(k ingest.MessageKey, f ingest.Fate) {
	if len(m.young) >= m.size {
		m.begin(m.generation + 1)
	}
	m.young[k] = f
}

// begin begins a generation.
func (m *memory) begin(generation int64) {
	m.older, m.young = m.young, make(map[ingest.MessageKey]ingest.Fate, len(m.young))
	m.generation = generation
}

// load reads the keys back, oldest first.
func (m *memory) load(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT generation, keys FROM fate ORDER BY batch")
	if err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var generation int64
		var keys sql.RawBytes
		if err := rows.Scan(&generation, &keys); err != nil {
			return fmt.Errorf("read memory: %w", err)
		}
		if generation != m.generation {
			m.begin(generation)
		}
		for ; len(keys) >= keySize; keys = keys[keySize:] {
			m.young[ingest.MessageKey(keys)] = ingest.Fate(keys[keySize-1])
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read memory: %w", err)
	}
	return nil
}

// write adds a row of keys and deletes some of those that memory has forgotten.
func (m *memory) write(ctx context.Context, tx *sql.Tx, fates []ingest.KeyFate) error {
	if len(fates) == 0 {
		return nil
	}
	keys := make([]byte, 0, len(fates)*keySize)
	for _, f := range fates {
		keys = append(append(keys, f.Key[:]...), byte(f.Fate))
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO fate (generation, keys) VALUES (?, ?)", m.generation, keys); err != nil {
		return fmt.Errorf("write memory: %w", err)
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM fate WHERE batch IN (SELECT batch FROM
		(SELECT batch, generation FROM fate ORDER BY batch LIMIT ?) WHERE generation < ?)`, forgetRows, m.generation-1)
	if err != nil {
		return fmt.Errorf("trim memory: %w", err)
	}
	return nil
}
