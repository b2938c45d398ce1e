package embedded

import (
	"context"

	"github.com/prometheus/prometheus/tsdb"
)

// Compact makes the TSDB do what it otherwise does every minute.
func (s *Store) Compact(ctx context.Context) error { return s.current.db.Compact(ctx) }

// Blocks counts the blocks on disk.
func (s *Store) Blocks() int { return len(s.current.db.Blocks()) }

// TSDB is the TSDB in use.
func (s *Store) TSDB() *tsdb.DB { return s.current.db }

// Compacts reports whether the TSDB may compact by itself.
func (s *Store) Compacts() bool { return s.current.compaction.allowed }
