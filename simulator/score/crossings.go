package score

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
	"github.com/haidang-iot/haidang/simulator"
)

// Crossings are the thresholds that the physical truth crossed: what is true where
// the devices stand, without their noise and their faults. Alarms are scored
// against them.
type Crossings struct {
	// Version of this shape.
	Version  int       `json:"version"`
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	// Note says how they were found.
	Note      string     `json:"note"`
	Crossings []Crossing `json:"crossings"`
	// near are the times in which a limit was crossed or so nearly that instruments
	// may have shown it.
	near []Crossing
	// seen tells whether anything was sent that could have told of a crossing.
	seen func(Crossing) bool
	// told tells whether enough was sent in a crossing's time to judge a window of it.
	told func(Crossing) bool
	// judged are the limits that were looked for.
	judged map[string]judgedLimit
}

// Crossing is a threshold that was crossed at a site for a while.
type Crossing struct {
	// Limit is the id in the table of limits, or vnaqi-N for an index of N and
	// more: 101, 151, 201 and 301.
	Limit    string             `json:"limit"`
	NameVI   string             `json:"name_vi"`
	NameEN   string             `json:"name_en"`
	Severity int                `json:"severity"` // 1 watch, 2 warning, 3 danger, 4 extreme
	Basis    string             `json:"basis"`    // law, secondary, operational
	Locality telemetry.Locality `json:"locality"`
	Site     telemetry.Site     `json:"site"`
	SiteName string             `json:"site_name"`
	Device   telemetry.Device   `json:"device"`
	Kind     telemetry.Kind     `json:"kind"`
	Metric   telemetry.Metric   `json:"metric"`
	// Statistic over Window (seconds) was compared with Value.
	Statistic string  `json:"statistic"` // mean, sum, last, rise, index
	Window    float64 `json:"window_s"`
	Below     bool    `json:"below,omitempty"`
	Value     float64 `json:"value"`
	// From is the first moment at which it was crossed, To the first at which it
	// was no more, both to the step of the readings. Open says that the period
	// ended before it did; Began that it was crossed already when the period began.
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Began bool      `json:"began_before,omitempty"`
	Open  bool      `json:"open,omitempty"`
	// ClearFrom is the first moment from which it was crossed for [brief] or longer by
	// more than instruments may be off, and from readings that the time line has;
	// zero is never, and then no alarm is demanded.
	ClearFrom time.Time `json:"clear_from,omitzero"`
	// Peak is the worst of the statistic, and when.
	Peak   float64   `json:"peak"`
	PeakAt time.Time `json:"peak_at"`
	// clear are the times for which ClearFrom stands; every is how often the device
	// tells.
	clear []spell
	every time.Duration
}

// indexStatistic is the Statistic of crossings of VN_AQI.
const indexStatistic = "index"

// spell is a time from a moment to another.
type spell struct{ from, to time.Time }

const crossingsNote = "physical truth at the devices' cadence, without noise and faults; windows reach back before the period; " +
	"rise is the value less that of a window before; limits of a use hold where the site's tags say so, limits of the night or the day " +
	"for windows that lie wholly in it"

// FindCrossings goes through the truth of all sites in the period.
func (s *Scorer) FindCrossings(ctx context.Context) (*Crossings, error) {
	out := &Crossings{Version: 1, Scenario: s.o.Scenario.Name, Seed: s.o.Scenario.Seed, From: s.o.From.UTC(), To: s.o.To.UTC(), Note: crossingsNote, Crossings: []Crossing{}, seen: s.seen, told: s.told, judged: judgedLimits(s.o.Limits)}
	work := make(chan int)
	var mu sync.Mutex
	var workers sync.WaitGroup
	bySpot := map[any][]int{}
	var spots []any
	for i := range s.fleet.Devices() {
		spot, _ := s.fleet.Truth(i)
		if bySpot[spot] == nil {
			spots = append(spots, spot)
		}
		bySpot[spot] = append(bySpot[spot], i)
	}
	for range s.o.Workers {
		workers.Go(func() {
			for n := range work {
				found, near := s.crossingsAt(bySpot[spots[n]])
				mu.Lock()
				out.Crossings = append(out.Crossings, found...)
				out.near = append(out.near, near...)
				mu.Unlock()
			}
		})
	}
	for n := range spots {
		s.o.Progress(n+1, len(spots), "crossings")
		select {
		case work <- n:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(work)
	workers.Wait()
	slices.SortFunc(out.Crossings, func(a, b Crossing) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Device, b.Device))
	})
	return out, ctx.Err()
}

// crossingsAt looks at the devices of one spot, which measure the same truth. Those
// that tell less often than is usual are looked at one by one, for what a river does
// between two hourly readings nobody can tell: theirs is the truth at the times at
// which they measure.
func (s *Scorer) crossingsAt(devices []int) (found, near []Crossing) {
	first := &s.fleet.Devices()[devices[0]]
	if first.Every <= first.Kind.Cadence {
		return s.crossingsOf(devices, 0)
	}
	for _, d := range devices {
		phase := time.Duration(0)
		for e := range s.fleet.Feed(d, s.fleet.Start(), s.fleet.End()) {
			phase = e.Measured.Sub(s.fleet.Start())
			break
		}
		one, about := s.crossingsOf([]int{d}, phase)
		found, near = append(found, one...), append(near, about...)
	}
	return found, near
}

// crossingsOf looks at devices that measure the same truth, so long after the
// beginning of each of their steps.
func (s *Scorer) crossingsOf(devices []int, phase time.Duration) (found, near []Crossing) {
	first := &s.fleet.Devices()[devices[0]]
	_, signals := s.fleet.Truth(devices[0])
	rows, longest := s.rowsOf(devices, signals)
	air := first.Kind.Kind == telemetry.AirQuality
	if len(rows) == 0 && !air {
		return nil, nil
	}
	from := s.o.From.Add(-longest).Truncate(time.Hour)
	if phase > 0 { // so many steps before the first reading
		at := s.fleet.Start().Add(phase)
		from = at.Add(-at.Sub(from).Truncate(first.Every))
	}
	c := sampleTruth(signals, from, s.o.To, first.Every, s.fleet.Start())
	var courses []crossed
	var sums []limits.Limit
	for _, l := range rows {
		if l.Statistic == limits.Sum { // what is not sent is in no sum
			sums = append(sums, l)
			continue
		}
		courses = append(courses, c.over(l, nil))
	}
	if air {
		courses = append(courses, c.indices()...)
	}
	for _, d := range devices {
		device, own := &s.fleet.Devices()[d], courses
		if len(sums) > 0 {
			sent := s.stepsSent(c, d)
			for _, l := range sums {
				own = append(slices.Clone(own), c.over(l, sent))
			}
		}
		for _, x := range own {
			if x.limit.ID == "" || s.concerns(x.limit, device) {
				found = append(found, x.crossings(device, s.o.From)...)
				near = append(near, x.times(device, s.o.From, func(i int) bool { return x.near[i] })...)
			}
		}
	}
	return found, near
}

// stepsSent says of which steps of a course a device's reading comes to be stored.
func (s *Scorer) stepsSent(c *course, device int) []bool {
	out := make([]bool, int(s.o.To.Sub(c.start)/c.step)+1)
	from := c.start
	if from.Before(s.fleet.Start()) {
		from = s.fleet.Start()
	}
	for e := range s.fleet.Feed(device, from, s.fleet.End()) { // what an outage held back comes long after
		i := int((e.Measured.Sub(c.start) + c.step/10) / c.step)
		if !e.Unsent && len(e.Points) > 0 && i >= 0 && i < len(out) {
			out[i] = true
		}
	}
	return out
}

// rowsOf are the limits that concern devices of one spot, and the longest window.
func (s *Scorer) rowsOf(devices []int, signals []simulator.Signal) (rows []limits.Limit, longest time.Duration) {
	longest = vnaqi.NowCastHours * time.Hour
	for _, l := range s.o.Limits {
		if l.Kind != s.fleet.Devices()[devices[0]].Kind.Kind || !slices.ContainsFunc(signals, func(g simulator.Signal) bool { return g.Spec.Name == l.Metric }) {
			continue
		}
		if slices.ContainsFunc(devices, func(d int) bool { return s.concerns(l, &s.fleet.Devices()[d]) }) {
			rows = append(rows, l)
			longest = max(longest, l.Window)
		}
	}
	return rows, longest
}

// seen reports whether a device at the site of a crossing sent at least half of the
// readings from which it could be told. What is silent by the scenario, for want of
// power or in a dropout, cannot raise an alarm.
func (s *Scorer) seen(c Crossing) bool {
	from := c.ClearFrom.Add(-time.Duration(c.Window * float64(time.Second)))
	for d, sent := range s.sentBy(c, from, c.To) {
		if 2*len(sent) >= int(c.To.Sub(from)/d.Every) {
			return true
		}
	}
	return false
}

// told reports whether a device at the site of a crossing sent, between its From and
// To, three quarters of the readings of some window: from fewer no rule judges.
func (s *Scorer) told(c Crossing) bool {
	window := time.Duration(c.Window * float64(time.Second))
	for d, sent := range s.sentBy(c, c.From, c.To) {
		enough := max(1, int(window/d.Every)*3/4)
		for i := enough - 1; i < len(sent); i++ {
			if span := sent[i].Sub(sent[i-enough+1]); span < max(window, d.Every) && !sent[i].Add(-window).Before(c.From) {
				return true
			}
		}
	}
	return false
}

// sentBy are the devices at a crossing's site that tell of it, each with when it
// measured what it sent of a time.
func (s *Scorer) sentBy(c Crossing, from, to time.Time) iter.Seq2[*simulator.Device, []time.Time] {
	return func(yield func(*simulator.Device, []time.Time) bool) {
		for i := range s.fleet.Devices() {
			d := &s.fleet.Devices()[i]
			if d.Site() != c.Site || !slices.ContainsFunc(d.Kind.Metrics, func(m telemetry.MetricSpec) bool { return m.Name == c.Metric }) {
				continue
			}
			var sent []time.Time
			for e := range s.fleet.Feed(i, from, s.fleet.End()) { // what an outage held back comes long after
				if e.Measured.Before(to) && slices.ContainsFunc(e.Points, func(p simulator.Point) bool { return p.Metric == c.Metric }) {
					sent = append(sent, e.Measured)
				}
			}
			slices.SortFunc(sent, time.Time.Compare)
			if !yield(d, sent) {
				return
			}
		}
	}
}

// concerns reports whether a limit is about a device's site.
func (s *Scorer) concerns(l limits.Limit, d *simulator.Device) bool {
	if l.Device != "" && l.Device != d.ID {
		return false
	}
	if l.Area == "" {
		return l.For(d.Site(), "")
	}
	return slices.ContainsFunc(s.o.Uses(d), func(use limits.Area) bool { return l.For(d.Site(), use) })
}

func crossing(d *simulator.Device, id, vi, en string, severity int, basis string, m telemetry.Metric, statistic string, window time.Duration, below bool, v float64) Crossing {
	return Crossing{Limit: id, NameVI: vi, NameEN: en, Severity: severity, Basis: basis, Locality: d.Locality, Site: d.Site(), SiteName: d.SiteName(),
		Device: d.ID, Kind: d.Kind.Kind, Metric: m, Statistic: statistic, Window: window.Seconds(), Below: below, Value: v, every: d.Every}
}
