package tape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// blockLines is how many bytes of lines make a block.
	blockLines = 1 << 20
	// maxPacked is the longest block that is believed: one message of the largest
	// size, which zstd could not make smaller.
	maxPacked = 64 << 20
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// File is what a tape is written to, such as an [*os.File].
type File interface {
	Write([]byte) (int, error)
	Sync() error
	Truncate(int64) error
	Close() error
}

// Writer makes a tape. It is not safe for concurrent use.
type Writer struct {
	f    File
	zstd *zstd.Encoder
	// lines are the block's so far.
	lines       bytes.Buffer
	packed      []byte
	first, last time.Time
	count       uint32
	written     int64
	failed      error
}

// Create makes a new tape. A file of that name that exists is left alone.
func Create(path string, h Header) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make tape %s: the file exists, and a recording is never written over: choose another name", path)
	}
	if err != nil {
		return nil, fmt.Errorf("make tape: %w", err)
	}
	w, err := NewWriter(f, h)
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make tape %s: %w", path, err), f.Close(), os.Remove(path))
	}
	return w, nil
}

// syncFolder makes the name of a new file durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// NewWriter makes a tape of a file that is empty, and closes it with the tape.
func NewWriter(f File, h Header) (*Writer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	h.Version = Version
	w := &Writer{f: f, zstd: z, first: h.Made, last: h.Made}
	if err := json.NewEncoder(&w.lines).Encode(h); err != nil {
		return nil, err
	}
	return w, w.Flush()
}

// Write adds a message. It is on disk after the next Flush; after an error
// nothing more can be written, and what was flushed is whole.
func (w *Writer) Write(m Message) error {
	if w.failed != nil {
		return w.failed
	}
	whole := w.lines.Len()
	if err := appendLine(&w.lines, m); err != nil {
		w.lines.Truncate(whole)
		return err
	}
	at := m.At.Truncate(time.Microsecond)
	if w.count == 0 || at.Before(w.first) {
		w.first = at
	}
	if w.count == 0 || at.After(w.last) {
		w.last = at
	}
	w.count++
	if w.lines.Len() >= blockLines {
		return w.Flush()
	}
	return nil
}

// Flush ends the block and syncs it to disk.
func (w *Writer) Flush() error {
	if w.failed != nil || w.lines.Len() == 0 {
		return w.failed
	}
	w.packed = w.zstd.EncodeAll(w.lines.Bytes(), w.packed[:0])
	l := label{length: int64(len(w.packed)), first: w.first, last: w.last, count: w.count}
	_, err := w.f.Write(append(l.encode(), w.packed...))
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		// Half a block is no use to anybody, and on a full disk its space is.
		w.failed = fmt.Errorf("write tape: %w", errors.Join(err, w.f.Truncate(w.written)))
		return w.failed
	}
	w.written += labelSize + l.length
	w.lines.Reset()
	w.count = 0
	return nil
}

// Written is how many bytes are on disk.
func (w *Writer) Written() int64 { return w.written }

// Close flushes and closes the tape.
func (w *Writer) Close() error {
	return errors.Join(w.Flush(), w.zstd.Close(), w.f.Close())
}
