package score

import (
	"math"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
	"github.com/haidang-iot/haidang/simulator"
)

// course of the truth at a spot: columns of samples, a step apart.
type course struct {
	start time.Time
	step  time.Duration
	// sent is when the time line begins: no reading is older.
	sent    time.Time
	signals map[telemetry.Metric]simulator.Signal
	columns map[telemetry.Metric][]float64
}

func sampleTruth(signals []simulator.Signal, from, to time.Time, step time.Duration, sent time.Time) *course {
	c := &course{start: from, step: step, sent: sent, signals: map[telemetry.Metric]simulator.Signal{}, columns: map[telemetry.Metric][]float64{}}
	for _, g := range signals {
		c.signals[g.Spec.Name] = g
	}
	for at := from; at.Before(to); at = at.Add(step) {
		for _, g := range signals {
			c.columns[g.Spec.Name] = append(c.columns[g.Spec.Name], g.At(at))
		}
	}
	return c
}

func (c *course) time(i int) time.Time { return c.start.Add(time.Duration(i) * c.step).UTC() }

// crossed is how a limit fares in a course.
type crossed struct {
	start time.Time
	step  time.Duration
	limit limits.Limit // its ID is empty for the index
	make  func(d *simulator.Device) Crossing
	// values are what is compared. It is over where the truth crosses the limit, clear
	// where it does so by more than instruments may be off, and by what the time line
	// has readings of; near where instruments may have shown it to be crossed.
	values            []float64
	over, clear, near []bool
}

func (x *crossed) add(v float64, over, clear, near bool) {
	x.values, x.over, x.clear, x.near = append(x.values, v), append(x.over, over), append(x.clear, clear), append(x.near, near)
}

// added is what of a course is added up for a limit's mean or sum, and what makes a
// level of such a mean again.
func added(l limits.Limit, column []float64) (_ []float64, level func(float64) float64) {
	if l.Statistic != limits.Mean || !telemetry.Energetic(l.Metric) {
		return column, func(v float64) float64 { return v }
	}
	energy := make([]float64, len(column))
	for i, v := range column {
		energy[i] = telemetry.Linear(l.Metric, v)
	}
	return energy, func(v float64) float64 { return telemetry.FromLinear(l.Metric, v) }
}

// over holds a limit against the course. sent, for a sum, says of which steps a
// reading is sent: nobody can demand an alarm of rain that was never told.
func (c *course) over(l limits.Limit, sent []bool) crossed {
	x := crossed{start: c.start, step: c.step, limit: l, make: func(d *simulator.Device) Crossing {
		return crossing(d, l.ID, l.NameVI, l.NameEN, int(l.Severity), l.Basis.String(), l.Metric, l.Statistic.String(), l.Window, l.Below, l.Value)
	}}
	column, signal := c.columns[l.Metric], c.signals[l.Metric]
	n := max(1, int(l.Window/c.step))
	whole := c.sent // from when on the window has readings all through
	if l.Statistic != limits.Last {
		whole = whole.Add(l.Window - c.step)
	}
	sign := 1.0
	if l.Below {
		sign = -1
	}
	added, level := added(l, column)
	var total, since, told float64
	reading := func(i int) float64 {
		if i < len(sent) && !sent[i] {
			return 0
		}
		return column[i]
	}
	for i, v := range column {
		at := c.time(i)
		if total += added[i]; i >= n {
			total -= added[i-n]
		}
		if told += reading(i); i >= n {
			told -= reading(i - n)
		}
		if !at.Before(c.sent) {
			since += added[i]
		}
		if i >= n && !c.time(i-n).Before(c.sent) {
			since -= added[i-n]
		}
		// some is what is told from the readings since the beginning.
		some, off, sure := v, signal.Off(v, 1), v
		switch l.Statistic {
		case limits.Mean:
			some = level(since / min(float64(n), max(1, float64(at.Sub(c.sent)/c.step+1))))
			v = level(total / float64(min(i+1, n)))
			off, sure = signal.Off(v, n), v
		case limits.Sum:
			v, some, sure = total, since, told
			off = signal.Off(v, 1) + float64(n)*0.005 // each reading is rounded, to 0.01 mm
		case limits.Rise:
			v -= column[max(0, i-n)]
			some, sure = v, v
		}
		holds := l.Holds(at) && l.Holds(at.Add(c.step-l.Window)) // no mean of the night reaches into the day
		x.add(v, holds && l.Crossed(v), holds && l.Crossed(sure-sign*off) && !at.Before(whole),
			holds && (l.Crossed(v+sign*off) || !at.Before(c.sent) && l.Crossed(some+sign*off)))
	}
	return x
}

// indices holds the categories of VN_AQI that are worse than moderate against the
// course, by hour.
func (c *course) indices() (out []crossed) {
	per := max(1, int(time.Hour/c.step))
	whole := c.sent.Add(vnaqi.NowCastHours * time.Hour)
	exact, low := c.index(per, 0, c.start), c.index(per, -1, c.start)
	high, some := c.index(per, 1, c.start), c.index(per, 1, c.sent)
	for i, category := range vnaqi.Categories()[2:] {
		x := crossed{start: c.start.Truncate(time.Hour).Add(time.Duration(per) * c.step), step: time.Duration(per) * c.step, make: func(d *simulator.Device) Crossing {
			return crossing(d, "vnaqi-"+number(float64(category.From)), "VN_AQI "+category.NameVI+" trở lên", "VN_AQI "+category.NameEN+" or worse",
				min(i+1, 4), "law", telemetry.PM25, indexStatistic, time.Hour, false, float64(category.From))
		}}
		from := float64(category.From)
		for h := range exact {
			at := x.start.Add(time.Duration(h) * x.step)
			x.add(exact[h], exact[h] >= from, low[h] >= from && !at.Before(whole), high[h] >= from || some[h] >= from)
		}
		out = append(out, x)
	}
	return out
}

// index is the hourly VN_AQI from readings since a time that are all off by as much
// as instruments may be, upwards for 1, downwards for -1; NaN where there is none.
func (c *course) index(per int, toward float64, since time.Time) []float64 {
	most := 0
	hours := func(m telemetry.Metric) (out []float64) {
		for i := per; i <= len(c.columns[m]); i += per {
			var sum float64
			for _, v := range c.columns[m][i-per : i] {
				sum += v
			}
			mean := sum / float64(per)
			if mean += toward * c.signals[m].Off(mean, per); c.time(i - per).Before(since) {
				mean = math.NaN()
			}
			out = append(out, mean)
		}
		most = max(most, len(out))
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
	out := make([]float64, most)
	for h := range out {
		out[h] = math.NaN()
		index, ok := vnaqi.Hourly(vnaqi.Hour{PM25: back(pm25, h), PM10: back(pm10, h), O3: at(o3, h), NO2: at(no2, h), SO2: at(so2, h), CO: at(co, h)})
		if ok {
			out[h] = float64(index.Value)
		}
	}
	return out
}

// crossings are when the truth crossed the limit, from a time on.
func (x *crossed) crossings(d *simulator.Device, from time.Time) []Crossing {
	all := x.times(d, from, func(i int) bool { return x.over[i] })
	clear := slices.DeleteFunc(x.times(d, from, func(i int) bool { return x.clear[i] }), func(c Crossing) bool { return c.To.Sub(c.From) < brief })
	for i := range all {
		c := &all[i]
		if n := slices.IndexFunc(clear, func(e Crossing) bool { return !e.From.Before(c.From) && e.From.Before(c.To) }); n >= 0 {
			c.ClearFrom = clear[n].From
		}
		for _, e := range clear {
			if !e.From.Before(c.From) && e.From.Before(c.To) {
				c.clear = append(c.clear, spell{e.From, e.To})
			}
		}
	}
	return all
}

// times are the episodes in which something holds without a break, from a time on.
func (x *crossed) times(d *simulator.Device, from time.Time, holds func(i int) bool) []Crossing {
	e := episodes{from: from, limit: x.limit, make: func() Crossing { return x.make(d) }}
	at := func(i int) time.Time { return x.start.Add(time.Duration(i) * x.step).UTC() }
	for i, v := range x.values {
		e.see(at(i), v, holds(i))
	}
	return e.end(at(len(x.values)))
}

// episodes gathers the times in which something is crossed without a break.
type episodes struct {
	from  time.Time
	limit limits.Limit
	make  func() Crossing
	all   []Crossing
	open  *Crossing
	// since and last are the first and the last time of the open one.
	since, last time.Time
}

// see takes the value of a time.
func (e *episodes) see(at time.Time, v float64, crossed bool) {
	if !crossed {
		e.close(at)
		return
	}
	if e.open == nil {
		c := e.make()
		c.From, c.Peak, c.PeakAt = at, v, at
		e.open, e.since = &c, at
	}
	e.last = at
	if at.Before(e.from) {
		e.open.Peak, e.open.PeakAt = v, at
		return
	}
	if e.since.Before(e.from) && !e.open.Began {
		e.open.From, e.open.Began, e.open.Peak, e.open.PeakAt = at, true, v, at
	}
	if e.limit.Below && v < e.open.Peak || !e.limit.Below && v > e.open.Peak {
		e.open.Peak, e.open.PeakAt = v, at
	}
}

func (e *episodes) close(at time.Time) {
	if e.open != nil && at.After(e.from) {
		e.open.To = e.hours(at)
		e.open.Peak = rounded(e.open.Peak)
		e.all = append(e.all, *e.open)
	}
	e.open = nil
}

// hours is the end of the open one, or the limit's own hours' if that is earlier: a
// device that reports by the hour is asked next when they are long over.
func (e *episodes) hours(end time.Time) time.Time {
	if e.limit.From == e.limit.To {
		return end
	}
	for at := e.last.Truncate(time.Hour).Add(time.Hour); at.Before(end); at = at.Add(time.Hour) {
		if !e.limit.Holds(at) {
			return at
		}
	}
	return end
}

func (e *episodes) end(at time.Time) []Crossing {
	if e.open != nil {
		e.open.Open = true
		e.close(at)
	}
	return e.all
}
