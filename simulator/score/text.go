package score

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Language of a report for people.
type Language string

// The languages.
const (
	Vietnamese Language = "vi"
	English    Language = "en"
)

// pick chooses one of two texts.
func (l Language) pick(vi, en string) string {
	if l == English {
		return en
	}
	return vi
}

// decimal writes a number with the language's decimal mark.
func (l Language) decimal(v float64, digits int) string {
	s := fmt.Sprintf("%.*f", digits, v)
	if l != English {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// percent never rounds up to 100.
func (l Language) percent(share float64) string {
	if share == 1 {
		return "100 %"
	}
	return l.decimal(math.Floor(share*1e5)/1e3, 3) + " %"
}

// columns are the headings of a table of rows.
func (l Language) columns() []string {
	if l == English {
		return []string{"expected", "right", "lost", "wrong value", "wrong series", "wrong time", "undecided", "duplicated", "unexpected"}
	}
	return []string{"cần có", "đúng", "mất", "sai giá trị", "sai chuỗi", "sai thời gian", "chưa rõ", "lặp", "thừa"}
}

// cells are the numbers of a tally in the order of columns.
func (t Tally) cells() []int64 {
	return []int64{t.Expected, t.Right, t.Lost, t.WrongValue, t.WrongSeries, t.WrongTime, t.Undecided, t.Duplicated, t.Unexpected}
}

// part is a table of a report.
type part struct {
	Title string
	Rows  []Row
}

func (r *Report) parts(l Language) []part {
	catalogue := telemetry.NewCatalogue()
	kinds := make([]Row, len(r.Kinds))
	for i, row := range r.Kinds {
		kinds[i] = row
		if k := catalogue.Kind(telemetry.Kind(row.Name)); k != nil {
			kinds[i].Name = l.pick(k.NameVI, k.NameEN)
		}
	}
	faults := make([]Row, len(r.Faults))
	for i, row := range r.Faults {
		faults[i] = row
		if row.Name == noFault {
			faults[i].Name = l.pick("không có sự cố", "no fault")
		}
	}
	return []part{
		{l.pick("Theo loại", "By kind"), kinds},
		{l.pick("Theo địa phương", "By locality"), r.Localities},
		{l.pick("Theo sự cố", "By fault class"), faults},
	}
}

// verdict is the sentence that the report is about.
func (r *Report) verdict(l Language) string {
	if r.Perfect {
		return l.pick("Đúng 100 %: mọi giá trị cần có đều có, đúng chỗ, đúng lúc, đúng một lần.",
			"100 %: every expected value is there, in its place, at its time, exactly once.")
	}
	return fmt.Sprintf(l.pick("%s giá trị đúng: %s trên %s.", "%s of values are right: %s of %s."), l.percent(r.Score), grouped(r.Total.Right), grouped(r.Total.Expected-r.Total.Undecided))
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer, l Language) {
	fmt.Fprintf(w, "%s: %s\n", r.Scenario, l.pick(r.TitleVI, r.TitleEN))
	fmt.Fprintf(w, l.pick("%d thiết bị, hạt giống %d, %s đến %s, %s\n\n", "%d devices, seed %d, %s to %s, %s\n\n"), r.Devices, r.Seed, shown(r.From), shown(r.To), r.Store)
	fmt.Fprintln(w, r.verdict(l))
	for _, d := range r.Defects {
		fmt.Fprintln(w, "  - "+l.pick(d.TextVI, d.TextEN))
	}
	if r.Untold > 0 {
		fmt.Fprintf(w, l.pick("  - và %d thiết bị khác có lỗi\n", "  - and %d more devices have something wrong\n"), r.Untold)
	}
	for _, p := range r.parts(l) {
		fmt.Fprintln(w)
		r.table(w, l, p)
	}
	fmt.Fprintln(w)
	for _, line := range r.facts(l) {
		fmt.Fprintln(w, line.Name+": "+line.Text)
	}
	if t := r.told(l); t != nil {
		t.text(w, l)
	}
	if len(r.Examples) > 0 {
		fmt.Fprintln(w, "\n"+l.pick("Ví dụ", "Examples"))
		for _, e := range r.Examples {
			fmt.Fprintf(w, l.pick("  %s %s: cần %s, có %s\n", "  %s %s: want %s, have %s\n"), e.Device, e.Time.In(local()).Format("2006-01-02 15:04:05.000"), e.Want, e.Have)
		}
	}
}

// table writes rows, without columns that have nothing to tell.
func (r *Report) table(w io.Writer, l Language, p part) {
	shows := r.shows()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := p.Title
	for i, c := range l.columns() {
		if shows[i] {
			line += "\t" + c
		}
	}
	fmt.Fprintln(t, line)
	for _, row := range p.Rows {
		line := row.Name
		for i, n := range row.cells() {
			if shows[i] {
				line += "\t" + grouped(n)
			}
		}
		fmt.Fprintln(t, line)
	}
	t.Flush()
}

// shows says which columns have something to tell.
func (r *Report) shows() []bool {
	var out []bool
	for i, n := range r.Total.cells() {
		out = append(out, i < 3 || n > 0)
	}
	return out
}

// fact is a line of what else is known.
type fact struct {
	Name, Text string
	Bad        bool
}

func (r *Report) facts(l Language) []fact {
	m := r.Messages
	out := []fact{{Name: l.pick("Bản tin", "Messages"), Text: fmt.Sprintf(
		l.pick("%s theo kịch bản; %s không được gửi (khoảng trống có lý do), %s lưu, %s lưu một phần, %s bị cách ly, %s lặp, %s không ai nghe",
			"%s planned; %s were never sent (gaps that are explained), %s stored, %s stored in part, %s quarantined, %s duplicates, %s that nobody subscribes to"),
		grouped(m.Planned), grouped(m.Unsent), grouped(m.Stored), grouped(m.Partial), grouped(m.Quarantined), grouped(m.Repeated), grouped(m.Unsubscribed))}}
	if m.Undecided > 0 {
		out = append(out, fact{Name: l.pick("Chưa rõ", "Undecided"), Text: fmt.Sprintf(
			l.pick("%s bản tin tùy vào lúc nhận được; --sent cho biết lúc đó", "%s messages hang on when they were received; --sent says when that was"), grouped(m.Undecided))})
	}
	q := fact{Name: l.pick("Cách ly", "Quarantine"), Text: l.pick("không kiểm tra (cần --quarantine yes và --url của thành phố)", "not checked (give --quarantine yes and --url of the city)")}
	if r.Quarantine != nil {
		var want, have int64
		for _, row := range r.Quarantine.Rows {
			want, have = want+row.Want, have+row.Have
		}
		q.Text = fmt.Sprintf(l.pick("cần %s, có %s, thiếu %s", "%s should wait, %s do, %s are missing"), grouped(want), grouped(have), grouped(r.Quarantine.Missing))
		if r.Quarantine.All {
			q.Text += l.pick(" (tính cả thiết bị khác)", " (other devices included)")
		}
		q.Bad = r.Quarantine.Missing > 0
	}
	out = append(out, q)
	d := fact{Name: l.pick("Độ trễ", "Delay"), Text: l.pick("không đo (cần --follow trong lúc gửi)", "not measured (--follow while it is sent does)")}
	if r.Delay != nil {
		d.Text = fmt.Sprintf(l.pick("p50 %s, p90 %s, p99 %s, lớn nhất %s, hỏi mỗi %s; %s bản tin của %d thiết bị, %s không thấy",
			"p50 %s, p90 %s, p99 %s, longest %s, asked every %s; %s messages of %d devices, %s not seen"),
			l.seconds(r.Delay.P50), l.seconds(r.Delay.P90), l.seconds(r.Delay.P99), l.seconds(r.Delay.Max), l.seconds(r.Delay.Resolution),
			grouped(r.Delay.Messages), r.Delay.Sampled, grouped(r.Delay.Unseen))
	}
	out = append(out, d)
	if r.Crossings != nil {
		out = append(out, fact{Name: l.pick("Vượt ngưỡng", "Crossings"), Text: fmt.Sprintf(
			l.pick("sự thật vượt ngưỡng %d lần", "the truth crossed thresholds %d times"), len(r.Crossings.Crossings))})
	}
	return out
}

func (l Language) seconds(d time.Duration) string { return l.decimal(d.Seconds(), 2) + " s" }
