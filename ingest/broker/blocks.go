package broker

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// A block is a file of records, which nats-server (v2.15) writes one behind the other,
// integers in little endian:
//
//	┌──────────────┬──────────┬───────────┬──────────────┬─────────┬─────────────────────┬──────┬───────────────┐
//	│ length of it │ sequence │ time (ns) │ length of    │ subject │ header, if flagged: │ body │ HighwayHash64 │
//	│ and flag     │ and flags│           │ the subject  │         │ length and bytes    │      │               │
//	└──────────────┴──────────┴───────────┴──────────────┴─────────┴─────────────────────┴──────┴───────────────┘
//	  4 bytes        8 bytes    8 bytes     2 bytes                  4 bytes and more             8 bytes
//
// The hash is of sequence, time, subject, header and body, and its key the SHA-256 of
// <stream>-<number of the block>. On the first record that is damaged the server cuts
// the rest of the block off, and uses its sequences again.
const (
	recordHead = 22
	recordHash = 8
	lengthSize = 4

	flagHeader    = 1 << 31
	flagErased    = 1 << 63
	flagTombstone = 1 << 62

	// longest is more than any record has; the server's own bound.
	longest = 32 << 20
	// mostErased bounds how many sequences are written as erased for one damaged piece.
	mostErased = 1 << 20
)

// blockRecord is a record as far as its head says.
type blockRecord struct {
	length    int
	sequence  uint64 // without flags
	erased    bool
	tombstone bool
}

// piece is a part of a block that is no record.
type piece struct {
	from, to int
	// after and before are the sequences around it; before is 0 at the end.
	after, before uint64
	// torn says that it is the beginning of one record at the end of the file, which is
	// what a killed process leaves of one that nobody has an acknowledgement of.
	torn bool
}

// block is what was read of a file.
type block struct {
	hash   hash.Hash64
	data   []byte
	pieces []piece
	// removed are the sequences that tombstones and erased records name. last is the
	// highest of a record, top the highest of anything.
	removed   []uint64
	last, top uint64
}

// blockHash is the hash of a block's records.
func blockHash(stream string, number int) (hash.Hash64, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, number))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return nil, fmt.Errorf("hash block %d of %s: %w", number, stream, err)
	}
	return h, nil
}

// blockNumber is the number in a block's name.
func blockNumber(path string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".blk"))
	if err != nil {
		return 0, fmt.Errorf("read name of block: %w", err)
	}
	return n, nil
}

// readBlock reads a block and finds what of it is damaged.
func readBlock(stream, path string) (*block, error) {
	number, err := blockNumber(path)
	if err != nil {
		return nil, err
	}
	b := &block{}
	if b.hash, err = blockHash(stream, number); err != nil {
		return nil, err
	}
	if b.data, err = os.ReadFile(path); err != nil {
		return nil, fmt.Errorf("read block: %w", err)
	}
	for at := 0; at < len(b.data); {
		r, ok := b.record(at)
		if !ok {
			at = b.skip(at)
			continue
		}
		b.note(r)
		at += r.length
	}
	return b, nil
}

// note takes a good record in.
func (b *block) note(r blockRecord) {
	b.top = max(b.top, r.sequence)
	if r.tombstone {
		b.removed = append(b.removed, r.sequence)
		return
	}
	if r.erased {
		b.removed = append(b.removed, r.sequence)
	}
	b.last = max(b.last, r.sequence)
}

// record reads the record at a place; ok says that it is whole and its hash right.
func (b *block) record(at int) (r blockRecord, ok bool) {
	if len(b.data)-at < recordHead {
		return r, false
	}
	head := b.data[at : at+recordHead]
	length := binary.LittleEndian.Uint32(head)
	header := length&flagHeader != 0
	r.length = int(length &^ flagHeader)
	subject := int(binary.LittleEndian.Uint16(head[20:]))
	body := recordHead + subject
	if header {
		body += lengthSize
	}
	if r.length > longest || body > r.length-recordHash {
		return r, false
	}
	sequence := binary.LittleEndian.Uint64(head[4:])
	r.erased, r.tombstone = sequence&flagErased != 0, sequence&flagTombstone != 0
	r.sequence = sequence &^ (flagErased | flagTombstone)
	if r.length > len(b.data)-at {
		return r, false
	}
	b.hash.Reset()
	b.hash.Write(head[4:20])
	b.hash.Write(b.data[at+recordHead : at+recordHead+subject])
	b.hash.Write(b.data[at+body : at+r.length-recordHash])
	return r, b.hash.Sum64() == binary.LittleEndian.Uint64(b.data[at+r.length-recordHash:])
}

// skip notes the damaged piece at a place and returns where the next good record is:
// where this one's length says, or the first one behind that can be found.
func (b *block) skip(at int) int {
	p := piece{from: at, to: len(b.data), after: b.last}
	r, _ := b.record(at)
	if r.length >= recordHead+recordHash && r.length < len(b.data)-at {
		if _, ok := b.record(at + r.length); ok {
			p.to = at + r.length
		}
	}
	for next := at + 1; p.to == len(b.data) && next < len(b.data)-recordHead; next++ {
		if n, ok := b.record(next); ok && n.length >= recordHead+recordHash && n.sequence > b.last {
			p.to = next
		}
	}
	if p.to == len(b.data) {
		p.torn = r.length > len(b.data)-at && r.length <= longest || len(b.data)-at < recordHead
	} else {
		p.before = b.following(p.to)
	}
	b.pieces = append(b.pieces, p)
	return p.to
}

// following is the sequence of the first record from a place that has a place in the
// order; 0 if there is none.
func (b *block) following(at int) uint64 {
	for at < len(b.data) {
		r, ok := b.record(at)
		if !ok {
			return 0
		}
		if !r.tombstone {
			return r.sequence
		}
		at += r.length
	}
	return 0
}

// lost are the sequences that a piece held.
func (b *block) lost(p piece) (all []uint64) {
	if p.before == 0 {
		if p.torn {
			return nil
		}
		return []uint64{p.after + 1}
	}
	for s := p.after + 1; s < p.before && len(all) < mostErased; s++ {
		if p.after > 0 || s+1 == p.before { // before the first record nobody knows where it began
			all = append(all, s)
		}
	}
	return all
}

// mended is the block with an erased record for each sequence that is lost, so that the
// server keeps all others and uses none again.
func (b *block) mended() []byte {
	out, at := make([]byte, 0, len(b.data)), 0
	for _, p := range b.pieces {
		out = append(out, b.data[at:p.from]...)
		for _, s := range b.lost(p) {
			out = b.appendErased(out, s)
		}
		at = p.to
	}
	return append(out, b.data[at:]...)
}

func (b *block) appendErased(out []byte, sequence uint64) []byte {
	var head [recordHead]byte
	binary.LittleEndian.PutUint32(head[:], recordHead+recordHash)
	binary.LittleEndian.PutUint64(head[4:], sequence|flagErased)
	b.hash.Reset()
	b.hash.Write(head[4:20])
	return binary.LittleEndian.AppendUint64(append(out, head[:]...), b.hash.Sum64())
}
