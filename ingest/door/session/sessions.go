package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Options say where sessions are kept and how much. Only Dir is required.
type Options struct {
	// Dir is the folder of sessions.db; it is created if missing.
	Dir string
	// Sync makes what is acknowledged safe against the loss of power.
	Sync   bool
	Limits Limits
	// Room says whether something of that many bytes may be written; nil is always.
	Room func() error
	// Damaged hears that the file is damaged.
	Damaged func(error)
	Now     func() time.Time
	Logger  *slog.Logger
}

// Limits bound what clients can have kept. 0 is the default.
type Limits struct {
	PerUser       int           // sessions of one user that outlive their connection, 2
	Subscriptions int           // of a session, 256
	Messages      int           // that wait for a session, 10,000
	Bytes         int64         // that wait for a session, 16 MiB
	TotalBytes    int64         // of all sessions and retained messages, 1 GiB
	Expiry        time.Duration // longest that a session stays without its client, 7 days
}

// Sessions are all sessions of a broker. Methods may be called concurrently.
type Sessions struct{}

// Open reads back what was kept.
func Open(ctx context.Context, o Options) (*Sessions, error) { return nil, errors.New("not built") }

// Run ends what has expired and publishes delayed wills, until ctx ends. publish is how
// a will goes the way of every message (to the journal too).
func (s *Sessions) Run(ctx context.Context, publish func(Publication)) error { return nil }

// Close closes the file, after all links have ended.
func (s *Sessions) Close() error { return nil }

// Attach gives a connection its session, new or present, and ends the link that had it
// before. The error is a [packets.Code] that says why not.
func (s *Sessions) Attach(ctx context.Context, c Connect, l Link) (x *Session, present bool, err error) {
	return nil, false, nil
}

// Wants says, without a lock that hurts, whether Publish has anything to do with a
// message of the topic: somebody has subscribed to it, or it is retained.
func (s *Sessions) Wants(topic string, retain bool) bool { return false }

// Publish gives messages to whoever has subscribed. It returns when what sessions that
// outlive their connections must not lose is durable: all messages of a call in one
// transaction. After an error it may be called again.
func (s *Sessions) Publish(ctx context.Context, all []Publication) error { return nil }

// Session is one client's session while it has a connection.
type Session struct{}

// Start begins to deliver: first what was under way before, then what waits. It is
// called when CONNACK has been sent.
func (x *Session) Start() {}

// Subscribe adds subscriptions, durably, and gives the reason code of each; then sends
// what is retained. allowed says which filters the client may have.
func (x *Session) Subscribe(ctx context.Context, all packets.Subscriptions, identifier int, allowed func(filter string) packets.Code) ([]byte, error) {
	return nil, nil
}

// Unsubscribe takes subscriptions away, durably, and gives the reason code of each.
func (x *Session) Unsubscribe(ctx context.Context, filters []string) ([]byte, error) { return nil, nil }

// Acknowledge takes the subscriber's PUBACK, PUBREC or PUBCOMP.
func (x *Session) Acknowledge(p packets.Packet) {}

// Repeated says whether a PUBLISH of QoS 2 of this identifier has come and not been
// released.
func (x *Session) Repeated(id uint16) bool { return false }

// Release takes the publisher's PUBREL; it reports false if the identifier is not known.
func (x *Session) Release(id uint16) bool { return false }

// Writable says that the link has room again.
func (x *Session) Writable() {}

// Detach takes the connection away. graceful leaves the will unsent; expiry, if not nil,
// is the one that DISCONNECT brings.
func (x *Session) Detach(graceful bool, expiry *time.Duration) {}

// Taken reports whether another connection has taken the session over.
func (x *Session) Taken() bool { return false }
