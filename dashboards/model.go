package dashboards

// The JSON model of Grafana's dashboards, schema 39, as far as these boards use it.
// The types are our own: those of client libraries are older than the panels. The
// golden files are held to Grafana's published types, see types/.

type boardModel struct {
	UID           string        `json:"uid"`
	Title         string        `json:"title"`
	Description   string        `json:"description,omitempty"`
	Tags          []string      `json:"tags"`
	Timezone      string        `json:"timezone"`
	WeekStart     string        `json:"weekStart"`
	Editable      bool          `json:"editable"`
	GraphTooltip  int           `json:"graphTooltip"`
	SchemaVersion int           `json:"schemaVersion"`
	Refresh       string        `json:"refresh"`
	Time          timeModel     `json:"time"`
	Timepicker    timepicker    `json:"timepicker"`
	Links         []linkModel   `json:"links"`
	Templating    templating    `json:"templating"`
	Annotations   annotations   `json:"annotations"`
	Panels        []*panelModel `json:"panels"`
}

type timeModel struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// timepicker is hidden on a wall: Grafana 12 shows it in kiosk mode, too, and the last
// row would not fit the screen.
type timepicker struct {
	Hidden bool `json:"hidden,omitempty"`
}

type linkModel struct {
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Icon        string   `json:"icon"`
	Tooltip     string   `json:"tooltip"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	KeepTime    bool     `json:"keepTime"`
	IncludeVars bool     `json:"includeVars"`
	TargetBlank bool     `json:"targetBlank"`
	URL         string   `json:"url,omitempty"`
}

type templating struct {
	List []variableModel `json:"list"`
}

type annotations struct {
	List []struct{} `json:"list"`
}

type variableModel struct {
	Type       string        `json:"type"`
	Name       string        `json:"name"`
	Label      string        `json:"label"`
	Hide       int           `json:"hide"`
	Datasource *sourceModel  `json:"datasource,omitempty"`
	Query      any           `json:"query"`
	Definition string        `json:"definition,omitempty"`
	Refresh    int           `json:"refresh,omitempty"`
	Sort       int           `json:"sort,omitempty"`
	Regex      string        `json:"regex,omitempty"`
	IncludeAll bool          `json:"includeAll"`
	AllValue   string        `json:"allValue,omitempty"`
	Multi      bool          `json:"multi"`
	Current    *optionModel  `json:"current,omitempty"`
	Options    []optionModel `json:"options"`
}

type optionModel struct {
	Selected bool `json:"selected"`
	Text     any  `json:"text"`
	Value    any  `json:"value"`
}

type sourceModel struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type panelModel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description,omitempty"`
	GridPos         gridPos          `json:"gridPos"`
	Transparent     bool             `json:"transparent,omitempty"`
	Datasource      *sourceModel     `json:"datasource,omitempty"`
	PluginVersion   string           `json:"pluginVersion,omitempty"`
	Interval        string           `json:"interval,omitempty"`
	MaxDataPoints   int              `json:"maxDataPoints,omitempty"`
	TimeFrom        string           `json:"timeFrom,omitempty"`
	Targets         []targetModel    `json:"targets,omitempty"`
	Transformations []transformation `json:"transformations,omitempty"`
	FieldConfig     *fieldConfig     `json:"fieldConfig,omitempty"`
	Options         any              `json:"options,omitempty"`
	// Of rows only.
	Collapsed *bool          `json:"collapsed,omitempty"`
	Panels    *[]*panelModel `json:"panels,omitempty"`
}

// targetModel is a query, of Prometheus or of InfluxDB.
type targetModel struct {
	RefID      string       `json:"refId"`
	Datasource *sourceModel `json:"datasource"`
	// Prometheus
	Expr         string `json:"expr,omitempty"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Format       string `json:"format,omitempty"`
	Instant      *bool  `json:"instant,omitempty"`
	Range        *bool  `json:"range,omitempty"`
	Interval     string `json:"interval,omitempty"`
	EditorMode   string `json:"editorMode,omitempty"`
	// InfluxDB
	Query        string `json:"query,omitempty"`
	RawQuery     bool   `json:"rawQuery,omitempty"`
	ResultFormat string `json:"resultFormat,omitempty"`
	Alias        string `json:"alias,omitempty"`
}

type transformation struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

type fieldConfig struct {
	Defaults  fieldModel `json:"defaults"`
	Overrides []override `json:"overrides"`
}

type fieldModel struct {
	Unit       string           `json:"unit,omitempty"`
	Decimals   *int             `json:"decimals,omitempty"`
	Min        *float64         `json:"min,omitempty"`
	Max        *float64         `json:"max,omitempty"`
	NoValue    string           `json:"noValue,omitempty"`
	Color      *colorModel      `json:"color,omitempty"`
	Mappings   []mappingModel   `json:"mappings"`
	Thresholds *thresholdsModel `json:"thresholds,omitempty"`
	Custom     any              `json:"custom,omitempty"`
}

type colorModel struct {
	Mode       string `json:"mode"`
	FixedColor string `json:"fixedColor,omitempty"`
}

type thresholdsModel struct {
	Mode  string          `json:"mode"`
	Steps []thresholdStep `json:"steps"`
}

// thresholdStep is a colour from a value on; the first has no value.
type thresholdStep struct {
	Value *float64 `json:"value"`
	Color string   `json:"color"`
}

type mappingModel struct {
	Type    string `json:"type"`
	Options any    `json:"options"`
}

type mappingResult struct {
	Text  string `json:"text"`
	Color string `json:"color,omitempty"`
	Index int    `json:"index"`
}

type rangeMapping struct {
	From   float64       `json:"from"`
	To     float64       `json:"to"`
	Result mappingResult `json:"result"`
}

// specialMapping is a word for what is no number: "null" is nothing at all.
type specialMapping struct {
	Match  string        `json:"match"`
	Result mappingResult `json:"result"`
}

type override struct {
	Matcher    matcher    `json:"matcher"`
	Properties []property `json:"properties"`
}

type matcher struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

type property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}
