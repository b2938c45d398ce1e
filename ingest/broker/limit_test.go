package broker

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func TestFailuresAreLimited(t *testing.T) {
	f := newFailures()
	now := time.Unix(1_800_000_000, 0)
	home := netip.MustParseAddr("203.0.113.7")
	f.succeeded(home, "good")
	f.succeeded(home, "turned")
	for i := range failureBurst {
		if !f.allowed(home, "x", now) {
			t.Fatalf("refused after %d failures", i)
		}
		f.failed(home, "x", now)
	}
	f.failed(home, "turned", now)
	for _, c := range []struct {
		name, user string
		addr       string
		at         time.Time
		want       bool
	}{
		{"the same again", "x", "203.0.113.7", now, false},
		{"another user of that address", "y", "203.0.113.7", now, false},
		{"one who was right before", "good", "203.0.113.7", now, true},
		{"one who was right and then wrong", "turned", "203.0.113.7", now, false},
		{"the same address in IPv6", "x", "::ffff:203.0.113.7", now, false},
		{"another address", "x", "203.0.113.8", now, true},
		{"soon", "x", "203.0.113.7", now.Add(failureRefill / 2), false},
		{"later", "x", "203.0.113.7", now.Add(failureRefill), true},
		{"a clock that went back", "x", "203.0.113.7", now.Add(-time.Hour), false},
	} {
		if got := f.allowed(netip.MustParseAddr(c.addr), c.user, c.at); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	six := netip.MustParseAddr("2001:db8::1")
	for range failureBurst {
		f.failed(six, "x", now)
		f.failed(netip.MustParseAddr("127.0.0.1"), "x", now)
	}
	if f.allowed(netip.MustParseAddr("2001:db8::ffff:2"), "x", now) {
		t.Error("a neighbour in the /64 is not the same subscriber")
	}
	if !f.allowed(netip.MustParseAddr("127.0.0.1"), "x", now) {
		t.Error("this machine is shut out")
	}
	if !f.allowed(netip.Addr{}, "x", now) {
		t.Error("no address at all")
	}
}

func TestFailuresAreBounded(t *testing.T) {
	f := newFailures()
	now := time.Unix(1_800_000_000, 0)
	addr := func(i int) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(i)+1<<24)
		return netip.AddrFrom4(b)
	}
	for i := range 2 * maxAddresses {
		f.failed(addr(i), "x", now)
	}
	for i := range 2 * maxKnown {
		f.succeeded(addr(i), "x")
	}
	if len(f.buckets) > maxAddresses || len(f.known) > maxKnown {
		t.Errorf("%d addresses, %d users", len(f.buckets), len(f.known))
	}
	// Old ones go first.
	f.failed(addr(2*maxAddresses), "x", now.Add(time.Hour))
	if len(f.buckets) != 1 {
		t.Errorf("%d addresses an hour later", len(f.buckets))
	}
}
