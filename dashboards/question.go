package dashboards

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Question is a query of a panel, or of a variable, exactly as Grafana would send
// it, with what its answer must be.
type Question struct {
	Board, Panel string
	// Ref is the query's letter; empty for a variable's, which Panel then names.
	Ref  string
	Text string
	// Values asks for the values of a label and not for numbers.
	Values bool
	// Now asks for the end of the range only.
	Now bool
	// Table names the column that must be there, where the answer is a table.
	Table string
	// Span is the range, zero the board's; Step the shortest step.
	Span, Step time.Duration
	// Most is how many steps the panel draws.
	Most int
	// Kind and Metric are what is asked for.
	Kind   telemetry.Kind
	Metric telemetry.Metric
	// Selected is why the answer may be empty although the metric is reported.
	MayBeEmpty Text
	// Selected says that it may be empty because it shows some series only: the
	// metric must be reported all the same.
	Selected bool
	// Unit is what the panel says it is in; Want what the catalogue says.
	Unit, Want string
}

// Questions are all that a board asks the store.
func (b Board) Questions(p Province, o Options) ([]Question, error) {
	r := &renderer{Options: o, Province: p, Catalogue: o.Dialect.Catalogue, board: b}
	m, err := r.boardModel()
	if err != nil {
		return nil, fmt.Errorf("render board %s: %w", b.ID, err)
	}
	var out []Question
	for _, v := range b.Variables {
		if text := o.Dialect.question(v); text != "" {
			out = append(out, Question{Board: m.Title, Panel: "$" + v.Name, Text: text, Values: true, Span: b.Span, Kind: telemetry.SiteState, Metric: telemetry.StateCode})
		}
	}
	var panels []Panel
	for _, row := range b.rows(o.Wall) {
		if !row.Title.IsZero() && !o.Wall {
			panels = append(panels, Panel{}) // the row itself is a panel of the model
		}
		panels = append(panels, row.Panels...)
	}
	for i, panel := range m.Panels {
		for _, t := range panel.Targets {
			out = append(out, r.questions(panels[i].in(o.Dialect.Language), panel, t)...)
		}
	}
	return out, nil
}

// questions are those of one target: one for each column of a joined table.
func (r *renderer) questions(p Panel, m *panelModel, t targetModel) (out []Question) {
	from := int(t.RefID[0] - 'A')
	for i := from; i < len(p.Queries); i++ {
		q := p.Queries[i]
		ask := Question{Board: r.title(), Panel: m.Title, Ref: refID(i), Text: t.Expr + t.Query, Now: q.Shape == Now, Span: r.board.Span, Step: p.step(r), Most: max(m.MaxDataPoints, 600),
			Kind: q.Kind, Metric: q.Metric, MayBeEmpty: p.MayBeEmpty, Selected: q.AtLeast != nil || q.AtMost != nil, Unit: m.unit(refID(i), q.title(r.Catalogue).In(r.Lang)), Want: r.want(q)}
		if p.Span > 0 {
			ask.Span = p.Span
		}
		if _, table := p.View.(tabular); table && r.Dialect.Language == InfluxQL {
			ask.Table = "Value #" + refID(i)
		}
		out = append(out, ask)
		if next := i + 1; r.Dialect.Language == PromQL || next >= len(p.Queries) || ask.Table == "" || m.has(refID(next)) {
			break
		}
	}
	return out
}

// has reports whether a target has the letter.
func (m *panelModel) has(ref string) bool {
	for _, t := range m.Targets {
		if t.RefID == ref {
			return true
		}
	}
	return false
}

// unit is what Grafana shows a query's answer in.
func (m *panelModel) unit(ref, column string) string {
	if m.FieldConfig == nil {
		return ""
	}
	unit := m.FieldConfig.Defaults.Unit
	for _, o := range m.FieldConfig.Overrides {
		if o.Matcher.ID == "byFrameRefID" && o.Matcher.Options == ref || o.Matcher.ID == "byName" && o.Matcher.Options == column && unit == "" {
			for _, p := range o.Properties {
				if p.ID == "unit" {
					unit = p.Value.(string)
				}
			}
		}
	}
	return unit
}

// want is the unit that the catalogue gives a query's answer, in Grafana's word;
// a query's own unit counts where the answer is no longer in the metric's: a share,
// a number of series, a rise in time, or a plain count with separators.
func (r *renderer) want(q Query) string {
	_, m := q.spec(r.Catalogue)
	if m == nil {
		return "?"
	}
	if q.Unit != nil && (q.Per != "" || q.Times != 0 || q.Across == Number || q.Stat == Rise || q.Stat == Age || m.Unit == "" || q.Unit.Name == m.Unit) {
		return q.Unit.Grafana
	}
	u, _ := unitOf(m.Unit)
	return u.Grafana
}
