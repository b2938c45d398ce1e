package dashboards

import (
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Board is one board.
type Board struct {
	// ID is stable; the uid in Grafana is made of it.
	ID                 string
	Title, Description Text
	Variables          []Variable
	Rows               []Row
	// Wall are the rows of the form that hangs on a wall: no more than fits a screen
	// of 1920 by 1080, without variables.
	Wall []Row
	// Span is the range it opens with.
	Span time.Duration
}

// Row is panels beside each other, under a title where there is one. Where they
// are wider than the board they go on below.
type Row struct {
	Title  Text
	Panels []Panel
}

// Panel is one panel.
type Panel struct {
	Title, Description Text
	// Width is of 24 columns, Height in units of some 38 pixels.
	Width, Height int
	View          View
	Queries       []Query
	// Grafana is drawn instead, without the queries, where Grafana evaluates the
	// alarms and the store knows none: see package rules.
	Grafana View
	// Span is the panel's own range, whatever the board's; zero is the board's.
	Span time.Duration
	// Limits are drawn, and named in the description with what they rest on.
	Limits []limits.Limit
	// Mappings give numbers words and colours.
	Mappings []Mapping
	// Unit is what the panel is in where its queries do not say.
	Unit *Unit
	// MayBeEmpty is why nothing to show is nothing wrong; without it an empty panel
	// is a fault.
	MayBeEmpty Text
}

// View is how a panel is drawn.
type View interface {
	// draw fills in what is the view's own.
	draw(r *renderer, p Panel, m *panelModel)
}

// Mapping is a number, or a range of numbers, with a word and a colour.
type Mapping struct {
	From, To float64 // the same for a single number
	Text     Text
	Colour   string
}

// in is the panel as a store of a language has it.
func (p Panel) in(l Language) Panel {
	if l == InfluxQL {
		p.Queries = slices.DeleteFunc(slices.Clone(p.Queries), func(q Query) bool { return q.Stat == Age })
	}
	if l == InfluxQL && p.Grafana != nil {
		p.View, p.Queries, p.Span = p.Grafana, nil, 0
	}
	return p
}

// step is the shortest step that a panel's queries make sense in.
func (p Panel) step(r *renderer) time.Duration {
	var least time.Duration
	for _, q := range p.Queries {
		k, m := q.spec(r.Catalogue)
		switch {
		case k == nil:
		case q.Shape == Buckets:
			least = max(least, q.Window)
		case q.Across == Total && m.Form == telemetry.Gauge:
			// A device that is only late would be missing from the total.
			slow := k.Cadence
			if _, known, ok := r.cadences(q); ok {
				slow = known
			}
			least = max(least, 3*slow)
		case q.stat(m) == Increase:
			least = max(least, 4*k.Cadence) // two readings make an increase
		default:
			least = max(least, k.Cadence)
		}
	}
	return least
}

// week is the longest range that reads readings; see the package's comment.
const week = 7 * 24 * time.Hour

// resolved are the queries with what the panel and the board say.
func (p Panel) resolved(r *renderer) []Query {
	out := make([]Query, len(p.Queries))
	for i, q := range p.Queries {
		if q.Variables == nil {
			q.Variables = r.board.Variables
		}
		q.Hourly = q.Hourly || p.Span > week
		q.Reach = r.reach(q)
		out[i] = q
	}
	return out
}
