package codec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// A reading that says when it was measured is not stored as of its receipt: the
// times here are hours before it.
func TestDecodeMisnamedTime(t *testing.T) {
	for _, field := range []string{
		`"time":1795279000123`, `"timestamp":1795279000`, `"Time":"2026-11-21T16:36:40Z"`, `"TS":1795279000123`, `"Ts":"2026-11-21 23:36:40"`,
		`"measured_at":"2026-11-21T23:36:40+07:00"`, `"measuredAt":1795279000.123`, `"date":"2026-11-21"`, `"Date":"21/11/2026"`, `"DATE_TIME":"21/11/2026 23:36"`,
		`"timeStamp":1795279000123456`, `"date-time":"x"`, `"time_ms":1795279000123`, `"timestamp.utc":"20261121T163640"`, `"epoch":12`, `"recorded-at":1`, `"sentAt":"16:36"`,
		`"dateObserved":"2026-11-21T16:36:40.00Z"`, `"gps_time":"163640"`, `"sampleTime":1795279000123456789`, `"dt":1795279000`, `"Thời gian":"23:36 21/11/2026"`,
		`"thoi_gian_do":"x"`, `"Ngày giờ":"21/11/2026 23:36"`, `"t\u0069me":1795279000`,
		// Names that say nothing, and values that do.
		`"x":"2026-11-21T16:36:40Z"`, `"x":"2026-11-21 23:36"`, `"x":"2026-11-21T23:36"`, `"x":"21/11/2026 23:36"`, `"x":"11/21/2026 11:36:40 PM"`, `"x":"Sat, 21 Nov 2026 16:36:40 GMT"`,
		`"x":1795279000`, `"x":1795279000.5`, `"x":1795279000123`, `"x":1795279000123456`, `"x":1795279000123456789`, `"x":1.795279000123e12`,
		// Nested, as platforms have it.
		`"meta":{"a":[1,{"time":"16:36"}]}`, `"x":["2026-11-21T16:36:40Z"]`, `"header":{"sent_at":"x","b":2}`,
		// ts is there, but empty.
		`"ts":null,"time":1795279000123`, `"time":1795279000123,"ts":null`,
	} {
		for _, payload := range []string{`{` + field + `,"pm25":12.4}`, `{"pm25":12.4,` + field + `}`} {
			t.Run(payload, func(t *testing.T) {
				checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(payload), Received: received()}, telemetry.MisnamedTime, "rename it ts")
			})
		}
	}
}

// Not everything that is long, or has a time in its name, is when a reading was
// measured.
func TestDecodeNoMisnamedTime(t *testing.T) {
	for _, field := range []string{
		`"uptime":86400`, `"uptime_ms":1795279000`, `"up_time":1795279000`, `"travel_time":35.5`, `"response_time":120`, `"packet_count":1795279000123`,
		`"time":null`, `"date":""`, `"imei":1795279000123456`, `"serial":"SN-2026-11-21"`, `"phone":84912345678`, `"iccid":8984041234567890123`,
		`"fw":"2026-11-21"`, `"fw":"v1.2.3-20261121"`, `"wh":1234567`, `"counter":179527900`, `"old":1200000000`, `"gps":{"lat":12.2,"lon":109.19}`,
		`"updated":true`, `"datum":"MSL 2026"`, `"headway":1795`, `"SEQ":1795279000123`, `"timezone":7`, `"lasttime":"abc"`, `"note":"xin chào: 12 người"`,
		`"time":1795279000,"ts":1795293000123`, `"ts":1795293000123,"time":"2026-11-21T16:36:40Z"`,
	} {
		t.Run(field, func(t *testing.T) {
			d, err := codec.NewNative(telemetry.NewCatalogue(), 0).Decode(codec.Message{Topic: airTopic, Payload: []byte(`{"pm25":12.4,` + field + `}`), Received: received()})
			if err != nil || len(d.Readings) != 1 {
				t.Fatalf("have %+v, %v; want the reading", d, err)
			}
		})
	}
}

// No metric of the catalogue is ever taken for a time, in whatever letters.
func TestMetricsAreNoTimes(t *testing.T) {
	for _, kind := range telemetry.NewCatalogue().Kinds() {
		if kind.Kind == telemetry.Status {
			continue
		}
		for _, m := range kind.Metrics {
			for _, key := range []string{string(m.Name), strings.ToUpper(string(m.Name)), strings.ReplaceAll(string(m.Name), "_", "-")} {
				for _, value := range []string{"1", "1795279000", "1795279000123"} {
					msg := codec.Message{Topic: "kh/nha-trang/" + string(kind.Kind) + "/d-1", Payload: []byte(`{"` + key + `":` + value + `}`), Received: received()}
					if _, err := codec.NewNative(telemetry.NewCatalogue(), 0).Decode(msg); err != nil && problemOf(t, err).Reason == telemetry.MisnamedTime {
						t.Errorf("%s: %v", msg.Payload, err)
					}
				}
			}
		}
	}
}

// A status has the time of its receipt, whatever its will says.
func TestStatusHasNoMisnamedTime(t *testing.T) {
	checkDecodes(t, statusTopic, `{"online":false,"bat":3.5}`, metrics{"online": 0, "bat": 3.5}, time.Time{})
	d, err := codec.NewNative(telemetry.NewCatalogue(), 0).Decode(codec.Message{Topic: statusTopic, Payload: []byte(`{"online":false,"time":1795279000}`), Received: received()})
	if err != nil || len(d.Readings) != 1 || d.Readings[0].Time != received() {
		t.Errorf("have %+v, %v", d, err)
	}
}

// Who wrote a time without its offset is told how to write it.
func TestDecodeTimeHints(t *testing.T) {
	for ts, about := range map[string]string{
		`"2026-11-28 10:00"`:          "its UTC offset is missing: for Vietnam's time write 2026-11-28T10:00:00+07:00",
		`"2026-11-28T10:00"`:          "for Vietnam's time write 2026-11-28T10:00:00+07:00",
		`"2026-11-28 10:00:05"`:       "for Vietnam's time write 2026-11-28T10:00:05+07:00",
		`"28/11/2026 10:00"`:          "for Vietnam's time write 2026-11-28T10:00:00+07:00",
		`"10:00 28/11/2026"`:          "for Vietnam's time write 2026-11-28T10:00:00+07:00",
		`"2026-11-28T10:00+07:00"`:    "write it like 2026-11-28T10:00:00+07:00",
		`"2026-11-28 10:00:05+07:00"`: "write it like 2026-11-28T10:00:05+07:00",
		`"2026-11-28T10:00:05+0700"`:  "write it like 2026-11-28T10:00:05+07:00",
		`1795279000`:                  "looks like Unix seconds",
		`1795279000123456`:            "looks like Unix microseconds",
		`1795279000123456789`:         "looks like Unix nanoseconds",
	} {
		checkFails(t, codec.Message{Topic: airTopic, Payload: []byte(`{"ts":` + ts + `,"pm25":1}`), Received: received()}, telemetry.BadTime, about)
	}
}
