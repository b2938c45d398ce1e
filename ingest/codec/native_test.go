package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	airTopic    = "kh/nha-trang/air_quality/aq-1"
	lightTopic  = "kh/cam-ranh/street_light/sl-1"
	statusTopic = "kh/ninh-hoa/status/aq-1"
)

func received() time.Time { return time.UnixMilli(1795293000999).UTC() }

// values brings a reading's values into a form that a test can state.
func values(r telemetry.Reading) metrics {
	m := metrics{}
	for _, v := range r.Values {
		m[v.Spec.Name] = v.Number
	}
	return m
}

// fault is a problem as a test states it: about is in its detail.
type fault struct {
	field  string
	reason telemetry.Reason
	about  string
}

func checkFaults(t *testing.T, have []telemetry.Problem, want []fault) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("have %d problems %v, want %d", len(have), have, len(want))
	}
	for i, w := range want {
		h := have[i]
		if h.Field != w.field || h.Reason != w.reason || !strings.Contains(h.Detail, w.about) {
			t.Errorf("problem %d: have %+v, want %+v", i, h, w)
		}
	}
}

type metrics = map[telemetry.Metric]float64

func TestDecodeReading(t *testing.T) {
	given := time.UnixMilli(1795293000123).UTC()
	for _, tc := range []struct {
		name, topic, payload string
		want                 metrics
		at                   time.Time // zero: the received time stands in
	}{
		{"the design's example", airTopic, `{"ts":1795293000123,"pm25":12.4,"pm10":30.1,"bat":3.7}`,
			metrics{"pm25": 12.4, "pm10": 30.1, "bat": 3.7}, given},
		{"no time", airTopic, `{"pm25":12.4}`, metrics{"pm25": 12.4}, time.Time{}},
		{"null time", airTopic, `{"ts":null,"pm25":12.4}`, metrics{"pm25": 12.4}, time.Time{}},
		{"time at the end", airTopic, `{"pm25":12.4,"ts":1795293000123}`, metrics{"pm25": 12.4}, given},
		{"RFC 3339 in UTC", airTopic, `{"ts":"2026-11-21T20:30:00.123Z","pm25":1}`, metrics{"pm25": 1},
			time.Date(2026, 11, 21, 20, 30, 0, 123e6, time.UTC)},
		{"RFC 3339 in Vietnam", airTopic, `{"ts":"2026-11-22T03:30:00+07:00","pm25":1}`, metrics{"pm25": 1},
			time.Date(2026, 11, 21, 20, 30, 0, 0, time.UTC)},
		{"RFC 3339 as .NET escapes it", airTopic, `{"ts":"2026-11-22T03:30:00\u002B07:00","pm25":1}`, metrics{"pm25": 1},
			time.Date(2026, 11, 21, 20, 30, 0, 0, time.UTC)},
		{"finer than a millisecond", airTopic, `{"ts":"2026-11-21T20:30:00.123999Z","pm25":1}`, metrics{"pm25": 1},
			time.Date(2026, 11, 21, 20, 30, 0, 123e6, time.UTC)},
		{"a clock that was never set", airTopic, `{"ts":86400000,"pm25":1}`, metrics{"pm25": 1}, time.UnixMilli(86400000).UTC()},
		{"a time in the future", airTopic, `{"ts":1995293000123,"pm25":1}`, metrics{"pm25": 1}, time.UnixMilli(1995293000123).UTC()},
		{"white space", airTopic, " {\r\n\t\"pm25\" : 1 , \"pm10\" : 2 }\n", metrics{"pm25": 1, "pm10": 2}, time.Time{}},
		{"escapes in a key", airTopic, `{"p\u006d25":1,"\u0074s":1795293000123}`, metrics{"pm25": 1}, given},
		{"out of range is the loader's", airTopic, `{"pm25":-7,"humidity":1e308}`, metrics{"pm25": -7, "humidity": 1e308}, time.Time{}},
		{"beyond 2⁵³", airTopic, `{"seq":9007199254740993,"co":0.1}`, metrics{"seq": 9007199254740992, "co": 0.1}, time.Time{}},
		{"too small for a number", airTopic, `{"pm25":1e-999}`, metrics{"pm25": 0}, time.Time{}},
		{"null fields", airTopic, `{"pm25":null,"pm10":3}`, metrics{"pm10": 3}, time.Time{}},
		{"flags", lightTopic, `{"on":true,"fault":false}`, metrics{"on": 1, "fault": 0}, time.Time{}},
		{"flags as numbers", lightTopic, `{"on":1,"fault":0.0}`, metrics{"on": 1, "fault": 0}, time.Time{}},
		{"quality by number", airTopic, `{"quality":2,"pm25":1}`, metrics{"quality": 2, "pm25": 1}, time.Time{}},
		{"quality by word", airTopic, `{"quality":"measuring"}`, metrics{"quality": 0}, time.Time{}},
		{"quality by another word", airTopic, `{"quality":"calibrating"}`, metrics{"quality": 1}, time.Time{}},
		{"quality with an escape", airTopic, `{"quality":"\u0065rror"}`, metrics{"quality": 2}, time.Time{}},
		{"quality as the circular has it", airTopic, `{"quality":"02"}`, metrics{"quality": 2}, time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) { checkDecodes(t, tc.topic, tc.payload, tc.want, tc.at) })
	}
}

func TestDecodeStatus(t *testing.T) {
	for _, tc := range []struct {
		name, payload string
		want          metrics
	}{
		{"online", `online`, metrics{"online": 1}},
		{"offline", ` Offline` + "\n", metrics{"online": 0}},
		{"quoted", `"offline"`, metrics{"online": 0}},
		{"one", `1`, metrics{"online": 1}},
		{"nought", `0`, metrics{"online": 0}},
		{"true", `true`, metrics{"online": 1}},
		{"state as an object", `{"online":false,"bat":3.6}`, metrics{"online": 0, "bat": 3.6}},
		{"a will's ts is read past", `{"online":false,"ts":1795293000123}`, metrics{"online": 0}},
		{"even a wrong one", `{"online":true,"ts":"boot"}`, metrics{"online": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) { checkDecodes(t, statusTopic, tc.payload, tc.want, time.Time{}) })
	}
}

// checkDecodes decodes a message with nothing wrong in it. If at is zero, the
// received time must stand in.
func checkDecodes(t *testing.T, topic, payload string, want metrics, at time.Time) {
	t.Helper()
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	d, err := n.Decode(codec.Message{Topic: topic, Payload: []byte(payload), Received: received()})
	if err != nil || len(d.Problems) > 0 || len(d.Readings) != 1 {
		t.Fatalf("have %+v, %v; want one reading", d, err)
	}
	r := d.Readings[0]
	if diff := cmp.Diff(want, values(r)); diff != "" {
		t.Errorf("values (-want +have):\n%s", diff)
	}
	given := !at.IsZero()
	if !given {
		at = received()
	}
	if r.Time != at || r.TimeGiven != given || r.Received != received() {
		t.Errorf("have time %v, given %v, received %v; want %v", r.Time, r.TimeGiven, r.Received, at)
	}
	if have := fmt.Sprintf("kh/%s/%s/%s", r.Locality, r.Kind.Kind, r.Device); have != topic {
		t.Errorf("have a reading of %s, want %s", have, topic)
	}
}

func TestDecodePartial(t *testing.T) {
	for _, tc := range []struct {
		name, topic, payload string
		want                 []fault // beside the value of bat, which is always there
	}{
		{"string", airTopic, `{"bat":1,"pm25":"12.4"}`, []fault{{"pm25", telemetry.WrongType, `"12.4" is a string; a number is needed, without quotes`}}},
		{"empty string", airTopic, `{"bat":1,"pm25":""}`, []fault{{"pm25", telemetry.WrongType, "send null"}}},
		{"NaN as a string", airTopic, `{"bat":1,"pm25":"NaN"}`, []fault{{"pm25", telemetry.WrongType, "send null"}}},
		{"object", airTopic, `{"bat":1,"pm25":{"value":[1,{"a":{}}]}}`, []fault{{"pm25", telemetry.WrongType, "an object"}}},
		{"array", airTopic, `{"bat":1,"pm25":[12.4]}`, []fault{{"pm25", telemetry.WrongType, "an array"}}},
		{"truth for a number", airTopic, `{"bat":1,"pm25":true}`, []fault{{"pm25", telemetry.WrongType, "the value is true; a number is needed"}}},
		{"half a flag", lightTopic, `{"bat":1,"on":0.5}`, []fault{{"on", telemetry.WrongType, "true, false, 1 or 0"}}},
		{"a flag's word", lightTopic, `{"bat":1,"on":"ON"}`, []fault{{"on", telemetry.WrongType, `"ON" is a string; true, false, 1 or 0 is needed`}}},
		{"quality of no kind", airTopic, `{"bat":1,"quality":"good"}`, []fault{{"quality", telemetry.WrongType, "measuring"}}},
		{"quality in between", airTopic, `{"bat":1,"quality":1.5}`, []fault{{"quality", telemetry.WrongType, "not a whole number"}}},
		{"huge number", airTopic, `{"bat":1,"pm25":1e999}`, []fault{{"pm25", telemetry.NotFinite, "1e999 is too large"}}},
		{"huge negative number", airTopic, `{"bat":1,"pm25":-1e999}`, []fault{{"pm25", telemetry.NotFinite, "-1e999 is too large"}}},
		{"unknown", airTopic, `{"bat":1,"xyzzy":2}`, []fault{{"xyzzy", telemetry.UnknownMetric, "air_quality has no metric \"xyzzy\"; it has pm1, pm25"}}},
		{"another kind's", airTopic, `{"bat":1,"vehicles":2}`, []fault{{"vehicles", telemetry.UnknownMetric, "it has pm1"}}},
		{"unknown and nested", airTopic, `{"bat":1,"gps":{"lat":12.2,"lon":[1]}}`, []fault{{"gps", telemetry.UnknownMetric, ""}}},
		{"point in the name", airTopic, `{"bat":1,"pm2.5":2}`, []fault{{"pm2.5", telemetry.UnknownMetric, "did you mean pm25?"}}},
		{"capitals", airTopic, `{"bat":1,"PM25":2}`, []fault{{"PM25", telemetry.UnknownMetric, "did you mean pm25?"}}},
		{"short form", airTopic, `{"bat":1,"temp":2}`, []fault{{"temp", telemetry.UnknownMetric, "did you mean temperature?"}}},
		{"slip of the pen", airTopic, `{"bat":1,"humdity":2}`, []fault{{"humdity", telemetry.UnknownMetric, "did you mean humidity?"}}},
		{"unit in the name", airTopic, `{"bat":1,"pm10_ug":2}`, []fault{{"pm10_ug", telemetry.UnknownMetric, "did you mean pm10?"}}},
		{"time under another name beside ts", airTopic, `{"bat":1,"ts":1795293000123,"timestamp":1795293000123}`, []fault{{"timestamp", telemetry.UnknownMetric, "did you mean ts?"}}},
		{"repeated", airTopic, `{"pm25":1,"bat":1,"pm25":2,"pm25":3}`, []fault{{"pm25", telemetry.RepeatedField, "more than once"}}},
		{"repeated with null", airTopic, `{"pm25":null,"bat":1,"pm25":2}`, []fault{{"pm25", telemetry.RepeatedField, "more than once"}}},
		{"repeated by an escape", airTopic, `{"pm25":1,"bat":1,"pm\u00325":2}`, []fault{{"pm25", telemetry.RepeatedField, "more than once"}}},
		{"unknown twice", airTopic, `{"zz":1,"bat":1,"zz":2}`, []fault{{"zz", telemetry.UnknownMetric, ""}}},
		{"control characters in a key", airTopic, `{"bat":1,"a\u001b[2J\u202e":2}`, []fault{{`a\x1b[2J\u202e`, telemetry.UnknownMetric, `"a\x1b[2J\u202e"`}}},
		{"long key", airTopic, `{"bat":1,"` + strings.Repeat("ệ", 40) + `":2}`,
			[]fault{{strings.Repeat("ệ", 21) + "…", telemetry.UnknownMetric, strings.Repeat("ệ", 21) + `"…`}}},
		{"several", airTopic, `{"pm25":"x","foo":1,"bat":1,"pm10":1e400}`,
			[]fault{{"pm25", telemetry.WrongType, ""}, {"foo", telemetry.UnknownMetric, ""}, {"pm10", telemetry.NotFinite, ""}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := codec.NewNative(telemetry.NewCatalogue(), 0)
			d, err := n.Decode(codec.Message{Topic: tc.topic, Payload: []byte(tc.payload), Received: received()})
			if err != nil || len(d.Readings) != 1 {
				t.Fatalf("have %+v, %v; want one reading", d, err)
			}
			if diff := cmp.Diff(metrics{"bat": 1}, values(d.Readings[0])); diff != "" {
				t.Errorf("values (-want +have):\n%s", diff)
			}
			checkFaults(t, d.Problems, tc.want)
		})
	}
}

func TestDecodeNothingUsable(t *testing.T) {
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	d, err := n.Decode(codec.Message{Topic: airTopic, Payload: []byte(`{"pm25":"x","pm10":1,"pm10":2}`), Received: received()})
	if err != nil || len(d.Readings) != 0 {
		t.Fatalf("have %+v, %v; want problems only", d, err)
	}
	checkFaults(t, d.Problems, []fault{{"pm25", telemetry.WrongType, ""}, {"pm10", telemetry.RepeatedField, ""}})
}

func TestDecodeManyProblems(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"bat":3.7,"pm25":1`)
	for i := range 100 {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	b.WriteString(`,"pm25":2}`)
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	d, err := n.Decode(codec.Message{Topic: airTopic, Payload: b.Bytes(), Received: received()})
	if err != nil || len(d.Readings) != 1 || len(d.Problems) != 33 {
		t.Fatalf("have %d readings, %d problems, %v; want 1 and 33", len(d.Readings), len(d.Problems), err)
	}
	checkFaults(t, d.Problems[32:], []fault{{"", telemetry.UnknownMetric, "and 69 more"}})
	if diff := cmp.Diff(metrics{"bat": 3.7}, values(d.Readings[0])); diff != "" {
		t.Errorf("a repetition beyond the list must still take values back (-want +have):\n%s", diff)
	}
}

// TestDecodeReuse shows that nothing of a message stays for the next one, and
// that the payload is left as it was.
func TestDecodeReuse(t *testing.T) {
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	for _, payload := range []string{
		`{"ts":1795293000123,"pm25":1,"pm25":2,"foo":1}`, `{"ts":"x"}`, `{"pm25":`, `{"\u0070m25":3,"ts":1795293000123}`,
	} {
		raw := []byte(payload)
		_, _ = n.Decode(codec.Message{Topic: airTopic, Payload: raw, Received: received()})
		if string(raw) != payload {
			t.Errorf("payload was changed: have %s, want %s", raw, payload)
		}
		d, err := n.Decode(codec.Message{Topic: airTopic, Payload: []byte(`{"pm25":7}`), Received: received()})
		if err != nil || len(d.Problems) != 0 || len(d.Readings) != 1 {
			t.Fatalf("after %s: have %+v, %v", payload, d, err)
		}
		r := d.Readings[0]
		if diff := cmp.Diff(metrics{"pm25": 7}, values(r)); diff != "" || r.TimeGiven {
			t.Errorf("after %s: time given %v, values (-want +have):\n%s", payload, r.TimeGiven, diff)
		}
	}
}

// TestDecodeAllocations guards the hot path.
func TestDecodeAllocations(t *testing.T) {
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	m := codec.Message{Topic: airTopic, Payload: []byte(tenFields), Received: received()}
	have := testing.AllocsPerRun(100, func() {
		if _, err := n.Decode(m); err != nil {
			t.Fatal(err)
		}
	})
	if have > 0 {
		t.Errorf("an ordinary message costs %v allocations, want none", have)
	}
}

func TestNew(t *testing.T) {
	cat := telemetry.NewCatalogue()
	c, err := codec.New("native", cat)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Decode(codec.Message{Topic: airTopic, Payload: []byte(tenFields)}); err != nil {
		t.Error(err)
	}
	if _, err := codec.New("chirpstack\x1b", cat); err == nil || !strings.Contains(err.Error(), `"chirpstack\x1b"; there is: native`) {
		t.Errorf("have error %v, want one that lists the names", err)
	}
}

// problemOf is the Problem that an error of Decode must be.
func problemOf(t *testing.T, err error) telemetry.Problem {
	t.Helper()
	var p telemetry.Problem
	if !errors.As(err, &p) {
		t.Fatalf("have error %v (%T), want a telemetry.Problem", err, err)
	}
	return p
}
