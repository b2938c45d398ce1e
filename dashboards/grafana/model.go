package grafana

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// parse reads one JSON object and nothing behind it.
func parse(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var m object
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after the object")
	}
	if m == nil {
		return nil, errors.New("it is null")
	}
	return m, nil
}

// plain is a model without what is Grafana's own affair: numbers and versions,
// our stamp, members that are null, which its editor leaves out, and those that
// it adds of its own accord to any board that it saves. What is left is what a
// person can have meant.
func plain(m object) object {
	m, _ = withoutNulls(m).(object)
	for _, name := range []string{"id", "version", "revision", "schemaVersion"} {
		delete(m, name)
	}
	for name, usual := range editorDefaults() {
		if reflect.DeepEqual(m[name], usual) {
			delete(m, name)
		}
	}
	withoutBuiltIn(m)
	withoutPluginVersions(m)
	templating, _ := m["templating"].(object)
	if list, ok := templating["list"].([]any); ok {
		list = slices.DeleteFunc(list, isStamp)
		templating["list"] = list
		if len(list) == 0 {
			delete(templating, "list")
		}
	}
	if templating != nil && len(templating) == 0 {
		delete(m, "templating")
	}
	return m
}

// editorDefaults are the members that Grafana's editor adds to a board without
// them, with the values that change nothing.
func editorDefaults() object {
	return object{
		"editable": true, "fiscalYearStartMonth": 0.0, "graphTooltip": 0.0, "links": []any{}, "liveNow": false,
		"style": "dark", "tags": []any{}, "timepicker": object{}, "weekStart": "", "preload": false, "refresh": "",
	}
}

// withoutBuiltIn removes the annotations that every board has, and with them the
// list, if no other is in it.
func withoutBuiltIn(m object) {
	annotations, _ := m["annotations"].(object)
	list, _ := annotations["list"].([]any)
	list = slices.DeleteFunc(list, func(v any) bool { o, _ := v.(object); return o["builtIn"] == 1.0 })
	if len(list) == 0 {
		delete(m, "annotations")
		return
	}
	annotations["list"] = list
}

// withoutPluginVersions removes from panels which version of Grafana saved them.
func withoutPluginVersions(m object) {
	list, _ := m["panels"].([]any)
	for _, v := range list {
		if o, ok := v.(object); ok {
			delete(o, "pluginVersion")
			withoutPluginVersions(o)
		}
	}
}

func isStamp(v any) bool {
	o, _ := v.(object)
	return o["name"] == stampName
}

// withoutNulls is a deep copy without the members that are null.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = withoutNulls(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withoutNulls(e)
		}
		return out
	}
	return v
}

// fingerprint tells models apart: the first 64 bits of SHA-256 of what is plain,
// with sorted members. It guards against accidents, not against an attacker, who
// could write the stamp as well.
func fingerprint(m object) string { return sumOf(plain(m)) }

func sumOf(plain object) string {
	text, err := json.Marshal(plain)
	if err != nil {
		// It came from JSON.
		panic(fmt.Sprintf("encode a decoded model: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// stampName is the variable that carries the stamp.
const stampName = "haidang_pushed"

// Stamp is what a pushed board says of itself, in a hidden variable of type
// constant, and an alert rule in an annotation: "1:MADE:SAVED" or
// "1:MADE:SAVED:kept". Variables and annotations are what every version's editor
// keeps; other members it does not know it drops.
type Stamp struct {
	// Made is the fingerprint of the model that was pushed, Saved that of what
	// Grafana made of it.
	Made, Saved string
	// Kept says that the model came from a file of Pull.
	Kept bool
}

// String is the stamp as it stands in the variable.
func (s Stamp) String() string {
	text := "1:" + s.Made + ":" + s.Saved
	if s.Kept {
		text += ":kept"
	}
	return text
}

// readStamp finds the stamp of a model.
func readStamp(m object) (Stamp, bool) {
	templating, _ := m["templating"].(object)
	list, _ := templating["list"].([]any)
	i := slices.IndexFunc(list, isStamp)
	if i < 0 {
		return Stamp{}, false
	}
	text, _ := list[i].(object)["query"].(string)
	return parseStamp(text)
}

// parseStamp reads what String wrote.
func parseStamp(text string) (Stamp, bool) {
	parts := strings.Split(text, ":")
	if len(parts) < 3 || parts[0] != "1" {
		return Stamp{}, false
	}
	return Stamp{Made: parts[1], Saved: parts[2], Kept: len(parts) == 4 && parts[3] == "kept"}, true
}

// stamped is a copy of the model with the stamp instead of any other.
func stamped(m object, s Stamp) object {
	out := make(object, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	templating, _ := m["templating"].(object)
	old, _ := templating["list"].([]any)
	list := slices.DeleteFunc(slices.Clone(old), isStamp)
	list = append(list, object{
		"type": "constant", "name": stampName, "label": "Hải Đăng", "query": s.String(),
		"hide": 2, "skipUrlSync": true, // 2: neither label nor value is shown
	})
	fresh := make(object, len(templating)+1)
	for k, v := range templating {
		fresh[k] = v
	}
	fresh["list"] = list
	out["templating"] = fresh
	return out
}
