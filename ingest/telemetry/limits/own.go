package limits

import (
	"encoding"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Own is a limit of one site, or of one device there: a gauge's flood alarm
// levels, a reservoir's, a threshold of the operator's. The registry keeps them,
// with dates and sources; [Seed] is what a new registry begins with.
type Own struct {
	Site telemetry.Site `json:"site"`
	// Device narrows it to the readings of one device at the site.
	Device telemetry.Device `json:"device,omitempty"`
	// Code says which of the site's limits it is, such as bd1: at no moment are two
	// of one code in force for the same site and device.
	Code   string           `json:"code"`
	Kind   telemetry.Kind   `json:"kind"`
	Metric telemetry.Metric `json:"metric"`
	// Statistic over Window is compared with Value, in the catalogue's unit.
	Statistic Statistic     `json:"statistic"`
	Window    time.Duration `json:"window,omitempty"`
	Value     float64       `json:"value"`
	Below     bool          `json:"below,omitempty"`
	Strict    bool          `json:"strict,omitempty"`
	Severity  Severity      `json:"severity"`
	// NameVI and NameEN are what the limit is called, without the place.
	NameVI string `json:"nameVi"`
	NameEN string `json:"nameEn"`
	// Year is that of a record.
	Year int `json:"year,omitempty"`
	// Datum says what levels are counted from. Each gauge has its own: levels of two
	// gauges are never compared.
	Datum string `json:"datum,omitempty"`
	Basis Basis  `json:"basis"`
	// Reference names the decision or the source.
	Reference   string `json:"reference,omitempty"`
	ReferenceEN string `json:"referenceEn,omitempty"`
	// Since and Until bound when it is in force; zero is open.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// PlaceVI and PlaceEN are the site's name, for whoever shows the limit beside
	// those of others; the limit itself does not keep it.
	PlaceVI string `json:"-"`
	PlaceEN string `json:"-"`
}

// RuleID is the ID of the limit's row: stable, and another for each site, device
// and code.
func (o Own) RuleID() string {
	subject := "site"
	if o.Kind == telemetry.WaterLevel {
		subject = "flood"
	}
	id := fmt.Sprintf("%s-%s-%s", subject, o.Code, o.Site)
	if o.Device != "" {
		id += "@" + string(o.Device) // no id of a site or device has this sign
	}
	return id
}

// InForce reports whether the limit is in force at a moment.
func (o Own) InForce(t time.Time) bool {
	return !t.Before(o.Since) && (o.Until.IsZero() || t.Before(o.Until))
}

// Limit is the limit as a row of the table.
func (o Own) Limit() Limit {
	placeVI, placeEN := o.PlaceVI, o.PlaceEN
	if placeVI == "" {
		placeVI = string(o.Site)
	}
	if placeEN == "" {
		placeEN = placeVI
	}
	if o.Device != "" {
		placeVI, placeEN = placeVI+" ("+string(o.Device)+")", placeEN+" ("+string(o.Device)+")"
	}
	l := Limit{
		ID: o.RuleID(), Kind: o.Kind, Metric: o.Metric, Sites: []telemetry.Site{o.Site}, Device: o.Device,
		Statistic: o.Statistic, Window: o.Window, Below: o.Below, Strict: o.Strict, Value: o.Value, Severity: o.Severity,
		Since: o.Since, Until: o.Until, Basis: o.Basis, Reference: o.Reference, ReferenceEN: o.ReferenceEN,
		NameVI: o.NameVI + " tại " + placeVI, NameEN: o.NameEN + " at " + placeEN,
	}
	if l.Window == 0 {
		l.Window = hour
	}
	if l.ReferenceEN == "" {
		l.ReferenceEN = l.Reference
	}
	if l.Reference == "" {
		l.Reference, l.ReferenceEN = "người vận hành đặt", "set by the operator"
	}
	return l
}

// Table is what holds for a city: the limits of its own sites, and those of all.
func Table(own []Own) []Limit {
	general := General()
	out := make([]Limit, 0, len(own)+len(general))
	for _, o := range own {
		out = append(out, o.Limit())
	}
	return append(out, general...)
}

// Level is one of the customary limits of a gauge's level.
type Level struct {
	Code           string
	Severity       Severity
	Strict         bool
	NameVI, NameEN string
	// Rank orders them: what is of a higher rank cannot be lower than another of
	// the same kind of water. Rivers and reservoirs have levels of their own.
	Rank int
	// Equal is set where it may also equal the one below: a flood may have stopped
	// at báo động III.
	Equal bool
}

// The codes of the customary levels of rivers (báo động I to III and the highest
// on record) and of reservoirs.
const (
	CodeBD1    = "bd1"
	CodeBD2    = "bd2"
	CodeBD3    = "bd3"
	CodeRecord = "record"
	CodeNormal = "normal"
	CodeFlood  = "flood"
)

// Levels are the customary limits of a gauge, in order. A level reaches báo động
// by equalling it; a record and a reservoir's normal level have to be exceeded.
func Levels() []Level {
	return []Level{
		{Code: CodeBD1, Severity: Watch, NameVI: "Báo động I", NameEN: "Flood alarm I", Rank: 1},
		{Code: CodeBD2, Severity: Warning, NameVI: "Báo động II", NameEN: "Flood alarm II", Rank: 2},
		{Code: CodeBD3, Severity: Danger, NameVI: "Báo động III", NameEN: "Flood alarm III", Rank: 3},
		{Code: CodeRecord, Severity: Extreme, Strict: true, NameVI: "Vượt lũ lịch sử", NameEN: "Above the record", Rank: 4, Equal: true},
		{Code: CodeNormal, Severity: Watch, Strict: true, NameVI: "Vượt mực nước dâng bình thường", NameEN: "Above the normal level", Rank: 11},
		{Code: CodeFlood, Severity: Danger, NameVI: "Mực nước lũ của hồ", NameEN: "Flood level of the reservoir", Rank: 12},
	}
}

// LevelOf is the customary level of a code; false if it is none.
func LevelOf(code string) (Level, bool) {
	for _, l := range Levels() {
		if l.Code == code {
			return l, true
		}
	}
	return Level{}, false
}

// OfLevel is a customary level of a site: all but value, source and dates.
func OfLevel(site telemetry.Site, l Level, year int) Own {
	o := Own{Site: site, Code: l.Code, Kind: telemetry.WaterLevel, Metric: telemetry.Level, Statistic: Last, Severity: l.Severity, Strict: l.Strict,
		NameVI: l.NameVI, NameEN: l.NameEN, Year: year}
	if year != 0 && l.Code == CodeRecord {
		o.NameVI, o.NameEN = fmt.Sprintf("%s %d", l.NameVI, year), fmt.Sprintf("%s of %d", l.NameEN, year)
	}
	return o
}

// words are the names of statistic, severity and basis in files and interfaces,
// from 1.
type words []string

func (w words) text(n uint8) string {
	if int(n) < 1 || int(n) > len(w) {
		return ""
	}
	return w[n-1]
}

func (w words) read(text []byte, what string) (uint8, error) {
	for i, s := range w {
		if s == strings.ToLower(string(text)) {
			return uint8(i + 1), nil
		}
	}
	return 0, fmt.Errorf("%s is %q: give one of %s", what, text, strings.Join(w, ", "))
}

func statistics() words { return words{"mean", "sum", "last", "rise"} }
func severities() words { return words{"watch", "warning", "danger", "extreme"} }
func bases() words      { return words{"law", "secondary", "operational"} }

var (
	_ encoding.TextUnmarshaler = (*Statistic)(nil)
	_ encoding.TextUnmarshaler = (*Severity)(nil)
	_ encoding.TextUnmarshaler = (*Basis)(nil)
)

// String is mean, sum, last or rise; "" for none.
func (s Statistic) String() string { return statistics().text(uint8(s)) }

// MarshalText is the name.
func (s Statistic) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *Statistic) UnmarshalText(text []byte) error {
	n, err := statistics().read(text, "the statistic")
	*s = Statistic(n)
	return err
}

// String is watch, warning, danger or extreme; "" for none.
func (s Severity) String() string { return severities().text(uint8(s)) }

// MarshalText is the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *Severity) UnmarshalText(text []byte) error {
	n, err := severities().read(text, "the severity")
	*s = Severity(n)
	return err
}

// String is law, secondary or operational; "" for none.
func (b Basis) String() string { return bases().text(uint8(b)) }

// MarshalText is the name.
func (b Basis) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a name.
func (b *Basis) UnmarshalText(text []byte) error {
	n, err := bases().read(text, "the basis")
	*b = Basis(n)
	return err
}
