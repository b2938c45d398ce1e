package access

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Mode is whether people must log in.
type Mode int32

// The modes.
const (
	// Guarded is the rule: nothing without log-in or token.
	Guarded Mode = iota + 1
	// Open is a laptop: nobody has an account, nothing listens beyond the
	// loopback, and who is at the machine is admin under the name "local". The
	// first account ends it for good.
	Open
)

// String is "guarded" or "open".
func (m Mode) String() string {
	if m == Open {
		return "open"
	}
	return "guarded"
}

// Exposure is where the program is about to listen, and what protects it there.
type Exposure struct {
	// HTTP and MQTT are the addresses to listen on, host:port; empty is none.
	HTTP, MQTT string
	// Encrypted is HTTP that has a certificate, or stands behind a proxy that has.
	Encrypted bool
	// Authenticated is MQTT that asks devices for their credentials.
	Authenticated bool
	// Accounts is how many people can log in; OIDC says that an issuer can
	// vouch for others. Invited says that a link for the first administrator is
	// printed at this start, and nothing else is allowed until it is used.
	Accounts int
	OIDC     bool
	Invited  bool
}

// Decide says in which mode to run; an error says why not to start at all, and
// what to do.
func Decide(e Exposure) (Mode, error) {
	if e.MQTT != "" && !loopback(e.MQTT) && !e.Authenticated {
		return Guarded, fmt.Errorf("listen on %s: devices beyond this machine would not be asked for a password: turn on their credentials, or give an address of the loopback, such as 127.0.0.1:1883", e.MQTT)
	}
	beyond := e.HTTP != "" && !loopback(e.HTTP)
	if beyond && !e.Encrypted {
		return Guarded, fmt.Errorf("listen on %s: passwords would cross the network unencrypted: give a certificate, or an address of the loopback with a TLS proxy before it", e.HTTP)
	}
	people := e.Accounts > 0 || e.OIDC || e.Invited
	switch {
	case people:
		return Guarded, nil
	case beyond:
		return Guarded, fmt.Errorf("listen on %s: nobody has an account yet, so nobody could log in: make an administrator first", e.HTTP)
	case e.MQTT != "" && !loopback(e.MQTT):
		return Guarded, fmt.Errorf("listen on %s: with devices beyond this machine the console needs log-in too: make an administrator first", e.MQTT)
	}
	return Open, nil
}

// loopback reports whether an address is only for this machine. What cannot be
// read is not.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Start counts the accounts, decides and takes the mode on. main calls it before
// anything listens.
func (c *Control) Start(ctx context.Context, e Exposure) (Mode, error) {
	n, err := c.people(ctx)
	if err != nil {
		return Guarded, err
	}
	e.Accounts, e.OIDC = n, e.OIDC || c.oidc != nil
	m, err := Decide(e)
	if err != nil {
		return Guarded, err
	}
	c.mode.Store(int32(m))
	return m, nil
}

// Mode is the mode now.
func (c *Control) Mode() Mode { return Mode(c.mode.Load()) }

// guard ends open mode.
func (c *Control) guard() {
	if c.mode.Swap(int32(Guarded)) == int32(Open) {
		c.log.Info("there is an account now: from here on people log in")
	}
}
