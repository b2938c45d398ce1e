package door

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Authenticator decides who may connect. It is asked for every MQTT CONNECT,
// from many goroutines at once, and again when a connection comes back: an
// implementation whose check is expensive by design should remember what it has
// found. ctx ends when the broker stops.
//
// An error refuses the connection; its text is the reason that [Refusal] and the
// log carry, so it must not contain the secret. The client learns only that it
// is not authorized.
type Authenticator interface {
	Authenticate(ctx context.Context, login Login) (Grant, error)
}

// Login is what a client says of itself when it connects, and how it came. The
// user name is valid UTF-8; the password is whatever bytes were sent.
type Login struct {
	ClientID string
	Username string
	Password Secret
	Remote   netip.AddrPort
	TLS      bool
}

// Secret is text that no formatting verb, log or encoder shows. Convert it to a
// string to use it.
type Secret string

const hidden = "[hidden]"

// Format implements fmt.Formatter for every verb, because a Stringer is passed
// over by some.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText implements encoding.TextMarshaler, which JSON and slog use.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Grant is what a client may do once it has been let in. Filters are MQTT topic
// filters; what none of them covers is refused. The levels of a filter must come
// from checked ids: an id that were "+" or "#" would be a wildcard here.
type Grant struct {
	// Identity names who it is, in refusals and for [Door.Disconnect]. Several
	// connections may share one.
	Identity string
	// Publish are the topics to which messages, retained ones and the will may go.
	Publish []string
	// Subscribe are the widest filters that may be subscribed to. A narrower one
	// is granted too, a wider one is refused.
	Subscribe []string
	// Internal marks a part of this system, a gateway: no limit applies to it.
	Internal bool
}

// RefusalKind is what was refused.
type RefusalKind string

// The kinds of refusals.
const (
	RefusedConnect   RefusalKind = "connect"
	RefusedPublish   RefusalKind = "publish" // the will of a client included
	RefusedSubscribe RefusalKind = "subscribe"
)

// Refusal is one attempt that was not allowed. Its texts come from outside, are
// cut to a few hundred bytes and may contain anything that is valid UTF-8.
type Refusal struct {
	Kind RefusalKind
	// Identity is empty where nobody has been let in.
	Identity string
	// Username is what the client called itself, whether or not that is true.
	Username string
	ClientID string
	// Topic is the topic or filter; empty for a connection.
	Topic  string
	Reason string
	// Code is the reason code that MQTT 5 has for it.
	Code   byte
	Remote netip.AddrPort
	Time   time.Time
}

const (
	// maxName and maxSecret bound what an Authenticator is asked about. MQTT
	// allows 65,535 bytes each.
	maxName   = 256
	maxSecret = 1024
	// maxText bounds the texts of a refusal.
	maxText = 256
)
