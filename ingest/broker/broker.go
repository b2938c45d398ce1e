// Package broker is the MQTT broker and the JetStream server that run inside
// the process: nats-server, embedded. No other package knows nats-server.
//
//	devices, gateways ──MQTT 3.1.1 over TCP──► account MQTT ────► Dir/jetstream/MQTT
//	journal ──────────in-process connection──► account JOURNAL ─► Dir/jetstream/JOURNAL
//
// # Concept
//
// Two accounts share one server and see nothing of each other: whatever an MQTT
// client publishes, to `$JS/API/STREAM/DELETE/…` or to `haidang/journal/x`, it
// cannot reach the journal. The JOURNAL account can only be entered from within
// the process, with a password drawn at every start. Within their own account
// MQTT clients may not publish to the server's internal subjects either, or one
// of them could delete the sessions of all others.
//
// With an [Authenticator] each client may publish and subscribe only where its
// [Grant] allows: a subscription beyond it is answered with the SUBACK code 0x80,
// a message or will beyond it is not stored and its connection is ended. MQTT
// 3.1.1 has no way to refuse a message, so a publisher may see a PUBACK before
// that. With a certificate the one listener speaks TLS and, to clients on this
// machine such as the gateways, plain MQTT too.
//
// # Guarantee
//
// A QoS 1 message whose publisher has its PUBACK, and a journal record whose
// append has returned, survive the death of the process. With SyncAlways they
// survive the loss of power too.
//
// A disk that runs full is not the end: nats-server stops storing for good on the
// first failed write and says nothing to its publishers, so the broker watches
// itself, refuses MQTT publishes while less than the reserve is free, and restarts
// the server inside the process once there is space again. Connections given out
// by [Broker.Connect] reconnect by themselves.
package broker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Options say where the broker keeps its files and how it listens. Only Dir is
// required.
type Options struct {
	// Dir holds the broker's files; it is created if missing. One process at a
	// time may use it.
	Dir string
	// MQTTAddr is the host:port on which MQTT clients are served, port 0 meaning
	// a free one. Empty means that there is no MQTT, only the journal.
	MQTTAddr string
	// MaxStoreBytes is how much disk the MQTT messages that wait for a subscriber
	// may take. Beyond it a QoS 1 publisher gets no PUBACK but is disconnected.
	// 0 means as much as the disk has. The journal has a budget of its own.
	MaxStoreBytes int64
	// SyncAlways syncs every message to disk before it is acknowledged, for
	// MQTT and for the journal: it is then safe against loss of power, not only
	// against the death of the process.
	SyncAlways bool
	// MaxPayload is the largest message in bytes, 8 MiB if 0. An MQTT client
	// that sends a larger one is disconnected.
	MaxPayload int32
	// AckWait is how long an MQTT subscriber may take over its PUBACK before the
	// message is sent to it again, 30 s if 0. After a gateway has been killed,
	// what it had not acknowledged comes again that much later.
	AckWait time.Duration
	// Reserve is the free space in bytes below which MQTT publishes are refused,
	// so that the disk never fills up under the server. 0 means no reserve.
	Reserve uint64
	// FreeSpace reports the bytes free for Dir; nil means to ask the file system.
	FreeSpace func() (uint64, error)
	// CheckEvery is how often health and free space are looked at, 1 s if 0.
	CheckEvery time.Duration
	// Logger receives what the server has to say; nil means silence.
	Logger *slog.Logger

	// Authenticator decides who may connect and what they may do. Nil lets
	// everyone do everything: only for an address of the loopback.
	Authenticator Authenticator
	// OnRefused hears of every refusal, one after the other; it should return
	// soon. A client can cause as many as it likes, so who keeps them must limit
	// them. Under a flood some are only counted in the log.
	OnRefused func(Refusal)
	// TLS is what MQTTAddr shows clients. With it plain MQTT is spoken only to
	// clients on this machine; nil is plain MQTT for all.
	TLS *tls.Config
	// PlainBeyond serves plain MQTT to clients of other machines too, beside TLS.
	PlainBeyond bool
	// ConnectTimeout is how long a client may take for the TLS handshake, and
	// again for its CONNECT, 10 s if 0.
	ConnectTimeout time.Duration
	// MaxConnections is how many MQTT clients may be connected, those that are
	// Internal not counted; 0 means nats-server's limit of 65,536.
	MaxConnections int
	// RefusalDelay is how long the answer to a refused connection is held back,
	// 500 ms if 0, none if negative.
	RefusalDelay time.Duration
}

const (
	defaultMaxPayload = 8 << 20
	defaultAckWait    = 30 * time.Second

	defaultConnectTimeout = 10 * time.Second
	defaultRefusalDelay   = 500 * time.Millisecond

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

	sessions *sessions
	failures *failures
	reports  *reports

	names names

	mu     sync.Mutex
	srv    *server.Server // nil while restarting and once closed
	closed bool
	fault  error // why the broker is not storing, nil if it is

	running context.Context    // ends with the broker; not stored for a caller
	cancel  context.CancelFunc // ends running
	done    chan struct{}      // closed when the broker's goroutines have ended
}

// Start starts the server and returns once it has read back what it had stored
// and serves MQTT. ctx bounds the start only. An address that is taken is an
// error that names the flag.
func Start(ctx context.Context, opts Options) (_ *Broker, err error) {
	b := &Broker{
		opts:     withDefaults(opts),
		password: rand.Text(),
		sessions: newSessions(opts.MaxConnections),
		failures: newFailures(),
		reports:  newReports(),
		done:     make(chan struct{}),
	}
	b.log = b.opts.Logger
	b.running, b.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			b.cancel()
		}
	}()
	if err := b.prepare(); err != nil {
		return nil, err
	}
	srv, err := b.startServer(ctx)
	if err != nil {
		return nil, err
	}
	b.srv = srv
	var parts sync.WaitGroup
	parts.Go(func() { b.watch(b.running) })
	parts.Go(func() { b.tell(b.running) })
	go func() {
		parts.Wait()
		close(b.done)
	}()
	return b, nil
}

// prepare makes sure of what the server would only complain about in its log.
func (b *Broker) prepare() error {
	if err := os.MkdirAll(b.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("create broker folder: %w", err)
	}
	if b.opts.MQTTAddr == "" {
		return nil
	}
	if b.opts.TLS != nil && b.opts.Authenticator == nil {
		b.opts.Authenticator = anyone{}
	}
	addr, err := probeAddr(b.opts.MQTTAddr)
	if err != nil {
		return err
	}
	b.opts.MQTTAddr = addr
	return nil
}

func withDefaults(o Options) Options {
	if o.MaxPayload == 0 {
		o.MaxPayload = defaultMaxPayload
	}
	if o.AckWait == 0 {
		o.AckWait = defaultAckWait
	}
	if o.CheckEvery == 0 {
		o.CheckEvery = time.Second
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if o.RefusalDelay == 0 {
		o.RefusalDelay = defaultRefusalDelay
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FreeSpace == nil {
		dir := o.Dir
		o.FreeSpace = func() (uint64, error) { return FreeSpace(dir) }
	}
	if o.MaxStoreBytes <= 0 {
		o.MaxStoreBytes = unlimited
	}
	return o
}

// probeAddr checks that the address can be listened on, because nats-server
// only logs it and goes on without MQTT, and settles a port 0, because the
// address must be the same after a restart of the server inside.
func probeAddr(addr string) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return "", fmt.Errorf("listen for MQTT on %s: the address is in use by another program;"+
				" stop that program or give another address with --mqtt: %w", addr, err)
		}
		return "", fmt.Errorf("listen for MQTT on %s: give an address of this machine with --mqtt: %w", addr, err)
	}
	actual := ln.Addr().String()
	if err := ln.Close(); err != nil {
		return "", fmt.Errorf("close probe of MQTT address %s: %w", addr, err)
	}
	return actual, nil
}

// MQTTURL is where MQTT clients on this machine connect, as tcp://host:port,
// whether or not there is TLS; empty if there is no MQTT. The gateways of this
// process take it: nothing leaves the machine, and no certificate has to be valid
// for it.
func (b *Broker) MQTTURL() string {
	if b.opts.MQTTAddr == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(b.opts.MQTTAddr)
	if err != nil { // not possible: it was listened on
		return "tcp://" + b.opts.MQTTAddr
	}
	// Go listens on all addresses of both families, whichever was named.
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "tcp://" + net.JoinHostPort(host, port)
}

// TLSURL is where MQTT clients connect by TLS, as ssl://host:port with the host
// that is listened on; empty without a certificate.
func (b *Broker) TLSURL() string {
	if b.opts.TLS == nil {
		return ""
	}
	return "ssl://" + b.opts.MQTTAddr
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
