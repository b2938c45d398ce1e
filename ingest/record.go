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
	// Retained messages are the broker's memory of the topic, not news.
	Retained bool
	// FullSize is the payload's length as delivered. It is larger than
	// len(Payload) where the gateway cut a payload that the journal cannot hold.
	FullSize int
}

// Record is what a gateway appends at once: messages in order of arrival.
type Record struct {
	Gateway string
	// First is the number of messages the gateway had appended before this
	// record, ever. Message i is the gateway's message number First+i, counted
	// from 0; nothing else has that number. The ledger finds losses and
	// repetitions by it.
	First    uint64
	Messages []Message
}

// End is the number of messages appended once this record is.
func (r Record) End() uint64 { return r.First + uint64(len(r.Messages)) }

// ErrJournalFull says that the journal is at its budget, or its disk nearly
// full: nothing is lost, but nothing can be added until the loader or an
// operator makes room. The error that wraps it names the setting.
var ErrJournalFull = errors.New("journal is full")

// ErrPosition says that a record's First is not the gateway's position: another
// process of the same name has appended, or what this one sent before it was cut
// off has arrived late. The record is not stored and never will be; the gateway
// must ask for its position and number the messages anew.
var ErrPosition = errors.New("record is not at the gateway's position")

// Appender is the journal as a gateway sees it. One gateway appends from one
// goroutine.
type Appender interface {
	// Append returns nil when the record is as durable as the journal's setting
	// demands. After an error the record may or may not be there: appending the
	// very same record again is safe and does not store it twice.
	Append(ctx context.Context, r Record) error
	// Position is the number of messages the gateway has ever appended: the
	// First of its next record.
	Position(ctx context.Context, gateway string) (uint64, error)
}

// Taker is the journal as the loader sees it. There is one loader.
type Taker interface {
	// Take opens the journal from its oldest record. What an earlier Taken had
	// not acknowledged comes again, in order within each gateway. Only the
	// newest Taken receives records.
	Take(ctx context.Context) (Taken, error)
}

// Taken is a sequence of records being taken from the journal.
type Taken interface {
	// Next waits for the next record. It returns ctx's error when that ends.
	// A record that cannot be read is returned as a Delivery whose Err is set.
	Next(ctx context.Context) (Delivery, error)
	// Processed tells the journal that the gateway's messages up to end have
	// been accounted for, so that the gateway's Position survives even when all
	// its records have left the journal. It must return before they are
	// acknowledged.
	Processed(ctx context.Context, gateway string, end uint64) error
	// Close stops taking; unacknowledged records stay in the journal.
	Close()
}

// Delivery is one record taken from the journal.
type Delivery struct {
	Record Record
	// Err says that the journal's bytes are not a record; Raw then holds them
	// and Record only what is known: the gateway.
	Err error
	Raw []byte
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
	// Positions is, for each gateway, the number of messages ever appended.
	Positions map[string]uint64 `json:"positions"`
}

// JournalInspector reports the journal's state.
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
