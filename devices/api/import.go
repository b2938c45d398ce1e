package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const importDescription = `The body is the file: CSV (UTF-8, UTF-16 or Windows-1258; commas, semicolons or tabs; decimal points or commas) or XLSX (its first sheet).
A row is a device at a site, a device alone or a site alone. Columns are found by their headers in Vietnamese or English, as in an export; what is not known is ignored and told.
A device or site that is not known is created; of a new site without a ward it is the one that its position suggests. What is known is changed where the row says something else, and is otherwise unchanged: no version, no entry in the journal. An empty cell says nothing, but in an export (a file with the column state) it takes an optional value away. A device that was taken away is put back; one that stands at another site is refused.
Nothing is imported if a row fails, unless partial=true. With dry_run=true nothing is imported at all.
Who accepts application/x-ndjson is told how far it has come: a line {"done":500,"rows":50000} now and then, and at last one with the result or the problem. Once the connection is cut nothing more is imported, and what is not committed is undone; with partial=true every 500 rows are. The same file sent again changes nothing.`

type importQuery struct {
	DryRun     bool               `query:"dry_run" doc:"Try it, import nothing"`
	Partial    bool               `query:"partial" doc:"Import the good rows although others fail"`
	FixSwapped bool               `query:"fix_swapped" doc:"Take coordinates the other way round where only that lies in the province"`
	Results    string             `query:"results" enum:"failed,all" default:"failed" doc:"Which rows to tell of"`
	Locality   telemetry.Locality `query:"locality" maxLength:"64" doc:"For rows that say none"`
	Why        string             `query:"why" maxLength:"4000" doc:"In the journal, for every row"`
	Accept     string             `header:"Accept" hidden:"true"`
	RawBody    []byte             `contentType:"application/octet-stream"`
}

// ndjson is the type of an answer that tells how far an import has come.
const ndjson = "application/x-ndjson"

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

func (a *API) importFile(ctx context.Context, q *importQuery) (*huma.StreamResponse, error) {
	i, err := a.newImport(ctx, q)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if !strings.Contains(q.Accept, ndjson) {
		res, err := i.run(ctx, func(int) error { return nil })
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		return &huma.StreamResponse{Body: func(out huma.Context) {
			out.SetHeader("Content-Type", "application/json")
			if err := json.NewEncoder(out.BodyWriter()).Encode(res); err != nil {
				a.Logger.Debug("an import's answer did not arrive", "error", err)
			}
		}}, nil
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", ndjson)
		out.SetHeader("Cache-Control", "no-store")
		out.SetHeader("X-Accel-Buffering", "no") // proxies must not gather it
		// The server's deadline was for the file, which is here; past it the request
		// would be taken for one whose client is gone.
		_ = out.SetReadDeadline(time.Time{})
		w := streamWriter{ctx: out}
		line := ImportLine{Rows: len(i.sheet)}
		tell := func(done int) error {
			line.Done = done
			return w.line(line)
		}
		err := tell(0)
		if err == nil {
			line.Result, err = i.run(ctx, tell)
		}
		if err != nil {
			line.Problem = a.fail(ctx, err).(*Problem) // fail makes nothing else
		}
		_ = w.line(line) // who is gone is told nothing
	}}, nil
}

// rowReader knows the words of the city: kinds, localities and wards by name.
func (a *API) rowReader(ctx context.Context, s *sheet, q *importQuery) (*rowReader, error) {
	l, err := layoutOf(s.header)
	if err != nil {
		return nil, err
	}
	p := &rowReader{layout: l, date1904: s.date1904, kinds: map[string]telemetry.Kind{}, localities: map[string]telemetry.Locality{},
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
		p.order = append(p.order, l.ID)
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
		if !w.InForce(now) {
			continue
		}
		p.placing = append(p.placing, w)
		for _, name := range []string{w.NameVI, w.NameEN} {
			if key, _ := wardKey(name); key != "" && !slices.ContainsFunc(p.wards[key], func(o devices.Ward) bool { return o.Code == w.Code }) {
				p.wards[key] = append(p.wards[key], w)
			}
		}
	}
	return p, nil
}

// importer takes a file's rows into the registry.
type importer struct {
	api     *API
	query   *importQuery
	sheet   []row
	reader  *rowReader
	request string
	result  *ImportResult
	done    int                  // rows that were looked at
	tell    func(done int) error // after every few rows; its error ends the import
}

// newImport reads the file. Faults of single rows are for later.
func (a *API) newImport(ctx context.Context, q *importQuery) (*importer, error) {
	// A file takes some hundred times its size to read: one at a time.
	end, err := a.sheets.begin(ctx)
	if err != nil {
		return nil, err
	}
	s, err := readSheet(ctx, q.RawBody)
	end()
	if err != nil {
		return nil, err
	}
	p, err := a.rowReader(ctx, s, q)
	if err != nil {
		return nil, err
	}
	if len(p.layout.at) == 0 {
		return nil, invalidField("file", "no_header", "Không nhận ra cột nào; dòng đầu phải là tên cột.", "No column is recognised; the first line must name the columns.")
	}
	return &importer{api: a, query: q, sheet: s.rows, reader: p, request: q.request(),
		result: &ImportResult{DryRun: q.DryRun, Rows: len(s.rows), Format: s.format, Encoding: s.encoding, Columns: p.layout.columns, Results: []RowResult{}}}, nil
}

// run imports. One act, for which all other changes wait, and with them writing
// down who was let in or heard meanwhile; admission and reading go on. The rows of a
// partial import need not be one act, so others come in between.
func (i *importer) run(ctx context.Context, tell func(done int) error) (*ImportResult, error) {
	i.tell = tell
	res, size := i.result, len(i.sheet)
	if i.query.Partial && !i.query.DryRun {
		size = importChunk
	}
	var err error
	for chunk := range slices.Chunk(i.sheet, size) {
		err = i.api.Registry.Batch(ctx, i.api.by(ctx, i.query.Why), func(b *devices.Batch) error {
			if err := i.rows(ctx, b, chunk); err != nil {
				return err
			}
			if i.query.DryRun || res.Failed > 0 && !i.query.Partial {
				return errNotKept
			}
			return nil
		})
		if err != nil && !errors.Is(err, errNotKept) {
			return nil, err
		}
	}
	res.Committed = err == nil && res.Imported > 0
	if !res.Committed {
		if !i.query.DryRun {
			res.Imported, res.Updated = 0, 0
		}
		for n := range res.Results {
			if s := res.Results[n].Status; s == RowImported || s == RowUpdated {
				res.Results[n].Status = RowOK
			}
		}
	}
	return res, nil
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
		i.done += len(some)
		if err := i.tell(i.done); err != nil {
			return fmt.Errorf("tell how far the import has come: %w", err)
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
		res := RowResult{Row: r.number, Device: clipped(e.device.ID), Site: clipped(e.site.ID), Errors: e.faults}
		status, err := i.take(ctx, b, r, e)
		if devices.CodeOf(err) == devices.Internal {
			return err
		}
		i.explain(&res, err)
		if len(res.Errors) > 0 {
			res.Status = RowFailed
			i.result.Failed++
		} else if res.Status = status; status == RowUnchanged {
			i.result.Unchanged++
		} else {
			i.result.Imported++
			if status == RowUpdated {
				i.result.Updated++
			}
		}
		if i.query.Results == "all" || res.Status == RowFailed {
			i.result.Results = append(i.result.Results, res)
		}
	}
	return nil
}

// requestOf is the id of a row's own act.
func (i *importer) requestOf(r row) string { return fmt.Sprintf("%s.%d", i.request, r.number) }

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
