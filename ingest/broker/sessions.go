package broker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// sessions are the connections that were let in. nats-server does not say when
// one ends, so those that have ended are found by looking.
type sessions struct {
	limit int // of live connections that are not internal, 0 if there is none

	mu       sync.Mutex
	live     map[sessionKey]*session
	byClient map[string]sessionKey
	trying   map[*attempt]struct{}
	swept    time.Time
}

// sessionKey is unique also when the server inside has been restarted and counts
// its connections from 1 again.
type sessionKey struct {
	srv *server.Server
	id  uint64
}

type session struct {
	identity, clientID, username string

	remote   netip.AddrPort
	internal bool
	// gone since the last sweep. It is remembered until the next, because its will
	// may be refused after its end.
	gone bool
}

// attempt is a connection that the authenticator is being asked about.
type attempt struct {
	revoked []string // identities that were disconnected meanwhile
}

// sweepAtMostEvery bounds what a crowd at the limit costs.
const sweepAtMostEvery = 100 * time.Millisecond

var (
	errRevoked    = errors.New("disconnected while it was connecting")
	errClientID   = errors.New("another user is connected with this client id")
	errBrokerFull = errors.New("too many connections")
)

func newSessions(limit int) *sessions {
	return &sessions{
		limit:    limit,
		live:     make(map[sessionKey]*session),
		byClient: make(map[string]sessionKey),
		trying:   make(map[*attempt]struct{}),
	}
}

// begin and end enclose an attempt, so that a disconnect between the question to
// the authenticator and the entry into the list is not missed.
func (s *sessions) begin() *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &attempt{}
	s.trying[a] = struct{}{}
	return a
}

func (s *sessions) end(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.trying, a)
}

// add enters a connection, unless its identity has been disconnected since the
// attempt began, there are too many, or another identity holds the client id.
func (s *sessions) add(a *attempt, key sessionKey, c session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(a.revoked, c.identity) {
		return errRevoked
	}
	if k, ok := s.byClient[c.clientID]; ok && k.connected() && s.live[k].identity != c.identity {
		return errClientID
	}
	if s.limit > 0 && !c.internal && s.full() {
		return fmt.Errorf("%w: the limit is %d", errBrokerFull, s.limit)
	}
	s.live[key] = &c
	s.byClient[c.clientID] = key
	return nil
}

// full needs mu.
func (s *sessions) full() bool {
	if len(s.live) < s.limit || s.count() < s.limit {
		return false
	}
	if time.Since(s.swept) < sweepAtMostEvery {
		return true
	}
	s.sweepLocked()
	return s.count() >= s.limit
}

// count needs mu.
func (s *sessions) count() int {
	n := 0
	for _, c := range s.live {
		if !c.gone && !c.internal {
			n++
		}
	}
	return n
}

// sweep forgets connections that have ended.
func (s *sessions) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked()
}

func (s *sessions) sweepLocked() {
	s.swept = time.Now()
	for key, c := range s.live {
		switch {
		case key.connected():
		case !c.gone:
			c.gone = true
		default:
			delete(s.live, key)
			if s.byClient[c.clientID] == key {
				delete(s.byClient, c.clientID)
			}
		}
	}
}

// of tells whose connection it is or was a moment ago.
func (s *sessions) of(key sessionKey) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.live[key]
	if !ok {
		return session{}, false
	}
	return *c, true
}

// revoke finds the connections of an identity and turns away those of it that
// are just connecting.
func (s *sessions) revoke(identity string) []sessionKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.trying {
		a.revoked = append(a.revoked, identity)
	}
	var keys []sessionKey
	for key, c := range s.live {
		if c.identity == identity && key.connected() {
			keys = append(keys, key)
		}
	}
	return keys
}

func (k sessionKey) connected() bool { return k.srv.GetClient(k.id) != nil }

// disconnect ends the connection; it reports false if it had ended before.
func (k sessionKey) disconnect() bool { return k.srv.DisconnectClientByID(k.id) == nil }

// Disconnect ends the connections of an identity and reports how many there
// were. Its clients may connect again if the [Authenticator] lets them: revoke
// first, then disconnect. One that was let in at that very moment is ended too.
func (b *Broker) Disconnect(identity string) (n int) {
	for _, key := range b.sessions.revoke(identity) {
		if key.disconnect() {
			n++
		}
	}
	return n
}
