// Package door is the program's own MQTT listener: it takes a PUBLISH, puts it into the
// journal together with what came meanwhile, and only then acknowledges it.
//
//	device ──MQTT 3.1, 3.1.1, 5 over TCP, TLS, WebSocket──► connection ──┐
//	logger ──HTTP──► Take ───────────────────────────────────────────────┤
//	                                                                     ▼
//	     PUBACK ◄── session.Publish (subscribers, retained) ◄── commit: one record, one append ──► journal
//
// Whatever its topic, what is acknowledged is counted. A message that is no telemetry (a
// command to a device) goes to its subscribers alone.
package door

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// Name is the door's name as a gateway: in records, accounts and alarms.
const Name = "door"

// Options say how the door listens and where what it takes goes.
type Options struct {
	// Addr is host:port; empty listens on no port of its own (WebSocket and Take remain).
	Addr string
	// TLS is what Addr shows; with it plain MQTT is spoken only to this machine, unless
	// PlainBeyond.
	TLS         *tls.Config
	PlainBeyond bool

	Authenticator Authenticator
	// OnRefused hears of every refusal, one after the other, from one goroutine.
	OnRefused func(Refusal)

	Journal ingest.Appender
	// MaxPayload is the longest payload that the journal can hold, 4 MiB if 0; of a longer
	// one it gets the beginning.
	MaxPayload int
	Sessions   *session.Sessions
	Count      *ingest.Count
	// Canaries follow the messages that the city sends itself; nil are none.
	Canaries *ingest.Canaries
	// RefusalDelay is how long the answer to a wrong secret is held back, 500 ms if 0, none
	// if negative.
	RefusalDelay time.Duration
	// NotTelemetry says which topics are not for the journal; nil is none.
	NotTelemetry func(topic string) bool

	Limits  Limits
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *ingest.Metrics
	// Registerer takes the door's own metrics; nil is nowhere.
	Registerer prometheus.Registerer
}

// Limits bound what strangers and each device can take. 0 is the default.
type Limits struct {
	Connections    int           // of devices in all, 20,000; our own parts are not among them
	PerAddress     int           // of one address that have not said yet who they are, 256
	PerDevice      int           // connections of one identity, 4
	ConnectBytes   int           // before CONNECT is done, 64 KiB
	ConnectTimeout time.Duration // for TLS, and again for CONNECT, 10 s
	Packet         int           // largest packet after it, 8 MiB
	InFlight       int           // messages of one connection that wait for the journal, 1,024
	InFlightBytes  int64         // of all connections, 64 MiB
	// DeviceRate is messages a second of one device, over a minute: 50, none if negative.
	// LocalityRate is that of one locality; 0 is none. Who sends more is made to wait.
	DeviceRate, LocalityRate float64
	// KeepAliveAtMost is the longest keep-alive of MQTT 5 clients; 0 is any.
	KeepAliveAtMost time.Duration
}

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	l.Connections = cmp.Or(l.Connections, 20000)
	l.PerAddress = cmp.Or(l.PerAddress, 256)
	l.PerDevice = cmp.Or(l.PerDevice, 4)
	l.ConnectBytes = cmp.Or(l.ConnectBytes, 64<<10)
	l.ConnectTimeout = cmp.Or(l.ConnectTimeout, 10*time.Second)
	l.Packet = cmp.Or(l.Packet, 8<<20)
	l.InFlight = cmp.Or(l.InFlight, 1024)
	l.InFlightBytes = cmp.Or(l.InFlightBytes, 64<<20)
	l.DeviceRate = cmp.Or(l.DeviceRate, 50)
	return l
}

// Door is a running listener. Its methods may be called concurrently.
type Door struct {
	o        Options
	listener net.Listener // nil without an address
	began    time.Time

	appends  ingest.Appends
	journal  *pending
	direct   *pending
	accepted atomic.Uint64
	// held are bytes of messages that wait, of all connections; large those of packets
	// that are not complete.
	held, large atomic.Int64
	waiting     atomic.Int64 // who waits for room
	roomMu      sync.Mutex
	room        sync.Cond

	clients        *clients
	guesses        *failures
	authenticating chan struct{}
	reports        reports
	metrics        *metrics
	scratches      *sync.Pool

	stopping atomic.Bool
	drained  chan struct{} // closed when all that was taken has been acknowledged
	serving  sync.WaitGroup

	mu      sync.Mutex
	running context.Context // of Run; nil before and after
}

// Open listens; it serves only in Run.
func Open(ctx context.Context, o Options) (*Door, error) {
	o.Limits = o.Limits.withDefaults()
	o.MaxPayload = cmp.Or(o.MaxPayload, maxPayload)
	o.RefusalDelay = cmp.Or(o.RefusalDelay, 500*time.Millisecond)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = ingest.NewMetrics(prometheus.NewRegistry())
	}
	d := &Door{
		o: o, began: o.Now(), journal: newPending(true), direct: newPending(false), clients: newClients(o.Limits), guesses: newFailures(),
		authenticating: make(chan struct{}, maxAuthenticating), scratches: newScratches(), drained: make(chan struct{}),
	}
	d.room.L = &d.roomMu
	d.reports.waiting = make(chan Refusal, maxReports)
	d.metrics = newMetrics(o.Registerer, d)
	d.appends = ingest.Appends{
		Gateway: Name, Journal: o.Journal, Count: o.Count, Now: o.Now, Logger: o.Logger, Metrics: o.Metrics,
		Held: "devices are made to wait until it does",
	}
	if o.Addr == "" {
		return d, nil
	}
	var err error
	if d.listener, err = (&net.ListenConfig{KeepAliveConfig: keepAliveOfTCP()}).Listen(ctx, "tcp", o.Addr); err != nil {
		return nil, fmt.Errorf("listen for MQTT on %s: %w; is another program using it? choose another with --mqtt", o.Addr, err)
	}
	return d, nil
}

// Run serves until ctx ends: then it takes no more, appends what it has, acknowledges
// it, and ends all connections.
func (d *Door) Run(ctx context.Context) error {
	defer d.closeListener()
	if err := d.appends.Begin(ctx); err != nil {
		d.journal.close() // ctx has ended before the journal answered
		d.direct.close()
		close(d.drained)
		return nil
	}
	// What has been taken outlives ctx by the time it takes to acknowledge it.
	last, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	serving, end := context.WithCancel(ctx)
	defer end()
	d.begin(serving)
	var pipeline, parts sync.WaitGroup
	d.startPipeline(last, &pipeline)
	parts.Go(func() { d.tell(last) })
	parts.Go(func() { d.sweep(last) })
	if d.o.Sessions != nil {
		parts.Go(func() {
			if err := d.o.Sessions.Run(last, d.will); err != nil {
				d.o.Logger.Error("sessions are not looked after any more", "error", err)
			}
		})
	}
	if d.listener != nil {
		parts.Go(func() { _ = d.accept(serving, d.listener) })
	}
	<-ctx.Done()
	d.stop(&pipeline, abandon)
	abandon()
	parts.Wait()
	d.o.Metrics.Connected(Name, false)
	return nil
}

// begin lets clients in.
func (d *Door) begin(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = ctx
	d.o.Metrics.Connected(Name, true)
}

// join takes part in Run, if that is running: the caller is to call serving.Done.
func (d *Door) join() (context.Context, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil || d.running.Err() != nil || d.stopping.Load() {
		return nil, false
	}
	d.serving.Add(1)
	return d.running, true
}

// startPipeline starts what puts messages into the journal and acknowledges them.
func (d *Door) startPipeline(ctx context.Context, w *sync.WaitGroup) {
	done := make(chan stored, 2)
	var writers sync.WaitGroup
	writers.Go(func() { d.commit(ctx, done) })
	writers.Go(func() { d.pass(ctx, done) })
	w.Go(func() { d.finish(ctx, done) })
	w.Go(func() {
		writers.Wait()
		close(done)
	})
}

// stop ends all in order: no more is taken, what was taken is acknowledged, and then
// connections end.
func (d *Door) stop(pipeline *sync.WaitGroup, abandon func()) {
	d.mu.Lock()
	d.stopping.Store(true)
	d.mu.Unlock()
	d.closeListener()
	d.clients.close()
	d.journal.close()
	d.direct.close()
	d.roomMu.Lock()
	d.room.Broadcast()
	d.roomMu.Unlock()
	late := time.AfterFunc(ingest.StopGrace, abandon)
	pipeline.Wait()
	late.Stop()
	close(d.drained)
	half, live := d.clients.everybody()
	for _, c := range half {
		c.shut()
	}
	for _, c := range live {
		c.leaving.Store(true)
		c.end(packets.ErrServerShuttingDown, "")
	}
	d.serving.Wait()
}

func (d *Door) closeListener() {
	if d.listener != nil {
		_ = d.listener.Close()
	}
}

// sweepEvery is how often keep-alives and deadlines are looked at.
const sweepEvery = 250 * time.Millisecond

// sweep ends who is silent for too long.
func (d *Door) sweep(ctx context.Context) {
	for n := 0; pause(ctx, sweepEvery); n++ {
		now := d.o.Now()
		half, live := d.clients.everybody()
		for _, c := range half {
			if now.UnixNano() > c.deadline.Load() {
				c.shut()
			}
		}
		for _, c := range live {
			c.look(now)
		}
		if n%256 == 0 {
			d.clients.sweep(now)
		}
	}
}

// ErrNotAllowed says that the sender may not publish there, ErrTooMany that a limit of the
// sender's is reached; the text names it.
var (
	ErrNotAllowed = errors.New("not allowed")
	ErrTooMany    = errors.New("too many messages")
)

// Disconnect ends the connections of an identity, and of those that are just being made,
// and reports how many there were. Its clients may come again if the [Authenticator] lets
// them: revoke first.
func (d *Door) Disconnect(identity string) int {
	all := d.clients.revoke(identity)
	for _, c := range all {
		c.end(packets.ErrAdministrativeAction, "")
	}
	return len(all)
}

// URL is where MQTT clients on this machine connect, as tcp://host:port; TLSURL is
// ssl://host:port, empty without a certificate.
func (d *Door) URL() string { return d.url("tcp") }

// TLSURL is described with URL.
func (d *Door) TLSURL() string {
	if d.o.TLS == nil {
		return ""
	}
	return d.url("ssl")
}

func (d *Door) url(scheme string) string {
	if d.listener == nil {
		return ""
	}
	at := addrPort(d.listener.Addr())
	host := at.Addr()
	if host.IsUnspecified() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return scheme + "://" + netip.AddrPortFrom(host, at.Port()).String()
}

// State is the door as health checks report it.
func (d *Door) State() ingest.GatewayState {
	d.mu.Lock()
	s := ingest.GatewayState{Gateway: Name, Connected: d.running != nil && d.running.Err() == nil}
	d.mu.Unlock()
	if err := d.appends.Refusal(); err != nil {
		s.Detail = "the journal does not accept, devices are made to wait: " + err.Error()
	} else if !s.Connected {
		s.Detail = "not serving: the journal has not been reached yet, or the city is stopping"
	}
	return s
}

// Passed implements [ingest.Door]: how many PUBACK and PUBREC of telemetry were given since
// this process began, counted where they are written.
func (d *Door) Passed(_ context.Context, gateway string) (ingest.DoorCount, error) {
	if gateway != Name {
		return ingest.DoorCount{}, ingest.ErrNoDoor
	}
	return ingest.DoorCount{Counters: []ingest.DoorCounter{{Name: Name, Began: d.began, Accepted: d.accepted.Load()}},
		Underway: d.held.Load() > 0}, nil
}
