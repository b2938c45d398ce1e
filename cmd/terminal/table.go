package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Table is a table for a terminal. Columns are as wide as what is in them on
// the screen, which for Vietnamese is neither bytes nor, where it comes
// decomposed, characters. A column that is empty in all rows is left out.
type Table struct {
	header []string
	Rows   [][]string
}

// NewTable begins a table of these columns.
func NewTable(header ...string) *Table { return &Table{header: header} }

// Row adds a row. Its cells may come from anybody.
func (t *Table) Row(cells ...string) {
	clean := make([]string, len(t.header))
	for i := range clean {
		if i < len(cells) {
			clean[i] = OnScreen(cells[i])
		}
	}
	t.Rows = append(t.Rows, clean)
}

// Print writes the table, its header first.
func (t *Table) Print(w io.Writer) {
	widths := make([]int, len(t.header))
	for _, r := range t.Rows {
		for i, c := range r {
			widths[i] = max(widths[i], cellWidth(c))
		}
	}
	last := -1
	for i := range widths {
		if widths[i] > 0 {
			widths[i] = max(widths[i], cellWidth(t.header[i]))
			last = i
		}
	}
	for _, r := range append([][]string{t.header}, t.Rows...) {
		var line strings.Builder
		for i, c := range r {
			if widths[i] == 0 {
				continue
			}
			line.WriteString(c)
			if i < last {
				line.WriteString(strings.Repeat(" ", widths[i]-cellWidth(c)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// OnScreen is a text that came from anybody as a terminal can take it: composed,
// in one line, without what moves the cursor or turns the direction of writing.
func OnScreen(s string) string {
	s = norm.NFC.String(strings.ToValidUTF8(s, "�"))
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return '�'
		}
		return r
	}, s)
	return s
}

// cellWidth is how many columns of a terminal a text takes.
func cellWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// CutTo shortens a text to so many columns.
func CutTo(s string, columns int) string {
	s = OnScreen(s)
	if cellWidth(s) <= columns {
		return s
	}
	n := 0
	for i, r := range s {
		if n+runeWidth(r) > columns-1 {
			return s[:i] + "…"
		}
		n += runeWidth(r)
	}
	return s
}

// TimeText is [Moment]; empty for none.
func TimeText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return Moment(*t)
}

// SpanOf is a period as people say it: 45 s, 12 min, 3 h, 5 d.
func SpanOf(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int64(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int64(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int64(d/time.Hour))
	default:
		return fmt.Sprintf("%d d", int64(d/(24*time.Hour)))
	}
}

// Joined lists words with commas.
func Joined[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}

// PrintFields prints names and values below each other, without those that are empty.
func PrintFields(w io.Writer, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := OnScreen(pairs[i+1]); strings.TrimSpace(value) != "" {
			fmt.Fprintf(w, "%-13s %s\n", pairs[i], value)
		}
	}
}
