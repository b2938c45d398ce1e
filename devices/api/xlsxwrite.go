package api

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
)

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

// harmless is text that a spreadsheet does not take for a formula. Who imports it
// again gets the text as it was: see [plain].
func harmless(s string) string {
	if s != "" && bytes.IndexByte([]byte("=+-@\t\r'"), s[0]) >= 0 {
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

// writeXLSX makes a spreadsheet of one sheet. Text is written as text, never as a
// formula.
func writeXLSX(rows [][]cell) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	parts := []struct{ name, text string }{
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
			`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`},
		{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" ` +
			`xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Hải Đăng" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`},
	}
	for _, p := range parts {
		w, err := z.Create(p.name)
		if err != nil {
			return nil, fmt.Errorf("write xlsx: %w", err)
		}
		if _, err := io.WriteString(w, xml.Header+p.text); err != nil {
			return nil, fmt.Errorf("write xlsx: %w", err)
		}
	}
	w, err := z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	if _, err := w.Write(sheetXML(rows)); err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write xlsx: %w", err)
	}
	return b.Bytes(), nil
}

// sheetXML is the sheet, its header kept in sight.
func sheetXML(rows [][]cell) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0">` +
		`<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>`)
	for n, r := range rows {
		fmt.Fprintf(&b, `<row r="%d">`, n+1)
		for i, c := range r {
			switch {
			case c.is:
				fmt.Fprintf(&b, `<c r="%s%d"><v>%s</v></c>`, columnName(i), n+1, c)
			case c.text != "":
				fmt.Fprintf(&b, `<c r="%s%d" t="inlineStr"><is><t xml:space="preserve">`, columnName(i), n+1)
				_ = xml.EscapeText(&b, []byte(c.String())) // a buffer takes everything
				b.WriteString(`</t></is></c>`)
			}
		}
		b.WriteString(`</row>`)
	}
	b.WriteString(`</sheetData></worksheet>`)
	return b.Bytes()
}

// columnName is the letters of a column from 0.
func columnName(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return columnName(i/26-1) + string(rune('A'+i%26))
}
