// Package ingest carries readings from MQTT to the store and loses none.
//
//	broker ──► Gateway ──► journal ──► Loader ──► store
//	                                     │
//	                                     └──► quarantine, ledger
//
// A [Gateway] gathers MQTT messages into a [Record], appends it to the journal
// and only then acknowledges them. A [Loader] takes records, decodes, checks and
// enriches their messages, writes them to the store, commits what became of each
// to the ledger and only then acknowledges the record. Both sides may be killed
// at any moment: what was acknowledged is in the journal or past it, and what is
// done twice is recognised by its place in the gateway's count.
package ingest

import (
	"context"
	"errors"
	"time"
)

// Message is one MQTT PUBLISH as it was delivered to a gateway, undecoded.
type Message struct {
	Topic    string
	Payload  []byte
	Received time.Time // to the millisecond
	QoS      byte
	// PacketID is MQTT's packet identifier; 0 for QoS 0, which has none. What the
	// broker sends again for want of an acknowledgement has the same one.
	PacketID uint16
	// Redelivered is MQTT's DUP flag: the broker may have delivered it before.
	Redelivered bool
	// Key names what was sent, in the words of a sender that may send it again otherwise
	// than by MQTT: a message of the same topic, payload and Key is the same one. 0 is none.
	Key uint64
	// Retained messages are the broker's memory of the topic, not news.
	Retained bool
	// FullSize is the payload's length as delivered. It is larger than
	// len(Payload) where the gateway cut a payload that the journal cannot hold.
	FullSize int
}

// Epoch names a count of messages: a journal draws one at its creation, and another
// one where its count cannot be trusted any more. In each, every gateway counts from
// 0. What was appended before there were epochs has "".
type Epoch string

// Sequence is one gateway's numbers in one epoch. Only within it do numbers compare.
type Sequence struct {
	Gateway string
	Epoch   Epoch
}

// String is how people are told of it: nha-trang, or nha-trang (epoch 4QX7ZK2M5A).
func (s Sequence) String() string {
	if s.Epoch == "" {
		return s.Gateway
	}
	return s.Gateway + " (epoch " + string(s.Epoch) + ")"
}

// Record is what a gateway appends at once: messages in order of arrival.
type Record struct {
	Gateway string
	Epoch   Epoch
	// First is the number of messages the gateway had appended before this
	// record in its epoch. Message i is the gateway's message number First+i,
	// counted from 0; nothing else has that number. The ledger finds losses and
	// repetitions by it.
	First    uint64
	Messages []Message
}

// Sequence is what the record's numbers belong to.
func (r Record) Sequence() Sequence { return Sequence{r.Gateway, r.Epoch} }

// Mark tells a record from every other one, by its place and its content. A record
// whose mark has been committed is a repetition; one of the same place and another
// mark is news, and its journal has forgotten what it had counted.
type Mark struct {
	Sequence
	First, End uint64
	// Sum is the checksum of the record's bytes.
	Sum uint32
}

// End is the number of messages appended once this record is.
func (r Record) End() uint64 { return r.First + uint64(len(r.Messages)) }

// ErrJournalFull says that the journal is at its budget, or its disk nearly
// full: nothing is lost, but nothing can be added until the loader or an
// operator makes room. The error that wraps it names the setting.
var ErrJournalFull = errors.New("journal is full")

// ErrPosition says that a record's Epoch and First are not the gateway's position:
// the journal has begun a new epoch, another process of the same name has appended,
// or what this one sent before it was cut off has arrived late. The record is not stored and never will be; the gateway
// must ask for its position and number the messages anew.
var ErrPosition = errors.New("record is not at the gateway's position")

// Appender is the journal as a gateway sees it. One gateway appends from one
// goroutine.
type Appender interface {
	// Append returns nil when the record is as durable as the journal's setting
	// demands. After an error the record may or may not be there: appending the
	// very same record again is safe and does not store it twice.
	Append(ctx context.Context, r Record) error
	// Position is the journal's epoch, and the number of messages that the gateway
	// has appended in it: the First of its next record.
	Position(ctx context.Context, gateway string) (Epoch, uint64, error)
}

// Taker is the journal as the loader sees it. There is one loader.
type Taker interface {
	// Take opens the journal from its oldest record. What an earlier Taken had
	// not acknowledged comes again, in order within each gateway. Only the
	// newest Taken receives records.
	Take(ctx context.Context) (Taken, error)
	JournalInspector
	// Oldest is the First of the oldest record of a sequence that waits.
	Oldest(ctx context.Context, s Sequence) (first uint64, waits bool, err error)
	// Rotate begins a new epoch, if the journal is still in the one that is given:
	// gateways count anew from 0, and nothing is appended in the former any more.
	Rotate(ctx context.Context, from Epoch) error
}

// Taken is a sequence of records being taken from the journal.
type Taken interface {
	// Next waits for the next record. It returns ctx's error when that ends.
	// A record that cannot be read is returned as a Delivery whose Err is set.
	Next(ctx context.Context) (Delivery, error)
	// Processed tells the journal that the messages up to end have been accounted
	// for, so that the gateway's Position survives even when all its records have
	// left the journal. It must return before they are acknowledged.
	Processed(ctx context.Context, s Sequence, end uint64) error
	// Acknowledge removes records from the journal: all that Next has returned up to the
	// last of these, in that order. What fails comes again, which is harmless.
	Acknowledge(ctx context.Context, done []Delivery) error
	// Close stops taking; unacknowledged records stay in the journal.
	Close()
}

// Mark tells the record from every other one.
func (d Delivery) Mark() Mark {
	return Mark{Sequence: d.Record.Sequence(), First: d.Record.First, End: d.Record.End(), Sum: d.Sum}
}

// Delivery is one record taken from the journal.
type Delivery struct {
	Record Record
	// Err says that the journal's bytes are not a record; Raw then holds them
	// and Record only what is known: the gateway and the epoch.
	Err error
	Raw []byte
	// Sum is the checksum of the record's bytes.
	Sum uint32
	// Number is the record's in the journal, growing from record to record; 0 is not known.
	Number uint64
	// Ack removes the record from the journal. If it fails, the record comes
	// again, which is harmless.
	Ack func() error
}

// JournalState is how much waits in the journal.
type JournalState struct {
	Records uint64 `json:"records"`
	Bytes   uint64 `json:"bytes"`
	// MaxBytes is the budget.
	MaxBytes uint64 `json:"max_bytes"`
	// Oldest is when the oldest record was appended; zero if there is none.
	Oldest time.Time `json:"oldest,omitzero"`
	// Epoch is the one that gateways count in now.
	Epoch Epoch `json:"epoch"`
	// Positions is the number of messages ever appended, by the journal's own count:
	// the end of the last record, or what Processed has noted.
	Positions map[Sequence]uint64 `json:"-"`
	// Noted is only what Processed has noted.
	Noted map[Sequence]uint64 `json:"-"`
	// Damaged are the sequences whose noted position cannot be read, and why.
	Damaged map[Sequence]string `json:"-"`
}

// JournalInspector reports the journal's state, as it is when it is asked or later.
type JournalInspector interface {
	State(ctx context.Context) (JournalState, error)
}

// Waiting is a record that waits in the journal. Its number grows from record to
// record, with gaps.
type Waiting struct {
	Number uint64
	Record Record
}

// JournalReader looks at what waits in the journal without taking it: up to limit
// records whose number is greater than after, in order.
type JournalReader interface {
	Peek(ctx context.Context, after uint64, limit int) ([]Waiting, error)
}
