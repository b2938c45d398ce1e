package dashboards

import "slices"

// Lines is a chart over time.
type Lines struct {
	// Fill is how opaque the ground under the line is, in percent.
	Fill int
	// Stack puts the series on top of each other.
	Stack bool
	// Bars draws bars and not lines.
	Bars bool
	// Legend is where the legend stands; NoLegend for one series.
	Legend Legend
	// Min and Max bound the axis; SoftMin and SoftMax only where values do not go
	// beyond.
	Min, Max, SoftMin, SoftMax *float64
	// Reach makes the axis reach the lowest of the limits, however far values are
	// below it. A limit of too little is always within the axis.
	Reach bool
	// Bands colour the ground of ranges of values, such as an index's.
	Bands []Mapping
	// Colours, by query; without them each series has its own.
	Colours []string
}

// Legend says where a chart's legend stands.
type Legend uint8

// The legends. Beside is a table for many series, which scrolls and so never eats
// the chart.
const (
	Below Legend = iota
	Beside
	NoLegend
)

type linesOptions struct {
	Legend  legendModel  `json:"legend"`
	Tooltip tooltipModel `json:"tooltip"`
}

type legendModel struct {
	ShowLegend  bool     `json:"showLegend"`
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	Calcs       []string `json:"calcs"`
	Width       int      `json:"width,omitempty"`
}

type tooltipModel struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}

type linesCustom struct {
	DrawStyle         string          `json:"drawStyle"`
	LineInterpolation string          `json:"lineInterpolation"`
	LineWidth         float64         `json:"lineWidth"`
	FillOpacity       int             `json:"fillOpacity"`
	GradientMode      string          `json:"gradientMode"`
	ShowPoints        string          `json:"showPoints"`
	PointSize         int             `json:"pointSize"`
	SpanNulls         any             `json:"spanNulls"` // false, or milliseconds
	BarAlignment      int             `json:"barAlignment"`
	BarWidthFactor    float64         `json:"barWidthFactor,omitempty"`
	Stacking          stackingModel   `json:"stacking"`
	ThresholdsStyle   thresholdsStyle `json:"thresholdsStyle"`
	AxisPlacement     string          `json:"axisPlacement"`
	AxisLabel         string          `json:"axisLabel"`
	AxisSoftMin       *float64        `json:"axisSoftMin,omitempty"`
	AxisSoftMax       *float64        `json:"axisSoftMax,omitempty"`
}

type stackingModel struct {
	Mode  string `json:"mode"`
	Group string `json:"group"`
}

type thresholdsStyle struct {
	Mode string `json:"mode"`
}

// legendOf is a legend's model.
func legendOf(l Legend, calcs ...string) legendModel {
	switch l {
	case Beside:
		return legendModel{true, "table", "right", calcs, 320}
	case NoLegend:
		return legendModel{false, "hidden", "bottom", []string{}, 0}
	default:
		return legendModel{true, "list", "bottom", []string{}, 0}
	}
}

func (v Lines) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "timeseries"
	custom := linesCustom{DrawStyle: "line", LineInterpolation: "linear", LineWidth: 1.5, FillOpacity: v.Fill, GradientMode: "none", ShowPoints: "never", PointSize: 5,
		SpanNulls: r.gap(p), Stacking: stackingModel{"none", "A"}, ThresholdsStyle: thresholdsStyle{"off"}, AxisPlacement: "auto",
		AxisSoftMin: v.SoftMin, AxisSoftMax: v.SoftMax}
	switch {
	case v.Bars && !v.Stack && p.Queries[0].By >= BySite:
		custom.LineInterpolation, custom.FillOpacity = "stepAfter", 0
	case v.Bars && !v.Stack && (p.Queries[0].By != Together || len(p.Queries) > 1):
		// Bars of several series would stand in front of each other.
		custom.LineInterpolation, custom.FillOpacity = "stepAfter", 12
	case v.Bars:
		custom.DrawStyle, custom.FillOpacity, custom.LineWidth, custom.BarAlignment, custom.BarWidthFactor = "bars", 80, 0, 1, 0.8
	}
	if v.Stack {
		custom.Stacking.Mode = "normal"
	}
	d := &m.FieldConfig.Defaults
	d.Min, d.Max = v.Min, v.Max
	d.Color = &colorModel{Mode: "palette-classic"}
	if len(p.Limits) > 0 {
		custom.ThresholdsStyle.Mode, d.Thresholds = "dashed", lines(p.Limits)
		if v.Reach {
			top := sorted(p.Limits)[0].Value * 1.05
			custom.AxisSoftMax = &top
		}
		if low := sorted(p.Limits)[0]; low.Below && custom.AxisSoftMin == nil {
			bottom := low.Value * 0.95
			custom.AxisSoftMin = &bottom
		}
	}
	if len(v.Bands) > 0 {
		custom.ThresholdsStyle.Mode, d.Thresholds = "line", stepsOf(v.Bands)
	}
	d.Custom = custom
	m.Options = linesOptions{legendOf(v.Legend, "lastNotNull"), tooltipModel{"multi", "desc"}}
	m.FieldConfig.Overrides = append(m.FieldConfig.Overrides, r.cadenceGaps(p, r.names(p))...)
	for i, c := range v.Colours {
		m.FieldConfig.Overrides = append(m.FieldConfig.Overrides, override{matcher{"byFrameRefID", refID(i)}, []property{{"color", colorModel{"fixed", c}}}})
	}
}

// Tiles are big numbers.
type Tiles struct {
	// Graph draws the course behind the number.
	Graph bool
	// Ground colours the tile and not the number.
	Ground bool
	// Names shows what each number is of.
	Names bool
	// Sideways puts the tiles under each other.
	Sideways bool
	// Colour is the number's where nothing else colours it; Steps colour by value.
	Colour string
	Steps  []Mapping
}

type reduceModel struct {
	Calcs  []string `json:"calcs"`
	Fields string   `json:"fields"`
	Values bool     `json:"values"`
}

type tilesOptions struct {
	ReduceOptions reduceModel `json:"reduceOptions"`
	Orientation   string      `json:"orientation"`
	TextMode      string      `json:"textMode"`
	ColorMode     string      `json:"colorMode"`
	GraphMode     string      `json:"graphMode"`
	JustifyMode   string      `json:"justifyMode"`
	WideLayout    bool        `json:"wideLayout"`
	Text          *textSizes  `json:"text,omitempty"`
	ShowPercent   bool        `json:"showPercentChange"`
	PercentColour string      `json:"percentChangeColorMode"`
}

// textSizes are in pixels.
type textSizes struct {
	TitleSize int `json:"titleSize"`
	ValueSize int `json:"valueSize"`
}

// sizes are those at which so many tiles beside each other hold their numbers, or
// the words for them; Grafana by itself gives each panel another size, and cuts
// wide numbers off.
func sizes(width, tiles int, words []Mapping) *textSizes {
	const column, digits, letter = 76, 5.4, 0.62 // pixels, and of the size of the type
	across := digits
	for _, w := range words {
		across = max(across, letter*float64(len([]rune(w.Text.VI))))
	}
	value := min(44, int(float64(width*column/tiles)/across))
	return &textSizes{TitleSize: min(16, max(12, value/2)), ValueSize: value}
}

// rowSizes are those at which so many tiles under each other do.
func rowSizes(height, tiles int) *textSizes {
	const row, title = 38, 40 // pixels
	value := min(32, (height*row-title)/tiles*7/10)
	return &textSizes{TitleSize: min(18, value), ValueSize: value}
}

// last is how one number is made of a series.
func last() reduceModel { return reduceModel{[]string{"lastNotNull"}, "", false} }

func (v Tiles) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "stat"
	o := tilesOptions{ReduceOptions: last(), Orientation: "auto", TextMode: "value", ColorMode: "value", GraphMode: "none", JustifyMode: "auto", WideLayout: true, PercentColour: "standard"}
	if v.Names {
		o.TextMode = "value_and_name"
		tiles := len(p.Queries)
		if p.Queries[0].By == ByLocality {
			tiles = max(4, len(r.Localities))
			m.Transformations = r.inOrder(r.localityIDs())
		}
		o.Text = sizes(p.Width, tiles, p.Mappings)
		if v.Sideways {
			o.Text = rowSizes(p.Height, tiles)
		}
	}
	if v.Graph {
		o.GraphMode = "area"
	}
	if v.Ground {
		o.ColorMode = "background"
	}
	if v.Sideways {
		o.Orientation = "horizontal"
	}
	m.Options = o
	if v.Ground { // the ground of nothing would be that of the least value, such as the green of good air
		none := mappingResult{Text: Text{"Chưa có", "No data"}.In(r.Lang), Color: grey, Index: len(p.Mappings)}
		m.FieldConfig.Defaults.Mappings = append(m.FieldConfig.Defaults.Mappings, mappingModel{"special", specialMapping{"null", none}})
	}
	r.single(p, m, v.Colour)
	if len(v.Steps) > 0 {
		m.FieldConfig.Defaults.Thresholds = stepsOf(v.Steps)
	}
}

// inOrder puts the answers of one query into an order: PromQL has none for what it
// answers of one moment, and each panel had its own.
func (r *renderer) inOrder(ids []string) []transformation {
	if r.Dialect.Language == InfluxQL || len(ids) == 0 {
		return nil
	}
	o := organize{map[string]bool{}, map[string]int{"Time": 0}, map[string]string{}}
	for i, id := range ids {
		o.IndexByName[id] = i + 1
	}
	return []transformation{{"joinByField", map[string]string{"byField": "Time", "mode": "outer"}}, {"organize", o}}
}

// localityIDs are in the order of charts' legends.
func (r *renderer) localityIDs() []string {
	out := make([]string, len(r.Localities))
	for i, l := range r.Localities {
		out[i] = string(l.ID)
	}
	slices.Sort(out)
	return out
}

// single is what views of single numbers have in common: the colour is the limits',
// or that of the words for numbers, or one.
func (r *renderer) single(p Panel, m *panelModel, colour string) {
	if colour == "" {
		colour = sea
	}
	d := &m.FieldConfig.Defaults
	d.Color = &colorModel{Mode: "thresholds"}
	d.Thresholds = &thresholdsModel{"absolute", []thresholdStep{{Color: colour}}}
	if len(p.Limits) > 0 {
		d.Thresholds = regions(p.Limits)
	}
	m.FieldConfig.Overrides = append(m.FieldConfig.Overrides, r.names(p)...)
}

// Dial is a gauge.
type Dial struct {
	Min, Max float64
	// Steps colour the dial where there are no limits.
	Steps []Mapping
}

type dialOptions struct {
	ReduceOptions        reduceModel `json:"reduceOptions"`
	Orientation          string      `json:"orientation"`
	ShowThresholdLabels  bool        `json:"showThresholdLabels"`
	ShowThresholdMarkers bool        `json:"showThresholdMarkers"`
	MinVizWidth          int         `json:"minVizWidth"`
	MinVizHeight         int         `json:"minVizHeight"`
	Sizing               string      `json:"sizing"`
}

func (v Dial) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "gauge"
	m.Options = dialOptions{ReduceOptions: last(), Orientation: "auto", ShowThresholdMarkers: true, MinVizWidth: 75, MinVizHeight: 75, Sizing: "auto"}
	r.single(p, m, "")
	m.FieldConfig.Defaults.Min, m.FieldConfig.Defaults.Max = &v.Min, &v.Max
	if len(v.Steps) > 0 {
		m.FieldConfig.Defaults.Thresholds = stepsOf(v.Steps)
	}
}

// stepsOf makes steps of colours of mappings.
func stepsOf(ms []Mapping) *thresholdsModel {
	out := &thresholdsModel{Mode: "absolute"}
	for i, s := range ms {
		step := thresholdStep{&s.From, s.Colour}
		if i == 0 {
			step.Value = nil
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}

// Bars are horizontal bars, one for each group.
type Bars struct {
	Min, Max float64
	Steps    []Mapping
}

type barsOptions struct {
	ReduceOptions reduceModel `json:"reduceOptions"`
	Orientation   string      `json:"orientation"`
	DisplayMode   string      `json:"displayMode"`
	ValueMode     string      `json:"valueMode"`
	ShowUnfilled  bool        `json:"showUnfilled"`
	NamePlacement string      `json:"namePlacement"`
	MinVizWidth   int         `json:"minVizWidth"`
	MinVizHeight  int         `json:"minVizHeight"`
	MaxVizHeight  int         `json:"maxVizHeight"`
	Sizing        string      `json:"sizing"`
	Legend        legendModel `json:"legend"`
}

func (v Bars) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "bargauge"
	if p.Queries[0].By == BySite {
		var ids []string
		for _, s := range p.Queries[0].Sites {
			ids = append(ids, string(s))
		}
		m.Transformations = r.inOrder(ids)
	}
	m.Options = barsOptions{ReduceOptions: last(), Orientation: "horizontal", DisplayMode: "basic", ValueMode: "text", ShowUnfilled: true, NamePlacement: "auto",
		MinVizWidth: 8, MinVizHeight: 16, MaxVizHeight: 300, Sizing: "auto", Legend: legendOf(NoLegend)}
	r.single(p, m, "")
	if v.Max > v.Min {
		m.FieldConfig.Defaults.Min, m.FieldConfig.Defaults.Max = &v.Min, &v.Max
	}
	if len(v.Steps) > 0 {
		m.FieldConfig.Defaults.Thresholds = stepsOf(v.Steps)
	}
}
