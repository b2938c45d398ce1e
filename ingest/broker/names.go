package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// names makes the names of new blocks durable. nats-server (v2.15) syncs what it writes
// into a block, and not the folder in which it has made it: where the file system does not
// keep a new file's name with its content, as POSIX lets it, a block would be gone with
// the power, and all that was acknowledged in it.
type names struct {
	mu      sync.Mutex
	folders []*blocksFolder
}

// blocksFolder is where a stream has its blocks; last is the newest of which the name is
// durable.
type blocksFolder struct {
	dir  string
	last int
}

// SyncNames returns when the names of all blocks of the journal that were there when it
// was called are durable; without [Options.SyncAlways] it does nothing. It costs little
// where there are no new ones.
func (b *Broker) SyncNames() error {
	if !b.opts.SyncAlways {
		return nil
	}
	b.names.mu.Lock()
	defer b.names.mu.Unlock()
	if b.names.folders == nil {
		if err := b.names.begin(filepath.Join(b.opts.Dir, "jetstream", journalAccount, "streams")); err != nil {
			return fmt.Errorf("make names of the journal's blocks durable: %w", err)
		}
	}
	for _, f := range b.names.folders {
		if err := f.sync(); err != nil {
			return fmt.Errorf("make names of the journal's blocks durable: %w", err)
		}
	}
	return nil
}

// begin makes all names durable that there are, once the streams have been made.
func (n *names) begin(streams string) error {
	if err := SyncFolders(streams); err != nil {
		return err
	}
	all, err := filepath.Glob(filepath.Join(streams, "*", blocksDir))
	if err != nil {
		return err
	}
	for _, dir := range all {
		f := &blocksFolder{dir: dir}
		if err := f.look(); err != nil {
			return err
		}
		n.folders = append(n.folders, f)
	}
	return nil
}

// sync looks whether the server has begun another block; their numbers only grow by one.
func (f *blocksFolder) sync() error {
	_, err := os.Lstat(filepath.Join(f.dir, strconv.Itoa(f.last+1)+".blk"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.look()
}

// look finds the newest block, and makes the names up to it durable.
func (f *blocksFolder) look() error {
	all, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range all {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".blk")); err == nil {
			f.last = max(f.last, n)
		}
	}
	return syncFolder(f.dir)
}

// SyncFolders makes durable which names are in a folder and in all below it.
func SyncFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return nil
		}
		if err != nil || !e.IsDir() {
			return err
		}
		if err := syncFolder(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
