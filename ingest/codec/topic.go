package codec

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Root is the first level of every native topic.
const Root = "kh"

const topicForm = Root + "/<locality>/<kind>/<device>"

// commandLevel stands in the kind's place in topics that carry commands to
// devices.
const commandLevel = "command"

// topic is a native topic, taken apart. Its strings share the topic's memory.
type topic struct {
	locality telemetry.Locality
	kind     *kind
	device   telemetry.Device
}

func (n *Native) parseTopic(s string) (topic, error) {
	root, rest, _ := strings.Cut(s, "/")
	locality, rest, _ := strings.Cut(rest, "/")
	name, device, _ := strings.Cut(rest, "/")
	// The two checks leave no room for a further '/', a wildcard, an empty level
	// or anything that is not plain ASCII.
	if root != Root || telemetry.CheckID(locality) != nil || telemetry.CheckID(device) != nil {
		return topic{}, explainTopic(s)
	}
	k := n.kinds[telemetry.Kind(name)]
	if k == nil {
		return topic{}, n.explainKind(s, name)
	}
	return topic{locality: telemetry.Locality(locality), kind: k, device: telemetry.Device(device)}, nil
}

// TopicDevice is the device that a topic of the native form names, whatever its kind
// and payload; "" if it names none.
func TopicDevice(s string) telemetry.Device {
	levels := strings.Split(s, "/")
	if len(levels) != 4 || levels[0] != Root || telemetry.CheckID(levels[3]) != nil {
		return ""
	}
	return telemetry.Device(levels[3])
}

// explainKind says what is wrong with a topic that is sound but for its kind.
func (n *Native) explainKind(s, name string) error {
	switch {
	case telemetry.CheckID(name) != nil:
		return explainTopic(s)
	case name == commandLevel:
		return whole(telemetry.UnknownKind,
			"the topic is for commands to devices, not for readings; leave %s/+/%s/+ out of the subscriptions", Root, commandLevel)
	case n.computed[telemetry.Kind(name)]:
		return whole(telemetry.UnknownKind, "%s is computed by Hải Đăng itself, no device reports it; there are %s", name, n.kindNames)
	default:
		return whole(telemetry.UnknownKind, "there is no kind %s; there are %s", quote(name), n.kindNames)
	}
}

// explainTopic says what is wrong with a topic that is known to be unsound.
func explainTopic(s string) error {
	levels := strings.Split(s, "/")
	switch {
	case s == "":
		return whole(telemetry.BadTopic, "the topic is empty; %s is needed", topicForm)
	case !utf8.ValidString(s):
		return whole(telemetry.BadTopic, "the topic %s is not valid UTF-8", quote(s))
	case strings.ContainsAny(s, "+#"):
		return whole(telemetry.BadTopic,
			"the topic %s has a wildcard (+ or #) in it; that is for subscriptions only", quote(s))
	case levels[0] == "" && len(levels) > 1:
		return whole(telemetry.BadTopic, "the topic %s begins with a slash; %s does not", quote(s), topicForm)
	case levels[len(levels)-1] == "" && len(levels) > 4:
		return whole(telemetry.BadTopic, "the topic %s ends with a slash; %s does not", quote(s), topicForm)
	case slices.Index(levels, Root) > 0:
		return whole(telemetry.BadTopic, "the topic %s has something before %s/; %s is needed", quote(s), Root, topicForm)
	case len(levels) == 1:
		return whole(telemetry.BadTopic, "the topic %s has 1 level; %s has 4", quote(s), topicForm)
	case len(levels) != 4:
		return whole(telemetry.BadTopic, "the topic %s has %d levels; %s has 4", quote(s), len(levels), topicForm)
	case levels[0] != Root:
		return whole(telemetry.BadTopic, "the topic %s does not begin with %s/; %s is needed", quote(s), Root, topicForm)
	}
	for i, level := range []string{"locality", "kind", "device"} {
		if err := telemetry.CheckID(levels[i+1]); err != nil {
			return whole(telemetry.BadTopic, "the topic's %s %s cannot be used: %v", level, quote(levels[i+1]), err)
		}
	}
	return whole(telemetry.BadTopic, "the topic %s is not of the form %s", quote(s), topicForm)
}

// Matches reports whether an MQTT topic filter selects a topic (MQTT 3.1.1, 4.7).
func Matches(filter, topic string) bool {
	for {
		f, frest, fmore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, trest, tmore := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		if !fmore || !tmore {
			return fmore == tmore || fmore && frest == "#"
		}
		filter, topic = frest, trest
	}
}
