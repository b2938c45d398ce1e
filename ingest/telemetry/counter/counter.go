// Package counter says what a counter has grown by, from its readings as they came:
// with resets, gaps and readings that are out of line.
//
// # The rule
//
//   - Growth is what a reading is above the one before it that counts, however long
//     before that was, and it is the growth of the moment at which it was read: what
//     grew across a gap is booked once, where the gap ends.
//   - A fall that the next readings undo is a dip: those readings do not count. So it
//     is with a spike, which falls back to where the counter was. A run of such
//     readings is at most [RunReadings] long within [RunWithin], or however long
//     within [BriefRun], and has one steep side: three quarters of its height in one
//     step, which a counter that climbs anew does not have.
//   - A fall to half or less that stays is a reset: the counter began at 0 and has
//     grown to what is read.
//   - A fall to more than half that stays is a step back, as of a meter that lost
//     power and goes on from what it had last saved: nothing grew in it, and growth
//     is counted from there.
//
// So the growth of any period is last − first, and for each reset in it the reading
// before it, and for each step back its height. What grew between the last reading
// before a reset and the reset nobody has told, and what is back above its former
// height with the very next readings cannot be told from a dip: a counter that is
// reset before it has grown much loses that little.
//
// The catalogue knows no counter's width in bits. One that wraps round is reset.
//
// # How far a reading reaches
//
// What a reading counts as depends on its neighbours only: on no more than [Reach]
// readings before and after it, but where runs follow each other without a pause.
package counter

import (
	"slices"
	"time"
)

const (
	// RunReadings is how many readings in a row may be out of line, within RunWithin.
	RunReadings = 3
	// RunWithin is how long they may take, from the last reading before them to the
	// first after: four readings of a device that reports every six hours, and one
	// that is missing.
	RunWithin = 36 * time.Hour
	// BriefRun is how long any number of readings out of line may take: a meter
	// that is read every minute and tells 0 until it has started.
	BriefRun = time.Hour
	// Reach is how many readings before and after one decide what it counts as: a
	// run and the readings at its ends, with another run beside it. Runs within
	// BriefRun may have more.
	Reach = 8
)

// steep is which part of a run's height one step at its end has; resumed is which part
// of it the counter may have grown by meanwhile to go on where it was.
const steep, resumed = 0.75, 0.1

// Reading is what a counter showed at a moment.
type Reading struct {
	At    int64 // Unix milliseconds
	Value float64
}

// Verdict is what a reading counts as.
type Verdict uint8

// The verdicts.
const (
	First Verdict = iota // there is none before to grow from
	Grown                // by nothing, too
	Reset                // it began at 0
	Back                 // it goes on from an earlier value
	Odd                  // it is part of a dip or a spike, and does not count
)

// Step is what became of the reading of the same index.
type Step struct {
	Reading
	Verdict Verdict
	// By is what grew, at least 0.
	By float64
	// Closed is when the next readings showed that this one is Odd.
	Closed int64
}

// Steps judges the readings of one counter, in order of time, one for each moment.
// Those that the instrument flagged must not be among them.
func Steps(readings []Reading) []Step {
	out := make([]Step, len(readings))
	all := make([]int, len(readings))
	for i, r := range readings {
		out[i].Reading, all[i] = r, i
	}
	// The shortest first: two spikes are not the ends of a dip.
	for most := 1; most <= RunReadings; most++ {
		few := func(readings int, _ int64) bool { return readings <= most }
		all = spikes(out, dips(out, all, few), few)
	}
	brief := func(_ int, apart int64) bool { return apart <= BriefRun.Milliseconds() }
	spikes(out, dips(out, all, brief), brief)
	last := -1
	for i := range out {
		s := &out[i]
		if s.Verdict == Odd {
			continue
		}
		if last >= 0 {
			s.Verdict, s.By = fromTo(out[last].Value, s.Value)
		}
		last = i
	}
	return out
}

// fromTo is what grew from one value to the next that counts.
func fromTo(before, v float64) (Verdict, float64) {
	switch {
	case v >= before:
		return Grown, v - before
	case v <= before/2:
		return Reset, v
	}
	return Back, 0
}

// Increase is what grew after from and until to, in Unix milliseconds; false if no
// reading of that time has one before it to grow from.
func Increase(steps []Step, from, to int64) (by float64, ok bool) {
	known := false // there was a reading that counts
	for i := range steps {
		s := &steps[i]
		if s.At > to {
			break
		}
		if s.At > from && known {
			by, ok = by+s.By, true
		}
		known = known || s.Verdict != Odd
	}
	return by, ok
}

// short reports whether so many readings between two that are so many milliseconds
// apart may be out of line.
type short func(readings int, apart int64) bool

// dips marks the readings of dips among those of some indices, and gives the
// others.
func dips(s []Step, of []int, may short) []int {
	for i := 1; i < len(of); i++ {
		before := s[of[i-1]]
		if s[of[i]].Value >= before.Value {
			continue
		}
		least := s[of[i]].Value
		for c := i + 1; c < len(of) && may(c-i, s[of[c]].At-before.At); c++ {
			if v := s[of[c]].Value; v < before.Value {
				least = min(least, v)
				continue
			}
			if after := s[of[c]]; odd(before.Reading, after.Reading, after.Value-s[of[c-1]].Value, before.Value-least) {
				mark(s, of[i:c], after.At)
			}
			break
		}
	}
	return counting(s, of)
}

// spikes marks the readings of spikes; a spike is a dip upside down and backwards.
func spikes(s []Step, of []int, may short) []int {
	for c := 1; c < len(of); c++ {
		after := s[of[c]]
		if s[of[c-1]].Value <= after.Value {
			continue
		}
		most := s[of[c-1]].Value
		for i := c - 2; i >= 0 && may(c-1-i, after.At-s[of[i]].At); i-- {
			if v := s[of[i]].Value; v > after.Value {
				most = max(most, v)
				continue
			}
			if before := s[of[i]]; odd(before.Reading, after.Reading, s[of[i+1]].Value-before.Value, most-after.Value) {
				mark(s, of[i+1:c], after.At)
			}
			break
		}
	}
	return counting(s, of)
}

// odd reports whether what is between two readings is out of line: its height, and
// the step of it that must be steep.
func odd(before, after Reading, step, height float64) bool {
	return step >= steep*height && (after.At-before.At <= RunWithin.Milliseconds() || after.Value-before.Value <= resumed*height)
}

func mark(s []Step, run []int, closed int64) {
	for _, i := range run {
		s[i].Verdict, s[i].Closed = Odd, closed
	}
}

func counting(s []Step, of []int) []int {
	return slices.DeleteFunc(of, func(i int) bool { return s[i].Verdict == Odd })
}
