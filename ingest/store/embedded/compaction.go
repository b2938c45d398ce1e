package embedded

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// chunksFolder is where the TSDB keeps chunks that are in no block yet.
const chunksFolder = "chunks_head"

// compaction keeps the TSDB from compacting before it has begun a file of chunks
// of its own.
//
// Prometheus v0.315.0 forgets its place among these files when, after a
// compaction, it finds that all that it had looked at are removed, also when there
// were none (ChunkDiskMapper.Truncate). A file that a write begins in between is
// then not known, the next one has another number than expected, and the process
// ends with "expected newly cut file to have sequence:offset 1:8, got 2:8". Once
// it has a current file this cannot be: that one is never removed.
type compaction struct {
	folder  string
	newest  string // of the files that were there before
	allowed bool
	looked  time.Time
}

// lookEvery bounds how often the folder is read until compaction is allowed.
const lookEvery = time.Second

// before notes which files there are before the TSDB is opened, which may begin one
// itself while it reads its logs.
func (c *compaction) before(dir string) {
	c.folder = filepath.Join(dir, chunksFolder)
	c.newest = c.last()
}

// hold stops compactions until there is a new file of chunks. The TSDB has just
// been opened.
func (c *compaction) hold(db *tsdb.DB) {
	if c.allowed = c.last() > c.newest; !c.allowed {
		db.DisableCompactions()
	}
}

// allow lets the TSDB compact once it has begun a file. The caller has the turn.
func (c *compaction) allow(db *tsdb.DB, now time.Time) {
	if since := now.Sub(c.looked); c.allowed || since >= 0 && since < lookEvery {
		return
	}
	c.looked = now
	if c.last() > c.newest {
		c.allowed = true
		db.EnableCompactions()
	}
}

// last is the name of the newest file, "" if there is none. Names are numbers with
// zeros in front, so they sort. A file without a whole header, which a killed
// process may leave, does not count: the TSDB takes it away when it is opened.
func (c *compaction) last() string {
	files, err := os.ReadDir(c.folder)
	if err != nil {
		return "" // looked at again after the next write
	}
	for _, f := range slices.Backward(files) {
		if info, err := f.Info(); err == nil && info.Size() >= chunks.HeadChunkFileHeaderSize {
			return f.Name()
		}
	}
	return ""
}
