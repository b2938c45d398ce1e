package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"
)

const (
	// restartFloor is the least space for which a restart is worth it when no
	// reserve is set: the server writes its index files first.
	restartFloor = 16 << 20
	// maxRestartWait caps the back-off between restarts that do not help.
	maxRestartWait = 30 * time.Second
	// stopTimeout is how long a faulty server may take to stop.
	stopTimeout = 30 * time.Second
)

// watch looks after the server until Close: it tells while space is short, and
// restarts a server that has stopped storing.
func (b *Broker) watch(ctx context.Context) {
	tick := time.NewTicker(b.opts.CheckEvery)
	defer tick.Stop()
	w := watcher{b: b}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			w.check(ctx, now)
		}
	}
}

// watcher is what watch remembers between two looks.
type watcher struct {
	b         *Broker
	refusing  bool // space is short
	retryAt   time.Time
	retryWait time.Duration
}

func (w *watcher) check(ctx context.Context, now time.Time) {
	free, err := w.b.opts.FreeSpace()
	if err != nil {
		w.b.setFault(fmt.Errorf("measure free space of %s: %w", w.b.opts.Dir, err))
		return
	}
	w.guardReserve(free)
	reason := ""
	if srv := w.b.server(); srv == nil {
		reason = "server did not start"
	} else {
		reason = unhealthy(srv)
	}
	if reason == "" {
		w.retryWait = 0
		if !w.refusing {
			w.b.setFault(nil)
		}
		return
	}
	w.b.setFault(fmt.Errorf("broker has stopped storing in %s (%d MiB free): %s;"+
		" it resumes by itself once there is space", w.b.opts.Dir, free>>20, reason))
	if free < max(w.b.opts.Reserve, restartFloor) || now.Before(w.retryAt) {
		return
	}
	w.restart(ctx, now, free)
}

// guardReserve tells while less than the reserve is free: who appends stops by itself.
func (w *watcher) guardReserve(free uint64) {
	reserve := w.b.opts.Reserve
	if reserve == 0 {
		return
	}
	// Once refusing, a little more must be free, or it would go on and off.
	refuse := free < reserve || w.refusing && free < reserve+reserve/16
	if refuse {
		w.b.setFault(fmt.Errorf("disk of %s is nearly full: %d MiB free, less than the reserve of %d MiB of --disk-reserve;"+
			" nothing more is accepted until there is space: free some or lower the reserve",
			w.b.opts.Dir, free>>20, reserve>>20))
	}
	w.refusing = refuse
}

func (w *watcher) restart(ctx context.Context, now time.Time, free uint64) {
	w.retryWait = min(max(2*w.retryWait, w.b.opts.CheckEvery), maxRestartWait)
	w.retryAt = now.Add(w.retryWait)
	w.b.log.Warn("restarting the broker inside the process", "dir", w.b.opts.Dir, "free_bytes", free)
	stopping, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	w.b.mu.Lock()
	old := w.b.srv
	w.b.srv = nil
	w.b.mu.Unlock()
	if err := shutdown(stopping, old); err != nil {
		// Two servers on one folder would destroy it: keep the old one and
		// come back to it.
		w.b.log.Error("broker does not stop", "err", err)
		w.b.mu.Lock()
		w.b.srv = old
		w.b.mu.Unlock()
		return
	}
	srv, err := w.b.startServer(ctx)
	if err != nil {
		w.b.setFault(fmt.Errorf("restart broker: %w", err))
		return
	}
	w.b.mu.Lock()
	w.b.srv = srv
	w.b.mu.Unlock()
}

func (b *Broker) server() *server.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.srv
}

// setFault remembers why the broker does not store, and logs when that begins
// and ends.
func (b *Broker) setFault(fault error) {
	b.mu.Lock()
	before := b.fault
	b.fault = fault
	b.mu.Unlock()
	switch {
	case before == nil && fault != nil:
		b.log.Error(fault.Error())
	case before != nil && fault == nil:
		b.log.Info("broker stores again", "dir", b.opts.Dir)
	}
}

// unhealthy says why a server stores no more; empty means that it does. A full
// disk shows as a write error of each stream it hit, or turns off JetStream
// altogether.
func unhealthy(srv *server.Server) string {
	if !srv.JetStreamEnabled() {
		return "JetStream has been disabled"
	}
	status := srv.Healthz(&server.HealthzOptions{Details: true})
	var reasons []string
	for _, e := range status.Errors {
		// Other complaints pass by themselves, such as a stream being created.
		if strings.Contains(e.Error, "write error") {
			reasons = append(reasons, e.Error)
		}
	}
	return strings.Join(reasons, "; ")
}

// FreeSpace is how many bytes are free in the file system of a folder, for who is not
// its administrator.
func FreeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
