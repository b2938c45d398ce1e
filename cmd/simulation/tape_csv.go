package simulation

import (
	"bufio"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/simulator/tape"
)

// csvColumns are those of a tape's messages as a table.
func csvColumns() []string { return []string{"time", "topic", "qos", "retain", "text", "base64"} }

// csvSink writes messages as rows.
type csvSink struct{ w *csv.Writer }

func newCSV(w io.Writer) (*csvSink, error) {
	s := &csvSink{csv.NewWriter(w)}
	return s, s.w.Write(csvColumns())
}

// Write implements sink.
func (s *csvSink) Write(m tape.Message) error {
	text, binary := string(m.Payload), ""
	// A reader of CSV makes \r\n within a field \n.
	if !utf8.Valid(m.Payload) || slices.Contains(m.Payload, '\r') {
		text, binary = "", base64.StdEncoding.EncodeToString(m.Payload)
	}
	return s.w.Write([]string{m.At.UTC().Format(time.RFC3339Nano), m.Topic, strconv.Itoa(int(m.QoS)), strconv.FormatBool(m.Retain), text, binary})
}

// Close implements sink.
func (s *csvSink) Close() error {
	s.w.Flush()
	return s.w.Error()
}

// csvSource reads rows.
type csvSource struct {
	name string
	r    *csv.Reader
	at   map[string]int // column's place by name
}

// openCSV reads the first row. Only time and topic must be there; other columns
// are passed over.
func openCSV(name string, in *bufio.Reader) (*csvSource, error) {
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		in.Discard(3) // it was peeked at
	}
	s := &csvSource{name: name, r: csv.NewReader(in), at: map[string]int{}}
	s.r.ReuseRecord = true
	header, err := s.r.Read()
	for i, h := range header {
		s.at[h] = i
	}
	_, timed := s.at["time"]
	_, about := s.at["topic"]
	if err != nil || !timed || !about {
		return nil, fmt.Errorf("read %s: its first row must name the columns time and topic, and may name %v, separated by commas", name, csvColumns()[2:])
	}
	return s, nil
}

// Next implements source.
func (s *csvSource) Next() (tape.Message, error) {
	row, err := s.r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return tape.Message{}, io.EOF
		}
		return tape.Message{}, fmt.Errorf("read %s: %w", s.name, err)
	}
	line, _ := s.r.FieldPos(0)
	m, err := s.message(row)
	if err != nil {
		return m, fmt.Errorf("read %s, line %d: %w", s.name, line, err)
	}
	return m, nil
}

func (s *csvSource) message(row []string) (m tape.Message, err error) {
	cell := func(name string) string {
		if i, ok := s.at[name]; ok {
			return row[i]
		}
		return ""
	}
	if m.At, err = time.Parse(time.RFC3339Nano, cell("time")); err != nil {
		return m, fmt.Errorf("column time is %q: write it like 2026-11-21T02:00:00Z", cell("time"))
	}
	if m.Topic = cell("topic"); m.Topic == "" {
		return m, errors.New("column topic is empty")
	}
	if q := cell("qos"); q != "" {
		n, err := strconv.ParseUint(q, 10, 8)
		if err != nil || n > 2 {
			return m, fmt.Errorf("column qos is %q: MQTT has 0, 1 and 2", q)
		}
		m.QoS = byte(n)
	}
	if r := cell("retain"); r != "" {
		if m.Retain, err = strconv.ParseBool(r); err != nil {
			return m, fmt.Errorf("column retain is %q: write true or false", r)
		}
	}
	m.Payload = []byte(cell("text"))
	if b := cell("base64"); b != "" {
		if len(m.Payload) > 0 {
			return m, errors.New("the payload is in text and in base64: leave one empty")
		}
		if m.Payload, err = base64.StdEncoding.DecodeString(b); err != nil {
			return m, fmt.Errorf("column base64: %w", err)
		}
	}
	return m, nil
}

// Close implements source; the file is whoever opened it's.
func (s *csvSource) Close() error { return nil }
