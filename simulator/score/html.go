package score

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

//go:embed report.html
var reportPage string

// HTML writes the report as one page that needs nothing else: no script, no
// picture, no font from elsewhere.
func (r *Report) HTML(w io.Writer, l Language) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"t": l.pick, "n": grouped, "n64": func(n int) string { return grouped(int64(n)) }, "percent": l.percent, "time": shown,
		"short": func(t time.Time) string { return t.In(local()).Format("02/01 15:04") },
	}).Parse(reportPage)
	if err != nil {
		return fmt.Errorf("parse report's page: %w", err)
	}
	shows := r.shows()
	var columns []column
	for i, name := range l.columns() {
		if shows[i] {
			columns = append(columns, column{name, i})
		}
	}
	reaches := r.reaches(l)
	if err := page.Execute(w, struct {
		*Report
		Lang      Language
		Title     string
		Verdict   string
		Columns   []column
		Parts     []part
		Facts     []fact
		Shares    []share
		Bars      []bar
		Most      int64
		Reaches   []reach
		MoreReach int
		Told      *told
	}{r, l, l.pick(r.TitleVI, r.TitleEN), r.verdict(l), columns, r.parts(l), r.facts(l), r.shares(l), r.bars(), r.most(), reaches, max(0, r.crossed()-len(reaches)), r.told(l)}); err != nil {
		return fmt.Errorf("write report's page: %w", err)
	}
	return nil
}

type column struct {
	Name  string
	Index int
}

// Cell is a row's number in a column, and whether it is something wrong.
func (c column) Cell(r Row) cell {
	n := r.cells()[c.Index]
	return cell{grouped(n), n > 0 && (c.Index >= 2 && c.Index <= 5 || c.Index >= 7)}
}

type cell struct {
	Text string
	Bad  bool
}

// share is a piece of the bar of all values, in percent.
type share struct {
	Name       string
	From, Wide float64
	Count      int64
	Class      string
}

func (r *Report) shares(l Language) (out []share) {
	names, cells := l.columns(), r.Total.cells()
	at := 0.0
	for i, class := range []string{"", "right", "lost", "value", "series", "time", "undecided"} {
		if i == 0 || cells[i] == 0 || cells[0] == 0 {
			continue
		}
		wide := max(100*float64(cells[i])/float64(cells[0]), 0.6) // what is wrong shows
		out = append(out, share{names[i], at, wide, cells[i], class})
		at += wide
	}
	for i := range out { // the least widths may have made it too long
		out[i].From, out[i].Wide = 100*out[i].From/at, 100*out[i].Wide/at
	}
	return out
}

// bar is a column of the chart of losses: heights of 100 for the most messages.
type bar struct {
	X, Y, High, LostY, Lost float64
	Title                   string
}

func (r *Report) most() (n int64) {
	for _, m := range r.Course {
		n = max(n, m.Expected)
	}
	return n
}

func (r *Report) bars() (out []bar) {
	most := float64(max(r.most(), 1))
	for i, m := range r.Course {
		high, lost := 100*float64(m.Expected)/most, 100*float64(m.Lost)/most
		if m.Lost > 0 {
			lost = max(lost, 1.5)
		}
		out = append(out, bar{X: float64(i) * 10, Y: 100 - high, High: high, LostY: 100 - lost, Lost: lost,
			Title: fmt.Sprintf("%s: %s / %s", shown(m.From), grouped(m.Lost), grouped(m.Expected))})
	}
	return out
}

// reach is a line of the chart of crossings: the worst of a limit at a site.
type reach struct {
	Name, Site, When string
	X, Wide          float64
	Severity         int
	Peak             string
	Rungs            []rung
}

const maxReaches = 24

func (r *Report) crossed() int {
	if r.Crossings == nil {
		return 0
	}
	return len(r.Crossings.Crossings)
}

// reaches are the gravest and longest crossing of each limit, by time.
func (r *Report) reaches(l Language) (out []reach) {
	if r.crossed() == 0 {
		return nil
	}
	sites := map[string]map[telemetry.Site]bool{}
	for _, c := range r.Crossings.Crossings {
		if sites[c.Limit] == nil {
			sites[c.Limit] = map[telemetry.Site]bool{}
		}
		sites[c.Limit][c.Site] = true
	}
	all := slices.Clone(r.Crossings.Crossings)
	slices.SortStableFunc(all, func(a, b Crossing) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.To.Sub(b.From), a.To.Sub(a.From)))
	})
	shown := map[string]bool{}
	all = slices.DeleteFunc(all, func(c Crossing) bool {
		again := shown[c.Limit]
		shown[c.Limit] = true
		return again
	})
	all = all[:min(len(all), maxReaches)]
	slices.SortStableFunc(all, func(a, b Crossing) int { return a.From.Compare(b.From) })
	whole := r.To.Sub(r.From).Seconds()
	for _, c := range all {
		from, to := max(0, c.From.Sub(r.From).Seconds()/whole), min(1, c.To.Sub(r.From).Seconds()/whole)
		out = append(out, reach{Name: l.pick(c.NameVI, c.NameEN), Site: c.SiteName + others(l, len(sites[c.Limit])-1), X: 100 * from, Wide: max(0.8, 100*(to-from)), Severity: c.Severity,
			When: between(c.From, c.To), Peak: l.decimal(math.Round(c.Peak*100)/100, 2), Rungs: r.rungs(c.Limit, c.Site)})
	}
	return out
}

// others says that there are more sites.
func others(l Language, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(l.pick(" và %d nơi khác", " and %d more"), n)
}
