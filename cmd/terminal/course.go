package terminal

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// ProgressBar shows a share of the whole.
func ProgressBar(share float64) string {
	const width = 24
	full := int(share * width)
	return fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("█", full), strings.Repeat("·", width-full), 100*share)
}

// Course shows how far a long work is: one line that changes on a
// terminal, a line now and then elsewhere, or JSON lines.
type Course struct {
	out      *Output
	asJSON   bool
	terminal bool
	told     time.Time
	text     string
}

// NewCourse shows on stderr, or as JSON lines on stdout.
func NewCourse(out *Output, asJSON bool) *Course {
	f, ok := out.Stderr.(*os.File)
	return &Course{out: out, asJSON: asJSON, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Line shows the state.
func (s *Course) Line(state any, text string) {
	s.text = text
	switch {
	case s.asJSON:
		json.NewEncoder(s.out.Stdout).Encode(state) // an error here means that nobody reads any more
	case s.terminal:
		fmt.Fprintf(s.out.Stderr, "\r\033[K%s", s.fitting(text))
	case time.Since(s.told) > 10*time.Second:
		fmt.Fprintln(s.out.Stderr, text)
		s.told, s.text = time.Now(), ""
	}
}

// fitting cuts a line to the terminal, for a line of two rows would not be
// overwritten by the next.
func (s *Course) fitting(text string) string {
	if f, ok := s.out.Stderr.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 1 {
			return CutTo(text, width-1)
		}
	}
	return text
}

// Clear takes the line away: what comes next says it all.
func (s *Course) Clear() {
	if s.terminal && !s.asJSON {
		fmt.Fprint(s.out.Stderr, "\r\033[K")
	}
}

// End leaves the line, and the last state where it was not seen.
func (s *Course) End() {
	switch {
	case s.asJSON || s.text == "":
	case s.terminal:
		fmt.Fprintln(s.out.Stderr)
	default:
		fmt.Fprintln(s.out.Stderr, s.text)
	}
}
