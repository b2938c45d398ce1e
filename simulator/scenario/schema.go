package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Schema is the JSON Schema of scenarios, for editors: a file that begins with
//
//	# yaml-language-server: $schema=./schema.json
//
// is completed and checked while it is written.
func Schema() []byte {
	s := object(keys())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Hải Đăng scenario"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(fmt.Sprintf("encode schema: %v", err)) // it is made of maps and texts
	}
	return b.Bytes()
}

func object(ks []key) map[string]any {
	properties := map[string]any{}
	var need []string
	for _, k := range ks {
		p := k.schema()
		p["description"] = k.about
		properties[k.name] = p
		if k.need {
			need = append(need, k.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if need != nil {
		s["required"] = need
	}
	return s
}

func (k key) schema() map[string]any {
	word := map[string]any{"type": "string"}
	if k.words != nil {
		word["enum"] = k.words
	}
	switch k.form {
	case number:
		return map[string]any{"type": "number"}
	case whole:
		return map[string]any{"type": "integer", "minimum": 0}
	case truth:
		return map[string]any{"type": "boolean"}
	case length:
		return map[string]any{"type": "string", "pattern": lengthPattern}
	case mapping:
		return object(k.keys)
	case maps:
		return map[string]any{"type": "array", "items": object(k.keys)}
	case texts:
		return map[string]any{"type": "array", "items": word}
	case placesForm:
		return map[string]any{"oneOf": []any{map[string]any{"const": "all"}, map[string]any{"type": "array", "items": word}}}
	}
	return word
}
