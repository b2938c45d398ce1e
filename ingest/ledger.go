package ingest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Account is what became of one gateway's messages of one epoch. At any moment,
// after any crash,
//
//	received + again = stored + duplicate + quarantined + discarded + canary + forgotten + queued
//
// where received is the gateway's own count and queued is what of it the loader has
// not accounted for; again and forgotten are 0 unless the journal or the ledger was
// damaged or exchanged. The two sides are counted apart: the gateway numbers messages
// as it appends them, the loader counts outcomes one message at a time, so a lost or
// doubled message shows as an imbalance.
type Account struct {
	Gateway string `json:"gateway"`
	Epoch   Epoch  `json:"epoch,omitempty"`
	// Position is the number of the gateway's messages that have been accounted
	// for: the end of the last record taken, as the gateway has numbered it.
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
	// Again is how many messages came with numbers that were accounted for already,
	// and were not proven to be repetitions: their journal had forgotten what it had
	// counted. They are among the outcomes.
	Again uint64 `json:"again"`
	// Forgotten is how many messages another ledger had accounted for, newer than
	// this one: what became of them is not known here.
	Forgotten uint64 `json:"forgotten"`
	// Closed says that the journal is known to have lost this count, and people
	// have been told.
	Closed bool `json:"closed,omitempty"`
}

// Sequence is what the account is of.
func (a Account) Sequence() Sequence { return Sequence{a.Gateway, a.Epoch} }

// Lost is how many of the messages up to Position have no outcome; below 0 if some
// were counted twice.
func (a Account) Lost() int64 {
	return int64(a.Position) + int64(a.Again) - int64(a.Stored) - int64(a.Duplicate) - int64(a.Quarantined) - int64(a.Discarded) - int64(a.Canary) - int64(a.Forgotten)
}

// Balance is an [Account] held against the journal.
type Balance struct {
	Account
	// Received is the gateway's own word: the journal's count, the last that is known
	// of a journal that is gone, or the number of the last record that was taken,
	// whichever is the farthest. No outcome is part of it.
	Received uint64 `json:"received"`
	Queued   uint64 `json:"queued"`
	// Missing is received and again less everything else of it: what was lost, or if
	// negative counted twice. It is 0 or something is broken.
	Missing int64 `json:"missing"`
	// Settled is what of Missing somebody has acknowledged, SettledForgotten what of
	// Forgotten; Unsettled is what is missing beyond that.
	Settled          int64  `json:"settled" doc:"What of missing somebody has acknowledged"`
	SettledForgotten uint64 `json:"settled_forgotten" doc:"What of forgotten somebody has acknowledged"`
	Unsettled        int64  `json:"unsettled" doc:"What is missing beyond what is settled, or below 0 counted twice: anything but 0 is a loss that nobody has acknowledged"`
	// Behind is how far the journal's count is behind Received, in the epoch that it
	// counts in: it has been damaged or put back.
	Behind uint64 `json:"behind"`
}

// Settle computes Missing from the other counts.
func (b *Balance) Settle() {
	b.Missing = int64(b.Received-b.Position) - int64(b.Queued) + b.Lost()
	b.Unsettled = beyond(b.Missing, b.Settled)
}

// Balanced reports whether every message is accounted for or its loss is settled, and
// the journal's count can be trusted.
func (b Balance) Balanced() bool {
	return b.Unsettled == 0 && b.Forgotten <= b.SettledForgotten && b.Behind == 0
}

// add adds the account of another epoch of the same gateway.
func (b *Balance) add(o Balance) {
	b.Position += o.Position
	b.Stored += o.Stored
	b.Duplicate += o.Duplicate
	b.Quarantined += o.Quarantined
	b.Discarded += o.Discarded
	b.Canary += o.Canary
	b.Partial += o.Partial
	b.Again += o.Again
	b.Forgotten += o.Forgotten
	b.Received += o.Received
	b.Queued += o.Queued
	b.Missing += o.Missing
	b.Settled += o.Settled
	b.SettledForgotten += o.SettledForgotten
	b.Unsettled += o.Unsettled
	b.Behind += o.Behind
}

// Balances holds accounts against the journal, by gateway and epoch. said is what the
// gateways' side has said earlier, settled what losses are acknowledged. The accounts
// must have been read before the journal's state, or a message could seem to be stored
// before it was received.
func Balances(accounts []Account, said map[Sequence]uint64, settled []Settlement, state JournalState) []Balance {
	sums := sumSettlements(settled)
	all := make(map[Sequence]Account, len(accounts))
	for s := range said {
		all[s] = Account{Gateway: s.Gateway, Epoch: s.Epoch}
	}
	for s := range state.Positions {
		all[s] = Account{Gateway: s.Gateway, Epoch: s.Epoch}
	}
	for _, a := range accounts {
		all[a.Sequence()] = a
	}
	out := make([]Balance, 0, len(all))
	for s, a := range all {
		out = append(out, balance(a, said[s], sums, state))
	}
	slices.SortFunc(out, func(a, b Balance) int {
		return cmp.Or(strings.Compare(a.Gateway, b.Gateway), strings.Compare(string(a.Epoch), string(b.Epoch)))
	})
	return out
}

func balance(a Account, said uint64, settled settledOf, state JournalState) Balance {
	counted := state.Positions[a.Sequence()]
	b := Balance{Account: a, Received: max(counted, said, a.Position), Settled: settled.of(LackMessages, a.Sequence()),
		SettledForgotten: uint64(settled.of(LackForgotten, a.Sequence()))}
	if counted > a.Position {
		b.Queued = counted - a.Position
	}
	if a.Epoch == state.Epoch && !a.Closed {
		b.Behind = b.Received - counted
	}
	b.Settle()
	return b
}

// ByGateway adds up balances, in order of gateway and epoch, of each gateway.
func ByGateway(balances []Balance) []Balance {
	out := []Balance{}
	for _, b := range balances {
		if n := len(out); n > 0 && out[n-1].Gateway == b.Gateway {
			out[n-1].add(b)
			continue
		}
		b.Epoch, b.Closed = "", false
		out = append(out, b)
	}
	return out
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
	Epoch   Epoch   `json:"epoch,omitempty"`
	Message Message `json:"message"`
	// Device is whose message it is, where that could be read.
	Device telemetry.Device `json:"device,omitempty"`
	// Row is the [Row] of the account in which it is counted.
	Row telemetry.Locality `json:"row,omitempty"`
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
	// Accounts are the new states of the accounts that changed, Rows of their rows.
	Accounts []Account
	Rows     []Row
	// Marks are the records that Repeated knows from now on.
	Marks []Mark
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

// MarksKept is how many records the ledger knows again. The journal repeats only what
// it does not know to be acknowledged: 1,024 records are given out at once, and a
// server that was killed may have forgotten some acknowledgements.
const MarksKept = 4096

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
// one place, so that a crash finds them in agreement. Seen, Repeated and
// Commit belong to the loader's goroutine; the others are safe for concurrent use.
type Ledger interface {
	// Accounts are as of the last commit, Books these with their rows.
	Accounts() []Account
	Books() ([]Account, []Row)
	// Seen says what became of a message with this key, if it was committed among
	// the most recent.
	Seen(MessageKey) Fate
	// Repeated says whether this very record was among the last [MarksKept] that
	// were committed.
	Repeated(Mark) bool
	// Said is the most that the gateways' side has said of each sequence.
	Said() map[Sequence]uint64
	// Settlements are the losses that were acknowledged, the oldest first.
	Settlements() []Settlement
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
