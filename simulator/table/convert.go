package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Reading is what a table says of one device and kind at one moment.
type Reading struct {
	Time     time.Time
	Locality telemetry.Locality
	Kind     telemetry.Kind
	Device   telemetry.Device
	Values   []Number
}

// Number is a metric's, in the catalogue's unit.
type Number struct {
	Metric telemetry.Metric
	Number float64
	// Line and Column say where in the table it stood.
	Line   int
	Column string
}

// Options are how a table is converted.
type Options struct {
	// Strict makes an error of the first fault.
	Strict bool
	// Dir is where what does not fit into memory is put meanwhile.
	Dir string
	// Memory is how much of it sorting may take, in bytes; 64 MiB if 0.
	Memory int
	// Rows stops after so many rows; 0 is all.
	Rows uint64
	// Progress, if set, is called now and then.
	Progress func(rows uint64)
}

// series is a device's readings of a kind.
type series struct {
	locality telemetry.Locality
	kind     telemetry.Kind
	device   telemetry.Device
}

// conversionRun is one run through a table.
type conversionRun struct {
	*plan
	options Options
	report  Report
	sorter  sorter

	numbers map[series]uint32
	series  []series
	// names are the texts that identifiers were made of.
	names map[string]string
	// counted are the last numbers of cumulative values, by series and slot.
	counted map[[2]uint32]float64
}

// maxSeries bounds how many series a table may have: beyond it, a column that is
// none of devices was surely taken for one.
const maxSeries = 1_000_000

// Convert reads the table by a mapping and gives its readings in order of time.
func (t *Table) Convert(ctx context.Context, m *Mapping, cat *telemetry.Catalogue, o Options, emit func(Reading) error) (Report, error) {
	rows, names, err := t.begin(m)
	if err != nil {
		return Report{}, err
	}
	p, err := newPlan(m, names, cat)
	if err != nil {
		return Report{}, err
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	c := &conversionRun{plan: p, options: o, report: Report{strict: o.Strict}, sorter: sorter{dir: o.Dir, budget: o.Memory},
		numbers: map[series]uint32{}, names: map[string]string{}, counted: map[[2]uint32]float64{}}
	defer c.sorter.close()
	if err := c.read(ctx, rows); err != nil {
		return c.report, err
	}
	c.report.Sorted = c.sorter.unsort
	if err := c.finish(ctx, emit); err != nil {
		return c.report, err
	}
	c.report.Devices = c.devices()
	c.report.finish()
	return c.report, nil
}

func (c *conversionRun) devices() int {
	all := map[telemetry.Device]bool{}
	for _, s := range c.series {
		all[s.device] = true
	}
	return len(all)
}

// read takes all rows in.
func (c *conversionRun) read(ctx context.Context, rows *rows) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.report.Rows++
		if err := c.row(r); err != nil {
			return err
		}
		if c.options.Progress != nil && c.report.Rows%1024 == 0 {
			c.options.Progress(c.report.Rows)
		}
		if c.report.Rows == c.options.Rows {
			return nil
		}
	}
}

// row makes records of a row. An error ends the conversion.
func (c *conversionRun) row(r row) error {
	for _, o := range c.only {
		if !o.texts[strings.TrimSpace(cell(r.cells, o.at))] {
			c.report.Filtered++
			return nil
		}
	}
	for i := len(c.plan.names); i < len(r.cells); i++ {
		if strings.TrimSpace(r.cells[i]) != "" {
			return c.report.fault(Fault{Row: true, Cause: fmt.Sprintf("the row has more than the %d columns", len(c.plan.names)),
				Line: r.line, Value: r.cells[i], Remedy: "perhaps its text has the delimiter in it without quotes"})
		}
	}
	if long, ok := c.slots(r); !ok {
		return nil
	} else if at, ok, err := c.time(r); err != nil || !ok {
		return err
	} else {
		return c.values(r, at, long)
	}
}

// slots are the values that the row of a long table is of; ok is false if none.
func (c *conversionRun) slots(r row) (long []int, ok bool) {
	if c.parameter < 0 {
		return nil, true
	}
	name := strings.TrimSpace(cell(r.cells, c.parameter))
	long, ok = c.long[strings.ToLower(name)]
	if !ok {
		c.report.ignore(name)
	}
	return long, ok
}

// time is when the row was measured; ok is false if it does not say.
func (c *conversionRun) time(r row) (at time.Time, ok bool, err error) {
	var parts []string
	for _, i := range c.timeAt {
		parts = append(parts, strings.TrimSpace(cell(r.cells, i)))
	}
	text := strings.Join(parts, " ")
	column := strings.Join(c.m.Time.Columns, " + ")
	if strings.TrimSpace(text) == "" {
		return at, false, c.report.fault(Fault{Row: true, Cause: "there is no time", Line: r.line, Column: column, Value: text})
	}
	at, err = c.clock.read(text)
	if errors.Is(err, errAmbiguous) {
		return at, true, c.report.fault(Fault{Cause: err.Error() + ", when summer time ended, and the first is taken", Line: r.line, Column: column, Value: text,
			Remedy: "if the file keeps winter time all year, give an offset as time.zone, such as +01:00"})
	}
	if err != nil {
		return at, false, c.report.fault(Fault{Row: true, Cause: "it is no time of the format " + c.m.Time.Format, Line: r.line, Column: column, Value: text,
			Remedy: "mend time.format, or the file"})
	}
	return at, true, nil
}

// values adds a record for each kind that the row has values of.
func (c *conversionRun) values(r row, at time.Time, long []int) error {
	locality, okLocality := c.locality.text(r.cells)
	device, okDevice := c.device.text(r.cells)
	kind, _ := c.kind.text(r.cells)
	locality, deviceID := identifier(locality), identifier(device)
	if !okLocality || !okDevice || locality == "" || deviceID == "" {
		return c.report.fault(Fault{Row: true, Cause: "there is no device or no locality", Line: r.line, Value: device, Remedy: "see device and locality in the mapping"})
	}
	if before, ok := c.names[deviceID]; ok && before != device {
		return c.report.fault(Fault{Row: true, Cause: fmt.Sprintf("this device and %q would both be %s", shown(before), deviceID), Line: r.line, Value: device,
			Remedy: "tell them apart with a further {column} in device"})
	}
	if len(c.names) < maxSeries {
		c.names[deviceID] = device
	}
	type kindValues struct {
		kind   string
		values []slotted
	}
	var found []kindValues
	for _, list := range [][]int{c.wide, long} {
		for _, slot := range list {
			k, v, ok, err := c.number(r, slot, strings.TrimSpace(kind))
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			at := slices.IndexFunc(found, func(f kindValues) bool { return f.kind == k })
			if at < 0 {
				at, found = len(found), append(found, kindValues{kind: k})
			}
			found[at].values = append(found[at].values, slotted{uint16(slot), v})
		}
	}
	if len(found) == 0 {
		c.report.Empty++
	}
	for _, f := range found {
		n, err := c.numberOf(series{telemetry.Locality(locality), telemetry.Kind(f.kind), telemetry.Device(deviceID)})
		if err != nil {
			return err
		}
		if err := c.sorter.add(record{at: at.UnixMilli(), series: n, line: int64(r.line), values: f.values}); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversionRun) numberOf(s series) (uint32, error) {
	n, ok := c.numbers[s]
	if !ok {
		if len(c.series) == maxSeries {
			return 0, fmt.Errorf("there are more than %d devices: is the column in device one that names devices?", maxSeries)
		}
		n = uint32(len(c.series))
		c.numbers[s] = n
		c.series = append(c.series, s)
	}
	return n, nil
}

// number reads a value of a row, as its metric's; ok is false if there is none.
func (c *conversionRun) number(r row, slot int, kind string) (of string, v float64, ok bool, err error) {
	p := &c.plan.values[slot]
	if p.Kind != "" {
		kind = p.Kind
	}
	text := strings.TrimSpace(cell(r.cells, p.at))
	bad := func(cause, remedy string) (string, float64, bool, error) {
		return kind, 0, false, c.report.fault(Fault{Cause: cause, Line: r.line, Column: p.name(), Value: text, Remedy: remedy})
	}
	if p.missing.is(text) {
		return kind, 0, false, nil
	}
	unitName := p.Unit
	if c.unit >= 0 && p.Column == "" {
		if u := strings.TrimSpace(cell(r.cells, c.unit)); u != "" && unitName == "" {
			unitName = u
		}
	}
	raw, word := p.Words[text]
	if !word {
		var rest string
		if raw, rest, word = c.notation.number(text); !word {
			return bad("it is no number", c.notation.why(text))
		}
		switch {
		case rest == "":
		case c.units.known(rest):
			unitName = rest // a number that says its unit is believed
		default:
			return bad("what follows the number is no unit", c.notation.why(text))
		}
		if p.missing.number(raw) {
			return kind, 0, false, nil
		}
	}
	k := c.of(p, kind, unitName)
	if k.err != nil {
		return bad(k.err.Error(), "name kind, metric or unit in the mapping")
	}
	return kind, k.of(raw*p.factor + p.offset), true, nil
}

// finish brings what belongs to one moment together, and checks it.
func (c *conversionRun) finish(ctx context.Context, emit func(Reading) error) error {
	var open []record
	flush := func() error {
		if len(open) == 0 {
			return nil
		}
		r, err := c.reading(open)
		open = open[:0]
		if err != nil || len(r.Values) == 0 {
			return err
		}
		c.report.Readings++
		c.report.Values += uint64(len(r.Values))
		if c.report.First.IsZero() {
			c.report.First = r.Time
		}
		c.report.Last = r.Time
		return emit(r)
	}
	err := c.sorter.each(func(r record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(open) > 0 && (open[0].at != r.at || open[0].series != r.series) {
			if err := flush(); err != nil {
				return err
			}
		}
		open = append(open, r)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// reading is what the records of one moment say.
func (c *conversionRun) reading(records []record) (Reading, error) {
	s := c.series[records[0].series]
	out := Reading{Time: time.UnixMilli(records[0].at).UTC(), Locality: s.locality, Kind: s.kind, Device: s.device}
	spec := c.cat.Kind(s.kind)
	at := map[telemetry.Metric]int{}
	for _, r := range records {
		for _, v := range r.values {
			p := &c.plan.values[v.slot]
			n := Number{telemetry.Metric(p.Metric), rounded(v.v), int(r.line), p.name()}
			if p.Cumulative {
				before, ok := c.counted[[2]uint32{r.series, uint32(v.slot)}]
				c.counted[[2]uint32{r.series, uint32(v.slot)}] = v.v
				if !ok {
					continue // nobody knows what came before
				}
				if v.v >= before { // else it began anew, from nothing
					n.Number = rounded(v.v - before)
				}
			}
			if problem, ok := spec.Metric([]byte(p.Metric)).Check(n.Number); !ok {
				c.report.Outside++
				if err := c.report.fault(Fault{Cause: fmt.Sprintf("%s of %s is outside the catalogue's range", p.Metric, s.kind), Line: n.Line, Column: n.Column,
					Value: fmt.Sprintf("%s=%g", p.Metric, n.Number), Remedy: problem.Detail + "; is it another unit, or a marker for no value (table.missing)?"}); err != nil {
					return out, err
				}
				continue
			}
			before, twice := at[n.Metric]
			if !twice {
				at[n.Metric] = len(out.Values)
				out.Values = append(out.Values, n)
				continue
			}
			if first := out.Values[before]; first.Number != n.Number {
				c.report.Twice++
				if err := c.report.fault(Fault{Cause: "a second, different value of the same device and time; the later line is taken", Line: n.Line, Column: n.Column,
					Value: fmt.Sprintf("%s=%g, and %g in line %d", p.Metric, n.Number, first.Number, first.Line), Remedy: "if these are two devices, tell them apart in device"}); err != nil {
					return out, err
				}
			}
			out.Values[before] = n
		}
	}
	return out, nil
}

// rounded takes the tail off that converting leaves: twelve digits are more than
// any instrument has.
func rounded(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	scale := math.Pow(10, 11-math.Floor(math.Log10(math.Abs(v))))
	if r := math.Round(v*scale) / scale; !math.IsInf(scale, 0) && !math.IsNaN(r) {
		return r
	}
	return v
}
