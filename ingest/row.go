package ingest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Two rows of an account are of no locality. Their names cannot be a locality's.
const (
	// NoLocality is the row of messages that belong to no locality that there is.
	NoLocality telemetry.Locality = "(none)"
	// Earlier is the row of messages that were counted before rows were kept, or whose
	// rows were damaged.
	Earlier telemetry.Locality = "(earlier)"
)

// Outcomes are how many messages became what; see [Account].
type Outcomes struct {
	Stored      uint64 `json:"stored"`
	Duplicate   uint64 `json:"duplicate"`
	Quarantined uint64 `json:"quarantined"`
	Discarded   uint64 `json:"discarded"`
	Canary      uint64 `json:"canary"`
	Partial     uint64 `json:"partial"`
}

func (o *Outcomes) add(n Outcomes) {
	o.Stored += n.Stored
	o.Duplicate += n.Duplicate
	o.Quarantined += n.Quarantined
	o.Discarded += n.Discarded
	o.Canary += n.Canary
	o.Partial += n.Partial
}

// Outcomes are those of the account.
func (a Account) Outcomes() Outcomes {
	return Outcomes{a.Stored, a.Duplicate, a.Quarantined, a.Discarded, a.Canary, a.Partial}
}

// Row is what of an account belongs to one locality, by the topics of its messages. The
// rows of an account add up to it. A message stays in the row in which it was counted
// until it is driven through again.
type Row struct {
	Gateway  string             `json:"gateway"`
	Epoch    Epoch              `json:"epoch,omitempty"`
	Locality telemetry.Locality `json:"locality" doc:"(none) is what belongs to no locality that there is, (earlier) what was counted before rows were kept"`
	Outcomes
}

// RowKey is what a row is of.
type RowKey struct {
	Sequence
	Locality telemetry.Locality
}

// Key is what the row is of.
func (r Row) Key() RowKey { return RowKey{Sequence{r.Gateway, r.Epoch}, r.Locality} }

// Difference is an account to which its rows do not add up: one of them is wrong.
type Difference struct {
	Gateway string   `json:"gateway"`
	Epoch   Epoch    `json:"epoch,omitempty"`
	Account Outcomes `json:"account"`
	Rows    Outcomes `json:"rows" doc:"What the rows add up to"`
}

// differences holds rows against their accounts.
func differences(accounts []Account, rows []Row) (out []Difference) {
	sums := map[Sequence]Outcomes{}
	for _, a := range accounts {
		sums[a.Sequence()] = Outcomes{}
	}
	for _, r := range rows {
		sum := sums[r.Key().Sequence]
		sum.add(r.Outcomes)
		sums[r.Key().Sequence] = sum
	}
	for _, a := range accounts {
		if sum := sums[a.Sequence()]; sum != a.Outcomes() {
			out = append(out, Difference{a.Gateway, a.Epoch, a.Outcomes(), sum})
		}
		delete(sums, a.Sequence())
	}
	for s, sum := range sums { // rows without an account
		if sum != (Outcomes{}) {
			out = append(out, Difference{Gateway: s.Gateway, Epoch: s.Epoch, Rows: sum})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(strings.Compare(a.Gateway, b.Gateway), strings.Compare(string(a.Epoch), string(b.Epoch)))
	})
	return out
}

// byLocality adds up rows of all epochs, by gateway and locality. The whole gateway is one
// through which messages of every locality may come: it has a row for each there is.
func byLocality(rows []Row, whole string, localities []telemetry.Locality) []Row {
	sums := map[RowKey]Outcomes{}
	for _, r := range rows {
		if r.Gateway == whole {
			sums[RowKey{Sequence{Gateway: whole}, NoLocality}] = Outcomes{}
			for _, l := range localities {
				sums[RowKey{Sequence{Gateway: whole}, l}] = Outcomes{}
			}
			break
		}
	}
	for _, r := range rows {
		k := RowKey{Sequence{Gateway: r.Gateway}, r.Locality}
		sum := sums[k]
		sum.add(r.Outcomes)
		sums[k] = sum
	}
	out := make([]Row, 0, len(sums))
	for k, sum := range sums {
		out = append(out, Row{Gateway: k.Gateway, Locality: k.Locality, Outcomes: sum})
	}
	slices.SortFunc(out, compareRows)
	return out
}

// compareRows orders by gateway; of each the localities come first.
func compareRows(a, b Row) int {
	return cmp.Or(strings.Compare(a.Gateway, b.Gateway), rank(a.Locality)-rank(b.Locality), strings.Compare(string(a.Locality), string(b.Locality)))
}

// rank is where in a list a row stands: localities, what belongs to none, what came earlier.
func rank(l telemetry.Locality) int {
	switch l {
	case NoLocality:
		return 1
	case Earlier:
		return 2
	}
	return 0
}

// books are the accounts, and their rows, that one commit changes.
type books struct {
	loader   *Loader
	accounts map[Sequence]*Account
	rows     map[RowKey]*Row
}

func (l *Loader) newBooks() *books {
	return &books{l, map[Sequence]*Account{}, map[RowKey]*Row{}}
}

// account is one to be changed.
func (b *books) account(s Sequence) *Account {
	a := b.accounts[s]
	if a == nil {
		a = new(Account)
		*a = *b.loader.account(s)
		b.accounts[s] = a
	}
	return a
}

// row is one to be changed. The locality may be a part of a message's topic.
func (b *books) row(s Sequence, of telemetry.Locality) *Row {
	k := RowKey{s, of}
	r := b.rows[k]
	if r == nil {
		k.Locality = telemetry.Locality(strings.Clone(string(of)))
		r = &Row{Gateway: s.Gateway, Epoch: s.Epoch, Locality: k.Locality}
		if known := b.loader.rows[k]; known != nil {
			*r = *known
		}
		b.rows[k] = r
	}
	return r
}

// into adds what has changed to a commit.
func (b *books) into(c *Commit) {
	c.Accounts, c.Rows = make([]Account, 0, len(b.accounts)), make([]Row, 0, len(b.rows))
	for _, a := range b.accounts {
		c.Accounts = append(c.Accounts, *a)
	}
	for _, r := range b.rows {
		c.Rows = append(c.Rows, *r)
	}
}

// adopt takes over what has been committed.
func (b *books) adopt() {
	for s, a := range b.accounts {
		*b.loader.account(s) = *a
	}
	for k, r := range b.rows {
		b.loader.rows[k] = r
	}
}

// place sets the row in which a message is counted. The error is a Problem: its topic
// names a locality that there is not.
func (l *Loader) place(it *item) error {
	it.row = NoLocality
	of := LocalityOf(it.message.Topic)
	if of == "" {
		return nil // what its topic lacks is for the codec to say
	}
	if err := l.Admission.Locality(of); err != nil {
		return err
	}
	it.row = of
	return nil
}
