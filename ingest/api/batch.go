package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// ndjson is JSON of which every line is one message.
const ndjson = "application/x-ndjson"

// Item is one message of a batch.
type Item struct {
	Topic    string          `json:"topic,omitempty" doc:"kh/<locality>/<kind>/<device>; or the next three"`
	Locality string          `json:"locality,omitempty"`
	Kind     string          `json:"kind,omitempty"`
	Device   string          `json:"device,omitempty"`
	Payload  json.RawMessage `json:"payload" doc:"As the device would publish it; a string is the text of a payload that is no JSON"`
	Time     json.RawMessage `json:"time,omitempty" doc:"When it was measured, as the payload's ts: RFC 3339 or Unix milliseconds; only where the payload has none"`

	err error // why it is none
}

// readBatch reads the messages of a request. What is wrong with one of them is said of
// that one, if it is known where the next begins.
func readBatch(contentType string, body []byte) ([]Item, error) {
	var items []Item
	var err error
	switch {
	case isLines(contentType):
		items, err = readLines(body)
	case isJSON(contentType):
		items, err = readArray(body)
	default:
		return nil, unsupported(contentType, "application/json", ndjson)
	}
	switch {
	case errors.Is(err, errTooMany):
		return nil, problem(http.StatusRequestEntityTooLarge, "too_many_messages", fmt.Sprintf("Mỗi lần gửi nhiều nhất %d bản tin; hãy chia ra.", mostMessages),
			fmt.Sprintf("A request has at most %d messages; send several requests.", mostMessages))
	case err != nil:
		return nil, problem(http.StatusUnprocessableEntity, "not_json", "Nội dung không phải mảng JSON các bản tin: "+err.Error()+".", "The body is not a JSON array of messages: "+err.Error()+".")
	case len(items) == 0:
		return nil, problem(http.StatusUnprocessableEntity, "no_messages", "Không có bản tin nào.", "There is no message.")
	}
	return items, nil
}

var errTooMany = errors.New("too many messages")

// readLines reads one message of each line that is not empty.
func readLines(body []byte) (items []Item, err error) {
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(items) == mostMessages {
			return nil, errTooMany
		}
		items = append(items, readItem(line))
	}
	return items, nil
}

func readArray(body []byte) (items []Item, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return nil, cmpErr(err, "it does not begin with [")
	}
	for d.More() {
		if len(items) == mostMessages {
			return nil, errTooMany
		}
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, fmt.Errorf("message %d: %w", len(items), err)
		}
		items = append(items, readItem(one))
	}
	if _, err := d.Token(); err != nil {
		return nil, cmpErr(err, "its ] is missing")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its ]")
	}
	return items, nil
}

func cmpErr(err error, instead string) error {
	if err == nil || errors.Is(err, io.EOF) {
		return errors.New(instead)
	}
	return err
}

// readItem reads one message; a word that is not known would be one that is not heeded.
func readItem(text []byte) (i Item) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&i)
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return Item{err: problem(http.StatusUnprocessableEntity, "not_a_message", "Không phải bản tin: "+err.Error()+".", "It is no message: "+err.Error()+".")}
	}
	return i
}

// message is what is to be sent where.
func (i Item) message() (topic string, payload []byte, err error) {
	if i.err != nil {
		return "", nil, i.err
	}
	unprocessable := func(code, vi, en string) (string, []byte, error) {
		return "", nil, problem(http.StatusUnprocessableEntity, code, vi, en)
	}
	topic = i.Topic
	parts := []string{i.Locality, i.Kind, i.Device}
	switch named := slices.ContainsFunc(parts, func(s string) bool { return s != "" }); {
	case named && topic != "":
		return unprocessable("two_topics", "Hãy cho topic, hoặc locality, kind và device, không phải cả hai.", "Give topic, or locality, kind and device, and not both.")
	case !named && topic == "":
		return unprocessable("no_topic", "Thiếu topic, hoặc locality, kind và device.", "The topic is missing, or locality, kind and device.")
	case named:
		topic = "kh/" + strings.Join(parts, "/")
	}
	payload = bytes.TrimSpace(i.Payload)
	if len(payload) == 0 || string(payload) == "null" {
		return unprocessable("no_payload", "Thiếu payload.", "The payload is missing.")
	}
	if payload[0] == '"' {
		var text string
		if err := json.Unmarshal(payload, &text); err != nil {
			return unprocessable("not_a_message", "payload không đọc được.", "The payload cannot be read: "+err.Error())
		}
		payload = []byte(text)
	}
	if len(i.Time) > 0 {
		if payload, err = withTime(payload, i.Time); err != nil {
			return unprocessable("bad_time", "time chỉ dùng được với payload là đối tượng JSON chưa có ts.", "The time can be given only for a payload that is a JSON object without a ts: "+err.Error()+".")
		}
	}
	if len(payload) > maxPayload {
		return "", nil, problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("payload có %d byte; tối đa %d.", len(payload), maxPayload),
			fmt.Sprintf("The payload has %d bytes; %d is the limit.", len(payload), maxPayload))
	}
	return topic, payload, nil
}

// withTime puts a time into a payload as its ts.
func withTime(payload []byte, at json.RawMessage) ([]byte, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(payload, &object); err != nil || object == nil {
		return nil, errors.New("it is no object")
	}
	if _, has := object["ts"]; has {
		return nil, errors.New("it has a ts")
	}
	out := append([]byte(`{"ts":`), at...)
	if len(object) > 0 {
		out = append(out, ',')
	}
	return append(out, payload[1:]...), nil
}

// checkTopic says why MQTT has no such topic to publish to.
func checkTopic(topic string) *Problem {
	refuse := func(vi, en string) *Problem {
		return problem(http.StatusUnprocessableEntity, "bad_topic", fmt.Sprintf("Chủ đề %q %s.", shown(topic), vi), fmt.Sprintf("The topic %q %s.", shown(topic), en))
	}
	switch {
	case len(topic) > 65535:
		return refuse("quá dài", "is too long")
	case !utf8.ValidString(topic) || strings.ContainsRune(topic, 0):
		return refuse("không phải UTF-8", "is not UTF-8 text")
	case strings.ContainsAny(topic, "+#"):
		return refuse("có ký tự đại diện + hoặc #", "has a wildcard, + or #, in it")
	case strings.HasPrefix(topic, "$"):
		return refuse("dành riêng cho máy chủ", "is reserved for the server")
	}
	return nil
}

// shown is a text from outside as it may be repeated.
func shown(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// keyOf is a message's key: of the request's, its sender and its place in the batch. 0
// where the request has none.
func keyOf(sender, key string, n int) uint64 {
	if key == "" {
		return 0
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", sender, key, n))
	return max(1, binary.LittleEndian.Uint64(sum[:]))
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json"))
}

func isLines(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && slices.Contains([]string{ndjson, "application/ndjson", "application/jsonl", "application/x-jsonlines"}, t)
}

func unsupported(have string, want ...string) *Problem {
	all := strings.Join(want, ", ")
	return problem(http.StatusUnsupportedMediaType, "not_json", fmt.Sprintf("Content-Type là %q; hãy gửi %s.", shown(have), all), fmt.Sprintf("The Content-Type is %q; send %s.", shown(have), all))
}
