// Package filter finds, for an MQTT topic, the subscriptions whose filter selects it, and
// for a filter, the topics that it selects (MQTT 5, 4.7 and 4.8.2).
//
// A level may be any text without "/", also an empty one. What begins with "$" is not
// selected by a wildcard in the first level.
package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MostLevels bounds the depth of the trees that clients make.
	MostLevels = 128
	maxLength  = 65535
	shared     = "$share/"
)

// ErrInvalid says that a filter is none.
var ErrInvalid = errors.New("invalid topic filter")

// Parse takes a filter apart: group is the share name of "$share/group/filter" and empty
// otherwise; rest is what topics are compared with. The error wraps [ErrInvalid].
func Parse(s string) (group, rest string, err error) {
	rest = s
	if after, ok := strings.CutPrefix(s, shared); ok {
		if group, rest, ok = strings.Cut(after, "/"); !ok || group == "" || strings.ContainsAny(group, "+#") {
			return "", "", fmt.Errorf("%w: a shared subscription is $share/NAME/FILTER", ErrInvalid)
		}
	}
	return group, rest, check(rest)
}

func check(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: it is empty", ErrInvalid)
	case len(s) > maxLength || strings.Count(s, "/") >= MostLevels:
		return fmt.Errorf("%w: it has more than %d bytes or %d levels", ErrInvalid, maxLength, MostLevels)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return fmt.Errorf("%w: it is not UTF-8, or has the character 0", ErrInvalid)
	}
	for rest, more := s, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if strings.ContainsAny(level, "+#") && level != "+" && (level != "#" || more) {
			return fmt.Errorf("%w: + and # stand alone in their level, and # in the last", ErrInvalid)
		}
	}
	return nil
}

// hidden says that a topic is not for wildcards in the first level.
func hidden(topic string) bool { return strings.HasPrefix(topic, "$") }
