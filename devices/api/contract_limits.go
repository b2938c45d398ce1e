package api

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// LimitInput is what people say of a limit of a site.
type LimitInput struct {
	Device        telemetry.Device `json:"device,omitempty" maxLength:"64" doc:"Only this device's readings count; absent: all at the site. Never changes"`
	Code          string           `json:"code,omitempty" maxLength:"64" doc:"Which of the site's limits it is: bd1, bd2, bd3, record (rivers), normal, flood (reservoirs), or a word of your own. Never changes; at no moment are two of one code in force. Needed at creation" example:"bd3"`
	Kind          telemetry.Kind   `json:"kind,omitempty" maxLength:"64" doc:"Absent: what the code says, which bd1 to flood do" example:"water_level"`
	Metric        telemetry.Metric `json:"metric,omitempty" maxLength:"64" example:"level"`
	Statistic     string           `json:"statistic,omitempty" enum:"last,mean,sum,rise" doc:"What is compared: the newest value, the mean or the sum of the window, the rise within it"`
	WindowSeconds float64          `json:"window_seconds,omitempty" minimum:"0" maximum:"604800" doc:"Absent: an hour"`
	Value         float64          `json:"value" doc:"In the catalogue's unit; levels are above the gauge's own datum" example:"11"`
	Below         bool             `json:"below,omitempty" doc:"Less is worse, as with oxygen"`
	Strict        bool             `json:"strict,omitempty" doc:"To equal the value is no breach"`
	Severity      string           `json:"severity,omitempty" enum:"watch,warning,danger,extreme"`
	NameVI        string           `json:"name_vi,omitempty" maxLength:"400" doc:"Without the place; absent: what the code says"`
	NameEN        string           `json:"name_en,omitempty" maxLength:"400"`
	Year          int              `json:"year,omitempty" doc:"Of a record" example:"2009"`
	Datum         string           `json:"datum,omitempty" maxLength:"400" doc:"What levels are counted from. Each gauge has its own: never compare two"`
	Basis         string           `json:"basis,omitempty" enum:"law,secondary,operational" doc:"law: read in the regulation or an official feed. secondary: from the press or another source. operational (absent): your own. The first two need a reference"`
	Reference     string           `json:"reference,omitempty" maxLength:"400" doc:"The decision or the source, in Vietnamese"`
	ReferenceEN   string           `json:"reference_en,omitempty" maxLength:"400"`
	From          *time.Time       `json:"from,omitempty" doc:"Since when it is in force; absent: always"`
	Until         *time.Time       `json:"until,omitempty" doc:"Until when; absent: it is still in force. What is over counts for boards and replays of its time only"`
}

// Limit is a limit of a site.
type Limit struct {
	ID   int64          `json:"id"`
	Site telemetry.Site `json:"site"`
	LimitInput
	Unit    string     `json:"unit,omitempty" doc:"Of the value" example:"m"`
	Rule    string     `json:"rule" doc:"The id of its alarm rule" example:"flood-bd3-dong-trang"`
	InForce bool       `json:"in_force" doc:"At this moment"`
	Version int64      `json:"version" doc:"Its ETag is this number in quotes"`
	Updated time.Time  `json:"updated"`
	Removed *time.Time `json:"removed,omitempty" doc:"When it was taken away; only where removed=true was asked"`
}

// LimitPage is a part of the limits of all sites, by ascending number.
type LimitPage struct {
	Limits []Limit `json:"limits"`
	Total  int     `json:"total" doc:"On all pages"`
	Next   string  `json:"next,omitempty" doc:"Continue with cursor=next; absent on the last page"`
}

// Limits are those of one site: gauges' levels in their order, then the others.
type Limits struct {
	Limits []Limit `json:"limits"`
}

// LimitWrite is what people say of a limit, and why.
type LimitWrite struct {
	LimitInput
	Why string `json:"why,omitempty" maxLength:"4000" doc:"In the person's own words; in the journal"`
}

// LevelsInput is the levels of a gauge, said at once. What is absent stays as it is.
type LevelsInput struct {
	Device      telemetry.Device `json:"device,omitempty" maxLength:"64"`
	BD1         *float64         `json:"bd1,omitempty" doc:"Báo động I, in metres above the gauge's own datum" example:"8"`
	BD2         *float64         `json:"bd2,omitempty" example:"9.5"`
	BD3         *float64         `json:"bd3,omitempty" example:"11"`
	Record      *float64         `json:"record,omitempty" doc:"The highest on record" example:"13.42"`
	RecordYear  int              `json:"record_year,omitempty" example:"2009"`
	Normal      *float64         `json:"normal,omitempty" doc:"A reservoir's normal level"`
	Flood       *float64         `json:"flood,omitempty" doc:"A reservoir's flood level"`
	Datum       *string          `json:"datum,omitempty" maxLength:"400" doc:"Said of all levels"`
	Basis       string           `json:"basis,omitempty" enum:"law,secondary,operational" doc:"Said of the levels given; absent: as it was, of new ones operational"`
	Reference   *string          `json:"reference,omitempty" maxLength:"400" doc:"Said of the levels given"`
	ReferenceEN *string          `json:"reference_en,omitempty" maxLength:"400"`
	From        *time.Time       `json:"from,omitempty" doc:"The levels hold from then on, and what held until then ends there. Absent: they are corrected, as if they had always been so"`
	Like        telemetry.Site   `json:"like,omitempty" maxLength:"64" doc:"Take what is known of this gauge (list-gauges) for all that is absent: for a second site at the same gauge"`
	Why         string           `json:"why,omitempty" maxLength:"4000"`
}

// KnownGauge is a gauge whose levels are known from outside, to fill a form with.
type KnownGauge struct {
	ID     telemetry.Site `json:"id" example:"tan-my"`
	NameVI string         `json:"name_vi"`
	NameEN string         `json:"name_en"`
	Limits []Limit        `json:"limits"`
}

// KnownGauges are all of them.
type KnownGauges struct {
	Gauges []KnownGauge `json:"gauges"`
}
