// Package journal is the durable log between gateways and the loader: a NATS
// JetStream stream, embedded in the process or on a cluster. No other package
// knows JetStream's client.
//
//	gateway ──Append──► subject haidang.journal.<epoch>.<gateway> ──► stream HAIDANG_JOURNAL ──Take──► loader
//	                                                                                                    │
//	Position ◄── the larger of ◄── end of the last record in the stream                                 │
//	                          ◄── bucket HAIDANG_POSITIONS ◄────────────────────────────────Processed───┘
//
// # Concept
//
// The stream is a work queue: what the loader has acknowledged leaves it. It has
// a budget of bytes, and when that is used up it refuses new records; it never
// drops old ones.
//
// The stream has an epoch, ten random characters in its subject. It is drawn when the
// stream is made, and another one when its count cannot be trusted any more (Rotate).
// Within an epoch every gateway counts from 0, and numbers of two epochs are never
// compared. Because it is the subject, the server itself refuses what any process
// still appends in a former one, and the last record of each epoch can be looked up.
// A stream of before there were epochs keeps its subject haidang.journal.<gateway>
// beside the new one: its records, and those of gateways that still run, have the
// epoch "".
//
// # Guarantee
//
// A record whose Append has returned nil comes out of Take until it has been
// acknowledged, through the death of any process at any moment. Through loss of
// power too, if the server syncs always (for the embedded one that is the
// setting durability: power) or has replicas on other machines.
//
// A record is stored once however often it is appended: the server recognises a
// repetition by the record's name (gateway and first number) for some minutes,
// and after an append of which the outcome is unknown the journal looks at what
// is stored before it tries again.
//
// A gateway's Position never goes back within an epoch and never runs ahead of what
// was appended: a record's end is in the stream until the loader removes it, and the
// loader writes the end to the bucket before that. A value of the bucket carries a
// checksum; one that is damaged is not believed, and a new epoch begins. A stream or
// bucket that is deleted under a running process is made anew.
//
// # Format
//
// One record is one JetStream message. Its header tells what can be known without
// the body:
//
//	Nats-Msg-Id     <gateway>/<epoch>/<first>
//	Haidang-Record  <first> <count> <checksum, 8 hex digits> <epoch>
//
// The body, with integers as in encoding/binary's uvarint (u) and varint (v):
//
//	┌──────────┬───────────┬─────────┬───────────┬─────────┬──────────┬───────────┬──────────┬─────────────┬──────────────┐
//	│ magic    │ length of │ gateway │ length of │ epoch   │ first u  │ received  │ count u  │ messages …  │ CRC-32C of   │
//	│ "HDJ" 02 │ gateway u │ (bytes) │ epoch u   │ (bytes) │          │ ms v      │          │             │ the above LE │
//	└──────────┴───────────┴─────────┴───────────┴─────────┴──────────┴───────────┴──────────┴─────────────┴──────────────┘
//	  4 bytes                                                           of message 0                         4 bytes
//
//	message:
//	┌────────┬──────────────┬───────────────┬─────────────┬────────────────────────────┬───────────┬─────────┬──────────────┐
//	│ flags  │ ms since the │ packet        │ key LE      │ topic: length u and bytes, │ length of │ payload │ full size u, │
//	│ 1 byte │ previous v   │ identifier LE │             │ or, if seen, its number u  │ payload u │ (bytes) │ if cut       │
//	└────────┴──────────────┴───────────────┴─────────────┴────────────────────────────┴───────────┴─────────┴──────────────┘
//	                          2 bytes,        8 bytes,
//	                          if QoS > 0      if keyed
//
//	flags:
//	┌─7─┬───6───┬─────5────┬──4──┬─────3──────┬──────2──────┬─1───0─┐
//	│ 0 │ keyed │ retained │ cut │ topic seen │ redelivered │  QoS  │
//	└───┴───────┴──────────┴─────┴────────────┴─────────────┴───────┘
//
// Topics are numbered from 0 in the order in which they first occur in the record.
// The last byte of the magic is the version; version 1 has no epoch.
//
// A value of the bucket is position.<gateway>.<epoch> → "<end> <CRC-32C of "gateway
// epoch end", 8 hex digits>", and of before there were epochs position.<gateway> →
// "<end>".
package journal
