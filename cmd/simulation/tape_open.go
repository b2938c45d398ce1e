package simulation

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/table"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// input is an open file, unpacked; it counts what is read of it as it is on disk.
type input struct {
	text *bufio.Reader
	f    *os.File
	size int64
	read atomic.Int64
}

// Read implements io.Reader, of the file as it is.
func (i *input) Read(b []byte) (int, error) {
	n, err := i.f.Read(b)
	i.read.Add(int64(n))
	return n, err
}

func (i *input) close() error {
	if i.f == os.Stdin {
		return nil
	}
	return i.f.Close()
}

// progress is how far the file is read.
func (i *input) progress() string {
	if i.size == 0 {
		return terminal.BytesText(i.read.Load()) + " read"
	}
	return fmt.Sprintf("%s  %s of %s read", terminal.ProgressBar(min(1, float64(i.read.Load())/float64(i.size))), terminal.BytesText(i.read.Load()), terminal.BytesText(i.size))
}

// isCity reports whether what is read is the running city's.
func (c *tapeConvert) isCity() bool {
	return slices.Contains([]string{"quarantine", "journal", "store"}, c.In)
}

// openInput opens the file, or the standard input for -.
func (c *tapeConvert) openInput() (*input, error) {
	i := &input{f: os.Stdin}
	if c.In != "-" {
		var err error
		if i.f, err = os.Open(c.In); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				err = fmt.Errorf("%w: give a file, or one of quarantine, journal and store", err)
			}
			return nil, err
		}
	}
	if info, err := i.f.Stat(); err == nil && info.Mode().IsRegular() {
		i.size = info.Size()
	} else if err == nil && info.IsDir() {
		return nil, errors.Join(fmt.Errorf("read %s: it is a folder: give a file in it", c.In), i.close())
	}
	text, err := table.Unpack(i)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", c.In, err), i.close())
	}
	i.text = text
	return i, nil
}

// recordedForm tells what a file is by its beginning. A file that is no form of
// messages is a table: then the source is nil.
func (c *tapeConvert) recordedForm(in *input) (source, error) {
	head, err := in.text.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read %s: %w", c.In, err)
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	if bytes.HasPrefix(text, []byte("{")) {
		first, _, _ := bytes.Cut(text, []byte("\n"))
		var keys map[string]json.RawMessage
		if json.Unmarshal(first, &keys) == nil && keys["topic"] != nil {
			return newJSONRecording(c.In, in.text, c.Strict), nil
		}
		return readSeries(c.In, in.text, in.size)
	}
	rows := csv.NewReader(bytes.NewReader(text))
	rows.FieldsPerRecord, rows.LazyQuotes = -1, true
	var sample [][]string
	for len(sample) < 100 {
		row, err := rows.Read()
		if err != nil {
			break
		}
		sample = append(sample, row)
	}
	if len(sample) > 1 { // the last may be cut
		sample = sample[:len(sample)-1]
	}
	switch {
	case len(sample) > 0 && slices.Contains(sample[0], "time") && slices.Contains(sample[0], "topic"):
		return openCSV(c.In, in.text)
	case len(sample) > 0 && isMQTTRecorder(sample[0]):
		return newMQTTRecorder(c.In, in.text, payloadsInBase64(sample), c.Strict), nil
	}
	return nil, nil
}

// isTape reports whether the file is a tape, by its first bytes or, where it cannot
// be read as anything else, by its name.
func (c *tapeConvert) isTape() bool {
	if strings.EqualFold(filepath.Ext(c.In), ".tape") {
		return true
	}
	f, err := os.Open(c.In)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	_, err = io.ReadFull(f, head)
	return err == nil && bytes.Equal(head, []byte{0x5d, 0x2a, 0x4d, 0x18})
}

// openCity opens what the running city has.
func (c *tapeConvert) openCity(ctx context.Context) (source, error) {
	switch c.In {
	case "quarantine":
		return newPages(ctx, c.quarantinePage()), nil
	case "journal":
		return newPages(ctx, c.journalPage()), nil
	default:
		return c.openStore(ctx)
	}
}

// openTape opens a tape where the first time asked for is.
func (c *tapeConvert) openTape() (source, error) {
	r, err := tape.Open(c.In)
	if err != nil {
		return nil, err
	}
	r.From(time.Time(c.From))
	return r, nil
}
