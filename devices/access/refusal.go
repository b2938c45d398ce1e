package access

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// doorbell remembers of each registered device whether it was let in the last time,
// so that whoever looks is not told of a refusal that is long mended. Of a device
// that is not in it, the journal is asked.
type doorbell struct {
	mu   sync.Mutex
	last map[telemetry.Device]knock
}

// knock is the last that a device tried.
type knock struct {
	refused Event // Action is empty where it was let in
	written time.Time
}

// refuse notes a refusal. Devices that nobody registered are not kept: anybody can
// make them up.
func (b *doorbell) refuse(d telemetry.Device, e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.last[d]; e.Reason != string(RefusedUnknown) {
		known.refused = e
		b.last[d] = known
	}
}

// know gives the last that a device tried; false if nothing since the start.
func (b *doorbell) know(d telemetry.Device) (knock, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, ok := b.last[d]
	return k, ok
}

// admit notes that a device was let in. It is due to be written down if the device
// had been refused, and not again within a window.
func (b *doorbell) admit(d telemetry.Device, refused bool, now time.Time) (due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.last[d]
	due = refused && now.Sub(k.written) >= refusalWindow
	if due {
		k.written = now
	}
	k.refused = Event{}
	b.last[d] = k
	return due
}

// admitted notes that a device was let in: in the journal only if it had been
// refused before. The store is asked once for each device in the life of the
// program.
func (c *Control) admitted(ctx context.Context, d telemetry.Device, clientID string, remote netip.AddrPort) error {
	k, known := c.doorbell.know(d)
	if known && k.refused.Action == "" {
		return nil
	}
	refused := known
	if !known {
		var err error
		if _, refused, err = c.writtenRefusal(ctx, d); err != nil {
			return err
		}
	}
	if c.doorbell.admit(d, refused, c.now()) {
		c.journal.add(Event{Action: CredentialAccepted, Subject: Username(d), Detail: clientDetail(clientID), Remote: addressOf(remote)})
	}
	return nil
}

// LastRefusal is the newest refusal of a device's connection; false if it was never
// refused, or let in since.
func (c *Control) LastRefusal(ctx context.Context, d telemetry.Device) (Event, bool, error) {
	if k, known := c.doorbell.know(d); known {
		return k.refused, k.refused.Action != "", nil
	}
	if err := c.journal.flush(ctx); err != nil {
		c.log.Warn("cannot write refusals before reading the journal", "error", err)
	}
	return c.writtenRefusal(ctx, d)
}

// writtenRefusal is the newest refusal in the journal; false if there is none, or
// the device was let in after it.
func (c *Control) writtenRefusal(ctx context.Context, d telemetry.Device) (e Event, refused bool, err error) {
	err = c.store.Read(ctx, func(r Reader) error {
		bad, err := r.Events(ctx, EventFilter{Action: CredentialRefused, Subject: Username(d), Limit: 1})
		if err != nil || len(bad) == 0 {
			return err
		}
		good, err := r.Events(ctx, EventFilter{Action: CredentialAccepted, Subject: Username(d), Limit: 1})
		e, refused = bad[0], len(good) == 0 || good[0].At.Before(bad[0].At)
		return err
	})
	if err != nil {
		return e, false, fmt.Errorf("read refusals of device: %w", err)
	}
	return e, refused, nil
}
