package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// mostProblems is how many problems a check names; SQLite's own default.
const mostProblems = 100

// address is the name by which the driver opens a file to read it. A file that is
// missing is an error and not made.
func address(path string, mode string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: url.Values{"mode": {mode}, "_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}.Encode()}
	return u.String()
}

// Check reads a whole file and returns what SQLite finds wrong with it: with
// quick_check every page and row, with deep (integrity_check) also whether every index
// agrees with its table. It may run while others write. The error says that the file
// could not be checked at all; a damaged file is none.
func Check(ctx context.Context, path string, deep bool) (problems []string, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("check file: %w", err)
	}
	db, err := sql.Open("sqlite", address(path, "rw", "query_only(1)", "cache_size(-4096)"))
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", path, err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	how := "quick_check"
	if deep {
		how = "integrity_check"
	}
	problems, err = texts(ctx, db, fmt.Sprintf("PRAGMA %s(%d)", how, mostProblems))
	if Damaged(err) {
		return oneEach(append(problems, err.Error())), nil
	}
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", path, err)
	}
	if len(problems) == 1 && problems[0] == "ok" {
		return nil, nil
	}
	return oneEach(problems), nil
}

// oneEach makes one line of each problem: SQLite puts several into a row, with a heading
// above them.
func oneEach(rows []string) (out []string) {
	for _, r := range rows {
		for line := range strings.Lines(r) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "*** in database") {
				out = append(out, line)
			}
		}
	}
	return out
}

// texts are a query's rows of one text.
func texts(ctx context.Context, db *sql.DB, query string) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return out, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Copy writes a copy of a file as of one moment, while others may write to it. It is
// checked and on the disk before it has its name; a copy that is not whole leaves
// nothing.
func Copy(ctx context.Context, from, to string) (err error) {
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("copy file: %w", err)
	}
	db, err := sql.Open("sqlite", address(from, "rw", "cache_size(-4096)"))
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	defer db.Close()
	part := to + ".part"
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an unfinished copy: %w", err)
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	problems, err := Check(ctx, part, false)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return fmt.Errorf("copy %s: the copy is damaged: %s", from, problems[0])
	}
	return place(part, to)
}

// place gives a finished file its name: synced, renamed, and the folder synced.
func place(part, to string) error {
	// What a check leaves beside it.
	for _, suffix := range sidecars() {
		if err := os.Remove(part + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove beside a copy: %w", err)
		}
	}
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open copy: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync copy: %w", err)
	}
	if err := os.Rename(part, to); err != nil {
		return fmt.Errorf("name copy: %w", err)
	}
	return SyncFolder(filepath.Dir(to))
}

// sidecars are the ends of the names of the files that belong to one.
func sidecars() []string { return []string{"-wal", "-shm"} }

// SyncFolder makes the entries of a folder durable.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// SetAside renames a file and what belongs to it by a suffix, whatever is there of it.
func SetAside(path, suffix string) error {
	for _, end := range append([]string{""}, sidecars()...) {
		if err := os.Rename(path+end, path+suffix+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set aside %s: %w", path+end, err)
		}
	}
	return SyncFolder(filepath.Dir(path))
}
