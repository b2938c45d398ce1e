package table

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// columns guesses what each column of a table of no known form is.
func (g *guess) columns() {
	g.when()
	if g.longForm() {
		return
	}
	var found []Value
	for i, name := range g.names {
		if name == "" || slices.Contains(g.Mapping.Time.Columns, name) || g.isWords(i) {
			continue
		}
		n := g.known.takeApart(name)
		if strings.Contains(key(n.unit), "aqi") { // an index, and no concentration
			continue
		}
		if metric := g.known.metric(n.name); metric != "" {
			found = append(found, Value{Column: name, Metric: string(metric), Unit: n.unit})
		}
	}
	g.Mapping.Values = g.kinds(found)
	for i := range g.Mapping.Values {
		v := &g.Mapping.Values[i]
		g.unit(v, slices.Index(g.names, v.Column))
	}
	g.who()
	if len(g.Mapping.Values) == 0 {
		g.doubt("no column has a name that is known for a metric: write a mapping (values)")
	}
}

// isWords reports whether hardly any cell of a column is a number.
func (g *guess) isWords(at int) bool {
	samples := g.samples(at)
	n := 0
	for _, s := range samples {
		if _, rest, ok := g.number.number(s); ok && (rest == "" || g.known.units.known(rest)) {
			n++
		}
	}
	return n*2 < len(samples)
}

// kinds chooses the kind that most metrics are of; others get one of their own.
func (g *guess) kinds(found []Value) []Value {
	best := -1
	for _, k := range g.cat.Kinds() {
		n := 0
		for _, v := range found {
			if k.Metric([]byte(v.Metric)) != nil {
				n += 10
				if telemetry.Metric(v.Metric) == k.Metrics[0].Name || k.Kind == telemetry.AirQuality && strings.HasPrefix(v.Metric, "pm") {
					n += 5
				}
			}
		}
		if n > best && k.Kind != telemetry.Status {
			best, g.Mapping.Kind = n, string(k.Kind)
		}
	}
	own := g.cat.Kind(telemetry.Kind(g.Mapping.Kind))
	var out []Value
	seen := map[string]string{}
	for _, v := range found {
		kind := own
		if own.Metric([]byte(v.Metric)) == nil {
			at := slices.IndexFunc(g.cat.Kinds(), func(k telemetry.KindSpec) bool { return k.Metric([]byte(v.Metric)) != nil })
			if at < 0 {
				continue
			}
			kind = &g.cat.Kinds()[at]
			v.Kind = string(kind.Kind)
		}
		if before, twice := seen[string(kind.Kind)+v.Metric]; twice {
			g.doubt("both %q and %q could be %s: the first is taken", before, v.name(), v.Metric)
			continue
		}
		seen[string(kind.Kind)+v.Metric] = v.name()
		out = append(out, v)
	}
	return out
}

// unit decides in which unit a value is: what its name says, what its cells say, or
// what its numbers look like.
func (g *guess) unit(v *Value, at int) {
	spec := g.spec(*v)
	if spec == nil {
		return
	}
	numbers, inCells := g.floats(at)
	if v.Unit == "" && inCells != "" && g.known.units.known(inCells) {
		return // each cell says it
	}
	if v.Unit != "" {
		period, _ := time.ParseDuration(g.Mapping.Period)
		if _, err := g.known.units.conversion(spec, v.Unit, period, 25); err == nil {
			return
		}
		if _, err := g.known.units.conversion(spec, v.Unit, time.Hour, 25); err == nil {
			g.Mapping.Period = g.cadence()
			g.doubt("%s is a rate (%s), and %s is what came in a period: %s is taken for it (period)", v.name(), v.Unit, v.Metric, g.Mapping.Period)
			return
		}
		g.doubt("%s says %q, which is no unit of %s: %s is taken", v.name(), v.Unit, v.Metric, unitText(spec))
		v.Unit = ""
	}
	g.looks(v, spec, numbers)
}

// looks decides by its numbers in which unit a value is that says none.
func (g *guess) looks(v *Value, spec *telemetry.MetricSpec, numbers []float64) {
	middle := median(numbers)
	pick := func(unit, why string, sure bool) {
		v.Unit = unit
		if sure {
			g.note("%s is in %s: %s", v.name(), unit, why)
		} else {
			g.doubt("%s is taken to be in %s: %s", v.name(), unit, why)
		}
	}
	switch spec.Name {
	case telemetry.Pressure:
		switch {
		case middle > 50_000 && middle < 115_000:
			pick("Pa", fmt.Sprintf("its numbers lie about %g", middle), true)
		case middle > 80 && middle < 110:
			pick("kPa", fmt.Sprintf("its numbers lie about %g", middle), true)
		case middle > 25 && middle < 32:
			pick("inHg", fmt.Sprintf("its numbers lie about %g", middle), true)
		case middle > 650 && middle < 800:
			pick("mmHg", fmt.Sprintf("its numbers lie about %g", middle), true)
		}
	case telemetry.Temperature:
		if middle > 45 && middle < 120 {
			pick("°F", fmt.Sprintf("its numbers lie about %g", middle), false)
		} else if middle > 240 && middle < 330 {
			pick("K", fmt.Sprintf("its numbers lie about %g", middle), true)
		}
	case telemetry.Humidity, telemetry.FillLevel, telemetry.Dimming:
		if len(numbers) > 0 && slices.Max(numbers) <= 1 && middle > 0 {
			pick("fraction", "no number is above 1", false)
		}
	case telemetry.CO:
		if middle < 50 {
			pick("mg/m³", fmt.Sprintf("no unit is named, and µg/m³ about %g would be next to nothing; it could be ppm", middle), false)
		} else {
			g.doubt("%s has no unit: %s is taken", v.name(), spec.Unit)
		}
	case telemetry.O3, telemetry.NO2, telemetry.SO2:
		if middle < 0.5 {
			pick("ppm", fmt.Sprintf("no unit is named, and µg/m³ about %g would be next to nothing", middle), false)
		} else {
			g.doubt("%s has no unit: %s is taken, and it could be ppb", v.name(), spec.Unit)
		}
	}
}

// cadence is how far apart rows of the same device usually are, as a mapping's
// period.
func (g *guess) cadence() string {
	c, err := newClock(g.Mapping.Time.Format, "UTC", 0)
	if err != nil || len(g.rows) < 2 {
		return "1h"
	}
	var at []int
	for _, name := range g.Mapping.Time.Columns {
		at = append(at, slices.Index(g.names, name))
	}
	count := map[time.Duration]int{}
	var last time.Time
	best := time.Hour
	for _, r := range g.rows {
		var parts []string
		for _, i := range at {
			parts = append(parts, cell(r, i))
		}
		t, err := c.read(strings.Join(parts, " "))
		if err != nil {
			continue
		}
		if d := t.Sub(last); !last.IsZero() && d > 0 {
			if count[d]++; count[d] > count[best] {
				best = d
			}
		}
		last = t
	}
	return lengthText(best)
}

// lengthText is a length of time as people write it: 1h, 15m.
func lengthText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// who finds the column that names devices.
func (g *guess) who() {
	for i, name := range g.names {
		if !g.known.device[key(name)] || slices.Contains(g.Mapping.Time.Columns, name) || g.isMetric(name) {
			continue
		}
		if distinct := g.distinct(i); distinct > 0 && (distinct*4 <= len(g.rows) || len(g.rows) < 20) {
			g.Mapping.Device = "{" + name + "}"
			return
		}
	}
}

func (g *guess) isMetric(name string) bool {
	return slices.ContainsFunc(g.Mapping.Values, func(v Value) bool { return v.Column == name })
}

func (g *guess) distinct(at int) int {
	all := map[string]bool{}
	for _, s := range g.samples(at) {
		all[s] = true
	}
	return len(all)
}

// longForm finds a table with a row for each parameter.
func (g *guess) longForm() bool {
	find := func(words map[string]bool) int {
		return slices.IndexFunc(g.names, func(n string) bool { return words[key(n)] && !slices.Contains(g.Mapping.Time.Columns, n) })
	}
	parameter, value, unit := find(g.known.param), find(g.known.value), find(g.known.unit)
	if parameter < 0 || value < 0 {
		return false
	}
	g.Mapping.Long = &Long{Parameter: g.names[parameter], Value: g.names[value]}
	if unit >= 0 {
		g.Mapping.Long.Unit = g.names[unit]
	}
	g.parameters(parameter, unit)
	g.who()
	return true
}

// parameters makes a value of each parameter of a long table that is known.
func (g *guess) parameters(parameter, unit int) {
	var found []Value
	seen := map[string]bool{}
	for _, name := range g.samples(parameter) {
		if seen[name] {
			continue
		}
		seen[name] = true
		if metric := g.known.metric(name); metric != "" {
			found = append(found, Value{Parameter: name, Metric: string(metric)})
		}
	}
	slices.SortFunc(found, func(a, b Value) int { return strings.Compare(a.Parameter, b.Parameter) })
	g.Mapping.Values = g.kinds(found)
	if unit < 0 && len(found) > 0 {
		g.doubt("no column says in which unit the values are: the catalogue's are taken (unit in values)")
	}
	if len(found) == 0 {
		g.doubt("no parameter has a name that is known for a metric: write a mapping (values)")
	}
}

// when finds the columns that say when, and how they are written.
func (g *guess) when() {
	t := &g.Mapping.Time
	date, clock := -1, -1
	for i, name := range g.names {
		n := key(g.known.takeApart(name).name)
		switch {
		case g.known.date[n] && date < 0 && g.onlyDates(i):
			date = i
		case g.known.clock[n] && clock < 0 && g.onlyClocks(i):
			clock = i
		}
	}
	if date >= 0 && clock >= 0 {
		if format, sure := g.format(date, clock); format != "" {
			t.Columns, t.Format = []string{g.names[date], g.names[clock]}, format
			g.ambiguous(sure)
			return
		}
	}
	for _, byName := range []bool{true, false} {
		for i, name := range g.names {
			n := g.known.takeApart(name)
			if byName != (g.known.instant[key(n.name)] || g.known.instant[key(name)] || g.known.date[key(n.name)]) || !byName && g.known.metric(n.name) != "" {
				continue
			}
			format, sure := g.format(i)
			if format == "" || !byName && (format == unixTime || format == unixMillis) {
				continue
			}
			t.Columns, t.Format = []string{name}, format
			if lower := strings.ToLower(name); strings.Contains(lower, "utc") || strings.Contains(lower, "gmt") {
				t.Zone = "UTC"
			}
			g.ambiguous(sure)
			return
		}
	}
	g.doubt("no column was recognised as the time: write a mapping (time)")
}

func (g *guess) ambiguous(sure bool) {
	if !sure {
		g.doubt("every date reads both as day/month and as month/day: %s is taken (time.format)", g.Mapping.Time.Format)
	}
}

func (g *guess) onlyDates(at int) bool { return g.fits(dates(), at) != "" }

func (g *guess) onlyClocks(at int) bool {
	for _, s := range g.samples(at) {
		if len(s) > 12 {
			return false
		}
	}
	return g.fits([]string{"yyyy-MM-dd HH:mm:ss"}, at) == "" && len(g.samples(at)) > 0
}

func dates() []string {
	return []string{"yyyy-MM-dd", "yyyy/MM/dd", "dd/MM/yyyy", "dd-MM-yyyy", "dd.MM.yyyy", "MM/dd/yyyy", "MM-dd-yyyy", "dd/MM/yy", "MM/dd/yy", "yyyyMMdd", "dd MMM yyyy", "dd-MMM-yyyy"}
}

// format finds how the times in one or two columns are written; sure is false if
// day and month could change places.
func (g *guess) format(columns ...int) (format string, sure bool) {
	if len(columns) == 1 {
		if g.fits([]string{isoTime}, columns...) != "" {
			return isoTime, true
		}
		if f := g.unix(columns[0]); f != "" {
			return f, true
		}
	}
	var all []string
	for _, d := range dates() {
		for _, t := range []string{"HH:mm:ss", "HH:mm", "HH.mm.ss", "HH.mm", "hh:mm:ss a", "hh:mm a", "HHmmss", "HHmm", "HH"} {
			all = append(all, d+" "+t)
		}
		if len(columns) == 1 {
			all = append(all, d)
		}
	}
	all = append(all, "yyyyMMddHHmmss", "yyyyMMddHHmm", "dd/MM/yyyy HH:mm:ss XXX", "HH:mm:ss dd/MM/yyyy", "HH:mm dd/MM/yyyy")
	format = g.fits(all, columns...)
	if format == "" {
		return "", false
	}
	swapped := strings.NewReplacer("dd", "MM", "MM", "dd").Replace(format)
	if !strings.HasPrefix(format, "yyyy") && !strings.Contains(format, "MMM") && !strings.Contains(format, "dd.MM") && g.fits([]string{swapped}, columns...) != "" {
		return format, false
	}
	return format, true
}

// unix tells seconds and milliseconds since 1970 by their size.
func (g *guess) unix(at int) string {
	numbers, _ := g.floats(at)
	if len(numbers) == 0 || len(numbers) != len(g.samples(at)) {
		return ""
	}
	low, high := slices.Min(numbers), slices.Max(numbers)
	switch {
	case low > 5e8 && high < 4.5e9:
		return unixTime
	case low > 5e11 && high < 4.5e12:
		return unixMillis
	}
	return ""
}

// fits is the first format that all samples but a few have.
func (g *guess) fits(formats []string, columns ...int) string {
	for _, f := range formats {
		c, err := newClock(f, "UTC", 0)
		if err != nil {
			continue
		}
		good, bad := 0, 0
		for _, r := range g.rows {
			var parts []string
			for _, i := range columns {
				parts = append(parts, strings.TrimSpace(cell(r, i)))
			}
			text := strings.TrimSpace(strings.Join(parts, " "))
			if text == "" {
				continue
			}
			if _, err := c.read(text); err != nil {
				if bad++; bad > len(g.rows)/20 {
					break
				}
				continue
			}
			good++
		}
		if good > 0 && bad <= len(g.rows)/20 && good > 4*bad {
			return f
		}
	}
	return ""
}
