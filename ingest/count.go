package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tally is a gateway's own count of messages, kept by nobody else and made of nothing
// else: it counts a message before the journal is asked to take it.
type Tally struct {
	// First are messages of QoS 1 and 2 that came for the first time as far as the
	// broker knows, Again those that it says it may have sent before (DUP).
	First uint64 `json:"first"`
	Again uint64 `json:"again"`
	// Unsure came with QoS 0, or were the broker's memory of a topic (retained): the
	// broker owes nobody an account of them.
	Unsure uint64 `json:"unsure"`
	// Excluded were not telemetry: see [Subscription].
	Excluded uint64 `json:"excluded"`
	// Confirmed is how many of First, Again and Unsure the journal has confirmed.
	Confirmed uint64 `json:"confirmed"`
}

// owed is what the broker has an account of.
func (t Tally) owed() uint64 { return t.First + t.Again + t.Excluded }

// Count keeps a gateway's [Tally] in a small file, which is written before the journal
// is asked and again when it has confirmed. It survives the death of the process, and
// with sync the loss of power. A message that was counted and not confirmed when the
// process died comes again, and is counted again: the broker says so, and what the
// broker has not said is what the difference between the two and the journal is. A nil
// Count counts nothing.
type Count struct {
	file *os.File
	boot string

	mu    sync.Mutex
	taken Tally
	// begun is when the count began, Unix nanoseconds: a new file, or the first start
	// after the loss of power without sync.
	begun int64
	// first and under are the number of the record that the journal is being asked to
	// take, and how many messages it has; under is 0 if there is none.
	first, under uint64
	err          error
	buffer       []byte
	// damage is why the file that was there was no count.
	damage error
}

// countSize is the size of a count's file: it is written in place and whole, so that a
// full disk and the death of the process do not hurt it.
const countSize = 512

// OpenCount opens a count's file, or makes it.
func OpenCount(path string, durable bool, now func() time.Time) (*Count, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open gateway's count: %w", err)
	}
	flags := os.O_RDWR | os.O_CREATE
	if durable {
		flags |= os.O_SYNC
	}
	_, absent := os.Stat(path)
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open gateway's count: %w", err)
	}
	c := &Count{file: f, boot: bootID(), buffer: make([]byte, 0, countSize)}
	text := make([]byte, countSize)
	n, _ := f.ReadAt(text, 0) // at the end of the file is an error, too
	boot, err := c.parse(text[:n])
	if absent == nil {
		c.damage = err
	}
	if err != nil || !durable && boot != c.boot {
		// What a machine without power had in memory is not there: the count may be
		// behind what the journal and the broker know, and must not accuse them.
		c.begun = now().UnixNano()
	}
	if err := errors.Join(c.write(), c.err); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

// Damage is why the file that was there when the count was opened could not be read, and
// the count began anew; nil if it could, or there was none.
func (c *Count) Damage() error { return c.damage }

// Close closes the file.
func (c *Count) Close() error { return c.file.Close() }

// bootID tells one start of the machine from another, where that can be known.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(bytes.TrimSpace(id)) == 0 {
		return "unknown"
	}
	return string(bytes.TrimSpace(id))
}

func (c *Count) fields() []*uint64 {
	t := &c.taken
	return []*uint64{&t.First, &t.Again, &t.Unsure, &t.Excluded, &t.Confirmed, &c.first, &c.under}
}

// parse reads the file's text and says during which start of the machine it was
// written. What is damaged is a new count.
func (c *Count) parse(text []byte) (boot string, err error) {
	line, rest, ok := bytes.Cut(text, []byte("\n"))
	sum, _, whole := bytes.Cut(rest, []byte("\n"))
	if !ok || !whole || string(sum) != checksum(line) {
		return "", errors.New("its checksum is wrong")
	}
	words := strings.Fields(string(line))
	if len(words) != 2+len(c.fields()) {
		return "", errors.New("another count")
	}
	if c.begun, err = strconv.ParseInt(words[0], 10, 64); err != nil {
		return "", err
	}
	for i, f := range c.fields() {
		if *f, err = strconv.ParseUint(words[2+i], 10, 64); err != nil {
			return "", err
		}
	}
	return words[1], nil
}

func checksum(line []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(line)) }

// write writes the file. The caller has the lock, or is alone.
func (c *Count) write() error {
	b := strconv.AppendInt(c.buffer[:0], c.begun, 10)
	b = append(append(b, ' '), c.boot...)
	for _, f := range c.fields() {
		b = strconv.AppendUint(append(b, ' '), *f, 10)
	}
	sum := checksum(b)
	b = append(append(append(b, '\n'), sum...), '\n')
	for len(b) < countSize {
		b = append(b, ' ')
	}
	c.buffer = b
	if _, err := c.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write gateway's count %s: %w", c.file.Name(), err)
	}
	return nil
}

// change changes the count and writes it. A count that cannot be written does not stop
// the stream: it is told where the count is asked for.
func (c *Count) change(f func()) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.err = c.write()
}

// take counts the messages of a record that the journal is about to be asked to take.
func (c *Count) take(r Record) {
	c.change(func() {
		for i := range r.Messages {
			switch m := &r.Messages[i]; {
			case m.QoS == 0 || m.Retained:
				c.taken.Unsure++
			case m.Redelivered:
				c.taken.Again++
			default:
				c.taken.First++
			}
		}
		c.first, c.under = r.First, uint64(len(r.Messages))
	})
}

// renumber notes that the record being taken has another number.
func (c *Count) renumber(first uint64) { c.change(func() { c.first = first }) }

// confirm notes that the journal has the record.
func (c *Count) confirm() {
	c.change(func() { c.taken.Confirmed, c.under = c.taken.Confirmed+c.under, 0 })
}

// exclude counts a message that is not telemetry, before it is acknowledged.
func (c *Count) exclude(qos byte, retained bool) {
	if qos > 0 && !retained {
		c.change(func() { c.taken.Excluded++ })
	}
}

// resume settles what became of the record that a process which has died was asking
// the journal to take: a journal that stands at its end has it.
func (c *Count) resume(position uint64) {
	c.change(func() {
		if c.under > 0 && position >= c.first+c.under {
			c.taken.Confirmed += c.under
		}
		c.under = 0
	})
}

// Read gives the count, and when it began; an error says why it is not what it should be.
func (c *Count) Read() (t Tally, begun time.Time, err error) {
	if c == nil {
		return t, begun, errors.New("this process has no count of the gateway's")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken, time.Unix(0, c.begun).UTC(), c.err
}
