package dashboards

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Boards are all boards of a province, in the order of a wall.
func Boards(p Province) []Board {
	return []Board{
		Overview(p), Locality(p), Air(p), Flood(p), Weather(p), Traffic(p), Noise(p), WaterQuality(p),
		Lighting(p), Waste(p), Parking(p), SitePlace(p), Platform(p),
	}
}

// WallInterval is how long a wall shows each board.
const WallInterval = 30 * time.Second

// WallOrder are the uids of the boards that a wall shows in turn. A board of one
// site is chosen by a person and is none of them.
func WallOrder(boards []Board, o Options) []string {
	o.Wall = true
	var out []string
	for _, b := range boards {
		if len(b.Wall) > 0 {
			out = append(out, b.UID(o))
		}
	}
	return out
}

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// over is a course over time.
func over(k telemetry.Kind, m telemetry.Metric, by Group) Query {
	return Query{Kind: k, Metric: m, By: by}
}

// newest is the last reading, no older than a window.
func newest(k telemetry.Kind, m telemetry.Metric, by Group, window time.Duration) Query {
	return Query{Kind: k, Metric: m, By: by, Shape: Now, Stat: Last, Window: window}
}

// now is the usual statistic of the window that ends now.
func now(k telemetry.Kind, m telemetry.Metric, by Group, window time.Duration) Query {
	return Query{Kind: k, Metric: m, By: by, Shape: Now, Window: window}
}

// each is the usual statistic of each hour or day.
func each(window time.Duration, k telemetry.Kind, m telemetry.Metric, by Group) Query {
	return Query{Kind: k, Metric: m, By: by, Shape: Buckets, Window: window}
}

// newestNote says what stands in a table of sites that report rarely.
func newestNote() Text {
	return Text{"Điểm đo thưa: số đo gần nhất trong 24 giờ, kèm thời gian đã qua.", "Of a site that reports rarely the newest reading within 24 hours, with its age."}
}

// total adds the series of a group up.
func (q Query) total() Query { q.Across = Total; return q }

// most takes the largest of a group.
func (q Query) most() Query { q.Across = Largest; return q }

// typical takes the median of a group.
func (q Query) typical() Query { q.Across = Median; return q }

// with takes another statistic.
func (q Query) with(s Stat) Query { q.Stat = s; return q }

// named gives the answer a name.
func (q Query) named(vi, en string) Query { q.Name = Text{vi, en}; return q }

// in says what the answer is in.
func (q Query) in(u *Unit) Query { q.Unit = u; return q }

// at narrows to sites.
func (q Query) at(sites ...telemetry.Site) Query { q.Sites = sites; return q }

// atLeast leaves out the series whose value is less than v.
func (q Query) atLeast(v float64) Query { q.AtLeast = &v; return q }

// atMost leaves out the series whose value is more than v.
func (q Query) atMost(v float64) Query { q.AtMost = &v; return q }

// sized is the panel in another size.
func (p Panel) sized(width, height int) Panel {
	p.Width, p.Height = width, height
	return p
}

// heading is the first row of a wall, where Grafana shows no title.
func heading(t Text) Row {
	return Row{Panels: []Panel{{Width: 24, Height: 2, View: Note{same("# HẢI ĐĂNG").Plus(" · ", t)}}}}
}

func value(v float64) *float64 { return &v }

// unfiltered asks for all that there is, whatever is chosen on the board.
func (q Query) unfiltered() Query { q.Variables = []Variable{}; return q }

// kept reads what is kept of hours.
func (q Query) kept() Query { q.Hourly = true; return q }
