package damage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

// MarksFile is the name of the marks in the data folder.
const MarksFile = "marks.json"

// MarkEvery is how often marks are written: what was cut off is known but for what came
// within so long before a crash.
const MarkEvery = 2 * time.Second

// Marks are what a data folder held at a moment.
type Marks struct {
	At time.Time `json:"at"`
	// Parts are the names of the parts that were there.
	Parts []string `json:"parts"`
	// Streams are the broker's, by account and name.
	Streams map[string]Stream `json:"streams,omitempty"`
	// Gateways are how far each gateway was, by its name.
	Gateways map[string]Gateway `json:"gateways,omitempty"`
	// Counted is how many messages the journal had ever counted, of all gateways.
	Counted uint64 `json:"counted,omitempty"`
	// Logs are the ends of the store's logs, by the name of their folder.
	Logs map[string]LogEnd `json:"logs,omitempty"`
	// Blocks are the store's, by their folder.
	Blocks map[string]Block `json:"blocks,omitempty"`
	// Found is what the last start has found and mended, and may not have lived to tell.
	Found []ingest.Finding `json:"found,omitempty"`
}

// Stream is how far a stream had come: the number of its last message, which never goes
// back, and how many messages were in it.
type Stream struct {
	Last     uint64 `json:"last"`
	Messages uint64 `json:"messages"`
}

// Gateway is how many of a gateway's messages had been received and accounted for.
type Gateway struct {
	Received  uint64 `json:"received"`
	Accounted uint64 `json:"accounted"`
}

// LogEnd is the newest segment of a log and its size in bytes; both only grow.
type LogEnd struct {
	Segment int   `json:"segment"`
	Size    int64 `json:"size"`
}

// Block is a block of the store.
type Block struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Samples uint64    `json:"samples"`
}

// Had reports whether a part was there.
func (m Marks) Had(part string) bool { return slices.Contains(m.Parts, part) }

// ReadMarks reads the marks of a data folder; those of a new one are empty.
func ReadMarks(dir string) (m Marks, err error) {
	b, err := os.ReadFile(filepath.Join(dir, MarksFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("read marks: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return Marks{}, fmt.Errorf("read marks %s: %w", filepath.Join(dir, MarksFile), err)
	}
	return m, nil
}

// Write replaces the marks of a data folder; with sync they are on the disk before it
// returns.
func (m Marks) Write(dir string, sync bool) error {
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write marks: %w", err)
	}
	part := filepath.Join(dir, MarksFile+".part")
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("write marks: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil && sync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write marks: %w", errors.Join(err, os.Remove(part)))
	}
	if err := os.Rename(part, filepath.Join(dir, MarksFile)); err != nil {
		return fmt.Errorf("name marks: %w", err)
	}
	if sync {
		return sqlitefile.SyncFolder(dir)
	}
	return nil
}
