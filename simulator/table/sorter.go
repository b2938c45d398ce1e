package table

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// record is a row's values of one series, small enough to be sorted by the
// million.
type record struct {
	at     int64 // Unix milliseconds
	series uint32
	line   int64
	values []slotted
}

// slotted is a number of one of the mapping's values.
type slotted struct {
	slot uint16
	v    float64
}

func compare(a, b record) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.series, b.series), cmp.Compare(a.line, b.line))
}

// sorter brings records into order of time. What is more than its budget goes to
// files that have no name, so that nothing is left of them whatever happens.
type sorter struct {
	dir    string
	budget int // bytes, about

	records []record
	used    int
	last    record
	any     bool
	unsort  bool // some came out of order
	runs    []*run
}

// run is a sorted part on disk.
type run struct {
	f    *os.File
	r    *bufio.Reader
	next record
}

func (s *sorter) add(r record) error {
	if s.any && compare(r, s.last) < 0 {
		s.unsort = true
	}
	s.last, s.any = r, true
	s.records = append(s.records, r)
	s.used += 48 + 16*len(r.values)
	if s.used < s.budget {
		return nil
	}
	return s.spill()
}

// spill writes what is in memory to a file of its own.
func (s *sorter) spill() error {
	slices.SortFunc(s.records, compare)
	f, err := os.CreateTemp(s.dir, ".haidang-sort-*")
	if err != nil {
		return fmt.Errorf("sort by time: %w", err)
	}
	s.runs = append(s.runs, &run{f: f})
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("sort by time: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var b []byte
	for _, r := range s.records {
		b = binary.LittleEndian.AppendUint64(b[:0], uint64(r.at))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.line))
		b = binary.LittleEndian.AppendUint32(b, r.series)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(r.values)))
		for _, v := range r.values {
			b = binary.LittleEndian.AppendUint16(b, v.slot)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v.v))
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("sort by time: write beside the output: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sort by time: write beside the output: %w", err)
	}
	s.records, s.used = s.records[:0], 0
	return nil
}

// read takes the run's next record; io.EOF is its end.
func (r *run) read() error {
	var head [24]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return err
	}
	le := binary.LittleEndian
	r.next = record{at: int64(le.Uint64(head[:])), line: int64(le.Uint64(head[8:])), series: le.Uint32(head[16:]), values: make([]slotted, le.Uint32(head[20:]))}
	var b [10]byte
	for i := range r.next.values {
		if _, err := io.ReadFull(r.r, b[:]); err != nil {
			return fmt.Errorf("sort by time: %w", err)
		}
		r.next.values[i] = slotted{le.Uint16(b[:]), math.Float64frombits(le.Uint64(b[2:]))}
	}
	return nil
}

// each gives all records in order.
func (s *sorter) each(do func(record) error) error {
	if len(s.runs) == 0 {
		slices.SortFunc(s.records, compare)
		for _, r := range s.records {
			if err := do(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.records) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.records = nil
	var h runs
	for _, r := range s.runs {
		if _, err := r.f.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("sort by time: %w", err)
		}
		r.r = bufio.NewReaderSize(r.f, 256<<10)
		if err := r.read(); err != nil {
			return fmt.Errorf("sort by time: %w", err)
		}
		h = append(h, r)
	}
	heap.Init(&h)
	for len(h) > 0 {
		if err := do(h[0].next); err != nil {
			return err
		}
		switch err := h[0].read(); {
		case errors.Is(err, io.EOF):
			heap.Pop(&h)
		case err != nil:
			return err
		default:
			heap.Fix(&h, 0)
		}
	}
	return nil
}

// close gives the files back.
func (s *sorter) close() {
	for _, r := range s.runs {
		r.f.Close() // read already, and without a name
	}
}

// runs are sorted parts, the one with the earliest record first.
type runs []*run

func (h runs) Len() int           { return len(h) }
func (h runs) Less(i, j int) bool { return compare(h[i].next, h[j].next) < 0 }
func (h runs) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runs) Push(x any)        { *h = append(*h, x.(*run)) }
func (h *runs) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
