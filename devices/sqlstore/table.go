package sqlstore

import (
	"context"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// table says how an entity lies in its table. The first column is its key.
type table[T any] struct {
	name    string
	columns []string
	// fields are pointers to the entity's parts, in the order of the columns; they
	// can be scanned into, and [plain] makes values of them.
	fields func(*T) []any
}

// list is the columns for a SELECT, each after a prefix such as "d.".
func (t table[T]) list(prefix string) string {
	return prefix + strings.Join(t.columns, ", "+prefix)
}

// insertion is the statement that adds so many rows.
func (t table[T]) insertion(rows int, postgres bool) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.name + " (" + t.list("") + ") VALUES ")
	for n := range rows {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + marks(n*len(t.columns), len(t.columns), postgres) + ")")
	}
	return b.String()
}

// marks are n parameters after the first so many. SQLite looks a numbered one up
// among all others whenever it is named; in statements of a thousand that takes
// longer than all else.
func marks(after, n int, postgres bool) string {
	if !postgres {
		return strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
	}
	out := make([]string, n)
	for i := range out {
		out[i] = "$" + strconv.Itoa(after+i+1)
	}
	return strings.Join(out, ", ")
}

// all reads the rows that the rest of a SELECT selects.
func (t table[T]) all(ctx context.Context, q querier, rest string, args ...any) ([]T, error) {
	var out []T
	err := each(ctx, q, "SELECT "+t.list("")+" FROM "+t.name+" "+rest, args, func(scan func(...any) error) error {
		var v T
		if err := scan(t.fields(&v)...); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

// each calls f for every row of a query.
func each(ctx context.Context, q querier, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("query registry: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("query registry: %w", err)
	}
	return nil
}

// plain makes values of pointers, as both drivers take them.
func plain(fields []any) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		switch p := f.(type) {
		case *string:
			out[i] = *p
		case *int64:
			out[i] = *p
		case *float64:
			out[i] = *p
		case *bool:
			out[i] = *p
		case *[]byte:
			out[i] = *p
		default:
			out[i] = f // a driver.Valuer
		}
	}
	return out
}

// text stores a named string; "" is NULL if nullable.
type text[T ~string] struct {
	p        *T
	nullable bool
}

func textOf[T ~string](p *T) text[T] { return text[T]{p: p} }

func (c text[T]) Value() (driver.Value, error) {
	if c.nullable && *c.p == "" {
		return nil, nil
	}
	return string(*c.p), nil
}

func (c text[T]) Scan(v any) error {
	s, err := asString(v)
	*c.p = T(s)
	return err
}

func asString(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("a text column holds %T", v)
}

// word is a value that has a name.
type word interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

// named stores a value by its name.
type named[T any] struct{ p *T }

func (c named[T]) Value() (driver.Value, error) { return any(c.p).(word).String(), nil }

func (c named[T]) Scan(v any) error {
	s, err := asString(v)
	if err != nil || s == "" {
		return err
	}
	return any(c.p).(word).UnmarshalText([]byte(s))
}

// moment stores a time in milliseconds; the zero time is NULL.
type moment struct{ p *time.Time }

func (c moment) Value() (driver.Value, error) {
	if c.p.IsZero() {
		return nil, nil
	}
	return c.p.UnixMilli(), nil
}

func (c moment) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*c.p = time.Time{}
	case int64:
		*c.p = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("a time column holds %T", v)
	}
	return nil
}

// span stores a duration in nanoseconds.
type span struct{ p *time.Duration }

func (c span) Value() (driver.Value, error) { return int64(*c.p), nil }

func (c span) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration column holds %T", v)
	}
	*c.p = time.Duration(n)
	return nil
}

// words stores a list of words with a space before and after each, so that
// LIKE '% word %' finds one.
type words[T ~string] struct{ p *[]T }

func wordsOf[T ~string](p *[]T) words[T] { return words[T]{p} }

func (c words[T]) Value() (driver.Value, error) {
	var b strings.Builder
	for _, w := range *c.p {
		b.WriteString(" " + string(w))
	}
	b.WriteString(" ")
	return b.String(), nil
}

func (c words[T]) Scan(v any) error {
	s, err := asString(v)
	*c.p = nil
	for _, w := range strings.Fields(s) {
		*c.p = append(*c.p, T(w))
	}
	return err
}

// document stores a value as JSON.
type document[T any] struct{ p *T }

func documentOf[T any](p *T) document[T] { return document[T]{p} }

func (c document[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(*c.p)
	return string(b), err
}

func (c document[T]) Scan(v any) error {
	s, err := asString(v)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(s), c.p)
}

// raw stores JSON as it is; none is "".
type raw struct{ p *json.RawMessage }

func (c raw) Value() (driver.Value, error) { return string(*c.p), nil }

func (c raw) Scan(v any) error {
	s, err := asString(v)
	*c.p = nil
	if s != "" {
		*c.p = json.RawMessage(s)
	}
	return err
}
