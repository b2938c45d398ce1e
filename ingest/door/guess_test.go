package door

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// One device that tries a wrong secret all the time does not lock out its neighbours
// behind the same address, whoever they are; who tries many names does, until he stops.
func TestOneNameThatFailsLocksOutNoOther(t *testing.T) {
	f := newFailures()
	at := netip.MustParseAddr("203.0.113.7")
	now := time.Unix(1_800_000_000, 0)
	looked := 0
	for range 60_000 {
		now = now.Add(time.Millisecond)
		if f.allowed(at, "revoked", now) {
			f.failed(at, "revoked", now)
			looked++
		}
		if !f.allowed(at, "neighbour", now) {
			t.Fatal("its neighbour is locked out")
		}
	}
	if looked < nameBurst || looked > nameBurst+7 {
		t.Errorf("%d wrong secrets were looked at in a minute", looked)
	}
	for i := range 2 * failureBurst {
		f.failed(at, fmt.Sprint("guess", i), now)
	}
	if f.allowed(at, "neighbour", now) {
		t.Error("who tries many names is not held up")
	}
	if f.succeeded(at, "neighbour"); !f.allowed(at, "neighbour", now) {
		t.Error("who was right from there before is locked out")
	}
}
