package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/haidang-iot/haidang/ingest/store"
)

// ErrClosed says that the store has been closed.
var ErrClosed = errors.New("store is closed")

// errNotOpen says that the TSDB is not open at the moment.
var errNotOpen = errors.New("store is not open: it is closing, or waits to be opened anew after a failed write")

// Store is the Prometheus TSDB as a [store.Store] and as a Prometheus storage.
// It is safe for concurrent use.
type Store struct {
	options    Options
	api        http.Handler
	console    http.Handler
	apiMetrics *registrar

	// turn is taken by the one write that is in progress, and by whoever changes
	// the generation. What follows belongs to it.
	turn    chan struct{}
	closed  bool
	retryAt time.Time // a broken store is not opened anew before

	// broken is set once a log may have been torn, or not be on disk: nothing
	// may be written after that. committed counts the writes handed to the TSDB.
	broken    atomic.Pointer[error]
	committed atomic.Uint64

	syncing sync.Mutex
	synced  uint64 // the writes that are on disk

	mu          sync.Mutex
	current     *generation // nil while there is none
	queries     context.Context
	stopQueries context.CancelFunc
}

var (
	_ store.Store                     = (*Store)(nil)
	_ storage.SampleAndChunkQueryable = (*Store)(nil)
)

// Open opens the folder, making it if need be, and reads back what a crash had
// left in its logs. The error names the folder and what to do. Close must be
// called in the end.
func Open(ctx context.Context, options Options) (*Store, error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{options: o, turn: make(chan struct{}, 1), apiMetrics: newRegistrar(o.Registerer)}
	g, err := openGeneration(o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.use(g)
	s.api, s.console = s.newAPI()
	return s, nil
}

// Close ends the queries in progress, waits for writes in progress and closes
// the TSDB in order. It may be called again, which does nothing.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.apiMetrics.unregisterAll()
	if err := s.retire(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// use makes the generation the current one.
func (s *Store) use(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = g
	s.queries, s.stopQueries = context.WithCancel(context.Background())
}

// retire ends the current generation, if there is one. The caller has the turn.
func (s *Store) retire() error {
	// A sync in progress reads the generation's files.
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	g := s.current
	s.current = nil
	s.stopQueries()
	s.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.close()
}

// acquire returns the current generation, which stays open until release.
func (s *Store) acquire() (g *generation, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil, nil, errNotOpen
	}
	g = s.current
	g.users.Add(1)
	return g, sync.OnceFunc(g.users.Done), nil
}

// untilRetired returns a context that also ends when the store needs its queries
// to end.
func (s *Store) untilRetired(ctx context.Context) (context.Context, context.CancelFunc) {
	s.mu.Lock()
	queries := s.queries
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(queries, cancel)
	return ctx, func() { stop(); cancel() }
}

const (
	// reopenEvery bounds how often a broken store is opened anew.
	reopenEvery = time.Second
	// reopenRoom is how much room the disk must have for it, in bytes: opening
	// begins new segments, and a disk that is still full would tear them too.
	reopenRoom = 4 << 20
)

// mend opens the folder anew after a failed write. The caller has the turn.
func (s *Store) mend() error {
	cause := *s.broken.Load()
	if now := s.options.Now(); now.Before(s.retryAt) {
		return cause
	}
	s.retryAt = s.options.Now().Add(reopenEvery)
	if err := s.probe(); err != nil {
		return fmt.Errorf("write is not possible yet in %s, make room on its disk: %w (first: %w)", s.options.Dir, err, cause)
	}
	if err := s.retire(); err != nil {
		// Its logs are torn; what they still hold is read when they are opened.
		s.options.Logger.Warn("closing the store for mending", "err", err)
	}
	g, err := openGeneration(s.options)
	if err != nil {
		return err
	}
	s.use(g)
	s.broken.Store(nil)
	s.options.Logger.Info("store is mended", "after", cause.Error())
	return nil
}

// probe tries whether the disk takes data.
func (s *Store) probe() error {
	f, err := os.Create(filepath.Join(s.options.Dir, "probe.tmp"))
	if err != nil {
		return fmt.Errorf("create probe: %w", err)
	}
	_, err = f.Write(make([]byte, reopenRoom))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("write probe: %w", err)
	}
	return nil
}

// Querier implements [storage.Queryable]: raw samples from mint to maxt, Unix
// milliseconds. The store stays open until the querier is closed.
func (s *Store) Querier(mint, maxt int64) (storage.Querier, error) {
	g, release, err := s.acquire()
	if err != nil {
		return nil, err
	}
	q, err := g.db.Querier(mint, maxt)
	if err != nil {
		release()
		return nil, err
	}
	return &heldQuerier{Querier: q, late: lateLabels{g.db, mint, maxt}, release: release}, nil
}

// ChunkQuerier implements [storage.ChunkQueryable].
func (s *Store) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	g, release, err := s.acquire()
	if err != nil {
		return nil, err
	}
	q, err := g.db.ChunkQuerier(mint, maxt)
	if err != nil {
		release()
		return nil, err
	}
	return &heldChunkQuerier{ChunkQuerier: q, release: release}, nil
}

// ExemplarQuerier implements [storage.ExemplarQueryable]. There are no exemplars.
func (s *Store) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) {
	return noExemplars{}, nil
}

type heldQuerier struct {
	storage.Querier
	late    lateLabels
	release func()
}

// LabelValues implements [storage.LabelQuerier].
func (q *heldQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.late.with(q.Querier, func(q storage.LabelQuerier) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, hints, matchers...)
	})
}

// LabelNames implements [storage.LabelQuerier].
func (q *heldQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.late.with(q.Querier, func(q storage.LabelQuerier) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, hints, matchers...)
	})
}

func (q *heldQuerier) Close() error {
	defer q.release()
	return q.Querier.Close()
}

type heldChunkQuerier struct {
	storage.ChunkQuerier
	release func()
}

func (q *heldChunkQuerier) Close() error {
	defer q.release()
	return q.ChunkQuerier.Close()
}

type noExemplars struct{}

func (noExemplars) Select(int64, int64, ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	return nil, nil
}
