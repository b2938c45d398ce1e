package embedded

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// A segment of the TSDB's logs is pages of 32 KiB, in which records lie in fragments
// (tsdb/docs/format/wal.md):
//
//	┌─────────────────────────────┬────────────────┬──────────────┬──────┐
//	│ type, 3 bits, and           │ length of data │ CRC-32C of   │ data │
//	│ compression, 2 bits: 1 byte │ 2 bytes BE     │ data, 4 BE   │      │
//	└─────────────────────────────┴────────────────┴──────────────┴──────┘
//
// The TSDB throws away all that comes behind the first damaged fragment, in this segment
// and in all later ones. But what comes behind is whole: each fragment has a checksum of
// its own, and each page begins with one.
const (
	logPage     = 32 << 10
	logHead     = 7
	logTypeMask = 7
	logSnappy   = 1 << 3
	logZstd     = 1 << 4

	logPageEnd = 0
	logFull    = 1
	logFirst   = 2
	logLast    = 4
)

// brokenPiece is what of a segment cannot be read.
type brokenPiece struct {
	from, to int
	// size is how many bytes of it are not padding.
	size int
	// guess is a record whose checksum is wrong, decompressed as well as it goes; it
	// only serves to say what was lost. Nil if nothing can be made of it.
	guess []byte
	// torn says that it is the end of the file: what a killed process, or a full disk,
	// leaves of a record that nobody was told is written.
	torn bool
}

// segmentReader reads all of a segment that can be read.
type segmentReader struct {
	data    []byte
	table   *crc32.Table
	buffer  compression.DecodeBuffer
	pending []byte // of a record in several fragments
	begun   int    // where that record begins, -1 if none is pending
	// record is called with each whole record, valid until it returns; piece with what
	// is broken, in the order of the file.
	record func(r []byte) error
	piece  func(brokenPiece)
}

// readSegment reads a file. record may be nil.
func readSegment(path string, record func(r []byte) error, piece func(brokenPiece)) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	r := segmentReader{data: data, table: crc32.MakeTable(crc32.Castagnoli), buffer: compression.NewSyncDecodeBuffer(), begun: -1, record: record, piece: piece}
	return r.read()
}

func (r *segmentReader) read() error {
	for at := 0; at < len(r.data); {
		next, err := r.fragment(at)
		if err != nil {
			return err
		}
		at = next
	}
	if r.begun >= 0 {
		r.piece(brokenPiece{from: r.begun, to: len(r.data), torn: true})
	}
	return nil
}

// fragment reads the one at a place and returns where the next is.
func (r *segmentReader) fragment(at int) (next int, err error) {
	pageEnd := min(at-at%logPage+logPage, len(r.data))
	head := r.data[at]
	if head&logTypeMask == logPageEnd {
		// Padding begins behind a record; a page of nothing but zeros with others behind
		// it was overwritten.
		zeros := allZero(r.data[at:pageEnd])
		if zeros && (at%logPage != 0 || allZero(r.data[pageEnd:])) {
			return pageEnd, nil
		}
		return r.skip(at, pageEnd, nil), nil
	}
	length := 0
	if at+logHead <= pageEnd {
		length = int(binary.BigEndian.Uint16(r.data[at+1:]))
	}
	end := at + logHead + length
	if at+logHead > pageEnd || end > pageEnd || head&logTypeMask > logLast {
		if pageEnd == len(r.data) && pageEnd%logPage != 0 && head&logTypeMask <= logLast && end > pageEnd {
			r.abandon(at)
			r.piece(brokenPiece{from: at, to: pageEnd, torn: true})
			return pageEnd, nil
		}
		return r.skip(at, pageEnd, nil), nil
	}
	data := r.data[at+logHead : end]
	if crc32.Checksum(data, r.table) != binary.BigEndian.Uint32(r.data[at+3:]) {
		var guess []byte
		if head&logTypeMask == logFull {
			guess, _ = compression.Decode(compressionOf(head), data, r.buffer) // any error: nothing can be made of it
		}
		return r.skip(at, pageEnd, guess), nil
	}
	return end, r.good(at, end, head, data)
}

// skip gives up what lies at a place up to the next fragment of the page that is whole,
// or to the page's end.
func (r *segmentReader) skip(at, pageEnd int, guess []byte) (next int) {
	for next = at + 1; next < pageEnd && !r.whole(next, pageEnd); next++ {
	}
	r.broken(at, next, guess)
	return next
}

// whole reports whether a fragment that is not empty is at a place.
func (r *segmentReader) whole(at, pageEnd int) bool {
	kind := r.data[at] & logTypeMask
	if kind == logPageEnd || kind > logLast || at+logHead > pageEnd {
		return false
	}
	length := int(binary.BigEndian.Uint16(r.data[at+1:]))
	end := at + logHead + length
	return length > 0 && end <= pageEnd && crc32.Checksum(r.data[at+logHead:end], r.table) == binary.BigEndian.Uint32(r.data[at+3:])
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// good takes a fragment whose checksum is right.
func (r *segmentReader) good(at, end int, head byte, data []byte) error {
	kind := head & logTypeMask
	if kind == logFull || kind == logFirst {
		r.abandon(at)
		r.begun, r.pending = at, r.pending[:0]
	}
	if r.begun < 0 { // the beginning of its record was broken
		r.broken(at, end, nil)
		return nil
	}
	r.pending = append(r.pending, data...)
	if kind != logFull && kind != logLast {
		return nil
	}
	begun := r.begun
	r.begun = -1
	if r.record == nil {
		return nil
	}
	whole, err := compression.Decode(compressionOf(head), r.pending, r.buffer)
	if err != nil {
		r.broken(begun, end, nil)
		return nil
	}
	return r.record(whole)
}

// abandon gives up a record that ends before a place without its last fragment.
func (r *segmentReader) abandon(at int) {
	if r.begun >= 0 {
		r.piece(brokenPiece{from: r.begun, to: at, size: at - r.begun})
		r.begun = -1
	}
}

func (r *segmentReader) broken(from, to int, guess []byte) {
	r.abandon(from)
	size := len(bytes.Trim(r.data[from:to], "\x00"))
	if size == 0 { // a page that was overwritten held something
		size = to - from
	}
	r.piece(brokenPiece{from: from, to: to, size: size, guess: guess})
}

func compressionOf(head byte) compression.Type {
	switch {
	case head&logSnappy != 0:
		return compression.Snappy
	case head&logZstd != 0:
		return compression.Zstd
	}
	return compression.None
}

// LogEnd is the newest segment of a log and its size in bytes.
type LogEnd struct {
	Segment int
	Size    int64
}

// LogEnds says where the store's logs end, by the name of their folder.
func LogEnds(dir string) map[string]LogEnd {
	out := map[string]LogEnd{}
	for _, name := range logNames() {
		folder := logFolder(dir, name)
		_, last, err := wlog.Segments(folder)
		if err != nil || last < 0 {
			continue // a log that is not there yet
		}
		if info, err := os.Stat(wlog.SegmentName(folder, last)); err == nil {
			out[name] = LogEnd{last, info.Size()}
		}
	}
	return out
}
