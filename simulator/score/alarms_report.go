package score

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxTold is how many alarms that were missed, or raised for nothing, are named.
const maxTold = 20

// told is the alarms' part of a report, as both its forms show it.
type told struct {
	Summary string
	// About says whose alarms these are, and what is not counted.
	About []string
	Bad   bool
	// Columns head the numbers of the rows, of which the last is the sum.
	Columns []string
	Rows    []toldRow
	// Missed, False and Wrong, which ended wrongly, are single ones, and how many more
	// there are.
	Missed, False, Wrong             []toldAlarm
	MoreMissed, MoreFalse, MoreWrong int
}

type toldRow struct {
	Name     string
	Severity int
	Cells    []cell
}

// toldAlarm is one that was missed or raised for nothing.
type toldAlarm struct{ Name, Site, When, Why string }

func (r *Report) told(l Language) *told {
	a := r.Alarms
	if a == nil {
		return nil
	}
	out := &told{Summary: a.summary(l), About: a.about(l), Bad: !a.Perfect(), Columns: []string{
		l.pick("cần có", "expected"), l.pick("đã báo", "raised"), l.pick("bỏ sót", "missed"), l.pick("báo nhầm", "for nothing"), l.pick("kết thúc sai", "ended wrongly"),
		l.pick("trễ: p50 · lớn nhất", "late: p50 · max"), l.pick("từ lúc rõ", "since clear"), l.pick("sát ngưỡng", "slight")}}
	for _, t := range a.Limits {
		out.Rows = append(out.Rows, t.row(l, l.pick(t.NameVI, t.NameEN), t.Severity))
	}
	if len(out.Rows) > 1 {
		out.Rows = append(out.Rows, a.row(l, l.pick("Tất cả", "All"), 0))
	}
	for _, c := range a.Missed[:min(len(a.Missed), maxTold)] {
		out.Missed = append(out.Missed, toldAlarm{l.pick(c.NameVI, c.NameEN), c.SiteName, between(c.From, c.To),
			fmt.Sprintf(l.pick("đỉnh %s, ngưỡng %s", "peak %s, limit %s"), l.decimal(c.Peak, 2), l.number(c.Value))})
	}
	known := r.Crossings.judgedLimits()
	list := func(to *[]toldAlarm, all []Alarm, why string) (more int) {
		n := min(len(all), maxTold-len(*to))
		for _, f := range all[:n] {
			name, site := known[f.Limit], r.sites[f.Site]
			if site == "" {
				site = string(f.Site)
			}
			*to = append(*to, toldAlarm{Name: l.pick(name.vi, name.en), Site: site, When: between(f.Raised, f.Cleared), Why: why})
		}
		return len(all) - n
	}
	out.MoreFalse = list(&out.False, a.False, "")
	out.MoreWrong = list(&out.Wrong, a.Broken, l.pick("kết thúc khi chưa hết", "ended while it went on"))
	out.MoreWrong += list(&out.Wrong, a.Lingering, l.pick("còn báo khi đã hết", "went on when it was over"))
	out.MoreMissed = len(a.Missed) - len(out.Missed)
	return out
}

func (t AlarmTally) row(l Language, name string, severity int) toldRow {
	count := func(n int, bad bool) cell { return cell{grouped(int64(n)), bad && n > 0} }
	late := func(p50, most time.Duration) cell {
		if len(t.late) == 0 {
			return cell{Text: "–"}
		}
		return cell{Text: l.minutes(p50) + " · " + l.minutes(most)}
	}
	return toldRow{name, severity, []cell{count(t.Expected, false), count(t.Raised, false), count(t.MissedCount, true), count(t.FalseCount, true), count(t.EndedWrong, true),
		late(t.LateP50, t.LateMax), late(t.ClearLateP50, t.ClearLateMax), count(t.Slight, false)}}
}

// summary is the sentence about all alarms.
func (a *Alarms) summary(l Language) string {
	if a.Perfect() {
		return fmt.Sprintf(l.pick("%s trên %s cảnh báo cần có đã được báo, không báo nhầm.", "%s of %s expected alarms were raised, and none for nothing."), grouped(int64(a.Raised)), grouped(int64(a.Expected)))
	}
	if a.EndedWrong > 0 {
		return fmt.Sprintf(l.pick("%s trên %s cảnh báo cần có đã được báo; bỏ sót %s, báo nhầm %s, kết thúc sai %s.",
			"%s of %s expected alarms were raised; %s were missed, %s raised for nothing, %s ended before it was over or long after."),
			grouped(int64(a.Raised)), grouped(int64(a.Expected)), grouped(int64(a.MissedCount)), grouped(int64(a.FalseCount)), grouped(int64(a.EndedWrong)))
	}
	return fmt.Sprintf(l.pick("%s trên %s cảnh báo cần có đã được báo; bỏ sót %s, báo nhầm %s.", "%s of %s expected alarms were raised; %s were missed, %s raised for nothing."),
		grouped(int64(a.Raised)), grouped(int64(a.Expected)), grouped(int64(a.MissedCount)), grouped(int64(a.FalseCount)))
}

// about says whose alarms these are, and how they are counted.
func (a *Alarms) about(l Language) (out []string) {
	switch {
	case a.How != "replayed":
		out = append(out, l.pick("Cảnh báo do thành phố đã báo.", "Alarms as the city raised them."))
	case a.Rules == "table":
		out = append(out, l.pick("Phát lại trên dữ liệu đã lưu, theo bảng ngưỡng của chương trình này.", "Replayed over what is stored, by this program's table of limits."))
	default:
		out = append(out, fmt.Sprintf(l.pick("Phát lại trên dữ liệu đã lưu, theo quy tắc của %s.", "Replayed over what is stored, by the rules of %s."), a.Rules))
	}
	if a.Slight > 0 {
		out = append(out, fmt.Sprintf(l.pick("Vượt sát ngưỡng, ngắn hơn %s hoặc trong sai số thiết bị: %s. Báo hay không đều được.",
			"Slight crossings, shorter than %s or within what instruments may be off: %s. Raised or not, both are right."), l.minutes(brief), grouped(int64(a.Slight))))
	}
	if a.Unseen > 0 {
		out = append(out, fmt.Sprintf(l.pick("Vượt ngưỡng mà thiết bị không gửi gì (mất điện, mất sóng theo kịch bản): %s. Không thể báo.",
			"Crossings of which devices sent next to nothing, without power or radio as the scenario has it: %s. Nobody can tell of them."), grouped(int64(a.Unseen))))
	}
	if a.Unjudged > 0 {
		out = append(out, fmt.Sprintf(l.pick("%s cảnh báo về mất tín hiệu và nền tảng không được chấm.", "%s alarms of silence and of the platform are not scored."), grouped(int64(a.Unjudged))))
	}
	if a.Uncomputed > 0 && !a.Perfect() {
		out = append(out, fmt.Sprintf(l.pick("Thành phố còn phải tính VN_AQI của %s giờ: vài phút nữa hãy chấm lại.",
			"The city has still to compute VN_AQI of %s hours: score again in some minutes."), grouped(int64(a.Uncomputed))))
	}
	return out
}

// text writes the alarms' part for a terminal.
func (t *told) text(w io.Writer, l Language) {
	fmt.Fprintln(w, "\n"+l.pick("Cảnh báo", "Alarms")+": "+t.Summary)
	for _, line := range t.About {
		fmt.Fprintln(w, "  "+line)
	}
	if len(t.Rows) > 0 {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, l.pick("Theo ngưỡng", "By limit")+"\t"+strings.Join(t.Columns, "\t"))
		for _, row := range t.Rows {
			line := row.Name
			for _, c := range row.Cells {
				line += "\t" + c.Text
			}
			fmt.Fprintln(table, line)
		}
		table.Flush()
	}
	list := func(title string, all []toldAlarm, more int) {
		if len(all) == 0 {
			return
		}
		fmt.Fprintln(w, title)
		for _, a := range all {
			fmt.Fprintln(w, "  "+strings.Join(slices.DeleteFunc([]string{a.Name, a.Site, a.When, a.Why}, func(s string) bool { return s == "" }), ", "))
		}
		if more > 0 {
			fmt.Fprintf(w, l.pick("  và %d nữa\n", "  and %d more\n"), more)
		}
	}
	list(l.pick("Bỏ sót", "Missed"), t.Missed, t.MoreMissed)
	list(l.pick("Báo nhầm", "Raised for nothing"), t.False, t.MoreFalse)
	list(l.pick("Kết thúc sai", "Ended wrongly"), t.Wrong, t.MoreWrong)
}

// between is a time from when to when; the end is zero while it lasts.
func between(from, to time.Time) string {
	text := from.In(local()).Format("02/01 15:04") + " – "
	if to.IsZero() {
		return text + "…"
	}
	return text + to.In(local()).Format("02/01 15:04")
}

// minutes is a span as people say it.
func (l Language) minutes(d time.Duration) string {
	m := int(d.Round(time.Minute) / time.Minute)
	if m < 60 {
		return fmt.Sprintf(l.pick("%d phút", "%d min"), m)
	}
	if m%60 == 0 {
		return fmt.Sprintf(l.pick("%d giờ", "%d h"), m/60)
	}
	return fmt.Sprintf(l.pick("%d giờ %02d", "%d h %02d"), m/60, m%60)
}

// number writes a number with the digits that it has.
func (l Language) number(v float64) string {
	s := number(v)
	if l != English {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// rung is a time in which an alarm was active, in percent of the period.
type rung struct{ X, Wide float64 }

// rungs are the alarms of a limit at a site.
func (r *Report) rungs(limit string, site telemetry.Site) (out []rung) {
	if r.Alarms == nil {
		return nil
	}
	whole := r.To.Sub(r.From).Seconds()
	for _, a := range r.Alarms.alarms {
		if a.Limit != limit || a.Site != site || !a.Raised.Before(r.To) {
			continue
		}
		from, to := max(0, a.Raised.Sub(r.From).Seconds()/whole), 1.0
		if !a.Cleared.IsZero() {
			to = min(1, a.Cleared.Sub(r.From).Seconds()/whole)
		}
		if to > from {
			out = append(out, rung{100 * from, max(0.8, 100*(to-from))})
		}
	}
	return out
}
