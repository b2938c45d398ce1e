package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// LogDamage is what of one of the store's logs cannot be read, or is not there.
type LogDamage struct {
	// Log is wal, wbl (of late readings) or a checkpoint of wal.
	Log string
	// Bytes cannot be read, in Pieces places; Cut says that they are missing at the end.
	Bytes  int64
	Pieces int
	Cut    bool
	// Samples are the values that were in it, which are lost but for those that are in a
	// chunk already; where they could not be counted they are estimated by the bytes, and
	// Estimated is true.
	Samples   int
	Estimated bool
	// From and To bound the times of what was lost as well as is known.
	From, To time.Time
	// Sites are whose values were lost, as far as that could be read.
	Sites []string
	// Aside is where the damaged files are kept, if they were mended.
	Aside string
}

func logNames() []string { return []string{"wal", wlog.WblDirName} }

func logFolder(dir, name string) string { return filepath.Join(dir, name) }

// InspectLogs reads the logs in a store's folder, which nobody may have open, and finds
// what of them is damaged, or was there by ends and is not. With mend the segments are
// written anew with all that can be read, where the TSDB would throw away whatever comes
// behind the first damage; the damaged files are kept in the folder aside.
func InspectLogs(dir, aside string, ends map[string]LogEnd, mend bool) ([]LogDamage, error) {
	i := inspection{dir: dir, aside: aside, mend: mend}
	if err := i.logs(); err != nil {
		return nil, fmt.Errorf("inspect logs of store: %w", err)
	}
	broken := false
	for _, l := range i.all {
		for n := range l.segments {
			s := &l.segments[n]
			if err := readSegment(s.path, nil, func(p brokenPiece) { s.note(p) }); err != nil {
				return nil, fmt.Errorf("inspect logs of store: %w", err)
			}
			broken = broken || s.bytes > 0
		}
		broken = broken || len(l.absent) > 0
	}
	var out []LogDamage
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		if d, cut := i.cut(name, ends[name]); cut {
			out = append(out, d)
		}
	}
	if !broken {
		return out, nil
	}
	found, err := i.broken()
	if err != nil {
		return nil, fmt.Errorf("inspect logs of store: %w", err)
	}
	return append(out, found...), nil
}

// inspection is the logs of a folder while they are looked at.
type inspection struct {
	dir, aside string
	mend       bool
	all        []*inspectedLog
	// series are what the numbers in the logs stand for.
	series map[chunks.HeadSeriesRef]string // the site
}

// inspectedLog is a log, or a checkpoint, which is one too.
type inspectedLog struct {
	name, folder string
	segments     []inspectedSegment
	// absent are segments between others that are not there.
	absent []int
}

type inspectedSegment struct {
	path   string
	number int
	bytes  int64 // damaged
	pieces int
}

func (s *inspectedSegment) note(p brokenPiece) {
	if !p.torn {
		s.bytes += int64(p.size)
		s.pieces++
	}
}

// logs lists the logs; checkpoints come first, for they say what the others stand on.
func (i *inspection) logs() error {
	checkpoints, err := filepath.Glob(filepath.Join(i.dir, "wal", "checkpoint.*[0-9]"))
	if err != nil {
		return err
	}
	names := map[string]string{}
	var order []string
	for _, c := range checkpoints {
		names[c], order = filepath.Join("wal", filepath.Base(c)), append(order, c)
	}
	for _, n := range logNames() {
		names[logFolder(i.dir, n)], order = n, append(order, logFolder(i.dir, n))
	}
	for _, folder := range order {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		l := &inspectedLog{name: names[folder], folder: folder}
		for _, e := range entries {
			var number int
			if _, err := fmt.Sscanf(e.Name(), "%08d", &number); err != nil || e.IsDir() || e.Name() != fmt.Sprintf("%08d", number) {
				continue
			}
			if n := len(l.segments); n > 0 {
				for m := l.segments[n-1].number + 1; m < number; m++ {
					l.absent = append(l.absent, m)
				}
			}
			l.segments = append(l.segments, inspectedSegment{path: filepath.Join(folder, e.Name()), number: number})
		}
		i.all = append(i.all, l)
	}
	return nil
}

// cut compares where a log ended with where it ends.
func (i *inspection) cut(name string, end LogEnd) (LogDamage, bool) {
	d := LogDamage{Log: name, Cut: true, Estimated: true, Pieces: 1}
	last := -1
	for _, l := range i.all {
		if l.name != name {
			continue
		}
		for _, s := range l.segments {
			last = max(last, s.number)
			info, err := os.Stat(s.path)
			if err == nil && s.number == end.Segment && info.Size() < end.Size {
				d.Bytes = end.Size - info.Size()
			}
		}
	}
	if last < end.Segment {
		d.Bytes = end.Size
	}
	if d.Bytes > 0 {
		density := i.density(name)
		d.Samples, d.From = int(float64(d.Bytes)*density.perByte), density.latest
	}
	return d, d.Bytes > 0
}

// density is how many values a byte of a log holds, and the time of the latest.
type density struct {
	perByte float64
	latest  time.Time
}

func (i *inspection) density(name string) density {
	samples, bytes, latest := 0, int64(0), int64(math.MinInt64)
	dec := record.NewDecoder(labels.NewSymbolTable(), slog.New(slog.DiscardHandler))
	for _, l := range i.all {
		if l.name != name {
			continue
		}
		for _, s := range l.segments {
			if info, err := os.Stat(s.path); err == nil {
				bytes += info.Size()
			}
			// What cannot be read tells nothing of how dense it is.
			_ = readSegment(s.path, func(r []byte) error {
				for _, one := range samplesOf(dec, r) {
					samples++
					latest = max(latest, one.T)
				}
				return nil
			}, func(brokenPiece) {})
		}
	}
	if samples == 0 {
		return density{}
	}
	return density{float64(samples) / float64(max(bytes, 1)), time.UnixMilli(latest).UTC()}
}

// samplesOf are the values of a record; none if it is of another sort.
func samplesOf(dec record.Decoder, r []byte) []record.RefSample {
	if t := dec.Type(r); t != record.Samples && t != record.SamplesV2 {
		return nil
	}
	samples, err := dec.Samples(r, nil)
	if err != nil {
		return nil
	}
	return samples
}

// broken tells of the damaged pieces of all logs, and mends them.
func (i *inspection) broken() (out []LogDamage, err error) {
	i.series = map[chunks.HeadSeriesRef]string{}
	dec := record.NewDecoder(labels.NewSymbolTable(), slog.New(slog.DiscardHandler))
	for _, l := range i.all {
		for _, s := range l.segments {
			err := readSegment(s.path, func(r []byte) error {
				if dec.Type(r) != record.Series {
					return nil
				}
				// What cannot be decoded under a checksum that is right is the TSDB's own fault.
				series, _ := dec.Series(r, nil)
				for _, one := range series {
					i.series[one.Ref] = one.Labels.Get("site")
				}
				return nil
			}, func(brokenPiece) {})
			if err != nil {
				return nil, err
			}
		}
	}
	for _, l := range i.all {
		d, found, err := i.log(l)
		if err != nil {
			return out, err
		}
		if found {
			out = append(out, d)
		}
	}
	return out, nil
}

// log tells of one log.
func (i *inspection) log(l *inspectedLog) (d LogDamage, found bool, err error) {
	w := &logWork{i: i, log: l, sites: map[string]bool{}, dec: record.NewDecoder(labels.NewSymbolTable(), slog.New(slog.DiscardHandler))}
	w.damage.Log = l.name
	for n := range l.segments {
		if err := w.segment(&l.segments[n]); err != nil {
			return d, false, err
		}
	}
	for _, number := range l.absent {
		found = true
		w.damage.Pieces++
		w.damage.Estimated = true
		if i.mend { // an empty one, or the TSDB would not open the log
			f, err := os.Create(wlog.SegmentName(l.folder, number))
			if err != nil {
				return d, false, err
			}
			if err := f.Close(); err != nil {
				return d, false, err
			}
		}
	}
	if w.unreadable > 0 {
		dense := i.density(l.name)
		w.damage.Samples += int(math.Ceil(float64(w.unreadable) * dense.perByte))
		w.damage.Estimated = true
	}
	w.damage.Sites = slices.Sorted(maps.Keys(w.sites))
	return w.damage, found || w.damage.Bytes > 0 || w.damage.Samples > 0, nil
}

// logWork gathers what was lost of a log.
type logWork struct {
	i      *inspection
	log    *inspectedLog
	dec    record.Decoder
	enc    record.Encoder
	damage LogDamage
	sites  map[string]bool
	// unreadable are the bytes of which nothing can be made.
	unreadable int64
	// before is the time of the latest value read, open says that a piece waits for the
	// first value behind it.
	before int64
	open   bool
}

// segment reads one, and writes it anew where something of it is lost.
func (w *logWork) segment(s *inspectedSegment) error {
	var out *wlog.WL
	temporary := filepath.Join(w.log.folder, temporaryName)
	if w.i.mend {
		if err := os.RemoveAll(temporary); err != nil {
			return err
		}
		var err error
		if out, err = wlog.NewSize(slog.New(slog.DiscardHandler), nil, temporary, 4*wlog.DefaultSegmentSize, compression.Snappy); err != nil {
			return err
		}
	}
	dropped := 0
	err := readSegment(s.path, func(r []byte) error {
		kept, lost := w.known(r)
		dropped += lost
		if out == nil || kept == nil {
			return nil
		}
		return out.Log(kept)
	}, w.piece)
	if out != nil {
		err = errors.Join(err, out.Close())
	}
	if err == nil && out != nil && (s.bytes > 0 || dropped > 0) {
		err = w.replace(s, wlog.SegmentName(temporary, 0))
	}
	if out != nil {
		err = errors.Join(err, os.RemoveAll(temporary))
	}
	return err
}

// known is a record without the values of series that no log knows any more: what told
// of the series was damaged. The TSDB cannot place them, and a new series with the same
// number might later be given them.
func (w *logWork) known(r []byte) (kept []byte, dropped int) {
	samples := samplesOf(w.dec, r)
	if len(samples) == 0 {
		return r, 0
	}
	known := samples[:0:0]
	for _, s := range samples {
		if _, ok := w.i.series[s.Ref]; !ok {
			dropped++
			w.lose(s.T, "")
			continue
		}
		if w.open {
			w.span(s.T)
			w.open = false
		}
		w.before = max(w.before, s.T)
		known = append(known, s)
	}
	switch {
	case dropped == 0:
		return r, 0
	case len(known) == 0:
		return nil, dropped
	}
	return w.enc.Samples(known, nil), dropped
}

// piece counts what a broken piece held.
func (w *logWork) piece(p brokenPiece) {
	if p.torn {
		return
	}
	w.damage.Pieces++
	w.damage.Bytes += int64(p.size)
	samples := samplesOf(w.dec, p.guess)
	for _, s := range samples {
		if site, ok := w.i.series[s.Ref]; ok {
			w.lose(s.T, site)
			continue
		}
		w.lose(s.T, "")
	}
	if len(samples) == 0 && p.size > logHead { // else only padding was hit
		w.unreadable += int64(p.size)
		if w.before > 0 {
			w.span(w.before)
		}
		w.open = true
	}
}

// lose counts a value.
func (w *logWork) lose(t int64, site string) {
	w.damage.Samples++
	if site != "" {
		w.sites[site] = true
	}
	w.span(t)
}

// span widens the time of what was lost. A damaged record may hold any number for a
// time, which tells nothing.
func (w *logWork) span(t int64) {
	at := time.UnixMilli(t).UTC()
	if at.Year() < 2000 || at.Year() > 2200 {
		return
	}
	if w.damage.From.IsZero() || at.Before(w.damage.From) {
		w.damage.From = at
	}
	if at.After(w.damage.To) {
		w.damage.To = at
	}
}

// replace keeps the damaged segment aside and puts the new one in its place.
func (w *logWork) replace(s *inspectedSegment, by string) error {
	if err := os.MkdirAll(w.i.aside, 0o700); err != nil {
		return err
	}
	w.damage.Aside = filepath.Join(w.i.aside, filepath.Base(w.log.folder)+"-"+filepath.Base(s.path)+time.Now().UTC().Format("-20060102T150405Z"))
	if err := copyFile(s.path, w.damage.Aside); err != nil {
		return err
	}
	if err := os.Rename(by, s.path); err != nil {
		return err
	}
	return syncFolder(w.log.folder)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
