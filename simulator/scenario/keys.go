package scenario

import (
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/city"
)

// form is what a key's value has to be.
type form string

const (
	text    form = "text"
	number  form = "number"
	whole   form = "whole number"
	moment  form = "time"
	length  form = "length of time"
	truth   form = "true or false"
	mapping form = "mapping"
	texts   form = "list of texts"
	maps    form = "list of mappings"
	// placesForm is a list of places, or the word all.
	placesForm form = "list of places, or all"
)

// key is a key of a mapping: the reader and the schema for editors are both made
// of this table.
type key struct {
	name  string
	form  form
	about string
	need  bool
	// words are the only values it may have.
	words []string
	// keys are those of a mapping, or of a list's mappings.
	keys []key
}

// keys are those of a scenario.
func keys() []key {
	return []key{
		{name: "name", form: text, need: true, about: "Short name, of letters, digits and hyphens."},
		{name: "title", form: mapping, about: "What happens, in a sentence.", keys: []key{
			{name: "vi", form: text, about: "In Vietnamese."},
			{name: "en", form: text, about: "In English."},
		}},
		{name: "seed", form: whole, about: "Decides all that is left to chance. The same seed gives the same feed."},
		{name: "period", form: mapping, need: true, about: "The time line; either for or end.", keys: []key{
			{name: "start", form: moment, need: true, about: "When it begins, such as 2025-11-15 00:00."},
			{name: "end", form: moment, about: "When it ends."},
			{name: "for", form: length, about: "How long it is, such as 24h or 7d."},
			{name: "zone", form: text, about: "Time zone of the times in this file. Asia/Ho_Chi_Minh if left out."},
		}},
		{name: "events", form: maps, about: "What happens to the city out of the ordinary.", keys: []key{
			{name: "event", form: text, need: true, words: words(city.EventKinds()), about: "What happens."},
			{name: "from", form: moment, need: true, about: "When it begins."},
			{name: "to", form: moment, need: true, about: "When it ends."},
			{name: "strength", form: number, need: true, about: "flood 0.1 to 1.2 (1 is November 2025), typhoon 8 to 17 and depression 6 to 7 on Beaufort's scale, rain in mm a day, haze 0.1 to 3, heat in °C above normal, holiday 0.1 to 3 (3 is Tết)."},
			{name: "lat", form: number, about: "Latitude of a storm's landfall."},
			{name: "lon", form: number, about: "Longitude of a storm's landfall."},
			{name: "localities", form: texts, words: words(simulator.Localities()), about: "Where; everywhere if left out."},
		}},
		{name: "fleet", form: maps, need: true, about: "Groups of devices of one kind and make.", keys: []key{
			{name: "kind", form: text, need: true, words: kindWords(), about: "What they measure."},
			{name: "localities", form: texts, words: words(simulator.Localities()), about: "Where they stand; in all if left out."},
			{name: "places", form: placesForm, words: placeWords(), about: "At which places; at all where the kind is sensibly measured if left out."},
			{name: "count", form: whole, about: "How many in all; one at each place if left out."},
			{name: "every", form: length, about: "Time between readings; the kind's usual if left out."},
			{name: "jitter", form: length, about: "By how much at most a message is sent later than measured."},
			{name: "format", form: text, words: words(simulator.FormatNames()), about: "Payload format. The pipeline understands native."},
			{name: "power", form: text, words: words(simulator.Powers()), about: "What they live on."},
			{name: "radio", form: text, words: words(simulator.Radios()), about: "How they are heard; lora loses messages."},
		}},
		{name: "faults", form: maps, about: "What goes wrong: from and to, or a rate.", keys: append([]key{
			{name: "fault", form: text, need: true, words: words(simulator.FaultClasses()), about: "What goes wrong."},
			{name: "from", form: moment, about: "When it begins."},
			{name: "to", form: moment, about: "When it ends."},
			{name: "rate", form: number, about: "How often it befalls a device in a day."},
			{name: "lasts", form: length, about: "With rate: about how long each time."},
			{name: "metrics", form: texts, about: "stuck, drift, spike: of which metrics; all if left out."},
			{name: "size", form: number, about: "drift: share of the value a day; spike: factor; clock: seconds gained an hour."},
			{name: "offset", form: length, about: "clock: by how much it is ahead; behind if negative."},
			{name: "garbage", form: texts, words: words(simulator.GarbageKinds()), about: "garbage: which kinds; all in turn if left out."},
			{name: "lose", form: truth, about: "outage: what is measured meanwhile is lost, not sent late."},
			{name: "keep", form: whole, about: "outage, storm: how many readings a device has room for; 1000 if left out."},
		}, selectorKeys()...)},
	}
}

// selectorKeys choose the devices that a fault befalls.
func selectorKeys() []key {
	return []key{
		{name: "localities", form: texts, words: words(simulator.Localities()), about: "Only devices there."},
		{name: "wards", form: texts, about: "Only devices in wards of these codes."},
		{name: "places", form: texts, words: placeWords(), about: "Only devices at these places."},
		{name: "kinds", form: texts, words: kindWords(), about: "Only devices of these kinds."},
		{name: "devices", form: texts, about: "Only these devices, such as nt-air-cho-dam-1."},
		{name: "share", form: number, about: "Of these only a part, from 0 to 1; always the same."},
	}
}

func words[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}

func kindWords() (out []string) {
	for _, k := range telemetry.NewCatalogue().Kinds() {
		if k.Kind != telemetry.Status {
			out = append(out, string(k.Kind))
		}
	}
	return out
}

func placeWords() (out []string) {
	for _, p := range city.Places() {
		out = append(out, string(p.Site))
	}
	return out
}
