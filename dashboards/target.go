package dashboards

import (
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// boardCatalogue is short for where names and units come from.
type boardCatalogue = *telemetry.Catalogue

// targets are a panel's queries as Grafana sends them.
func (r *renderer) targets(p Panel) []targetModel {
	queries := p.resolved(r)
	if _, table := p.View.(tabular); table {
		return r.columns(queries)
	}
	out := make([]targetModel, len(queries))
	for i, q := range queries {
		t := targetModel{RefID: refID(i), Datasource: r.source()}
		legend := r.legend(p, q)
		if r.Dialect.Language == InfluxQL {
			t.Query, t.RawQuery, t.ResultFormat = r.Dialect.influxql(q), true, "time_series"
			t.Alias = strings.NewReplacer("{{", "$tag_", "}}", "").Replace(legend)
		} else {
			t.Expr, t.LegendFormat, t.EditorMode, t.Format = r.Dialect.promql(q), legend, "code", "time_series"
			now := q.Shape == Now
			over := !now
			t.Instant, t.Range = &now, &over
			if q.Window > 0 && q.Shape == Buckets {
				t.Interval = short(q.Window)
			}
		}
		out[i] = t
	}
	return out
}

// tabular is a view that wants all queries as columns of one table, a line for each
// group.
type tabular interface{ columns() }

// columns are queries whose answers become the columns of one table: "Value #A",
// "Value #B", … whatever the language.
func (r *renderer) columns(queries []Query) []targetModel {
	var out []targetModel
	if r.Dialect.Language == InfluxQL {
		for i := 0; i < len(queries); {
			end := i + 1
			for end < len(queries) && r.Dialect.joinable(queries[i], queries[end]) {
				end++
			}
			var names []string
			for k := i; k < end; k++ {
				names = append(names, "Value #"+refID(k))
			}
			out = append(out, targetModel{RefID: refID(i), Datasource: r.source(), Query: r.Dialect.influxJoined(queries[i:end], names), RawQuery: true, ResultFormat: "table"})
			i = end
		}
		return out
	}
	for i, q := range queries {
		now, over := true, false
		out = append(out, targetModel{RefID: refID(i), Datasource: r.source(), Expr: r.Dialect.promql(q), EditorMode: "code", Format: "table", Instant: &now, Range: &over})
	}
	return out
}

// legend is what a query's series are called, with labels between {{ }}.
func (r *renderer) legend(p Panel, q Query) string {
	name := q.title(r.Catalogue).In(r.Lang)
	label := q.By.label()
	switch {
	case label == "":
		return name
	case len(p.Queries) == 1:
		return "{{" + label + "}}"
	}
	return "{{" + label + "}} · " + name
}

// names are what sites and localities are called, by what legends call them.
func (r *renderer) names(p Panel) []override {
	var out []override
	seen := map[string]bool{}
	for _, q := range p.resolved(r) {
		label := q.By.label()
		add := func(id, name string) {
			legend := strings.Replace(r.legend(p, q), "{{"+label+"}}", id, 1)
			shown := strings.Replace(r.legend(p, q), "{{"+label+"}}", name, 1)
			if legend != shown && !seen[legend] {
				seen[legend] = true
				out = append(out, override{matcher{"byName", legend}, []property{{"displayName", shown}}})
			}
		}
		switch q.By {
		case BySite:
			for _, s := range r.sites(q) {
				add(string(s.ID), s.name().In(r.Lang))
			}
		case ByLocality:
			for _, l := range r.Localities {
				add(string(l.ID), r.localityName(l.ID).In(r.Lang))
			}
		}
	}
	return out
}

// mostNames is how many sites' names one panel carries: 500 are some 60 kB. A
// larger city's panels of sites are read by choosing a locality.
const mostNames = 500

// sites are those that a query may show and whose names are known.
func (r *renderer) sites(q Query) []Site {
	kind := q.Kind
	switch kind {
	case telemetry.AirQualityIndex:
		kind = telemetry.AirQuality
	case telemetry.SiteState, telemetry.Platform, telemetry.ActiveAlarm:
		kind = ""
	}
	found := r.of(kind)
	if len(q.Sites) > 0 {
		found = slices.DeleteFunc(r.of(""), func(s Site) bool { return !slices.Contains(q.Sites, s.ID) })
	}
	found = slices.DeleteFunc(found, func(s Site) bool { return slices.Contains(q.Except, s.ID) })
	return found[:min(len(found), mostNames)]
}

// variable is a variable's model.
func (r *renderer) variable(v Variable) variableModel {
	m := variableModel{Type: "query", Name: v.Name, Label: v.Label.In(r.Lang), IncludeAll: v.All, Multi: v.All && !v.Pattern, Options: []optionModel{}}
	if r.Wall {
		m.Hide = 2
	}
	if v.All {
		m.AllValue = all
		m.Current = &optionModel{true, []string{"All"}, []string{"$__all"}}
		if !m.Multi {
			m.Current = &optionModel{true, "All", "$__all"}
		}
	}
	if len(v.Choices) > 0 {
		m.Type, m.Query = "custom", custom(v.Choices, r.Lang)
		if !v.All {
			m.Current = &optionModel{true, v.Choices[v.First].Name.In(r.Lang), v.Choices[v.First].Value}
		}
		for _, c := range v.Choices {
			m.Options = append(m.Options, optionModel{false, c.Name.In(r.Lang), c.Value})
		}
		if v.All {
			m.Options = append([]optionModel{{true, "All", "$__all"}}, m.Options...)
		} else {
			m.Options[v.First].Selected = true
		}
		return m
	}
	question := r.Dialect.question(v)
	m.Datasource, m.Definition, m.Refresh, m.Sort = r.source(), question, 2, 1
	m.Query = question
	if r.Dialect.Language == PromQL {
		m.Query = map[string]string{"query": question, "refId": "variable"}
	}
	return m
}
