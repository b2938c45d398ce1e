package score

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/city"
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
	// Peak is the worst of the statistic, and when.
	Peak   float64   `json:"peak"`
	PeakAt time.Time `json:"peak_at"`
}

const crossingsNote = "physical truth at the devices' cadence, without noise and faults; windows reach back before the period; " +
	"rise is the value less that of a window before; river limits hold for rivers, estuaries and reservoirs, bathing limits for beaches, " +
	"aquaculture limits for farms, noise limits of ordinary areas for where people live, trade and bathe"

// FindCrossings goes through the truth of all sites in the period.
func (s *Scorer) FindCrossings(ctx context.Context) (*Crossings, error) {
	out := &Crossings{Version: 1, Scenario: s.o.Scenario.Name, Seed: s.o.Scenario.Seed, From: s.o.From.UTC(), To: s.o.To.UTC(), Note: crossingsNote, Crossings: []Crossing{}}
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
				found := s.crossingsAt(bySpot[spots[n]])
				mu.Lock()
				out.Crossings = append(out.Crossings, found...)
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

// crossingsAt looks at the devices of one spot, which measure the same truth.
func (s *Scorer) crossingsAt(devices []int) (found []Crossing) {
	first := &s.fleet.Devices()[devices[0]]
	_, signals := s.fleet.Truth(devices[0])
	var rows []limits.Limit
	longest := 12 * time.Hour // NowCast
	for _, l := range limits.All() {
		if l.Kind != first.Kind.Kind || !slices.ContainsFunc(signals, func(g simulator.Signal) bool { return g.Spec.Name == l.Metric }) {
			continue
		}
		if slices.ContainsFunc(devices, func(d int) bool { return l.For(s.fleet.Devices()[d].Site(), areaOf(first.Place().Setting)) }) {
			rows = append(rows, l)
			longest = max(longest, l.Window)
		}
	}
	air := first.Kind.Kind == telemetry.AirQuality
	if len(rows) == 0 && !air {
		return nil
	}
	t := sampleTruth(signals, s.o.From.Add(-longest).Truncate(time.Hour), s.o.To, first.Every)
	for _, d := range devices {
		device := &s.fleet.Devices()[d]
		for _, l := range rows {
			if l.For(device.Site(), areaOf(device.Place().Setting)) {
				found = append(found, t.over(device, l, s.o.From)...)
			}
		}
		if air {
			found = append(found, t.index(device, s.o.From)...)
		}
	}
	return found
}

// areaOf is the use of a place, as far as its setting tells.
func areaOf(s city.Setting) limits.Area {
	switch s {
	case city.River, city.Estuary, city.Reservoir:
		return limits.AreaRiver
	case city.Aquaculture:
		return limits.AreaAquaculture
	case city.Beach, city.Sea:
		return limits.AreaBathing
	case city.Centre, city.Residential, city.Market:
		return limits.AreaOrdinary
	}
	return ""
}

// course of the truth at a spot: columns of samples, a step apart.
type course struct {
	start   time.Time
	step    time.Duration
	columns map[telemetry.Metric][]float64
}

func sampleTruth(signals []simulator.Signal, from, to time.Time, step time.Duration) *course {
	c := &course{start: from, step: step, columns: map[telemetry.Metric][]float64{}}
	for at := from; at.Before(to); at = at.Add(step) {
		for _, g := range signals {
			c.columns[g.Spec.Name] = append(c.columns[g.Spec.Name], g.At(at))
		}
	}
	return c
}

func (c *course) time(i int) time.Time { return c.start.Add(time.Duration(i) * c.step).UTC() }

// over finds when a limit was crossed, from a time on.
func (c *course) over(d *simulator.Device, l limits.Limit, from time.Time) []Crossing {
	column := c.columns[l.Metric]
	n := max(1, int(l.Window/c.step))
	var total float64
	e := episodes{course: c, from: from, below: l.Below, make: func() Crossing {
		return crossing(d, l.ID, l.NameVI, l.NameEN, int(l.Severity), basisName(l.Basis), l.Metric, statisticName(l.Statistic), l.Window, l.Below, l.Value)
	}}
	for i, v := range column {
		total += v
		if i >= n {
			total -= column[i-n]
		}
		switch l.Statistic {
		case limits.Mean:
			v = total / float64(min(i+1, n))
		case limits.Sum:
			v = total
		case limits.Rise:
			v -= column[max(0, i-n)]
		}
		at := c.time(i)
		e.see(i, v, l.Holds(at) && l.Crossed(v))
	}
	return e.end(len(column))
}

// index finds when the hourly VN_AQI of a site was in a category that is worse
// than moderate.
func (c *course) index(d *simulator.Device, from time.Time) (found []Crossing) {
	per := max(1, int(time.Hour/c.step))
	hours := func(m telemetry.Metric) []float64 {
		var out []float64
		for i := per; i <= len(c.columns[m]); i += per {
			var sum float64
			for _, v := range c.columns[m][i-per : i] {
				sum += v
			}
			out = append(out, sum/float64(per))
		}
		return out
	}
	pm25, pm10 := hours(telemetry.PM25), hours(telemetry.PM10)
	o3, no2, so2, co := hours(telemetry.O3), hours(telemetry.NO2), hours(telemetry.SO2), hours(telemetry.CO)
	at := func(column []float64, h int) float64 {
		if h < len(column) {
			return column[h]
		}
		return math.NaN()
	}
	back := func(column []float64, h int) (out []float64) {
		for i := h; i >= 0 && i > h-vnaqi.NowCastHours && i < len(column); i-- {
			out = append(out, column[i])
		}
		return out
	}
	hourly := &course{start: c.start.Add(time.Duration(per) * c.step), step: time.Duration(per) * c.step}
	for i, category := range vnaqi.Categories()[2:] {
		e := episodes{course: hourly, from: from, make: func() Crossing {
			return crossing(d, "vnaqi-"+number(float64(category.From)), "VN_AQI "+category.NameVI+" trở lên", "VN_AQI "+category.NameEN+" or worse",
				min(i+1, 4), "law", telemetry.PM25, "index", time.Hour, false, float64(category.From))
		}}
		n := 0
		for h := range max(len(pm25), len(pm10)) {
			index, ok := vnaqi.Hourly(vnaqi.Hour{PM25: back(pm25, h), PM10: back(pm10, h), O3: at(o3, h), NO2: at(no2, h), SO2: at(so2, h), CO: at(co, h)})
			e.see(h, float64(index.Value), ok && index.Value >= category.From)
			n++
		}
		found = append(found, e.end(n)...)
	}
	return found
}

// episodes gathers the times in which something is crossed without a break.
type episodes struct {
	*course
	from  time.Time
	below bool
	make  func() Crossing
	all   []Crossing
	open  *Crossing
	since time.Time
}

// see takes the i-th value.
func (e *episodes) see(i int, v float64, crossed bool) {
	at := e.time(i)
	if !crossed {
		e.close(at)
		return
	}
	if e.open == nil {
		c := e.make()
		c.From, c.Peak, c.PeakAt = at, v, at
		e.open, e.since = &c, at
	}
	if at.Before(e.from) {
		e.open.Peak, e.open.PeakAt = v, at
		return
	}
	if e.since.Before(e.from) && !e.open.Began {
		e.open.From, e.open.Began, e.open.Peak, e.open.PeakAt = at, true, v, at
	}
	if e.below && v < e.open.Peak || !e.below && v > e.open.Peak {
		e.open.Peak, e.open.PeakAt = v, at
	}
}

func (e *episodes) close(at time.Time) {
	if e.open != nil && at.After(e.from) {
		e.open.To = at
		e.open.Peak = rounded(e.open.Peak)
		e.all = append(e.all, *e.open)
	}
	e.open = nil
}

func (e *episodes) end(n int) []Crossing {
	if e.open != nil {
		e.open.Open = true
		e.close(e.time(n))
	}
	return e.all
}

func crossing(d *simulator.Device, id, vi, en string, severity int, basis string, m telemetry.Metric, statistic string, window time.Duration, below bool, v float64) Crossing {
	return Crossing{Limit: id, NameVI: vi, NameEN: en, Severity: severity, Basis: basis, Locality: d.Locality, Site: d.Site(), SiteName: d.SiteName(),
		Device: d.ID, Kind: d.Kind.Kind, Metric: m, Statistic: statistic, Window: window.Seconds(), Below: below, Value: v}
}

func statisticName(s limits.Statistic) string {
	switch s {
	case limits.Mean:
		return "mean"
	case limits.Sum:
		return "sum"
	case limits.Rise:
		return "rise"
	}
	return "last"
}

func basisName(b limits.Basis) string {
	switch b {
	case limits.Law:
		return "law"
	case limits.Secondary:
		return "secondary"
	}
	return "operational"
}
