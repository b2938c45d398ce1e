package dashboards

import (
	"maps"
	"slices"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Table is a line for each group and a column for each query.
type Table struct {
	// Sort is the query that orders the lines, the largest first; -1 is by name.
	Sort int
	// Coloured are the queries whose cells are coloured by their limits or words.
	Coloured []int
	// Words are the words for the numbers of a query's column.
	Words map[int][]Mapping
	// Gauged are the queries whose cells have a bar, up to the value given, coloured
	// by Steps where there are no limits.
	Gauged map[int]float64
	Steps  []Mapping
	// Widths are those of queries' columns, in pixels; the others share the rest. Where
	// all have one, the site's has the rest.
	Widths map[int]int
}

func (Table) columns() {}

type tableOptions struct {
	ShowHeader bool        `json:"showHeader"`
	CellHeight string      `json:"cellHeight"`
	SortBy     []sortModel `json:"sortBy"`
	FrameIndex int         `json:"frameIndex"`
}

type sortModel struct {
	DisplayName string `json:"displayName"`
	Desc        bool   `json:"desc"`
}

type tableCustom struct {
	Align       string    `json:"align"`
	DisplayMode string    `json:"displayMode"`    // Grafana 9
	CellOptions cellModel `json:"cellOptions"`    // Grafana 10 and later
	WrapHeader  bool      `json:"wrapHeaderText"` // Grafana 12 and later, which cuts the beginning off otherwise
	Inspect     bool      `json:"inspect"`
	MinWidth    int       `json:"minWidth"`
}

type cellModel struct {
	Type             string `json:"type"`
	Mode             string `json:"mode,omitempty"`
	ValueDisplayMode string `json:"valueDisplayMode,omitempty"`
}

type organize struct {
	ExcludeByName map[string]bool   `json:"excludeByName"`
	IndexByName   map[string]int    `json:"indexByName"`
	RenameByName  map[string]string `json:"renameByName"`
}

// Words of tables.
func siteWord() Text     { return Text{"Điểm đo", "Site"} }
func localityWord() Text { return Text{"Địa phương", "Locality"} }

// deviceWord is what the device of a kind is.
func deviceWord(k telemetry.Kind) Text {
	switch k {
	case telemetry.Platform:
		return Text{"Cổng thu", "Gateway"}
	case telemetry.ActiveAlarm:
		return Text{"Cảnh báo", "Alarm"}
	}
	return Text{"Thiết bị", "Device"}
}

// joined makes one table of the answers, with people's names for its columns.
func (r *renderer) joined(p Panel) []transformation {
	o := organize{map[string]bool{"Time": true, "time": true}, map[string]int{}, map[string]string{}}
	for i, l := range p.Queries[0].By.labels() {
		word := map[string]Text{"locality": localityWord(), "site": siteWord(), "device": deviceWord(p.Queries[0].Kind)}[l]
		o.RenameByName[l], o.IndexByName[l] = word.In(r.Lang), 2-i
	}
	if p.Queries[0].By == ByLocality {
		o.IndexByName["locality"] = 0
	}
	if p.Queries[0].By == ByDevice || p.Width < 8 {
		o.ExcludeByName["locality"] = true
	}
	if p.Queries[0].Kind == telemetry.Platform {
		o.ExcludeByName["site"] = true // there is one
	}
	for i, q := range p.Queries {
		column := "Value #" + refID(i)
		o.RenameByName[column], o.IndexByName[column] = q.title(r.Catalogue).In(r.Lang), 3+i
		if len(p.Queries) == 1 {
			o.RenameByName["Value"], o.IndexByName["Value"] = o.RenameByName[column], 3
		}
	}
	return []transformation{
		{"filterFieldsByName", map[string]any{"exclude": map[string]string{"pattern": "^[Tt]ime$"}}},
		{"merge", struct{}{}}, {"organize", o},
	}
}

func (v Table) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "table"
	m.Transformations = r.joined(p)
	options := tableOptions{ShowHeader: true, CellHeight: "sm"}
	if v.Sort >= 0 {
		options.SortBy = []sortModel{{p.Queries[v.Sort].title(r.Catalogue).In(r.Lang), true}}
	} else {
		options.SortBy = []sortModel{{siteWord().In(r.Lang), false}}
	}
	m.Options = options
	d := &m.FieldConfig.Defaults
	d.Unit, d.Decimals = "", nil
	d.Custom = tableCustom{Align: "auto", DisplayMode: "auto", CellOptions: cellModel{Type: "auto"}, WrapHeader: true, MinWidth: 80}
	d.Color = &colorModel{Mode: "thresholds"}
	d.Thresholds = &thresholdsModel{"absolute", []thresholdStep{{Color: sea}}}
	m.FieldConfig.Overrides = r.cells(p, v)
}

// cells are what the columns look like.
func (r *renderer) cells(p Panel, v Table) []override {
	var out []override
	coloured := map[int]bool{}
	for _, i := range v.Coloured {
		coloured[i] = true
	}
	for i, q := range p.Queries {
		column := q.title(r.Catalogue).In(r.Lang)
		u, _ := q.unit(r.Catalogue)
		properties := []property{{"unit", u.Grafana}}
		if u.Decimals >= 0 {
			properties = append(properties, property{"decimals", u.Decimals})
		}
		if width, ok := v.Widths[i]; ok {
			properties = append(properties, property{"custom.width", width})
		}
		if words := v.Words[i]; len(words) > 0 {
			properties = append(properties, property{"mappings", r.mappings(words)})
		}
		if coloured[i] {
			properties = append(properties, property{"custom.displayMode", "color-background-solid"},
				property{"custom.cellOptions", cellModel{Type: "color-background", Mode: "basic"}})
			if ls := limitsOf(p.Limits, q); len(ls) > 0 {
				properties = append(properties, property{"thresholds", regions(ls)})
			} else {
				properties = append(properties, property{"thresholds", &thresholdsModel{"absolute", []thresholdStep{{Color: clear}}}})
			}
		}
		if top, ok := v.Gauged[i]; ok {
			properties = append(properties, property{"custom.displayMode", "basic"}, property{"custom.cellOptions", cellModel{Type: "gauge", Mode: "basic", ValueDisplayMode: "text"}},
				property{"min", 0.0}, property{"max", top})
			if ls := limitsOf(p.Limits, q); len(ls) > 0 {
				properties = append(properties, property{"thresholds", regions(ls)})
			} else if len(v.Steps) > 0 {
				properties = append(properties, property{"thresholds", stepsOf(v.Steps)})
			}
		}
		out = append(out, override{matcher{"byName", column}, properties})
	}
	return append(out, r.idNames(p, v)...)
}

// idNames give sites and localities their names in the columns of ids.
func (r *renderer) idNames(p Panel, v Table) []override {
	var out []override
	add := func(column Text, names map[string]mappingResult) {
		if len(names) > 0 {
			out = append(out, override{matcher{"byName", column.In(r.Lang)}, []property{{"mappings", []mappingModel{{"value", names}}}}})
		}
	}
	sites, localities := map[string]mappingResult{}, map[string]mappingResult{}
	for _, q := range p.resolved(r) {
		for _, s := range r.sites(q) {
			sites[string(s.ID)] = mappingResult{Text: s.name().In(r.Lang), Index: len(sites)}
		}
	}
	for i, l := range r.Localities {
		localities[string(l.ID)] = mappingResult{Text: r.localityName(l.ID).In(r.Lang), Index: i}
	}
	if by := p.Queries[0].By; by == BySite || by == ByDevice {
		add(siteWord(), sites)
		if by == ByDevice || len(v.Widths) < len(p.Queries) {
			out = append(out, override{matcher{"byName", siteWord().In(r.Lang)}, []property{{"custom.width", 200}}})
		}
	}
	if p.Queries[0].Kind == telemetry.ActiveAlarm {
		alarms := map[string]mappingResult{}
		for i, id := range slices.Sorted(maps.Keys(r.Alarms)) {
			alarms[id] = mappingResult{Text: r.Alarms[id].In(r.Lang), Index: i}
		}
		add(deviceWord(telemetry.ActiveAlarm), alarms)
	}
	add(localityWord(), localities)
	return out
}
