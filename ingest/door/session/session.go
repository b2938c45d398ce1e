// Package session keeps what an MQTT broker remembers of its clients: sessions with
// their subscriptions and what waits for them, retained messages, and wills.
//
//	door ──Publish──► subscriptions ──► state ──► queue (durable, bounded) ──► Link ──► client
//	                        │
//	                        └──► retained messages
//
// A session belongs to a user and is named by the user's client id: two users may have
// the same client id and know nothing of each other.
//
// Nobody who publishes waits for a subscriber. What a session's queue has no place for is
// not given to it, counted, and said in the log with its client id; so it is with QoS 0
// where the link has no room.
package session

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Key is whose session it is: clients with another user name have others.
type Key struct{ User, Client string }

// Connect is what a client wants of its session, already checked and bounded.
type Connect struct {
	Key Key
	// Version is MQTT's: 3 (3.1), 4 (3.1.1) or 5.
	Version byte
	// Clean begins anew (Clean Session, Clean Start).
	Clean bool
	// Expiry is how long the session stays after the connection; 0 ends with it. Of
	// MQTT 3 it is 0 with Clean and the longest allowed without. What is longer than
	// Limits.Expiry is cut; [Session.Expiry] is what CONNACK should say.
	Expiry time.Duration
	// ReceiveMaximum bounds messages of QoS 1 and 2 under way to the client,
	// MaximumPacket the packets that it takes; 0 is no bound of its own.
	ReceiveMaximum uint16
	MaximumPacket  uint32
	Will           *Will
	// Internal marks a part of this system; no limit per user applies to it.
	Internal bool
	// Allowed says which filters the client may have, as a session that is present may
	// be of a time when it could have more; nil is all. It must not call back.
	Allowed func(filter string) bool
}

// Will is published when a connection ends otherwise than by the client's own DISCONNECT.
type Will struct {
	Publication
	Delay time.Duration
}

// size is what a will takes, in bytes.
func (w *Will) size() int64 {
	return overhead + int64(len(w.Topic)+len(w.Payload)+propertiesSize(&w.Properties))
}

// Publication is an application message on its way to subscribers.
type Publication struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	// Properties are those of MQTT 5 that travel with the message.
	Properties packets.Properties
	// Received is when it came; it expires Properties.MessageExpiryInterval later.
	Received time.Time
	// From is the session that published it (for No Local, and for QoS 2); nil is none.
	From *Session
	// ID is the packet identifier of QoS 2, which the publisher's session is to remember
	// until its PUBREL.
	ID uint16
	// Journalled says that the journal has it: its publisher is told that it was taken,
	// whatever Code says.
	Journalled bool
	// Code is what [Sessions.Publish] says of it, as PUBACK and PUBREC of MQTT 5 have it:
	// 0; 0x10 where nobody has subscribed; 0x97 where it could not be kept for a session,
	// or not be retained, because a limit is reached, 0x83 because the file cannot be
	// written: then what only subscribers get (a command) has not been taken, and its
	// identifier is not remembered.
	Code byte
}

// Link is a connection as its session sees it. Its methods do not block, and may be
// called with the session's lock held: they must not call back.
type Link interface {
	// Send hands a packet over for writing, and takes it as its own, but for the bytes
	// and properties that it refers to: others have them too, and nobody alters them.
	// False: there is no room; the session keeps the message and goes on when
	// [Session.Writable] is called.
	Send(packets.Packet) bool
	// End ends the connection; MQTT 5 clients are told the reason.
	End(packets.Code)
}
