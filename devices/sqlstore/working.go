package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/devices"
)

// A transaction reads an entity once, changes it in memory, and writes what it
// changed in bulk: before a list is read, and before the commit. Registering a
// device asks and writes some fifty times, and a file may have 50,000 of them; by
// a statement each that took minutes, most of it spent on parsing SQL and, with
// PostgreSQL, on waiting for answers.
//
// Undoing an operation ([transaction.Nested]) puts the entities back in memory.
// What had been written of it by then is written again as it was, or deleted:
// memory says what is to be in the tables.

const (
	bulk = 100 // rows of one INSERT; times the columns within what databases take
	many = 500 // keys of one IN
	// forgetAfter is how many changes a transaction holds before it writes and
	// forgets them: some 10 MB.
	forgetAfter = 5000
)

// entry is a row as the transaction will leave it.
type entry[V any] struct {
	now    *V   // nil: there is none
	stored bool // the table has one, maybe another
	dirty  bool // the table does not have it like this
}

// kept is what a transaction knows of a table.
type kept[K comparable, V any] struct {
	table  table[V]
	key    func(*V) K
	rows   map[K]*entry[V]
	dirty  []K
	groups []*group[K, V]
}

// group finds rows by another column than their key.
type group[K comparable, V any] struct {
	column  string
	of      func(*V) string
	members map[string]map[K]bool // all that ever had the value
	whole   map[string]bool       // those in the table are among the members
}

func keep[K comparable, V any](t table[V], key func(*V) K, groups ...*group[K, V]) *kept[K, V] {
	return &kept[K, V]{table: t, key: key, groups: groups}
}

func by[K comparable, V any](column string, of func(*V) string) *group[K, V] {
	return &group[K, V]{column: column, of: of}
}

// forget lets go of what was read and is in the table.
func (k *kept[K, V]) forget() {
	k.rows, k.dirty = nil, nil
	for _, g := range k.groups {
		g.members, g.whole = nil, nil
	}
}

// note has the groups know a row.
func (k *kept[K, V]) note(key K, v *V) {
	for _, g := range k.groups {
		value := g.of(v)
		if g.members == nil {
			g.members, g.whole = map[string]map[K]bool{}, map[string]bool{}
		}
		if g.members[value] == nil {
			g.members[value] = map[K]bool{}
		}
		g.members[value][key] = true
	}
}

// learn takes in rows of the table where the transaction does not know better.
func (k *kept[K, V]) learn(ctx context.Context, t *transaction, column string, values []any) error {
	if k.rows == nil {
		k.rows = map[K]*entry[V]{}
	}
	for some := range slices.Chunk(values, many) {
		rows, err := k.table.all(ctx, t.q, "WHERE "+column+" IN ("+t.marks(len(some))+")", some...)
		if err != nil {
			return err
		}
		for i := range rows {
			if key := k.key(&rows[i]); k.rows[key] == nil {
				k.rows[key] = &entry[V]{now: &rows[i], stored: true}
				k.note(key, &rows[i])
			}
		}
	}
	return nil
}

// load reads the rows of keys that are not known, and notes which there are none
// of.
func (k *kept[K, V]) load(ctx context.Context, t *transaction, keys []K) error {
	var unknown []any
	for _, key := range keys {
		if k.rows[key] == nil {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	if err := k.learn(ctx, t, k.table.columns[0], unknown); err != nil {
		return err
	}
	for _, key := range keys {
		if k.rows[key] == nil {
			k.rows[key] = &entry[V]{}
		}
	}
	return nil
}

// get is the entry of a key.
func (k *kept[K, V]) get(ctx context.Context, t *transaction, key K) (*entry[V], error) {
	if e := k.rows[key]; e != nil {
		return e, nil
	}
	if err := k.load(ctx, t, []K{key}); err != nil {
		return nil, err
	}
	return k.rows[key], nil
}

// one is the row of a key; the error of [devices.Missing] where there is none.
func (k *kept[K, V]) one(ctx context.Context, t *transaction, entity devices.Entity, key K) (v V, err error) {
	e, err := k.get(ctx, t, key)
	if err == nil && e.now == nil {
		err = devices.Missing(entity, fmt.Sprint(key))
	}
	if err != nil {
		return v, err
	}
	return *e.now, nil
}

// loadGroup reads all rows that have one of the values.
func (k *kept[K, V]) loadGroup(ctx context.Context, t *transaction, g *group[K, V], values []string) error {
	var unknown []any
	for _, v := range values {
		if !g.whole[v] {
			unknown = append(unknown, v)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	if err := k.learn(ctx, t, g.column, unknown); err != nil {
		return err
	}
	if g.whole == nil {
		g.members, g.whole = map[string]map[K]bool{}, map[string]bool{}
	}
	for _, v := range values {
		g.whole[v] = true
	}
	return nil
}

// grouped are the rows that have a value, in no order.
func (k *kept[K, V]) grouped(ctx context.Context, t *transaction, g *group[K, V], value string) (out []V, err error) {
	if err := k.loadGroup(ctx, t, g, []string{value}); err != nil {
		return nil, err
	}
	for key := range g.members[value] {
		if v := k.rows[key].now; v != nil && g.of(v) == value {
			out = append(out, *v)
		}
	}
	return out, nil
}

// all reads the rows that the rest of a SELECT selects, with what was changed.
func (k *kept[K, V]) all(ctx context.Context, t *transaction, rest string) ([]V, error) {
	if len(k.dirty) > 0 {
		if err := t.flush(ctx); err != nil {
			return nil, err
		}
	}
	return k.table.all(ctx, t.q, rest)
}

// fresh notes that there is no row of a key, which was just given.
func (k *kept[K, V]) fresh(key K) {
	if k.rows == nil {
		k.rows = map[K]*entry[V]{}
	}
	if k.rows[key] == nil {
		k.rows[key] = &entry[V]{}
	}
}

// set changes a row; nil is none. It is undone with the operation that it is part
// of.
func (k *kept[K, V]) set(t *transaction, key K, e *entry[V], v *V) {
	old := e.now
	change := func(v *V) {
		e.now = v
		if !e.dirty {
			e.dirty = true
			k.dirty = append(k.dirty, key)
		}
	}
	change(v)
	if v != nil {
		k.note(key, v)
	}
	t.undoable(func() { change(old) })
}

// put adds version 1 and replaces the version before all others, with the
// conflicts that [devices.Tx] promises.
func (k *kept[K, V]) put(ctx context.Context, t *transaction, v V, version int64, is func(*V) int64) error {
	key := k.key(&v)
	e, err := k.get(ctx, t, key)
	switch {
	case err != nil:
		return err
	case version == 1 && e.now != nil:
		return devices.Duplicate(fmt.Sprint(key))
	case version != 1 && (e.now == nil || is(e.now) != version-1):
		return devices.Stale(version - 1)
	}
	k.set(t, key, e, &v)
	return nil
}

// changed are the rows to be written and the keys to be deleted.
func (k *kept[K, V]) changed() (write []V, remove []any) {
	for _, key := range k.dirty {
		switch e := k.rows[key]; {
		case e.now != nil:
			write = append(write, *e.now)
		case e.stored:
			remove = append(remove, key)
		}
	}
	return write, remove
}

// remove deletes what is not to be in the table.
func (k *kept[K, V]) remove(ctx context.Context, t *transaction) error {
	_, keys := k.changed()
	return t.delete(ctx, k.table.name, k.table.columns[0], keys)
}

// write brings the table to what is known; what is to be deleted is by then. order
// is that of the rows, if it matters.
func (k *kept[K, V]) write(ctx context.Context, t *transaction, order func(a, b V) int) error {
	rows, _ := k.changed()
	if order != nil {
		slices.SortStableFunc(rows, order)
	}
	if err := upsert(ctx, k.table, t, rows...); err != nil {
		return err
	}
	for _, key := range k.dirty {
		e := k.rows[key]
		e.stored, e.dirty = e.now != nil, false
	}
	k.dirty = k.dirty[:0]
	return nil
}

// delete deletes the rows whose column has one of the values.
func (t *transaction) delete(ctx context.Context, table, column string, values []any) error {
	for some := range slices.Chunk(values, many) {
		if _, err := t.q.ExecContext(ctx, "DELETE FROM "+table+" WHERE "+column+" IN ("+t.marks(len(some))+")", some...); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
	}
	return nil
}

// upsert adds rows, or replaces those of the same key.
func upsert[T any](ctx context.Context, t table[T], tx *transaction, rows ...T) error {
	for some := range slices.Chunk(rows, bulk) {
		args := make([]any, 0, len(some)*len(t.columns))
		for i := range some {
			args = append(args, plain(t.fields(&some[i]))...)
		}
		if err := tx.exec(ctx, len(some) == bulk, t.upsertion(len(some), tx.postgres), args...); err != nil {
			return fmt.Errorf("write %s: %w", t.name, err)
		}
	}
	return nil
}

// upsertion is the statement for so many rows.
func (t table[T]) upsertion(rows int, postgres bool) string {
	sets := make([]string, 0, len(t.columns))
	for _, c := range t.columns[1:] {
		sets = append(sets, c+" = excluded."+c)
	}
	return t.insertion(rows, postgres) + " ON CONFLICT (" + t.columns[0] + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

// exec executes a statement; one that comes often is prepared once.
func (t *transaction) exec(ctx context.Context, often bool, query string, args ...any) error {
	if !often {
		_, err := t.q.ExecContext(ctx, query, args...)
		return err
	}
	s := t.prepared[query]
	if s == nil {
		var err error
		if s, err = t.q.PrepareContext(ctx, query); err != nil { // it ends with the transaction
			return err
		}
		t.prepared[query] = s
	}
	_, err := s.ExecContext(ctx, args...)
	return err
}
