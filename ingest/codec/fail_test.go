package codec_test

import (
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestDecodeFailsTopic(t *testing.T) {
	long := strings.Repeat("d", telemetry.MaxIDLength+1)
	for _, tc := range []struct {
		topic  string
		reason telemetry.Reason
		about  string
	}{
		{"", telemetry.BadTopic, "is empty"},
		{"kh", telemetry.BadTopic, "has 1 level; kh/<locality>/<kind>/<device> has 4"},
		{"kh/nha-trang/air_quality", telemetry.BadTopic, "has 3 levels"},
		{"kh/nha-trang/air_quality/aq-1/x", telemetry.BadTopic, "has 5 levels"},
		{"/kh/nha-trang/air_quality/aq-1", telemetry.BadTopic, "begins with a slash"},
		{"kh/nha-trang/air_quality/aq-1/", telemetry.BadTopic, "ends with a slash"},
		{"site/kh/nha-trang/air_quality/aq-1", telemetry.BadTopic, "something before kh/"},
		{"vn/nha-trang/air_quality/aq-1", telemetry.BadTopic, "does not begin with kh/"},
		{"kh//air_quality/aq-1", telemetry.BadTopic, `locality "" cannot be used: it is empty`},
		{"kh/nha-trang//aq-1", telemetry.BadTopic, `kind "" cannot be used`},
		{"kh/nha-trang/air_quality/", telemetry.BadTopic, `device "" cannot be used`},
		{"kh/nha trang/air_quality/aq-1", telemetry.BadTopic, "character 4"},
		{"kh/nha-trang/air_quality/trạm-1", telemetry.BadTopic, "device"},
		{"kh/nha-trang/air_quality/a\x00b", telemetry.BadTopic, `a\x00b`},
		{"kh/nha-trang/air_quality/" + long, telemetry.BadTopic, "it has 65 characters; 64 is the limit"},
		{"kh/nha-trang/air_quality/\xff\xfe", telemetry.BadTopic, "not valid UTF-8"},
		{"kh/nha-trang/\xff/aq-1", telemetry.BadTopic, "not valid UTF-8"},
		{"kh/+/air_quality/aq-1", telemetry.BadTopic, "wildcard"},
		{"kh/nha-trang/+/aq-1", telemetry.BadTopic, "wildcard"},
		{"kh/#", telemetry.BadTopic, "wildcard"},
		{"kh/nha-trang/air_quality_index/aq-1", telemetry.UnknownKind, `air_quality_index is computed by Hải Đăng itself, no device reports it; there are air_quality, weather`},
		{"kh/nha-trang/platform/haidang", telemetry.UnknownKind, `platform is computed by Hải Đăng itself`},
		{"kh/nha-trang/site_state/haidang", telemetry.UnknownKind, `site_state is computed by Hải Đăng itself`},
		{"kh/nha-trang/air/aq-1", telemetry.UnknownKind, `there is no kind "air"; there are air_quality, weather`},
		{"kh/nha-trang/Air_Quality/aq-1", telemetry.UnknownKind, "air_quality"},
		{"kh/nha-trang/command/aq-1", telemetry.UnknownKind, "leave kh/+/command/+ out"},
	} {
		t.Run(tc.topic, func(t *testing.T) {
			checkFails(t, codec.Message{Topic: tc.topic, Payload: []byte(tenFields)}, tc.reason, tc.about)
		})
	}
}

func TestDecodeEmpty(t *testing.T) {
	for _, tc := range []struct{ name, payload, about string }{
		{"nothing", "", "the payload is empty"},
		{"white space", " \n", "the payload is empty"},
		{"empty object", "{}", "no value for any metric of air_quality"},
		{"only a time", `{"ts":1795293000123}`, "no value"},
		{"only null", `{"pm25":null}`, "no value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(tc.payload), Received: received()}, telemetry.Empty, tc.about)
		})
	}
}

func TestDecodeNotJSON(t *testing.T) {
	deep := strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100)
	for _, tc := range []struct{ name, payload, about string }{
		{"words", "hello", "byte offset 0: invalid character 'h'"},
		{"binary", "\xa2\x62ts\x1b", `invalid character '\xa2'`},
		{"array", `[{"pm25":1}]`, "the payload is an array; one object"},
		{"number", `12.4`, "the payload is a number"},
		{"string", `"online"`, "the payload is a string"},
		{"null", `null`, "the payload is null"},
		{"words like null", `not json`, "byte offset 1: invalid character 'o'"},
		{"words like true", `test`, "byte offset 1: invalid character 'e'"},
		{"cut off", `{"pm25":12.4,"pm1`, "ends after 17 bytes in the middle"},
		{"cut off in a number", `{"pm25":12.`, "ends after 11 bytes"},
		{"NaN", `{"bat":1,"pm25":NaN}`, "byte offset 16: invalid character 'N'"},
		{"NaN's hint", `{"bat":1,"pm25":NaN}`, "no NaN and no infinity"},
		{"nan", `{"pm25":nan}`, "no NaN and no infinity"},
		{"-Infinity", `{"pm25":-Infinity}`, "no NaN and no infinity"},
		{"None", `{"pm25":None}`, "send null"},
		{"True", `{"pm25":True}`, "true takes lower-case letters"},
		{"single quotes", `{'pm25':1}`, "double quotes"},
		{"decimal comma", `{"pm25":12,4}`, "byte offset 11: object member name must be a string; a decimal fraction takes a point"},
		{"bare key", `{"bat":1, pm25:1}`, "names take double quotes"},
		{"bare word", `{"pm25":low}`, "byte offset 8: invalid character 'l' at start of value"},
		{"comma at the end", `{"pm25":12,}`, "leave out the comma"},
		{"leading nought", `{"pm25":012}`, "byte offset 9"},
		{"no colon", `{"pm25" 12}`, "expecting ':'"},
		{"number as a key", `{25:12}`, "must be a string"},
		{"mismatched bracket", `{"pm25":12]`, "byte offset 10"},
		{"byte order mark", "\xef\xbb\xbf{}", "byte order mark"},
		{"second object", `{"pm25":1} {"pm25":2}`, `"{\"pm25\":2}" follows the object, at byte offset 11`},
		{"trailing bytes", "{\"pm25\":1}\x00", `"\x00" follows the object`},
		{"invalid UTF-8 in a key", "{\"pm\xff\":1}", "byte offset 4: invalid UTF-8"},
		{"invalid UTF-8 in a value", "{\"pm25\":\"\xc3\x28\"}", "invalid UTF-8"},
		{"half a surrogate pair", `{"\ud83d":1}`, "surrogate pair"},
		{"nested deep", `{"pm25":` + deep + `}`, "nested too deep"},
		{"syntax before time", `{"ts":"x","pm25":}`, "byte offset 17"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(tc.payload), Received: received()}, telemetry.NotJSON, tc.about)
		})
	}
}

func TestDecodeBadTime(t *testing.T) {
	for _, tc := range []struct{ name, payload, about string }{
		{"time is a word", `{"ts":"now","pm25":1}`, `ts "now" is not an RFC 3339 time`},
		{"time in a string", `{"ts":"1795293000123","pm25":1}`, "without quotes"},
		{"time without offset", `{"ts":"2026-11-21T20:30:00","pm25":1}`, "UTC offset is missing"},
		{"time with a space", `{"ts":"2026-11-21 20:30:00.5","pm25":1}`, "UTC offset is missing"},
		{"no such day", `{"ts":"2026-02-30T20:30:00Z","pm25":1}`, "RFC 3339"},
		{"time is true", `{"ts":true,"pm25":1}`, "ts is true"},
		{"time is an object", `{"ts":{"sec":1},"pm25":1}`, "ts is an object"},
		{"time is an array", `{"ts":[1],"pm25":1}`, "ts is an array"},
		{"seconds", `{"ts":1795293000,"pm25":1}`, "ts 1795293000 looks like Unix seconds; milliseconds are needed"},
		{"seconds of 2000", `{"ts":946684800,"pm25":1}`, "looks like Unix seconds"},
		{"microseconds", `{"ts":1795293000123456,"pm25":1}`, "looks like Unix microseconds"},
		{"nanoseconds", `{"ts":1795293000123456789,"pm25":1}`, "looks like Unix nanoseconds"},
		{"fraction", `{"ts":1795293000123.5,"pm25":1}`, "not written as a whole number"},
		{"exponent", `{"ts":1.5e300,"pm25":1}`, "ts 1.5e300 is not written as a whole number"},
		{"too many digits", `{"ts":99999999999999999999,"pm25":1}`, "too large"},
		{"after year 9999", `{"ts":253402300800000,"pm25":1}`, "outside the years 0 to 9999"},
		{"before year 0", `{"ts":-62167219200001,"pm25":1}`, "outside the years 0 to 9999"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(tc.payload), Received: received()}, telemetry.BadTime, tc.about)
		})
	}
	checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(`{"ts":1795293000123,"pm25":1,"ts":1795293000124}`)},
		telemetry.RepeatedField, "ts comes 2 times")
}

func TestDecodeFailsStatus(t *testing.T) {
	for _, tc := range []struct {
		payload string
		reason  telemetry.Reason
		about   string
	}{
		{"", telemetry.Empty, "the payload is empty"},
		{"{}", telemetry.Empty, "no value for any metric of status"},
		{"gone", telemetry.WrongType, `"gone" is none of them`},
		{"2", telemetry.WrongType, `a status is online, offline, 1, 0`},
		{"[1]", telemetry.WrongType, `"[1]"`},
		{"online" + strings.Repeat("x", 1000), telemetry.WrongType, `xxx"…`},
		{`{"online":`, telemetry.NotJSON, "ends after"},
	} {
		t.Run(tc.payload, func(t *testing.T) {
			checkFails(t, codec.Message{Topic: statusTopic, Payload: []byte(tc.payload)}, tc.reason, tc.about)
		})
	}
}

func TestDecodeRetained(t *testing.T) {
	m := codec.Message{Topic: airTopic, Payload: []byte(`{"pm25":1}`), Received: received(), Retained: true}
	checkFails(t, m, telemetry.NoTime, "retained and has no ts")
	m.Payload = []byte(`{"pm25":"x"}`)
	checkFails(t, m, telemetry.NoTime, "retained and has no ts")

	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	m.Payload = []byte(tenFields)
	if d, err := n.Decode(m); err != nil || len(d.Readings) != 1 {
		t.Errorf("retained with ts: have %+v, %v; want a reading", d, err)
	}
	for _, payload := range []string{"offline", `{"online":true}`} {
		m.Topic, m.Payload = statusTopic, []byte(payload)
		if d, err := n.Decode(m); err != nil || len(d.Readings) != 1 || d.Readings[0].Time != received() {
			t.Errorf("retained status %s: have %+v, %v; want a reading at the received time", payload, d, err)
		}
	}
}

func TestDecodeTooLarge(t *testing.T) {
	fits := `{"pm25":1` + strings.Repeat(" ", codec.DefaultMaxPayload-len(`{"pm25":1}`)) + `}`
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	if _, err := n.Decode(codec.Message{Topic: airTopic, Payload: []byte(fits)}); err != nil {
		t.Errorf("a payload at the limit: %v", err)
	}
	checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(fits + " ")},
		telemetry.TooLarge, "the payload has 262145 bytes; 262144 is the limit")
	checkFails(t, codec.Message{Topic: airTopic, Payload: make([]byte, 2<<20)}, telemetry.TooLarge, "2097152 bytes")

	small := codec.NewNative(telemetry.NewCatalogue(), 9)
	if _, err := small.Decode(codec.Message{Topic: airTopic, Payload: []byte(`{"pm25":1}`)}); problemOf(t, err).Reason != telemetry.TooLarge {
		t.Errorf("have %v, want too_large", err)
	}
}

// checkFails decodes a message that must fail as a whole.
func checkFails(t *testing.T, m codec.Message, reason telemetry.Reason, about string) {
	t.Helper()
	d, err := codec.NewNative(telemetry.NewCatalogue(), 0).Decode(m)
	p := problemOf(t, err)
	if p.Field != "" || p.Reason != reason || !strings.Contains(p.Detail, about) {
		t.Errorf("have %+v,\nwant %s with %q", p, reason, about)
	}
	if len(d.Readings) > 0 || len(d.Problems) > 0 {
		t.Errorf("have %+v beside an error", d)
	}
	checkProblem(t, p)
}
