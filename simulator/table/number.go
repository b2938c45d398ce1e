package table

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// notation is how a file writes numbers.
type notation struct {
	decimal, thousands string
}

// always are texts that no file means as a value.
func always() []string {
	return []string{"", "-", "--", "---", "n/a", "na", "nan", "null", "none", "nil", "missing", "no data", "nodata", "#n/a", "unavailable", "không có", "kxd"}
}

// missing are the markers for no value. Those that are numbers count by value:
// -200 is also -200,0.
type missing struct {
	words   map[string]bool
	numbers []float64
}

func newMissing(n notation, lists ...[]string) missing {
	m := missing{words: map[string]bool{}}
	for _, w := range always() {
		m.words[w] = true
	}
	for _, list := range lists {
		for _, w := range list {
			m.words[strings.ToLower(strings.TrimSpace(w))] = true
			if v, rest, ok := n.number(w); ok && rest == "" {
				m.numbers = append(m.numbers, v)
			} else if v, err := strconv.ParseFloat(strings.TrimSpace(w), 64); err == nil {
				m.numbers = append(m.numbers, v)
			}
		}
	}
	return m
}

func (m missing) is(cell string) bool { return m.words[strings.ToLower(strings.TrimSpace(cell))] }

func (m missing) number(v float64) bool {
	for _, n := range m.numbers {
		if v == n {
			return true
		}
	}
	return math.IsNaN(v)
}

// number reads a number at the beginning of a cell; rest is what follows, such as
// a unit.
func (n notation) number(cell string) (v float64, rest string, ok bool) {
	s := strings.TrimSpace(strings.ReplaceAll(cell, "\u00a0", " "))
	end, digits := 0, false
	var plain strings.Builder
	for end < len(s) {
		c := s[end]
		switch {
		case c >= '0' && c <= '9':
			digits = true
			plain.WriteByte(c)
		case (c == '-' || c == '+') && end == 0:
			plain.WriteByte(c)
		case strings.HasPrefix(s[end:], n.decimal) && !strings.Contains(plain.String(), "."):
			plain.WriteByte('.')
		case n.thousands != "" && digits && strings.HasPrefix(s[end:], n.thousands) && threeDigits(s[end+len(n.thousands):]) && !strings.Contains(plain.String(), "."):
			end += len(n.thousands) - 1
		case (c == 'e' || c == 'E') && digits && exponent(s[end+1:]) > 0:
			length := exponent(s[end+1:])
			plain.WriteString(s[end : end+1+length])
			end += length
		default:
			return finishNumber(plain.String(), s[end:])
		}
		end++
	}
	return finishNumber(plain.String(), "")
}

func finishNumber(plain, rest string) (float64, string, bool) {
	v, err := strconv.ParseFloat(plain, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, rest, false
	}
	return v, strings.TrimSpace(rest), true
}

// threeDigits reports whether a group of thousands follows: three digits and no
// fourth.
func threeDigits(s string) bool {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n == 3
}

// exponent is the length of an exponent at the beginning of s; 0 if there is none.
func exponent(s string) int {
	n := 0
	if n < len(s) && (s[n] == '-' || s[n] == '+') {
		n++
	}
	sign := n
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == sign || n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z') {
		return 0
	}
	return n
}

// why says what is wrong with a cell that is no number.
func (n notation) why(cell string) string {
	other := notation{decimal: ","}
	if n.decimal == "," {
		other.decimal = "."
	}
	if _, rest, ok := other.number(cell); ok && rest == "" {
		return fmt.Sprintf("the decimal mark is said to be %q, and here it seems to be %q: mend table.decimal or table.thousands", n.decimal, other.decimal)
	}
	return "it is no number: if it stands for no value, add it to table.missing"
}
