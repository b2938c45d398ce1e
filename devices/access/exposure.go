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
	// Encrypted is HTTP that has a certificate.
	Encrypted bool
	// Published is HTTP that people reach by way of a proxy, which encrypts,
	// whatever its own address is.
	Published bool
	// Authenticated is MQTT that asks devices for their credentials.
	Authenticated bool
	// MQTTEncrypted is MQTT that has a certificate; MQTTPlain says that it is
	// accepted, knowingly, that it has none.
	MQTTEncrypted, MQTTPlain bool
	// Accounts is how many people can log in; OIDC says that an issuer can
	// vouch for others. Invited says that a link for the first administrator is
	// printed at this start, and nothing else is allowed until it is used.
	Accounts int
	OIDC     bool
	Invited  bool
}

// Beyond reports whether somebody beyond this machine can reach a listener.
func (e Exposure) Beyond() bool { return e.beyondHTTP() || e.beyondMQTT() }

func (e Exposure) beyondHTTP() bool { return e.HTTP != "" && (e.Published || !Loopback(e.HTTP)) }

func (e Exposure) beyondMQTT() bool { return e.MQTT != "" && !Loopback(e.MQTT) }

// Check finds what is wrong whoever has an account; its errors name the flags.
func (e Exposure) Check() error {
	for _, a := range []struct{ flag, address, port string }{{"--http", e.HTTP, "8080"}, {"--mqtt", e.MQTT, "1883"}} {
		if _, _, err := net.SplitHostPort(a.address); a.address != "" && err != nil {
			return fmt.Errorf("%s is %q: give HOST:PORT, such as 127.0.0.1:%s", a.flag, a.address, a.port)
		}
	}
	switch {
	case e.HTTP != "" && !Loopback(e.HTTP) && !e.Encrypted && !e.Published:
		return fmt.Errorf("--http is %q, beyond this machine, and passwords would cross the network unencrypted: "+
			"give a certificate with --tls-cert and --tls-key, or name the proxy that encrypts with --proxy and --public-url, or give an address of the loopback, such as 127.0.0.1:8080", e.HTTP)
	case e.beyondMQTT() && !e.Authenticated:
		return fmt.Errorf("--mqtt is %q, beyond this machine, and devices there would not be asked for a password: "+
			"add --mqtt-credentials, or give an address of the loopback, such as 127.0.0.1:1883", e.MQTT)
	case e.beyondMQTT() && !e.MQTTEncrypted && !e.MQTTPlain:
		return fmt.Errorf("--mqtt is %q, beyond this machine, and devices' secrets would cross the network unencrypted: "+
			"give a certificate with --tls-cert and --tls-key, or, where that network is yours alone, add --mqtt-plain", e.MQTT)
	}
	return nil
}

// Decide says in which mode to run; an error says why not to start at all, and
// what to do.
func Decide(e Exposure) (Mode, error) {
	if err := e.Check(); err != nil {
		return Guarded, err
	}
	switch {
	case e.Accounts > 0 || e.OIDC || e.Invited:
		return Guarded, nil
	case e.beyondHTTP():
		return Guarded, fmt.Errorf("--http %s is reached from beyond this machine, and nobody has an account yet, so nobody could log in: add --login", e.HTTP)
	case e.beyondMQTT():
		return Guarded, fmt.Errorf("--mqtt %s is beyond this machine, where devices are not trusted, so the console needs log-in too: add --login", e.MQTT)
	}
	return Open, nil
}

// Loopback reports whether an address, host:port, is only for this machine. What
// cannot be read is not.
func Loopback(address string) bool {
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
// anything is answered.
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
