package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// generation is the TSDB from one opening of its folder to its closing. A store
// has one after the other: a failed write ends one.
type generation struct {
	db        *tsdb.DB
	stats     *tsdb.DBStats
	gatherer  prometheus.Gatherer
	registrar *registrar
	cache     *seriesCache
	wal, wbl  *segmentSyncer // nil unless writes are synced

	users sync.WaitGroup // queries in progress

	compaction compaction
}

// openGeneration opens the folder and reads its logs.
func openGeneration(o Options) (*generation, error) {
	if err := dropMarkers(o); err != nil {
		return nil, explainOpen(o.Dir, err)
	}
	registry := prometheus.NewRegistry()
	g := &generation{
		stats:     tsdb.NewDBStats(),
		gatherer:  registry,
		registrar: newRegistrar(registry, o.Registerer),
		cache:     newSeriesCache(o.SeriesCache),
	}
	g.compaction.before(o.Dir)
	var err error
	g.db, err = tsdb.Open(o.Dir, o.Logger, g.registrar, o.tsdb(), g.stats)
	if err != nil {
		g.registrar.unregisterAll()
		return nil, explainOpen(o.Dir, err)
	}
	if err := g.prepare(o); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// explainOpen says what an operator can do about it.
func explainOpen(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("lock data folder %s: another process has it open; stop that one, or choose another folder with --data: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("open data folder %s: its disk is full; make room, or choose another folder with --data: %w", dir, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("open data folder %s: it cannot be written to; correct its permissions, or choose another folder with --data: %w", dir, err)
	default:
		return fmt.Errorf("open data folder %s: %w", dir, err)
	}
}

func (g *generation) prepare(o Options) error {
	if _, err := g.registrar.failedLateWrites(); err != nil {
		return fmt.Errorf("find metric: %w", err)
	}
	if err := g.beginAt(o.Now()); err != nil {
		return err
	}
	g.compaction.hold(g.db)
	if !o.SyncWrites {
		return nil
	}
	var err error
	if g.wal, err = openSegmentSyncer(filepath.Join(o.Dir, "wal")); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	if g.wbl, err = openSegmentSyncer(filepath.Join(o.Dir, wlog.WblDirName)); err != nil {
		return fmt.Errorf("sync log of late samples: %w", err)
	}
	return syncFolder(o.Dir)
}

// beginAt sets the time of a head that has none yet. The TSDB takes it from the
// first sample it ever sees; where that is a late one, months old, it would
// later cut the months since into empty blocks of two hours.
func (g *generation) beginAt(now time.Time) error {
	if g.db.Head().MinTime() != math.MaxInt64 {
		return nil
	}
	// An append sets the time even if it is rolled back.
	a := g.db.Appender(context.Background())
	if _, err := a.Append(0, labels.FromStrings(model.MetricNameLabel, "haidang_store_opened"), now.UnixMilli(), 1); err != nil {
		return errors.Join(fmt.Errorf("begin head: %w", err), a.Rollback())
	}
	if err := a.Rollback(); err != nil {
		return fmt.Errorf("begin head: %w", err)
	}
	return nil
}

// sync brings all that was committed before it to the disk.
func (g *generation) sync() error {
	if g.wal == nil {
		return nil
	}
	if err := g.wal.sync(); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	if err := g.wbl.sync(); err != nil {
		return fmt.Errorf("sync log of late samples: %w", err)
	}
	return nil
}

// close waits for the queries in progress, which must have been told to end, and
// closes the TSDB.
func (g *generation) close() error {
	g.users.Wait()
	err := g.db.Close()
	g.registrar.unregisterAll()
	for _, s := range []*segmentSyncer{g.wal, g.wbl} {
		if s != nil {
			s.close()
		}
	}
	if err != nil {
		return fmt.Errorf("close data folder: %w", err)
	}
	return nil
}
