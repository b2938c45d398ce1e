package tape

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// shiftTime moves the event time of a payload, "ts" of a flat JSON object as the
// native format has it, by an offset. A payload that has none, or is not one, is
// returned as it is.
func shiftTime(payload []byte, by time.Duration) []byte {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return payload
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return payload
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return payload
		}
		if key != "ts" {
			continue
		}
		moved, ok := moveTime(value, by)
		if !ok {
			return payload
		}
		end := d.InputOffset()
		out := append([]byte(nil), payload[:end-int64(len(value))]...)
		return append(append(out, moved...), payload[end:]...)
	}
	return payload
}

// moveTime moves a time as the native format writes it: Unix milliseconds, or a
// string of RFC 3339.
func moveTime(value json.RawMessage, by time.Duration) ([]byte, bool) {
	if ms, err := strconv.ParseFloat(string(value), 64); err == nil {
		return strconv.AppendInt(nil, int64(ms)+by.Milliseconds(), 10), true
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return nil, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, false
	}
	return strconv.AppendQuote(nil, t.Add(by).Format(time.RFC3339Nano)), true
}
