package sqlitefile_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

const schema = `CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
	CREATE TABLE IF NOT EXISTS b (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID`

// rowsOf is how many rows the made files have in each of their tables.
const rowsOf = 2000

// made makes a file with two tables.
func made(t *testing.T, name string, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	db := sqlitefile.Open("file:"+path, nil)
	defer db.Close()
	exec(t, db, schema)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if _, err := tx.Exec("INSERT INTO a VALUES (?, ?)", i+1, fmt.Sprintf("a-%06d %s", i, bytes.Repeat([]byte("x"), 80))); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO b VALUES (?, ?)", fmt.Sprintf("b-%06d", i), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

// damage overwrites the page in which a text stands.
func damage(t *testing.T, path, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(text))
	if at < 0 {
		t.Fatalf("%q is not in the file", text)
	}
	at -= at % 4096
	copy(b[at:at+4096], bytes.Repeat([]byte{0xff}, 4096))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFindsAMalformedPage(t *testing.T) {
	path := made(t, "x.db", rowsOf)
	for _, deep := range []bool{false, true} {
		if problems, err := sqlitefile.Check(t.Context(), path, deep); err != nil || len(problems) > 0 {
			t.Fatalf("a good file: %q, %v", problems, err)
		}
	}
	damage(t, path, "a-001000")
	for _, deep := range []bool{false, true} {
		problems, err := sqlitefile.Check(t.Context(), path, deep)
		if err != nil || len(problems) == 0 {
			t.Errorf("deep %t: a damaged file has %q, %v", deep, problems, err)
		}
	}
	if _, err := sqlitefile.Check(t.Context(), path+".no", false); err == nil {
		t.Error("a file that is not there is checked")
	}
	if _, err := os.Stat(path + ".no"); err == nil {
		t.Error("the check made the file")
	}
}

func TestCheckOfWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("nonsense"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if problems, err := sqlitefile.Check(t.Context(), path, false); err != nil || len(problems) == 0 {
		t.Errorf("%q, %v", problems, err)
	}
}

func TestEveryQueryNoticesAMalformedPage(t *testing.T) {
	path := made(t, "x.db", rowsOf)
	damage(t, path, "a-001000")
	noticed := 0
	db := sqlitefile.Open("file:"+path, func(error) { noticed++ })
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM b").Scan(&n); err != nil || n != rowsOf || noticed != 0 {
		t.Fatalf("a good table: %d rows, %v, noticed %d times", n, err, noticed)
	}
	for name, query := range map[string]string{
		"while reading": "SELECT SUM(LENGTH(text)) FROM a", "while writing": "UPDATE a SET text = text || 'y'",
	} {
		noticed = 0
		rows, err := db.Query(query)
		for err == nil && rows.Next() {
		}
		if err == nil {
			err = rows.Err()
		}
		if !sqlitefile.Damaged(err) || noticed == 0 {
			t.Errorf("%s: %v, noticed %d times", name, err, noticed)
		}
	}
}

func TestCopyIsWholeOrNotThere(t *testing.T) {
	path := made(t, "x.db", rowsOf)
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := sqlitefile.Copy(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	if got := counts(t, to); got != [2]int{rowsOf, rowsOf} {
		t.Errorf("the copy has %v rows", got)
	}
	if err := os.Remove(to); err != nil {
		t.Fatal(err)
	}
	damage(t, path, "a-001000")
	if err := sqlitefile.Copy(t.Context(), path, to); !sqlitefile.Damaged(err) {
		t.Errorf("copy of a damaged file: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(to))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func counts(t *testing.T, path string) (n [2]int) {
	t.Helper()
	db := sqlitefile.Open("file:"+path, nil)
	defer db.Close()
	if err := db.QueryRow("SELECT (SELECT COUNT(*) FROM a), (SELECT COUNT(*) FROM b)").Scan(&n[0], &n[1]); err != nil {
		t.Fatal(err)
	}
	return n
}

// Of a damaged file everything is saved but the rows of the damaged page, and those
// come from the copy as far as it has them.
func TestSalvage(t *testing.T) {
	path, older := made(t, "x.db", rowsOf), made(t, "older.db", rowsOf/2)
	damage(t, path, "a-000100")
	for _, c := range []struct {
		name, older string
		whole       bool
	}{{"without a copy", "", false}, {"with one", older, true}} {
		into := made(t, "new.db", 0)
		saved, err := sqlitefile.Salvage(t.Context(), path, c.older, into)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", c.name, saved)
		n := counts(t, into)
		if n[1] != rowsOf || !saved[1].Whole {
			t.Errorf("%s: of the good table %d rows", c.name, n[1])
		}
		if saved[0].Whole || c.whole != (n[0] == rowsOf) || n[0] < rowsOf-60 {
			t.Errorf("%s: of the damaged table %d rows, said to be whole: %t", c.name, n[0], saved[0].Whole)
		}
		if problems, err := sqlitefile.Check(t.Context(), into, true); err != nil || len(problems) > 0 {
			t.Errorf("%s: what was saved is damaged: %q, %v", c.name, problems, err)
		}
	}
}

// Where nothing can be read, all comes from the copy.
func TestSalvageOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("nonsense"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	into := made(t, "new.db", 0)
	if _, err := sqlitefile.Salvage(t.Context(), path, made(t, "older.db", 50), into); err != nil {
		t.Fatal(err)
	}
	if n := counts(t, into); n != [2]int{50, 50} {
		t.Errorf("%v rows", n)
	}
}
