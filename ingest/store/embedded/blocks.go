package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// BlockDamage is what of a block cannot be read.
type BlockDamage struct {
	Block string
	// From and To bound the times of what cannot be read, as well as is known.
	From, To time.Time
	// Samples are how many values that is: for the whole block as it says itself, for
	// single chunks by the mean of its chunks.
	Samples uint64
	// Chunks of Series cannot be read, whose sites are Sites. Chunks is 0 for a whole block.
	Chunks, Series int
	Sites          []string
	// Problem is what was found first.
	Problem string
	// Aside is where the block is kept, if it was set aside.
	Aside string
}

// BlockMark is what a block says of itself.
type BlockMark struct {
	From, To time.Time
	Samples  uint64
	// of are the blocks that it was made of.
	of []string
}

// blockFolders lists the folders of a store's blocks.
func blockFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && isULID(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// isULID reports whether a name is a block's: 26 digits of Crockford's base 32.
func isULID(name string) bool {
	return len(name) == 26 && strings.Trim(name, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == ""
}

// BlockMarks are what the blocks in a store's folder say of themselves; one that cannot
// be read says nothing.
func BlockMarks(dir string) (map[string]BlockMark, error) {
	folders, err := blockFolders(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]BlockMark{}
	for _, folder := range folders {
		if m, err := readMark(folder); err == nil {
			out[filepath.Base(folder)] = m
		}
	}
	return out, nil
}

func readMark(folder string) (BlockMark, error) {
	text, err := os.ReadFile(filepath.Join(folder, "meta.json"))
	if err != nil {
		return BlockMark{}, err
	}
	var m tsdb.BlockMeta
	if err := json.Unmarshal(text, &m); err != nil {
		return BlockMark{}, err
	}
	out := BlockMark{From: time.UnixMilli(m.MinTime).UTC(), To: time.UnixMilli(m.MaxTime).UTC(), Samples: m.Stats.NumSamples}
	for _, s := range m.Compaction.Sources {
		out.of = append(out.of, s.String())
	}
	for _, p := range m.Compaction.Parents {
		out.of = append(out.of, p.ULID.String())
	}
	return out, nil
}

// AbsentBlocks are those of the blocks that were there which are not, nor in another
// one made of them, and not older than the retention.
func AbsentBlocks(dir string, were map[string]BlockMark, oldest time.Time) ([]BlockDamage, error) {
	now, err := BlockMarks(dir)
	if err != nil {
		return nil, err
	}
	made := map[string]bool{}
	for id, m := range now {
		made[id] = true
		for _, of := range m.of {
			made[of] = true
		}
	}
	folders, err := blockFolders(dir)
	if err != nil {
		return nil, err
	}
	var out []BlockDamage
	for _, id := range slices.Sorted(maps.Keys(were)) {
		m := were[id]
		there := slices.Contains(folders, filepath.Join(dir, id))
		if !there && !made[id] && m.To.After(oldest) {
			out = append(out, BlockDamage{Block: id, From: m.From, To: m.To, Samples: m.Samples, Problem: "the block's folder is not there"})
		}
	}
	return out, nil
}

// SetAsideBlocks moves the blocks that cannot be opened, and would keep the TSDB from
// opening, out of a store's folder, which nobody may have open, into the folder aside.
// were is what they are known to have held.
func SetAsideBlocks(dir, aside string, were map[string]BlockMark) ([]BlockDamage, error) {
	folders, err := blockFolders(dir)
	if err != nil {
		return nil, err
	}
	var out []BlockDamage
	for _, folder := range folders {
		problem := openable(folder)
		if problem == nil {
			continue
		}
		id := filepath.Base(folder)
		m, err := readMark(folder)
		if err != nil {
			m = were[id]
		}
		d := BlockDamage{Block: id, From: m.From, To: m.To, Samples: m.Samples, Problem: problem.Error(), Aside: filepath.Join(aside, id)}
		if err := os.MkdirAll(aside, 0o700); err != nil {
			return out, fmt.Errorf("set block aside: %w", err)
		}
		if err := os.Rename(folder, d.Aside); err != nil {
			return out, fmt.Errorf("set block aside: %w", err)
		}
		out = append(out, d)
	}
	return out, nil
}

func openable(folder string) error {
	b, err := tsdb.OpenBlock(slog.New(slog.DiscardHandler), folder, nil, nil)
	if err != nil {
		return err
	}
	return b.Close()
}

// CheckBlocks reads the blocks in a store's folder whole, beside whoever uses them, and
// compares every checksum of their indices and chunks. read is told of each chunk's
// block and may hold the work up; its error ends it.
func CheckBlocks(ctx context.Context, dir string, read func(block string, bytes int) error) ([]BlockDamage, error) {
	folders, err := blockFolders(dir)
	if err != nil {
		return nil, err
	}
	var out []BlockDamage
	for _, folder := range folders {
		d, found, err := checkBlock(ctx, folder, read)
		if err != nil {
			return out, fmt.Errorf("check block %s: %w", filepath.Base(folder), err)
		}
		if found {
			out = append(out, d)
		}
	}
	return out, nil
}

func checkBlock(ctx context.Context, folder string, read func(string, int) error) (d BlockDamage, found bool, err error) {
	d.Block = filepath.Base(folder)
	whole := func(problem error) (BlockDamage, bool, error) {
		if _, err := os.Stat(folder); err != nil { // compacted or outlived meanwhile
			return d, false, nil
		}
		m, _ := readMark(folder) // what it does not say is not known
		d.From, d.To, d.Samples, d.Problem = m.From, m.To, m.Samples, problem.Error()
		return d, true, nil
	}
	b, err := tsdb.OpenBlock(slog.New(slog.DiscardHandler), folder, nil, nil)
	if err != nil {
		return whole(err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	ir, err := b.Index()
	if err != nil {
		return whole(err)
	}
	defer ir.Close()
	cr, err := b.Chunks()
	if err != nil {
		return whole(err)
	}
	defer cr.Close()
	name, value := index.AllPostingsKey()
	postings, err := ir.Postings(ctx, name, value)
	if err != nil {
		return whole(err)
	}
	w := blockWork{damage: &d, index: ir, chunks: cr, sites: map[string]bool{}, read: read}
	for postings.Next() {
		if err := ctx.Err(); err != nil {
			return d, false, err
		}
		if err := w.series(postings); err != nil {
			return d, false, err
		}
	}
	if err := postings.Err(); err != nil {
		return whole(err)
	}
	if d.Chunks > 0 {
		stats := b.Meta().Stats
		d.Samples = uint64(d.Chunks) * (stats.NumSamples / max(stats.NumChunks, 1))
	}
	d.Sites = slices.Sorted(maps.Keys(w.sites))
	return d, d.Problem != "", nil
}

// blockWork reads a block series by series.
type blockWork struct {
	damage *BlockDamage
	index  tsdb.IndexReader
	chunks tsdb.ChunkReader
	sites  map[string]bool
	read   func(string, int) error
}

func (w *blockWork) series(p index.Postings) error {
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	if err := w.index.Series(p.At(), &builder, &metas); err != nil {
		w.fail(err)
		w.damage.Series++
		return nil
	}
	bad := false
	for _, m := range metas {
		c, _, err := w.chunks.ChunkOrIterable(m)
		size := 0
		if err != nil {
			w.fail(err)
			w.damage.Chunks++
			w.span(m)
			bad = true
		} else {
			size = len(c.Bytes())
		}
		if err := w.read(w.damage.Block, size); err != nil {
			return err
		}
	}
	if bad {
		w.damage.Series++
		if site := builder.Labels().Get("site"); site != "" {
			w.sites[site] = true
		}
	}
	return nil
}

func (w *blockWork) fail(err error) {
	if w.damage.Problem == "" {
		w.damage.Problem = err.Error()
	}
}

func (w *blockWork) span(m chunks.Meta) {
	from, to := time.UnixMilli(m.MinTime).UTC(), time.UnixMilli(m.MaxTime).UTC()
	if w.damage.From.IsZero() || from.Before(w.damage.From) {
		w.damage.From = from
	}
	if to.After(w.damage.To) {
		w.damage.To = to
	}
}
