package api

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

const (
	xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

	// A spreadsheet is a zip of XML. What it unpacks to is bounded before anything
	// is unpacked; the reader of zips holds each part to the size that it declares.
	maxParts    = 1000
	maxUnpacked = 64 << 20
	// Elements cost more than their bytes: 64 MiB of <si/> would be 13 million
	// texts. Rows are read one by one; all other parts are held in memory.
	maxSheetElements = 8_000_000
	maxOtherElements = 1_000_000
	// maxDepth bounds the nesting of XML, which costs memory for each level.
	maxDepth = 32
)

// readXLSX reads the first sheet that is not hidden. It reads values, not
// formulas: of a formula's cell the value that was computed last.
func readXLSX(data []byte) (*sheet, error) {
	if err := checkXLSX(data); err != nil {
		return nil, err
	}
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxUnpacked})
	if err != nil {
		return nil, fmt.Errorf("open workbook: %w", err)
	}
	defer f.Close()
	props, err := f.GetWorkbookProps()
	if err != nil {
		return nil, fmt.Errorf("read workbook: %w", err)
	}
	name := ""
	for _, n := range f.GetSheetList() {
		if visible, err := f.GetSheetVisible(n); err == nil && visible && name == "" {
			name = n
		}
	}
	if name == "" {
		return nil, errors.New("find sheet: the file has none")
	}
	rows, err := f.Rows(name)
	if err != nil {
		return nil, fmt.Errorf("open sheet: %w", err)
	}
	defer rows.Close()
	s := &sheet{format: "xlsx", date1904: props.Date1904 != nil && *props.Date1904}
	for number := 1; rows.Next(); number++ {
		cells, err := rows.Columns()
		if err != nil {
			return nil, fmt.Errorf("read line %d: %w", number, err)
		}
		if err := s.add(row{number, cells}); err != nil {
			return nil, err
		}
	}
	return s, rows.Error()
}

// checkXLSX walks what is unpacked of a workbook before it is understood: the
// library takes a sheet that breaks off for one that ends, and texts without
// number.
func checkXLSX(data []byte) error {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("open zip: %w", err)
	}
	var unpacked uint64
	for _, f := range z.File {
		// Checked as it grows, so that it cannot overflow.
		if f.UncompressedSize64 > maxUnpacked || len(z.File) > maxParts {
			return bomb()
		}
		if unpacked += f.UncompressedSize64; unpacked > maxUnpacked {
			return bomb()
		}
	}
	sheets, others := 0, 0
	for _, f := range z.File {
		count, most := &others, maxOtherElements
		switch folder := path.Base(path.Dir(f.Name)); {
		case !strings.HasSuffix(f.Name, ".xml") && !strings.HasSuffix(f.Name, ".rels"):
			continue
		case folder == "drawings", folder == "charts", folder == "diagrams":
			continue // never read
		case folder == "worksheets":
			count, most = &sheets, maxSheetElements
		}
		if err := countElements(f, count, most); err != nil {
			return err
		}
	}
	return nil
}

// countElements walks a part to its end.
func countElements(part *zip.File, count *int, most int) error {
	r, err := part.Open()
	if err != nil {
		return fmt.Errorf("open part: %w", err)
	}
	defer r.Close()
	d := xml.NewDecoder(r)
	for depth := 0; ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		switch t.(type) {
		case xml.StartElement:
			if *count++; *count > most {
				return bomb()
			}
			if depth++; depth > maxDepth {
				return errors.New("read part: its elements are nested too deep")
			}
		case xml.EndElement:
			depth--
		}
	}
}

func bomb() *Problem {
	return badFile(http.StatusRequestEntityTooLarge, "unpacks_too_large", fmt.Sprintf("Tệp XLSX giải nén ra hơn %d MiB hoặc quá nhiều ô; tệp bị từ chối.", maxUnpacked>>20),
		fmt.Sprintf("The XLSX file unpacks to more than %d MiB, or to too many cells; it is refused.", maxUnpacked>>20))
}

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
