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
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

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

	Journal  ingest.Appender
	Sessions *session.Sessions
	Count    *ingest.Count
	// Canaries follow the messages that the city sends itself; nil are none.
	Canaries *ingest.Canaries
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
	Connections     int           // of devices in all, 20,000
	PerAddress      int           // of an address that are not logged in yet; see also PerDevice
	PerDevice       int           // connections of one identity, 4
	Reserved        int           // connections kept for our own parts, 64
	ConnectBytes    int           // before CONNECT is done, 64 KiB
	ConnectTimeout  time.Duration // for TLS, and again for CONNECT, 10 s
	Packet          int           // largest packet after it, 8 MiB
	InFlight        int           // messages of one connection that wait for the journal, 1,024
	InFlightBytes   int64         // of all connections, 64 MiB
	DeviceRate      float64       // messages a second of one device, over a minute
	LocalityRate    float64       // of one locality; 0 is none
	KeepAliveAtMost time.Duration
}

// Door is a running listener.
type Door struct{ o Options }

// Open listens; it serves only in Run.
func Open(ctx context.Context, o Options) (*Door, error) { return nil, errors.New("not built") }

// Run serves until ctx ends: then it takes no more, appends what it has, acknowledges
// it, and ends all connections.
func (d *Door) Run(ctx context.Context) error { return nil }

// WebSocket serves MQTT over WebSocket (subprotocol mqtt) on an HTTP listener.
func (d *Door) WebSocket() http.Handler { return nil }

// Take takes messages that came otherwise than by MQTT and returns when the journal has
// them. The error wraps [ErrNotAllowed], [ErrTooMany] or ingest.ErrJournalFull where the sender
// should know.
func (d *Door) Take(ctx context.Context, from Grant, messages []ingest.Message) error { return nil }

// ErrNotAllowed says that the sender may not publish there, ErrTooMany that a limit of the
// sender's is reached; the text names it.
var (
	ErrNotAllowed = errors.New("not allowed")
	ErrTooMany    = errors.New("too many messages")
)

// Disconnect ends the connections of an identity, and of those that are just being made,
// and reports how many there were. Its clients may come again if the [Authenticator] lets
// them: revoke first.
func (d *Door) Disconnect(identity string) int { return 0 }

// URL is where MQTT clients on this machine connect, as tcp://host:port; TLSURL is
// ssl://host:port, empty without a certificate.
func (d *Door) URL() string    { return "" }
func (d *Door) TLSURL() string { return "" }

// State is the door as health checks report it.
func (d *Door) State() ingest.GatewayState { return ingest.GatewayState{} }

// Passed implements [ingest.Door]: how many PUBACK and PUBREC of telemetry were given since
// this process began, counted where they are written.
func (d *Door) Passed(ctx context.Context, gateway string) (ingest.DoorCount, error) {
	return ingest.DoorCount{}, ingest.ErrNoDoor
}
