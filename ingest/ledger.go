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
//	received = stored + duplicate + quarantined + canary + queued
//
// where received is the gateway's position in the journal and queued is what of
// it the loader has not accounted for. The two sides are counted apart: the
// gateway numbers messages as it appends them, the loader counts outcomes one
// message at a time, so a lost or doubled message shows as an imbalance.
type Account struct {
	Gateway string `json:"gateway"`
	// Position is the number of the gateway's messages that have been accounted
	// for, by the gateway's own count.
	Position    uint64 `json:"position"`
	Stored      uint64 `json:"stored"`
	Duplicate   uint64 `json:"duplicate"`
	Quarantined uint64 `json:"quarantined"`
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
	// Missing is received − stored − duplicate − quarantined − canary − queued: what
	// was lost, or if negative counted twice. It is 0 or something is broken.
	Missing int64 `json:"missing"`
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
	b.Missing = int64(received) - int64(a.Stored) - int64(a.Duplicate) - int64(a.Quarantined) - int64(a.Canary) - int64(b.Queued)
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
	// Quarantine lists by ascending ID.
	Quarantine(context.Context, QuarantineFilter) ([]Quarantined, error)
	// Reasons counts the quarantine by gateway and reason.
	Reasons(context.Context) ([]ReasonCount, error)
}
