package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nats-io/nats-server/v2/server"
)

// In a NATS subject levels are separated by dots. nats-server writes an empty
// MQTT level as / and a dot within a level as //, both of which no level of MQTT
// can contain, so that the translation can be undone.
const (
	emptyLevel = "/"
	dotInLevel = "//"
)

// internalSubjects are what NATS and its MQTT layer use inside. MQTT's own
// sessions pass by these rules, except for the subscriptions below $MQTT.sub and
// $MQTT.deliver.
func internalSubjects() []string {
	return []string{"$JS.>", "$SYS.>", "$KV.>", "$O.>", "$NRG.>", "$SRV.>", "$JSC.>", "_INBOX.>", "_R_.>", "_GR_.>"}
}

// permissions translates a grant into what nats-server enforces.
func permissions(g Grant) (*server.Permissions, error) {
	publish, err := subjects(g.Publish)
	if err != nil {
		return nil, fmt.Errorf("grant publishing: %w", err)
	}
	subscribe, err := subjects(g.Subscribe)
	if err != nil {
		return nil, fmt.Errorf("grant subscribing: %w", err)
	}
	// A subscription to a/# is matched by nats-server as if # were the name of a
	// level, which a/+ grants.
	for _, f := range g.Subscribe {
		if !g.Internal && (f == "+" || strings.HasSuffix(f, "/+")) {
			return nil, fmt.Errorf("grant subscribing to %q: a last level + would let # pass: name the level, or grant # to an internal user", clip(f))
		}
	}
	p := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish, Deny: append([]string{"$MQTT.>"}, internalSubjects()...)},
		Subscribe: &server.SubjectPermission{Allow: subscribe, Deny: internalSubjects()},
	}
	// Without any subject to allow, nats-server allows everything.
	if len(publish) == 0 {
		p.Publish.Deny = []string{">"}
	}
	if len(subscribe) == 0 {
		p.Subscribe.Deny = []string{">"}
	}
	return p, nil
}

// subjects are the NATS subjects that together match what the filters match.
func subjects(filters []string) ([]string, error) {
	var all []string
	for _, f := range filters {
		s, err := subjectsOf(f)
		if err != nil {
			return nil, fmt.Errorf("translate topic filter %q: %w", clip(f), err)
		}
		all = append(all, s...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// subjectsOf translates one MQTT topic filter, as nats-server does with those of
// SUBSCRIBE, into the subjects that match the same topics: two for a filter that
// ends in /#, which in MQTT matches its parent too. What nats-server cannot tell
// apart is an error: a level * or > would be a wildcard in NATS.
func subjectsOf(filter string) ([]string, error) {
	switch {
	case filter == "":
		return nil, errors.New("it is empty")
	case len(filter) > 1<<16-1:
		return nil, errors.New("it is longer than 65,535 bytes")
	case !utf8.ValidString(filter):
		return nil, errors.New("it is not valid UTF-8")
	case strings.ContainsAny(filter, "\x00 \t\r\n\f\x7f"):
		return nil, errors.New("it contains white space or a control character")
	}
	levels := strings.Split(filter, "/")
	tokens := make([]string, len(levels))
	for i, level := range levels {
		token, err := tokenOf(level, i == len(levels)-1)
		if err != nil {
			return nil, err
		}
		tokens[i] = token
	}
	all := []string{strings.Join(tokens, ".")}
	if last := len(levels) - 1; levels[last] == "#" && last > 0 {
		all = append(all, strings.Join(tokens[:last], "."))
	}
	return all, nil
}

func tokenOf(level string, last bool) (string, error) {
	switch {
	case level == "":
		return emptyLevel, nil
	case level == "+":
		return "*", nil
	case level == "#" && last:
		return ">", nil
	case level == "#":
		return "", errors.New("# is only allowed as the last level")
	case strings.ContainsAny(level, "+#"):
		return "", fmt.Errorf("the wildcard in level %q must be a level of its own", level)
	case level == "*" || level == ">":
		return "", fmt.Errorf("a level %q cannot be granted: it is a wildcard inside the broker", level)
	}
	return strings.ReplaceAll(level, ".", dotInLevel), nil
}

// topicOf undoes the translation of a topic, for people to read.
func topicOf(subject string) string {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		if token == emptyLevel {
			tokens[i] = ""
		} else {
			tokens[i] = strings.ReplaceAll(token, dotInLevel, ".")
		}
	}
	return strings.Join(tokens, "/")
}

// filterOf undoes the translation of a filter.
func filterOf(subject string) string {
	levels := strings.Split(topicOf(subject), "/")
	for i, level := range levels {
		switch level {
		case "*":
			levels[i] = "+"
		case ">":
			levels[i] = "#"
		}
	}
	return strings.Join(levels, "/")
}

// clip makes text from outside fit for a log or an audit journal.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
