package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxProblems bounds how many problems of one message are listed; the others are
// only counted.
const maxProblems = 32

// maxQuoted bounds, in bytes, how much of the input a detail repeats at a time.
const maxQuoted = 64

// whole is the error of a message that fails as a whole.
func whole(reason telemetry.Reason, format string, args ...any) error {
	return telemetry.Problem{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

func (o *object) problem(spec *telemetry.MetricSpec, reason telemetry.Reason, detail string) {
	if o.room(reason) {
		o.problems = append(o.problems, telemetry.Problem{Field: string(spec.Name), Reason: reason, Detail: detail})
	}
}

// unknown lists a key that is none of the kind's metrics, once.
func (o *object) unknown(key []byte) {
	if !o.room(telemetry.UnknownMetric) {
		return
	}
	field := fieldName(key)
	for _, p := range o.problems {
		if p.Field == field && p.Reason == telemetry.UnknownMetric {
			return
		}
	}
	detail := string(o.kind.spec.Kind) + " has no metric " + quote(string(key[:min(len(key), maxQuoted+1)]))
	if near := nearest(o.kind.spec, string(key[:min(len(key), maxQuoted)])); near != "" {
		detail += "; did you mean " + near + "?"
	} else {
		detail += "; it has " + o.kind.metrics
	}
	o.problems = append(o.problems, telemetry.Problem{Field: field, Reason: telemetry.UnknownMetric, Detail: detail})
}

// room is whether one more problem may be listed; if not, it is counted.
func (o *object) room(reason telemetry.Reason) bool {
	if len(o.problems) < maxProblems {
		return true
	}
	if o.unlisted == 0 {
		o.unlistedOf = reason
	}
	o.unlisted++
	return false
}

// listed are the problems, and after them how many are not among them.
func (o *object) listed() []telemetry.Problem {
	if o.unlisted > 0 {
		o.problems = append(o.problems, telemetry.Problem{Reason: o.unlistedOf,
			Detail: fmt.Sprintf("and %d more problems, the first of them of this reason", o.unlisted)})
	}
	return o.problems
}

// explainSyntax says where a payload stops being JSON, what was met there and,
// where it is a common mistake, what to do about it.
func explainSyntax(payload []byte, err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return whole(telemetry.NotJSON, "the payload ends after %d bytes in the middle of the object; it may have been cut off", len(payload))
	case !errors.As(err, &syntax):
		return whole(telemetry.NotJSON, "the payload is not JSON: %v", err)
	}
	offset := min(max(int(syntax.ByteOffset), 0), len(payload))
	detail := fmt.Sprintf("the payload stops being JSON at byte offset %d: %v", offset, syntax.Err)
	if hint := syntaxHint(payload, offset); hint != "" {
		detail += "; " + hint
	}
	return whole(telemetry.NotJSON, "%s", detail)
}

// syntaxHint knows the mistakes that JSON writers make in the field.
func syntaxHint(payload []byte, offset int) string {
	rest := payload[offset:]
	before := bytes.TrimRight(payload[:offset], " \t\r\n")
	switch {
	case bytes.HasPrefix(payload, []byte("\xef\xbb\xbf")):
		return "leave out the byte order mark at its start"
	case bytes.HasPrefix(rest, []byte("'")):
		return "strings and names take double quotes"
	case bytes.HasPrefix(rest, []byte(",")) && bytes.HasPrefix(bytes.TrimLeft(rest[1:], " \t\r\n"), []byte("}")):
		return "leave out the comma before the closing brace"
	case isDecimalComma(before, rest):
		return "a decimal fraction takes a point, not a comma"
	}
	switch word := strings.ToLower(wordAt(payload, offset)); word {
	case "nan", "inf", "infinity":
		return "JSON has no NaN and no infinity: leave the field out or send null"
	case "none", "nil", "null", "undefined":
		return "for no value leave the field out or send null"
	case "true", "false":
		return word + " takes lower-case letters"
	case "":
		return ""
	}
	if bytes.HasSuffix(before, []byte("{")) || bytes.HasSuffix(before, []byte(",")) {
		return "names take double quotes"
	}
	return ""
}

func isDecimalComma(before, rest []byte) bool {
	isDigit := func(c byte) bool { return '0' <= c && c <= '9' }
	n := len(before)
	return n >= 2 && before[n-1] == ',' && isDigit(before[n-2]) && len(rest) > 0 && isDigit(rest[0])
}

// wordAt is the word around an offset, cut to a few letters: a literal's fault
// may lie in its middle.
func wordAt(b []byte, offset int) string {
	isLetter := func(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
	const longest = 10
	from, to := offset, offset
	for from > 0 && offset-from < longest && isLetter(b[from-1]) {
		from--
	}
	for to < len(b) && to-offset < longest && isLetter(b[to]) {
		to++
	}
	return string(b[from:to])
}

// article names a kind of JSON value as a sentence needs it.
func article(k jsontext.Kind) string {
	switch k {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindTrue:
		return "true"
	case jsontext.KindFalse:
		return "false"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindBeginObject:
		return "an object"
	default:
		return "an array"
	}
}

// quote makes input fit to be shown: bounded, and nothing in it that a terminal
// or a page would act on.
func quote(s string) string {
	c := cut(s)
	if len(c) == len(s) {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.TrimSuffix(c, "…")) + "…"
}

// cut bounds a text, at a character's end.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	n := maxQuoted
	for n > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// fieldName is a key as a problem names it.
func fieldName(key []byte) string {
	quoted := quote(string(key[:min(len(key), maxQuoted+1)]))
	more := strings.HasSuffix(quoted, "…")
	name := strings.TrimSuffix(quoted, "…")
	name = name[1 : len(name)-1]
	if more {
		name += "…"
	}
	return name
}
