package api

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
)

// TestReadXLSXAsTheLibraryDoes writes a spreadsheet of all kinds of cells by the
// library, and reads it by ours and by the library's reader.
func TestReadXLSXAsTheLibraryDoes(t *testing.T) {
	f := excelize.NewFile()
	defer f.Close()
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	first, name := f.GetSheetName(0), "Thiết bị"
	_, err := f.NewSheet(name)
	must(err, f.SetSheetVisible(first, true), f.SetCellValue(first, "A1", "hidden"))
	f.SetActiveSheet(1)
	must(f.SetSheetVisible(first, false),
		f.SetSheetRow(name, "A1", &[]any{"mã", "tên", "số", "có"}),
		f.SetSheetRow(name, "A2", &[]any{"aq-1", "Cầu Đá <&> \"x\"", 12.25, true}),
		f.SetSheetRow(name, "A3", &[]any{"_x0041_ and _xyz_", "  spaces  ", -1e-9, false}),
		f.SetCellValue(name, "C7", "far"), f.SetCellFormula(name, "B7", "1+1"), f.SetCellStr(name, "A7", ""),
		f.SetCellRichText(name, "B8", []excelize.RichTextRun{{Text: "Vĩnh "}, {Text: "Hải", Font: &excelize.Font{Bold: true}}}))
	var b bytes.Buffer
	must(f.Write(&b))
	have, err := readXLSX(t.Context(), b.Bytes())
	must(err)
	library, err := excelize.OpenReader(bytes.NewReader(b.Bytes()), excelize.Options{RawCellValue: true})
	must(err)
	defer library.Close()
	lines, err := library.GetRows(name)
	must(err)
	want := &sheet{}
	for n, cells := range lines {
		must(want.add(row{n + 1, cells}))
	}
	if diff := cmp.Diff(want, have, cmp.AllowUnexported(sheet{}, row{}), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "format" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	if len(have.rows) != 4 || have.date1904 {
		t.Errorf("have %+v", have)
	}
	few, err := openWorkbook(t.Context(), b.Bytes())
	must(err)
	few.most = 30
	var p *Problem
	if _, err := few.read(); !errors.As(err, &p) || p.Errors[0].Code != "unpacks_too_large" {
		t.Errorf("more elements than there may be: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readSheet(gone, cellsXLSX(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("a file whose sender is gone is read on: %v", err)
	}
}

// cellsXLSX is a spreadsheet of some thousand cells.
func cellsXLSX(t *testing.T) []byte {
	t.Helper()
	rows := make([][]cell, 2000)
	for n := range rows {
		rows[n] = []cell{textCell("a"), numberCell(1)}
	}
	b, err := writeXLSX(rows)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWorkplaces: so much work is done at once, so much waits, and who goes or is
// refused leaves nothing behind.
func TestWorkplaces(t *testing.T) {
	w := newWorkplace(1, 1)
	end, err := w.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() {
		_, err := w.begin(ctx)
		waits <- err
	}()
	for len(w.waiting) < 2 {
		select {
		case err := <-waits:
			t.Fatal(err)
		default:
		}
	}
	var p *Problem
	if _, err := w.begin(t.Context()); !errors.As(err, &p) || p.Status != 503 || p.GetHeaders().Get("Retry-After") != "10" || p.VI == "" {
		t.Errorf("one too many is told %v", err)
	}
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone is told %v", err)
	}
	end()
	if end, err = w.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	end()
	if len(w.waiting)+len(w.places) != 0 {
		t.Error("places stay taken")
	}
}
