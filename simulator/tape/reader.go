package tape

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxLine bounds one message: MQTT's largest payload in base64 and its topic
	// would be more, but no broker of ours takes that.
	maxLine = 32 << 20
	// maxWindow bounds what decompressing may take.
	maxWindow = 128 << 20
)

// Reader reads a tape. It is not safe for concurrent use.
type Reader struct {
	r      io.ReaderAt
	size   int64
	close  func() error
	header Header
	zstd   *zstd.Decoder

	from   time.Time
	at     int64 // where the next block's label begins
	block  label
	begins int64 // where the present block's label begins
	lines  *bufio.Scanner
	line   int
	cut    bool
}

// Open opens a tape and reads its header.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open tape: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no ordinary file, and a tape is read from many places of it")
	}
	var r *Reader
	if err == nil {
		r, err = newReader(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open tape %s: %w", path, err), f.Close())
	}
	r.close = f.Close
	return r, nil
}

func newReader(at io.ReaderAt, size int64) (*Reader, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	r := &Reader{r: at, size: size, zstd: z, close: func() error { return nil }}
	if err := r.enter(); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, ErrCut) {
			err = fmt.Errorf("%w: it is empty, or ends within its header", ErrNotTape)
		}
		return nil, err
	}
	if !r.lines.Scan() {
		return nil, fmt.Errorf("%w: it has no header", ErrNotTape)
	}
	if r.header, err = parseHeader(r.lines.Bytes()); err != nil {
		return nil, err
	}
	r.line++
	return r, nil
}

func parseHeader(b []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(b, &h); err != nil || h.Version == 0 {
		return h, fmt.Errorf("%w: its first line is no header", ErrNotTape)
	}
	if h.Version > Version {
		return h, fmt.Errorf("%w: version %d, and this one knows %d", ErrNewer, h.Version, Version)
	}
	return h, nil
}

// Header is what the tape says of itself.
func (r *Reader) Header() Header { return r.header }

// Close closes the file.
func (r *Reader) Close() error {
	r.zstd.Close()
	return r.close()
}

// From has Next begin with the first message received at the time or later.
// Blocks before are not decompressed.
func (r *Reader) From(t time.Time) {
	r.from, r.at, r.lines, r.cut = t, 0, nil, false
}

// Next is the next message. io.EOF is the end; [ErrCut] is the end of a tape
// that was cut off.
func (r *Reader) Next() (Message, error) {
	for {
		if r.lines == nil {
			if err := r.enter(); err != nil {
				return Message{}, err
			}
		}
		for r.lines.Scan() {
			r.line++
			b := r.lines.Bytes()
			if r.block.count == 0 {
				continue // a header, also one in the midst of joined tapes
			}
			m, err := parseLine(b)
			if err != nil {
				if r.cut { // the line that the cut went through
					return Message{}, ErrCut
				}
				return Message{}, &FormatError{Offset: r.begins, Line: r.line, Err: err}
			}
			if !m.At.Before(r.from) {
				return m, nil
			}
		}
		err := r.lines.Err()
		r.lines = nil
		switch {
		case r.cut:
			r.at = r.size
			return Message{}, ErrCut
		case err != nil:
			return Message{}, &FormatError{Offset: r.begins, Line: r.line + 1, Err: err}
		}
	}
}

// enter begins the next block that can hold what is wanted.
func (r *Reader) enter() error {
	for {
		l, err := r.label(r.at)
		if err != nil {
			return err
		}
		r.begins = r.at
		r.at += labelSize + l.length
		if l.count > 0 && l.last.Before(r.from) {
			continue
		}
		r.block, r.line = l, 0
		r.cut = r.at > r.size
		part := io.NewSectionReader(r.r, r.begins+labelSize, min(l.length, r.size-r.begins-labelSize))
		if err := r.zstd.Reset(part); err != nil {
			return &FormatError{Offset: r.begins, Err: fmt.Errorf("decompress: %w", err)}
		}
		r.lines = bufio.NewScanner(r.zstd)
		r.lines.Buffer(make([]byte, 0, 64<<10), maxLine)
		if r.cut {
			// A line without its end must not be taken for a whole one.
			r.lines.Split(wholeLines)
		}
		return nil
	}
}

// wholeLines is bufio.ScanLines but for a last line that is not ended.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if bytes.IndexByte(data, '\n') < 0 && atEOF {
		return len(data), nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// label reads the label at an offset.
func (r *Reader) label(at int64) (label, error) {
	if at >= r.size {
		return label{}, io.EOF
	}
	b := make([]byte, labelSize)
	n, err := r.r.ReadAt(b, at)
	if n < labelSize {
		if err != nil && !errors.Is(err, io.EOF) {
			return label{}, fmt.Errorf("read tape: %w", err)
		}
		if at == 0 {
			return label{}, ErrNotTape
		}
		r.at = r.size
		return label{}, ErrCut
	}
	l, err := decodeLabel(b)
	if err != nil && at > 0 {
		return label{}, &FormatError{Offset: at, Err: fmt.Errorf("%w: the tape is damaged here", err)}
	}
	return l, err
}

// Span is what a tape holds.
type Span struct {
	// First and Last are the times of the first and last message.
	First, Last time.Time
	Messages    uint64
	Blocks      int
	Bytes       int64
	// Cut says that the tape ends in the middle of a block. What can be read of it
	// is counted.
	Cut bool
}

// Span reads all labels; only a block that is cut off is decompressed. Next then
// begins anew.
func (r *Reader) Span() (Span, error) {
	s := Span{Bytes: r.size}
	for at := int64(0); ; {
		l, err := r.label(at)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if errors.Is(err, ErrCut) || err == nil && at+labelSize+l.length > r.size {
			s.Cut = true
			return s, r.countCut(&s, at)
		}
		if err != nil {
			return s, err
		}
		at += labelSize + l.length
		if l.count == 0 {
			continue
		}
		s.Blocks++
		s.Messages += uint64(l.count)
		s.include(l.first, l.last)
	}
}

// include widens the span.
func (s *Span) include(first, last time.Time) {
	if s.First.IsZero() || first.Before(s.First) {
		s.First = first
	}
	if last.After(s.Last) {
		s.Last = last
	}
}

// countCut adds what can be read of the block at an offset.
func (r *Reader) countCut(s *Span, at int64) error {
	r.From(time.Time{})
	defer r.From(r.from)
	r.at = at
	for {
		m, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, ErrCut):
			return nil
		case err != nil:
			return err
		}
		s.Messages++
		s.include(m.At, m.At)
	}
}
