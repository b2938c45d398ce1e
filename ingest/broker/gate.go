package broker

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// gate lets clients into one server, as its CustomClientAuthentication. The guard
// outlives it when the server is restarted.
type gate struct {
	b *Broker
	// srv is set before the server starts.
	srv *server.Server
}

var _ server.Authentication = (*gate)(nil)

// Check is called by nats-server for every CONNECT, in the goroutine that reads
// the connection, with no lock held. It may take its time.
func (g *gate) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	password := opts.Password
	// The server keeps these as long as the connection lasts and has no more use
	// for them.
	opts.Password, opts.Token = "", ""
	who, ok := identify(fmt.Sprint(c))
	if !ok {
		return g.inside(c, opts.Username, password)
	}
	login := Login{
		ClientID: who.clientID, Username: opts.Username, Password: Secret(password),
		Remote: addrPort(c.RemoteAddress()), TLS: c.GetTLSConnectionState() != nil,
	}
	user, refusal := g.admit(c.GetID(), login)
	if user == nil {
		g.refuse(login, refusal)
		return false
	}
	c.RegisterUser(user)
	return true
}

// inside lets in who comes from within the process and knows the password: the
// journal, and who counts at the door.
func (g *gate) inside(c server.ClientAuthentication, username, password string) bool {
	if c.Kind() != server.CLIENT || c.RemoteAddress() == nil || c.RemoteAddress().Network() != "pipe" {
		return false
	}
	account, known := map[string]string{journalUser: journalAccount, doorUser: mqttAccount}[username]
	if !known || subtle.ConstantTimeCompare([]byte(password), []byte(g.b.password)) != 1 {
		return false
	}
	acc, err := g.srv.LookupAccount(account)
	if err != nil {
		return false
	}
	c.RegisterUser(&server.User{Username: username, Account: acc})
	return true
}

// refused is why a client is not let in, and whether it counts as an attempt to
// guess.
type refused struct {
	identity string
	reason   string
	guess    bool
}

// admit asks the authenticator and enters the connection into the list of those
// that are live.
func (g *gate) admit(id uint64, login Login) (*server.User, refused) {
	if r, ok := g.precheck(login); !ok {
		return nil, r
	}
	if !g.b.failures.allowed(login.Remote.Addr(), login.Username, time.Now()) {
		return nil, refused{reason: "too many refused connections from this address: not looked at"}
	}
	try := g.b.sessions.begin()
	defer g.b.sessions.end(try)
	grant, err := g.b.opts.Authenticator.Authenticate(g.b.running, login)
	if err != nil {
		if g.b.running.Err() != nil {
			return nil, refused{reason: "the broker is stopping"}
		}
		g.b.failures.failed(login.Remote.Addr(), login.Username, time.Now())
		return nil, refused{reason: err.Error(), guess: true}
	}
	g.b.failures.succeeded(login.Remote.Addr(), login.Username)
	user, err := g.user(grant, login)
	if err == nil {
		err = g.b.sessions.add(try, sessionKey{g.srv, id}, session{
			identity: grant.Identity, clientID: login.ClientID, username: login.Username,
			remote: login.Remote, internal: grant.Internal,
		})
	}
	if err != nil {
		return nil, refused{identity: grant.Identity, reason: err.Error()}
	}
	return user, refused{}
}

// precheck refuses what the authenticator need not be asked.
func (g *gate) precheck(login Login) (refused, bool) {
	switch {
	case len(login.Username) > maxName || len(login.ClientID) > maxName:
		return refused{reason: fmt.Sprintf("user name or client id longer than %d bytes", maxName), guess: true}, false
	case len(login.Password) > maxSecret:
		return refused{reason: fmt.Sprintf("password longer than %d bytes", maxSecret), guess: true}, false
	case g.b.opts.TLS != nil && !g.b.opts.PlainBeyond && !login.TLS && !g.b.here(login.Remote.Addr()):
		return refused{reason: "not encrypted: from another machine only TLS is accepted"}, false
	}
	return refused{}, true
}

// user is what nats-server has to know of who was let in.
func (g *gate) user(grant Grant, login Login) (*server.User, error) {
	if grant.Identity == "" {
		return nil, errors.New("the grant has no identity")
	}
	if !clientIDAllowed(grant.ClientIDs, login) {
		return nil, errors.New("this client id is not the user's: its own user name is, if nothing else is agreed")
	}
	perms, err := permissions(grant)
	if err != nil {
		return nil, err
	}
	acc, err := g.srv.LookupAccount(mqttAccount)
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	return &server.User{Username: grant.Identity, Account: acc, Permissions: perms}, nil
}

func clientIDAllowed(allowed []string, login Login) bool {
	if len(allowed) == 0 {
		return login.Username != "" && login.ClientID == login.Username
	}
	for _, a := range allowed {
		if prefix, ok := strings.CutSuffix(a, "*"); ok && strings.HasPrefix(login.ClientID, prefix) || a == login.ClientID {
			return true
		}
	}
	return false
}

// anyone is the authenticator of a broker that has TLS and no other: it grants
// what is granted without any.
type anyone struct{}

// Authenticate implements Authenticator.
func (anyone) Authenticate(context.Context, Login) (Grant, error) {
	all := []string{"#"}
	return Grant{Identity: mqttUser, Publish: all, Subscribe: all, ClientIDs: []string{"*"}}, nil
}

// refuse reports, and holds the answer back for a while, so that guessing takes
// its time.
func (g *gate) refuse(login Login, r refused) {
	g.b.report(Refusal{
		Kind: RefusedConnect, Identity: r.identity, Username: login.Username, ClientID: login.ClientID,
		Reason: r.reason, Remote: login.Remote,
	})
	wait(g.b.running, g.b.opts.RefusalDelay)
}

// here says whether a client is on this machine: on the loopback, or at the very
// address that is listened on.
func (b *Broker) here(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.IsLoopback() {
		return true
	}
	host, _, err := net.SplitHostPort(b.opts.MQTTAddr)
	if err != nil {
		return false
	}
	listening, err := netip.ParseAddr(host)
	return err == nil && !listening.IsUnspecified() && listening.Unmap() == addr
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
