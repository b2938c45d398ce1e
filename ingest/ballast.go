package ingest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// ballastName is the file in the data folder that holds some space.
	ballastName = "ballast"
	// maxBallast is how large it is at most: what broker, store, ledger and registry
	// need to open on a full disk, and a purge after them, many times over.
	maxBallast = 32 << 20
)

// ballast is how many bytes are held back.
func (d *Disk) ballast() int64 { return int64(min(d.Reserve/8, maxBallast)) }

// DropBallast gives back the space that is held for a start on a full disk, if the disk
// is so. It reports how much that was.
func (d *Disk) DropBallast() (int64, error) {
	free, limited := d.free()
	if !limited || free >= d.Reserve/2 {
		return 0, nil
	}
	path := filepath.Join(d.Dir, ballastName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return 0, fmt.Errorf("give back the space of %s: %w", path, err)
	}
	return info.Size(), nil
}

// HoldBallast takes some space for a start on a full disk, while there is plenty.
func (d *Disk) HoldBallast() error {
	free, limited := d.free()
	if !limited || free < d.Reserve+d.Reserve/4+uint64(d.ballast()) {
		return nil
	}
	path := filepath.Join(d.Dir, ballastName)
	if info, err := os.Stat(path); err == nil && info.Size() == d.ballast() {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("hold space in %s: %w", path, err)
	}
	// Random bytes, because a file system may keep zeros for nothing.
	if _, err := io.CopyN(f, rand.Reader, d.ballast()); err != nil {
		return fmt.Errorf("hold space in %s: %w", path, errors.Join(err, f.Close(), os.Remove(path)))
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("hold space in %s: %w", path, err)
	}
	return nil
}
