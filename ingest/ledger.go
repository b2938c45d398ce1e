package ingest

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Account is what became of one gateway's messages. At any moment, after any
// crash,
//
//	received = stored + duplicate + quarantined + discarded + canary + queued
//
// where received is the gateway's position in the journal and queued is what of
// it the loader has not accounted for. The two sides are counted apart: the
// gateway numbers messages as it appends them, the loader counts outcomes one
// message at a time, so a lost or doubled message shows as an imbalance.
type Account struct {
	Gateway string `json:"gateway"`
	// Position is the number of the gateway's messages that have been accounted
	// for, by the gateway's own count.
	Position  uint64 `json:"position"`
	Stored    uint64 `json:"stored"`
	Duplicate uint64 `json:"duplicate"`
	// Quarantined is how many wait in quarantine, those stored in part not among them.
	Quarantined uint64 `json:"quarantined"`
	// Discarded is how many left the quarantine without having been stored: because
	// somebody said so, or a bound of it was reached.
	Discarded uint64 `json:"discarded"`
	// Canary is how many were the gateway's own, which it sends itself once a minute
	// through everything: see [Canaries].
	Canary uint64 `json:"canary"`
	// Partial is how many of Stored are waiting in quarantine with the fields
	// that could not be stored.
	Partial uint64 `json:"partial"`
}

// Balance is an [Account] held against the journal.
type Balance struct {
	Account
	Received uint64 `json:"received"`
	Queued   uint64 `json:"queued"`
	// Missing is received less everything else of it: what was lost, or if negative
	// counted twice. It is 0 or something is broken.
	Missing int64 `json:"missing"`
}

// Settle computes Missing from the other counts.
func (b *Balance) Settle() {
	b.Missing = int64(b.Received) - int64(b.Stored) - int64(b.Duplicate) - int64(b.Quarantined) - int64(b.Discarded) - int64(b.Canary) - int64(b.Queued)
}

// Balanced reports whether every message is accounted for.
func (b Balance) Balanced() bool { return b.Missing == 0 }

// Balances holds accounts against the journal's positions. The accounts must
// have been read before the positions, or a message could seem to be stored
// before it was received.
func Balances(accounts []Account, positions map[string]uint64) []Balance {
	seen := make(map[string]bool, len(accounts))
	out := make([]Balance, 0, len(accounts))
	for _, a := range accounts {
		seen[a.Gateway] = true
		out = append(out, balance(a, positions[a.Gateway]))
	}
	for gateway, received := range positions {
		if !seen[gateway] {
			out = append(out, balance(Account{Gateway: gateway}, received))
		}
	}
	return out
}

func balance(a Account, received uint64) Balance {
	// A position behind the account means the journal was lost or exchanged
	// under the ledger: what was accounted for was received all the same.
	received = max(received, a.Position)
	b := Balance{Account: a, Received: received, Queued: received - a.Position}
	b.Settle()
	return b
}

// MessageKey identifies a message by its topic and payload.
type MessageKey [16]byte

// Fate is what became of an earlier message of the same key.
type Fate uint8

const (
	// Unseen means no message of that key is remembered.
	Unseen Fate = iota
	// Held means it is in quarantine.
	Held
	// Kept means it was stored, wholly or in part.
	Kept
)

// Quarantined is a message that could not be stored, or of which some fields
// could not (Partial), with all that is needed to drive it through again.
type Quarantined struct {
	ID      int64   `json:"id"`
	Gateway string  `json:"gateway"`
	Message Message `json:"message"`
	// Device is whose message it is, where that could be read.
	Device telemetry.Device `json:"device,omitempty"`
	// Partial messages count as stored; their other fields are in the store.
	Partial  bool                `json:"partial"`
	Problems []telemetry.Problem `json:"problems"`
	// At is when it came here, Tries how often it has been driven again since.
	At    time.Time `json:"at"`
	Tries int       `json:"tries"`
	// SHA256 is of the whole payload as it was delivered, where only its beginning is
	// kept; nil where it is not known, as of one that a gateway has cut.
	SHA256 []byte `json:"sha256,omitempty"`
}

// Commit is one step of the loader's work, made durable as a whole or not at
// all.
type Commit struct {
	// Accounts are the new states of the accounts that changed.
	Accounts []Account
	// Fates are the keys that Seen knows from now on.
	Fates []KeyFate
	// Quarantine is what is added; Release what leaves the quarantine by its ID;
	// Retry what stays there with new problems, by its ID.
	Quarantine []Quarantined
	Release    []int64
	Retry      []Quarantined
	// Written is how many values the store did not hold before, by kind and hour.
	Written map[store.KindHour]int64
	// Discard is what leaves the quarantine for good; Trim what stays there with less
	// of its payload.
	Discard []Discard
	Trim    []Quarantined
}

// KeyFate is a key and its fate.
type KeyFate struct {
	Key  MessageKey
	Fate Fate
}

// QuarantineFilter selects quarantined messages; zero fields select all.
type QuarantineFilter struct {
	IDs     []int64          `json:"ids,omitempty"`
	Gateway string           `json:"gateway,omitempty"`
	Reason  telemetry.Reason `json:"reason,omitempty"`
	Device  telemetry.Device `json:"device,omitempty"`
	// Topic selects a topic, or with a trailing '*' all that begin so.
	Topic string `json:"topic,omitempty"`
	// Localities select those that belong to one of them ([LocalityOf]); nil selects
	// all, those that belong to none too.
	Localities []telemetry.Locality `json:"localities,omitempty"`
	// Before selects those that came into quarantine before it.
	Before time.Time `json:"before,omitzero"`
	// After selects IDs greater than it; Limit bounds how many are returned.
	After int64 `json:"after,omitempty"`
	Limit int   `json:"limit,omitempty"`
}

// ReasonCount is how many messages wait in quarantine for one reason.
type ReasonCount struct {
	Gateway string `json:"gateway"`
	Reason  string `json:"reason"`
	Partial bool   `json:"partial"`
	Count   int64  `json:"count"`
	// Bytes is what they take of the quarantine's budget.
	Bytes int64 `json:"bytes"`
}

// Ledger keeps the accounts, the memory of recent messages and the quarantine in
// one place, so that a crash finds them in agreement. Seen and Commit belong to
// the loader's goroutine; the others are safe for concurrent use.
type Ledger interface {
	// Accounts are as of the last commit.
	Accounts() []Account
	// Seen says what became of a message with this key, if it was committed among
	// the most recent.
	Seen(MessageKey) Fate
	Commit(context.Context, Commit) error
	// Quarantine lists by ascending ID. A page ends at the filter's Limit, or before
	// once its payloads are [PageBytes]; next continues after it, as the filter's
	// After, and is 0 if there is no more.
	Quarantine(context.Context, QuarantineFilter) (page []Quarantined, next int64, err error)
	// Reasons counts the quarantine by gateway and reason.
	Reasons(context.Context) ([]ReasonCount, error)
	// Use is how full the quarantine is.
	Use(context.Context) (QuarantineUse, error)
	// Leaving lists what a filter selects as what would leave, without payloads.
	Leaving(context.Context, QuarantineFilter) ([]Discard, error)
	// Overflow says what must leave so that the quarantine keeps within bounds once
	// some messages are added; with none, what is over now. It may tell only a part of
	// what is much: ask again.
	Overflow(ctx context.Context, adding []Quarantined, b Bounds) ([]Discard, error)
	// Shrink gives what the file no longer needs back to the disk, a part at a time;
	// it reports whether there is more.
	Shrink(context.Context) (more bool, err error)
	// Uncut lists some messages whose payloads are longer than [MaxHeld].
	Uncut(context.Context) ([]Quarantined, error)
}

// PageBytes is how many bytes of payloads end a page of any list: what one answer
// takes is bounded whatever messages are in it.
const PageBytes = 4 << 20
