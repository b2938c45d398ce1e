package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxDetail bounds a detail's length. A few quoted pieces of input and the names
// of a kind's metrics stay below it.
const maxDetail = 1024

// fuzzMaxPayload is small, so that inputs on both sides of the limit are tried.
const fuzzMaxPayload = 4 << 10

// FuzzDecode holds Decode to what it promises of any message whatever, with the
// standard library's decoder as a second opinion. Its seeds are in
// testdata/fuzz/FuzzDecode.
func FuzzDecode(f *testing.F) {
	cat := telemetry.NewCatalogue()
	used := codec.NewNative(cat, fuzzMaxPayload)
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool, received int64) {
		m := codec.Message{Topic: topic, Payload: bytes.Clone(payload), Received: time.UnixMilli(received), Retained: retained}
		d, err := used.Decode(m)
		if !bytes.Equal(m.Payload, payload) {
			t.Fatal("the payload was changed")
		}
		fresh, freshErr := codec.NewNative(cat, fuzzMaxPayload).Decode(m)
		if want, have := plain(fresh, freshErr), plain(d, err); !reflect.DeepEqual(want, have) {
			t.Fatalf("a used codec decodes otherwise than a fresh one (-fresh +used):\n%s", cmp.Diff(want, have))
		}
		if err != nil {
			p := problemOf(t, err)
			checkProblem(t, p)
			if p.Field != "" || len(d.Readings) > 0 || len(d.Problems) > 0 {
				t.Fatalf("failed as a whole, but there is more: %+v %+v", p, d)
			}
			checkRightlyNotJSON(t, p, payload)
			return
		}
		if len(d.Readings) == 0 && len(d.Problems) == 0 {
			t.Fatal("neither readings nor problems")
		}
		for _, p := range d.Problems {
			checkProblem(t, p)
		}
		for _, r := range d.Readings {
			checkReading(t, r, m)
		}
	})
}

// flat is what a test compares of what was decoded.
type flat struct {
	Err      string
	Problems []telemetry.Problem
	Topics   []string
	Times    []time.Time
	Values   []map[telemetry.Metric]float64
}

func plain(d codec.Decoded, err error) flat {
	p := flat{Problems: append([]telemetry.Problem{}, d.Problems...)}
	if err != nil {
		p.Err = err.Error()
	}
	for _, r := range d.Readings {
		p.Topics = append(p.Topics, strings.Join([]string{codec.Root, string(r.Locality), string(r.Kind.Kind), string(r.Device)}, "/"))
		p.Times = append(p.Times, r.Time, r.Received)
		p.Values = append(p.Values, values(r))
	}
	return p
}

func checkProblem(t *testing.T, p telemetry.Problem) {
	t.Helper()
	if p.Reason == "" || p.Detail == "" || len(p.Detail) > maxDetail || len(p.Field) > maxDetail ||
		!utf8.ValidString(p.Detail) || !utf8.ValidString(p.Field) {
		t.Fatalf("a problem that cannot be shown: %q", p)
	}
	for _, r := range p.Detail + p.Field {
		if !strconv.IsPrint(r) {
			t.Fatalf("a problem with the unprintable %q: %q", r, p)
		}
	}
}

func checkReading(t *testing.T, r telemetry.Reading, m codec.Message) {
	t.Helper()
	if have := plain(codec.Decoded{Readings: []telemetry.Reading{r}}, nil).Topics[0]; have != m.Topic {
		t.Fatalf("a reading of %q from a message at %q", have, m.Topic)
	}
	if len(r.Values) == 0 {
		t.Fatal("a reading without values")
	}
	if !r.TimeGiven && !r.Time.Equal(m.Received) || !r.Received.Equal(m.Received) {
		t.Fatalf("have time %v and received %v of a message received at %v", r.Time, r.Received, m.Received)
	}
	if y := r.Time.Year(); r.TimeGiven && (y < 0 || y > 9999 || r.Time.Location() != time.UTC) {
		t.Fatalf("have time %v", r.Time)
	}
	seen := map[telemetry.Metric]bool{}
	for _, v := range r.Values {
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			t.Fatalf("%s is %v", v.Spec.Name, v.Number)
		}
		if &r.Kind.Metrics[v.Spec.Index] != v.Spec {
			t.Fatalf("%s is no metric of %s", v.Spec.Name, r.Kind.Kind)
		}
		if seen[v.Spec.Name] {
			t.Fatalf("%s comes twice", v.Spec.Name)
		}
		seen[v.Spec.Name] = true
	}
	if r.Kind.Kind == telemetry.Status && !bytes.HasPrefix(bytes.TrimSpace(m.Payload), []byte("{")) {
		return
	}
	var other map[string]json.RawMessage
	if err := json.Unmarshal(m.Payload, &other); err != nil {
		t.Fatalf("decoded what encoding/json does not: %v", err)
	}
	for _, v := range r.Values {
		raw := other[string(v.Spec.Name)]
		var number float64
		if json.Unmarshal(raw, &number) == nil && number != v.Number || raw == nil {
			t.Fatalf("%s is %v, but %s to encoding/json", v.Spec.Name, v.Number, raw)
		}
	}
}

// checkRightlyNotJSON holds that a payload is refused only for what it is. What
// the standard library is laxer about is left out: depth, and halves of
// surrogate pairs.
func checkRightlyNotJSON(t *testing.T, p telemetry.Problem, payload []byte) {
	t.Helper()
	if p.Reason != telemetry.NotJSON || !utf8.Valid(payload) || bytes.Contains(payload, []byte(`\u`)) ||
		strings.Contains(p.Detail, "nested too deep") {
		return
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) == nil && object != nil {
		t.Fatalf("refused what encoding/json decodes: %s", p.Detail)
	}
}
