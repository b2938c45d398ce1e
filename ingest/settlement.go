package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Settlement is a loss that somebody has acknowledged. It changes no side's count: what
// is missing stays counted, and only what is missing beyond it is a loss that nobody
// knows of.
type Settlement struct {
	At time.Time `json:"at"`
	// Who has acknowledged the alarm of Rule, with the note Why. Who is empty where what
	// had been settled was found again: then Lost is below 0.
	Who  string `json:"who,omitempty" doc:"Who has acknowledged it; absent where it was found again, and lost is below 0"`
	Why  string `json:"why,omitempty"`
	Rule string `json:"rule"`
	// Lost is how much of What was missing beyond what had been settled before.
	What    Lack   `json:"what" enum:"messages,forgotten,door,journal,values,dropped,session"`
	Gateway string `json:"gateway,omitempty"`
	Epoch   Epoch  `json:"epoch,omitempty"`
	Lost    int64  `json:"lost"`
}

// Lack is what can be missing.
type Lack string

// What can be missing: [Balance.Missing], [Account.Forgotten], [SideBook.DoorLost],
// [SideBook.JournalLost], what the store lacks of its hours, and what a broker that is
// another program says to have dropped and how often it has forgotten a gateway's session.
const (
	LackMessages  Lack = "messages"
	LackForgotten Lack = "forgotten"
	LackDoor      Lack = "door"
	LackJournal   Lack = "journal"
	LackValues    Lack = "values"
	LackDropped   Lack = "dropped"
	LackSession   Lack = "session"
)

// settledOf adds up what of one thing is settled.
type settledOf map[settledKey]int64

type settledKey struct {
	what     Lack
	sequence Sequence
}

func sumSettlements(all []Settlement) settledOf {
	out := settledOf{}
	for _, s := range all {
		out[settledKey{s.What, Sequence{s.Gateway, s.Epoch}}] += s.Lost
	}
	return out
}

func (s settledOf) of(what Lack, of Sequence) int64 { return s[settledKey{what, of}] }

// side is what of a gateway's loss between two sides is not settled; it has no epochs.
func (s settledOf) side(what Lack, gateway string, lost uint64) int64 {
	return beyond(int64(lost), s.of(what, Sequence{Gateway: gateway}))
}

// beyond is what is missing, or counted twice if below 0, beyond what is settled.
func beyond(missing, settled int64) int64 {
	switch {
	case settled < 0:
		return -beyond(-missing, -settled)
	case missing < 0:
		return missing
	}
	return max(0, missing-settled)
}

// Settling is what acknowledging an alarm of a rule about a gateway settles: all that
// is missing now of what the rule tells of, beyond what is settled. Of other rules it is
// nothing. Who, when and why are the ledger's to write.
func (a Audit) Settling(ctx context.Context, rule string, gateway telemetry.Device) ([]Settlement, error) {
	switch {
	case settles(rule):
		return a.settlingEpochs(ctx, rule, string(gateway))
	case rule == ruleDoorLoss || rule == ruleJournalLoss || rule == ruleBrokerDropped || rule == ruleBrokerForgot:
		return a.settlingSides(ctx, rule, string(gateway))
	case rule == ruleStoreLoss:
		return []Settlement{{What: LackValues}}, nil // how much is the hours' own word
	}
	return nil, nil
}

func (a Audit) settlingEpochs(ctx context.Context, rule, gateway string) (out []Settlement, err error) {
	r, err := a.Report(ctx, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("see what is missing of gateway %s: %w", gateway, err)
	}
	for _, b := range r.Epochs {
		s := Settlement{What: LackMessages, Gateway: b.Gateway, Epoch: b.Epoch, Lost: b.Unsettled}
		if rule == ruleLedgerOlder {
			s.What, s.Lost = LackForgotten, int64(b.Forgotten-min(b.Forgotten, b.SettledForgotten))
		}
		if b.Gateway == gateway && s.Lost != 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

func (a Audit) settlingSides(ctx context.Context, rule, gateway string) ([]Settlement, error) {
	if a.Sides == nil {
		return nil, nil
	}
	books, err := a.Sides.Books.SideBooks(ctx)
	if err != nil {
		return nil, err
	}
	b := books[gateway]
	s, lost := Settlement{What: LackDoor, Gateway: gateway}, b.DoorLost
	switch rule {
	case ruleJournalLoss:
		s.What, lost = LackJournal, b.JournalLost
	case ruleBrokerDropped:
		s.What, lost = LackDropped, b.Broker.Total
	case ruleBrokerForgot:
		s.What, lost = LackSession, b.Broker.Forgotten
	}
	if s.Lost = sumSettlements(a.Sides.Books.Settlements()).side(s.What, gateway, lost); s.Lost == 0 {
		return nil, nil
	}
	return []Settlement{s}, nil
}

// foundAgain is what is settled and not missing any more, as a journal that was put
// back has it: else as much could be lost again and be taken for the settled.
func (r Report) foundAgain() (out []Settlement) {
	for _, b := range r.Epochs {
		missing := max(0, b.Missing)
		if b.Settled < 0 {
			missing = min(0, b.Missing)
		}
		if back := missing - b.Settled; b.Settled != 0 && back != 0 && (back < 0) == (b.Settled > 0) {
			out = append(out, Settlement{At: r.Time, Rule: ruleMessagesLost, What: LackMessages, Gateway: b.Gateway, Epoch: b.Epoch, Lost: back})
		}
	}
	return out
}
