package rules

import (
	"cmp"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Cadence is how often a device at a site reports readings of a kind.
type Cadence struct {
	Site   telemetry.Site
	Device telemetry.Device
	Kind   telemetry.Kind
	Every  time.Duration
}

// Complete is the share of the readings a device owes in a window from which a mean is
// told: 18 of 24 hours, 6 of 8, 9 of 12 readings of five minutes. It is this
// project's policy, the one that [vnaqi] and the hours' figures keep too; neither QCVN
// 05 nor Decision 1459/QĐ-TCMT names one.
const Complete = 0.75

const (
	// mostWindows is how many windows back from now are looked at for late readings.
	mostWindows = 3
	// coarse is the step of what is looked through less finely, for it costs less.
	coarse = 5 * time.Minute
	// graceLeast is how late a device may be before an alarm of it is called stale,
	// however often it reports.
	graceLeast = 10 * time.Minute
)

// cohort is the devices of one cadence that a rule looks at.
type cohort struct {
	every time.Duration
	// devices are those of it; where rest is set, those that are not.
	devices []telemetry.Device
	rest    bool
}

// cohorts are the devices that are listed, by cadence, and last all others, which
// report as often as their kind usually does.
func (c Compared) cohorts() (out []cohort) {
	if c.Device != "" {
		own := cohort{every: c.Cadence, rest: true}
		for _, d := range c.Cadences {
			own.every = d.Every
		}
		return []cohort{own}
	}
	rest := cohort{every: c.Cadence, rest: true, devices: c.excluded}
	for _, d := range c.Cadences {
		i := slices.IndexFunc(out, func(o cohort) bool { return o.every == d.Every })
		if i < 0 {
			i = len(out)
			out = append(out, cohort{every: d.Every})
		}
		out[i].devices = append(out[i].devices, d.Device)
	}
	slices.SortFunc(out, func(a, b cohort) int { return cmp.Compare(a.every, b.every) })
	if !c.listed {
		out = append(out, rest)
	}
	for i := range out {
		out[i].devices = slices.Compact(slices.Sorted(slices.Values(out[i].devices)))
	}
	return out
}

// with takes up the cadences that concern a rule.
func (c Compared) with(all []Cadence) Compared {
	c.Cadences, c.excluded = nil, nil
	for _, d := range all {
		if d.Kind == c.Kind && d.Every > 0 && d.Every != c.Cadence && (len(c.Sites) == 0 || slices.Contains(c.Sites, d.Site)) && (c.Device == "" || d.Device == c.Device) {
			c.Cadences = append(c.Cadences, d)
			c.excluded = append(c.excluded, d.Device)
		}
	}
	return c
}

// span is how a statistic of a law's window is told of devices of one cadence.
type span struct {
	// statistic is [limits.Last] where the window is no longer than the cadence: the
	// newest reading stands for a mean of it.
	statistic limits.Statistic
	// window is how far back one look reaches; windows is at how many, one before the
	// other, the newest that can be judged counts.
	window  time.Duration
	windows int
	// before is how long before its window the reading may be that a rise is counted
	// from: the newest one that is older than the window.
	before time.Duration
	// enough is how many readings must be there.
	enough int
	// share divides a sum: an amount of six hours is at least half as much in one of
	// their three-hour halves.
	share int
	// step is how finely a window is looked through for flagged readings.
	step time.Duration
}

// span is how devices of a cadence are looked at.
func (c Compared) span(every time.Duration) span {
	every = max(every, time.Second)
	s := span{statistic: c.Statistic, window: c.Window, windows: 1, enough: 1, share: 1, step: time.Minute}
	news := max(limits.News(c.Kind), 2*every)
	enough := func() int { return max(1, int(Complete*float64(s.window/every))) }
	switch {
	case c.Statistic == limits.Mean && every < c.Window:
		s.windows = min(max(1, int(news/c.Window)), mostWindows)
		s.enough = enough()
	case c.Statistic == limits.Mean && c.From != c.To:
		s.statistic, s.window = limits.Last, every+every/4 // of whose hour it is must be sure
	case c.Statistic == limits.Mean, c.Statistic == limits.Last:
		s.statistic, s.window = limits.Last, news
	case c.Statistic == limits.Sum:
		n := max(1, c.Window/every)
		s.window = n * every
		s.share = int((s.window + c.Window - 1) / c.Window)
		s.enough = enough()
	case c.Statistic == limits.Rise:
		s.window = max(c.Window, every)
		s.before = max(c.Window, every*3/2)
		s.windows = min(max(1, int(news/s.window)), mostWindows)
	}
	if every >= coarse && (s.window > 3*time.Hour || c.Statistic == limits.Rise) {
		s.step = coarse
	}
	return s
}

// reach is how long before a moment the readings were measured that are looked at
// there.
func (c Compared) reach(s span, every time.Duration) time.Duration {
	if s.statistic == limits.Last && c.Statistic == limits.Mean {
		return s.window + c.Window
	}
	return s.window*time.Duration(s.windows) + s.before
}

// grace is how old the newest reading of devices of a cadence may be before an alarm
// of them is stale.
func grace(every time.Duration) time.Duration { return max(2*every, graceLeast) }
