package simulation

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/simulator/tape"
)

// recording reads what other programs recorded of a broker: the JSON lines of
// mosquitto_sub -F %j and of the like, and the CSV of mqtt_recorder.
type recording struct {
	name   string
	strict bool
	next   func() (tape.Message, int, error)

	// bad lines were left out; the first of them is in firstBad.
	bad      uint64
	firstBad error
}

// badLine is a line of a recording that is no message.
type badLine struct{ error }

// Next implements source.
func (r *recording) Next() (tape.Message, error) {
	for {
		m, line, err := r.next()
		var bad badLine
		if !errors.As(err, &bad) {
			if err != nil && !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read %s, line %d: %w", r.name, line, err)
			}
			return m, err
		}
		err = fmt.Errorf("line %d: %w", line, bad.error)
		if r.strict {
			return m, fmt.Errorf("read %s, %w", r.name, err)
		}
		if r.bad++; r.firstBad == nil {
			r.firstBad = err
		}
	}
}

// Close implements source; the file is whoever opened it's.
func (r *recording) Close() error { return nil }

// maxRecorded bounds a line of a recording.
const maxRecorded = 32 << 20

// newJSONRecording reads a message a line.
func newJSONRecording(name string, in io.Reader, strict bool) *recording {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 64<<10), maxRecorded)
	line := 0
	return &recording{name: name, strict: strict, next: func() (tape.Message, int, error) {
		for s.Scan() {
			line++
			text := bytes.TrimSpace(bytes.TrimPrefix(s.Bytes(), []byte("\ufeff")))
			if len(text) == 0 {
				continue
			}
			m, err := recordedLine(text)
			if err != nil {
				err = badLine{err}
			}
			return m, line, err
		}
		if err := s.Err(); err != nil {
			return tape.Message{}, line + 1, err
		}
		return tape.Message{}, line, io.EOF
	}}
}

// errNoText is a payload that JSON has no form for.
var errNoText = errors.New("the payload was no text, of which this form loses a part; record such topics with haidang record")

// recordedLine reads a message as mosquitto_sub writes it with -F %j (payload is a
// string) or %J (payload is JSON), or as recorders do that have it in base64.
func recordedLine(text []byte) (m tape.Message, err error) {
	var l struct {
		TST        json.RawMessage `json:"tst"`
		Time       json.RawMessage `json:"time"`
		Timestamp  json.RawMessage `json:"timestamp"`
		Topic      *string         `json:"topic"`
		QoS        byte            `json:"qos"`
		Retain     json.RawMessage `json:"retain"`
		PayloadLen *int            `json:"payloadlen"`
		Payload    json.RawMessage `json:"payload"`
		Message    json.RawMessage `json:"msg"`
		Base64     *string         `json:"msg_b64"`
		Base64Also *string         `json:"payload_b64"`
	}
	if !utf8.Valid(text) {
		return m, errNoText
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return m, fmt.Errorf("it is no JSON object of a message: %w", err)
	}
	if l.Topic == nil || *l.Topic == "" {
		return m, errors.New("there is no topic")
	}
	m.Topic, m.QoS = *l.Topic, l.QoS
	if m.QoS > 2 {
		return m, fmt.Errorf("qos is %d: MQTT has 0, 1 and 2", m.QoS)
	}
	switch string(l.Retain) {
	case "1", "true":
		m.Retain = true
	}
	if m.At, err = recordedAt(firstGiven(l.TST, l.Time, l.Timestamp)); err != nil {
		return m, err
	}
	if b := firstText(l.Base64, l.Base64Also); b != nil {
		m.Payload, err = base64.StdEncoding.DecodeString(*b)
		return m, err
	}
	payload := firstGiven(l.Payload, l.Message)
	var s string
	switch {
	case len(payload) == 0 || string(payload) == "null":
		m.Payload = []byte{}
	case payload[0] != '"':
		m.Payload = bytes.Clone(payload)
	case json.Unmarshal(payload, &s) == nil:
		m.Payload = []byte(s)
		if l.PayloadLen != nil && *l.PayloadLen != len(m.Payload) {
			return m, fmt.Errorf("the payload had %d bytes and %d are here: %w", *l.PayloadLen, len(m.Payload), errNoText)
		}
	}
	return m, nil
}

func firstGiven(all ...json.RawMessage) json.RawMessage {
	for _, one := range all {
		if len(one) > 0 {
			return one
		}
	}
	return nil
}

func firstText(all ...*string) *string {
	for _, one := range all {
		if one != nil {
			return one
		}
	}
	return nil
}

// recordedAt reads when a message was received: a text, or Unix seconds, or what is
// too large for them, milliseconds. Some versions of mosquitto_sub end the time with
// Z and an offset besides.
func recordedAt(raw json.RawMessage) (time.Time, error) {
	text := strings.Trim(string(raw), `"`)
	if text == "" {
		return time.Time{}, errors.New("there is no time: one of tst, time and timestamp is needed")
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && v > 0 && v < 1e14 {
		if v < 1e11 {
			v *= 1000
		}
		return time.UnixMicro(int64(v * 1000)).UTC(), nil
	}
	plain := strings.Replace(text, "Z+", "+", 1)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, plain); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("the time %q is neither like 2026-11-21T02:00:00.123456+0700 nor a number of seconds since 1970", text)
}

// isMQTTRecorder reports whether a row is one of mqtt_recorder's, which name no
// columns: topic, payload, qos, retain, time, seconds since the one before.
func isMQTTRecorder(row []string) bool {
	if len(row) != 6 || row[0] == "" || row[3] != "True" && row[3] != "False" {
		return false
	}
	_, err := strconv.ParseFloat(row[4], 64)
	return err == nil && len(row[2]) == 1 && row[2] >= "0" && row[2] <= "2"
}

// newMQTTRecorder reads mqtt_recorder's CSV; base64 says that payloads are in it,
// which the file does not.
func newMQTTRecorder(name string, in io.Reader, inBase64, strict bool) *recording {
	c := csv.NewReader(in)
	c.FieldsPerRecord, c.ReuseRecord = -1, true
	return &recording{name: name, strict: strict, next: func() (tape.Message, int, error) {
		row, err := c.Read()
		if err != nil {
			return tape.Message{}, 0, err
		}
		line, _ := c.FieldPos(0)
		m, err := recordedRow(row, inBase64)
		if err != nil {
			err = badLine{err}
		}
		return m, line, err
	}}
}

func recordedRow(row []string, inBase64 bool) (m tape.Message, err error) {
	if !isMQTTRecorder(row) {
		return m, errors.New("it is no row of topic, payload, qos, True or False, seconds since 1970, and seconds since the row before")
	}
	m.Topic, m.QoS, m.Retain = row[0], row[2][0]-'0', row[3] == "True"
	if m.At, err = recordedAt(json.RawMessage(row[4])); err != nil {
		return m, err
	}
	m.Payload = []byte(row[1])
	if inBase64 {
		if m.Payload, err = base64.StdEncoding.DecodeString(row[1]); err != nil {
			return m, fmt.Errorf("the payload is not base64, as the first ones are: %w", err)
		}
	}
	return m, nil
}

// payloadsInBase64 reports whether all payloads of the first rows are base64 that
// comes out as text, and long enough for that to be no chance.
func payloadsInBase64(rows [][]string) bool {
	letters := 0
	for _, r := range rows {
		if len(r) < 2 || r[1] == "" {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(r[1])
		if err != nil || !utf8.Valid(b) {
			return false
		}
		letters += len(r[1])
	}
	return letters >= 16
}
