package dashboards

// History is a grid: a line for each series, a cell for each step.
type History struct{}

// Timeline is a line for each series, in stretches of equal value.
type Timeline struct{}

type historyOptions struct {
	ShowValue string       `json:"showValue"`
	RowHeight float64      `json:"rowHeight"`
	ColWidth  *float64     `json:"colWidth,omitempty"`
	MergeSame *bool        `json:"mergeValues,omitempty"`
	AlignText string       `json:"alignValue,omitempty"`
	Legend    legendModel  `json:"legend"`
	Tooltip   tooltipModel `json:"tooltip"`
}

type historyCustom struct {
	LineWidth   int `json:"lineWidth"`
	FillOpacity int `json:"fillOpacity"`
}

func (History) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "status-history"
	width := 0.95
	m.Options = historyOptions{ShowValue: "never", RowHeight: 0.9, ColWidth: &width, Legend: legendOf(Below), Tooltip: tooltipModel{"single", "none"}}
	r.grid(p, m)
}

func (Timeline) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "state-timeline"
	merge := true
	m.Options = historyOptions{ShowValue: "auto", RowHeight: 0.85, MergeSame: &merge, AlignText: "left", Legend: legendOf(Below), Tooltip: tooltipModel{"single", "none"}}
	r.grid(p, m)
}

func (r *renderer) grid(p Panel, m *panelModel) {
	r.single(p, m, grey)
	m.FieldConfig.Defaults.Custom = historyCustom{0, 85}
	if len(p.Mappings) > 0 {
		m.FieldConfig.Defaults.Color = &colorModel{Mode: "palette-classic"} // so that the legend has the words
	}
}

// Shares is a ring of parts of a whole.
type Shares struct{}

type sharesOptions struct {
	ReduceOptions reduceModel  `json:"reduceOptions"`
	PieType       string       `json:"pieType"`
	DisplayLabels []string     `json:"displayLabels"`
	Legend        sharesLegend `json:"legend"`
	Tooltip       tooltipModel `json:"tooltip"`
}

type sharesLegend struct {
	legendModel
	Values []string `json:"values"`
}

func (Shares) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "piechart"
	legend := legendOf(Below)
	legend.Placement, legend.DisplayMode = "right", "table"
	m.Options = sharesOptions{ReduceOptions: last(), PieType: "donut", DisplayLabels: []string{}, Legend: sharesLegend{legend, []string{"percent", "value"}}, Tooltip: tooltipModel{"single", "none"}}
	m.FieldConfig.Defaults.Color = &colorModel{Mode: "palette-classic"}
	m.FieldConfig.Defaults.Custom = struct{}{}
	m.FieldConfig.Overrides = append(m.FieldConfig.Overrides, r.names(p)...)
}

// Note is a text.
type Note struct{ Content Text }

type noteOptions struct {
	Mode    string `json:"mode"`
	Content string `json:"content"`
}

func (v Note) draw(r *renderer, p Panel, m *panelModel) {
	m.Type, m.FieldConfig = "text", nil
	m.Options = noteOptions{"markdown", v.Content.In(r.Lang)}
	m.Transparent = p.Title.IsZero()
}

// GrafanaAlarms lists the active alarms of Grafana's own rules, or counts them.
type GrafanaAlarms struct{ Count bool }

type alarmsOptions struct {
	ViewMode        string      `json:"viewMode"`
	GroupMode       string      `json:"groupMode"`
	GroupBy         []string    `json:"groupBy"`
	MaxItems        int         `json:"maxItems"`
	SortOrder       int         `json:"sortOrder"`
	DashboardAlerts bool        `json:"dashboardAlerts"`
	AlertName       string      `json:"alertName"`
	LabelFilter     string      `json:"alertInstanceLabelFilter"`
	StateFilter     alarmStates `json:"stateFilter"`
}

type alarmStates struct {
	Firing  bool `json:"firing"`
	Pending bool `json:"pending"`
	NoData  bool `json:"noData"`
	Normal  bool `json:"normal"`
	Error   bool `json:"error"`
}

func (v GrafanaAlarms) draw(_ *renderer, _ Panel, m *panelModel) {
	m.Type, m.FieldConfig = "alertlist", nil
	mode := "list"
	if v.Count {
		mode = "stat"
	}
	m.Options = alarmsOptions{ViewMode: mode, GroupMode: "default", GroupBy: []string{}, MaxItems: 30, SortOrder: 3, StateFilter: alarmStates{Firing: true}}
}
