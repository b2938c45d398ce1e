package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sampleRows is how many rows are looked at.
const sampleRows = 2000

// Guessed is a mapping that was made by looking at a file.
type Guessed struct {
	Mapping Mapping
	// Form is the published form that the file has; empty if it is none of those
	// that are known.
	Form string
	// Notes are what was taken for granted, with good reason. Doubts are what
	// somebody should look at before readings are made of it.
	Notes, Doubts []string
}

// Given is what whoever asks knows already.
type Given struct {
	Locality, Device, Zone string
}

// guess is a guess in the making.
type guess struct {
	Guessed
	cat    *telemetry.Catalogue
	known  *nameTable
	file   string
	given  Given
	names  []string
	rows   [][]string
	number notation
}

func (g *guess) note(format string, args ...any) {
	g.Notes = append(g.Notes, fmt.Sprintf(format, args...))
}

func (g *guess) doubt(format string, args ...any) {
	g.Doubts = append(g.Doubts, fmt.Sprintf(format, args...))
}

// Guess makes a mapping of what the table's beginning looks like.
func (t *Table) Guess(cat *telemetry.Catalogue, given Given) (*Guessed, error) {
	g := &guess{cat: cat, known: newNameTable(), file: t.name, given: given}
	encoding, doubt, err := detect(t.raw)
	if err != nil {
		return nil, err
	}
	g.Mapping.Table.Encoding = encoding
	if doubt != "" {
		g.doubt("%s: see table.encoding", doubt)
	}
	sample, err := t.Sample()
	if err != nil {
		return nil, err
	}
	r, err := decoded(sample.raw, encoding)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	if err := g.shape(text); err != nil {
		return nil, err
	}
	g.decimal()
	if !g.knownForm() {
		g.columns()
	}
	g.common()
	return &g.Guessed, nil
}

// shape finds the delimiter, the names of columns and the rows.
func (g *guess) shape(text []byte) error {
	best, columns := 0, 0
	var all []row
	for _, d := range []string{",", ";", "tab", "|"} {
		rows := readAll(text, delimiters()[d])
		if n, agree := usual(rows); n > 1 && agree*min(n, 20) > best {
			best, columns, all, g.Mapping.Table.Delimiter = agree*min(n, 20), n, rows, d
		}
	}
	if columns == 0 {
		return errors.New("this is no table: no line has two columns between commas, semicolons, tabs or bars")
	}
	at := slices.IndexFunc(all, func(r row) bool { return len(r.cells) == columns })
	if first := all[at]; g.numbers(first.cells) == 0 && filled(first.cells) > len(first.cells)/2 {
		g.Mapping.Table.Header = first.line
		for _, c := range first.cells {
			g.names = append(g.names, strings.TrimSpace(c))
		}
		at++
	} else {
		for i := range first.cells {
			g.names = append(g.names, fmt.Sprint(i+1))
		}
	}
	for _, r := range all[at:] {
		g.rows = append(g.rows, r.cells)
	}
	if len(g.rows) == 0 {
		return errors.New("the table has names of columns, and no row below them")
	}
	return nil
}

func readAll(text []byte, delimiter rune) (all []row) {
	r := newRows(bytes.NewReader(text), delimiter)
	for len(all) < sampleRows {
		one, err := r.next()
		if err != nil {
			return all
		}
		all = append(all, row{one.line, slices.Clone(one.cells)})
	}
	return all
}

// usual is the commonest number of columns, and how many rows have it.
func usual(rows []row) (columns, agree int) {
	count := map[int]int{}
	for _, r := range rows {
		count[len(r.cells)]++
		if n := count[len(r.cells)]; n > agree {
			columns, agree = len(r.cells), n
		}
	}
	return columns, agree
}

func filled(cells []string) (n int) {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			n++
		}
	}
	return n
}

// numbers is how many cells are numbers in either notation.
func (g *guess) numbers(cells []string) (n int) {
	for _, c := range cells {
		for _, decimal := range []string{".", ","} {
			if _, rest, ok := (notation{decimal: decimal}).number(c); ok && rest == "" {
				n++
				break
			}
		}
	}
	return n
}

// decimal finds the decimal mark, and what stands between thousands.
func (g *guess) decimal() {
	points, commas, both := 0, 0, 0
	for _, r := range g.rows {
		for _, c := range r {
			c = strings.TrimSpace(c)
			dot, comma := strings.LastIndexByte(c, '.'), strings.LastIndexByte(c, ',')
			switch digits := strings.Trim(c, "+-0123456789.,") == "" && strings.ContainsAny(c, "0123456789"); {
			case !digits || strings.Count(c, ".") > 1 && comma < 0:
			case dot > 0 && comma > dot:
				both++
				commas++
				g.Mapping.Table.Thousands = "."
			case comma > 0 && dot > comma:
				both++
				points++
				g.Mapping.Table.Thousands = ","
			case comma >= 0 && dot < 0 && strings.Count(c, ",") == 1:
				commas++
			case dot >= 0:
				points++
			}
		}
	}
	g.number = notation{decimal: ".", thousands: g.Mapping.Table.Thousands}
	switch {
	case commas > 0 && (points == 0 || commas > points && both > 0):
		g.number.decimal = ","
		g.Mapping.Table.Decimal = ","
		if both == 0 && g.allThousands() {
			g.doubt("numbers such as 1,234 are read with a decimal comma; if it stands between thousands, set table.decimal and table.thousands")
		}
	case commas > 0 && both == 0 && points > 0:
		g.doubt("some numbers have a comma and some a point: the point is taken for the decimal mark (table.decimal)")
	}
}

// allThousands reports whether each comma has three digits after it.
func (g *guess) allThousands() bool {
	for _, r := range g.rows {
		for _, c := range r {
			if _, after, ok := strings.Cut(strings.TrimSpace(c), ","); ok && strings.Trim(after, "0123456789") == "" && len(after) != 3 {
				return false
			}
		}
	}
	return true
}

// samples are a column's cells that mean something.
func (g *guess) samples(at int) (out []string) {
	none := newMissing(g.number)
	for _, r := range g.rows {
		if c := strings.TrimSpace(cell(r, at)); !none.is(c) {
			out = append(out, c)
		}
	}
	return out
}

// floats are a column's numbers, but for those that mean no value.
func (g *guess) floats(at int) (out []float64, unitText string) {
	m := newMissing(g.number, g.Mapping.Table.Missing)
	for _, c := range g.samples(at) {
		if v, rest, ok := g.number.number(c); ok && !m.number(v) {
			out = append(out, v)
			if rest != "" {
				unitText = rest
			}
		}
	}
	return out, unitText
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(v)
	sort.Float64s(sorted)
	return sorted[len(sorted)/2]
}

// common is what every guess needs: zone, locality, device and markers.
func (g *guess) common() {
	m := &g.Mapping
	if g.given.Zone != "" {
		m.Time.Zone = g.given.Zone
	} else if m.Time.Zone == "" {
		m.Time.Zone = DefaultZone
		if m.Time.Format != unixTime && m.Time.Format != unixMillis && !g.saysZone() {
			g.note("times without a zone are those of %s: --zone says otherwise", DefaultZone)
		}
	}
	if g.given.Locality != "" {
		m.Locality = g.given.Locality
	} else if m.Locality == "" {
		m.Locality = "nha-trang"
		g.doubt("no column says where: the locality nha-trang is taken; --locality says otherwise")
	}
	if g.given.Device != "" {
		m.Device = g.given.Device
	} else if m.Device == "" {
		m.Device = identifier(g.file)
		if m.Device == "" {
			m.Device = "device-1"
		}
		g.note("no column names a device: all readings are of one, %s, after the file's name; --as says otherwise", m.Device)
	}
	g.markers()
}

// saysZone reports whether the times bring their offset.
func (g *guess) saysZone() bool {
	if strings.Contains(g.Mapping.Time.Format, "XX") {
		return true
	}
	if g.Mapping.Time.Format != isoTime || len(g.Mapping.Time.Columns) != 1 {
		return false
	}
	at := slices.Index(g.names, g.Mapping.Time.Columns[0])
	for _, s := range g.samples(at) {
		if !strings.HasSuffix(s, "Z") && !strings.Contains(s, "UTC") && (len(s) < 17 || !strings.ContainsAny(s[16:], "+-")) {
			return false
		}
	}
	return true
}

// usualMarkers are numbers that loggers write for no value.
func usualMarkers() []float64 {
	return []float64{-200, -999, -999.9, -9999, -99999, -99, -99.9, -9, 999.9, 9999, 99999, 9999.9, 65535, 32767, -32768, 6553.5, 3276.7}
}

// markers finds numbers that stand for no value: one of the usual that is outside
// what the metric can be.
func (g *guess) markers() {
	m := &g.Mapping
	for _, v := range m.Values {
		spec := g.spec(v)
		at := slices.Index(g.names, v.Column)
		if m.Long != nil && v.Parameter != "" {
			at = slices.Index(g.names, m.Long.Value)
		}
		if spec == nil || at < 0 || len(v.Words) > 0 {
			continue
		}
		for _, s := range g.samples(at) {
			number, rest, ok := g.number.number(s)
			if !ok || rest != "" || number >= spec.Min && number <= spec.Max || !slices.Contains(usualMarkers(), number) || newMissing(g.number, m.Table.Missing, v.Missing).number(number) {
				continue
			}
			m.Table.Missing = append(m.Table.Missing, s)
			g.note("%s in %s is taken for no value (table.missing)", s, v.name())
		}
	}
}

// spec is a value's metric; nil if there is none.
func (g *guess) spec(v Value) *telemetry.MetricSpec {
	kind := v.Kind
	if kind == "" {
		kind = g.Mapping.Kind
	}
	if k := g.cat.Kind(telemetry.Kind(kind)); k != nil {
		return k.Metric([]byte(v.Metric))
	}
	return nil
}
