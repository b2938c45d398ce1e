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
)

const (
	xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

	// A spreadsheet is a zip of XML. What it unpacks to is bounded before anything
	// is unpacked; the reader of zips holds each part to the size that it declares.
	maxParts    = 1000
	maxUnpacked = 64 << 20
	// maxDepth bounds the nesting of XML, which costs memory for each level.
	maxDepth = 32
)

// workbook is an opened XLSX file.
type workbook struct {
	parts  map[string]*zip.File
	shared []string
}

// readXLSX reads the first sheet. It reads values, not formulas: of a formula's
// cell the value that was computed last.
func readXLSX(data []byte) (*sheet, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("open zip: %w", err)
	}
	w := workbook{parts: map[string]*zip.File{}}
	var unpacked uint64
	for _, f := range z.File {
		// Checked as it grows, so that it cannot overflow.
		if f.UncompressedSize64 > maxUnpacked || len(z.File) > maxParts {
			return nil, bomb()
		}
		if unpacked += f.UncompressedSize64; unpacked > maxUnpacked {
			return nil, bomb()
		}
		w.parts[strings.TrimPrefix(f.Name, "/")] = f
	}
	name, err := w.firstSheet()
	if err != nil {
		return nil, err
	}
	if w.parts["xl/sharedStrings.xml"] != nil {
		if err := w.each("xl/sharedStrings.xml", w.sharedString); err != nil {
			return nil, err
		}
	}
	s := &sheet{format: "xlsx"}
	p := sheetParser{w: &w, sheet: s}
	return s, w.each(name, p.element)
}

func bomb() *Problem {
	return badFile(http.StatusRequestEntityTooLarge, "unpacks_too_large", fmt.Sprintf("Tệp XLSX giải nén ra hơn %d MiB; tệp bị từ chối.", maxUnpacked>>20),
		fmt.Sprintf("The XLSX file unpacks to more than %d MiB; it is refused.", maxUnpacked>>20))
}

// each walks the elements of a part. f is told of each element with the decoder
// after its start, and may read on to its end; then it returns true.
func (w *workbook) each(name string, f func(*xml.Decoder, xml.StartElement) (consumed bool, err error)) error {
	part := w.parts[name]
	if part == nil {
		return fmt.Errorf("find part: the file has no %s", clip(name, 60))
	}
	r, err := part.Open()
	if err != nil {
		return fmt.Errorf("open part: %w", err)
	}
	defer r.Close()
	d := xml.NewDecoder(r)
	depth := 0
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read part: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return errors.New("read part: its elements are nested too deep")
			}
			consumed, err := f(d, t)
			if err != nil {
				return err
			}
			if consumed {
				depth--
			}
		case xml.EndElement:
			depth--
		}
	}
}

// text gathers the characters of an element up to its end, without those of
// elements to be left out.
func text(d *xml.Decoder, without string) (string, error) {
	var b strings.Builder
	depth, skip := 1, 0
	for depth > 0 {
		t, err := d.Token()
		if err != nil {
			return "", fmt.Errorf("read text: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return "", errors.New("read text: its elements are nested too deep")
			}
			if skip > 0 || t.Name.Local == without {
				skip++
			}
		case xml.EndElement:
			depth--
			skip = max(skip-1, 0)
		case xml.CharData:
			if skip == 0 {
				b.Write(t)
			}
		}
	}
	return b.String(), nil
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// firstSheet is the part of the first sheet that is not hidden.
func (w *workbook) firstSheet() (string, error) {
	id := ""
	err := w.each("xl/workbook.xml", func(_ *xml.Decoder, e xml.StartElement) (bool, error) {
		if e.Name.Local == "sheet" && id == "" && attribute(e, "state") != "hidden" && attribute(e, "state") != "veryHidden" {
			for _, a := range e.Attr {
				if a.Name.Local == "id" && a.Name.Space != "" {
					id = a.Value
				}
			}
		}
		return false, nil
	})
	if err != nil {
		return "", err
	}
	target := ""
	err = w.each("xl/_rels/workbook.xml.rels", func(_ *xml.Decoder, e xml.StartElement) (bool, error) {
		if e.Name.Local == "Relationship" && attribute(e, "Id") == id {
			target = attribute(e, "Target")
		}
		return false, nil
	})
	if err != nil {
		return "", err
	}
	if id == "" || target == "" {
		return "", errors.New("find sheet: the file has none")
	}
	if strings.HasPrefix(target, "/") {
		return target[1:], nil
	}
	return path.Join("xl", target), nil
}

// sharedString takes one of the strings that cells refer to by number; how it is
// pronounced (rPh) is not part of it.
func (w *workbook) sharedString(d *xml.Decoder, e xml.StartElement) (bool, error) {
	if e.Name.Local != "si" {
		return false, nil
	}
	s, err := text(d, "rPh")
	w.shared = append(w.shared, s)
	return true, err
}

// sheetParser takes rows as their elements come.
type sheetParser struct {
	w      *workbook
	sheet  *sheet
	number int
}

func (p *sheetParser) element(d *xml.Decoder, e xml.StartElement) (bool, error) {
	if e.Name.Local != "row" {
		return false, nil
	}
	p.number++
	if n, err := strconv.Atoi(attribute(e, "r")); err == nil {
		p.number = n
	}
	r := row{number: p.number}
	depth := 1
	for depth > 0 {
		t, err := d.Token()
		if err != nil {
			return true, fmt.Errorf("read row: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "c" {
				if depth++; depth > maxDepth {
					return true, errors.New("read row: its elements are nested too deep")
				}
				continue
			}
			if err := p.cell(d, t, &r); err != nil {
				return true, err
			}
		case xml.EndElement:
			depth--
		}
	}
	return true, p.sheet.add(r)
}

// cell reads a cell into its column.
func (p *sheetParser) cell(d *xml.Decoder, e xml.StartElement, r *row) error {
	column := len(r.cells)
	if ref := attribute(e, "r"); ref != "" {
		column = columnOf(ref)
	}
	value, err := text(d, "f") // without the formula
	if err != nil {
		return err
	}
	if attribute(e, "t") == "s" {
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 || n >= len(p.w.shared) {
			return fmt.Errorf("read cell: line %d refers to a text that is not there", r.number)
		}
		value = p.w.shared[n]
	}
	if column >= maxColumns {
		if strings.TrimSpace(value) == "" {
			return nil
		}
		column = maxColumns // one too many, which add refuses
	}
	for len(r.cells) <= column {
		r.cells = append(r.cells, "")
	}
	r.cells[column] = value
	return nil
}

// columnOf is the column of a reference such as B12, from 0.
func columnOf(ref string) int {
	n := 0
	for i := 0; i < len(ref) && ref[i] >= 'A' && ref[i] <= 'Z' && n <= maxColumns; i++ {
		n = n*26 + int(ref[i]-'A') + 1
	}
	return max(n-1, 0)
}
