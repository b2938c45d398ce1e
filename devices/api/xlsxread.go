package api

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"
)

// A spreadsheet is a zip of XML (ECMA-376). Of its parts the four that have text are
// read, one after the other, token by token, and nothing is kept but the text: the
// library reads parts as a whole, styles and all, and 92 KB took 1.7 GB.
const (
	// What it unpacks to is bounded before anything is unpacked; the reader of zips
	// holds each part to the size that it declares.
	maxParts    = 1000
	maxUnpacked = 64 << 20 // bytes
	// maxElements bounds the XML elements of all parts that are read: a cell has
	// three, so 100,000 rows of 20 cells have as many.
	maxElements = 6_000_000
	// maxTexts bounds the shared texts, at some 30 bytes each besides their own.
	maxTexts = 1_000_000
	// maxText bounds the bytes of text that are kept.
	maxText = 64 << 20
	// maxDepth bounds the nesting of XML, which costs memory for each level.
	maxDepth = 32
	// readWithin bounds the time that reading one takes.
	readWithin = 30 * time.Second
)

// workbook is one being read.
type workbook struct {
	ctx      context.Context
	parts    map[string]*zip.File
	elements int
	most     int // elements
	bytes    int
	texts    []string // shared
}

// readXLSX reads the first sheet that is not hidden. It reads values, not
// formulas: of a formula's cell the value that was computed last.
func readXLSX(ctx context.Context, data []byte) (*sheet, error) {
	within, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	w, err := openWorkbook(within, data)
	if err != nil {
		return nil, err
	}
	s, err := w.read()
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, bomb()
	}
	return s, err
}

func openWorkbook(ctx context.Context, data []byte) (*workbook, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("open zip: %w", err)
	}
	w := &workbook{ctx: ctx, most: maxElements, parts: map[string]*zip.File{}}
	var unpacked uint64
	for _, f := range z.File {
		// Checked as it grows, so that it cannot overflow.
		if f.UncompressedSize64 > maxUnpacked || len(z.File) > maxParts {
			return nil, bomb()
		}
		if unpacked += f.UncompressedSize64; unpacked > maxUnpacked {
			return nil, bomb()
		}
		w.parts[strings.ToLower(strings.TrimPrefix(f.Name, "/"))] = f
	}
	return w, nil
}

// read finds the sheet and reads it.
func (w *workbook) read() (*sheet, error) {
	s := &sheet{format: "xlsx"}
	id, book := "", w.book()
	err := w.walk(book, func(t xml.StartElement, _ *part) error {
		switch t.Name.Local {
		case "workbookPr":
			v := attribute(t, "date1904")
			s.date1904 = v == "1" || v == "true"
		case "sheet":
			if state := attribute(t, "state"); id == "" && (state == "" || state == "visible") {
				id = attribute(t, "id")
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, errors.New("find sheet: the file has none")
	}
	place, texts := "", ""
	err = w.walk(path.Join(path.Dir(book), "_rels", path.Base(book)+".rels"), func(t xml.StartElement, _ *part) error {
		target := attribute(t, "Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(path.Dir(book), target)
		}
		switch {
		case attribute(t, "Id") == id:
			place = target
		case strings.HasSuffix(attribute(t, "Type"), "/sharedStrings"):
			texts = target
		}
		return nil
	})
	if err == nil && w.part(texts) != nil {
		err = w.readTexts(texts)
	}
	if err == nil {
		err = w.readRows(place, s)
	}
	return s, err
}

// book is where the workbook is: what the package says, or where it usually is.
func (w *workbook) book() string {
	place := "xl/workbook.xml"
	if w.part("_rels/.rels") == nil {
		return place
	}
	// A part that cannot be read is found out with the workbook's own.
	_ = w.walk("_rels/.rels", func(t xml.StartElement, _ *part) error {
		if strings.HasSuffix(attribute(t, "Type"), "/officeDocument") {
			place = attribute(t, "Target")
		}
		return nil
	})
	return place
}

// part finds a part by its name, whose case does not count.
func (w *workbook) part(name string) *zip.File {
	return w.parts[strings.ToLower(strings.TrimPrefix(name, "/"))]
}

// part is an XML part being read.
type part struct {
	*xml.Decoder
	depth int
}

// walk hands over each element that begins in a part. What it does not take to its
// end is walked too, and so a part that breaks off is found out.
func (w *workbook) walk(name string, begin func(xml.StartElement, *part) error) error {
	f := w.part(name)
	if f == nil {
		return fmt.Errorf("find part %s: the file has none", clip(name, 80))
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("open part: %w", err)
	}
	defer r.Close()
	p := &part{Decoder: xml.NewDecoder(r)}
	for {
		t, err := w.token(p)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := t.(xml.StartElement); ok {
			if err := begin(e, p); err != nil {
				return err
			}
		}
	}
}

// token is the next one, within the bounds.
func (w *workbook) token(p *part) (xml.Token, error) {
	t, err := p.RawToken() // namespaces do not matter, and cost half the time
	if errors.Is(err, io.EOF) && p.depth == 0 {
		return nil, io.EOF
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read part: %w", err)
	}
	switch t.(type) {
	case xml.StartElement:
		if w.elements++; w.elements > w.most {
			return nil, bomb()
		}
		if w.elements%1024 == 0 && w.ctx.Err() != nil {
			return nil, fmt.Errorf("read part: %w", w.ctx.Err())
		}
		if p.depth++; p.depth > maxDepth {
			return nil, errors.New("read part: its elements are nested too deep")
		}
	case xml.EndElement:
		if p.depth--; p.depth < 0 {
			return nil, errors.New("read part: an element ends that has not begun")
		}
	}
	return t, nil
}

// text is all text below the element that has just begun; of phonetic hints none.
func (w *workbook) text(p *part) (string, error) {
	var b strings.Builder
	skip := 0
	for end := p.depth - 1; ; {
		t, err := w.token(p)
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "rPh" && skip == 0 {
				skip = p.depth
			}
		case xml.EndElement:
			if p.depth < skip {
				skip = 0
			}
			if p.depth == end {
				return unescapeText(b.String()), nil
			}
		case xml.CharData:
			if skip > 0 {
				continue
			}
			if w.bytes += len(t); w.bytes > maxText {
				return "", bomb()
			}
			b.Write(t)
		}
	}
}

func (w *workbook) readTexts(name string) error {
	return w.walk(name, func(t xml.StartElement, p *part) error {
		if t.Name.Local != "si" {
			return nil
		}
		if len(w.texts) >= maxTexts {
			return bomb()
		}
		s, err := w.text(p)
		w.texts = append(w.texts, s)
		return err
	})
}

// readRows reads the rows of a sheet. Rows and cells without a place follow the one
// before.
func (w *workbook) readRows(name string, s *sheet) error {
	number, column := 0, 0
	var cells []string
	add := func() error {
		if number == 0 {
			return nil
		}
		err := s.add(row{number, cells})
		cells = nil
		return err
	}
	err := w.walk(name, func(t xml.StartElement, p *part) error {
		switch t.Name.Local {
		case "row":
			if err := add(); err != nil {
				return err
			}
			number, column = number+1, 0
			if n, err := strconv.Atoi(attribute(t, "r")); err == nil && n > number && n <= excelize.TotalRows {
				number = n
			}
		case "c":
			column++
			if c, _, err := excelize.CellNameToCoordinates(attribute(t, "r")); err == nil {
				column = c
			}
			value, err := w.value(t, p)
			if err != nil || value == "" {
				return err
			}
			if column > maxColumns {
				return tooManyColumns(number)
			}
			for len(cells) < column {
				cells = append(cells, "")
			}
			cells[column-1] = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	return add()
}

// value is what a cell shows, without its format.
func (w *workbook) value(cell xml.StartElement, p *part) (value string, err error) {
	for end := p.depth - 1; ; {
		t, err := w.token(p)
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "v" || t.Name.Local == "is" {
				if value, err = w.text(p); err != nil {
					return "", err
				}
			}
		case xml.EndElement:
			if p.depth == end {
				return w.meant(attribute(cell, "t"), value)
			}
		}
	}
}

// meant is a cell's value by its type: a number into the shared texts, or itself.
func (w *workbook) meant(kind, value string) (string, error) {
	if kind != "s" || value == "" {
		return value, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 0 || n >= len(w.texts) {
		return "", fmt.Errorf("find text %s: the file has %d", clip(value, 20), len(w.texts))
	}
	return w.texts[n], nil
}

// unescapeText undoes _xHHHH_, by which texts have characters that XML has not
// (ECMA-376, 22.9.2.19).
func unescapeText(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	var b strings.Builder
	for {
		at := strings.Index(s, "_x")
		if at < 0 || at+7 > len(s) {
			b.WriteString(s)
			return b.String()
		}
		n, err := strconv.ParseUint(s[at+2:at+6], 16, 16)
		if err != nil || s[at+6] != '_' {
			b.WriteString(s[:at+2])
			s = s[at+2:]
			continue
		}
		b.WriteString(s[:at])
		b.WriteRune(rune(n))
		s = s[at+7:]
	}
}

func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func bomb() *Problem {
	return badFile(http.StatusRequestEntityTooLarge, "unpacks_too_large", fmt.Sprintf("Tệp XLSX giải nén ra hơn %d MiB hoặc quá nhiều ô; tệp bị từ chối.", maxUnpacked>>20),
		fmt.Sprintf("The XLSX file unpacks to more than %d MiB, or to too many cells; it is refused.", maxUnpacked>>20))
}
