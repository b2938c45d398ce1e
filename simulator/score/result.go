package score

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// result is what is known of a device.
type result struct {
	device   int
	messages Messages
	reasons  map[reasonKey]int64
	tallies  map[simulator.FaultClass]*Tally
	// readings is how many were expected, lostReadings of how many nothing is there.
	readings, lostReadings int64
	// losses are the planned sending times of some of those, with their fault.
	losses []loss
	// shifts counts readings by how many ms late they stand.
	shifts map[int64]int64
	// whole is how many of those stand at a whole second.
	whole int64
	moves map[move]int64
	// lostMetrics counts single values whose message is there.
	lostMetrics map[telemetry.Metric]int64
	factors     map[telemetry.Metric]*factor
	examples    []Example
	// buckets are nil once they have been added up.
	buckets     *[bucketCount]bucket
	start, step int64
}

type loss struct {
	due   int64
	fault simulator.FaultClass
}

// move says that values stand elsewhere.
type move struct {
	what     string // metric, device, kind, locality, site
	from, to string
}

// factor is what wrong values have in common with the right ones.
type factor struct {
	n, same, offset int64
	ratio, diff     float64
}

// Limits of what is remembered of a device.
const (
	maxLosses   = 2000
	maxExamples = 3
	bucketCount = 60
)

// bucket is a part of the period.
type bucket struct {
	expected, lost int64
}

// Example is one thing that is wrong.
type Example struct {
	Device telemetry.Device `json:"device"`
	Time   time.Time        `json:"time"`
	Want   string           `json:"want"`
	Have   string           `json:"have"`
}

func newResult(device int, from, to int64) *result {
	return &result{device: device, reasons: map[reasonKey]int64{}, tallies: map[simulator.FaultClass]*Tally{}, shifts: map[int64]int64{}, moves: map[move]int64{},
		lostMetrics: map[telemetry.Metric]int64{}, factors: map[telemetry.Metric]*factor{}, buckets: new([bucketCount]bucket), start: from, step: max(1, (to-from+bucketCount-1)/bucketCount)}
}

func (r *result) tally(fault simulator.FaultClass) *Tally {
	t := r.tallies[fault]
	if t == nil {
		t = &Tally{}
		r.tallies[fault] = t
	}
	return t
}

func (r *result) total() (t Tally) {
	for _, o := range r.tallies {
		t.add(*o)
	}
	return t
}

// bucket of a sending time.
func (r *result) bucket(due int64) *bucket {
	return &r.buckets[min(max((due-r.start)/r.step, 0), bucketCount-1)]
}

func (r *result) lose(x *reading) {
	r.lostReadings++
	r.bucket(x.due).lost++
	if len(r.losses) < maxLosses {
		r.losses = append(r.losses, loss{x.due, x.fault})
	}
}

// wrong remembers how a value differs from the right one.
func (r *result) wrong(m telemetry.Metric, want, have float64) {
	f := r.factors[m]
	if f == nil {
		f = &factor{}
		r.factors[m] = f
	}
	f.n++
	if want != 0 && have != 0 {
		ratio := have / want
		if f.ratio == 0 {
			f.ratio = ratio
		}
		if math.Abs(ratio-f.ratio) < 1e-6*math.Abs(f.ratio) {
			f.same++
		}
	}
	if f.n == 1 {
		f.diff = have - want
	}
	if math.Abs(have-want-f.diff) < 1e-9*max(1, math.Abs(want)) {
		f.offset++
	}
}

func (r *result) example(d *simulator.Device, x *reading, g *group) {
	if len(r.examples) >= maxExamples {
		return
	}
	e := Example{Device: d.ID, Time: time.UnixMilli(x.at).UTC(), Have: "nothing"}
	shown := func(vs []string) string {
		if len(vs) > 6 {
			vs = append(vs[:6:6], "…")
		}
		return strings.Join(vs, " ")
	}
	if g == nil {
		var want []string
		for _, v := range x.values {
			want = append(want, string(v.metric)+"="+number(v.number))
		}
		e.Want = shown(want)
		r.examples = append(r.examples, e)
		return
	}
	var want, have []string
	if g.at != x.at {
		e.Have = "at " + time.UnixMilli(g.at).UTC().Format(time.RFC3339Nano)
	} else {
		for _, v := range x.values {
			var there []string
			for i := range g.samples {
				if s := &g.samples[i]; s.series.Metric == v.metric {
					there = append(there, number(s.number))
				}
			}
			if !slices.Equal(there, []string{number(v.number)}) {
				want = append(want, string(v.metric)+"="+number(v.number))
				have = append(have, string(v.metric)+"="+strings.Join(there, "|"))
			}
		}
		e.Have = shown(have)
		if len(have) == 0 {
			s := g.samples[0].series
			e.Have = fmt.Sprintf("in locality %s, site %s", s.Locality, s.Site)
		}
	}
	if len(want) == 0 {
		for _, v := range x.values {
			want = append(want, string(v.metric)+"="+number(v.number))
		}
	}
	e.Want = shown(want)
	r.examples = append(r.examples, e)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// merge adds another slice of time of the same device.
func (r *result) merge(o *result) {
	r.messages.add(o.messages)
	for k, n := range o.reasons {
		r.reasons[k] += n
	}
	for f, t := range o.tallies {
		r.tally(f).add(*t)
	}
	r.readings += o.readings
	r.lostReadings += o.lostReadings
	r.losses = append(r.losses, o.losses[:min(len(o.losses), max(0, maxLosses-len(r.losses)))]...)
	r.whole += o.whole
	for k, n := range o.shifts {
		r.shifts[k] += n
	}
	for k, n := range o.moves {
		r.moves[k] += n
	}
	for k, n := range o.lostMetrics {
		r.lostMetrics[k] += n
	}
	for m, f := range o.factors {
		if have := r.factors[m]; have == nil {
			r.factors[m] = f
		} else if have.n += f.n; math.Abs(have.ratio-f.ratio) <= 1e-6*math.Abs(have.ratio) {
			have.same += f.same
			have.offset += f.offset
		}
	}
	r.examples = append(r.examples, o.examples[:min(len(o.examples), max(0, maxExamples-len(r.examples)))]...)
}

// top is the key that counts most.
func top[K comparable](m map[K]int64, less func(a, b K) int) (best K, n int64) {
	for _, k := range slices.SortedFunc(maps.Keys(m), less) {
		if m[k] > n {
			best, n = k, m[k]
		}
	}
	return best, n
}
