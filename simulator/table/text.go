package table

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const (
	// sniffed is how much of a file is looked at to guess what it is.
	sniffed = 256 << 10
	// maxRow bounds a row, so that a quote that is never closed does not take the
	// rest of the file into memory.
	maxRow = 1 << 20
	// maxWindow bounds what decompressing may take.
	maxWindow = 128 << 20
)

// encodings are the names that a mapping may give.
func encodings() []string {
	return []string{"utf-8", "utf-16le", "utf-16be", "windows-1258", "windows-1252"}
}

// Unpack decompresses gzip and zstd, told by their first bytes, and refuses what
// is no text.
func Unpack(r io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(r, sniffed)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read file: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("unpack gzip: %w", err)
		}
		return bufio.NewReaderSize(z, sniffed), nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("unpack zstd: %w", err)
		}
		return bufio.NewReaderSize(z, sniffed), nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil, errors.New("this is a ZIP file or a spreadsheet: unpack it, or save the sheet as CSV")
	case bytes.HasPrefix(head, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		return nil, errors.New("this is an old spreadsheet (XLS): save the sheet as CSV")
	case bytes.HasPrefix(head, []byte("%PDF")):
		return nil, errors.New("this is a PDF: a table as text is needed, such as CSV")
	}
	return b, nil
}

// detect says how the text at the beginning of r is encoded, and what speaks
// against it, if anything.
func detect(r *bufio.Reader) (name, doubt string, err error) {
	head, err := r.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return "", "", fmt.Errorf("read file: %w", err)
	}
	zeros := [2]int{}
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	switch {
	case len(head) == 0:
		return "", "", errors.New("the file is empty")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}) || zeros[1] > len(head)/4:
		return "utf-16le", "", nil
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}) || zeros[0] > len(head)/4:
		return "utf-16be", "", nil
	case zeros[0]+zeros[1] > 0:
		return "", "", errors.New("the file is no text: there are zero bytes in it")
	case utf8.Valid(withoutCut(head)):
		return "utf-8", "", nil
	case bytes.ContainsAny(head, "\xcc\xd2\xde\xec\xf2\xd0\xf0\xf5\xfd"): // Windows-1258's tone marks, đ, ơ and ư
		return "windows-1258", "the text is not UTF-8 and taken for Vietnamese of Windows (windows-1258)", nil
	default:
		return "windows-1252", "the text is not UTF-8 and taken for western European of Windows (windows-1252)", nil
	}
}

// withoutCut leaves out a character that the end of what was read went through.
func withoutCut(b []byte) []byte {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return b[:len(b)-n]
			}
			break
		}
	}
	return b
}

// decoded is the text as UTF-8, without a byte order mark.
func decoded(r io.Reader, name string) (io.Reader, error) {
	var e encoding.Encoding
	switch name {
	case "utf-8":
		e = unicode.UTF8BOM
	case "utf-16le":
		e = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-16be":
		e = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "windows-1258":
		e = charmap.Windows1258
	case "windows-1252":
		e = charmap.Windows1252
	default:
		return nil, fmt.Errorf("encoding %q is not known: there are %s", name, strings.Join(encodings(), ", "))
	}
	return e.NewDecoder().Reader(r), nil
}

// row is one line of a table, the first of the file being 1.
type row struct {
	line  int
	cells []string
}

// rows reads a table line by line.
type rows struct {
	csv  *csv.Reader
	in   *bounded
	line int

	last  []string
	again bool // next gives the last row once more
}

func newRows(text io.Reader, delimiter rune) *rows {
	r := &rows{in: &bounded{r: text, left: maxRow}}
	r.csv = csv.NewReader(r.in)
	r.csv.Comma, r.csv.FieldsPerRecord, r.csv.LazyQuotes, r.csv.ReuseRecord = delimiter, -1, true, true
	return r
}

// next is the next row with anything in it, valid until the call after; io.EOF is
// the end.
func (r *rows) next() (row, error) {
	if r.again {
		r.again = false
		return row{r.line, r.last}, nil
	}
	for {
		r.in.left = maxRow
		cells, err := r.csv.Read()
		switch {
		case errors.Is(err, errLongRow):
			return row{}, fmt.Errorf("line %d: the row is longer than %d KiB: perhaps a quote is opened there and never closed", r.line+1, maxRow>>10)
		case errors.Is(err, io.EOF):
			return row{}, io.EOF
		case err != nil:
			return row{}, fmt.Errorf("read the table: %w", err)
		}
		r.line, _ = r.csv.FieldPos(0)
		if slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			r.last = cells
			return row{r.line, cells}, nil
		}
	}
}

var errLongRow = errors.New("the row is too long")

// bounded fails when more was read since left was set than it allows.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongRow
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}
