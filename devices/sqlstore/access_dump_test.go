package sqlstore

import (
	"path/filepath"
	"slices"
	"testing"
)

// What a backup must have of access: all of its tables but those of log-ins that
// are under way, with all their columns.
func TestAccessDumps(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.read.QueryContext(t.Context(), `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name LIKE 'access!_%' ESCAPE '!' AND m.name NOT IN ('access_session', 'access_link')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	have := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		have[table] = append(have[table], column)
	}
	if len(have) != len(accessDumps()) {
		t.Errorf("the store has the tables %v", have)
	}
	for _, d := range accessDumps() {
		want, got := slices.Sorted(slices.Values(d.columns)), slices.Sorted(slices.Values(have[d.name]))
		if !slices.Equal(want, got) {
			t.Errorf("%s has the columns %v, the backup %v", d.name, got, want)
		}
	}
}
