package terminal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file that will be there whole or not at all: until Commit it has no
// name of its own. Whoever makes one defers Discard, which does nothing after
// Commit.
type File struct {
	*os.File
	path    string
	mode    fs.FileMode
	replace bool
	hidden  string // the name it has meanwhile; empty where it needs none
	direct  bool   // no ordinary file, such as a pipe: what is written is gone
}

// CreateFile begins a file. One of that name that exists is left alone, unless it
// may be replaced. Where the system can, the file has no name until it is whole, so
// that not even a process that is killed leaves a part of it behind.
func CreateFile(path string, mode fs.FileMode, replace bool) (*File, error) {
	f := &File{path: path, mode: mode, replace: replace}
	if _, err := os.Lstat(path); err == nil && !replace {
		return nil, f.exists()
	}
	var err error
	if real, errLink := filepath.EvalSymlinks(path); errLink == nil {
		f.path = real // what a link stands for is replaced, not the link
	}
	if info, errStat := os.Stat(path); errStat == nil && !info.Mode().IsRegular() {
		f.direct = true
		if f.File, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		return f, nil
	}
	folder := filepath.Dir(f.path)
	if f.File, err = openNameless(folder); err != nil {
		if f.File, err = os.CreateTemp(folder, ".haidang-*"); err == nil { // for its owner alone
			f.hidden = f.Name()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return f, nil
}

func (f *File) exists() error {
	return fmt.Errorf("write %s: the file exists, and is left alone: choose another name, or remove it", f.path)
}

// Commit gives the file its name and closes it.
func (f *File) Commit() error {
	if f.direct {
		return f.Close()
	}
	defer f.Discard()
	err := errors.Join(f.Chmod(f.mode), f.Sync())
	if err == nil {
		err = f.name()
	}
	if errors.Is(err, fs.ErrExist) {
		return f.exists()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// name puts the file where it belongs, and makes that durable.
func (f *File) name() error {
	folder := filepath.Dir(f.path)
	if f.hidden == "" && f.replace { // a link replaces nothing, a rename does
		temp, err := os.CreateTemp(folder, ".haidang-*")
		if err != nil {
			return err
		}
		if err := errors.Join(temp.Close(), os.Remove(temp.Name())); err != nil {
			return err
		}
		if err := linkNameless(f.File, temp.Name()); err != nil {
			return err
		}
		f.hidden = temp.Name()
	}
	var err error
	switch {
	case f.hidden == "":
		err = linkNameless(f.File, f.path)
	case f.replace:
		err = os.Rename(f.hidden, f.path)
	default:
		if err = os.Link(f.hidden, f.path); err == nil {
			err = os.Remove(f.hidden)
		}
	}
	if err != nil {
		return err
	}
	f.hidden = ""
	d, err := os.Open(folder)
	if err != nil {
		return nil // a folder that may be written and not read has its name all the same
	}
	return errors.Join(d.Sync(), d.Close())
}

// Discard takes back what was not committed.
func (f *File) Discard() {
	f.Close() // a second time after Commit, which does no harm
	if f.hidden != "" {
		os.Remove(f.hidden) // nothing more can be done
		f.hidden = ""
	}
}

// WriteFile writes a file whole or not at all, and replaces one of that name.
func WriteFile(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	f, err := CreateFile(path, mode, true)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := fill(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
}
