package devices

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxName  = 200  // characters of a name
	maxNotes = 4000 // characters of a remark
)

// cleanLine makes a name as it is kept: NFC (Vietnamese text comes composed and
// decomposed, and the two look alike), without space around it and with single
// spaces in it. What is not text is an error; "<script>" is text, and it is for
// pages to show it as such.
func cleanLine(field, s string, limit int) (string, *Error) {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	return s, checkText(field, s, limit, false)
}

// cleanText is cleanLine for remarks of several lines.
func cleanText(field, s string) (string, *Error) {
	s = strings.TrimSpace(norm.NFC.String(strings.ReplaceAll(s, "\r\n", "\n")))
	return s, checkText(field, s, maxNotes, true)
}

func checkText(field, s string, limit int, lines bool) *Error {
	if !utf8.ValidString(s) {
		return invalid(field, ReasonBadText)
	}
	n := 0
	for _, r := range s {
		n++
		// Format characters include the overrides of writing direction, with
		// which a name can be made to look like another.
		if (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError) && !(lines && (r == '\n' || r == '\t')) {
			return invalid(field, ReasonBadText)
		}
	}
	if n > limit {
		return invalid(field, ReasonTooLong, n, limit)
	}
	return nil
}

// SearchKey is the form in which text is searched: lower case, without
// diacritics, đ as d, and everything that is neither letter nor digit as one
// space. "Nha Trang", "nha-trang" and "NHA TRANG" have the same key, and so have
// "Hòa" and "Hoà". A key's key is itself.
func SearchKey(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range norm.NFKD.String(s) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if r == 'đ' {
			r = 'd'
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) || r == utf8.RuneError {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Slug makes an identifier of a name: "Tháp Trầm Hương" becomes
// "thap-tram-huong". It is empty where the name has no Latin letter or digit.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range SearchKey(name) {
		switch {
		case r == ' ' && b.Len() > 0:
			b.WriteByte('-')
		case r < utf8.RuneSelf && r != ' ':
			b.WriteRune(r)
		}
	}
	s := strings.Trim(b.String(), "-")
	if len(s) > 60 {
		s = strings.TrimRight(s[:60], "-")
	}
	return s
}
