package ingest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const airTopic = "kh/nha-trang/air_quality/d1"

func message(topic, payload string) ingest.Message {
	return ingest.Message{Topic: topic, Payload: []byte(payload), QoS: 1}
}

// ago is a ts that long before now.
func ago(d time.Duration) int64 { return time.Now().Add(-d).UnixMilli() }

// TestEveryBadMessageEndsInQuarantine drives what must not stop the stream
// through it, each followed by a good reading.
func TestEveryBadMessageEndsInQuarantine(t *testing.T) {
	c := newCity(t)
	c.load()
	cases := []struct {
		name    string
		message ingest.Message
		reason  telemetry.Reason
		detail  string // must be part of what a person reads
	}{
		{"not JSON", message(airTopic, "hello"), telemetry.NotJSON, ""},
		{"cut JSON", message(airTopic, `{"pm25":1`), telemetry.NotJSON, ""},
		{"NaN", message(airTopic, `{"pm25":NaN}`), telemetry.NotJSON, "NaN"},
		{"empty", message(airTopic, ""), telemetry.Empty, ""},
		{"no metric", message(airTopic, `{"ts":1795293000123}`), telemetry.Empty, ""},
		{"wrong type", message(airTopic, `{"pm25":"12"}`), telemetry.WrongType, "string"},
		{"huge number", message(airTopic, `{"pm25":1e999}`), telemetry.NotFinite, ""},
		{"out of range", message(airTopic, `{"pm25":100000}`), telemetry.OutOfRange, "1000 µg/m³"},
		{"unknown metric", message(airTopic, `{"pm2.5":12}`), telemetry.UnknownMetric, "pm25"},
		{"unknown kind", message("kh/nha-trang/airquality/d1", `{"pm25":12}`), telemetry.UnknownKind, "air_quality"},
		{"unknown locality", message("kh/hue/air_quality/d1", `{"pm25":12}`), telemetry.UnknownLocality, "nha-trang"},
		{"bad topic", message("kh/nha-trang", `{"pm25":12}`), telemetry.BadTopic, ""},
		{"invalid UTF-8 in topic", message("kh/nha-trang/air_quality/\xff\xfe", `{"pm25":12}`), telemetry.BadTopic, "UTF-8"},
		{"2 MB", message(airTopic, `{"pm25":12,"x":"`+strings.Repeat("x", 2<<20)+`"}`), telemetry.TooLarge, ""},
		{"cut by the gateway", ingest.Message{Topic: airTopic, Payload: []byte(`{"pm25":`), FullSize: 100 << 20}, telemetry.TooLarge, "104857600"},
		{"future", message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12}`, ago(-11*time.Minute))), telemetry.FutureTime, "clock"},
		{"1970", message(airTopic, `{"ts":"1970-01-01T00:00:00Z","pm25":12}`), telemetry.TooOld, "--retention"},
		{"older than the store keeps", message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12}`, ago(401*24*time.Hour))), telemetry.TooOld, ""},
		{"retained without ts", ingest.Message{Topic: airTopic, Payload: []byte(`{"pm25":12}`), Retained: true}, telemetry.NoTime, ""},
	}
	for i, k := range cases {
		c.append(k.message, message(airTopic, fmt.Sprintf(`{"ts":%d,"pm10":%d}`, ago(time.Hour)+int64(i), i)))
	}
	b := c.settled("nha-trang", uint64(2*len(cases)))
	want := ingest.Balance{Account: ingest.Account{Gateway: "nha-trang", Position: uint64(2 * len(cases)), Stored: uint64(len(cases)), Quarantined: uint64(len(cases))}, Received: uint64(2 * len(cases))}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	if n := len(c.samples("air_quality_pm10")); n != len(cases) {
		t.Errorf("%d good readings are stored, want %d", n, len(cases))
	}
	rows := c.quarantine()
	if len(rows) != len(cases) {
		t.Fatalf("%d messages in quarantine, want %d", len(rows), len(cases))
	}
	for i, k := range cases {
		got := rows[i]
		if p := got.Problems[0]; p.Reason != k.reason || !strings.Contains(p.Detail, k.detail) {
			t.Errorf("%s: problem is %v, want %s with %q", k.name, p, k.reason, k.detail)
		}
		kept := k.message.Payload[:min(len(k.message.Payload), ingest.MaxHeld)]
		if got.Message.Topic != k.message.Topic || string(got.Message.Payload) != string(kept) {
			t.Errorf("%s: the quarantined bytes are not those that came", k.name)
		}
		if sum := sha256.Sum256(k.message.Payload); len(kept) < len(k.message.Payload) && string(got.SHA256) != string(sum[:]) {
			t.Errorf("%s: it is cut, and its SHA-256 is %x, want %x", k.name, got.SHA256, sum)
		}
	}
}

func TestDuplicates(t *testing.T) {
	c := newCity(t)
	c.load()
	at := ago(time.Hour)
	timed := message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12}`, at))
	untimed := message(airTopic, `{"pm10":30}`)
	untimed.PacketID = 7
	garbage := message(airTopic, `garbage`)
	again := func(m ingest.Message) ingest.Message { m.Redelivered = true; return m }
	other := again(untimed) // not the one that came before, but its equal
	other.PacketID, other.Received = 8, time.Now().Add(time.Second)
	c.append(timed, timed, again(timed)) // within one batch
	c.settled("nha-trang", 3)
	c.append(timed)            // across batches
	c.append(untimed, untimed) // true twice
	c.append(again(untimed))   // the broker says it is a repetition
	c.append(other)            // it may be one, but is not
	c.append(garbage, garbage, again(garbage))
	online := ingest.Message{Topic: "kh/nha-trang/status/d1", Payload: []byte("online"), Retained: true}
	c.append(online)
	later := online
	later.Received = time.Now().Add(time.Second)
	c.append(later) // retained by design, true each time
	keyed := message(airTopic, `{"pm10":31}`)
	keyed.Key = 1
	otherKey := keyed
	otherKey.Key = 2
	c.append(keyed, keyed) // its sender says that it is the same
	c.append(keyed, otherKey)
	b := c.settled("nha-trang", 17)
	want := ingest.Account{Gateway: "nha-trang", Position: 17, Stored: 1 + 3 + 2 + 2, Duplicate: 3 + 1 + 1 + 2, Quarantined: 2}
	if diff := cmp.Diff(want, b.Account); diff != "" {
		t.Error(diff)
	}
	if got := c.samples("air_quality_pm25"); len(got) != 1 || got[at] != 12 {
		t.Errorf("stored %v, want one 12 at %d", got, at)
	}
}

func TestPartialMessageIsMended(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	at := ago(time.Hour)
	c.append(message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12,"pm10":99999,"pm3":1}`, at)))
	b := c.settled("nha-trang", 1)
	if b.Stored != 1 || b.Partial != 1 || b.Quarantined != 0 || !b.Balanced() {
		t.Fatalf("balance is %+v, want one stored in part", b)
	}
	rows := c.quarantine()
	if len(rows) != 1 || !rows[0].Partial || len(rows[0].Problems) != 2 {
		t.Fatalf("quarantine is %+v, want one partial message with two problems", rows)
	}
	stop()
	// The catalogue is mended: the number is within the range now.
	cat := telemetry.NewCatalogue()
	cat.Kind(telemetry.AirQuality).Metric([]byte("pm10")).Max = 1e6
	c.loader = c.newLoader(c.store)
	c.loader.Codec = codecOf(t, cat)
	c.load()
	r, err := c.loader.Redrive(t.Context(), ingest.QuarantineFilter{})
	c.must(err)
	if diff := cmp.Diff(ingest.RedriveResult{Tried: 1, Partial: 1}, r); diff != "" {
		t.Error(diff)
	}
	if got := c.samples("air_quality_pm10"); got[at] != 99999 {
		t.Errorf("after the re-drive pm10 is %v, want 99999 at %d", got, at)
	}
	if got := c.samples("air_quality_pm25"); len(got) != 1 || got[at] != 12 {
		t.Errorf("after the re-drive pm25 is %v, want still one 12", got)
	}
	rows = c.quarantine()
	if len(rows) != 1 || len(rows[0].Problems) != 1 || rows[0].Problems[0].Reason != telemetry.UnknownMetric || rows[0].Tries != 1 {
		t.Errorf("after the re-drive the quarantine is %+v, want the unknown metric only", rows)
	}
	if b := c.settled("nha-trang", 1); b.Stored != 1 || b.Partial != 1 || !b.Balanced() {
		t.Errorf("after the re-drive the balance is %+v", b)
	}
}

func TestRedriveAfterAdmission(t *testing.T) {
	c := newCity(t)
	c.admission.Limit = 1
	c.load()
	c.append(message(airTopic, `{"pm25":1}`))
	c.settled("nha-trang", 1)
	at := ago(time.Hour)
	for i := range 1200 { // more than two pages of a re-drive
		c.append(message("kh/nha-trang/noise/d2", fmt.Sprintf(`{"ts":%d,"laeq":60}`, at+int64(i))))
	}
	if b := c.settled("nha-trang", 1201); b.Quarantined != 1200 || b.Stored != 1 {
		t.Fatalf("balance is %+v, want 1200 quarantined", b)
	}
	c.admission.Limit = 2
	var total ingest.RedriveResult
	for f := (ingest.QuarantineFilter{Reason: telemetry.Unregistered}); ; {
		r, err := c.loader.Redrive(t.Context(), f)
		c.must(err)
		total.Tried, total.Stored = total.Tried+r.Tried, total.Stored+r.Stored
		if f.After = r.Next; r.Next == 0 {
			break
		}
	}
	if total.Tried != 1200 || total.Stored != 1200 {
		t.Errorf("re-drive %+v, want 1200 stored", total)
	}
	if n := len(c.samples("noise_laeq")); n != 1200 {
		t.Errorf("%d readings are stored, want 1200", n)
	}
	want := ingest.Account{Gateway: "nha-trang", Position: 1201, Stored: 1201}
	if diff := cmp.Diff(want, c.settled("nha-trang", 1201).Account); diff != "" {
		t.Error(diff)
	}
	// What was re-driven is known now: its repetition is a duplicate.
	c.append(message("kh/nha-trang/noise/d2", fmt.Sprintf(`{"ts":%d,"laeq":60}`, at)))
	if b := c.settled("nha-trang", 1202); b.Duplicate != 1 {
		t.Errorf("balance is %+v, want one duplicate", b)
	}
}

// Only what the registry admits now is driven through: of the rest nothing is
// counted, and nobody hears of it again. A message that waits for the registry and
// has a bad field besides waits for the registry.
func TestRedriveAdmitted(t *testing.T) {
	c := newCity(t)
	c.admission.Limit = 1
	c.load()
	at := ago(time.Hour)
	c.append(message(airTopic, `{"pm25":1}`))
	c.append(message("kh/nha-trang/noise/d2", fmt.Sprintf(`{"ts":%d,"laeq":60,"loud":1}`, at)), message("kh/nha-trang/noise/d3", fmt.Sprintf(`{"ts":%d,"laeq":61}`, at)))
	c.settled("nha-trang", 3)
	c.admission.Limit = 3
	r, err := c.loader.RedriveAdmitted(t.Context(), ingest.QuarantineFilter{Reason: telemetry.Unregistered}, func(r telemetry.Reading) bool { return r.Device == "d2" })
	c.must(err)
	if diff := cmp.Diff(ingest.RedriveResult{Tried: 1, Partial: 1}, r); diff != "" {
		t.Error(diff)
	}
	rows := c.quarantine()
	if len(rows) != 2 || rows[0].Tries != 1 || rows[0].Problems[0].Reason != telemetry.UnknownMetric || rows[1].Tries != 0 || rows[1].Problems[0].Reason != telemetry.Unregistered {
		t.Errorf("there wait %+v", rows)
	}
	if have := c.samples("noise_laeq"); len(have) != 1 || have[at] != 60 {
		t.Errorf("stored are %v, want one 60", have)
	}
}

// TestLossIsSeen takes numbers out of the gateway's count, as a journal would
// that lost records.
func TestLossIsSeen(t *testing.T) {
	c := newCity(t)
	c.load()
	at := ago(time.Hour)
	reading := func(i int64) ingest.Message { return message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":1}`, at+i)) }
	c.append(reading(1))
	c.position += 7
	c.append(reading(2))
	b := c.settled("nha-trang", 9)
	if b.Missing != 7 || b.Balanced() || c.report().Balanced {
		t.Errorf("balance is %+v, want 7 missing", b)
	}
	c.append(reading(3))
	if b := c.settled("nha-trang", 10); b.Missing != 7 || b.Stored != 3 {
		t.Errorf("balance is %+v, want still 7 missing and the stream going on", b)
	}
	if all := c.loader.Findings.List(); len(all) != 1 || all[0].Rule != "messages-lost" || all[0].Value != 7 || !all[0].Lasting {
		t.Errorf("found %+v, want 7 lost", all)
	}
}

// faultyStore refuses as a store that is away, or rejects by its rule.
type faultyStore struct {
	store.Store
	away   atomic.Bool
	reject func(telemetry.Point, telemetry.Value) bool
}

func (s *faultyStore) Write(ctx context.Context, points []telemetry.Point) error {
	if s.away.Load() {
		return errors.New("connection refused")
	}
	var rejected store.RejectedError
	if s.reject != nil {
		for i, p := range points {
			for _, v := range p.Values {
				if s.reject(p, v) {
					rejected.Rejections = append(rejected.Rejections, store.Rejection{Point: i, Metric: v.Spec.Name, Detail: "field type conflict"})
				}
			}
		}
	}
	if err := s.Store.Write(ctx, points); err != nil {
		return err
	}
	if len(rejected.Rejections) > 0 {
		return &rejected
	}
	return nil
}

func TestStoreAwayLosesNothing(t *testing.T) {
	c := newCity(t)
	s := &faultyStore{Store: c.store}
	s.away.Store(true)
	c.loader = c.newLoader(s)
	stop := c.load()
	at := ago(time.Hour)
	for i := range 100 {
		c.append(message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12}`, at+int64(i))))
	}
	c.eventually("the loader has noticed", func() bool { return c.loader.StoreError() != nil })
	if b := c.report().Gateways[0]; b.Queued != 100 || !b.Balanced() {
		t.Errorf("balance is %+v, want 100 queued", b)
	}
	stop() // with a batch at work
	c.loader = c.newLoader(s)
	c.load()
	s.away.Store(false)
	if b := c.settled("nha-trang", 100); b.Stored != 100 || !b.Balanced() {
		t.Errorf("balance is %+v, want 100 stored", b)
	}
	if n := len(c.samples("air_quality_pm25")); n != 100 {
		t.Errorf("%d readings are stored, want 100", n)
	}
}

func TestStoreRejectionIsQuarantined(t *testing.T) {
	c := newCity(t)
	c.loader = c.newLoader(&faultyStore{Store: c.store, reject: func(_ telemetry.Point, v telemetry.Value) bool { return v.Number == 13 }})
	c.load()
	c.append(message(airTopic, `{"ts":`+fmt.Sprint(ago(time.Minute))+`,"pm25":12}`), message(airTopic, `{"pm25":13}`), message(airTopic, `{"pm25":13,"pm10":1}`))
	b := c.settled("nha-trang", 3)
	want := ingest.Account{Gateway: "nha-trang", Position: 3, Stored: 2, Quarantined: 1, Partial: 1}
	if diff := cmp.Diff(want, b.Account); diff != "" {
		t.Error(diff)
	}
	for _, q := range c.quarantine() {
		if q.Problems[0].Reason != telemetry.StoreRefused || q.Problems[0].Field != "pm25" {
			t.Errorf("problem is %v, want pm25 refused by the store", q.Problems[0])
		}
	}
}

// failingLedger fails its first commits, as on a full disk.
type failingLedger struct {
	ingest.Ledger
	failures atomic.Int32
}

func (l *failingLedger) Commit(ctx context.Context, c ingest.Commit) error {
	if l.failures.Add(-1) >= 0 {
		return errors.New("database or disk is full")
	}
	return l.Ledger.Commit(ctx, c)
}

func TestLedgerFailureCountsOnce(t *testing.T) {
	c := newCity(t)
	l := &failingLedger{Ledger: c.ledger}
	l.failures.Store(2)
	c.loader.Ledger = l
	c.load()
	c.append(message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12}`, ago(time.Hour))))
	if b := c.settled("nha-trang", 1); b.Stored != 1 || b.Duplicate != 0 || !b.Balanced() {
		t.Errorf("balance is %+v, want one stored", b)
	}
}

// What a reading adds up is bounded by how often its device reports: a day's sum of
// rain is stored of a station that reports once a day, and waits of one that reports
// every five minutes.
func TestSumsAreBoundedByTheCadence(t *testing.T) {
	c := newCity(t)
	c.loader.Cadence = func(d telemetry.Device, _ telemetry.Kind) time.Duration {
		return map[telemetry.Device]time.Duration{"daily": 24 * time.Hour, "often": 5 * time.Minute}[d]
	}
	c.load()
	at := time.Now().Add(-time.Hour).UnixMilli()
	for _, d := range []string{"daily", "often", "unknown"} {
		c.append(ingest.Message{Topic: "kh/nha-trang/weather/" + d, Payload: fmt.Appendf(nil, `{"ts":%d,"rain":476.2,"temperature":24.1}`, at)})
	}
	b := c.settled("nha-trang", 3)
	if b.Stored != 3 || b.Partial != 1 {
		t.Errorf("balance is %+v, want three stored and one of them in part", b)
	}
	for d, want := range map[string]int{"daily": 1, "often": 0, "unknown": 1} {
		if have := c.samples(fmt.Sprintf(`weather_rain{device=%q}`, d)); len(have) != want {
			t.Errorf("of %s there are %v", d, have)
		}
	}
}
