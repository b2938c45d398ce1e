package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Options say how boards are rendered.
type Options struct {
	Lang    Lang
	Dialect Dialect
	// DataSource is the uid of the data source in Grafana.
	DataSource string
	// Wall renders the form that hangs on a wall.
	Wall bool
}

// renderer is a rendering of one board.
type renderer struct {
	Options
	Province
	Catalogue boardCatalogue
	board     Board
}

// UID is the board's in Grafana. Each language and form has its own.
func (b Board) UID(o Options) string {
	uid := "haidang-" + b.ID
	if o.Wall {
		uid += "-wall"
	}
	if o.Lang == English {
		uid += "-en"
	}
	return uid
}

// Render makes the board's JSON model. The error is a mistake in the board.
func (b Board) Render(p Province, o Options) ([]byte, error) {
	r := &renderer{Options: o, Province: p, Catalogue: o.Dialect.Catalogue, board: b}
	m, err := r.boardModel()
	if err != nil {
		return nil, fmt.Errorf("render board %s: %w", b.ID, err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("render board %s: %w", b.ID, err)
	}
	return out.Bytes(), nil
}

// rows are those of the form that is rendered.
func (b Board) rows(wall bool) []Row {
	if wall {
		return b.Wall
	}
	return b.Rows
}

func (r *renderer) boardModel() (*boardModel, error) {
	b := r.board
	m := &boardModel{
		UID: b.UID(r.Options), Title: r.title(), Description: b.Description.In(r.Lang), Tags: []string{"haidang", "haidang-" + string(r.Lang)},
		Timezone: "Asia/Ho_Chi_Minh", WeekStart: "monday", GraphTooltip: 1, SchemaVersion: 39, Refresh: "1m",
		Time: timeModel{"now-" + short(b.Span), "now"}, Timepicker: timepicker{Hidden: r.Wall}, Links: r.links(),
		Templating: templating{List: []variableModel{}}, Annotations: annotations{List: []struct{}{}},
	}
	if r.Wall {
		m.Tags = append(m.Tags, "haidang-wall")
	}
	for _, v := range b.Variables {
		m.Templating.List = append(m.Templating.List, r.variable(v))
	}
	y := 0
	for _, row := range b.rows(r.Wall) {
		panels, below, err := r.row(row, y, len(m.Panels))
		if err != nil {
			return nil, err
		}
		m.Panels, y = append(m.Panels, panels...), below
	}
	return m, nil
}

// title is the board's; that of a wall says so, because titles in a folder differ.
func (r *renderer) title() string {
	t := r.board.Title.In(r.Lang)
	if r.Wall {
		t += Text{" (màn hình lớn)", " (wall)"}.In(r.Lang)
	}
	return t
}

// links lead to the other boards.
func (r *renderer) links() []linkModel {
	if r.Wall {
		return []linkModel{}
	}
	return []linkModel{{Type: "dashboards", Title: "Hải Đăng", Icon: "external link", Tags: []string{"haidang-" + string(r.Lang)}, AsDropdown: true, KeepTime: true}}
}

// row lays a row's panels out, left to right and on below.
func (r *renderer) row(row Row, y, used int) (out []*panelModel, below int, err error) {
	if !row.Title.IsZero() && !r.Wall {
		open := false
		out = append(out, &panelModel{ID: used + 1, Type: "row", Title: row.Title.In(r.Lang), GridPos: gridPos{H: 1, W: 24, Y: y}, Collapsed: &open, Panels: &[]*panelModel{}})
		y++
	}
	var floor [24]int // how far down each column is taken
	for i := range floor {
		floor[i] = y
	}
	for _, p := range row.Panels {
		m, err := r.panel(p, used+len(out)+1)
		if err != nil {
			return nil, 0, fmt.Errorf("panel %q: %w", p.Title.EN, err)
		}
		x, top := lowest(floor, p.Width)
		m.GridPos = gridPos{H: p.Height, W: p.Width, X: x, Y: top}
		for i := x; i < x+p.Width; i++ {
			floor[i] = top + p.Height
		}
		out = append(out, m)
	}
	return out, slices.Max(floor[:]), nil
}

// lowest is the highest free place on the board that is wide enough, the leftmost
// of several.
func lowest(floor [24]int, width int) (x, y int) {
	y = -1
	for at := 0; at+width <= len(floor); at++ {
		if top := slices.Max(floor[at : at+width]); y < 0 || top < y {
			x, y = at, top
		}
	}
	return x, y
}

// panel makes a panel's model.
func (r *renderer) panel(p Panel, id int) (*panelModel, error) {
	p = p.in(r.Dialect.Language)
	m := &panelModel{ID: id, Title: p.Title.In(r.Lang), Description: r.description(p), PluginVersion: "9.4.0",
		FieldConfig: &fieldConfig{Defaults: fieldModel{Mappings: []mappingModel{}}, Overrides: []override{}}}
	if p.Width < 1 || p.Width > 24 || p.Height < 1 {
		return nil, fmt.Errorf("it is %d wide and %d high", p.Width, p.Height)
	}
	if len(p.Queries) > 0 {
		m.Datasource = r.source()
		m.Interval = short(max(p.step(r), time.Second))
		if p.Span > 0 {
			m.TimeFrom = short(p.Span)
		}
		if err := r.units(p, m.FieldConfig); err != nil {
			return nil, err
		}
		m.FieldConfig.Defaults.Mappings = r.mappings(p.Mappings)
		if slices.ContainsFunc(p.Queries, func(q Query) bool { return q.Shape == Buckets }) {
			m.MaxDataPoints = 2000 // so that no hour or day is left out
		}
		m.Targets = r.targets(p)
	}
	if !p.MayBeEmpty.IsZero() {
		m.FieldConfig.Defaults.NoValue = "–"
		if _, table := p.View.(Table); table {
			m.FieldConfig.Defaults.NoValue = Text{"Không có", "None"}.In(r.Lang)
		}
	}
	p.View.draw(r, p, m)
	return m, nil
}

func (r *renderer) source() *sourceModel {
	if r.Dialect.Language == InfluxQL {
		return &sourceModel{"influxdb", r.DataSource}
	}
	return &sourceModel{"prometheus", r.DataSource}
}

// description is the panel's, with its limits and why it may be empty.
func (r *renderer) description(p Panel) string {
	d := p.Description
	if len(p.Limits) > 0 {
		unit := ""
		if u, err := r.panelUnit(p); err == nil {
			unit = u.Name
		}
		d = d.Plus("\n\n", Text{explain(p.Limits, unit, r.Lang), explain(p.Limits, unit, r.Lang)})
	}
	if !p.MayBeEmpty.IsZero() {
		d = d.Plus("\n\n", p.MayBeEmpty)
	}
	return d.In(r.Lang)
}

// panelUnit is the unit of a panel's queries; an error if they are not of one.
func (r *renderer) panelUnit(p Panel) (Unit, error) {
	if p.Unit != nil {
		return *p.Unit, nil
	}
	var first Unit
	for i, q := range p.Queries {
		u, ok := q.unit(r.Catalogue)
		if !ok {
			return Unit{}, fmt.Errorf("nobody has said how the unit of %s_%s is shown", q.Kind, q.Metric)
		}
		if i == 0 {
			first = u
		} else if u.Grafana != first.Grafana {
			return Unit{}, fmt.Errorf("its queries are in %q and in %q", first.Name, u.Name)
		}
	}
	return first, nil
}

// units sets the unit of all, or of each query for itself.
func (r *renderer) units(p Panel, f *fieldConfig) error {
	if u, err := r.panelUnit(p); err == nil {
		f.Defaults.Unit = u.Grafana
		if u.Decimals >= 0 {
			f.Defaults.Decimals = &u.Decimals
		}
		return nil
	}
	for i, q := range p.Queries {
		u, ok := q.unit(r.Catalogue)
		if !ok {
			return fmt.Errorf("nobody has said how the unit of %s_%s is shown", q.Kind, q.Metric)
		}
		properties := []property{{"unit", u.Grafana}}
		if u.Decimals >= 0 {
			properties = append(properties, property{"decimals", u.Decimals})
		}
		f.Overrides = append(f.Overrides, override{matcher{"byFrameRefID", refID(i)}, properties})
	}
	return nil
}

// mappings are words for numbers.
func (r *renderer) mappings(ms []Mapping) []mappingModel {
	out := []mappingModel{}
	values := map[string]mappingResult{}
	for i, m := range ms {
		result := mappingResult{m.Text.In(r.Lang), m.Colour, i}
		if m.From == m.To {
			values[number(m.From)] = result
			continue
		}
		out = append(out, mappingModel{"range", rangeMapping{m.From, m.To, result}})
	}
	if len(values) > 0 {
		out = append(out, mappingModel{"value", values})
	}
	return out
}

func refID(i int) string { return string(rune('A' + i)) }
