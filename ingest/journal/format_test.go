package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/haidang-iot/haidang/ingest"
)

func sample(n int, seed uint64) ingest.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := ingest.Record{Gateway: "nha-trang", Epoch: "4QX7ZK2M5A", First: rng.Uint64N(1 << 40)}
	at := time.UnixMilli(1_795_293_000_123).UTC()
	for range n {
		at = at.Add(time.Duration(rng.IntN(50)-5) * time.Millisecond)
		payload := fmt.Appendf(nil, `{"ts":%d,"pm25":%d}`, at.UnixMilli(), rng.IntN(100))
		m := ingest.Message{
			Topic:    fmt.Sprintf("kh/nha-trang/air_quality/dev-%d", rng.IntN(20)),
			Payload:  payload[:rng.IntN(len(payload)+1)],
			Received: at, QoS: byte(rng.IntN(3)),
			Redelivered: rng.IntN(4) == 0, Retained: rng.IntN(4) == 0,
		}
		if m.QoS > 0 {
			m.PacketID = uint16(rng.IntN(1 << 16))
		}
		if rng.IntN(4) == 0 {
			m.Key = 1 + rng.Uint64N(1<<60)
		}
		m.FullSize = len(m.Payload)
		if rng.IntN(5) == 0 {
			m.FullSize += 1 + rng.IntN(1<<21)
		}
		r.Messages = append(r.Messages, m)
	}
	return r
}

func TestRoundTrip(t *testing.T) {
	e := newEncoder()
	for seed := range uint64(50) {
		want := sample(int(seed), seed)
		data, _ := e.encode(want)
		have, err := Decode(bytes.Clone(data))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func TestRoundTripOfOddities(t *testing.T) {
	want := ingest.Record{Gateway: "g", First: 1<<64 - 3, Messages: []ingest.Message{
		{Topic: "", Received: time.UnixMilli(-5).UTC(), FullSize: 0},
		{Topic: "\xff\xfe", Payload: bytes.Repeat([]byte{0}, 1<<16), Received: time.Time{}.UTC(), QoS: 2, FullSize: 1 << 40},
	}}
	data, _ := newEncoder().encode(want)
	have, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}

func TestDecodeDoesNotCopyPayloads(t *testing.T) {
	data, _ := newEncoder().encode(ingest.Record{Gateway: "g", Messages: []ingest.Message{{Payload: []byte("payload")}}})
	r, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte("payload"))] = 'P'
	if got := string(r.Messages[0].Payload); got != "Payload" {
		t.Fatalf("payload is a copy: %s", got)
	}
}

// Every single damaged bit and every cut is noticed.
func TestDamageIsNoticed(t *testing.T) {
	data, _ := newEncoder().encode(sample(5, 7))
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			mustBeCorrupt(t, damaged)
		}
		mustBeCorrupt(t, data[:i])
	}
}

func mustBeCorrupt(t *testing.T, data []byte) *CorruptError {
	t.Helper()
	_, err := Decode(data)
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("want a CorruptError, have %v", err)
	}
	if corrupt.Offset < 0 || corrupt.Offset > len(data) {
		t.Fatalf("offset %d of %d bytes", corrupt.Offset, len(data))
	}
	return corrupt
}

// sealed puts a valid checksum behind the bytes, to get past it.
func sealed(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(data), crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

func TestDecodeRefuses(t *testing.T) {
	head := "HDJ\x01\x01g\x00\x00"
	for _, c := range []struct{ name, data, reason string }{
		{"too short", "HDJ", "too few"},
		{"other magic", "XXX\x01\x00\x00\x00\x00", "does not begin"},
		{"later version", "HDJ\x03\x00\x00\x00\x00", "version 3"},
		{"epoch cut off", "HDJ\x02\x01g\x05e", "epoch of 5 bytes is cut off"},
		{"gateway cut off", "HDJ\x01\x05g", "gateway of 5 bytes is cut off"},
		{"more messages than bytes", head + "\xff\xff\xff\xff\x0f", "cannot fit"},
		{"unknown flags", head + "\x01\x80\x00\x00\x00", "flags"},
		{"key cut off", head + "\x01\x40\x00\x01\x02\x03", "key is cut off"},
		{"key of none", head + "\x01\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "key is 0"},
		{"topic number", head + "\x01\x08\x00\x00\x00", "topic number 0 of 0"},
		{"payload cut off", head + "\x01\x00\x00\x00\x09", "payload of 9 bytes"},
		{"full size no larger", head + "\x01\x10\x00\x00\x00\x00", "full size 0"},
		{"trailing bytes", head + "\x01\x00\x00\x00\x00!", "follow the last"},
		{"number overflow", "HDJ\x01\x01g\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01\x00\x00\x00\x00", "exceed all numbers"},
		{"time out of range", "HDJ\x01\x01g\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := mustBeCorrupt(t, sealed([]byte(c.data))); !strings.Contains(err.Error(), c.reason) {
				t.Errorf("reason %q is not %q", err, c.reason)
			}
		})
	}
}

// FuzzDecode feeds bytes with and without a valid checksum: decoding must end with
// a record or a CorruptError, and a record must survive encoding.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, data := range [][]byte{body, sealed(body)} {
			r, err := Decode(data)
			if err != nil {
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.Offset < 0 || corrupt.Offset > len(data) {
					t.Fatalf("error %#v", err)
				}
				continue
			}
			again, _ := newEncoder().encode(r)
			r2, err := Decode(again)
			if err != nil {
				t.Fatalf("decode what was encoded: %v", err)
			}
			if !reflect.DeepEqual(r, r2) {
				t.Fatal(cmp.Diff(r, r2))
			}
		}
	})
}

// A record of before there were epochs is read as one of the epoch "".
func TestDecodeFormer(t *testing.T) {
	want := ingest.Record{Gateway: "g", First: 7, Messages: []ingest.Message{{Topic: "t", Payload: []byte("p"), FullSize: 1, Received: time.UnixMilli(0).UTC()}}}
	have, err := Decode(sealed([]byte("HDJ\x01\x01g\x07\x00\x01\x00\x00\x01t\x01p")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

func TestMark(t *testing.T) {
	want := mark{first: 7, end: 12, sum: 0xbeef}
	for _, header := range []string{want.String(), want.String() + " 4QX7ZK2M5A"} {
		if have, err := parseMark(header); err != nil || have != want {
			t.Fatalf("%v, %v", have, err)
		}
	}
	if _, err := parseMark("7 x"); err == nil {
		t.Fatal("no error")
	}
}

func TestMaxRecordDocumentation(t *testing.T) {
	r := ingest.Record{Gateway: strings.Repeat("g", maxName), Epoch: newEpoch(), First: 1<<64 - 2}
	r.Messages = []ingest.Message{{Topic: "t", Payload: []byte("p"), FullSize: 1 << 62, Received: time.UnixMilli(maxMillis)}}
	data, _ := newEncoder().encode(r)
	if len(data) > 128+48+2 {
		t.Fatalf("%d bytes are more than MaxRecord promises", len(data))
	}
}

func BenchmarkEncode(b *testing.B) {
	r := sample(500, 1)
	e := newEncoder()
	b.ReportAllocs()
	for b.Loop() {
		e.encode(r)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(r.Messages)), "ns/message")
}

func BenchmarkDecode(b *testing.B) {
	data, _ := newEncoder().encode(sample(500, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/message")
}
