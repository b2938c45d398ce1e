package codec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const tenFields = `{"ts":1795293000123,"pm1":8.1,"pm25":12.4,"pm10":30.1,"no2":21.7,"so2":4.2,"o3":55.9,"co":412,"temperature":29.6,"humidity":78.4,"bat":3.71}`

func benchmarkDecode(b *testing.B, topic, payload string) {
	n := codec.NewNative(telemetry.NewCatalogue(), 0)
	m := codec.Message{Topic: topic, Payload: []byte(payload), Received: time.UnixMilli(1795293000200)}
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTenFields(b *testing.B) {
	benchmarkDecode(b, "kh/nha-trang/air_quality/aq-0001", tenFields)
}

func BenchmarkRFC3339(b *testing.B) {
	benchmarkDecode(b, "kh/nha-trang/air_quality/aq-0001",
		`{"ts":"2026-11-21T21:30:00.123+07:00","pm1":8.1,"pm25":12.4,"pm10":30.1,"no2":21.7,"so2":4.2,"o3":55.9,"co":412,"temperature":29.6,"humidity":78.4,"bat":3.71}`)
}

func BenchmarkStatusWord(b *testing.B) {
	benchmarkDecode(b, "kh/nha-trang/status/aq-0001", `online`)
}

func BenchmarkUnknownField(b *testing.B) {
	benchmarkDecode(b, "kh/nha-trang/air_quality/aq-0001", `{"ts":1795293000123,"pm2.5":12.4,"firmware":"1.0.3","pm10":30.1}`)
}

// BenchmarkHostile is a payload as large as may be, with something wrong in
// every few bytes: what it costs bounds what one sender can cost.
func BenchmarkHostile(b *testing.B) {
	benchmarkDecode(b, "kh/nha-trang/air_quality/aq-0001",
		`{"bat":1`+strings.Repeat(`,"x":[]`, (codec.DefaultMaxPayload-20)/7)+`}`)
}
