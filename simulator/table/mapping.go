package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Mapping says what a table's columns become.
type Mapping struct {
	Table Layout `yaml:"table"`
	Time  Time   `yaml:"time"`
	// Period is how long a row's amounts and rates are of, such as 15m.
	Period string `yaml:"period,omitempty"`
	// Locality, Device and Kind are texts in which {column} stands for a cell.
	Locality string `yaml:"locality"`
	Device   string `yaml:"device"`
	Kind     string `yaml:"kind"`
	// GasTemperature, in °C, is at which ppb and ppm become µg/m³; 25 if not given.
	GasTemperature *float64 `yaml:"gas_temperature,omitempty"`
	// Only takes rows that have one of the texts in the column.
	Only map[string][]string `yaml:"only,omitempty"`
	// Long is how a table with a row for each parameter is read.
	Long   *Long   `yaml:"long,omitempty"`
	Values []Value `yaml:"values"`
}

// Layout is how the file is written.
type Layout struct {
	Encoding string `yaml:"encoding,omitempty"` // utf-8 if not given
	// Delimiter stands between columns: "," ";" "|" or tab.
	Delimiter string `yaml:"delimiter"`
	// Header is the line with the columns' names, the first being 1; with 0 there is
	// none, and columns are called by their numbers from 1.
	Header    int    `yaml:"header"`
	Decimal   string `yaml:"decimal,omitempty"` // "." if not given
	Thousands string `yaml:"thousands,omitempty"`
	// Missing are texts that mean no value, besides the usual such as N/A.
	Missing []string `yaml:"missing,omitempty,flow"`
}

// Time says when a row was measured.
type Time struct {
	// Columns are joined with a space: one with all, or date and time.
	Columns []string `yaml:"columns,flow"`
	// Format is a pattern such as dd/MM/yyyy HH:mm:ss, or iso, unix or unix_ms.
	Format string `yaml:"format"`
	// Zone is that of times that do not say theirs; [DefaultZone] if not given.
	Zone string `yaml:"zone"`
	// Shift is added, such as 15m where the time is the period's beginning.
	Shift string `yaml:"shift,omitempty"`
}

// Long names the columns of a table with a row for each parameter.
type Long struct {
	Parameter string `yaml:"parameter"`
	Value     string `yaml:"value"`
	Unit      string `yaml:"unit,omitempty"`
}

// Value is what one column, or one parameter of a long table, becomes.
type Value struct {
	Column    string `yaml:"column,omitempty"`
	Parameter string `yaml:"parameter,omitempty"`
	Metric    string `yaml:"metric"`
	Kind      string `yaml:"kind,omitempty"` // if it is not the mapping's
	// Unit is the file's; the catalogue's if not given.
	Unit   string   `yaml:"unit,omitempty"`
	Factor *float64 `yaml:"factor,omitempty"`
	Offset *float64 `yaml:"offset,omitempty"`
	// Cumulative says that the numbers count up, and what came since the row before
	// is their difference.
	Cumulative bool     `yaml:"cumulative,omitempty"`
	Missing    []string `yaml:"missing,omitempty,flow"`
	// Words are texts that stand for numbers, such as {on: 1, off: 0}.
	Words map[string]float64 `yaml:"words,omitempty,flow"`
}

// name is what the value is called in the file.
func (v Value) name() string {
	if v.Column != "" {
		return v.Column
	}
	return v.Parameter
}

// maxMapping bounds a mapping's text.
const maxMapping = 1 << 20

// ReadMapping reads a mapping and checks all that can be checked without a table.
// The error names file and line of everything that is wrong.
func ReadMapping(file string, r io.Reader, cat *telemetry.Catalogue) (*Mapping, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxMapping+1))
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	if len(text) > maxMapping {
		return nil, fmt.Errorf("%s is longer than %d KiB: is it a mapping?", file, maxMapping>>10)
	}
	m := &Mapping{}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(m); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s is empty: let --save-mapping write one to begin with", file)
		}
		return nil, fmt.Errorf("read mapping %s:\n%s", file, yaml.FormatError(err, false, true))
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("read mapping %s: %w", file, err)
	}
	var errs []error
	for _, w := range m.Check(cat) {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", file, lineOf(tree, w.Path), w.Path, w.Text))
	}
	return m, errors.Join(errs...)
}

// lineOf is where a path's value stands, or what is nearest above it.
func lineOf(tree *ast.File, path string) int {
	for ; path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		p, err := yaml.PathString("$." + path)
		if err != nil {
			continue
		}
		if n, err := p.FilterFile(tree); err == nil && n != nil && n.GetToken() != nil {
			t := n.GetToken()
			if n.Type() == ast.MappingType || n.Type() == ast.MappingValueType { // its token is a colon
				for t.Prev != nil && t.Prev.Position.Line == t.Position.Line {
					t = t.Prev
				}
			}
			return t.Position.Line
		}
	}
	return 1
}

// Wrong is one thing that is wrong with a mapping.
type Wrong struct{ Path, Text string }

// checking gathers what is wrong.
type checking struct {
	m     *Mapping
	cat   *telemetry.Catalogue
	units *units
	wrong []Wrong
}

func (c *checking) bad(path, format string, args ...any) {
	c.wrong = append(c.wrong, Wrong{path, fmt.Sprintf(format, args...)})
}

// Check lists what is wrong with the mapping by itself, before any table.
func (m *Mapping) Check(cat *telemetry.Catalogue) []Wrong {
	c := &checking{m: m, cat: cat, units: newUnits()}
	c.layout()
	c.time()
	c.names()
	if len(m.Values) == 0 {
		c.bad("values", "nothing is taken: name at least one column and its metric, like {column: PM2.5, metric: pm25}")
	}
	seen := map[string]int{}
	for i, v := range m.Values {
		c.value(i, v, seen)
	}
	return c.wrong
}

func (c *checking) layout() {
	l := c.m.Table
	if _, ok := delimiters()[l.Delimiter]; !ok {
		c.bad("table.delimiter", `%q is none of "," ";" "|" and tab`, l.Delimiter)
	}
	if l.Encoding != "" && !slices.Contains(encodings(), l.Encoding) {
		c.bad("table.encoding", "%q is not known: there are %s", l.Encoding, strings.Join(encodings(), ", "))
	}
	if l.Header < 0 {
		c.bad("table.header", "%d is no line: give the line of the columns' names, or 0 if there is none", l.Header)
	}
	if l.Decimal != "" && l.Decimal != "." && l.Decimal != "," {
		c.bad("table.decimal", `%q is neither "." nor ","`, l.Decimal)
	}
	if l.Thousands != "" && (!slices.Contains([]string{".", ",", " ", "'", "’"}, l.Thousands) || l.Thousands == c.m.notation().decimal) {
		c.bad("table.thousands", `%q cannot stand between thousands here: "." "," " " or "'" can, and not the decimal mark`, l.Thousands)
	}
}

func (c *checking) time() {
	t := c.m.Time
	if len(t.Columns) == 0 {
		c.bad("time.columns", "no column says when: name one, or date and time, like [Date, Time]")
	}
	if t.Format == "" {
		c.bad("time.format", "it is missing: write it like dd/MM/yyyy HH:mm:ss, or iso, unix, unix_ms")
	} else if _, err := newClock(t.Format, "UTC", 0); err != nil {
		c.bad("time.format", "%v", err)
	}
	if t.Zone != "" {
		if _, err := zone(t.Zone); err != nil {
			c.bad("time.zone", "%v", err)
		}
	}
	if _, err := length(t.Shift); err != nil {
		c.bad("time.shift", "%v", err)
	}
	if d, err := length(c.m.Period); err != nil || d < 0 {
		c.bad("period", "%q is no length of time: write it like 15m or 1h", c.m.Period)
	}
}

func length(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no length of time: write it like 15m or -1h", s)
	}
	return d, nil
}

func (c *checking) names() {
	for _, f := range [][2]string{{"locality", c.m.Locality}, {"device", c.m.Device}, {"kind", c.m.Kind}} {
		switch _, err := parseTemplate(f[1]); {
		case f[1] == "" && (f[0] != "kind" || slices.ContainsFunc(c.m.Values, func(v Value) bool { return v.Kind == "" })):
			c.bad(f[0], "it is missing: give a name, or {column} for what stands in a column")
		case err != nil:
			c.bad(f[0], "%v", err)
		case f[0] == "locality" && !strings.Contains(f[1], "{") && f[1] != "" && telemetry.CheckID(f[1]) != nil:
			c.bad(f[0], "%q is no identifier, like nha-trang: %v", f[1], telemetry.CheckID(f[1]))
		case f[0] == "kind" && f[1] != "" && !strings.Contains(f[1], "{"):
			c.kind("kind", f[1])
		}
	}
	if t := c.m.GasTemperature; t != nil && (*t < -50 || *t > 60) {
		c.bad("gas_temperature", "%v °C is no temperature of air", *t)
	}
	if l := c.m.Long; l != nil {
		if l.Parameter == "" || l.Value == "" {
			c.bad("long", "name the columns with the parameter and with the value")
		}
	}
}

// kind finds a kind that devices report.
func (c *checking) kind(path, name string) *telemetry.KindSpec {
	k := c.cat.Kind(telemetry.Kind(name))
	if k == nil || k.Computed || k.Kind == telemetry.Status {
		var all []string
		for _, k := range c.cat.Kinds() {
			if k.Kind != telemetry.Status {
				all = append(all, string(k.Kind))
			}
		}
		c.bad(path, "there is no kind %q: there are %s", name, strings.Join(all, ", "))
		return nil
	}
	return k
}

func (c *checking) value(i int, v Value, seen map[string]int) {
	at := fmt.Sprintf("values[%d]", i)
	switch {
	case (v.Column == "") == (v.Parameter == ""):
		c.bad(at, "name either a column or, in a long table, a parameter")
	case v.Parameter != "" && c.m.Long == nil:
		c.bad(at+".parameter", "parameters are rows of a long table: say with long which columns have them, or name a column")
	}
	for _, w := range v.Missing {
		if w == "" {
			c.bad(at+".missing", "an empty text is no value anyway")
		}
	}
	kind := v.Kind
	if kind == "" {
		kind = c.m.Kind
	}
	if strings.Contains(kind, "{") || kind == "" {
		return // known only row by row
	}
	path := "kind"
	if v.Kind != "" {
		path = at + ".kind"
	}
	var k *telemetry.KindSpec
	if path == "kind" {
		if k = c.cat.Kind(telemetry.Kind(kind)); k == nil {
			return // told above
		}
	} else if k = c.kind(path, kind); k == nil {
		return
	}
	spec := k.Metric([]byte(v.Metric))
	if spec == nil {
		var all []string
		for _, s := range k.Metrics {
			all = append(all, string(s.Name))
		}
		c.bad(at+".metric", "%s has no metric %q: it has %s", kind, v.Metric, strings.Join(all, ", "))
		return
	}
	if before, ok := seen[kind+" "+v.Metric]; ok && v.Column != "" && c.m.Values[before].Column != "" {
		c.bad(at+".metric", "%s of %s is already what column %q becomes", v.Metric, kind, c.m.Values[before].Column)
	}
	seen[kind+" "+v.Metric] = i
	if v.Cumulative && spec.Form != telemetry.Amount {
		c.bad(at+".cumulative", "%s is no amount that comes together between rows: leave cumulative out", v.Metric)
	}
	period, _ := length(c.m.Period) // told above
	if _, err := c.units.conversion(spec, v.Unit, period, c.m.gasTemperature()); err != nil {
		c.bad(at+".unit", "%v", err)
	}
}

func (m *Mapping) gasTemperature() float64 {
	if m.GasTemperature == nil {
		return 25
	}
	return *m.GasTemperature
}

func (m *Mapping) notation() notation {
	n := notation{m.Table.Decimal, m.Table.Thousands}
	if n.decimal == "" {
		n.decimal = "."
	}
	return n
}

// delimiters are those that a mapping may name.
func delimiters() map[string]rune {
	return map[string]rune{",": ',', ";": ';', "|": '|', "tab": '\t', "\t": '\t'}
}

// Encode is the mapping as YAML, to be read and edited by people.
func (m *Mapping) Encode() ([]byte, error) {
	text, err := yaml.MarshalWithOptions(m, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write mapping: %w", err)
	}
	return text, nil
}

// template is a text with cells in it.
type template struct {
	parts []part
}

// part is a text, or a column's cell.
type part struct{ text, column string }

func parseTemplate(s string) (template, error) {
	var t template
	for s != "" {
		text, rest, cell := strings.Cut(s, "{")
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !cell {
			break
		}
		column, after, closed := strings.Cut(rest, "}")
		if !closed || column == "" {
			return t, fmt.Errorf("%q has a { without a column and a }: write it like madrid-{id}", s)
		}
		t.parts = append(t.parts, part{column: column})
		s = after
	}
	return t, nil
}
