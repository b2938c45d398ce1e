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
	// Expected crossings are long enough to be an alarm; of those that are not,
	// Brief, none is demanded and any may have been raised.
	Expected int `json:"expected"`
	Brief    int `json:"brief"`
	// Raised is how many of the expected were raised.
	Raised int `json:"raised"`
	// Missed should have been raised and were not; False were raised for nothing.
	Missed []Crossing `json:"missed"`
	False  []Alarm    `json:"false"`
	// Late is how long after the crossing the alarm came, of those raised.
	LateP50 time.Duration `json:"late_p50_ns"`
	LateMax time.Duration `json:"late_max_ns"`
	// Unjudged are alarms of what the truth does not tell: silence, the platform.
	Unjudged int `json:"unjudged"`
}

// Perfect reports whether nothing was missed and nothing raised for nothing.
func (a Alarms) Perfect() bool { return len(a.Missed) == 0 && len(a.False) == 0 }

const (
	// brief is how long a crossing must last to demand an alarm: rules wait for up
	// to ten minutes, and a reading comes every five.
	brief = 20 * time.Minute
	// earlyBy is how long before the truth an alarm may come and lateBy how long
	// after its end: instruments have noise, and means and night hours take their
	// window to follow.
	earlyBy, lateBy = 30 * time.Minute, 90 * time.Minute
)

// ScoreAlarms holds the alarms of a period against what the truth crossed in it.
// Alarms that were active before the period count for its crossings too.
func ScoreAlarms(c *Crossings, alarms []Alarm) *Alarms {
	out := &Alarms{Missed: []Crossing{}, False: []Alarm{}}
	type place struct {
		limit string
		site  telemetry.Site
	}
	truth := map[place][]Crossing{}
	judged := map[string]bool{}
	for _, limit := range judgedLimits() {
		judged[limit] = true
	}
	for _, e := range bySite(c.Crossings) {
		truth[place{e.Limit, e.Site}] = append(truth[place{e.Limit, e.Site}], e)
	}
	told := map[place][]Alarm{}
	for _, a := range alarms {
		if !judged[a.Limit] {
			out.Unjudged++
			continue
		}
		p := place{a.Limit, a.Site}
		told[p] = append(told[p], a)
		near := func(e Crossing) bool {
			return !a.Raised.Before(e.From.Add(-earlyBy)) && a.Raised.Before(e.To.Add(lateBy)) || a.Raised.Before(e.From) && (a.Cleared.IsZero() || a.Cleared.After(e.From))
		}
		if a.Raised.Before(c.To) && !a.Raised.Before(c.From) && !slices.ContainsFunc(truth[p], near) {
			out.False = append(out.False, a)
		}
	}
	var late []time.Duration
	for p, episodes := range truth {
		for _, e := range episodes {
			if e.To.Sub(e.From) < brief {
				out.Brief++
				continue
			}
			out.Expected++
			first := time.Duration(-1)
			for _, a := range told[p] {
				if a.Raised.Before(e.To.Add(lateBy)) && (a.Cleared.IsZero() || a.Cleared.After(e.From)) {
					if d := max(0, a.Raised.Sub(e.From)); first < 0 || d < first {
						first = d
					}
				}
			}
			if first < 0 {
				out.Missed = append(out.Missed, e)
				continue
			}
			out.Raised++
			if !e.Began { // when it began is not known
				late = append(late, first)
			}
		}
	}
	slices.Sort(late)
	if n := len(late); n > 0 {
		out.LateP50, out.LateMax = late[n/2], late[n-1]
	}
	slices.SortFunc(out.Missed, func(a, b Crossing) int {
		return cmp.Or(b.Severity-a.Severity, a.From.Compare(b.From), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Site, b.Site))
	})
	slices.SortFunc(out.False, func(a, b Alarm) int {
		return cmp.Or(a.Raised.Compare(b.Raised), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Site, b.Site))
	})
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
		if n := len(out); n > 0 && out[n-1].Limit == e.Limit && out[n-1].Site == e.Site && !e.From.After(out[n-1].To.Add(brief)) {
			if e.To.After(out[n-1].To) {
				out[n-1].To, out[n-1].Open = e.To, e.Open
			}
			continue
		}
		out = append(out, e)
	}
	return out
}

// judgedLimits are those whose crossings [Scorer.FindCrossings] finds.
func judgedLimits() (ids []string) {
	for _, l := range limits.All() {
		ids = append(ids, l.ID)
	}
	for _, c := range vnaqi.Categories()[2:] {
		ids = append(ids, "vnaqi-"+number(float64(c.From)))
	}
	return ids
}
