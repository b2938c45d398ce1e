package score

import (
	"cmp"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// Alarm is one that the city raised, and when it ended; Cleared is zero while it is
// active.
type Alarm struct {
	Limit    string             `json:"limit"`
	Locality telemetry.Locality `json:"locality"`
	Site     telemetry.Site     `json:"site"`
	Raised   time.Time          `json:"raised"`
	Cleared  time.Time          `json:"cleared,omitzero"`
}

// Alarms is how the alarms of a period compare with the physical truth.
type Alarms struct {
	// How says whose alarms these are: raised by the city, or replayed by Rules over
	// what is stored.
	How   string `json:"how"`
	Rules string `json:"rules,omitempty"`
	AlarmTally
	// Missed should have been raised and were not; False were raised for nothing.
	Missed []Crossing `json:"missed"`
	False  []Alarm    `json:"false"`
	// Broken ended while what they told of went on; Lingering went on long after it was
	// over, though their devices told so.
	Broken    []Alarm `json:"broken"`
	Lingering []Alarm `json:"lingering"`
	// Limits are the tallies of the limits that were crossed or raised.
	Limits []LimitTally `json:"limits"`
	// Unjudged are alarms of what the truth does not tell: silence, the platform.
	Unjudged int `json:"unjudged"`
	// Uncomputed is how many hours the city has still to compute VN_AQI of; alarms of
	// the index may be missed because of it.
	Uncomputed int `json:"uncomputed_hours,omitempty"`

	alarms []Alarm
}

// AlarmTally counts crossings and alarms.
type AlarmTally struct {
	// Expected crossings are clear and long enough for an alarm: ClearFrom is set. Of
	// the Slight ones none is demanded and any may have been raised.
	// None can be demanded of those that are Unseen: their devices sent too little, as
	// the scenario has it.
	Expected int `json:"expected"`
	Slight   int `json:"slight"`
	Unseen   int `json:"unseen"`
	// Raised is how many of the expected were raised.
	Raised      int `json:"raised"`
	MissedCount int `json:"missed_count"`
	FalseCount  int `json:"false_count"`
	// EndedWrong counts the broken and the lingering.
	EndedWrong int `json:"ended_wrong_count"`
	// Late is how long after the truth crossed the limit the alarm came, of those
	// raised; ClearLate how long after it was clear that it had.
	LateP50      time.Duration `json:"late_p50_ns"`
	LateMax      time.Duration `json:"late_max_ns"`
	ClearLateP50 time.Duration `json:"clear_late_p50_ns"`
	ClearLateMax time.Duration `json:"clear_late_max_ns"`

	late, clear []time.Duration
}

// LimitTally is the part of one limit.
type LimitTally struct {
	Limit    string `json:"limit"`
	NameVI   string `json:"name_vi"`
	NameEN   string `json:"name_en"`
	Severity int    `json:"severity"`
	AlarmTally
}

// Perfect reports whether nothing was missed, nothing raised for nothing, and nothing
// ended before or long after it was over.
func (a Alarms) Perfect() bool {
	return len(a.Missed)+len(a.False)+len(a.Broken)+len(a.Lingering) == 0
}

const (
	// brief is how long a crossing must be clear to demand an alarm: rules wait for up
	// to ten minutes, and a reading comes every five.
	brief = 20 * time.Minute
	// earlyBy is how long before the truth an alarm may come and LateBy how long
	// after its end: means and night hours take their window to follow.
	earlyBy, LateBy = 30 * time.Minute, 90 * time.Minute
	// contradicted is by how much the reading that ends an alarm may be older, for one
	// reading does not end it.
	contradicted = 30 * time.Minute
)

// spot is a limit at a site.
type spot struct {
	limit string
	site  telemetry.Site
}

// ScoreAlarms holds the alarms of a period against what the truth crossed in it.
// Alarms that were active before the period count for its crossings too, and those
// that come up to [LateBy] after it. An alarm at a site of a device's own name, which the city gave it because nobody had
// registered it, is one at the device's site.
func ScoreAlarms(c *Crossings, alarms []Alarm) *Alarms {
	out := &Alarms{Missed: []Crossing{}, False: []Alarm{}, Broken: []Alarm{}, Lingering: []Alarm{}, Limits: []LimitTally{}}
	near := bySpot(bySite(append(slices.Clone(c.Crossings), c.near...)))
	truth := bySpot(bySite(c.Crossings))
	limits := limitTallies{c.judgedLimits(), map[string]*LimitTally{}}
	sites := map[telemetry.Site]telemetry.Site{}
	for _, e := range slices.Concat(c.Crossings, c.near) {
		sites[telemetry.Site(e.Device)] = e.Site
	}
	told := map[spot][]Alarm{}
	for _, a := range alarms {
		if _, judged := limits.known[a.Limit]; !judged {
			out.Unjudged++
			continue
		}
		a.Site = cmp.Or(sites[a.Site], a.Site)
		out.alarms = append(out.alarms, a)
		p := spot{a.Limit, a.Site}
		told[p] = append(told[p], a)
		explains := func(e Crossing) bool {
			return !a.Raised.Before(e.From.Add(-earlyBy)) && a.Raised.Before(e.To.Add(LateBy))
		}
		if a.Raised.Before(c.To) && !a.Raised.Before(c.From) && !slices.ContainsFunc(near[p], explains) {
			out.False = append(out.False, a)
			limits.of(a.Limit).FalseCount++
		}
	}
	for p, episodes := range truth {
		for _, e := range episodes {
			t := limits.of(e.Limit)
			if e.ClearFrom.IsZero() {
				t.Slight++
				continue
			}
			raised, ok := firstFor(e, told[p])
			if !ok && c.seen != nil && !c.seen(e) {
				t.Unseen++
				continue
			}
			t.Expected++
			if !ok {
				out.Missed = append(out.Missed, e)
				t.MissedCount++
				continue
			}
			t.Raised++
			broken := brokenOf(e, told[p])
			out.Broken, t.EndedWrong = append(out.Broken, broken...), t.EndedWrong+len(broken)
			if !e.Began { // when it began is not known
				t.late = append(t.late, max(0, raised.Sub(e.From)))
				t.clear = append(t.clear, max(0, raised.Sub(e.ClearFrom)))
			}
		}
	}
	for p, all := range told {
		lingering := lingeringOf(c, near[p], all)
		out.Lingering = append(out.Lingering, lingering...)
		if len(lingering) > 0 {
			limits.of(p.limit).EndedWrong += len(lingering)
		}
	}
	out.sum(limits)
	slices.SortFunc(out.Missed, func(a, b Crossing) int {
		return cmp.Or(b.Severity-a.Severity, a.From.Compare(b.From), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Site, b.Site))
	})
	for _, list := range [][]Alarm{out.False, out.Broken, out.Lingering} {
		slices.SortFunc(list, func(a, b Alarm) int {
			return cmp.Or(a.Raised.Compare(b.Raised), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Site, b.Site))
		})
	}
	return out
}

// brokenOf are the alarms that ended while a crossing was clear, if no other went on:
// nothing that a device measured says that it was over.
func brokenOf(e Crossing, told []Alarm) (out []Alarm) {
	for _, a := range told {
		during := func(s spell) bool {
			end := s.to
			if e.Statistic == indexStatistic {
				end = telemetry.Stamp(end, end) // an hour's index is there before the hour ends
			}
			return a.Cleared.After(s.from.Add(contradicted)) && a.Cleared.Before(end)
		}
		if a.Cleared.IsZero() || !slices.ContainsFunc(e.clear, during) {
			continue
		}
		if !slices.ContainsFunc(told, func(o Alarm) bool {
			return !o.Raised.After(a.Cleared) && (o.Cleared.IsZero() || o.Cleared.After(a.Cleared))
		}) {
			out = append(out, a)
		}
	}
	return out
}

// lingeringOf are the alarms that were active longer than [LateBy], and two of their
// device's cadences, after instruments can last have shown the limit to be crossed,
// though a device has since sent enough readings of a window to judge it.
func lingeringOf(c *Crossings, near []Crossing, told []Alarm) (out []Alarm) {
	for _, a := range told {
		end := a.Cleared
		if end.IsZero() || end.After(c.To) {
			end = c.To
		}
		last := -1
		for i, e := range near {
			if e.From.Before(end) && (last < 0 || e.To.After(near[last].To)) {
				last = i
			}
		}
		if last < 0 || !end.After(near[last].To.Add(LateBy+2*near[last].every)) {
			continue
		}
		since := near[last]
		since.From, since.To = since.To, end.Add(-contradicted)
		if c.told == nil || c.told(since) {
			out = append(out, a)
		}
	}
	return out
}

// firstFor finds when a crossing was first told of.
func firstFor(e Crossing, told []Alarm) (raised time.Time, ok bool) {
	for _, a := range told {
		if a.Raised.Before(e.To.Add(LateBy)) && (a.Cleared.IsZero() || a.Cleared.After(e.From)) && (!ok || a.Raised.Before(raised)) {
			raised, ok = a.Raised, true
		}
	}
	return raised, ok
}

// sum adds the limits' tallies up.
func (a *Alarms) sum(l limitTallies) {
	for _, t := range l.tallies {
		a.Expected += t.Expected
		a.Slight += t.Slight
		a.Unseen += t.Unseen
		a.Raised += t.Raised
		a.MissedCount += t.MissedCount
		a.FalseCount += t.FalseCount
		a.EndedWrong += t.EndedWrong
		a.late, a.clear = append(a.late, t.late...), append(a.clear, t.clear...)
		t.settle()
		a.Limits = append(a.Limits, *t)
	}
	a.settle()
	slices.SortFunc(a.Limits, func(x, y LimitTally) int { return cmp.Or(y.Severity-x.Severity, cmp.Compare(x.Limit, y.Limit)) })
}

// settle finds the figures of lateness.
func (t *AlarmTally) settle() {
	slices.Sort(t.late)
	slices.Sort(t.clear)
	if n := len(t.late); n > 0 {
		t.LateP50, t.LateMax = t.late[n/2], t.late[n-1]
		t.ClearLateP50, t.ClearLateMax = t.clear[n/2], t.clear[n-1]
	}
}

// limitTallies are the tallies of limits by id.
type limitTallies struct {
	known   map[string]judgedLimit
	tallies map[string]*LimitTally
}

func (l limitTallies) of(id string) *LimitTally {
	if t := l.tallies[id]; t != nil {
		return t
	}
	known := l.known[id]
	t := &LimitTally{Limit: id, NameVI: known.vi, NameEN: known.en, Severity: known.severity}
	l.tallies[id] = t
	return t
}

func bySpot(all []Crossing) map[spot][]Crossing {
	out := map[spot][]Crossing{}
	for _, e := range all {
		out[spot{e.Limit, e.Site}] = append(out[spot{e.Limit, e.Site}], e)
	}
	return out
}

// bySite makes one of the crossings of several devices at a site that overlap, or
// follow each other so closely that an alarm goes on over the gap.
func bySite(all []Crossing) []Crossing {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Crossing) int {
		return cmp.Or(cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Site, b.Site), a.From.Compare(b.From))
	})
	var out []Crossing
	for _, e := range all {
		n := len(out)
		if n == 0 || out[n-1].Limit != e.Limit || out[n-1].Site != e.Site || e.From.After(out[n-1].To.Add(brief)) {
			out = append(out, e)
			continue
		}
		last := &out[n-1]
		if e.To.After(last.To) {
			last.To, last.Open = e.To, e.Open
		}
		last.clear, last.every = append(slices.Clone(last.clear), e.clear...), max(last.every, e.every)
		if last.ClearFrom.IsZero() || !e.ClearFrom.IsZero() && e.ClearFrom.Before(last.ClearFrom) {
			last.ClearFrom = e.ClearFrom
		}
	}
	return out
}

// judgedLimits are those whose crossings were looked for.
func (c *Crossings) judgedLimits() map[string]judgedLimit {
	if c != nil && c.judged != nil {
		return c.judged
	}
	return judgedLimits(limits.All())
}

// Judged tells the rules whose alarms can be scored: those of limits whose crossings
// [Scorer.FindCrossings] finds.
func Judged(table []limits.Limit) func(rule string) bool {
	all := judgedLimits(table)
	return func(rule string) bool { _, ok := all[rule]; return ok }
}

// judgedLimit is what a limit is called.
type judgedLimit struct {
	vi, en   string
	severity int
}

// judgedLimits are those whose crossings are found, by id.
func judgedLimits(table []limits.Limit) map[string]judgedLimit {
	out := map[string]judgedLimit{}
	for _, l := range table {
		out[l.ID] = judgedLimit{l.NameVI, l.NameEN, int(l.Severity)}
	}
	for i, c := range vnaqi.Categories()[2:] {
		out["vnaqi-"+number(float64(c.From))] = judgedLimit{"VN_AQI " + c.NameVI + " trở lên", "VN_AQI " + c.NameEN + " or worse", min(i+1, 4)}
	}
	return out
}
