package figures

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// what is computed.
type what string

const (
	hourOf what = "hour" // what is kept of a kind's hour, or its index
	dayOf  what = "day"  // the index of a day
	// aroundOf is which hours beside this one late readings of counters change.
	aroundOf what = "around"
)

// note is something to be computed: of a kind, for the hour or day that ends at a
// moment, Unix seconds. An empty site is all.
type note struct {
	kind telemetry.Kind
	what what
	end  int64
	site telemetry.Site
}

func (n note) endTime() time.Time { return time.Unix(n.end, 0).UTC() }

// maxNotes bounds the notes of single sites; beyond it a note is of all sites,
// of which there are few: a kind has 9600 hours in 400 days.
const maxNotes = 200_000

// notes are what is to be computed, in memory and in the file.
type notes struct {
	path string
	sync bool

	mu     sync.Mutex
	since  map[note]time.Time // when each was last noted
	closed time.Time          // hours until then have been noted
	file   *os.File
	torn   bool // the file does not hold all; it must be written anew
	line   []byte
}

// openNotes reads the file, making it if need be.
func openNotes(path string, sync bool, now time.Time) (*notes, error) {
	n := &notes{path: path, sync: sync, since: map[note]time.Time{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read notes of what is to be computed: %w", err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1] // without a torn end
	lines := bufio.NewScanner(bytes.NewReader(whole))
	for lines.Scan() {
		n.read(lines.Text(), now)
	}
	if err := n.rewrite(); err != nil {
		return nil, err
	}
	return n, nil
}

// read takes one line over. One that is not understood is of a newer version, or
// a disk's fault: the rest is worth more than a stop.
func (n *notes) read(line string, now time.Time) {
	word, rest, _ := strings.Cut(line, " ")
	if word == "closed" {
		if seconds, err := strconv.ParseInt(rest, 10, 64); err == nil {
			n.closed = time.Unix(seconds, 0).UTC()
		}
		return
	}
	f := strings.SplitN(rest, " ", 4)
	if word != "note" || len(f) != 4 {
		return
	}
	end, err1 := strconv.ParseInt(f[2], 10, 64)
	site, err2 := strconv.Unquote(f[3])
	if err1 == nil && err2 == nil {
		n.since[note{telemetry.Kind(f[0]), what(f[1]), end, telemetry.Site(site)}] = now
	}
}

func appendNote(b []byte, k note) []byte {
	b = append(b, "note "...)
	b = append(append(b, k.kind...), ' ')
	b = append(append(b, k.what...), ' ')
	b = append(strconv.AppendInt(b, k.end, 10), ' ')
	return append(strconv.AppendQuote(b, string(k.site)), '\n')
}

// add notes what is not noted yet, and since when what is. It returns once the
// file has it.
func (n *notes) add(now time.Time, all ...note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line = n.line[:0]
	for _, k := range all {
		if len(n.since) >= maxNotes {
			k.site = ""
		}
		if _, known := n.since[k]; !known {
			n.line = appendNote(n.line, k)
			k.site = telemetry.Site(strings.Clone(string(k.site)))
			k.kind = telemetry.Kind(strings.Clone(string(k.kind)))
		}
		n.since[k] = now
	}
	return n.append()
}

// close notes that the hours until a moment have been noted.
func (n *notes) close(until time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = until
	n.line = fmt.Appendf(n.line[:0], "closed %d\n", until.Unix())
	return n.append()
}

// append writes the lines to the file's end; the caller has the lock.
func (n *notes) append() error {
	if n.torn {
		return n.rewrite()
	}
	if len(n.line) == 0 {
		return nil
	}
	_, err := n.file.Write(n.line)
	if err == nil && n.sync {
		err = n.file.Sync()
	}
	if err != nil {
		n.torn = true // its end may be half a line
		return fmt.Errorf("write notes of what is to be computed: %w", err)
	}
	return nil
}

// rewrite writes the file anew; the caller has the lock.
func (n *notes) rewrite() error {
	n.torn = true
	var b []byte
	if !n.closed.IsZero() {
		b = fmt.Appendf(b, "closed %d\n", n.closed.Unix())
	}
	for k := range n.since {
		b = appendNote(b, k)
	}
	temporary := n.path + ".tmp"
	f, err := os.Create(temporary)
	if err != nil {
		return fmt.Errorf("write notes of what is to be computed: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(temporary, n.path)
	}
	if err == nil && n.sync {
		err = syncFolder(filepath.Dir(n.path))
	}
	if err != nil {
		return fmt.Errorf("write notes of what is to be computed: %w", errors.Join(err, f.Close()))
	}
	if n.file != nil {
		n.file.Close() // what it held is in the new one
	}
	n.file, n.torn = f, false
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// noted is a note and when it was last noted.
type noted struct {
	note
	since time.Time
}

// due lists what was last noted until a moment.
func (n *notes) due(until time.Time) []noted {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []noted
	for k, since := range n.since {
		if !since.After(until) {
			out = append(out, noted{k, since})
		}
	}
	return out
}

// settle lets notes go that have not been noted again since; the file keeps them
// until it is compacted.
func (n *notes) settle(done []noted) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range done {
		if n.since[d.note].Equal(d.since) {
			delete(n.since, d.note)
		}
	}
}

// compact writes the file anew without what has been settled.
func (n *notes) compact() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rewrite()
}

func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.since)
}

func (n *notes) closedUntil() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

func (n *notes) closeFile() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.file.Close()
}
