package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/codec"
)

// Authenticator decides who may connect. It is asked for every MQTT CONNECT,
// from many goroutines at once, and again when a connection comes back: an
// implementation whose check is expensive by design should remember what it has
// found. ctx ends when the broker stops.
//
// An error refuses the connection; its text is the reason that [Refusal] and the
// log carry, so it must not contain the secret. The client learns the packets.Code
// that the error wraps, or else that user name or password are bad. One that wraps
// [ErrUnavailable] says nothing against the client.
type Authenticator interface {
	Authenticate(ctx context.Context, login Login) (Grant, error)
}

// ErrUnavailable says that it cannot be found out at the moment who a client is: it is to
// come again, and is not held for somebody who guesses.
var ErrUnavailable = errors.New("who this is cannot be found out at the moment")

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
	// Internal marks a part of this system: no limit applies to it.
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

// clip makes text from outside fit for a log or an audit journal.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// anyone is the authenticator of a door that has no other: everybody may do everything.
type anyone struct{}

// Authenticate implements [Authenticator].
func (anyone) Authenticate(context.Context, Login) (Grant, error) {
	all := []string{"#"}
	return Grant{Identity: "anyone", Publish: all, Subscribe: all}, nil
}

// mayPublish says whether a topic is granted. Unlike a subscription to it, a grant of #
// covers topics that begin with $; those below $SYS and $share are nobody's.
func (g *Grant) mayPublish(topic string) bool {
	if strings.HasPrefix(topic, "$SYS/") || strings.HasPrefix(topic, "$share/") {
		return false
	}
	return slices.ContainsFunc(g.Publish, func(f string) bool { return codec.Matches(f, topic) })
}

// maySubscribe says whether all that a filter selects is granted. A shared
// subscription's filter is what follows its group.
func (g *Grant) maySubscribe(filter string) bool {
	if rest, ok := strings.CutPrefix(filter, "$share/"); ok {
		_, filter, _ = strings.Cut(rest, "/")
	}
	return slices.ContainsFunc(g.Subscribe, func(widest string) bool { return covers(widest, filter) })
}

// covers says whether a filter selects nothing that a wider one does not select. A first
// level that begins with $ must be named.
func covers(wide, narrow string) bool {
	if strings.HasPrefix(narrow, "$") && (strings.HasPrefix(wide, "#") || strings.HasPrefix(wide, "+")) {
		return false
	}
	for {
		w, wrest, wmore := strings.Cut(wide, "/")
		if w == "#" {
			return true
		}
		n, nrest, nmore := strings.Cut(narrow, "/")
		if n == "#" || w != "+" && w != n {
			return false
		}
		if !wmore || !nmore {
			// a/# selects a, too.
			return wmore == nmore || wmore && wrest == "#"
		}
		wide, narrow = wrest, nrest
	}
}
