package embedded

import (
	"context"

	"github.com/prometheus/prometheus/tsdb"
)

// Compact makes the TSDB do what it otherwise does every minute.
func (s *Store) Compact(ctx context.Context) error { return s.current.db.Compact(ctx) }

// CompactAll makes blocks of all late samples, and of timely ones that are old
// enough.
func (s *Store) CompactAll(ctx context.Context) error {
	if err := s.current.db.Compact(ctx); err != nil {
		return err
	}
	return s.current.db.CompactOOOHead(ctx)
}

// Blocks counts the blocks on disk.
func (s *Store) Blocks() int { return len(s.current.db.Blocks()) }

// TSDB is the TSDB in use.
func (s *Store) TSDB() *tsdb.DB { return s.current.db }

// Compacts reports whether the TSDB may compact by itself.
func (s *Store) Compacts() bool { return s.current.compaction.allowed }

// Turns are those of an API of so many places.
type Turns struct{ *turns }

// NewTurns makes them.
func NewTurns(places int) Turns { return Turns{newTurns(places)} }

// Begin waits for a turn.
func (t Turns) Begin(ctx context.Context) (end func(), ok bool) { return t.begin(ctx) }

// Callers is how many callers are remembered.
func (t Turns) Callers() int { return len(t.callers) }
