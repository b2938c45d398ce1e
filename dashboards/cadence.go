package dashboards

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// within is how old the newest reading of a single site may be to be shown, with its
// age beside it: as in the console.
const within = day

// slowest is how rarely any station reports that has to be reckoned with.
const slowest = 6 * hour

// cadences are how often the devices of a query's sites report: the fastest and the
// slowest of those that are known.
func (r *renderer) cadences(q Query) (fast, slow time.Duration, known bool) {
	for _, s := range r.sites(q) {
		if every := s.cadence(q.Kind); every > 0 {
			if !known {
				fast, slow, known = every, every, true
			}
			fast, slow = min(fast, every), max(slow, every)
		}
	}
	if known {
		return fast, slow, true
	}
	k, _ := q.spec(r.Catalogue)
	return k.Cadence, seldom(k), false
}

// seldom is how rarely stations of a kind usually report at most, of which nobody
// has said how often they do: water levels and the weather are read every six hours
// in the dry season, most else every hour. What Hải Đăng computes comes as the
// catalogue says.
func seldom(k *telemetry.KindSpec) time.Duration {
	switch {
	case k.Computed:
		return k.Cadence
	case k.Kind == telemetry.WaterLevel || k.Kind == telemetry.Weather:
		return slowest
	}
	return max(hour, k.Cadence)
}

// pause is how long a pause between two readings is still drawn through: up to three
// cadences a device is only late. Longer is a gap, and looks like one.
func pause(cadence time.Duration) time.Duration { return 3 * cadence }

// reach is how far back a value may be that stands for now where the query's window
// holds none: a site's own up to a day, for its age is told beside it; one of several
// sites no further than the slowest of them needs with a reading missing.
func (r *renderer) reach(q Query) time.Duration {
	k, m := q.spec(r.Catalogue)
	if q.Shape != Now || k == nil || m == nil || k.Computed || q.Window > 3*hour {
		return 0
	}
	kept, _ := r.Dialect.hourly(q, q.Metric)
	switch stat := q.stat(m); {
	case stat == Rise || stat == Age || stat == Increase:
		return 0
	case stat == Sum && kept == "":
		if q.Window > hour {
			return 0
		}
		return 2 * q.Window // an amount is of its window: an hour ago there was another
	case q.By == BySite || q.By == ByDevice:
		return within
	}
	_, slow, known := r.cadences(q)
	if !known {
		slow = slowest
	}
	return max(q.Window, (slow * 5 / 2).Round(time.Minute))
}

// falls reports whether a query of now falls back on older readings where its window
// has none.
func (d Dialect) falls(q Query) bool {
	_, m := q.spec(d.Catalogue)
	kept, _ := d.hourly(q, q.Metric)
	return q.Shape == Now && kept == "" && q.Reach > q.Window && q.stat(m) != Last
}

// lookback is how old at most the readings are that a query of now is about.
func (q Query) lookback() time.Duration { return max(q.Window, q.Reach) }

// promSlot is how finely PromQL looks for single readings in a long window: no coarser
// than the five minutes that it looks back itself.
const promSlot = 5 * time.Minute

// PromGood is the last reading in each five minutes, but for those that the instrument
// flagged: a selector of readings with that of their quality, for a subquery whose
// step is five minutes.
func PromGood(readings, quality string) string {
	if quality == "" {
		return fmt.Sprintf("last_over_time(%s[5m])", readings)
	}
	return fmt.Sprintf("(last_over_time(%s[5m]) unless on (locality, site, device) last_over_time(%s[5m]) > 0)", readings, quality)
}

// riseWindows are those of which the first counts that holds two readings: of a
// station that reports every few minutes the last hour, and three cadences of one that
// does so every hour, three or six: two readings, should one be missing.
func riseWindows() []time.Duration {
	return []time.Duration{hour, 3 * hour, 9 * hour, 3 * slowest}
}

// PromRise is how fast readings rise, per hour: the slope of the line through those
// that the last hours hold. Flagged readings take no part.
func PromRise(readings, quality, offset string) string {
	var e []string
	for _, w := range riseWindows() {
		held := fmt.Sprintf("(%s[%s:5m]%s)", PromGood(readings, quality), short(w), offset)
		// VictoriaMetrics has a slope of 0 of a single reading.
		e = append(e, "deriv"+held+" and count_over_time"+held+" > 1")
	}
	return "3600 * (" + strings.Join(e, " or ") + ")"
}

// cadenceGaps draw the lines of single sites through as long a pause as they have
// between readings, where that is not the panel's.
func (r *renderer) cadenceGaps(p Panel, overrides []override) []override {
	panel := r.gap(p)
	for _, q := range p.resolved(r) {
		if q.By != BySite {
			continue
		}
		for _, s := range r.sites(q) {
			own := r.pauseOf(q, s.cadence(q.Kind))
			if s.cadence(q.Kind) == 0 || own == panel {
				continue
			}
			legend := strings.Replace(r.legend(p, q), "{{site}}", string(s.ID), 1)
			is := matcher{"byName", legend}
			i := slices.IndexFunc(overrides, func(o override) bool { return o.Matcher == is })
			if i < 0 {
				i = len(overrides)
				overrides = append(overrides, override{is, nil})
			}
			overrides[i].Properties = append(overrides[i].Properties, property{"custom.spanNulls", own})
		}
	}
	return overrides
}

// pauseOf is the pause that is drawn through where readings come at a cadence, in
// milliseconds.
func (r *renderer) pauseOf(q Query, cadence time.Duration) int64 {
	longest := pause(cadence)
	if q.Shape == Buckets {
		longest = max(longest, q.Window) // a bucket that is missing is a gap
	}
	return longest.Milliseconds() + 1
}

// gap is the pause that a panel's lines are drawn through: of several sites together
// that of the slowest, of single ones that of the fastest, for the slower ones have
// their own.
func (r *renderer) gap(p Panel) any {
	var longest int64
	for _, q := range p.Queries {
		if k, _ := q.spec(r.Catalogue); k == nil || q.Shape == Now {
			continue
		}
		fast, slow, known := r.cadences(q)
		if known && q.By == BySite {
			slow = fast
		}
		longest = max(longest, r.pauseOf(q, slow))
	}
	if longest <= 1 {
		return false
	}
	return longest
}

// age is how long ago the newest reading of a metric was.
func age(k telemetry.Kind, m telemetry.Metric, by Group) Query {
	q := now(k, m, by, within).with(Age).named("Đo cách đây", "Measured ago").in(&Unit{"s", "s", 0})
	q.Across = Smallest
	return q
}
