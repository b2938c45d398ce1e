package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"

	"github.com/xuri/excelize/v2"

	"github.com/haidang-iot/haidang/devices/api"
)

const vietnamese = "Mã thiết bị;Loại đo;Tên điểm;Địa phương;Phường/Xã;Vĩ độ;Kinh độ;Độ cao (m);Ngày lắp;Ghi chú riêng\r\n" +
	"aq-1;Chất lượng không khí;Bến Đò;Nha Trang;22366;12,2068;109,2150;3,5;1/7/2026;x\r\n" +
	"\r\n" +
	"aq-2;air_quality, noise;Góc Phố;nha-trang;Nha Trang;12,2551;109,1920;;2026-07-02 08:00;\r\n"

func TestImportCSV(t *testing.T) {
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(strings.ReplaceAll(vietnamese, ";", "\t"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := charmap.Windows1258.NewEncoder().String(decompose(vietnamese))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ text, encoding string }{
		"utf-8":              {vietnamese, "utf-8"},
		"byte order mark":    {"\ufeff" + vietnamese, "utf-8"},
		"separator line":     {"\ufeffsep=;\r\n" + vietnamese, "utf-8"},
		"utf-16 with tabs":   {utf16, "utf-16"},
		"windows-1258":       {old, "windows-1258"},
		"decomposed unicode": {norm.NFD.String(vietnamese), "utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTown(t)
			r := into[api.ImportResult](c.do("POST", "/import?why=ban+giao&results=all", []byte(tt.text), "Content-Type", "text/csv").want(200))
			if !r.Committed || r.Imported != 2 || r.Failed != 0 || r.Encoding != tt.encoding || r.Columns[9].Field != "" {
				t.Fatalf("result: %+v", r)
			}
			if got := r.Results[1].Row - r.Results[0].Row; got != 2 { // an empty line is a row
				t.Errorf("rows %+v", r.Results)
			}
			s := into[api.Site](c.do("GET", "/sites/ben-do", nil).want(200))
			if s.Name != "Bến Đò" || s.Position.Lat != 12.2068 || s.MountHeight != 3.5 || s.Ward != "22366" || s.Devices[0].Device != "aq-1" {
				t.Errorf("site: %+v", s)
			}
			if since := s.Devices[0].Since; since.UTC().Format(time.RFC3339) != "2026-06-30T17:00:00Z" {
				t.Errorf("since %v", since)
			}
			if h := into[api.ChangePage](c.do("GET", "/changes?who=lan", nil).want(200)); h.Changes[0].Why != "ban giao" {
				t.Errorf("change: %+v", h.Changes[0])
			}
			// The same file again: its rows are done.
			again := into[api.ImportResult](c.do("POST", "/import", []byte(tt.text)).want(200))
			if again.Failed != 0 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// decompose writes tones apart from letters, as Windows-1258 needs it.
func decompose(s string) string {
	var b strings.Builder
	for _, r := range s {
		if _, err := charmap.Windows1258.NewEncoder().String(string(r)); err == nil {
			b.WriteRune(r)
			continue
		}
		d := []rune(norm.NFD.String(string(r)))
		// The tone is what 1258 has as a mark; the rest makes a letter.
		for i, mark := range d[1:] {
			if strings.ContainsRune("\u0300\u0301\u0303\u0309\u0323", mark) {
				rest := append(append([]rune{}, d[:i+1]...), d[i+2:]...)
				b.WriteString(norm.NFC.String(string(rest)) + string(mark))
				break
			}
		}
	}
	return b.String()
}

func TestImportBadRows(t *testing.T) {
	c := newTown(t)
	c.do("POST", "/registrations", registration("r", "stands", "here", "air_quality")).want(200)
	const head = "device_id,kinds,site_name,locality,ward,lat,lon,outside_reason,from\n"
	const rest = ",nha-trang,22366,"
	cases := []struct{ row, column, code string }{
		{"d,noise,A" + rest + "109.19,12.24,,", "lat", "swapped_coordinates"},
		{"d,noise,A" + rest + "21.03,105.85,,", "lat", "outside_province"},
		{"d,noise,A" + rest + "12.2o,109.19,,", "lat", "bad_number"},
		{"d,noise,A" + rest + "12.2,,,", "lon", "required"},
		{"d,noise,A,nha-trang,99999,12.2,109.19,,", "ward", "unknown_ward"},
		{"d,noise,A,atlantis,22366,12.2,109.19,,", "locality", "unknown_locality"},
		{"d,smell,A" + rest + "12.2,109.19,,", "kinds", "unknown_kind"},
		{"d,,A" + rest + "12.2,109.19,,", "kinds", "required"},
		{"d d,noise,A" + rest + "12.2,109.19,,", "device_id", "bad_id"},
		{"d,noise,A" + rest + "12.2,109.19,,yesterday", "from", "bad_time"},
		{"d,noise,A" + rest + "12.2,109.19,,2099-01-01", "from", "in_the_future"},
		{"stands,air_quality,A" + rest + "12.2,109.19,,", "device_id", "already_registered"},
		{",noise,,nha-trang,22366,12.2,109.19,,", "device_id", "required"},
	}
	for _, tt := range cases {
		r := into[api.ImportResult](c.do("POST", "/import", []byte(head+tt.row+"\n")).want(200))
		if r.Committed || r.Failed != 1 || len(r.Results) != 1 || r.Results[0].Row != 2 {
			t.Errorf("%s: %+v", tt.row, r)
			continue
		}
		f := r.Results[0].Errors[0]
		if f.Column != tt.column || f.Code != tt.code || f.VI == "" || f.EN == "" {
			t.Errorf("%s: %+v, want %s of %s", tt.row, f, tt.code, tt.column)
		}
	}
	// Offered, and then taken the other way round; asked, and then allowed.
	good := head + cases[0].row + "\nts,noise,Trường Sa" + rest + "8.64,111.92,đảo xa,\n"
	r := into[api.ImportResult](c.do("POST", "/import", []byte(good)).want(200))
	if r.Committed || r.Swapped != 1 || r.Results[0].Errors[0].Suggestion != "12.24, 109.19" {
		t.Errorf("swapped: %+v", r)
	}
	r = into[api.ImportResult](c.do("POST", "/import?fix_swapped=true&dry_run=true&results=all", []byte(good)).want(200))
	if r.Committed || r.Failed != 0 || r.Results[1].Status != api.RowOK {
		t.Errorf("dry run: %+v", r)
	}
	c.do("GET", "/devices/ts", nil).want(404)
	if r = into[api.ImportResult](c.do("POST", "/import?fix_swapped=true", []byte(good)).want(200)); !r.Committed || r.Imported != 2 {
		t.Errorf("fixed: %+v", r)
	}
}

func TestImportBadFiles(t *testing.T) {
	c := newTown(t)
	for name, tt := range map[string]struct {
		body   []byte
		status int
		code   string
	}{
		"empty":          {[]byte("device_id\n"), 422, "empty_file"},
		"no header":      {[]byte("1,2\n3,4\n"), 422, "no_header"},
		"binary":         {[]byte("\x00\x01\xff\xfe binary"), 422, "bad_file"},
		"old xls":        {[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), 422, "bad_file"},
		"cut zip":        {[]byte("PK\x03\x04 and no more"), 422, "bad_file"},
		"zip of nothing": {zipped(t, nil), 422, "bad_file"},
		"columns":        {[]byte("device_id\n" + strings.Repeat("x,", 100) + "x\n"), 422, "too_many_columns"},
		"long cell":      {[]byte("device_id\n" + strings.Repeat("x", 20000) + "\n"), 422, "cell_too_long"},
		"rows":           {[]byte("device_id\n" + strings.Repeat("x\n", 100001)), 413, "too_many_rows"},
		"zip bomb":       {bomb(t), 413, "unpacks_too_large"},
		"deep xml":       {workbook(t, strings.Repeat("<a>", 100000)), 422, "bad_file"},
		"far column":     {workbook(t, `<row r="1"><c r="A1" t="inlineStr"><is><t>device_id</t></is></c></row><row r="2"><c r="XFD2"><v>1</v></c></row>`), 422, "too_many_columns"},
		"entity":         {workbook(t, `<row r="1"><c r="A1" t="inlineStr"><is><t>&lol;</t></is></c></row>`), 422, "bad_file"},
		"cut sheet":      {workbook(t, `<row r="1"><c r="A1" t="inlineStr"><is><t>device_id</t></is></c></row><row r="2"><c>`), 422, "bad_file"},
		"many texts":     {workbook(t, "", "xl/sharedStrings.xml", "<sst>"+strings.Repeat("<si/>", 1_000_001)+"</sst>"), 413, "unpacks_too_large"},
		"no such text":   {workbook(t, `<row><c t="s"><v>0</v></c></row>`), 422, "bad_file"},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.do("POST", "/import", tt.body).fault(tt.status, tt.code, "file")
		})
	}
	c.t = t
	c.do("POST", "/import", make([]byte, 17<<20)).want(413)
}

// zipped makes a zip of files.
func zipped(t *testing.T, files map[string]io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, r := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// workbook is an XLSX file with rows of XML, and other parts of it.
func workbook(t *testing.T, rows string, others ...string) []byte {
	parts := map[string]io.Reader{
		"[Content_Types].xml":        strings.NewReader(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>`),
		"_rels/.rels":                strings.NewReader(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`),
		"xl/workbook.xml":            strings.NewReader(`<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="x" sheetId="1" r:id="rId1"/></sheets></workbook>`),
		"xl/_rels/workbook.xml.rels": strings.NewReader(`<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>`),
		"xl/worksheets/sheet1.xml":   strings.NewReader(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>` + rows + `</sheetData></worksheet>`),
	}
	for n := 0; n < len(others); n += 2 {
		parts[others[n]] = strings.NewReader(others[n+1])
	}
	return zipped(t, parts)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// bomb is a small file that unpacks to 80 MiB.
func bomb(t *testing.T) []byte {
	b := zipped(t, map[string]io.Reader{"xl/workbook.xml": strings.NewReader("<workbook/>"), "xl/worksheets/sheet1.xml": io.LimitReader(zeros{}, 80<<20)})
	if len(b) > 200<<10 {
		t.Fatalf("the bomb has %d bytes", len(b))
	}
	return b
}

// TestImportOfFarCells: what a file says of cells that hold nothing costs nothing. Each
// row of these was made 16,384 cells wide, and each style a thing of its own: 92 KB
// took 1.7 GB and 20 s.
func TestImportOfFarCells(t *testing.T) {
	c := newTown(t)
	rows := `<row r="1"><c r="A1" t="inlineStr"><is><t>device_id</t></is></c></row>` + strings.Repeat(`<row><c r="XFD1"><f/></c></row>`, 100_000)
	file := workbook(t, rows, "xl/styles.xml", `<styleSheet><cellXfs>`+strings.Repeat(`<xf><alignment/><protection/></xf>`, 300_000)+`</cellXfs></styleSheet>`)
	if len(file) > 200<<10 {
		t.Fatalf("the file has %d bytes", len(file))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.do("POST", "/import", file).fault(422, "empty_file", "file")
	runtime.ReadMemStats(&after)
	// 25 GB were taken and given back, and the styles kept.
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 1000 {
		t.Errorf("reading it took %d MiB", took)
	}
}

// A workbook says whether its days are counted from 1900 or from 1904.
func TestImportDateSystems(t *testing.T) {
	for _, from1904 := range []bool{false, true} {
		f := excelize.NewFile()
		if err := f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &from1904}); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 7, 1, 9, 30, 0, 0, time.UTC) // of a wall's clock
		for i, row := range [][]any{{"device_id", "kinds", "site_id", "site_name", "locality", "ward", "lat", "lon", "from"},
			{"d-1904", "noise", "s-1904", "Điểm", "nha-trang", "22366", 12.2389, 109.1967, at}} {
			if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
				t.Fatal(err)
			}
		}
		b, err := f.WriteToBuffer()
		if err != nil {
			t.Fatal(err)
		}
		c := newTown(t)
		if r := into[api.ImportResult](c.do("POST", "/import", b.Bytes()).want(200)); !r.Committed {
			t.Fatalf("1904 is %v: %+v", from1904, r)
		}
		out := c.do("GET", "/export?format=csv", nil).want(200)
		if !strings.Contains(string(out.body), "2026-07-01T02:30:00Z") {
			t.Errorf("1904 is %v: exported %s", from1904, out.body)
		}
	}
}

// big is a file of rows of which 137 are bad: their coordinates are swapped.
func big(rows int) []byte {
	var b strings.Builder
	b.WriteString("device_id,kinds,site_id,site_name,locality,ward,lat,lon\n")
	every := rows / 137
	for i := range rows {
		lat, lon := 12.20+float64(i%300)/5000, 109.15+float64(i/300)/5000
		if i%every == 7 && i/every < 137 {
			lat, lon = lon, lat
		}
		fmt.Fprintf(&b, "dev-%05d,air_quality,site-%05d,Điểm số %d,nha-trang,22366,%.5f,%.5f\n", i, i, i, lat, lon)
	}
	return []byte(b.String())
}

var manyRows = flag.Int("rows", 3000, "how many rows the import of many rows has; 50000 takes minutes")

func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		c := newTown(b)
		c.do("POST", "/import?partial=true", big(3000)).want(200)
	}
}

func TestImportManyRows(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("takes seconds, and minutes under the race detector")
	}
	c := newTown(t)
	n := *manyRows
	begin := time.Now()
	r := into[api.ImportResult](c.do("POST", "/import", big(n)).want(200))
	t.Logf("all or nothing: %v", time.Since(begin))
	if r.Committed || r.Rows != n || r.Failed != 137 || r.Swapped != 137 || len(r.Results) != 137 || r.Results[0].Row != 9 {
		t.Fatalf("rows %d, failed %d, results %d", r.Rows, r.Failed, len(r.Results))
	}
	begin = time.Now()
	r = into[api.ImportResult](c.do("POST", "/import?partial=true", big(n)).want(200))
	t.Logf("partial: %v", time.Since(begin))
	if !r.Committed || r.Imported != n-137 {
		t.Fatalf("imported %d", r.Imported)
	}
	if p := into[api.DevicePage](c.do("GET", "/devices?limit=1", nil).want(200)); p.Total != n-137 {
		t.Errorf("%d devices", p.Total)
	}
}

// What is exported can be imported again, and no cell is a formula.
func TestExport(t *testing.T) {
	c := newTown(t)
	r := registration("r", "d", "s", "noise", "weather")
	r["device"] = merge(r["device"].(object), object{"notes": `=HYPERLINK("http://evil")`, "model": "-2+3", "serial": "'x"})
	r["site"] = merge(r["site"].(object), object{"name": "@SUM(1)"})
	c.do("POST", "/registrations", r).want(200)
	a := c.do("GET", "/export", nil).want(200)
	if !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || a.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("headers: %v", a.header)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(a.body), "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range rows[1] {
		if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
			t.Errorf("cell %q is a formula", cell)
		}
	}
	x := c.do("GET", "/export?format=xlsx", nil).want(200)
	sites := c.do("GET", "/export?format=csv&what=sites&q=sum", nil).want(200)
	geo := into[api.FeatureCollection](c.do("GET", "/export?format=geojson&q=sum", nil).want(200))
	if len(geo.Features) != 1 || geo.Features[0].ID != "s" {
		t.Errorf("geojson: %+v", geo)
	}
	for name, body := range map[string][]byte{"csv": a.body, "xlsx": x.body, "sites": sites.body} {
		other := newTown(t)
		got := into[api.ImportResult](other.do("POST", "/import", body).want(200))
		if !got.Committed || got.Imported != 1 {
			t.Fatalf("%s: %+v", name, got)
		}
		if s := into[api.Site](other.do("GET", "/sites/s", nil).want(200)); s.Name != "@SUM(1)" {
			t.Errorf("%s: site name %q", name, s.Name)
		}
		if name == "sites" {
			continue
		}
		d := into[api.Device](other.do("GET", "/devices/d", nil).want(200))
		if d.Notes != `=HYPERLINK("http://evil")` || d.Model != "-2+3" || d.Serial != "'x" || len(d.Kinds) != 2 {
			t.Errorf("%s: device %+v", name, d)
		}
	}
}
