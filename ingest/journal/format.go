package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	magic   = "HDJ"
	version = 2
	// versionBefore had no epoch.
	versionBefore = 1

	flagQoS         = 0b0000_0011
	flagRedelivered = 0b0000_0100
	flagTopicSeen   = 0b0000_1000
	flagCut         = 0b0001_0000
	flagRetained    = 0b0010_0000
	flagKey         = 0b0100_0000
	flagsKnown      = 0b0111_1111

	checksumSize = 4
	// minMessage is a message's least size: flags, time, topic seen, empty payload.
	minMessage = 4
	// maxMillis bounds times to what UnixMilli can express both ways.
	maxMillis = math.MaxInt64 / 1000
)

// CorruptError says that bytes are not a record, and where that shows.
type CorruptError struct {
	// Offset is the number of bytes before the part that cannot be read.
	Offset int
	// Reason is what is wrong with it.
	Reason string
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt record at byte %d: %s", e.Offset, e.Reason)
}

// encoder turns records into bytes and keeps its memory for the next one.
type encoder struct {
	buf    []byte
	topics map[string]uint64
	table  *crc32.Table
}

func newEncoder() *encoder {
	return &encoder{topics: make(map[string]uint64), table: crc32.MakeTable(crc32.Castagnoli)}
}

// encode returns the record's bytes and their checksum. The bytes are valid until
// the next call.
func (e *encoder) encode(r ingest.Record) (data []byte, sum uint32) {
	clear(e.topics)
	var previous int64
	if len(r.Messages) > 0 {
		previous = r.Messages[0].Received.UnixMilli()
	}
	b := append(e.buf[:0], magic...)
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(len(r.Gateway)))
	b = append(b, r.Gateway...)
	b = binary.AppendUvarint(b, uint64(len(r.Epoch)))
	b = append(b, r.Epoch...)
	b = binary.AppendUvarint(b, r.First)
	b = binary.AppendVarint(b, previous)
	b = binary.AppendUvarint(b, uint64(len(r.Messages)))
	for i := range r.Messages {
		m := &r.Messages[i]
		received := m.Received.UnixMilli()
		b = e.appendMessage(b, m, received-previous)
		previous = received
	}
	sum = crc32.Checksum(b, e.table)
	b = binary.LittleEndian.AppendUint32(b, sum)
	e.buf = b
	return b, sum
}

func (e *encoder) appendMessage(b []byte, m *ingest.Message, delta int64) []byte {
	number, seen := e.topics[m.Topic]
	cut := m.FullSize > len(m.Payload)
	flags := m.QoS & flagQoS
	if m.Redelivered {
		flags |= flagRedelivered
	}
	if m.Retained {
		flags |= flagRetained
	}
	if seen {
		flags |= flagTopicSeen
	}
	if cut {
		flags |= flagCut
	}
	if m.Key != 0 {
		flags |= flagKey
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, delta)
	if m.QoS > 0 {
		b = binary.LittleEndian.AppendUint16(b, m.PacketID)
	}
	if m.Key != 0 {
		b = binary.LittleEndian.AppendUint64(b, m.Key)
	}
	if seen {
		b = binary.AppendUvarint(b, number)
	} else {
		e.topics[m.Topic] = uint64(len(e.topics))
		b = binary.AppendUvarint(b, uint64(len(m.Topic)))
		b = append(b, m.Topic...)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Payload)))
	b = append(b, m.Payload...)
	if cut {
		b = binary.AppendUvarint(b, uint64(m.FullSize))
	}
	return b
}

// sumOf is the checksum at the end of a record that Decode has read.
func sumOf(data []byte) uint32 { return binary.LittleEndian.Uint32(data[len(data)-checksumSize:]) }

// Decode reads a record. The messages' payloads are parts of data, which must
// stay as it is while they are used; a message that was not cut has FullSize
// len(Payload). The error is a *CorruptError.
func Decode(data []byte) (ingest.Record, error) {
	d := decoder{data: data}
	r := d.record()
	if d.err != nil {
		return ingest.Record{}, d.err
	}
	return r, nil
}

// decoder reads from front to back; after the first error it reads nothing but
// zeros.
type decoder struct {
	data []byte // without the checksum once that is proved
	at   int
	err  error
}

func (d *decoder) fail(at int, format string, args ...any) {
	if d.err == nil {
		d.err = &CorruptError{Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	d.at = len(d.data)
}

func (d *decoder) record() ingest.Record {
	if len(d.data) < len(magic)+1+checksumSize {
		d.fail(0, "%d bytes are too few for a record", len(d.data))
		return ingest.Record{}
	}
	if string(d.data[:len(magic)]) != magic {
		d.fail(0, "it does not begin with %q", magic)
		return ingest.Record{}
	}
	v := d.data[len(magic)]
	if v != version && v != versionBefore {
		d.fail(len(magic), "version %d is not known, only %d and %d", v, versionBefore, version)
		return ingest.Record{}
	}
	// The checksum comes first: nothing is allocated for bytes that are damaged.
	end := len(d.data) - checksumSize
	want := binary.LittleEndian.Uint32(d.data[end:])
	if have := crc32.Checksum(d.data[:end], crc32.MakeTable(crc32.Castagnoli)); have != want {
		d.fail(end, "checksum is %08x, the bytes have %08x", want, have)
		return ingest.Record{}
	}
	d.data = d.data[:end]
	d.at = len(magic) + 1
	r := ingest.Record{Gateway: string(d.bytes("gateway"))}
	if v != versionBefore {
		r.Epoch = ingest.Epoch(d.bytes("epoch"))
	}
	r.First = d.uvarint("first")
	base := d.millis(0)
	r.Messages = d.messages(r.First, base)
	if d.err == nil && d.at != len(d.data) {
		d.fail(d.at, "%d bytes follow the last message", len(d.data)-d.at)
	}
	return r
}

func (d *decoder) messages(first uint64, received int64) []ingest.Message {
	at := d.at
	count := d.uvarint("count")
	if count > uint64(len(d.data)-d.at)/minMessage {
		d.fail(at, "%d messages cannot fit into %d bytes", count, len(d.data)-d.at)
		return nil
	}
	if first > math.MaxUint64-count {
		d.fail(at, "messages %d and %d more exceed all numbers", first, count)
		return nil
	}
	messages := make([]ingest.Message, count)
	var topics []string
	for i := range messages {
		m := &messages[i]
		at := d.at
		flags := d.byte()
		if flags&^flagsKnown != 0 {
			d.fail(at, "flags %08b are not known", flags)
		}
		received = d.millis(received)
		m.QoS = flags & flagQoS
		m.Redelivered = flags&flagRedelivered != 0
		m.Retained = flags&flagRetained != 0
		m.Received = time.UnixMilli(received).UTC()
		if m.QoS > 0 {
			m.PacketID = d.packetID()
		}
		if flags&flagKey != 0 {
			m.Key = d.key()
		}
		m.Topic, topics = d.topic(flags&flagTopicSeen != 0, topics)
		m.Payload = d.bytes("payload")
		m.FullSize = len(m.Payload)
		if flags&flagCut != 0 {
			m.FullSize = d.fullSize(len(m.Payload))
		}
		if d.err != nil {
			return nil
		}
	}
	return messages
}

func (d *decoder) topic(seen bool, topics []string) (string, []string) {
	if !seen {
		topic := string(d.bytes("topic"))
		return topic, append(topics, topic)
	}
	at := d.at
	number := d.uvarint("topic number")
	if number >= uint64(len(topics)) {
		d.fail(at, "topic number %d of %d", number, len(topics))
		return "", topics
	}
	return topics[number], topics
}

func (d *decoder) fullSize(size int) int {
	at := d.at
	full := d.uvarint("full size")
	if full <= uint64(size) || full > math.MaxInt {
		d.fail(at, "full size %d of a payload cut to %d", full, size)
		return 0
	}
	return int(full)
}

func (d *decoder) packetID() uint16 {
	const size = 2
	if len(d.data)-d.at < size {
		d.fail(d.at, "packet identifier is cut off")
		return 0
	}
	d.at += size
	return binary.LittleEndian.Uint16(d.data[d.at-size:])
}

// key reads a key; that of a message without one is not written.
func (d *decoder) key() uint64 {
	const size = 8
	if len(d.data)-d.at < size {
		d.fail(d.at, "key is cut off")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.data[d.at:])
	if v == 0 {
		d.fail(d.at, "key is 0, which is none")
		return 0
	}
	d.at += size
	return v
}

// millis reads a time as the difference to another one.
func (d *decoder) millis(since int64) int64 {
	at := d.at
	v, n := binary.Varint(d.data[d.at:])
	if n <= 0 {
		d.fail(at, "time is cut off or too long")
		return 0
	}
	d.at += n
	// Both are within ±maxMillis or fail here, so the sum cannot overflow.
	if v < -2*maxMillis || v > 2*maxMillis || since+v < -maxMillis || since+v > maxMillis {
		d.fail(at, "time is out of range")
		return 0
	}
	return since + v
}

func (d *decoder) byte() byte {
	if d.at >= len(d.data) {
		d.fail(d.at, "message is cut off")
		return 0
	}
	v := d.data[d.at]
	d.at++
	return v
}

func (d *decoder) uvarint(what string) uint64 {
	v, n := binary.Uvarint(d.data[d.at:])
	if n <= 0 {
		d.fail(d.at, "%s is cut off or too long", what)
		return 0
	}
	d.at += n
	return v
}

// bytes reads a length and so many bytes; the result is part of the data.
func (d *decoder) bytes(what string) []byte {
	at := d.at
	n := d.uvarint(what)
	if n > uint64(len(d.data)-d.at) {
		d.fail(at, "%s of %d bytes is cut off", what, n)
		return nil
	}
	b := d.data[d.at : d.at+int(n) : d.at+int(n)]
	d.at += int(n)
	return b
}
