package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// The TSDB's log of late samples, the WBL, holds two sorts of records: samples,
// and markers that say "what came before for this series has been moved to a
// chunk on disk". When the log is read back after a crash, a marker whose chunk
// is there makes the TSDB forget the samples before it.
//
// Whether the chunk is there it judges too easily (in v0.315.0). A marker of a
// chunk made for compaction names no chunk and so always counts as there; any
// other counts as there if any newer chunk is. But chunks are written through a
// buffer, and a process that is killed takes the buffer with it: the samples are
// gone, though the log had them. Our tests of kill -9 found it.
//
// So before the TSDB reads the log we take the markers out of it. Then it keeps
// every sample of the log. Those that are on disk as well it has twice until the
// next compaction; queries return them once.
//
//	before   samples A · marker A · samples A · samples B · marker B
//	after    samples A · samples A · samples B
//
// Each segment is replaced at once, by a rename, so this too may be interrupted.

// temporaryName is the folder in which a segment is written anew.
const temporaryName = "markers.tmp"

// dropMarkers takes the markers out of the log in the data folder. It holds the
// folder's lock while it does.
func dropMarkers(o Options) (err error) {
	dir := filepath.Join(o.Dir, wlog.WblDirName)
	first, last, err := wlog.Segments(dir)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && last < 0) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list segments: %w", err)
	}
	lock, err := tsdbutil.NewDirLocker(o.Dir, "tsdb", o.Logger, nil)
	if err != nil {
		return fmt.Errorf("lock data folder: %w", err)
	}
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	// An earlier call may have been interrupted.
	if err := os.RemoveAll(filepath.Join(dir, temporaryName)); err != nil {
		return fmt.Errorf("remove temporary folder: %w", err)
	}
	for n := first; n <= last; n++ {
		if err := dropMarkersOf(o, dir, n); err != nil {
			return fmt.Errorf("drop markers of segment %d: %w", n, err)
		}
	}
	return nil
}

// dropMarkersOf replaces one segment, if it has markers.
func dropMarkersOf(o Options, dir string, number int) error {
	found, err := hasMarkers(dir, number)
	if err != nil || !found {
		return err
	}
	temporary := filepath.Join(dir, temporaryName)
	if err := copyWithoutMarkers(o, dir, number, temporary); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	if err := os.Rename(wlog.SegmentName(temporary, 0), wlog.SegmentName(dir, number)); err != nil {
		return err
	}
	if err := syncFolder(dir); err != nil {
		return err
	}
	return os.RemoveAll(temporary)
}

func hasMarkers(dir string, number int) (bool, error) {
	found := false
	err := eachRecord(dir, number, func(r []byte, isMarkers bool) error {
		found = found || isMarkers
		return nil
	})
	return found, ignoreTorn(err)
}

func copyWithoutMarkers(o Options, dir string, number int, to string) error {
	// One segment must hold what one segment held.
	out, err := wlog.NewSize(o.Logger, nil, to, 2*wlog.DefaultSegmentSize, o.tsdb().WALCompression)
	if err != nil {
		return err
	}
	err = eachRecord(dir, number, func(r []byte, isMarkers bool) error {
		if isMarkers {
			return nil
		}
		return out.Log(r)
	})
	if torn := new(wlog.CorruptionErr); errors.As(err, &torn) {
		o.Logger.Warn("log of late samples is torn", "segment", number, "offset", torn.Offset, "err", torn.Err)
	}
	return errors.Join(ignoreTorn(err), out.Close()) // Close syncs
}

// ignoreTorn lets a torn end pass: what was acknowledged lies before it.
func ignoreTorn(err error) error {
	if torn := new(wlog.CorruptionErr); errors.As(err, &torn) {
		return nil
	}
	return err
}

// eachRecord calls f for the records of a segment.
func eachRecord(dir string, number int, f func(r []byte, isMarkers bool) error) (err error) {
	segment, err := wlog.OpenReadSegment(wlog.SegmentName(dir, number))
	if err != nil {
		return err
	}
	buffered := wlog.NewSegmentBufReader(segment)
	defer func() { err = errors.Join(err, buffered.Close()) }()
	reader := wlog.NewReader(buffered)
	decoder := record.NewDecoder(labels.NewSymbolTable(), nil)
	for reader.Next() {
		r := reader.Record()
		if err := f(r, decoder.Type(r) == record.MmapMarkers); err != nil {
			return err
		}
	}
	return reader.Err()
}
