package tape

import (
	"net/url"
	"strings"
)

// Matches reports whether a topic is within an MQTT filter.
func Matches(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t) || level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}

// matchesAny is Matches of several filters; none of them means all topics.
func matchesAny(filters []string, topic string) bool {
	for _, f := range filters {
		if Matches(f, topic) {
			return true
		}
	}
	return len(filters) == 0
}

// redacted is a URL without its password.
func redacted(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	return "(not a URL)"
}
