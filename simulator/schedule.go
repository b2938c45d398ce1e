package simulator

import (
	"sync"
	"time"
)

// schedule says when on the clock a moment of the time line is. It is set when
// sending begins and never moves: what could not be sent in time is late, and what
// comes after it is due when it was.
type schedule struct {
	// began is on the clock what from is on the time line.
	began, from time.Time
	// speed is how many times faster than the time line it goes.
	speed float64
	// unpaced is a schedule in which everything is due as soon as there is room.
	unpaced bool
}

// clock is when a moment of the time line is due.
func (s *schedule) clock(due time.Time) time.Time {
	if s.speed == 1 {
		return s.began.Add(due.Sub(s.from))
	}
	return s.began.Add(time.Duration(float64(due.Sub(s.from)) / s.speed))
}

// line is the moment of the time line that it is now; unpaced, it stays where it
// began.
func (s *schedule) line(now time.Time) time.Time {
	switch {
	case s.unpaced:
		return s.from
	case s.speed == 1:
		return s.from.Add(now.Sub(s.began))
	}
	return s.from.Add(time.Duration(float64(now.Sub(s.began)) * s.speed))
}

// tally counts what has been due so far, going on from where it was asked last.
type tally struct {
	mu      sync.Mutex
	fleet   *Fleet
	cursors []cursor
	n       uint64
}

// newTally counts the devices' messages from a moment of the time line.
func newTally(f *Fleet, from time.Time, devices []int) *tally {
	t := &tally{fleet: f, cursors: make([]cursor, len(devices))}
	for i, d := range devices {
		t.cursors[i] = f.cursor(d, from.Sub(f.base(from)), false)
	}
	return t
}

// before is how many are due before a moment, which must not go back.
func (t *tally) before(moment time.Time) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	to := moment.Sub(t.fleet.Start())
	for i := range t.cursors {
		t.n += t.cursors[i].count(t.fleet, to)
	}
	return t.n
}

// Sample is n of the fleet's devices, spread evenly over all of them, by their
// index; all if n is 0 or there are not so many.
func (f *Fleet) Sample(n int) []int {
	all := len(f.devices)
	if n <= 0 || n > all {
		n = all
	}
	devices := make([]int, n)
	for i := range devices {
		devices[i] = i * all / n
	}
	return devices
}

// Rate is how many messages a second the devices send on average along the time
// line, when nothing is wrong.
func (f *Fleet) Rate(devices []int) (perSecond float64) {
	for _, d := range devices {
		perSecond += 1 / f.devices[d].Every.Seconds()
	}
	return perSecond
}
