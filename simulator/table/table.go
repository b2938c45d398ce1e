package table

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Table is a file with a table, read from its beginning to its end once.
type Table struct {
	raw *bufio.Reader
	// name is the file's, without folder and ending.
	name string
}

// Open unpacks a file; name is the file's.
func Open(r io.Reader, name string) (*Table, error) {
	raw, err := Unpack(r)
	if err != nil {
		return nil, err
	}
	return FromText(raw, name), nil
}

// FromText is the table of a text that is unpacked already.
func FromText(raw *bufio.Reader, name string) *Table {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	for _, ending := range []string{".gz", ".zst", ".csv", ".tsv", ".txt"} {
		name = strings.TrimSuffix(name, ending)
	}
	return &Table{raw: raw, name: name}
}

// Sample is a table of the beginning, which leaves the table itself as it is.
func (t *Table) Sample() (*Table, error) {
	head, whole, err := t.head()
	if err != nil {
		return nil, err
	}
	if !whole {
		head = head[:bytes.LastIndexByte(head, '\n')+1] // a row that is cut is none
	}
	return &Table{raw: bufio.NewReaderSize(bytes.NewReader(head), sniffed), name: t.name}, nil
}

// head is the beginning as it is written, and whether that is all.
func (t *Table) head() (head []byte, whole bool, err error) {
	head, err = t.raw.Peek(sniffed)
	switch {
	case errors.Is(err, io.EOF):
		return head, true, nil
	case err != nil && !errors.Is(err, bufio.ErrBufferFull):
		return nil, false, fmt.Errorf("read file: %w", err)
	}
	return head, false, nil
}

// begin reads to the first row below the columns' names.
func (t *Table) begin(m *Mapping) (r *rows, names []string, err error) {
	encoding := m.Table.Encoding
	if encoding == "" {
		encoding = "utf-8"
	}
	text, err := decoded(t.raw, encoding)
	if err != nil {
		return nil, nil, err
	}
	delimiter, ok := delimiters()[m.Table.Delimiter]
	if !ok {
		return nil, nil, fmt.Errorf("table.delimiter: %q is none of , ; | and tab", m.Table.Delimiter)
	}
	r = newRows(text, delimiter)
	for {
		one, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil, nil, fmt.Errorf("the table ends before line %d, which is said to name the columns (table.header)", m.Table.Header)
		}
		if err != nil {
			return nil, nil, err
		}
		switch {
		case m.Table.Header == 0:
			for i := range one.cells {
				names = append(names, strconv.Itoa(i+1))
			}
			r.again = true
			return r, names, nil
		case one.line < m.Table.Header:
		case one.line > m.Table.Header:
			return nil, nil, fmt.Errorf("line %d, which is said to name the columns (table.header), is empty or within a row", m.Table.Header)
		default:
			for _, c := range one.cells {
				names = append(names, strings.TrimSpace(c))
			}
			return r, names, nil
		}
	}
}
