package score

import (
	"slices"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Tally counts values. Expected is the sum of Right, Lost, WrongValue,
// WrongSeries, WrongTime and Undecided.
type Tally struct {
	Expected int64 `json:"expected"`
	Right    int64 `json:"right"`
	Lost     int64 `json:"lost"`
	// WrongValue is there at its time, but is another.
	WrongValue int64 `json:"wrong_value"`
	// WrongSeries is there at its time, under another device, metric, locality or
	// site.
	WrongSeries int64 `json:"wrong_series"`
	// WrongTime is there, but at another time.
	WrongTime int64 `json:"wrong_time"`
	// Undecided is not there and need not be, if it was received when it was ahead
	// of the clock or too old.
	Undecided int64 `json:"undecided"`
	// Duplicated is there more than once, Unexpected without any reason.
	Duplicated int64 `json:"duplicated"`
	Unexpected int64 `json:"unexpected"`
}

func (t *Tally) add(o Tally) {
	t.Expected += o.Expected
	t.Right += o.Right
	t.Lost += o.Lost
	t.WrongValue += o.WrongValue
	t.WrongSeries += o.WrongSeries
	t.WrongTime += o.WrongTime
	t.Undecided += o.Undecided
	t.Duplicated += o.Duplicated
	t.Unexpected += o.Unexpected
}

// Perfect reports whether there is nothing wrong.
func (t Tally) Perfect() bool {
	return t.Right+t.Undecided == t.Expected && t.Duplicated == 0 && t.Unexpected == 0
}

// sample is one stored value of a device.
type sample struct {
	at     int64
	number float64
	series *Series
}

// group are the stored values of a device at one time.
type group struct {
	at      int64
	samples []sample
}

// groups sorts a device's samples by time.
func groups(all []sample) []group {
	slices.SortStableFunc(all, func(a, b sample) int { return int(a.at - b.at) })
	var out []group
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].at == all[i].at {
			j++
		}
		out = append(out, group{all[i].at, all[i:j]})
		i = j
	}
	return out
}

// seq is the sequence number that is told in a group.
func (g *group) seq() (float64, bool) {
	for i := range g.samples {
		if g.samples[i].series.Metric == telemetry.Sequence {
			return g.samples[i].number, true
		}
	}
	return 0, false
}

// agrees is how many of a reading's values a group has.
func (g *group) agrees(r *reading) (n int) {
	for i := range r.values {
		if slices.ContainsFunc(g.samples, func(s sample) bool { return s.series.Metric == r.values[i].metric && s.number == r.values[i].number }) {
			n++
		}
	}
	return n
}

// shifted reports whether a group can be a reading at another time. The farther
// apart they are, the more they must have in common: the same hour of another day
// is much alike.
func (g *group) shifted(r *reading) bool {
	const near = 600_000
	if shift := g.at - r.at; shift > near || shift < -near {
		return 10*g.agrees(r) >= 9*len(r.values)
	}
	return 2*g.agrees(r) >= len(r.values)
}

// comparison holds what is stored of a device against what must be.
type comparison struct {
	device *simulator.Device
	result *result
	// from and to bound the event time in which values that nothing explains are
	// unexpected.
	from, to int64
	readings []reading
	groups   []group
}

// run matches readings and groups: first by their time, then by their content.
func (c *comparison) run() {
	var missing []*reading
	var stray []*group
	paired := map[*group]*reading{} // at one time, but not of one message
	i, j := 0, 0
	for i < len(c.readings) || j < len(c.groups) {
		switch {
		case j == len(c.groups) || i < len(c.readings) && c.readings[i].at < c.groups[j].at:
			missing = append(missing, &c.readings[i])
			i++
		case i == len(c.readings) || c.groups[j].at < c.readings[i].at:
			stray = append(stray, &c.groups[j])
			j++
		default:
			r, g := &c.readings[i], &c.groups[j]
			seq, ok := g.seq()
			want, told := r.value(telemetry.Sequence)
			if ok && told && seq != want {
				missing, stray = append(missing, r), append(stray, g)
				paired[g] = r
			} else {
				c.hold(r, g, 0)
			}
			i++
			j++
		}
	}
	missing, stray = c.matchShifted(missing, stray)
	open := make(map[*reading]bool, len(missing))
	for _, r := range missing {
		open[r] = true
	}
	for _, g := range stray {
		if r := paired[g]; r != nil && open[r] {
			c.hold(r, g, 0)
			delete(open, r)
		} else if g.at >= c.from && g.at < c.to {
			c.result.tally("").Unexpected += int64(len(g.samples))
		}
	}
	for _, r := range missing {
		if open[r] {
			c.lost(r)
		}
	}
}

// matchShifted finds readings that stand at another time, by their sequence
// number and content: of several, that whose shift others have too.
func (c *comparison) matchShifted(missing []*reading, stray []*group) ([]*reading, []*group) {
	if len(missing) == 0 || len(stray) == 0 {
		return missing, stray
	}
	bySeq := map[float64][]*reading{}
	for _, r := range missing {
		if n, ok := r.value(telemetry.Sequence); ok {
			bySeq[n] = append(bySeq[n], r)
		}
	}
	candidates := func(g *group) []*reading {
		if n, ok := g.seq(); ok {
			return bySeq[n]
		}
		return nil
	}
	votes := map[int64]int{}
	for _, g := range stray {
		for _, r := range candidates(g) {
			if g.shifted(r) {
				votes[g.at-r.at]++
			}
		}
	}
	taken := map[*reading]bool{}
	rest := stray[:0:0]
	for _, g := range stray {
		var best *reading
		for _, r := range candidates(g) {
			if taken[r] || !g.shifted(r) {
				continue
			}
			if best == nil || votes[g.at-r.at] > votes[g.at-best.at] {
				best = r
			}
		}
		if best == nil {
			rest = append(rest, g)
			continue
		}
		taken[best] = true
		c.hold(best, g, g.at-best.at)
	}
	return slices.DeleteFunc(missing, func(r *reading) bool { return taken[r] }), rest
}

// hold compares a reading with the group that is it, shifted in time.
func (c *comparison) hold(r *reading, g *group, shift int64) {
	used := make([]bool, len(g.samples))
	open := make([]value, 0, 4) // values that do not stand under their name
	var t Tally
	for _, v := range r.values {
		at, extra := -1, 0
		wrong := false
		for i := range g.samples {
			s := &g.samples[i]
			if s.series.Metric != v.metric {
				continue
			}
			switch {
			case s.number != v.number:
				wrong = true
				continue
			case at >= 0:
				extra++
			default:
				at = i
			}
			used[i] = true
		}
		if at < 0 {
			open = append(open, v)
			continue
		}
		if wrong { // another value for the same time, beside the right one
			for i := range g.samples {
				if g.samples[i].series.Metric == v.metric && !used[i] {
					used[i] = true
					extra++
				}
			}
		}
		t.Duplicated += int64(extra)
		c.found(&t, v, g.samples[at].series, shift, r)
	}
	for _, v := range open {
		c.search(&t, r, g, used, v)
	}
	for i := range g.samples {
		if !used[i] && (shift != 0 || g.at >= c.from && g.at < c.to) {
			t.Unexpected++
		}
	}
	if r.counted {
		t.Expected = int64(len(r.values))
		c.result.tally(r.fault).add(t)
		c.result.readings++
		if shift != 0 {
			c.result.shifts[shift]++
			if g.at%1000 == 0 {
				c.result.whole++
			}
		}
		if !t.Perfect() {
			c.result.example(c.device, r, g)
		}
	}
}

// found counts a value that is there under its metric.
func (c *comparison) found(t *Tally, v value, s *Series, shift int64, r *reading) {
	d := c.device
	switch {
	case s.Kind != d.Kind.Kind || s.Device != d.ID:
		t.WrongSeries++
	case s.Locality != d.Locality:
		t.WrongSeries++
		if r.counted {
			c.result.moves[move{what: "locality", to: string(s.Locality)}]++
		}
	case s.Site != d.Site() && string(s.Site) != string(d.ID):
		t.WrongSeries++
		if r.counted {
			c.result.moves[move{what: "site", to: string(s.Site)}]++
		}
	case shift != 0:
		t.WrongTime++
	default:
		t.Right++
	}
}

// search looks for a value under another metric, and else says what is there in
// its place.
func (c *comparison) search(t *Tally, r *reading, g *group, used []bool, v value) {
	own := -1
	for i := range g.samples {
		if used[i] {
			continue
		}
		s := &g.samples[i]
		if s.series.Metric == v.metric {
			own = i
		}
	}
	for i := range g.samples {
		s := &g.samples[i]
		if s.number != v.number || s.series.Metric == v.metric {
			continue
		}
		if right, ok := r.value(s.series.Metric); ok && right == s.number {
			continue // that one is where it belongs
		}
		used[i] = true
		t.WrongSeries++
		if r.counted {
			c.result.moves[move{"metric", string(v.metric), string(s.series.Metric)}]++
		}
		return
	}
	if own < 0 {
		t.Lost++
		if r.counted {
			c.result.lostMetrics[v.metric]++
		}
		return
	}
	used[own] = true
	t.WrongValue++
	if r.counted {
		c.result.wrong(v.metric, v.number, g.samples[own].number)
	}
}

// lost counts a reading of which nothing is there.
func (c *comparison) lost(r *reading) {
	if !r.counted {
		return
	}
	n := int64(len(r.values))
	t := c.result.tally(r.fault)
	t.Expected += n
	if r.undecided {
		t.Undecided += n
		return
	}
	t.Lost += n
	c.result.readings++
	c.result.lose(r)
	c.result.example(c.device, r, nil)
}
