package devices

import (
	"math"
	"slices"
	"time"
)

const (
	// rhythmTimes is how many times a rhythm remembers: eight gaps.
	rhythmTimes = 9
	// rhythmGaps is how many gaps it takes to tell a rhythm.
	rhythmGaps = 4
	// rhythmShare of the gaps must agree with their median, each by rhythmJitter of
	// it: what comes at any time has no rhythm, and losses are other gaps.
	rhythmShare, rhythmJitter = 0.6, 0.2
	// rhythmLosses is how many times as long as the cadence a gap may be to come of
	// losses.
	rhythmLosses = 4.5
	// rhythmSnap is by how much of it a median may be off one of the usual cadences
	// to be taken for it.
	rhythmSnap = 0.1
	// oneReport is how far apart the parts of one report may be: devices send their
	// metrics in messages of their own. So no cadence below it is learned.
	oneReport = 2 * time.Second
)

// usualCadences are those that devices are set to.
func usualCadences() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{2 * s, 5 * s, 10 * s, 15 * s, 20 * s, 30 * s, m, 2 * m, 3 * m, 5 * m, 6 * m, 10 * m, 15 * m, 20 * m, 30 * m,
		h, 2 * h, 3 * h, 6 * h, 12 * h, 24 * h}
}

// rhythm learns how often something comes from the times at which it did. It keeps
// the newest few in their order, whenever they are told: so what comes late, in
// batches or twice is nothing special, and being silent teaches nothing.
type rhythm struct {
	// Times are in milliseconds, in order.
	Times []int64 `json:"times,omitempty"`
	// Every is what was learned last; 0 is nothing yet. It stays until most gaps
	// agree on another.
	Every time.Duration `json:"every,omitempty"`
}

// add tells of a time; false if nothing new was learned from it, because it is older
// than what is kept, or of a report that is known.
func (r *rhythm) add(at time.Time) bool {
	ms := at.UnixMilli()
	i, known := slices.BinarySearch(r.Times, ms)
	near := func(n int) bool {
		return n >= 0 && n < len(r.Times) && max(r.Times[n]-ms, ms-r.Times[n]) < oneReport.Milliseconds()
	}
	full := len(r.Times) == rhythmTimes
	if known || near(i-1) || near(i) || full && i == 0 {
		return false
	}
	if full {
		copy(r.Times, r.Times[1:i])
		r.Times[i-1] = ms
	} else {
		r.Times = slices.Insert(r.Times, i, ms)
	}
	if every := r.tell(); every > 0 {
		r.Every = every
	}
	return true
}

// tell is the rhythm of the kept times; 0 if they have none.
func (r *rhythm) tell() time.Duration {
	if len(r.Times) <= rhythmGaps {
		return 0
	}
	var room [rhythmTimes - 1]int64
	gaps := room[:0]
	for i := 1; i < len(r.Times); i++ {
		gaps = append(gaps, r.Times[i]-r.Times[i-1])
	}
	slices.Sort(gaps)
	// Where a report is in parts that are further apart than oneReport, most gaps are
	// those between reports or a small part of them.
	least := gaps[len(gaps)*3/4] / 10
	for len(gaps) > 0 && gaps[0] < least {
		gaps = gaps[1:]
	}
	if len(gaps) < rhythmGaps {
		return 0
	}
	median := float64(gaps[(len(gaps)-1)/2])
	if float64(about(gaps, median)) < rhythmShare*float64(len(gaps)) {
		return 0
	}
	// While some gaps are still as before, a few times as long ones are losses.
	before := float64(r.Every.Milliseconds())
	if median > before && median < rhythmLosses*before && about(gaps, before) > 0 {
		return 0
	}
	return snap(time.Duration(median) * time.Millisecond)
}

// about is how many gaps are about as long as one.
func about(gaps []int64, as float64) (n int) {
	for _, g := range gaps {
		if math.Abs(float64(g)-as) <= rhythmJitter*as {
			n++
		}
	}
	return n
}

// brief is the rhythm without its times, if they tell no more than it.
func (r rhythm) brief() rhythm {
	if r.Every > 0 && r.tell() == r.Every {
		r.Times = nil
	}
	return r
}

// longest is the longest gap between the kept times: of what has no rhythm yet, the
// slowest that it has been.
func (r *rhythm) longest() (d time.Duration) {
	for i := 1; i < len(r.Times); i++ {
		d = max(d, time.Duration(r.Times[i]-r.Times[i-1])*time.Millisecond)
	}
	return d
}

// snap is the usual cadence that a duration is about, else the duration to the second.
func snap(d time.Duration) time.Duration {
	best := max(d.Round(time.Second), oneReport)
	off := rhythmSnap
	for _, usual := range usualCadences() {
		if o := math.Abs(float64(d-usual)) / float64(usual); o <= off {
			best, off = usual, o
		}
	}
	return best
}

// transmissions learns how often a device that stores its readings sends them: it
// measures each hour, say, and sends six readings each six hours.
type transmissions struct {
	Rhythm rhythm `json:"rhythm"`
	// Sizes are how many readings each of the newest transmissions brought, those of
	// the rhythm and the one that may still be going on.
	Sizes []int `json:"sizes,omitempty"`
	// Last is when the last reading of the last transmission was received.
	Last int64 `json:"last,omitempty"`
}

// add tells that a reading of a kind with this cadence (0 is not known) was received.
func (t *transmissions) add(received time.Time, cadence time.Duration) {
	ms := received.UnixMilli()
	apart := 20 * time.Second
	if cadence > 0 {
		apart = max(cadence/2, oneReport)
	}
	gap := ms - t.Last
	switch {
	case t.Last > 0 && gap < 0: // driven through again out of quarantine
		return
	case t.Last > 0 && gap <= apart.Milliseconds() && len(t.Sizes) > 0:
		t.Sizes[len(t.Sizes)-1]++
	case t.Rhythm.add(received):
		t.Sizes = append(t.Sizes, 1)
		if len(t.Sizes) > rhythmTimes {
			t.Sizes = slices.Delete(t.Sizes, 0, 1)
		}
	}
	t.Last = ms
}

// every is how often stored readings are sent; 0 where each is sent by itself.
func (t *transmissions) every() time.Duration {
	if len(t.Sizes) == 0 {
		return 0
	}
	sizes := slices.Clone(t.Sizes)
	slices.Sort(sizes)
	if sizes[(len(sizes)-1)/2] < 2 {
		return 0
	}
	return t.Rhythm.Every
}
