package telemetry

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Unlikeness says how far a name is from another; lower is more alike.
type Unlikeness int

// From the same letters to none that help.
const (
	SameLetters Unlikeness = iota
	OneSlip
	PartOfOther
	TwoSlips
	Unlike
)

// maxCompared bounds, in bytes, what is compared of a name.
const maxCompared = 128

// Nearest is the name that somebody who wrote another one most likely meant, by its
// letters and digits whatever their case and accents; "" if it resembles none.
func Nearest[N ~string](wrong string, names []N) (best N, how Unlikeness) {
	wrong, how = Plain(wrong[:min(len(wrong), maxCompared)]), Unlike
	if wrong == "" {
		return "", Unlike
	}
	length := 0
	for _, name := range names {
		right := Plain(string(name))
		// Of equally good ones the longer shares more: pm10_avg is pm10, not pm1.
		h := unlikeness(wrong, right)
		if h < how || h == how && h < Unlike && len(right) > length {
			best, how, length = name, h, len(right)
		}
	}
	return best, how
}

// Plain leaves of a name its letters and digits, in lower case and without accents.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, Unmarked(s))
}

// Unmarked is a text without the marks of its letters, as ids are written: of "trạm đo"
// it is "tram do".
func Unmarked(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'đ':
			return 'd'
		case r == 'Đ':
			return 'D'
		case unicode.Is(unicode.Mn, r):
			return -1
		}
		return r
	}, norm.NFD.String(s))
}

func unlikeness(wrong, right string) Unlikeness {
	shorter := min(len(wrong), len(right))
	slips := max(len(wrong), len(right)) - shorter
	if slips <= 2 {
		slips = distance(wrong, right)
	}
	switch {
	case slips == 0:
		return SameLetters
	case slips == 1 && shorter >= 4:
		return OneSlip
	case shorter >= 3 && (strings.HasPrefix(wrong, right) || strings.HasPrefix(right, wrong)):
		return PartOfOther
	case slips == 2 && shorter >= 6:
		return TwoSlips
	default:
		return Unlike
	}
}

// distance is how many bytes must be put in, taken out or changed to make one
// string of the other.
func distance(a, b string) int {
	var space [32]int // most names fit
	row := space[:0]
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
