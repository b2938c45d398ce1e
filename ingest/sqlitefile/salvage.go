package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Saved is what became of a table of a damaged file.
type Saved struct {
	Table string
	// Rows were read of the damaged file, FromCopy added from the older copy.
	Rows, FromCopy int64
	// Whole says that every row was read: the damage is elsewhere.
	Whole bool
}

// Salvage fills the tables of a new, empty file with what can be read of a damaged one:
// each table is read from its beginning and, where that fails, from its end. Where rows
// cannot be read, those of an older copy fill the places that are left; older may be
// empty for none. So a table that is not damaged is as new as it was.
//
// The new file must have all tables, and no rows that are not to be replaced.
func Salvage(ctx context.Context, damaged, older, into string) ([]Saved, error) {
	to, err := sql.Open("sqlite", address(into, "rw", "foreign_keys(0)"))
	if err != nil {
		return nil, fmt.Errorf("salvage into %s: %w", into, err)
	}
	defer to.Close()
	to.SetMaxOpenConns(1)
	tables, err := texts(ctx, to, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list tables of %s: %w", into, err)
	}
	var out []Saved
	for _, table := range tables {
		s := Saved{Table: table}
		if s.Rows, s.Whole, err = salvageTable(ctx, damaged, to, table); err != nil {
			return out, fmt.Errorf("salvage %s: %w", table, err)
		}
		if !s.Whole && older != "" {
			if s.FromCopy, _, err = salvageTable(ctx, older, to, table); err != nil {
				return out, fmt.Errorf("salvage %s from the copy: %w", table, err)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// salvageTable reads a table of a file in both directions; whole says that the first
// came to the end. What the new file has already it keeps.
func salvageTable(ctx context.Context, path string, to *sql.DB, table string) (rows int64, whole bool, err error) {
	from, err := sql.Open("sqlite", address(path, "rw", "query_only(1)", "cell_size_check(1)"))
	if err != nil {
		return 0, false, err
	}
	defer from.Close()
	from.SetMaxOpenConns(1)
	for _, order := range []string{"", " DESC"} {
		n, err := salvageScan(ctx, from, to, table, order)
		rows += n
		if err == nil {
			return rows, true, nil
		}
		// A table that an older program's file does not have is none of its damage.
		if !Damaged(err) && !strings.Contains(err.Error(), "no such table") && !strings.Contains(err.Error(), "malformed") {
			return rows, false, err
		}
	}
	return rows, false, nil
}

// batch is how many rows are written in one transaction.
const batch = 1000

// salvageScan copies row by row until it cannot read on.
func salvageScan(ctx context.Context, from, to *sql.DB, table, order string) (n int64, err error) {
	key, err := keyOf(ctx, to, table)
	if err != nil {
		return 0, err
	}
	rows, err := from.QueryContext(ctx, fmt.Sprintf("SELECT * FROM %s NOT INDEXED ORDER BY %s", table, strings.Join(key, order+", ")+order))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	known, err := texts(ctx, to, "SELECT name FROM pragma_table_info('"+table+"')")
	if err != nil {
		return 0, err
	}
	w := salvageWriter{ctx: ctx, db: to, insert: insertInto(table, columns, known)}
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return w.end(err)
		}
		var values []any
		for i, c := range columns {
			if slices.Contains(known, c) {
				values = append(values, row[i])
			}
		}
		if err := w.write(values); err != nil {
			return w.end(err)
		}
	}
	return w.end(rows.Err())
}

// keyOf is by what a table's own tree is ordered.
func keyOf(ctx context.Context, db *sql.DB, table string) ([]string, error) {
	var text string
	if err := db.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE name = ?", table).Scan(&text); err != nil {
		return nil, fmt.Errorf("read schema of %s: %w", table, err)
	}
	if !strings.Contains(strings.ToUpper(text), "WITHOUT ROWID") {
		return []string{"rowid"}, nil
	}
	return texts(ctx, db, "SELECT name FROM pragma_table_info('"+table+"') WHERE pk > 0 ORDER BY pk")
}

func insertInto(table string, columns, known []string) string {
	var names, marks []string
	for _, c := range columns {
		if slices.Contains(known, c) {
			names, marks = append(names, c), append(marks, "?")
		}
	}
	return fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(marks, ", "))
}

// salvageWriter inserts in transactions of many rows. A row that the new file will not
// have, because a damaged one breaks its rules, is passed over.
type salvageWriter struct {
	ctx    context.Context
	db     *sql.DB
	insert string
	tx     *sql.Tx
	in     int
	n      int64
}

func (w *salvageWriter) write(values []any) (err error) {
	if w.tx == nil {
		if w.tx, err = w.db.BeginTx(w.ctx, nil); err != nil {
			return err
		}
	}
	r, err := w.tx.ExecContext(w.ctx, w.insert, values...)
	if err != nil {
		if w.ctx.Err() != nil {
			return err
		}
		return nil // such as a number where a text belongs
	}
	added, _ := r.RowsAffected() // the driver knows it
	w.n += added
	if w.in++; w.in < batch {
		return nil
	}
	err, w.tx, w.in = w.tx.Commit(), nil, 0
	return err
}

// end commits what was written; why the reading ended is returned.
func (w *salvageWriter) end(why error) (int64, error) {
	if w.tx != nil {
		if err := w.tx.Commit(); err != nil {
			return w.n, errors.Join(why, err)
		}
	}
	return w.n, why
}
