package session

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

// FileName is the sessions' file in its folder.
const FileName = "sessions.db"

const (
	// behindAtMost is how long what nobody waits for may be unwritten: after a crash,
	// messages that were acknowledged in that time come again.
	behindAtMost = time.Second
	// vacuumEvery and vacuumPages give free pages back to the disk.
	vacuumEvery = time.Hour
	vacuumPages = 4096
)

// file is where sessions are kept. One goroutine writes: what is to be written while a
// transaction is committing is the next one.
type file struct {
	db   *sql.DB
	conn *sql.Conn
	w    *writer
	log  *slog.Logger

	mu      sync.Mutex
	groups  []*group
	urgent  bool
	closing bool
	wake    chan struct{}
	ended   chan struct{}
	failed  bool // said in the log
}

// change is one thing to be written.
type change func(*writer) error

// group is what is written in one transaction, if need be with others.
type group struct {
	list []change
	// then is called by the writer when it is written, or could not be; waited says
	// that a caller is told so. What nobody waits for is tried again.
	then   func(error)
	waited bool
}

// open opens the file and begins to write.
func (s *Sessions) open(ctx context.Context) error {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	path := filepath.Join(s.o.Dir, FileName)
	sync := "NORMAL"
	if s.o.Sync {
		sync = "FULL"
	}
	q := url.Values{"_pragma": {"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "synchronous(" + sync + ")", "busy_timeout(10000)", "journal_size_limit(67108864)", "cache_size(-8192)"}}
	f := &file{db: sqlitefile.Open("file:"+path+"?"+q.Encode(), s.o.Damaged), log: s.log, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	s.file = f
	err := s.load(ctx)
	if err == nil {
		f.conn, err = f.db.Conn(context.WithoutCancel(ctx))
	}
	if err == nil {
		f.w, err = newWriter(f.conn, s.lastMessage)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, errors.Join(err, f.db.Close()))
	}
	go f.run()
	return nil
}

// add puts a group into the order.
func (f *file) add(g *group, urgent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = append(f.groups, g)
	f.rouse(urgent)
}

// rouse wakes the writer; the caller has mu.
func (f *file) rouse(urgent bool) {
	if !urgent || f.urgent {
		return
	}
	f.urgent = true
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// behind puts a change into the order that nobody waits for.
func (f *file) behind(c change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.groups); n > 0 && !f.groups[n-1].waited && f.groups[n-1].then == nil {
		f.groups[n-1].list = append(f.groups[n-1].list, c)
		return
	}
	f.groups = append(f.groups, &group{list: []change{c}})
}

// commit writes changes and returns when they are durable. When ctx ends earlier they
// are written all the same.
func (s *Sessions) commit(ctx context.Context, c *changes) error { return s.order(c)(ctx) }

// order puts changes into the file's order; wait returns when they are durable.
func (s *Sessions) order(c *changes) (wait func(context.Context) error) {
	if len(c.list) == 0 {
		return func(context.Context) error { return nil }
	}
	done := make(chan error, 1)
	s.file.add(&group{list: c.list, waited: true, then: func(err error) {
		c.settle(err)
		done <- err
	}}, true)
	return func(ctx context.Context) error {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("write sessions: %w", err)
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("write sessions: %w", ctx.Err())
		}
	}
}

// later writes changes when others are written, or soon.
func (f *file) later(c *changes) {
	if len(c.list) > 0 {
		f.add(&group{list: c.list}, false)
	}
}

func (f *file) run() {
	defer close(f.ended)
	tick := time.NewTicker(behindAtMost)
	defer tick.Stop()
	vacuumed := time.Now()
	for {
		select {
		case <-f.wake:
		case <-tick.C:
		}
		groups, closing := f.take()
		f.write(groups)
		if closing {
			return
		}
		if now := time.Now(); now.Sub(vacuumed) > vacuumEvery {
			vacuumed = now
			if _, err := f.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)); err != nil {
				f.log.Warn("the sessions' file cannot be made smaller", "error", err)
			}
		}
	}
}

func (f *file) take() (groups []*group, closing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	groups, f.groups, f.urgent = f.groups, nil, false
	return groups, f.closing
}

// write writes all in one transaction. If that fails each has its own: what is wrong with
// one is no failure of the others.
func (f *file) write(groups []*group) {
	err := f.w.write(groups)
	if err == nil {
		f.failed = false
		f.succeed(groups)
		return
	}
	left := groups
	if len(groups) > 1 {
		left = nil
		for _, g := range groups {
			if one := f.w.write([]*group{g}); one != nil {
				left, err = append(left, g), one
			} else {
				f.succeed([]*group{g})
			}
		}
	}
	if len(left) > 0 {
		f.fail(left, err)
	}
}

func (f *file) succeed(groups []*group) {
	for _, g := range groups {
		if g.then != nil {
			g.then(nil)
		}
	}
}

// fail tells who waits, and keeps the rest for another time, before what came meanwhile.
func (f *file) fail(groups []*group, err error) {
	if !f.failed {
		f.failed = true
		f.log.Error("MQTT sessions cannot be written: messages for clients that are away are lost to them, new subscriptions are refused; what the journal has is acknowledged", "error", err)
	}
	var again []*group
	for _, g := range groups {
		if g.waited {
			g.then(err)
		} else {
			again = append(again, g)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = append(again, f.groups...)
}

// close writes what is left and closes the file.
func (f *file) close() error {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return nil
	}
	f.closing, f.urgent = true, false
	f.rouse(true)
	f.mu.Unlock()
	<-f.ended
	f.mu.Lock()
	defer f.mu.Unlock()
	var left error
	if len(f.groups) > 0 {
		left = errors.New("the last changes could not be written")
	}
	return errors.Join(left, f.w.close(), f.conn.Close(), f.db.Close())
}

// completed forgets a delivery, if the file has it.
func (f *file) completed(st *state, d *delivery) {
	if d.unneeded() {
		return
	}
	f.behind(func(w *writer) error { w.forget(st.row, d); return nil })
}

// released says that PUBREC has come for a delivery; then is called when the file has it.
func (f *file) released(st *state, d *delivery, then func()) {
	f.add(&group{list: []change{func(w *writer) error {
		return w.exec(w.release, st.row, d.seq)
	}}, then: func(error) { then() }}, true)
}

// release forgets an identifier of QoS 2, and returns when that is durable.
func (s *Sessions) release(st *state, id uint16) error {
	c := s.file.changes()
	c.add(func(w *writer) error { return w.exec(w.unreceive, st.row, id) })
	return s.commit(context.Background(), c)
}
