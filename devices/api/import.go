package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const importDescription = `The body is the file: CSV (UTF-8, UTF-16 or Windows-1258; commas, semicolons or tabs; decimal points or commas) or XLSX (its first sheet).
A row is a device at a site, a device alone or a site alone. Columns are found by their headers in Vietnamese or English, as in an export; what is not known is ignored and told.
A site that exists is used as it is; one that does not is created. A device that stands somewhere already is refused.
Nothing is imported if a row fails, unless partial=true. With dry_run=true nothing is imported at all.`

type importQuery struct {
	DryRun     bool               `query:"dry_run" doc:"Try it, import nothing"`
	Partial    bool               `query:"partial" doc:"Import the good rows although others fail"`
	FixSwapped bool               `query:"fix_swapped" doc:"Take coordinates the other way round where only that lies in the province"`
	Results    string             `query:"results" enum:"failed,all" default:"failed" doc:"Which rows to tell of"`
	Locality   telemetry.Locality `query:"locality" maxLength:"64" doc:"For rows that say none"`
	Why        string             `query:"why" maxLength:"4000" doc:"In the journal, for every row"`
	RawBody    []byte             `contentType:"application/octet-stream"`
}

// request is an id for this content: the same file sent again finds its rows done.
func (q *importQuery) request() string {
	h := sha256.New()
	fmt.Fprintln(h, q.Locality, q.FixSwapped) // a hash takes everything
	h.Write(q.RawBody)
	return "import." + hex.EncodeToString(h.Sum(nil)[:12])
}

// importChunk is how many rows are looked up together, and of a partial import
// committed together.
const importChunk = 500

// errNotKept undoes an import that is not to be kept.
var errNotKept = errors.New("not kept")

func (a *API) importFile(ctx context.Context, q *importQuery) (*out[ImportResult], error) {
	s, err := readSheet(q.RawBody)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	p, err := a.rowReader(ctx, s.header, q)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if len(p.layout.at) == 0 {
		return nil, invalidField("file", "no_header", "Không nhận ra cột nào; dòng đầu phải là tên cột.", "No column is recognised; the first line must name the columns.")
	}
	res := ImportResult{DryRun: q.DryRun, Rows: len(s.rows), Format: s.format, Encoding: s.encoding, Columns: p.layout.columns, Results: []RowResult{}}
	i := importer{reader: p, catalogue: a.Registry.Catalogue, request: q.request(), all: q.Results == "all", result: &res}
	// One act, for which all other changes wait, and with them writing down who was
	// let in or heard meanwhile; admission and reading go on. The rows of a partial
	// import need not be one act, so others come in between.
	size := len(s.rows)
	if q.Partial && !q.DryRun {
		size = importChunk
	}
	for chunk := range slices.Chunk(s.rows, size) {
		err = a.Registry.Batch(ctx, a.by(ctx, q.Why), func(b *devices.Batch) error {
			if err := i.rows(ctx, b, chunk); err != nil {
				return err
			}
			if q.DryRun || res.Failed > 0 && !q.Partial {
				return errNotKept
			}
			return nil
		})
		if err != nil && !errors.Is(err, errNotKept) {
			return nil, a.fail(ctx, err)
		}
	}
	res.Committed = err == nil && res.Imported > 0
	if !res.Committed {
		res.Imported = 0
		for n := range res.Results {
			if res.Results[n].Status == RowImported {
				res.Results[n].Status = RowOK
			}
		}
	}
	return &out[ImportResult]{res}, nil
}

// rowReader knows the words of the city: kinds, localities and wards by name.
func (a *API) rowReader(ctx context.Context, header []string, q *importQuery) (*rowReader, error) {
	p := &rowReader{layout: layoutOf(header), kinds: map[string]telemetry.Kind{}, localities: map[string]telemetry.Locality{},
		wards: map[string][]devices.Ward{}, members: map[telemetry.Locality]map[string]bool{}, fallback: q.Locality,
		province: a.Registry.Province, fixSwapped: q.FixSwapped}
	for _, k := range a.Registry.Catalogue.Kinds() {
		for _, name := range []string{string(k.Kind), k.NameVI, k.NameEN} {
			p.kinds[devices.SearchKey(name)] = k.Kind
		}
	}
	localities, err := a.Registry.Localities(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range localities {
		p.members[l.ID] = map[string]bool{}
		for _, m := range l.Wards {
			p.members[l.ID][m.Ward] = true
		}
		for _, name := range []string{string(l.ID), l.NameVI, l.NameEN} {
			p.localities[devices.SearchKey(name)] = l.ID
		}
	}
	wards, err := a.Registry.Wards(ctx)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	for _, w := range wards {
		p.wards[w.Code] = append(p.wards[w.Code], w)
		if key := wardKey(w.NameVI); w.InForce(now) {
			p.wards[key] = append(p.wards[key], w)
		}
	}
	return p, nil
}

// importer takes rows into a batch.
type importer struct {
	reader    *rowReader
	request   string
	all       bool
	catalogue *telemetry.Catalogue
	result    *ImportResult
}

// rows takes all rows. The error is one that ends the import.
func (i *importer) rows(ctx context.Context, b *devices.Batch, rows []row) error {
	for some := range slices.Chunk(rows, importChunk) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("import row %d: %w", some[0].number, err)
		}
		if err := i.some(ctx, b, some); err != nil {
			return err
		}
	}
	return nil
}

// some takes a few rows: what the registry knows of them is read at once.
func (i *importer) some(ctx context.Context, b *devices.Batch, rows []row) error {
	entries := make([]entry, len(rows))
	var about devices.Expected
	for n, r := range rows {
		e := i.reader.read(r)
		entries[n] = e
		about.Requests = append(about.Requests, i.requestOf(r))
		if telemetry.CheckID(string(e.device.ID)) == nil {
			about.Devices, about.Serials = append(about.Devices, e.device.ID), append(about.Serials, strings.ToValidUTF8(e.device.Serial, ""))
		}
		if telemetry.CheckID(string(e.site.ID)) == nil {
			about.Sites = append(about.Sites, e.site.ID)
		}
	}
	if err := b.Expect(ctx, about); err != nil {
		return err
	}
	for n, r := range rows {
		e := entries[n]
		res := RowResult{Row: r.number, Status: RowImported, Device: clipped(e.device.ID), Site: clipped(e.site.ID), Errors: e.faults}
		err := i.take(ctx, b, r, e)
		if devices.CodeOf(err) == devices.Internal {
			return err
		}
		i.explain(&res, err)
		if len(res.Errors) > 0 {
			res.Status = RowFailed
			i.result.Failed++
		} else {
			i.result.Imported++
		}
		if i.all || res.Status == RowFailed {
			i.result.Results = append(i.result.Results, res)
		}
	}
	return nil
}

// requestOf is the id of a row's own act.
func (i *importer) requestOf(r row) string { return fmt.Sprintf("%s.%d", i.request, r.number) }

// clipped keeps what a file calls an id short.
func clipped[T ~string](id T) T { return T(clip(string(id), telemetry.MaxIDLength)) }

// take brings an entry into the registry. One with faults is only looked at, so
// that all that is wrong with it is told at once.
func (i *importer) take(ctx context.Context, b *devices.Batch, r row, e entry) error {
	if len(e.faults) > 0 {
		return i.look(e)
	}
	request := i.requestOf(r)
	if _, err := b.Reader().Request(ctx, request); err == nil {
		return nil // this row of this file is done
	} else if devices.CodeOf(err) != devices.NotFound {
		return err
	}
	isNew := false
	if e.site.ID != "" {
		_, err := b.Reader().Site(ctx, e.site.ID)
		isNew = devices.CodeOf(err) == devices.NotFound
		if err != nil && !isNew {
			return err
		}
	}
	switch {
	case e.site.ID == "":
		_, err := b.CreateDevice(ctx, e.device)
		return err
	case e.device.ID == "":
		_, err := b.CreateSite(ctx, e.site)
		return err
	default:
		_, err := b.RegisterDevice(ctx, devices.Registration{Request: request, Device: e.device, Site: e.site,
			NewSite: isNew, From: e.from, Redundant: e.backup, Cadence: e.cadence})
		return err
	}
}

// look says what is wrong with an entry by itself.
func (i *importer) look(e entry) error {
	var wrong devices.Errors
	if e.device.ID != "" {
		for _, d := range devices.Details(e.device.Validate(i.catalogue)) {
			c := *d
			c.Field = "device." + c.Field
			wrong = append(wrong, &c)
		}
	}
	if e.site.Name != "" { // it may be one that exists, and then it needs nothing else
		wrong = append(wrong, devices.Details(e.site.Validate(i.reader.province))...)
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// explain adds what the registry found wrong, by the file's own columns.
func (i *importer) explain(res *RowResult, err error) {
	if err == nil {
		return
	}
	deviceOnly := res.Site == ""
	told := map[string]bool{}
	for _, f := range res.Errors {
		told[f.Column] = true
	}
	for _, d := range devices.Details(err) {
		name := d.Field
		if deviceOnly && name == "id" {
			name = "device.id"
		}
		if d.Reason == devices.ReasonSwapped {
			i.result.Swapped++
		}
		column := i.reader.layout.header(columnOfError(name, i.reader.layout))
		if !told[column] { // what could not be read is not also missing
			res.Errors = append(res.Errors, RowFault{Column: column, Code: string(d.Reason), VI: d.VI, EN: d.EN, Suggestion: d.Suggestion})
		}
	}
}
