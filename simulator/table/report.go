package table

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is what could not be taken, by its cause. Where and what are those of the
// first.
type Fault struct {
	// Row says that whole rows are left out; else it is one value of each.
	Row    bool   `json:"row"`
	Cause  string `json:"cause"`
	Remedy string `json:"remedy,omitempty"`
	Count  uint64 `json:"count"`
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"`
	Value  string `json:"value"`
}

// Error is the fault with its place, for whoever stops at the first.
func (f Fault) Error() string {
	at := fmt.Sprintf("line %d", f.Line)
	if f.Column != "" {
		at += ", column " + f.Column
	}
	text := fmt.Sprintf("%s: %q: %s", at, shown(f.Value), f.Cause)
	if f.Remedy != "" {
		text += ": " + f.Remedy
	}
	return text
}

// shown is a cell's text, bounded.
func shown(s string) string {
	if r := []rune(strings.ToValidUTF8(s, "�")); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

// Report is what became of a table.
type Report struct {
	// Rows were read, of which Filtered are not among those that only takes, and
	// Empty have no value.
	Rows     uint64 `json:"rows"`
	Filtered uint64 `json:"filtered"`
	Empty    uint64 `json:"empty"`
	// Readings came of them, with Values, from First to Last.
	Readings uint64    `json:"readings"`
	Values   uint64    `json:"values"`
	First    time.Time `json:"first,omitzero"`
	Last     time.Time `json:"last,omitzero"`
	// Devices is how many there are.
	Devices int `json:"devices"`
	// Outside are values that cannot be the metric's, by the catalogue's range; they
	// are among Faults too.
	Outside uint64 `json:"outside"`
	// Twice are values that a later line of the same device and time replaced by
	// others; they are among Faults too.
	Twice  uint64  `json:"twice"`
	Faults []Fault `json:"faults"`
	// Ignored are rows of a long table by their parameter, which the mapping does
	// not name.
	Ignored map[string]uint64 `json:"ignored,omitempty"`
	// Sorted says that rows were not in order of time, and are now.
	Sorted bool `json:"sorted"`

	strict bool
	places map[[3]string]int
}

// maxIgnored bounds how many parameters are told by name.
const maxIgnored = 1000

// fault counts one. It is the error where the table is to be without any.
func (r *Report) fault(f Fault) error {
	if r.strict {
		return f
	}
	if r.places == nil {
		r.places = map[[3]string]int{}
	}
	key := [3]string{f.Cause, f.Column, fmt.Sprint(f.Row)}
	if at, ok := r.places[key]; ok {
		r.Faults[at].Count++
		if f.Line < r.Faults[at].Line {
			f.Count = r.Faults[at].Count
			r.Faults[at] = f
		}
		return nil
	}
	f.Count = 1
	r.places[key] = len(r.Faults)
	r.Faults = append(r.Faults, f)
	return nil
}

func (r *Report) ignore(parameter string) {
	if r.Ignored == nil {
		r.Ignored = map[string]uint64{}
	}
	if _, ok := r.Ignored[parameter]; ok || len(r.Ignored) < maxIgnored {
		r.Ignored[parameter]++
	}
}

// finish puts the most frequent faults first.
func (r *Report) finish() {
	slices.SortFunc(r.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Line, b.Line))
	})
	r.places = nil
}
