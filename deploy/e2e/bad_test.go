package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// badMessage is a message that cannot be stored, or not wholly.
type badMessage struct {
	device  string
	payload string
	reason  string
	says    string // a part of what a person is told
	partial bool
}

func badMessages() []badMessage {
	ahead, hoursAgo := time.Now().Add(time.Hour).UnixMilli(), time.Now().Add(-4*time.Hour).UnixMilli()
	return []badMessage{
		{"not-json", `hello`, "not_json", "stops being JSON at byte offset 0", false},
		{"cut-off", `{"pm25":12.4,"pm`, "not_json", "may have been cut off", false},
		{"binary", "\x00\xff\xfe{", "not_json", "stops being JSON", false},
		{"comma", `{"pm25":12,4}`, "not_json", "a point, not a comma", false},
		{"nan", `{"pm25":NaN}`, "not_json", "JSON has no NaN", false},
		{"text", `{"pm25":"high"}`, "wrong_type", "string", false},
		{"nested", `{"pm25":[[[[1]]]]}`, "wrong_type", "array", false},
		{"list", `[12.4]`, "not_json", "is an array", false},
		{"huge", `{"pm25":1e999}`, "not_finite", "1e999", false},
		{"large", `{"pm25":1e300}`, "out_of_range", "1000", false},
		{"negative", `{"pm25":-1}`, "out_of_range", "0", false},
		{"unknown", `{"pm2.5":12.4}`, "unknown_metric", "did you mean pm25?", false},
		{"empty", ``, "empty", "the payload is empty", false},
		{"nothing", `{}`, "empty", "no value", false},
		{"two-mb", `{"pm25":12.4,"note":"` + strings.Repeat("x", 2<<20) + `"}`, "too_large", "bytes", false},
		{"future", fmt.Sprintf(`{"ts":%d,"pm25":12.4}`, ahead), "future_time", "set the device's clock", false},
		{"year-1970", `{"ts":1000,"pm25":12.4}`, "too_old", "set the device's clock", false},
		{"seconds", `{"ts":1795293000,"pm25":12.4}`, "bad_time", "looks like Unix seconds", false},
		{"word-time", `{"ts":"yesterday","pm25":12.4}`, "bad_time", "RFC 3339", false},
		{"own-time", fmt.Sprintf(`{"Time":%d,"pm25":12.4}`, hoursAgo), "misnamed_time", "rename it ts", false},
		{"measured-at", `{"measured_at":"2026-11-21 10:00","pm25":12.4}`, "misnamed_time", "rename it ts", false},
		{"no-offset", `{"ts":"2026-11-28 10:00","pm25":12.4}`, "bad_time", "2026-11-28T10:00:00+07:00", false},
		{"in-part", `{"pm25":12.4,"pm99":3}`, "unknown_metric", "has no metric", true},
	}
}

// Nothing that can be sent stops the stream: each bad message waits in
// quarantine with a reason, or is told apart as a duplicate, and good readings
// before, between and after them are stored.
func TestBadInput(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	up.ready()
	pub := publish(t, broker, 500, true)
	bad := badMessages()
	for _, m := range bad {
		pub.progress(10)
		if err := send(t, broker, "kh/nha-trang/air_quality/"+m.device, []byte(m.payload)); err != nil {
			t.Errorf("%s: %v", m.device, err)
		}
	}
	// The same again is a duplicate if it brings its own time.
	twice := fmt.Appendf(nil, `{"ts":%d,"pm25":7}`, time.Now().UnixMilli())
	for range 3 {
		if err := send(t, broker, "kh/nha-trang/air_quality/twice", twice); err != nil {
			t.Errorf("duplicate: %v", err)
		}
	}
	sendUnheardOf(t, broker)
	pub.progress(10)
	readings := pub.finish()
	want := balance{
		Stored: int64(len(readings)) + 2, Duplicate: 2, Partial: 1, // in-part and the first of twice
		Quarantined: int64(len(bad)), // in-part is not, an unknown kind is
	}
	var have balance
	eventually(t, patience, fmt.Sprintf("the ledger has %+v", want), func() bool {
		r, ok := ledger(up)
		have = r.total()
		return ok && have.Queued == 0 && have.Stored == want.Stored && have.Duplicate == want.Duplicate &&
			have.Quarantined == want.Quarantined && have.Partial == want.Partial
	})
	audit(t, up)
	compare(t, readings, embedded(up))
	if got := embedded(up)(t, "air_quality", "pm25")["in-part"]; len(got) != 1 {
		t.Errorf("the good field of a message that is bad in part: %v", got)
	}
	checkQuarantine(t, up, bad)
	up.stop()
}

// sendUnheardOf sends what is not for the loader to judge, or has no device: an
// unknown kind, a command, and a topic that is no UTF-8, of which a broker may
// think what it likes.
func sendUnheardOf(t *testing.T, broker string) {
	t.Helper()
	for _, topic := range []string{"kh/nha-trang/air_qualty/typo", "kh/nha-trang/command/lamp"} {
		if err := send(t, broker, topic, []byte(`{"pm25":1}`)); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
	}
	t.Logf("a topic that is no UTF-8: %v", send(t, broker, "kh/nha-trang/air_quality/\xff\xfe", []byte(`{"pm25":1}`)))
}

// waiting is a message as `haidang quarantine` has it in JSON.
type waiting struct {
	ID            int64
	Topic         string
	Payload       string
	PayloadBase64 []byte `json:"payload_base64"`
	Size          int
	Partial       bool
	Tries         int
	Problems      []struct{ Field, Reason, Detail string }
}

func quarantined(t *testing.T, p *process, more ...string) map[string]waiting {
	t.Helper()
	out := run(t, time.Minute, append([]string{"quarantine", "list", "--url", p.url, "--json", "--limit", "1000"}, more...)...)
	var page struct{ Messages []waiting }
	if err := json.Unmarshal([]byte(out.stdout), &page); out.code != 0 || err != nil {
		t.Fatalf("quarantine list ends with %d, %v:\n%.2000s%s", out.code, err, out.stdout, out.stderr)
	}
	all := map[string]waiting{}
	for _, m := range page.Messages {
		all[m.Topic[strings.LastIndexByte(m.Topic, '/')+1:]] = m
	}
	return all
}

// checkQuarantine looks at the quarantine with the commands a person has.
func checkQuarantine(t *testing.T, up *process, bad []badMessage) {
	t.Helper()
	all := quarantined(t, up)
	table := run(t, time.Minute, "quarantine", "list", "--url", up.url)
	t.Logf("haidang quarantine list:\n%s", table.stdout)
	for _, m := range bad {
		got, ok := all[m.device]
		if !ok {
			t.Errorf("%s is not in quarantine", m.device)
			continue
		}
		if got.Partial != m.partial || len(got.Problems) != 1 || got.Problems[0].Reason != m.reason || !strings.Contains(got.Problems[0].Detail, m.says) {
			t.Errorf("%s waits as %+v, want %s with %q", m.device, got.Problems, m.reason, m.says)
		}
		payload := append([]byte(got.Payload), got.PayloadBase64...)
		if !bytes.HasPrefix([]byte(m.payload), payload) || got.Size != len(m.payload) {
			t.Errorf("%s: %d bytes of %d are kept, of %d sent: %.100q", m.device, len(payload), got.Size, len(m.payload), payload)
		}
		if !strings.Contains(table.stdout, m.device) {
			t.Errorf("%s is not in the table of `haidang quarantine list`", m.device)
		}
	}
	if m := all["typo"]; len(m.Problems) != 1 || m.Problems[0].Reason != "unknown_kind" {
		t.Errorf("an unknown kind waits as %+v", m.Problems)
	}
	shown := run(t, time.Minute, "quarantine", "show", fmt.Sprint(all["unknown"].ID), "--url", up.url)
	if !hasAll(shown.stdout, []string{"kh/nha-trang/air_quality/unknown", "did you mean pm25?", `{"pm2.5":12.4}`}) {
		t.Errorf("quarantine show:\n%s%s", shown.stdout, shown.stderr)
	}
	none := run(t, time.Minute, "quarantine", "show", "999999", "--url", up.url)
	if none.code != 1 || !strings.Contains(none.stderr, "no message of this id") {
		t.Errorf("quarantine show of a message that is not there ends with %d: %s", none.code, none.stderr)
	}
}

// What waits in quarantine is driven through again once its cause is mended, and
// the ledger balances before and after.
func TestRedrive(t *testing.T) {
	long(t)
	t.Parallel()
	data, broker := t.TempDir(), address(freePort(t))
	up := haidang(t, "up", "--data", data, "--mqtt", broker, "--admit-limit", "1")
	up.ready()
	for _, m := range []struct{ device, payload string }{
		{"first", `{"pm25":1}`}, {"second", `{"pm25":2,"pm99":3}`}, {"third", `{"pm25":3}`}, {"third", `{"ts":86400000,"pm25":4}`}, {"first", `broken`},
	} {
		if err := send(t, broker, "kh/cam-ranh/air_quality/"+m.device, []byte(m.payload)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, patience, "four messages wait", func() bool { r, ok := ledger(up); return ok && r.total().Quarantined == 4 && r.total().Queued == 0 })
	audit(t, up)
	up.stop()

	up = haidang(t, "up", "--data", data, "--mqtt", broker, "--retention", "36500d")
	up.ready()
	audit(t, up)
	out := run(t, time.Minute, "quarantine", "redrive", "--all", "--url", up.url, "--json")
	var did struct{ Tried, Stored, Duplicate, Partial, Waiting int }
	if err := json.Unmarshal([]byte(out.stdout), &did); err != nil || did.Tried != 4 || did.Stored != 2 || did.Partial != 1 || did.Waiting != 1 {
		t.Errorf("redrive: %v %+v\n%s%s", err, did, out.stdout, out.stderr)
	}
	if sum := audit(t, up).total(); sum.Stored != 4 || sum.Quarantined != 1 || sum.Partial != 1 {
		t.Errorf("after the redrive the ledger has %v", sum)
	}
	left := quarantined(t, up)
	if len(left) != 2 || left["first"].Problems[0].Reason != "not_json" || left["second"].Problems[0].Reason != "unknown_metric" || left["second"].Tries != 1 {
		t.Errorf("after the redrive there wait %+v", left)
	}
	checkHistory(t, up)
	for device, want := range map[string]int{"first": 1, "second": 1, "third": 1} {
		if got := len(embedded(up)(t, "air_quality", "pm25")[device]); got != want {
			t.Errorf("of %s there are %d recent readings, not %d", device, got, want)
		}
	}
	up.stop()
}

// checkHistory asks what became of TestRedrive's five messages when: from nothing,
// over a restart, until now.
func checkHistory(t *testing.T, up *process) {
	t.Helper()
	out := run(t, time.Minute, "audit", "--history", "1h", "--url", up.url, "--json")
	var h struct {
		StepSeconds int `json:"step_seconds"`
		Gateways    []struct {
			Gateway string
			Points  []struct {
				T                                                                time.Time
				Received, Stored, Partial, Quarantined, Canary, Missing, Waiting int64
			}
		}
	}
	if err := json.Unmarshal([]byte(out.stdout), &h); err != nil || out.code != 0 || len(h.Gateways) != 1 || h.StepSeconds != 60 {
		t.Fatalf("audit --history ends with %d, %v:\n%s%s", out.code, err, out.stdout, out.stderr)
	}
	var received, stored, partial, held, waiting int64
	// The canaries that the city sends itself are received, too.
	for _, p := range h.Gateways[0].Points {
		received, stored, partial, held, waiting = received+p.Received-p.Canary, stored+p.Stored, partial+p.Partial, held+p.Quarantined, p.Waiting
		if p.Missing != 0 || time.Since(p.T) > time.Hour {
			t.Errorf("a point of the history is %+v", p)
		}
	}
	if h.Gateways[0].Gateway != "door" || received != 5 || stored != 4 || partial != 1 || held != 1 || waiting != 1 {
		t.Errorf("by its history %s received %d, stored %d, %d of them in part, and %d came into quarantine; %d wait", h.Gateways[0].Gateway, received, stored, partial, held, waiting)
	}
	table := run(t, time.Minute, "audit", "--history", "1h", "--step", "1h", "--gateway", "door", "--url", up.url)
	if table.code != 0 || !hasAll(table.stdout, []string{"door", "received", "In steps of 1h"}) {
		t.Errorf("audit --history ends with %d:\n%s%s", table.code, table.stdout, table.stderr)
	}
	wrong := run(t, time.Minute, "audit", "--history", "100d", "--step", "1m", "--url", up.url)
	if wrong.code != 1 || !strings.Contains(wrong.stderr, "ask for a longer step or a shorter period") {
		t.Errorf("too many points end with %d: %s", wrong.code, wrong.stderr)
	}
}
