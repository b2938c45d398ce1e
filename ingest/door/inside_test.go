package door

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// stranger is a connection of an address elsewhere.
func stranger(d *Door, address string) (*conn, net.Conn) {
	ours, theirs := net.Pipe()
	return newConn(d, ours, false, netip.MustParseAddrPort(address), false), theirs
}

// A crowd of one address is let in up to its limit; then the oldest that has had its time
// makes room, and nobody of another address. This machine has places of its own.
func TestPlacesOfHalfOpenConnections(t *testing.T) {
	now := time.Unix(1000, 0)
	d, err := Open(t.Context(), Options{Now: func() time.Time { return now }, Limits: Limits{PerAddress: 2}})
	if err != nil {
		t.Fatal(err)
	}
	s := d.clients
	enter := func(address string) (c, out *conn, wait bool, err error) {
		c, _ = stranger(d, address)
		out, wait, err = s.enter(c, now)
		return c, out, wait, err
	}
	first, _, _, _ := enter("192.0.2.1:1")
	_, _, _, _ = enter("192.0.2.1:2")
	if _, out, _, err := enter("192.0.2.1:3"); err == nil || out != nil {
		t.Errorf("a third within the time of the first is answered %v, and %v has to go", err, out)
	}
	if _, out, wait, err := enter("192.0.2.2:1"); err != nil || out != nil || wait {
		t.Errorf("another address is answered %v", err)
	}
	now = now.Add(patience)
	if _, out, _, err := enter("192.0.2.1:4"); err != nil || out != first {
		t.Errorf("a third is answered %v, and %v has to go, want the first", err, out)
	}
	if _, out, _, _ := enter("[2001:db8::1]:1"); out != nil {
		t.Error("an IPv6 address counts with others")
	}
	for i := 0; ; i++ {
		c, _ := stranger(d, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 1).String())
		if _, wait, err := s.enter(c, now); err != nil {
			t.Fatal(err)
		} else if wait {
			break
		}
	}
	if _, n := s.counts(); n != maxHalfOpen {
		// Those that had had their time made room before anybody had to wait.
		t.Errorf("%d are half open, want %d", n, maxHalfOpen)
	}
	near, _ := stranger(d, "127.0.0.1:1")
	near.local = true
	if out, wait, err := s.enter(near, now); err != nil || out != nil || wait {
		t.Errorf("this machine is answered %v, wait %v", err, wait)
	}
}

// With a certificate, plain MQTT from another machine is refused, whatever its secret.
func TestPlainFromElsewhereIsRefused(t *testing.T) {
	d, err := Open(t.Context(), Options{RefusalDelay: -1})
	if err != nil {
		t.Fatal(err)
	}
	d.o.TLS = nil
	c, theirs := stranger(d, "192.0.2.1:1")
	d.o.TLS = serverTLS()
	if _, _, err := d.clients.enter(c, time.Now()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.serve(context.Background())
	}()
	go func() { _, _ = theirs.Write([]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'c'}) }()
	ack := make([]byte, 4)
	if _, err := io.ReadFull(theirs, ack); err != nil || ack[3] != 5 {
		t.Errorf("CONNACK is %v, %v", ack, err)
	}
	if _, err := theirs.Read(ack); !errors.Is(err, io.EOF) {
		t.Errorf("then comes %v", err)
	}
	<-ended
	if r := <-d.reports.waiting; !strings.Contains(r.Reason, "not encrypted") {
		t.Errorf("told is %+v", r)
	}
}

func TestGrantCovers(t *testing.T) {
	for _, c := range []struct {
		wide, narrow string
		want         bool
	}{
		{"#", "a/b", true},
		{"#", "#", true},
		{"#", "$SYS/#", false},
		{"a/#", "a", true},
		{"a/#", "a/b/#", true},
		{"a/#", "#", false},
		{"a/+", "a/b", true},
		{"a/+", "a/+", true},
		{"a/+", "a/#", false},
		{"a/+", "a", false},
		{"a/+/c", "a/b/c", true},
		{"a/b", "a/+", false},
		{"a/b", "a/b/c", false},
		{"$SYS/#", "$SYS/x", true},
	} {
		if got := covers(c.wide, c.narrow); got != c.want {
			t.Errorf("%s covers %s: %v, want %v", c.wide, c.narrow, got, c.want)
		}
	}
	g := Grant{Subscribe: []string{"a/#"}}
	if !g.maySubscribe("$share/group/a/b") || g.maySubscribe("$share/group/b") {
		t.Error("a shared subscription is not granted by its filter")
	}
}

func serverTLS() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12} }
