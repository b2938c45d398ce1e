package sqlstore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// format is the name and version of the backup's form: lines of JSON.
//
//	{"format":"haidang-registry-1","schema":1,"at":"2026-11-21T03:00:00Z"}
//	{"t":"ward","r":["22366","Phường Nha Trang",…]}      one line a row, its values in
//	…                                                    the order of the table's columns
//	{"end":true,"rows":4711,"sha256":"…"}                of all lines before
//
// Values are strings, numbers, null, true or false; bytes are {"b":"base64"}. A
// file without its last line was cut off and is refused.
const format = "haidang-registry-1"

// maxLine bounds a line of a backup: a photo in base64 and more.
const maxLine = 16 << 20

// line is any line of a backup.
type line struct {
	Format string    `json:"format,omitempty"`
	Schema int64     `json:"schema,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Table  string    `json:"t,omitempty"`
	Row    []any     `json:"r,omitempty"`
	End    bool      `json:"end,omitempty"`
	Rows   int64     `json:"rows,omitempty"`
	Sum    string    `json:"sha256,omitempty"`
}

// blob is how bytes are written.
type blob struct {
	B []byte `json:"b"`
}

// dump is a table in a backup.
type dump struct {
	name    string
	columns []string
}

// boolean reports whether a column holds true or false, for which SQLite has no
// type of its own. A column of one of these names is boolean in every table.
func boolean(column string) bool {
	return slices.Contains([]string{"provisional", "simulated", "redundant", "below", "strict"}, column)
}

// dumps lists the tables of a schema's version so that what a row refers to comes
// before it. A further migration that adds a table adds it here; a test compares
// with the schema.
func dumps(schema int64) []dump {
	all := []dump{
		{"ward", wards().columns}, {"locality", localities().columns}, {"profile", profiles().columns},
		{"site", sites().columns}, {"device", deviceRows().columns},
		{"installation", installations().columns},
		{"placed", strings.Fields("device site installation locality ward lat lon kinds state search")}, {"photo", strings.Fields("id installation type data at")},
		{"change", changes().columns}, {"request", requests().columns}, {"heard", heards().columns},
	}
	if schema < 7 { // wards had no successors
		all[0].columns = slices.DeleteFunc(slices.Clone(all[0].columns), func(c string) bool { return c == "successors" })
	}
	if schema < 8 { // devices had no home
		all[4].columns = slices.DeleteFunc(slices.Clone(all[4].columns), func(c string) bool { return c == "home" })
	}
	if schema >= 3 { // the photos' data has a table of its own
		n := slices.IndexFunc(all, func(d dump) bool { return d.name == "photo" })
		all = slices.Replace(all, n, n+1, dump{"photo", photos().columns}, dump{"photo_data", pictures().columns})
	}
	if schema >= 6 {
		all = append(all, dump{"site_limit", limitRows().columns})
	}
	if schema >= 2 {
		all = append(all, accessDumps()...)
	}
	return all
}

// Backup writes all that the store holds, as of one moment, while others may go
// on writing. at is the time that the backup says of itself.
func (s *Store) Backup(ctx context.Context, w io.Writer, at time.Time) error {
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	schema, err := version(ctx, tx)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	out := &lineWriter{w: buffered, sum: sha256.New()}
	if err := out.write(line{Format: format, Schema: schema, At: at.UTC()}); err != nil {
		return err
	}
	for _, d := range dumps(schema) {
		if err := d.write(ctx, tx, out); err != nil {
			return fmt.Errorf("back up %s: %w", d.name, err)
		}
	}
	if err := out.write(line{End: true, Rows: out.rows, Sum: hex.EncodeToString(out.sum.Sum(nil))}); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// lineWriter writes lines and sums them.
type lineWriter struct {
	w    io.Writer
	sum  hash.Hash
	rows int64
}

func (o *lineWriter) write(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	text = append(text, '\n')
	o.sum.Write(text)
	if _, err := o.w.Write(text); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	if l.Table != "" {
		o.rows++
	}
	return nil
}

func (d dump) write(ctx context.Context, q querier, out *lineWriter) error {
	query := "SELECT " + strings.Join(d.columns, ", ") + " FROM " + d.name + " ORDER BY " + d.columns[0]
	return each(ctx, q, query, nil, func(scan func(...any) error) error {
		row, into := make([]any, len(d.columns)), make([]any, len(d.columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := scan(into...); err != nil {
			return err
		}
		for i, v := range row {
			switch v := v.(type) {
			case []byte:
				row[i] = blob{v}
			case int64:
				if boolean(d.columns[i]) {
					row[i] = v != 0
				}
			}
		}
		return out.write(line{Table: d.name, Row: row})
	})
}

// Restore reads a backup into the empty store at a place, of either database, and
// brings it up to date. Where it fails, the place is as empty as before.
func Restore(ctx context.Context, place string, r io.Reader) error {
	s, err := connect(ctx, place)
	if err != nil {
		return fmt.Errorf("open registry %s: %w", Name(place), err)
	}
	if err := s.restore(ctx, r); err != nil {
		return fmt.Errorf("restore registry %s: %w", Name(place), errors.Join(err, s.Close()))
	}
	return s.Close()
}

func (s *Store) restore(ctx context.Context, r io.Reader) error {
	in := &lineReader{scan: bufio.NewScanner(r), sum: sha256.New()}
	in.scan.Buffer(make([]byte, 64<<10), maxLine)
	head, err := in.next()
	if err != nil {
		return err
	}
	if head.Format != format {
		return fmt.Errorf("it is not a backup of a registry: its first line does not say %q", format)
	}
	// The tables as they were when it was written; what came later comes after.
	if err := s.migrate(ctx, head.Schema); err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // does nothing after a commit
	have, err := version(ctx, tx)
	if err != nil {
		return err
	}
	if have != head.Schema {
		return fmt.Errorf("the place has tables of version %d and the backup of %d: restore into an empty place", have, head.Schema)
	}
	for _, d := range dumps(head.Schema) {
		n, err := newTransaction(tx, s.postgres).count(ctx, d.name, conditions{})
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("the place is not empty: it has %d rows in %s", n, d.name)
		}
	}
	if err := in.rows(ctx, tx, head.Schema); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if _, err := s.write.ExecContext(ctx, "ANALYZE"); err != nil { // plans are poor without statistics
		return fmt.Errorf("gather statistics: %w", err)
	}
	return s.migrate(ctx, 0)
}

// lineReader reads lines and sums them.
type lineReader struct {
	scan *bufio.Scanner
	sum  hash.Hash
	n    int
}

func (in *lineReader) next() (l line, err error) {
	if !in.scan.Scan() {
		if err := in.scan.Err(); err != nil {
			return l, fmt.Errorf("read line %d: %w", in.n+1, err)
		}
		return l, fmt.Errorf("it ends after line %d: the file was cut off", in.n)
	}
	in.n++
	text := in.scan.Bytes()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("read line %d: %w", in.n, err)
	}
	if !l.End {
		in.sum.Write(text)
		in.sum.Write([]byte{'\n'})
	}
	return l, nil
}

// rows inserts all rows and checks the last line.
func (in *lineReader) rows(ctx context.Context, q querier, schema int64) error {
	tables := map[string]dump{}
	for _, d := range dumps(schema) {
		tables[d.name] = d
	}
	for n := int64(0); ; n++ {
		l, err := in.next()
		if err != nil {
			return err
		}
		if l.End {
			if sum := hex.EncodeToString(in.sum.Sum(nil)); l.Rows != n || l.Sum != sum {
				return fmt.Errorf("line %d: the sum or the number of rows is not that of what came before: the file was changed", in.n)
			}
			return nil
		}
		d, ok := tables[l.Table]
		if !ok || len(l.Row) != len(d.columns) {
			return fmt.Errorf("line %d: a row of table %q with %d values is not one that this program knows", in.n, l.Table, len(l.Row))
		}
		if err := d.insert(ctx, q, l.Row); err != nil {
			return fmt.Errorf("line %d: %w", in.n, err)
		}
	}
}

func (d dump) insert(ctx context.Context, q querier, row []any) error {
	marks := make([]string, len(row))
	for i, v := range row {
		marks[i] = "$" + strconv.Itoa(i+1)
		value, err := restored(v)
		if err != nil {
			return fmt.Errorf("column %s: %w", d.columns[i], err)
		}
		row[i] = value
	}
	_, err := q.ExecContext(ctx, "INSERT INTO "+d.name+" ("+strings.Join(d.columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", row...)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", d.name, err)
	}
	return nil
}

// restored is a value as drivers take it.
func restored(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case map[string]any:
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		var b blob
		err = json.Unmarshal(text, &b)
		return b.B, err
	case []any:
		return nil, errors.New("a list is no value")
	default:
		return v, nil
	}
}

// VacuumInto writes a compact copy of an SQLite store as an SQLite file, which
// must not be there yet.
func (s *Store) VacuumInto(ctx context.Context, path string) error {
	if s.postgres {
		return errors.New("copy registry: PostgreSQL has no file; use Backup")
	}
	// Not by the reading pool: its connections may write nothing at all.
	if _, err := s.write.ExecContext(ctx, "VACUUM INTO $1", path); err != nil {
		return fmt.Errorf("copy registry: %w", err)
	}
	return nil
}
