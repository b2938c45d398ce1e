package api

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// cell is a value to be written: text, or a number.
type cell struct {
	text   string
	number float64
	is     bool // it is the number
}

func textCell[T ~string](s T) cell { return cell{text: string(s)} }

func numberCell(v float64) cell { return cell{number: v, is: true} }

// String is the cell as CSV has it.
func (c cell) String() string {
	if c.is {
		return strconv.FormatFloat(c.number, 'f', -1, 64)
	}
	return harmless(c.text)
}

// value is the cell as a spreadsheet has it: nil for nothing.
func (c cell) value() any {
	switch {
	case c.is:
		return c.number
	case c.text != "":
		return c.String()
	}
	return nil
}

// harmless is text that a spreadsheet does not take for a formula. Who imports it
// again gets the text as it was: see [plain].
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r'", rune(s[0])) {
		return "'" + s
	}
	return s
}

// plain undoes harmless.
func plain(s string) string {
	if len(s) > 1 && s[0] == '\'' && harmless(s[1:]) == s {
		return s[1:]
	}
	return s
}

// writeXLSX makes a spreadsheet of one sheet, its header kept in sight. Text is
// written as text, never as a formula.
func writeXLSX(rows [][]cell) ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close()
	const name = "Hải Đăng"
	if err := f.SetSheetName(f.GetSheetName(0), name); err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	w, err := f.NewStreamWriter(name)
	if err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	if err := w.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	var line []any
	for n, r := range rows {
		line = line[:0]
		for _, c := range r {
			line = append(line, c.value())
		}
		if err := w.SetRow("A"+strconv.Itoa(n+1), line); err != nil {
			return nil, fmt.Errorf("write xlsx: line %d: %w", n+1, err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	return b.Bytes(), nil
}
