package damage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

const (
	// hourlyKept and dailyKept are how many backups stay: of each of the last hours
	// that had one, and of each of the last days.
	hourlyKept = 24
	dailyKept  = 7
	// least is how many stay whatever the budget is.
	least = 2

	backupTime = "20060102T150405Z"
	backupEnd  = ".db"
)

// Backups are the copies of one SQLite file.
type Backups struct {
	// File is what is copied, Dir where the copies are, Name how they begin.
	File, Dir, Name string
	// Every is how often a copy is made.
	Every time.Duration
	// Budget is how many bytes the copies may take together. The two newest stay even
	// beyond it.
	Budget int64
	// FreeSpace says how many bytes are free where Dir is; none is made where less than
	// Reserve would be left. Nil asks nobody.
	FreeSpace func() (uint64, error)
	Reserve   uint64
	Now       func() time.Time
	Log       *slog.Logger
}

// Backup is a copy.
type Backup struct {
	Path string
	At   time.Time
	Size int64
}

// List is the backups that are there, the newest first.
func (b *Backups) List() ([]Backup, error) {
	entries, err := os.ReadDir(b.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	var out []Backup
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), b.Name+"-")
		if text, ok2 := strings.CutSuffix(text, backupEnd); ok && ok2 {
			at, err := time.Parse(backupTime, text)
			info, err2 := e.Info()
			if err == nil && err2 == nil {
				out = append(out, Backup{filepath.Join(b.Dir, e.Name()), at, info.Size()})
			}
		}
	}
	slices.SortFunc(out, func(x, y Backup) int { return cmp.Or(y.At.Compare(x.At), strings.Compare(y.Path, x.Path)) })
	return out, nil
}

// Newest is the newest backup that is not damaged itself; false where there is none.
func (b *Backups) Newest(ctx context.Context) (Backup, bool, error) {
	all, err := b.List()
	if err != nil {
		return Backup{}, false, err
	}
	for _, one := range all {
		problems, err := sqlitefile.Check(ctx, one.Path, false)
		if ctx.Err() != nil {
			return Backup{}, false, err
		}
		if err == nil && len(problems) == 0 {
			return one, true, nil
		}
		b.Log.Error("a backup is damaged itself; the one before is looked at", "backup", one.Path, "problems", problems, "error", err)
	}
	return Backup{}, false, nil
}

// Make makes a backup and removes those that are one too many. One that fails leaves
// all others.
func (b *Backups) Make(ctx context.Context) (Backup, error) {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return Backup{}, fmt.Errorf("make folder of backups: %w", err)
	}
	if err := b.room(); err != nil {
		return Backup{}, err
	}
	at := b.Now().UTC().Truncate(time.Second)
	to := filepath.Join(b.Dir, b.Name+"-"+at.Format(backupTime)+backupEnd)
	if err := sqlitefile.Copy(ctx, b.File, to); err != nil {
		return Backup{}, fmt.Errorf("back up: %w", err)
	}
	info, err := os.Stat(to)
	if err != nil {
		return Backup{}, fmt.Errorf("back up: %w", err)
	}
	return Backup{to, at, info.Size()}, b.thin()
}

// room refuses a backup that would use up the reserve.
func (b *Backups) room() error {
	if b.FreeSpace == nil {
		return nil
	}
	info, err := os.Stat(b.File)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	free, err := b.FreeSpace()
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if need := uint64(info.Size()) + b.Reserve; free < need {
		return fmt.Errorf("back up %s: %d MiB are free in %s, and with the reserve %d MiB are needed: make room, or name another disk with --backup-dir", b.File, free>>20, b.Dir, need>>20)
	}
	return nil
}

// thin removes what is one too many.
func (b *Backups) thin() error {
	all, err := b.List()
	if err != nil {
		return err
	}
	var errs []error
	total, keep := int64(0), kept(all)
	for i, one := range all {
		if i < least || keep[i] && total+one.Size <= b.Budget {
			total += one.Size
			continue
		}
		if err := os.Remove(one.Path); err != nil {
			errs = append(errs, fmt.Errorf("remove an old backup: %w", err))
		}
	}
	return errors.Join(errs...)
}

// kept says which backups stay by their age: the newest of each hour and of each day.
func kept(all []Backup) []bool {
	out := make([]bool, len(all))
	for _, step := range []struct {
		length time.Duration
		most   int
	}{{time.Hour, hourlyKept}, {24 * time.Hour, dailyKept}} {
		seen := map[time.Time]bool{}
		for i, one := range all {
			at := one.At.Truncate(step.length)
			if !seen[at] && len(seen) < step.most {
				seen[at], out[i] = true, true
			}
		}
	}
	return out
}

// Due is how long it is until the next backup; 0 where it is due.
func (b *Backups) Due() time.Duration {
	all, err := b.List()
	if err != nil || len(all) == 0 {
		return 0
	}
	// A clock that was set back must not end the backups.
	since := b.Now().Sub(all[0].At)
	if since < 0 {
		return 0
	}
	return max(0, b.Every-since)
}
