package table

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// plan is a mapping joined with a table's names of columns.
type plan struct {
	m        *Mapping
	cat      *telemetry.Catalogue
	units    *units
	notation notation
	clock    clock
	period   time.Duration
	names    []string // of columns

	timeAt                 []int
	locality, device, kind placedTemplate
	only                   []onlyAt
	parameter, value, unit int // of a long table
	long                   map[string][]int
	wide                   []int
	values                 []placedValue
}

// placedTemplate is a template whose columns are found.
type placedTemplate struct {
	parts []part
	at    []int
}

type onlyAt struct {
	at    int
	texts map[string]bool
}

// placedValue is a value whose column is found.
type placedValue struct {
	Value
	at             int
	missing        missing
	factor, offset float64
	// known are its conversions by kind and unit: a few, unless a file makes them up.
	known map[[2]string]known
}

type known struct {
	spec *telemetry.MetricSpec
	conversion
	err error
}

// maxKnown bounds the conversions that are kept.
const maxKnown = 1000

// newPlan finds a mapping's columns among a table's.
func newPlan(m *Mapping, names []string, cat *telemetry.Catalogue) (*plan, error) {
	p := &plan{m: m, cat: cat, units: newUnits(), notation: m.notation(), names: names, parameter: -1, value: -1, unit: -1, long: map[string][]int{}}
	var errs []error
	for _, w := range m.Check(cat) {
		errs = append(errs, fmt.Errorf("%s: %s", w.Path, w.Text))
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	column := func(path, name string) int {
		at, err := p.column(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
		return at
	}
	zoneName := m.Time.Zone
	if zoneName == "" {
		zoneName = DefaultZone
	}
	shift, _ := length(m.Time.Shift) // checked
	p.period, _ = length(m.Period)
	p.clock, _ = newClock(m.Time.Format, zoneName, shift)
	for _, name := range m.Time.Columns {
		p.timeAt = append(p.timeAt, column("time.columns", name))
	}
	for _, t := range []struct {
		path, text string
		to         *placedTemplate
	}{{"locality", m.Locality, &p.locality}, {"device", m.Device, &p.device}, {"kind", m.Kind, &p.kind}} {
		parsed, _ := parseTemplate(t.text) // checked
		t.to.parts = parsed.parts
		for _, one := range parsed.parts {
			at := -1
			if one.column != "" {
				at = column(t.path, one.column)
			}
			t.to.at = append(t.to.at, at)
		}
	}
	for name, texts := range m.Only {
		o := onlyAt{column("only", name), map[string]bool{}}
		for _, text := range texts {
			o.texts[text] = true
		}
		p.only = append(p.only, o)
	}
	if l := m.Long; l != nil {
		p.parameter, p.value = column("long.parameter", l.Parameter), column("long.value", l.Value)
		if l.Unit != "" {
			p.unit = column("long.unit", l.Unit)
		}
	}
	for i, v := range m.Values {
		p.place(i, v, column)
	}
	return p, errors.Join(errs...)
}

func (p *plan) place(i int, v Value, column func(path, name string) int) {
	one := placedValue{Value: v, at: p.value, missing: newMissing(p.notation, p.m.Table.Missing, v.Missing), factor: 1, known: map[[2]string]known{}}
	if v.Factor != nil {
		one.factor = *v.Factor
	}
	if v.Offset != nil {
		one.offset = *v.Offset
	}
	if v.Column != "" {
		one.at = column(fmt.Sprintf("values[%d].column", i), v.Column)
		p.wide = append(p.wide, i)
	} else {
		name := strings.ToLower(strings.TrimSpace(v.Parameter))
		p.long[name] = append(p.long[name], i)
	}
	p.values = append(p.values, one)
}

// column finds a column by its name, or by its number where there are no names.
func (p *plan) column(name string) (int, error) {
	if p.m.Table.Header == 0 {
		n, err := strconv.Atoi(name)
		if err != nil || n < 1 || n > len(p.names) {
			return -1, fmt.Errorf("there is no column %q: the table has no names (header: 0), so give the column's number, 1 to %d", name, len(p.names))
		}
		return n - 1, nil
	}
	wanted := plainName(name)
	same := func(c string) bool { return plainName(c) == wanted }
	at := slices.IndexFunc(p.names, same)
	if at < 0 {
		var all []string
		for _, n := range p.names {
			if n != "" {
				all = append(all, n)
			}
		}
		return -1, fmt.Errorf("there is no column %q: there are %s", name, strings.Join(all, ", "))
	}
	if slices.ContainsFunc(p.names[at+1:], same) {
		return -1, fmt.Errorf("column %q is there more than once: rename one in the file, or set header to 0 and use numbers", name)
	}
	return at, nil
}

// plainName is a column's name as it is compared.
func plainName(s string) string {
	return strings.Join(strings.Fields(norm.NFC.String(strings.ToLower(s))), " ")
}

// text fills a template with a row's cells; ok is false where one of them is empty.
func (t placedTemplate) text(cells []string) (s string, ok bool) {
	if len(t.parts) == 1 && t.at[0] < 0 {
		return t.parts[0].text, true
	}
	var b strings.Builder
	for i, one := range t.parts {
		if t.at[i] < 0 {
			b.WriteString(one.text)
			continue
		}
		c := cell(cells, t.at[i])
		if strings.TrimSpace(c) == "" {
			return "", false
		}
		b.WriteString(c)
	}
	return b.String(), true
}

func cell(cells []string, at int) string {
	if at < 0 || at >= len(cells) {
		return ""
	}
	return cells[at]
}

// identifier makes a text one: letters without marks, and - for whatever an
// identifier may not have.
func identifier(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == ':':
			b.WriteRune(r)
		case r == 'đ':
			b.WriteByte('d')
		case r == 'Đ':
			b.WriteByte('D')
		case unicode.Is(unicode.Mn, r):
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == telemetry.MaxIDLength {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// of finds how a value's numbers of a kind and unit become its metric's.
func (p *plan) of(v *placedValue, kind, unitName string) known {
	key := [2]string{kind, unitName}
	if k, ok := v.known[key]; ok {
		return k
	}
	var k known
	spec := p.cat.Kind(telemetry.Kind(kind))
	if spec == nil || spec.Computed || spec.Kind == telemetry.Status {
		k.err = errors.New("there is no kind of this name")
	} else if k.spec = spec.Metric([]byte(v.Metric)); k.spec == nil {
		k.err = fmt.Errorf("%s has no metric %s", kind, v.Metric)
	} else {
		k.conversion, k.err = p.units.conversion(k.spec, unitName, p.period, p.m.gasTemperature())
	}
	if len(v.known) < maxKnown {
		v.known[key] = k
	}
	return k
}
