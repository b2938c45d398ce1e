package codec

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Fault is what is wrong with a topic, as a short stable word.
type Fault string

// The faults. Of several the first that a person would mend is told.
const (
	EmptyTopic    Fault = "empty"
	NotUTF8       Fault = "not_utf8"
	Wildcard      Fault = "wildcard"         // + or # in it
	LeadingSlash  Fault = "leading_slash"    // or several
	TrailingSlash Fault = "trailing_slash"   // or several
	EmptyLevel    Fault = "empty_level"      // nothing between two slashes
	Prefixed      Fault = "prefix"           // something before kh/
	OtherRoot     Fault = "other_root"       // it does not begin with kh/
	WrongCase     Fault = "wrong_case"       // right but for capitals
	MissingLevel  Fault = "missing_level"    // fewer than four
	ExtraLevel    Fault = "extra_level"      // more than four
	Space         Fault = "space"            // a space in it
	Characters    Fault = "characters"       // other characters than an id may have
	TooLongLevel  Fault = "too_long"         // a level is longer than an id may be
	NoSuchPlace   Fault = "unknown_locality" // there is no such locality
	NoSuchKind    Fault = "unknown_kind"     // there is no such kind
	ComputedKind  Fault = "computed_kind"    // Hải Đăng computes it, no device reports it
	Command       Fault = "command"          // it is for commands to devices
)

// Places is what the registry knows that a topic can name.
type Places interface {
	// Localities are those that there are.
	Localities() []telemetry.Locality
	// Stands is where a device of this very id stands, and a kind that it measures; both
	// are empty if it is not known.
	Stands(telemetry.Device) (telemetry.Locality, telemetry.Kind)
}

// Astray is what is wrong with a topic of which nothing can be stored.
type Astray struct {
	// Fault is empty where nothing is.
	Fault Fault
	// Nearest is the topic that was most likely meant; what of it cannot be guessed is
	// written as <locality>, <kind>, <device>. Empty if all of it would be.
	Nearest string
	// Device is whose it is, as far as the topic tells; Known says that there is such a
	// device.
	Device telemetry.Device
	Known  bool
}

// Topics knows sound topics from others.
type Topics struct {
	kinds    []telemetry.Kind
	computed []telemetry.Kind
}

// NewTopics knows the kinds of a catalogue.
func NewTopics(cat *telemetry.Catalogue) *Topics {
	t := &Topics{}
	for _, k := range cat.Kinds() {
		t.kinds = append(t.kinds, k.Kind)
	}
	for _, k := range cat.Computed() {
		t.computed = append(t.computed, k.Kind)
	}
	return t
}

// maxExamined bounds, in bytes, how much of a topic is looked at for the nearest one.
const maxExamined = 1024

// Examine says what is wrong with a topic, and what was most likely meant. It looks
// devices up by their ids only, and costs a few microseconds whatever the topic.
func (t *Topics) Examine(topic string, places Places) Astray {
	localities := places.Localities()
	a := Astray{Fault: t.fault(topic, localities)}
	if a.Fault == "" || a.Fault == Command || a.Fault == ComputedKind {
		a.Device = TopicDevice(topic)
		return a
	}
	g := guess{topics: t, places: places, levels: sound(topic[:min(len(topic), maxExamined)])}
	g.find(localities)
	a.Device, a.Known = g.device, g.known
	if g.locality != "" || g.kind != "" {
		a.Nearest = strings.Join([]string{Root, or(string(g.locality), "<locality>"), or(string(g.kind), "<kind>"), or(string(g.device), "<device>")}, "/")
	}
	if a.Nearest == topic {
		a.Nearest = ""
	}
	return a
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// fault is the first that a topic has.
func (t *Topics) fault(topic string, localities []telemetry.Locality) Fault {
	levels := strings.Split(topic, "/")
	last := len(levels) - 1
	root := slices.Index(levels, Root)
	switch {
	case topic == "":
		return EmptyTopic
	case !utf8.ValidString(topic):
		return NotUTF8
	case strings.ContainsAny(topic, "+#"):
		return Wildcard
	case levels[0] == "":
		return LeadingSlash
	case levels[last] == "":
		return TrailingSlash
	case slices.Contains(levels, ""):
		return EmptyLevel
	case root > 0:
		return Prefixed
	case root < 0 && strings.EqualFold(strings.TrimSpace(levels[0]), Root):
		if levels[0] != strings.TrimSpace(levels[0]) {
			return Space
		}
		return WrongCase
	case root < 0:
		return OtherRoot
	case len(levels) < 4:
		return MissingLevel
	case len(levels) > 4:
		return ExtraLevel
	}
	return t.levelFault(levels, localities)
}

// levelFault is the first fault of four levels of which the first is right.
func (t *Topics) levelFault(levels []string, localities []telemetry.Locality) Fault {
	for _, level := range levels[1:] {
		switch {
		case strings.ContainsAny(level, " \t\r\n\u00a0"):
			return Space
		case len(level) > telemetry.MaxIDLength:
			return TooLongLevel
		case telemetry.CheckID(level) != nil:
			return Characters
		}
	}
	locality, kind := telemetry.Locality(levels[1]), telemetry.Kind(levels[2])
	fold := func(name string) func(string) bool {
		return func(s string) bool { return strings.EqualFold(s, name) }
	}
	switch {
	case !slices.Contains(localities, locality):
		if slices.ContainsFunc(localities, func(l telemetry.Locality) bool { return fold(string(l))(levels[1]) }) {
			return WrongCase
		}
		return NoSuchPlace
	case kind == commandLevel:
		return Command
	case slices.Contains(t.computed, kind):
		return ComputedKind
	case !slices.Contains(t.kinds, kind):
		if slices.ContainsFunc(t.kinds, func(k telemetry.Kind) bool { return fold(string(k))(levels[2]) }) {
			return WrongCase
		}
		return NoSuchKind
	}
	return ""
}

// sound are a topic's levels without empty ones and without space around them.
func sound(topic string) (levels []string) {
	for level := range strings.SplitSeq(topic, "/") {
		if level = strings.TrimSpace(level); level != "" && level != "+" && level != "#" {
			levels = append(levels, level)
		}
	}
	return levels
}

// guess is what a topic was most likely meant to say.
type guess struct {
	topics *Topics
	places Places
	levels []string

	locality telemetry.Locality
	kind     telemetry.Kind
	device   telemetry.Device
	known    bool
}

// find finds locality, kind and device among the levels: the first two are those that
// are most like one that there is, and the device comes after them.
func (g *guess) find(localities []telemetry.Locality) {
	form := len(g.levels) == 4 && g.levels[0] == Root // only names can be wrong
	from := 0
	if i := slices.IndexFunc(g.levels, func(s string) bool { return strings.EqualFold(s, Root) }); i >= 0 {
		from = i + 1
	}
	here, measured := -1, -1
	if form {
		here, measured = 1, 2
		g.locality, _ = telemetry.Nearest(g.levels[1], localities)
		g.kind, _ = telemetry.Nearest(g.levels[2], g.topics.kinds)
	} else {
		here, g.locality = mostAlike(g.levels, from, -1, localities)
		measured, g.kind = mostAlike(g.levels, from, here, g.topics.kinds)
	}
	after := max(from, here+1, measured+1)
	device := ""
	switch {
	case after < len(g.levels) && measured >= here:
		device = g.levels[after]
		if measured < 0 { // what stands between is no kind
			device = g.levels[len(g.levels)-1]
		}
	case here < measured && measured-here > 1:
		device = g.levels[measured-1]
	case after < len(g.levels):
		device = g.levels[len(g.levels)-1]
	}
	g.recognise(device)
}

// mostAlike is the level, and the name that it is most like; −1 if none is like any. A
// level that only begins so is none if it is the last: devices are named so.
func mostAlike[N ~string](levels []string, from, taken int, names []N) (at int, best N) {
	at = -1
	how := telemetry.Unlike
	for i := from; i < len(levels); i++ {
		if i == taken {
			continue
		}
		name, h := telemetry.Nearest(levels[i], names)
		if h < how && (h != telemetry.PartOfOther || i < len(levels)-1) {
			at, best, how = i, name, h
		}
	}
	return at, best
}

// recognise makes a device's id of a level: that of a device that is known, where it can
// be one but for its characters. What such a device measures and where fills what is not
// known yet.
func (g *guess) recognise(level string) {
	if level == "" {
		return
	}
	for i, id := range spellings(level) {
		if telemetry.CheckID(id) != nil {
			continue
		}
		d := telemetry.Device(id)
		locality, kind := g.places.Stands(d)
		if locality == "" && kind == "" {
			if i == 0 || g.device == "" {
				g.device = d
			}
			continue
		}
		g.device, g.known = d, true
		if g.locality == "" {
			g.locality = locality
		}
		if g.kind == "" {
			g.kind = kind
		}
		return
	}
}

// spellings are the ids that a level may stand for, the likeliest first.
func spellings(level string) []string {
	spell := func(with string) string {
		var b strings.Builder
		gap := false
		for _, r := range telemetry.Unmarked(level) {
			if r < utf8.RuneSelf && telemetry.CheckID(string(r)) == nil {
				if gap && b.Len() > 0 {
					b.WriteString(with)
				}
				gap = false
				b.WriteRune(r)
				continue
			}
			gap = true
		}
		return b.String()
	}
	out := []string{spell("-"), spell("_"), spell("")}
	return append(out, strings.ToLower(out[0]), strings.ToLower(out[1]))
}
