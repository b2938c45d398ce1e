// Package broker is the JetStream server that runs inside the process: nats-server,
// embedded, for the journal. No other package knows nats-server. It listens nowhere.
//
//	journal ──in-process connection──► account JOURNAL ─► Dir/jetstream/JOURNAL
//
// The account can only be entered from within the process, with a password drawn at
// every start. Older versions had nats-server speak MQTT too; what their devices left in
// Dir/jetstream/MQTT is taken over once ([Broker.Old]).
//
// # Guarantee
//
// A record whose append has returned survives the death of the process. With SyncAlways
// it survives the loss of power too.
//
// A disk that runs full is not the end: nats-server stops storing for good on the
// first failed write and says nothing to its publishers, so the broker watches
// itself, says so while less than the reserve is free, and restarts
// the server inside the process once there is space again. Connections given out
// by [Broker.Connect] reconnect by themselves.
package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Options say where the broker keeps its files. Only Dir is required.
type Options struct {
	// Dir holds the broker's files; it is created if missing. One process at a
	// time may use it.
	Dir string
	// SyncAlways syncs every record to disk before it is acknowledged: it is then
	// safe against loss of power, not only against the death of the process.
	SyncAlways bool
	// MaxPayload is the largest record in bytes, 8 MiB if 0.
	MaxPayload int32
	// Reserve is the free space in bytes below which [Broker.Err] tells of it. Who
	// appends refuses by itself. 0 means no reserve.
	Reserve uint64
	// FreeSpace reports the bytes free for Dir; nil means to ask the file system.
	FreeSpace func() (uint64, error)
	// CheckEvery is how often health and free space are looked at, 1 s if 0.
	CheckEvery time.Duration
	// Logger receives what the server has to say; nil means silence.
	Logger *slog.Logger
}

const (
	defaultMaxPayload = 8 << 20

	// startTimeout bounds how long reading back the stored messages may take.
	startTimeout = 5 * time.Minute
	// reconnectWait is short because the server is in the same process: it is
	// either there or being restarted.
	reconnectWait = 100 * time.Millisecond
)

// ErrRestarting is returned for a connection asked for while the server inside
// is being restarted.
var ErrRestarting = errors.New("broker is restarting")

// Broker is a running nats-server. Its methods may be called concurrently.
type Broker struct {
	opts     Options
	log      *slog.Logger
	password string // of the journal's user, for this process only

	names names

	mu     sync.Mutex
	srv    *server.Server // nil while restarting and once closed
	closed bool
	fault  error // why the broker is not storing, nil if it is

	running context.Context    // ends with the broker; not stored for a caller
	cancel  context.CancelFunc // ends running
	done    chan struct{}      // closed when the broker's goroutines have ended
}

// Start starts the server and returns once it has read back what it had stored.
// ctx bounds the start only.
func Start(ctx context.Context, opts Options) (_ *Broker, err error) {
	b := &Broker{
		opts:     withDefaults(opts),
		password: rand.Text(),
		done:     make(chan struct{}),
	}
	b.log = b.opts.Logger
	b.running, b.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			b.cancel()
		}
	}()
	if err := os.MkdirAll(b.opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create broker folder: %w", err)
	}
	srv, err := b.startServer(ctx)
	if err != nil {
		return nil, err
	}
	b.srv = srv
	go func() {
		defer close(b.done)
		b.watch(b.running)
	}()
	return b, nil
}

func withDefaults(o Options) Options {
	if o.MaxPayload == 0 {
		o.MaxPayload = defaultMaxPayload
	}
	if o.CheckEvery == 0 {
		o.CheckEvery = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FreeSpace == nil {
		dir := o.Dir
		o.FreeSpace = func() (uint64, error) { return FreeSpace(dir) }
	}
	return o
}

// Connect returns a connection to the journal's account within the process; name
// identifies it in the server's log. It reconnects for ever, also when the server
// inside is restarted, and buffers nothing meanwhile: a publish fails at once, so
// that nothing is stored after its publisher has given up on it. The caller closes
// it before the Broker.
func (b *Broker) Connect(name string, more ...nats.Option) (*nats.Conn, error) {
	return b.connect(name, journalUser, more...)
}

func (b *Broker) connect(name, user string, more ...nats.Option) (*nats.Conn, error) {
	options := append([]nats.Option{
		nats.InProcessServer(b),
		nats.Name(name),
		nats.UserInfo(user, b.password),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait/2, reconnectWait/2),
		nats.ReconnectBufSize(-1),
		// A server that is stopping may refuse a user it knows: try on.
		nats.IgnoreAuthErrorAbort(),
	}, more...)
	nc, err := nats.Connect("", options...)
	if err != nil {
		return nil, fmt.Errorf("connect to broker in process: %w", err)
	}
	return nc, nil
}

// InProcessConn implements nats.InProcessConnProvider on whichever server is
// running now.
func (b *Broker) InProcessConn() (net.Conn, error) {
	b.mu.Lock()
	srv := b.srv
	b.mu.Unlock()
	if srv == nil {
		return nil, ErrRestarting
	}
	return srv.InProcessConn()
}

// Err is nil while the broker stores what it is given. Otherwise it says why it
// does not and what to do about it.
func (b *Broker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fault
}

// FreeSpace is how many bytes are free for the broker's folder.
func (b *Broker) FreeSpace() (uint64, error) { return b.opts.FreeSpace() }

// Dir is the folder that holds the broker's files.
func (b *Broker) Dir() string { return filepath.Clean(b.opts.Dir) }

// Close disconnects everyone and stops the server. It returns ctx's error if
// that takes longer than ctx allows; what was acknowledged is safe even then.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	select {
	case <-b.done:
	case <-ctx.Done():
		return fmt.Errorf("close broker: %w", ctx.Err())
	}
	// The broker's goroutines have ended: nobody else changes srv any more.
	b.mu.Lock()
	srv := b.srv
	b.srv = nil
	b.mu.Unlock()
	if err := shutdown(ctx, srv); err != nil {
		return fmt.Errorf("close broker: %w", err)
	}
	return nil
}
