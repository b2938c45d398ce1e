package codec

import (
	"strings"
	"unicode"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Scores of likeness; lower is more alike.
const (
	sameLetters = 0
	oneSlip     = 1
	partOfOther = 2
	twoSlips    = 3
	unlike      = 4
)

// nearest is the name, among a kind's metrics and ts, that a wrong key was most
// likely meant to be; "" if it resembles none.
func nearest(spec *telemetry.KindSpec, key string) string {
	wrong := plain(key)
	switch wrong {
	case "":
		return ""
	case timeKey, "time", "timestamp", "datetime", "timems", "tsms":
		return timeKey
	}
	best, bestScore, bestLength := "", unlike, 0
	for i := range spec.Metrics {
		name := string(spec.Metrics[i].Name)
		right := plain(name)
		// Of equally good ones the longer shares more: pm10_avg is pm10, not pm1.
		score := likeness(wrong, right)
		if score < bestScore || score == bestScore && score < unlike && len(right) > bestLength {
			best, bestScore, bestLength = name, score, len(right)
		}
	}
	return best
}

// plain leaves of a name its letters and digits, in lower case.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

func likeness(wrong, right string) int {
	shorter := min(len(wrong), len(right))
	slips := max(len(wrong), len(right)) - shorter
	if slips <= 2 {
		slips = distance(wrong, right)
	}
	switch {
	case slips == 0:
		return sameLetters
	case slips == 1 && shorter >= 4:
		return oneSlip
	case shorter >= 3 && (strings.HasPrefix(wrong, right) || strings.HasPrefix(right, wrong)):
		return partOfOther
	case slips == 2 && shorter >= 6:
		return twoSlips
	default:
		return unlike
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
