package sqlstore

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBackupHasEveryTable holds that a table that a migration adds is backed up
// with all its columns.
func TestBackupHasEveryTable(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	schema, saved := map[string][]string{}, map[string][]string{}
	query := `SELECT m.name, c.name, c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'goose%'`
	err = each(t.Context(), s.read, query, nil, func(scan func(...any) error) error {
		var table, column, kind string
		err := scan(&table, &column, &kind)
		schema[table] = append(schema[table], column)
		if (kind == "BOOLEAN") != boolean(column) {
			t.Errorf("column %s of %s is of type %s: a backup would write it otherwise", column, table, kind)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(schema, "access_session") // a restored store has nobody logged in
	delete(schema, "access_link")
	newest, err := version(t.Context(), s.read)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dumps(newest) {
		saved[d.name] = slices.Clone(d.columns)
	}
	for _, m := range []map[string][]string{schema, saved} {
		for _, columns := range m {
			slices.Sort(columns)
		}
	}
	if diff := cmp.Diff(schema, saved); diff != "" {
		t.Error(diff)
	}
}

func TestVacuumInto(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := s.VacuumInto(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := s.VacuumInto(t.Context(), copied); err == nil {
		t.Error("written over what was there")
	}
	c, err := Open(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
