package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// An old reading is corrected twice, in messages, in one of which another value is
// news; all are accounted for, a re-drive changes nothing, and neither does the
// same tape once more.
func TestConflictsWaitInQuarantine(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	old := ago(26 * time.Hour)
	pm := func(at int64, rest string) ingest.Message {
		return message(airTopic, fmt.Sprintf(`{"ts":%d,%s}`, at, rest))
	}
	tape := []ingest.Message{pm(old, `"pm25":300`), pm(ago(time.Minute), `"pm25":12`), pm(old, `"pm25":30`), pm(old, `"pm25":28,"pm10":40`), pm(old, `"pm25":300.0`)}
	for i, m := range tape {
		c.append(m)
		c.settled("nha-trang", uint64(i+1))
	}
	want := ingest.Account{Gateway: "nha-trang", Position: 5, Stored: 4, Quarantined: 1, Partial: 1}
	if diff := cmp.Diff(want, c.settled("nha-trang", 5).Account); diff != "" {
		t.Fatal(diff)
	}
	check := func() {
		t.Helper()
		if n := c.report().Conflicts; n != 2 {
			t.Errorf("the report counts %d conflicts, want 2", n)
		}
		rows := c.quarantine()
		if len(rows) != 2 || rows[0].Partial || !rows[1].Partial {
			t.Fatalf("quarantine is %+v, want one message and one partial one", rows)
		}
		for i, second := range []string{"30 ", "28 "} {
			p := rows[i].Problems
			if len(p) != 1 || p[0].Reason != telemetry.Conflict || p[0].Field != "pm25" || !strings.HasPrefix(p[0].Detail, second) || !strings.Contains(p[0].Detail, "where 300 is stored") {
				t.Errorf("problems are %+v, want a conflict of pm25 that names %sand 300", p, second)
			}
		}
		if got := c.samples("air_quality_pm25"); len(got) != 2 || got[old] != 300 {
			t.Errorf("pm25 is %v, want 300 and one more", got)
		}
		if got := c.samples("air_quality_pm10"); len(got) != 1 || got[old] != 40 {
			t.Errorf("pm10 is %v, want 40", got)
		}
	}
	check()
	for range 2 {
		r, err := c.loader.Redrive(t.Context(), ingest.QuarantineFilter{Reason: telemetry.Conflict})
		c.must(err)
		if diff := cmp.Diff(ingest.RedriveResult{Tried: 2, Waiting: 1, Partial: 1}, r); diff != "" {
			t.Error(diff)
		}
		check()
		stop() // and once more by a process that remembers nothing of it
		c.loader = c.newLoader(store.NewGuard(c.store, c.store, time.Now))
		stop = c.load()
	}
	c.append(tape...)
	want.Position, want.Duplicate = 10, 5
	if diff := cmp.Diff(want, c.settled("nha-trang", 10).Account); diff != "" {
		t.Error(diff)
	}
	check()

	// The right value is known: the time is marked as in error, and the right value
	// stands a millisecond later. All stores take that.
	c.append(pm(old, `"quality":"error"`), pm(old+1, `"pm25":28`))
	b := c.settled("nha-trang", 12)
	if b.Stored != 6 || b.Quarantined != 1 || !b.Balanced() {
		t.Errorf("after the correction the balance is %+v", b)
	}
	if flag, right := c.samples("air_quality_quality"), c.samples("air_quality_pm25"); flag[old] != 2 || right[old+1] != 28 {
		t.Errorf("after the correction quality is %v, pm25 %v", flag, right)
	}
}

// Two values at one time within a batch, and within one message, are conflicts of
// the same kind.
func TestConflictsInOneBatch(t *testing.T) {
	c := newCity(t)
	old := ago(50 * time.Hour)
	var batch []ingest.Message
	for _, v := range []int{300, 30, 28, 300} {
		batch = append(batch, message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":%d,"seq":%d}`, old, v, len(batch)/4)))
	}
	c.append(batch...)
	c.load()
	b := c.settled("nha-trang", 4)
	// seq is 0 in all of them, so each has a value that is stored.
	if b.Stored != 3 || b.Partial != 2 || b.Duplicate != 1 || !b.Balanced() {
		t.Errorf("balance is %+v", b)
	}
	if got := c.samples("air_quality_pm25"); len(got) != 1 || got[old] != 300 {
		t.Errorf("pm25 is %v, want one 300", got)
	}
}
