package tape

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Version is the format that this package writes. It reads this and none later.
const Version = 1

// Message is one MQTT message as it was received.
type Message struct {
	// At is when it was received, to the microsecond.
	At      time.Time
	Topic   string
	QoS     byte
	Retain  bool
	Payload []byte
}

// Header says what a tape is. It is the first line.
type Header struct {
	Version int `json:"haidang_tape"`
	// Made is when the recording began.
	Made time.Time `json:"made"`
	// Source is where the messages came from, without passwords.
	Source string   `json:"source"`
	Topics []string `json:"topics,omitempty"`
	// Program is what made it.
	Program string `json:"program,omitempty"`
}

// What a tape may not have is not one, or was damaged after it was written; a
// [*FormatError] says where. [ErrCut] is a recording that was ended by force.
var (
	// ErrNotTape is a file that is no tape at all.
	ErrNotTape = errors.New("this is not a tape")
	// ErrNewer is a tape of a version that this program does not know yet.
	ErrNewer = errors.New("the tape is of a newer version: update this program")
	// ErrCut is a tape that ends in the middle of a block, as one whose recording
	// was killed does. What is before the cut was read.
	ErrCut = errors.New("the tape is cut off here; all before this was read")
)

// FormatError is a part of a tape that cannot be read.
type FormatError struct {
	// Offset is where its block begins in the file, Line which line of the block
	// it is, from 1; 0 is the block itself.
	Offset int64
	Line   int
	Err    error
}

func (e *FormatError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d of the block at byte %d: %v", e.Line, e.Offset, e.Err)
	}
	return fmt.Sprintf("block at byte %d: %v", e.Offset, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// line is a message as JSON. Of text and base64 one is there.
type line struct {
	Time   time.Time `json:"time"`
	Topic  string    `json:"topic"`
	QoS    byte      `json:"qos"`
	Retain bool      `json:"retain,omitempty"`
	Text   *string   `json:"text,omitempty"`
	Base64 *string   `json:"base64,omitempty"`
}

// appendLine adds a message to a block's lines.
func appendLine(b *bytes.Buffer, m Message) error {
	l := line{Time: m.At.UTC().Truncate(time.Microsecond), Topic: m.Topic, QoS: m.QoS, Retain: m.Retain}
	if utf8.Valid(m.Payload) {
		s := string(m.Payload)
		l.Text = &s
	} else {
		s := base64.StdEncoding.EncodeToString(m.Payload)
		l.Base64 = &s
	}
	if !utf8.ValidString(m.Topic) {
		return fmt.Errorf("write topic %q: it is not UTF-8, and MQTT allows nothing else", m.Topic)
	}
	e := json.NewEncoder(b) // ends the line itself
	e.SetEscapeHTML(false)
	return e.Encode(l)
}

// parseLine is appendLine the other way round.
func parseLine(b []byte) (Message, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Message{}, fmt.Errorf("read JSON: %w", err)
	}
	m := Message{At: l.Time, Topic: l.Topic, QoS: l.QoS, Retain: l.Retain}
	switch {
	case l.Topic == "":
		return m, errors.New("there is no topic")
	case l.QoS > 2:
		return m, fmt.Errorf("qos is %d: MQTT has 0, 1 and 2", l.QoS)
	case (l.Text == nil) == (l.Base64 == nil):
		return m, errors.New("the payload must be in text or in base64, and not in both")
	case l.Text != nil:
		m.Payload = []byte(*l.Text)
	default:
		p, err := base64.StdEncoding.DecodeString(*l.Base64)
		if err != nil {
			return m, fmt.Errorf("read base64: %w", err)
		}
		m.Payload = p
	}
	return m, nil
}

// A label stands before each block. For zstd it is a frame to be skipped: its
// magic number, the length of what follows, and that.
//
//	0   4  0x184D2A5D, little-endian as everything here
//	4   4  40
//	8   8  "haidang" and the version
//	16  8  length of the block that follows, in bytes
//	24  8  first time in it, µs since 1970
//	32  8  last time in it
//	40  4  how many messages
//	44  4  CRC-32C of bytes 8 to 43
const (
	labelMagic = 0x184D2A5D
	labelSize  = 48
	labelName  = "haidang\x01"
)

type label struct {
	length      int64
	first, last time.Time
	count       uint32
}

// encode writes the label.
func (l label) encode() []byte {
	b := make([]byte, 0, labelSize)
	b = binary.LittleEndian.AppendUint32(b, labelMagic)
	b = binary.LittleEndian.AppendUint32(b, labelSize-8)
	b = append(b, labelName...)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.length))
	b = binary.LittleEndian.AppendUint64(b, uint64(l.first.UnixMicro()))
	b = binary.LittleEndian.AppendUint64(b, uint64(l.last.UnixMicro()))
	b = binary.LittleEndian.AppendUint32(b, l.count)
	return binary.LittleEndian.AppendUint32(b, checksum(b[8:]))
}

// decodeLabel reads a label of labelSize bytes.
func decodeLabel(b []byte) (label, error) {
	le := binary.LittleEndian
	switch {
	case le.Uint32(b) != labelMagic || le.Uint32(b[4:]) != labelSize-8 || !bytes.Equal(b[8:15], []byte(labelName[:7])):
		return label{}, ErrNotTape
	case b[15] != Version:
		return label{}, fmt.Errorf("%w: version %d, and this one knows %d", ErrNewer, b[15], Version)
	case le.Uint32(b[44:]) != checksum(b[8:44]):
		return label{}, errors.New("its label is damaged")
	}
	l := label{length: int64(le.Uint64(b[16:])), first: time.UnixMicro(int64(le.Uint64(b[24:]))).UTC(),
		last: time.UnixMicro(int64(le.Uint64(b[32:]))).UTC(), count: le.Uint32(b[40:])}
	if l.length <= 0 || l.length > maxPacked {
		return label{}, fmt.Errorf("its label says it has %d bytes: damaged", l.length)
	}
	return l, nil
}
