package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// MaxHeld is how many bytes of a payload the quarantine keeps; of a longer one it
// keeps the beginning, the true size and the hash.
const MaxHeld = 64 << 10

// heldTight is MaxHeld while the disk is nearly full. Ordinary readings are far
// shorter, so these stay whole and can be driven through again.
const heldTight = 4 << 10

// Cause says by what a message left the quarantine without having been stored.
type Cause string

// The causes.
const (
	ByPerson      Cause = "person"        // somebody discarded or purged it
	ByAge         Cause = "age"           // it waited as long as messages may
	ByDeviceBytes Cause = "device_budget" // its device was over the bytes of one device
	ByDeviceCount Cause = "device_count"  // its device was over the number of one device
	ByBudget      Cause = "budget"        // the quarantine was full, and its device had the most in it
	ByDisk        Cause = "disk"          // the disk was nearly full, and its device had the most in quarantine
)

// Discard is a message that leaves the quarantine for good.
type Discard struct {
	ID      int64
	Gateway string
	Epoch   Epoch
	Row     telemetry.Locality
	Reason  telemetry.Reason
	// Partial messages stay stored; only what could not be stored of them goes.
	Partial bool
	// Bytes is what it takes of the budget.
	Bytes int64
	Cause Cause
}

// Bounds are the quarantine's. What is over them leaves it, the oldest of the
// device that has the most in it first.
type Bounds struct {
	// Bytes bounds the whole quarantine, Age how long a message waits.
	Bytes int64
	Age   time.Duration
	// DeviceBytes and DeviceCount bound what waits of one device. Messages of which
	// nobody can tell the device count as one device's.
	DeviceBytes, DeviceCount int64
	// Tight says that the disk is nearly full: the quarantine must not grow.
	Tight bool
}

// DefaultBounds are a gibibyte, ninety days, and a sixteenth of the bytes for one
// device, which is some 100,000 ordinary readings.
func DefaultBounds() Bounds {
	return Bounds{Bytes: 1 << 30, Age: 90 * 24 * time.Hour, DeviceBytes: 64 << 20, DeviceCount: 100_000}
}

// Check says what is wrong with bounds.
func (b Bounds) Check() error {
	const least = 16 * MaxHeld
	switch {
	case b.DeviceBytes < least:
		return fmt.Errorf("--quarantine-device-budget is %d bytes: give at least %d KiB", b.DeviceBytes, least>>10)
	case b.Bytes < b.DeviceBytes:
		return fmt.Errorf("--quarantine-budget is %d bytes, less than --quarantine-device-budget of %d: raise the one or lower the other", b.Bytes, b.DeviceBytes)
	case b.DeviceCount < 1:
		return fmt.Errorf("--quarantine-device-count is %d: give at least 1", b.DeviceCount)
	case b.Age < time.Hour:
		return fmt.Errorf("--quarantine-age is %v: give at least 1h", b.Age)
	}
	return nil
}

// Cut reports whether only the payload's beginning is kept. Such a message cannot be
// driven through again.
func (q Quarantined) Cut() bool { return q.Message.FullSize > len(q.Message.Payload) }

// Size is what the message takes of the quarantine's budget, in bytes: itself, what
// is said of it, and some 256 of rows and indexes.
func (q Quarantined) Size() int64 {
	n := 256 + len(q.Gateway) + 3*len(q.Device) + 2*len(q.Message.Topic) + len(q.Message.Payload)
	for _, p := range q.Problems {
		n += 48 + len(p.Field) + len(p.Reason) + len(p.Detail)
	}
	return int64(n)
}

// Trim keeps at most so many bytes of the payload, and its hash.
func (q *Quarantined) Trim(most int) {
	m := &q.Message
	if len(m.Payload) <= most {
		return
	}
	if !q.Cut() {
		sum := sha256.Sum256(m.Payload)
		q.SHA256 = sum[:]
	}
	// A copy, or the few bytes would keep the whole of it in memory.
	m.Payload = append(make([]byte, 0, most), m.Payload[:most]...)
}

// QuarantineUse is how full the quarantine is, and what has left it for good.
type QuarantineUse struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes" doc:"Of the budget"`
	// Oldest is when the message came that waits longest.
	Oldest time.Time `json:"oldest,omitzero"`
	// Heaviest are the devices with the most in it; the device "" are those of which
	// nobody can tell the device.
	Heaviest []DeviceShare `json:"heaviest"`
	// Discarded is all that has ever left for good, by cause and reason.
	Discarded []DiscardCount `json:"discarded"`
}

// DeviceShare is what waits of one device.
type DeviceShare struct {
	Device telemetry.Device `json:"device"`
	Count  int64            `json:"count"`
	Bytes  int64            `json:"bytes"`
}

// DiscardCount is how many messages left the quarantine for good by one cause.
type DiscardCount struct {
	Cause   Cause            `json:"cause" enum:"person,age,device_budget,device_count,budget,disk"`
	Reason  telemetry.Reason `json:"reason"`
	Partial bool             `json:"partial" doc:"The messages' other fields stay stored"`
	Count   int64            `json:"count"`
	Bytes   int64            `json:"bytes"`
	Last    time.Time        `json:"last"`
}

// DiscardResult says what left the quarantine, or would.
type DiscardResult struct {
	// Discarded counts messages, Partial those of them that stay stored with their
	// other fields.
	Discarded int   `json:"discarded"`
	Partial   int   `json:"partial"`
	Bytes     int64 `json:"bytes"`
	// Next continues after this page, as the filter's After; 0 if there is no more.
	Next int64 `json:"next"`
}

// maxDiscard is at most how many messages leave in one step.
const maxDiscard = 500

// discard asks the loader's goroutine for one page.
type discard struct {
	filter QuarantineFilter
	done   chan<- discarded
}

type discarded struct {
	result DiscardResult
	err    error
}

// Discard takes a page of messages out of quarantine for good and counts them as
// discarded. It is safe to call from any goroutine; to go through all of a filter,
// call it with After set to Next until that is 0. Unlike a re-drive it is done while
// the loader waits for the store or the disk, too: it is what makes room.
func (l *Loader) Discard(ctx context.Context, f QuarantineFilter) (DiscardResult, error) {
	if f.Limit <= 0 || f.Limit > maxDiscard {
		f.Limit = maxDiscard
	}
	done := make(chan discarded, 1)
	select {
	case l.discards <- discard{f, done}:
	case <-ctx.Done():
		return DiscardResult{}, fmt.Errorf("wait for loader: %w", ctx.Err())
	}
	select {
	case r := <-done:
		return r.result, r.err
	case <-ctx.Done():
		return DiscardResult{}, fmt.Errorf("wait for loader: %w", ctx.Err())
	}
}

// discardPage discards one page.
func (l *Loader) discardPage(ctx context.Context, d discard) (out discarded) {
	rows, err := l.Ledger.Leaving(ctx, d.filter)
	if err != nil || len(rows) == 0 {
		out.err = err
		return out
	}
	for i := range rows {
		rows[i].Cause = ByPerson
		out.result.Discarded++
		out.result.Bytes += rows[i].Bytes
		if rows[i].Partial {
			out.result.Partial++
		}
	}
	if len(rows) == d.filter.Limit {
		out.result.Next = rows[len(rows)-1].ID
	}
	if err := l.release(ctx, rows); err != nil {
		return discarded{err: err}
	}
	return out
}

// release commits that messages leave the quarantine.
func (l *Loader) release(ctx context.Context, rows []Discard) error {
	b := l.newBooks()
	l.dismiss(rows, b)
	c := Commit{Discard: rows}
	b.into(&c)
	if err := l.Ledger.Commit(ctx, c); err != nil {
		return err
	}
	b.adopt()
	return nil
}

// dismiss moves what leaves from one column of its account and row to another.
func (l *Loader) dismiss(rows []Discard, b *books) {
	for _, d := range rows {
		if d.Reason == telemetry.CorruptRecord {
			continue // not a message: it is in no account
		}
		s := Sequence{d.Gateway, d.Epoch}
		a, r := b.account(s), b.row(s, d.Row)
		if d.Partial {
			a.Partial--
			r.Partial--
		} else {
			a.Quarantined--
			a.Discarded++
			r.Quarantined--
			r.Discarded++
		}
	}
}
