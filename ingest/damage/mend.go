package damage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

// ErrNoBackup says that a file is gone and no backup of it is there.
var ErrNoBackup = errors.New("it is gone, and there is no backup of it")

// Part is an SQLite file that a city cannot do without.
type Part struct {
	// Name is ledger, registry or sessions.
	Name string
	File string
	// Backups are its copies.
	Backups *Backups
	// Make makes an empty file of the part's tables at a path.
	Make func(ctx context.Context, path string) error
	// Whole says that its tables only make sense together: what is saved of some of
	// them is not mixed with an older copy.
	Whole bool
}

// Mended is what was done about a file.
type Mended struct {
	Part string
	// Gone says that the file was not there; else Problems says what was wrong with it
	// and Aside where it is kept.
	Gone     bool
	Problems []string
	Aside    string
	// Backup is what was taken of the newest good backup; none if Backup.Path is empty.
	Backup Backup
	// Saved is what was read of the damaged file, by table.
	Saved []sqlitefile.Saved
}

// Lost reports whether anything may be missing: rows of a table that could not be read.
func (m Mended) Lost() bool {
	return len(m.Saved) == 0 || slices.ContainsFunc(m.Saved, func(s sqlitefile.Saved) bool { return !s.Whole })
}

// Broken lists the tables that could not be read whole.
func (m Mended) Broken() (tables []string) {
	for _, s := range m.Saved {
		if !s.Whole {
			tables = append(tables, s.Table)
		}
	}
	return tables
}

// Check says what is wrong with the file; gone says that it is not there, or has no
// byte: that is a sound database to SQLite, of no tables.
func (p Part) Check(ctx context.Context, deep bool) (problems []string, gone bool, err error) {
	if info, err := os.Stat(p.File); err == nil && info.Size() == 0 {
		return nil, true, nil
	}
	problems, err = sqlitefile.Check(ctx, p.File, deep)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	return problems, false, err
}

// Mend puts a good file in the place of one that is gone or damaged. Nothing is thrown
// away: the damaged file stays beside it. The caller has the data folder to itself.
func (p Part) Mend(ctx context.Context) (m Mended, err error) {
	m.Part = p.Name
	if m.Problems, m.Gone, err = p.Check(ctx, false); err != nil {
		return m, err
	}
	backup, found, err := p.Backups.Newest(ctx)
	if err != nil {
		return m, err
	}
	if m.Gone {
		if !found {
			return m, fmt.Errorf("%s: %w", p.File, ErrNoBackup)
		}
		m.Backup = backup
		return m, p.restore(ctx, &m, backup)
	}
	if err := p.salvage(ctx, &m, backup.Path); err != nil {
		return m, fmt.Errorf("mend %s: %w", p.File, err)
	}
	switch {
	case !m.Lost():
		return m, p.place(ctx, &m)
	case found && p.Whole:
		m.Backup, m.Saved = backup, nil
		return m, p.restore(ctx, &m, backup)
	case found:
		m.Backup = backup
	}
	return m, p.place(ctx, &m)
}

// Restore puts a backup in the file's place as it is.
func (p Part) Restore(ctx context.Context, from Backup) (m Mended, err error) {
	m.Part, m.Backup = p.Name, from
	problems, err := sqlitefile.Check(ctx, from.Path, false)
	if err != nil {
		return m, err
	}
	if len(problems) > 0 {
		return m, fmt.Errorf("the backup %s is damaged itself: %s", from.Path, problems[0])
	}
	if m.Problems, m.Gone, err = p.Check(ctx, false); err != nil {
		return m, err
	}
	return m, p.restore(ctx, &m, from)
}

// made is where a new file is built.
func (p Part) made() string { return p.File + ".new" }

func (p Part) restore(ctx context.Context, m *Mended, from Backup) error {
	if err := sqlitefile.Copy(ctx, from.Path, p.made()); err != nil {
		return fmt.Errorf("restore %s: %w", p.File, err)
	}
	return p.place(ctx, m)
}

func (p Part) salvage(ctx context.Context, m *Mended, backup string) error {
	if err := removeFile(p.made()); err != nil { // of an attempt that was interrupted
		return err
	}
	if err := p.Make(ctx, p.made()); err != nil {
		return err
	}
	if p.Whole {
		backup = ""
	}
	var err error
	m.Saved, err = sqlitefile.Salvage(ctx, p.File, backup, p.made())
	return err
}

// place gives what was built the file's name.
func (p Part) place(ctx context.Context, m *Mended) error {
	if problems, err := sqlitefile.Check(ctx, p.made(), true); err != nil || len(problems) > 0 {
		return fmt.Errorf("check %s: %w: %v", p.made(), err, problems)
	}
	if !m.Gone {
		suffix := ".damaged-" + p.Backups.Now().UTC().Format(backupTime)
		m.Aside = p.File + suffix
		if err := sqlitefile.SetAside(p.File, suffix); err != nil {
			return err
		}
	} else if err := removeFile(p.File); err != nil { // a log without its file
		return err
	}
	// What a check leaves beside it is empty.
	if err := os.Rename(p.made(), p.File); err != nil {
		return fmt.Errorf("name %s: %w", p.File, err)
	}
	return errors.Join(removeFile(p.made()), sqlitefile.SyncFolder(filepath.Dir(p.File)))
}

// removeFile removes an SQLite file with what belongs to it.
func removeFile(path string) error {
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", path+end, err)
		}
	}
	return nil
}

// ago is how old a backup was when it was needed.
func (b Backup) ago(now time.Time) time.Duration { return now.Sub(b.At).Round(time.Minute) }
