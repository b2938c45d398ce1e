package dashboards

// Map shows sites where they are. Its queries are latitude, longitude and what
// colours the site; more are told where one points.
type Map struct {
	// Steps colour the third query's values.
	Steps []Mapping
	// Words are the words for them; Signs, of the last query, stand on the map.
	Words, Signs []Mapping
	// Near looks closely at the one site that there is.
	Near bool
}

func (Map) columns() {}

type mapOptions struct {
	View     mapView     `json:"view"`
	Controls mapControls `json:"controls"`
	Basemap  mapLayer    `json:"basemap"`
	Layers   []mapLayer  `json:"layers"`
	Tooltip  struct {
		Mode string `json:"mode"`
	} `json:"tooltip"`
}

type mapView struct {
	ID        string  `json:"id"`
	Lat       float64 `json:"lat"`
	Lon       float64 `json:"lon"`
	Zoom      float64 `json:"zoom"`
	AllLayers bool    `json:"allLayers"`
	Padding   int     `json:"padding,omitempty"` // percent
}

type mapControls struct {
	ShowZoom        bool `json:"showZoom"`
	MouseWheelZoom  bool `json:"mouseWheelZoom"`
	ShowAttribution bool `json:"showAttribution"`
	ShowScale       bool `json:"showScale"`
	ShowMeasure     bool `json:"showMeasure"`
	ShowDebug       bool `json:"showDebug"`
}

type mapLayer struct {
	Type     string       `json:"type"`
	Name     string       `json:"name"`
	Config   any          `json:"config"`
	Location *mapLocation `json:"location,omitempty"`
	Tooltip  bool         `json:"tooltip"`
}

type mapLocation struct {
	Mode      string `json:"mode"`
	Latitude  string `json:"latitude"`
	Longitude string `json:"longitude"`
}

type markers struct {
	ShowLegend bool        `json:"showLegend"`
	Style      markerStyle `json:"style"`
}

type markerStyle struct {
	Color      dimension  `json:"color"`
	Opacity    float64    `json:"opacity"`
	Size       sizeRange  `json:"size"`
	Symbol     symbol     `json:"symbol"`
	Text       *dimension `json:"text,omitempty"`
	TextConfig *textStyle `json:"textConfig,omitempty"`
	Rotation   rotation   `json:"rotation"`
}

type textStyle struct {
	FontSize     int    `json:"fontSize"`
	OffsetX      int    `json:"offsetX"`
	OffsetY      int    `json:"offsetY"`
	TextAlign    string `json:"textAlign"`
	TextBaseline string `json:"textBaseline"`
}

type dimension struct {
	Field string `json:"field,omitempty"`
	Fixed string `json:"fixed"`
	Mode  string `json:"mode,omitempty"`
}

// sizeRange are radii in pixels, the largest for the field's largest value.
type sizeRange struct {
	Field string  `json:"field,omitempty"`
	Fixed float64 `json:"fixed"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

type symbol struct {
	Fixed string `json:"fixed"`
	Mode  string `json:"mode"`
}

type rotation struct {
	Fixed float64 `json:"fixed"`
	Mode  string  `json:"mode"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

// view is all sites that there are; Zoom is how near at most.
func (v Map) view() mapView {
	out := mapView{ID: "fit", Lat: 12.22, Lon: 109.13, Zoom: 15, AllLayers: true, Padding: 8}
	if v.Near {
		out.Zoom = 13
	}
	return out
}

func (v Map) draw(r *renderer, p Panel, m *panelModel) {
	m.Type = "geomap"
	m.Transformations = r.joined(p)
	name := func(i int) string { return p.Queries[i].title(r.Catalogue).In(r.Lang) }
	o := mapOptions{
		View:     v.view(),
		Controls: mapControls{ShowZoom: true, ShowAttribution: true, ShowScale: true},
		Basemap:  mapLayer{Type: "default", Name: "basemap", Config: struct{}{}},
		Layers: []mapLayer{{Type: "markers", Name: siteWord().In(r.Lang), Tooltip: true, Location: &mapLocation{"coords", name(0), name(1)},
			Config: markers{Style: markerStyle{Color: dimension{Field: name(2), Fixed: sea}, Opacity: 0.5, Size: sizeRange{name(2), 8, 7, 13},
				Text: &dimension{Field: name(len(p.Queries) - 1), Mode: "field"}, TextConfig: &textStyle{18, 0, 0, "center", "middle"},
				Symbol: symbol{"img/icons/marker/circle.svg", "fixed"}, Rotation: rotation{0, "mod", -360, 360}}}}},
	}
	o.Tooltip.Mode = "details"
	m.Options = o
	d := &m.FieldConfig.Defaults
	d.Unit, d.Decimals = "", nil
	d.Color = &colorModel{Mode: "thresholds"}
	d.Thresholds = stepsOf(v.Steps)
	m.FieldConfig.Overrides = r.cells(p, Table{Words: map[int][]Mapping{2: v.Words, len(p.Queries) - 1: v.Signs}})
}
