package alarms

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

//go:embed report.html
var reportPage string

// language is that of a page.
type language string

// pick is the text in the language.
func (l language) pick(vi, en string) string {
	if l == "en" {
		return en
	}
	return vi
}

// number is a value as the language writes it.
func (l language) number(v float64, unit string) string {
	text := strconv.FormatFloat(v, 'f', 2, 64)
	if l != "en" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return strings.TrimSpace(text + " " + unit)
}

// threshold is a limit as the language writes it. Rule files have one text of it, and
// of what it rests on, which the city writes in Vietnamese.
func (l language) threshold(text string) string {
	if l == "en" {
		return strings.Replace(text, ",", ".", 1)
	}
	return text
}

// span is how long, as the language says it.
func (l language) span(d time.Duration) string {
	d = d.Round(time.Minute)
	days, h, m := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case days > 0:
		return fmt.Sprintf(l.pick("%d ngày %d giờ", "%d d %d h"), days, h)
	case h > 0:
		return fmt.Sprintf(l.pick("%d giờ %d phút", "%d h %d min"), h, m)
	}
	return fmt.Sprintf(l.pick("%d phút", "%d min"), m)
}

// severity is a severity's name.
func (l language) severity(s string) string {
	vi := map[string]string{"watch": "Theo dõi", "warning": "Cảnh báo", "danger": "Nguy hiểm", "extreme": "Đặc biệt nguy hiểm"}
	en := map[string]string{"watch": "Watch", "warning": "Warning", "danger": "Danger", "extreme": "Extreme"}
	return cmp.Or(l.pick(vi[s], en[s]), s)
}

// place is a site with its lanes, one for each rule.
type place struct {
	Site  telemetry.Site
	Lanes []lane
}

// lane is a rule's alarms at a site.
type lane struct {
	Rule, Name, Threshold, Severity, Reference string
	Alarms                                     []episode
}

// episode is an alarm with its part of the time line, in percent.
type episode struct {
	ingest.Alarm
	Left, Width string
	For         time.Duration
}

// tick is a mark on the time line.
type tick struct {
	Left, Text string
}

// HTML writes the report as one page that needs nothing else.
func (r *Report) HTML(w io.Writer, l language) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"t": l.pick, "n": l.number, "span": l.span, "severity": l.severity,
		"time": func(t time.Time) string { return t.In(terminal.Vietnam()).Format("15:04 02/01/2006") },
		"css":  func(s string) template.CSS { return template.CSS(s) },
		"total": func(p place) (n int) {
			for _, lane := range p.Lanes {
				n += len(lane.Alarms)
			}
			return n
		},
	}).Parse(reportPage)
	if err != nil {
		return fmt.Errorf("parse report's page: %w", err)
	}
	if err := page.Execute(w, struct {
		*Report
		Lang   language
		Places []place
		Ticks  []tick
	}{r, l, r.places(l), r.ticks()}); err != nil {
		return fmt.Errorf("write report's page: %w", err)
	}
	return nil
}

// at is where a moment is on the time line, in percent.
func (r *Report) at(t time.Time) float64 {
	share := float64(t.Sub(r.From)) / float64(r.To.Sub(r.From))
	return 100 * min(max(share, 0), 1)
}

// places gathers the alarms by site and rule; sites by name, rules as they were first
// raised.
func (r *Report) places(l language) (out []place) {
	for _, a := range r.Alarms {
		i := slices.IndexFunc(out, func(p place) bool { return p.Site == a.Site })
		if i < 0 {
			i, out = len(out), append(out, place{Site: a.Site})
		}
		p := &out[i]
		k := slices.IndexFunc(p.Lanes, func(n lane) bool { return n.Rule == a.Rule })
		if k < 0 {
			k, p.Lanes = len(p.Lanes), append(p.Lanes, lane{Rule: a.Rule, Name: l.pick(a.SummaryVI, a.SummaryEN), Threshold: l.threshold(a.Threshold), Severity: a.Severity, Reference: l.pick(a.Reference, "")})
		}
		end := r.To
		if !a.Active() {
			end = a.Cleared
		}
		left := r.at(a.Raised)
		p.Lanes[k].Alarms = append(p.Lanes[k].Alarms, episode{Alarm: a, Left: percent(left), Width: percent(max(r.at(end)-left, 0.4)), For: end.Sub(a.Raised)})
	}
	slices.SortFunc(out, func(a, b place) int { return cmp.Compare(a.Site, b.Site) })
	return out
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + "%" }

// ticks are a few even moments.
func (r *Report) ticks() (out []tick) {
	const parts = 4
	for i := range parts + 1 {
		at := r.From.Add(r.To.Sub(r.From) * time.Duration(i) / parts)
		layout := "02/01"
		if r.To.Sub(r.From) < parts*24*time.Hour {
			layout = "02/01 15:04"
		}
		out = append(out, tick{percent(100 * float64(i) / parts), at.In(terminal.Vietnam()).Format(layout)})
	}
	return out
}
