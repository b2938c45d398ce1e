package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const (
	maxRows    = 100_000 // of a sheet, below its header
	maxColumns = 64
	maxCell    = 16 << 10 // bytes of a cell
)

// sheet is a table of text as a file brings it.
type sheet struct {
	format   string // csv or xlsx
	encoding string
	date1904 bool // its days are counted from 1904-01-01, as older Excel for Mac does
	header   []string
	rows     []row
}

// row is one line; number is as a spreadsheet shows it, the header being 1.
type row struct {
	number int
	cells  []string
}

// empty reports whether nothing is in the row.
func (r row) empty() bool {
	for _, c := range r.cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

// add takes the next line; the first with content is the header.
func (s *sheet) add(r row) error {
	switch {
	case r.empty():
		return nil
	case len(r.cells) > maxColumns && !(row{cells: r.cells[maxColumns:]}).empty():
		return tooManyColumns(r.number)
	case s.header == nil:
		s.header = r.cells[:min(len(r.cells), maxColumns)]
		return nil
	case len(s.rows) >= maxRows:
		return badFile(http.StatusRequestEntityTooLarge, "too_many_rows", fmt.Sprintf("Tệp có hơn %d dòng; hãy chia nhỏ.", maxRows),
			fmt.Sprintf("The file has more than %d rows; divide it.", maxRows))
	}
	for _, c := range r.cells {
		if len(c) > maxCell {
			return badFile(http.StatusUnprocessableEntity, "cell_too_long", fmt.Sprintf("Dòng %d có ô dài hơn %d byte.", r.number, maxCell),
				fmt.Sprintf("Line %d has a cell of more than %d bytes.", r.number, maxCell))
		}
	}
	s.rows = append(s.rows, r)
	return nil
}

func tooManyColumns(line int) *Problem {
	return badFile(http.StatusUnprocessableEntity, "too_many_columns", fmt.Sprintf("Dòng %d có hơn %d cột.", line, maxColumns),
		fmt.Sprintf("Line %d has more than %d columns.", line, maxColumns))
}

// badFile is a file that cannot be read as a whole.
func badFile(status int, code, vi, en string) *Problem {
	p := invalidField("file", code, vi, en)
	p.Status, p.Title = status, http.StatusText(status)
	if status == http.StatusRequestEntityTooLarge {
		p.Code = "too_large"
	}
	return p
}

// readSheet reads a CSV or XLSX file, told apart by their first bytes. The error
// is a [Problem].
func readSheet(ctx context.Context, data []byte) (*sheet, error) {
	var s *sheet
	var err error
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("PK\x05\x06")):
		s, err = readXLSX(ctx, data)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, badFile(http.StatusUnprocessableEntity, "bad_file", "Đây là tệp .xls cũ hoặc có mật khẩu; hãy lưu thành .xlsx.",
			"This is an old .xls file, or one with a password; save it as .xlsx.")
	default:
		s, err = readCSV(data)
	}
	if err != nil {
		var p *Problem
		switch {
		case errors.As(err, &p):
			return nil, p
		case ctx.Err() != nil: // nobody waits any longer
			return nil, err
		}
		return nil, badFile(http.StatusUnprocessableEntity, "bad_file", "Không đọc được tệp.", "The file cannot be read: "+clip(err.Error(), 200)+".")
	}
	if len(s.rows) == 0 {
		return nil, badFile(http.StatusUnprocessableEntity, "empty_file", "Tệp không có dòng dữ liệu nào.", "The file has no rows below its header.")
	}
	return s, nil
}

func readCSV(data []byte) (*sheet, error) {
	text, encoding, err := decodeText(data)
	if err != nil {
		return nil, fmt.Errorf("decode text: %w", err)
	}
	s := &sheet{format: "csv", encoding: encoding}
	if rest, ok := cutSeparatorLine(text); ok { // Excel's own first line "sep=;"
		text = rest
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = separator(text), -1, true
	number, ended := 0, 0
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read csv: %w", err)
		}
		// Empty lines are rows to a spreadsheet, and lines within a cell are not.
		begins, _ := r.FieldPos(0)
		number += begins - ended
		ended = begins
		for _, c := range cells {
			ended += strings.Count(c, "\n")
		}
		if err := s.add(row{number, cells}); err != nil {
			return nil, err
		}
	}
}

// decodeText makes text of a file's bytes. What is not Unicode is taken for
// Windows-1258, which older Vietnamese programs write.
func decodeText(data []byte) (text, encoding string, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(data)
		return string(b), "utf-16", err
	case utf8.Valid(data):
		return strings.TrimPrefix(string(data), "\ufeff"), "utf-8", nil
	case bytes.IndexByte(data, 0) >= 0:
		return "", "", errors.New("it is neither CSV nor XLSX")
	default:
		b, err := charmap.Windows1258.NewDecoder().Bytes(data)
		return string(b), "windows-1258", err
	}
}

// cutSeparatorLine leaves out a first line that only names the separator.
func cutSeparatorLine(text string) (rest string, ok bool) {
	line, rest, found := strings.Cut(text, "\n")
	line = strings.TrimSpace(line)
	return rest, found && len(line) == len("sep=;") && strings.HasPrefix(strings.ToLower(line), "sep=")
}

// separator is the one of ; , and tab that the header has most of.
func separator(text string) rune {
	counts := map[rune]int{}
	quoted := false
	for _, r := range text {
		if r == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		if r == '\n' && len(counts) > 0 {
			break
		}
		if r == ';' || r == ',' || r == '\t' {
			counts[r]++
		}
	}
	best := ','
	for _, r := range []rune{';', '\t'} {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// clip shortens text for a message.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}
