package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// segmentSyncer brings what was written to one of the TSDB's logs to the disk.
// The TSDB itself does so only when a segment is full. A log is a folder of
// numbered segments, of which the newest is written to; a sync of any open file
// of it brings all of it to the disk.
//
//	00000041   full, the TSDB may not have synced it yet
//	00000042   written to now
type segmentSyncer struct {
	dir    string
	number int
	file   *os.File
	size   int64 // of the file, when it was synced last
}

// openSegmentSyncer syncs all segments there are and begins with the newest.
// The older ones may hold what a killed process had written and not synced, and
// what is written again is not logged again where it is known already.
func openSegmentSyncer(dir string) (*segmentSyncer, error) {
	s := &segmentSyncer{dir: dir}
	if err := s.syncAll(); err != nil {
		return nil, err
	}
	return s, nil
}

// syncAll syncs every segment and goes on with the newest.
func (s *segmentSyncer) syncAll() error {
	first, last, err := wlog.Segments(s.dir)
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	if last < 0 {
		return fmt.Errorf("list segments: none in %s", s.dir)
	}
	for n := first; n <= last; n++ {
		file, err := os.Open(wlog.SegmentName(s.dir, n))
		if err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		s.close()
		s.file, s.number, s.size = file, n, -1
		if err := s.syncFile(); err != nil {
			return err
		}
	}
	return syncFolder(s.dir)
}

// sync returns when all that had been written to the log before it is on disk.
func (s *segmentSyncer) sync() error {
	for {
		// Whether there is a next segment must be known before this one is
		// synced: then nothing can be added to this one any more.
		next, err := os.Open(wlog.SegmentName(s.dir, s.number+1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("open segment: %w", err)
		}
		if err := s.syncFile(); err != nil {
			if next != nil {
				next.Close()
			}
			return err
		}
		if next == nil {
			return s.catchUp()
		}
		s.close()
		s.file, s.number, s.size = next, s.number+1, -1
		if err := syncFolder(s.dir); err != nil {
			return err
		}
	}
}

// catchUp goes on with the newest segment where the TSDB has deleted the one that
// was synced, and perhaps its successors, since: their data is in blocks then.
func (s *segmentSyncer) catchUp() error {
	_, err := os.Stat(wlog.SegmentName(s.dir, s.number))
	if errors.Is(err, fs.ErrNotExist) {
		return s.syncAll()
	}
	if err != nil {
		return fmt.Errorf("stat segment: %w", err)
	}
	return nil
}

// syncFile syncs the segment if it has grown. Segments only ever grow.
func (s *segmentSyncer) syncFile() error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("stat segment: %w", err)
	}
	if info.Size() == s.size {
		return nil
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync segment: %w", err)
	}
	s.size = info.Size()
	return nil
}

// close closes the segment, which was only read.
func (s *segmentSyncer) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// syncFolder makes the entries of a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
