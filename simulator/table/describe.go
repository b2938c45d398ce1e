package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Use is what becomes of one column.
type Use struct {
	Column string `json:"column"`
	// Sample is its first cell with something in it.
	Sample string `json:"sample"`
	// Becomes is a sentence; empty where the column is ignored.
	Becomes string `json:"becomes"`
}

// sampleReadings is how many readings are shown.
const sampleReadings = 3

// Description is a mapping as it applies to a table's beginning.
type Description struct {
	Uses     []Use
	Readings []Reading
}

// Describe says what each column becomes by a mapping, with some readings as they
// would be stored. The table stays as it is.
func (t *Table) Describe(ctx context.Context, m *Mapping, cat *telemetry.Catalogue) (d Description, err error) {
	sample, err := t.Sample()
	if err != nil {
		return d, err
	}
	rows, names, err := sample.begin(m)
	if err != nil {
		return d, err
	}
	p, err := newPlan(m, names, cat)
	if err != nil {
		return d, err
	}
	for i, name := range names {
		d.Uses = append(d.Uses, Use{Column: name, Becomes: strings.Join(p.becomes(i), "; ")})
	}
	for range sampleRows {
		r, err := rows.next()
		if err != nil {
			break
		}
		for i := range d.Uses {
			if d.Uses[i].Sample == "" {
				d.Uses[i].Sample = shown(strings.TrimSpace(cell(r.cells, i)))
			}
		}
	}
	if sample, err = t.Sample(); err != nil {
		return d, err
	}
	enough := errors.New("enough")
	_, err = sample.Convert(ctx, m, cat, Options{Rows: sampleRows}, func(r Reading) error {
		if d.Readings = append(d.Readings, r); len(d.Readings) == sampleReadings {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return d, err
}

// becomes are the uses of a column.
func (p *plan) becomes(at int) (out []string) {
	if slices.Contains(p.timeAt, at) {
		text := "time, " + p.m.Time.Format
		if p.m.Time.Format != unixTime && p.m.Time.Format != unixMillis {
			text += ", " + p.clock.zone.String() + " where it says no zone"
		}
		if p.m.Time.Shift != "" {
			text += ", + " + p.m.Time.Shift
		}
		out = append(out, text)
	}
	for _, t := range []struct {
		name string
		placedTemplate
	}{{"locality", p.locality}, {"device", p.device}, {"kind", p.kind}} {
		if slices.Contains(t.at, at) {
			out = append(out, t.name)
		}
	}
	for _, o := range p.only {
		if o.at == at {
			out = append(out, "only rows with "+strings.Join(p.m.Only[p.names[at]], ", "))
		}
	}
	switch {
	case at == p.parameter:
		for _, v := range p.m.Values {
			if v.Parameter != "" {
				out = append(out, v.Parameter+" → "+p.valueText(v))
			}
		}
	case at == p.value && p.value >= 0:
		out = append(out, "value")
	case at == p.unit && p.unit >= 0:
		out = append(out, "unit of the value")
	}
	for _, i := range p.wide {
		if p.values[i].at == at {
			out = append(out, p.valueText(p.m.Values[i]))
		}
	}
	return out
}

// valueText says what a value becomes, and how.
func (p *plan) valueText(v Value) string {
	kind := v.Kind
	if kind == "" {
		kind = p.m.Kind
	}
	text := fmt.Sprintf("%s of %s", v.Metric, kind)
	if v.Factor != nil {
		text += fmt.Sprintf(", × %g", *v.Factor)
	}
	if v.Offset != nil {
		text += fmt.Sprintf(", + %g", *v.Offset)
	}
	if k := p.cat.Kind(telemetry.Kind(kind)); k != nil {
		if spec := k.Metric([]byte(v.Metric)); spec != nil {
			text += p.unitChange(spec, v.Unit)
		}
	}
	if v.Cumulative {
		text += ", the difference to the row before"
	}
	return text
}

// unitChange says how a unit becomes the catalogue's.
func (p *plan) unitChange(spec *telemetry.MetricSpec, name string) string {
	c, err := p.units.conversion(spec, name, p.period, p.m.gasTemperature())
	switch {
	case name == "" || err != nil:
		return ", " + unitText(spec)
	case c == conversion{1, 0}:
		return ", " + name
	}
	text := fmt.Sprintf(", %s × %.6g", name, c.factor)
	if c.offset != 0 {
		text += fmt.Sprintf(" %+.6g", rounded(c.offset))
	}
	text += " = " + unitText(spec)
	if _, gas := p.units.find(name, "volume"); gas && p.units.gases[spec.Name] > 0 {
		text += fmt.Sprintf(" at %g °C", p.m.gasTemperature())
	}
	if spec.Form == telemetry.Amount && p.period > 0 {
		text += " in " + p.m.Period
	}
	return text
}
